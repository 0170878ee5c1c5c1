//! What one packet of a bridged call costs without its system calls.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ringdesk::core::time::{Mono, Now};
use ringdesk::media::command::{Agreement, Codec, Direction, MediaId};
use ringdesk::media::leg::MediaLeg;
use ringdesk::media::rtp::{HEADER_LENGTH, Header};

const FRAME: u32 = 160;

fn remote() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

fn leg(codec: Codec) -> MediaLeg {
    let payload_type = match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    };
    let agreement = Agreement {
        codec,
        send_payload_type: payload_type,
        receive_payload_types: vec![(payload_type, codec)],
        events: None,
        ptime: Duration::from_millis(20),
        direction: Direction::SendRecv,
        remote: remote(),
        remote_rtcp: remote(),
        signalling: remote().ip(),
        remote_is_private: false,
    };
    let mut leg = MediaLeg::new(MediaId(1), 1, Now::default());
    leg.agree(&agreement, Mono::ZERO);
    leg
}

fn forward(criterion: &mut Criterion, name: &str, to: Codec) {
    let (mut a, mut b) = (leg(Codec::Pcmu), leg(to));
    let mut packet = [0x55; HEADER_LENGTH + FRAME as usize];
    let mut number = 0u32;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            let header = Header {
                payload_type: 0,
                marker: false,
                sequence: number as u16,
                timestamp: number.wrapping_mul(FRAME),
                ssrc: 1,
            };
            header.write(&mut packet);
            let now = Mono::from_millis(u64::from(number) * 20);
            let heard = a.handle_datagram(remote(), black_box(&packet), now);
            if let Some(heard) = heard {
                black_box(b.forward(&heard, &mut packet, now));
            }
        });
    });
}

fn benches(criterion: &mut Criterion) {
    forward(criterion, "rtp_forward/same_codec", Codec::Pcmu);
    forward(criterion, "rtp_forward/converted", Codec::Pcma);
}

criterion_group!(rtp_forward, benches);
criterion_main!(rtp_forward);

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::core::prompt::PromptAudio;
use crate::core::time::Wall;
use crate::media::command::Direction;
use crate::media::rtp::rtcp::{self, Part};
use crate::media::rtp::{MAX_DATAGRAM, sequence_distance, timestamp_distance};

const REMOTE: &str = "192.0.2.1:4000";
const REMOTE_RTCP: &str = "192.0.2.1:4001";
const STRANGER: &str = "198.51.100.66:4000";
const SPOKEN: [u8; 160] = [0x21; 160];

/// PCMU both ways with events, 20 ms, from 192.0.2.1:4000.
pub(super) fn agreement() -> Agreement {
    Agreement {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_types: vec![(0, Codec::Pcmu), (8, Codec::Pcma)],
        events: Some((101, 101)),
        ptime: Duration::from_millis(20),
        direction: Direction::SendRecv,
        remote: REMOTE.parse().unwrap(),
        remote_rtcp: REMOTE_RTCP.parse().unwrap(),
        signalling: "192.0.2.1".parse().unwrap(),
        remote_is_private: false,
    }
}

fn pcma() -> Agreement {
    Agreement {
        codec: Codec::Pcma,
        send_payload_type: 8,
        events: Some((96, 97)),
        ..agreement()
    }
}

fn at(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn silent_leg() -> MediaLeg {
    MediaLeg::new(MediaId(1), 99, Now::new(at(0), Wall::from_seconds(1_000)))
}

fn leg(agreement: &Agreement) -> MediaLeg {
    let mut leg = silent_leg();
    leg.agree(agreement, at(0));
    leg
}

/// Audio with a sound that is never silence, different in each codec.
fn audio(samples: usize) -> Audio {
    Arc::new(PromptAudio {
        pcmu: (0..samples).map(|at| (at % 100) as u8).collect(),
        pcma: (0..samples).map(|at| (at % 90) as u8 + 100).collect(),
    })
}

/// A packet as the other side sends it: number, payload type, payload; from SSRC 7 at 20 ms.
fn datagram(number: u16, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        payload_type,
        marker: number == 0,
        sequence: number.wrapping_add(65_530),
        timestamp: u32::from(number) * 160,
        ssrc: 7,
    };
    with_header(&header, payload)
}

fn with_header(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; HEADER_LENGTH];
    assert!(header.write(&mut octets));
    octets.extend_from_slice(payload);
    octets
}

fn read(octets: &[u8]) -> (Header, Vec<u8>) {
    let Datagram::Rtp(packet) = demultiplex(octets) else {
        panic!("not RTP: {octets:02x?}");
    };
    (packet.header, octets[packet.payload].to_vec())
}

fn transmitted(leg: &mut MediaLeg) -> Vec<(Socket, SocketAddr, Vec<u8>)> {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut sent = Vec::new();
    while let Some(Transmit { socket, to, length }) = leg.poll_transmit(&mut buffer) {
        sent.push((socket, to, buffer[..length].to_vec()));
    }
    sent
}

fn events(leg: &mut MediaLeg) -> Vec<MediaEvent> {
    std::iter::from_fn(|| leg.poll_event()).collect()
}

/// Runs a leg until `until`: the RTP that it sent with the time, and its RTCP.
#[derive(Default)]
struct Sent {
    rtp: Vec<(Mono, Header, Vec<u8>)>,
    rtcp: Vec<(Mono, SocketAddr, Vec<u8>)>,
}

fn run(leg: &mut MediaLeg, until: Mono) -> Sent {
    let mut sent = Sent::default();
    loop {
        let now = leg.now;
        for (socket, to, octets) in transmitted(leg) {
            match socket {
                Socket::Rtp => {
                    let (header, payload) = read(&octets);
                    sent.rtp.push((now, header, payload));
                }
                Socket::Rtcp => sent.rtcp.push((now, to, octets)),
            }
        }
        match leg.next_timeout() {
            Some(next) if next <= until => leg.handle_timeout(next),
            _ => {
                leg.handle_timeout(until);
                return sent;
            }
        }
    }
}

fn payloads(sent: &Sent) -> Vec<u8> {
    let payloads = sent.rtp.iter().map(|(_, _, payload)| payload.as_slice());
    payloads.collect::<Vec<_>>().concat()
}

fn carry(from: &mut MediaLeg, to: &mut MediaLeg, octets: &[u8], now: Mono) -> Option<Vec<u8>> {
    let mut octets = octets.to_vec();
    let heard = from.handle_datagram(address(REMOTE), &octets, now)?;
    let (_, packet) = to.forward(&heard, &mut octets, now)?;
    Some(packet.to_vec())
}

#[test]
fn a_prompt_is_heard_once_sample_by_sample() {
    let table = [
        (agreement(), 20, 1000),
        (agreement(), 10, 960),
        (pcma(), 30, 1000),
        (pcma(), 60, 1),
        (agreement(), 20, 160),
    ];
    for (mut agreement, ptime, samples) in table {
        agreement.ptime = Duration::from_millis(ptime);
        let codec = agreement.codec;
        let mut leg = leg(&agreement);
        let audio = audio(samples);
        leg.play(audio.clone(), false, at(0));
        let sent = run(&mut leg, at(2000));
        let frame = ptime as usize * 8;
        let mut expected = match codec {
            Codec::Pcmu => audio.pcmu.to_vec(),
            Codec::Pcma => audio.pcma.to_vec(),
        };
        expected.resize(samples.div_ceil(frame) * frame, codec.silence());
        assert_eq!(payloads(&sent), expected, "{codec:?} {ptime} ms");
        for (index, (when, header, payload)) in sent.rtp.iter().enumerate() {
            assert_eq!(*when, at(index as u64 * ptime));
            assert_eq!(header.marker, index == 0);
            assert_eq!(payload.len(), frame);
            assert_eq!(header.payload_type, agreement.send_payload_type);
        }
        let media = MediaId(1);
        assert_eq!(events(&mut leg), [MediaEvent::PlayingEnded { media }]);
    }
}

#[test]
fn the_end_of_a_prompt_is_told_when_its_last_frame_has_had_its_time() {
    let mut leg = leg(&agreement());
    leg.play(audio(320), false, at(0));
    run(&mut leg, at(39));
    assert_eq!(events(&mut leg), []);
    run(&mut leg, at(40));
    assert_eq!(events(&mut leg).len(), 1);
}

#[test]
fn a_prompt_waits_for_the_agreement() {
    let mut leg = silent_leg();
    leg.play(audio(320), false, at(0));
    assert_eq!(run(&mut leg, at(90)).rtp.len(), 0);
    leg.agree(&agreement(), at(90));
    let sent = run(&mut leg, at(1000));
    let times: Vec<Mono> = sent.rtp.iter().map(|(when, ..)| *when).collect();
    assert_eq!(times, [at(90), at(110)]);
}

#[test]
fn a_repeated_prompt_goes_on_without_a_seam_until_stopped() {
    let mut leg = leg(&agreement());
    let audio = audio(250);
    leg.play(audio.clone(), true, at(0));
    let heard = payloads(&run(&mut leg, at(199)));
    let expected: Vec<u8> = audio.pcmu.iter().copied().cycle().take(1600).collect();
    assert_eq!(heard, expected);
    leg.stop_playing(at(200));
    assert_eq!(run(&mut leg, at(1000)).rtp.len(), 0);
    assert_eq!(events(&mut leg), []);
}

#[test]
fn nothing_to_repeat_and_nothing_to_play_do_no_harm() {
    let mut leg = leg(&agreement());
    leg.play(audio(0), true, at(0));
    assert_eq!(run(&mut leg, at(1000)).rtp.len(), 0);
    leg.play(audio(0), false, at(1000));
    run(&mut leg, at(1010));
    assert_eq!(events(&mut leg).len(), 1);
}

#[test]
fn a_thread_that_comes_late_sends_each_frame_and_then_keeps_the_times() {
    let mut leg = leg(&agreement());
    leg.play(audio(1600), false, at(0));
    transmitted(&mut leg);
    leg.handle_timeout(at(70));
    assert_eq!(transmitted(&mut leg).len(), 3);
    assert_eq!(leg.next_timeout(), Some(at(80)));
    leg.handle_timeout(at(900));
    assert_eq!(transmitted(&mut leg).len(), 1);
    assert_eq!(leg.next_timeout(), Some(at(920)));
}

#[test]
fn one_stream_goes_on_over_prompt_beep_and_bridge() {
    let mut caller = leg(&agreement());
    let mut phone = leg(&agreement());
    caller.play(audio(480), false, at(0));
    let mut sent = run(&mut caller, at(60)).rtp;
    caller.play(audio(160), false, at(61));
    sent.extend(run(&mut caller, at(90)).rtp);
    caller.switch(at(1090));
    for number in 0..3 {
        let now = at(1090 + u64::from(number) * 20);
        let packet = datagram(number, 0, &SPOKEN);
        let (header, payload) = read(&carry(&mut phone, &mut caller, &packet, now).unwrap());
        sent.push((now, header, payload));
    }
    caller.play(audio(160), false, at(1150));
    sent.extend(run(&mut caller, at(1160)).rtp);
    let headers: Vec<Header> = sent.iter().map(|(_, header, _)| *header).collect();
    let first = headers[0];
    let steps: Vec<(i16, i32, bool)> = headers
        .iter()
        .map(|header| {
            assert_eq!(header.ssrc, first.ssrc);
            (
                sequence_distance(first.sequence, header.sequence),
                timestamp_distance(first.timestamp, header.timestamp),
                header.marker,
            )
        })
        .collect();
    // The beep starts at 62 ms; 1,008 ms after its end somebody speaks.
    let bridged = 640 + 8064;
    assert_eq!(
        steps,
        [
            (0, 0, true),
            (1, 160, false),
            (2, 320, false),
            (3, 480, true),
            (4, bridged, true),
            (5, bridged + 160, false),
            (6, bridged + 320, false),
            (7, bridged + 480, true),
        ]
    );
}

#[test]
fn a_bridge_passes_the_payload_on_as_it_is() {
    let (mut a, mut b) = (leg(&agreement()), leg(&agreement()));
    for number in 0..20u16 {
        let payload: Vec<u8> = (0..=159).map(|at| at + number as u8).collect();
        let packet = datagram(number, 0, &payload);
        let now = at(u64::from(number) * 20);
        let carried = carry(&mut a, &mut b, &packet, now).unwrap();
        assert_eq!(read(&carried).1, payload);
    }
    assert_eq!(b.counters().sent, 20);
    assert_eq!(a.counters().received, 20);
}

#[test]
fn sources_and_extensions_of_the_other_side_are_not_passed_on() {
    let (mut a, mut b) = (leg(&agreement()), leg(&agreement()));
    let mut packet = datagram(0, 0, &[]);
    packet[0] |= 0x32;
    packet.extend_from_slice(&[9; 8]);
    packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 1, 1, 1]);
    packet.extend_from_slice(&[5, 6, 7, 8, 0, 0, 0, 4]);
    let carried = carry(&mut a, &mut b, &packet, at(0)).unwrap();
    assert_eq!(carried.len(), HEADER_LENGTH + 4);
    assert_eq!(read(&carried).1, [5, 6, 7, 8]);
}

#[test]
fn gaps_order_and_doubles_are_passed_on_so_that_the_receiver_sees_them() {
    let (mut a, mut b) = (leg(&agreement()), leg(&agreement()));
    let steps: Vec<(i16, i32)> = [0u16, 1, 4, 3, 3, 9, 10]
        .into_iter()
        .map(|number| {
            let now = at(u64::from(number) * 20);
            let carried = carry(&mut a, &mut b, &datagram(number, 0, &SPOKEN), now).unwrap();
            let header = read(&carried).0;
            (header.sequence as i16, header.timestamp as i32)
        })
        .collect();
    let first = steps[0];
    let relative: Vec<(i16, i32)> = steps
        .iter()
        .map(|step| (step.0.wrapping_sub(first.0), step.1.wrapping_sub(first.1)))
        .collect();
    let expected = [0i16, 1, 4, 3, 3, 9, 10].map(|number| (number, i32::from(number) * 160));
    assert_eq!(relative, expected);
}

#[test]
fn another_source_on_the_same_leg_goes_on_in_our_stream() {
    let (mut a, mut b) = (leg(&agreement()), leg(&agreement()));
    let first = carry(&mut a, &mut b, &datagram(0, 0, &SPOKEN), at(0)).unwrap();
    let other = Header {
        payload_type: 0,
        marker: false,
        sequence: 40_000,
        timestamp: 0xdead_beef,
        ssrc: 8,
    };
    let second = carry(&mut a, &mut b, &with_header(&other, &SPOKEN), at(20)).unwrap();
    let (first, second) = (read(&first).0, read(&second).0);
    assert_eq!(second.ssrc, first.ssrc);
    assert_eq!(sequence_distance(first.sequence, second.sequence), 1);
    assert_eq!(timestamp_distance(first.timestamp, second.timestamp), 160);
    assert!(second.marker);
}

#[test]
fn a_bridge_converts_where_the_codecs_differ() {
    let (mut a, mut b) = (leg(&agreement()), leg(&pcma()));
    let every: Vec<u8> = (0..=255).collect();
    let to_b = carry(&mut a, &mut b, &datagram(0, 0, &every), at(0)).unwrap();
    let to_a = carry(&mut b, &mut a, &datagram(0, 8, &every), at(0)).unwrap();
    let (header, payload) = read(&to_b);
    assert_eq!(header.payload_type, 8);
    for (from, to) in every.iter().zip(payload) {
        assert_eq!(to, crate::media::g711::pcmu_to_pcma(*from));
    }
    let (header, payload) = read(&to_a);
    assert_eq!(header.payload_type, 0);
    for (from, to) in every.iter().zip(payload) {
        assert_eq!(to, crate::media::g711::pcma_to_pcmu(*from));
    }
}

#[test]
fn keys_pass_a_bridge_under_the_number_that_the_other_side_knows() {
    let (mut a, mut b) = (leg(&agreement()), leg(&pcma()));
    let carried = carry(&mut a, &mut b, &datagram(0, 101, &[5, 10, 0, 160]), at(0)).unwrap();
    let (header, payload) = read(&carried);
    assert_eq!(header.payload_type, 96);
    assert_eq!(payload, [5, 10, 0, 160]);
    let back = carry(&mut b, &mut a, &datagram(0, 97, &[5, 10, 0, 160]), at(0)).unwrap();
    assert_eq!(read(&back).0.payload_type, 101);
}

#[test]
fn the_rest_of_a_key_pressed_before_the_bridge_stays_with_us_and_the_next_key_passes() {
    let (mut a, mut b) = (leg(&agreement()), leg(&agreement()));
    let press = |number: u16, timestamp: u32, payload: &[u8]| {
        let mut datagram = datagram(number, 101, payload);
        datagram[4..8].copy_from_slice(&timestamp.to_be_bytes());
        datagram
    };
    let first = press(0, 800, &[1, 10, 0, 160]);
    assert!(a.handle_datagram(address(REMOTE), &first, at(0)).is_some());
    a.switch(at(20));
    b.switch(at(20));
    let end = press(1, 800, &[1, 0x8a, 3, 32]);
    assert_eq!(carry(&mut a, &mut b, &end, at(40)), None);
    let next = press(2, 8_000, &[2, 10, 0, 160]);
    let carried = carry(&mut a, &mut b, &next, at(1_000)).unwrap();
    assert_eq!(read(&carried).1, [2, 10, 0, 160]);
}

#[test]
fn what_the_other_side_cannot_take_leaves_no_gap() {
    let (mut a, mut b) = (
        leg(&agreement()),
        leg(&Agreement {
            events: None,
            ..agreement()
        }),
    );
    let sequences: Vec<u16> = [(0, 0), (1, 101), (2, 13), (3, 0), (4, 77), (5, 0)]
        .into_iter()
        .filter_map(|(number, payload_type)| {
            let now = at(u64::from(number) * 20);
            let packet = datagram(number, payload_type, &[1, 2, 3, 4]);
            carry(&mut a, &mut b, &packet, now)
        })
        .map(|carried| read(&carried).0.sequence)
        .collect();
    let first = sequences[0];
    let steps: Vec<u16> = sequences.iter().map(|s| s.wrapping_sub(first)).collect();
    assert_eq!(steps, [0, 1, 2]);
    assert_eq!(a.counters().malformed, 1);
}

#[test]
fn who_is_held_hears_the_prompt_and_not_the_bridge() {
    let (mut a, mut b) = (leg(&agreement()), leg(&agreement()));
    b.play(audio(16_000), true, at(0));
    assert_eq!(carry(&mut a, &mut b, &datagram(0, 0, &SPOKEN), at(0)), None);
    assert!(carry(&mut b, &mut a, &datagram(0, 0, &SPOKEN), at(0)).is_some());
    b.stop_playing(at(20));
    let carried = carry(&mut a, &mut b, &datagram(1, 0, &SPOKEN), at(20)).unwrap();
    assert!(read(&carried).0.marker);
}

#[test]
fn audio_flows_as_the_direction_says() {
    let table = [
        (Direction::SendRecv, true, true),
        (Direction::SendOnly, true, false),
        (Direction::RecvOnly, false, true),
        (Direction::Inactive, false, false),
    ];
    for (direction, sends, receives) in table {
        let mut a = leg(&Agreement {
            direction,
            ..agreement()
        });
        let mut b = leg(&agreement());
        let from_a = carry(&mut a, &mut b, &datagram(0, 0, &SPOKEN), at(0));
        let to_a = carry(&mut b, &mut a, &datagram(0, 0, &SPOKEN), at(0));
        assert_eq!((to_a.is_some(), from_a.is_some()), (sends, receives));
        a.play(audio(320), false, at(0));
        assert_eq!(!run(&mut a, at(100)).rtp.is_empty(), sends);
        assert_eq!(events(&mut a).len(), 1, "the prompt's time passes");
    }
}

#[test]
fn nothing_is_sent_to_nowhere() {
    for nowhere in ["0.0.0.0:4000", "[::]:4000", "192.0.2.1:0"] {
        let mut leg = leg(&Agreement {
            remote: address(nowhere),
            remote_rtcp: address(nowhere),
            ..agreement()
        });
        leg.play(audio(320), false, at(0));
        let sent = run(&mut leg, at(20_000));
        assert_eq!((sent.rtp.len(), sent.rtcp.len()), (0, 0), "{nowhere}");
    }
}

#[test]
fn a_phone_behind_a_nat_is_answered_where_it_is() {
    let mut leg = leg(&Agreement {
        remote: address("10.0.0.2:4000"),
        remote_rtcp: address("10.0.0.2:4001"),
        remote_is_private: true,
        ..agreement()
    });
    let outside = address("192.0.2.1:61000");
    assert!(
        leg.handle_datagram(outside, &datagram(0, 0, &SPOKEN), at(0))
            .is_some()
    );
    leg.play(audio(160), false, at(0));
    assert_eq!(transmitted(&mut leg)[0].1, outside);
    let sent = run(&mut leg, at(8_000));
    assert_eq!(sent.rtcp[0].1, address("192.0.2.1:61001"));
    let rtcp_outside = address("192.0.2.1:33000");
    leg.handle_rtcp(rtcp_outside, &receiver_report(), at(8_001));
    assert_eq!(run(&mut leg, at(16_000)).rtcp[0].1, rtcp_outside);
}

fn receiver_report() -> Vec<u8> {
    let mut octets = vec![0; MAX_DATAGRAM];
    let length = Report {
        ssrc: 7,
        sender: None,
        block: None,
        cname: "them",
        goodbye: false,
    }
    .write(&mut octets);
    octets.truncate(length);
    octets
}

#[test]
fn thirty_seconds_without_a_packet_are_told_once() {
    let media = MediaId(1);
    let silent = |ever_heard| MediaEvent::Silent { media, ever_heard };
    let mut leg = leg(&agreement());
    run(&mut leg, at(29_999));
    assert_eq!(events(&mut leg), []);
    run(&mut leg, at(90_000));
    assert_eq!(events(&mut leg), [silent(false)]);
    leg.handle_datagram(address(REMOTE), &datagram(0, 0, &SPOKEN), at(90_000));
    assert_eq!(events(&mut leg), [MediaEvent::HeardAgain { media }]);
    leg.handle_rtcp(address(REMOTE_RTCP), &receiver_report(), at(110_000));
    run(&mut leg, at(139_999));
    assert_eq!(events(&mut leg), []);
    run(&mut leg, at(140_000));
    assert_eq!(events(&mut leg), [silent(true)]);
}

#[test]
fn silence_is_not_told_of_somebody_who_is_not_to_speak() {
    let mut held = agreement();
    held.direction = Direction::SendOnly;
    let mut leg = leg(&agreement());
    run(&mut leg, at(29_000));
    leg.agree(&held, at(29_000));
    run(&mut leg, at(500_000));
    assert_eq!(events(&mut leg), []);
    leg.agree(&agreement(), at(500_000));
    run(&mut leg, at(529_999));
    assert_eq!(events(&mut leg), []);
    run(&mut leg, at(530_000));
    assert_eq!(events(&mut leg).len(), 1);
}

#[test]
fn a_pressed_key_is_told() {
    let mut leg = leg(&agreement());
    for number in 0..3 {
        let mut packet = datagram(0, 101, &[1, 10, 0, 160]);
        packet[3] += number;
        leg.handle_datagram(address(REMOTE), &packet, at(0));
    }
    let media = MediaId(1);
    assert_eq!(events(&mut leg), [MediaEvent::Digit { media, digit: '1' }]);
}

/// A leg that records and hears `packets` frames; what is recorded and why it ended.
struct Recorded {
    samples: Vec<i16>,
    end: Option<RecordingEnd>,
}

impl Recorded {
    fn of(leg: &mut MediaLeg) -> Recorded {
        let mut samples = Vec::new();
        let end = leg.drain_recorded(|run| samples.extend_from_slice(run));
        Recorded { samples, end }
    }
}

fn speak(leg: &mut MediaLeg, numbers: std::ops::Range<u16>, payload: &[u8]) -> Recorded {
    let mut all = Recorded {
        samples: Vec::new(),
        end: None,
    };
    for number in numbers {
        let now = at(u64::from(number) * 20);
        leg.handle_timeout(now);
        leg.handle_datagram(address(REMOTE), &datagram(number, 0, payload), now);
        let recorded = Recorded::of(leg);
        all.samples.extend(recorded.samples);
        all.end = all.end.or(recorded.end);
    }
    all
}

#[test]
fn a_recording_holds_what_was_spoken_until_it_is_stopped() {
    let mut leg = leg(&agreement());
    speak(&mut leg, 0..10, &[0x10; 160]);
    assert!(leg.record(Duration::from_secs(180), at(200)));
    let recorded = speak(&mut leg, 10..60, &SPOKEN);
    assert_eq!(recorded.samples, vec![Codec::Pcmu.decode(0x21); 50 * 160]);
    assert_eq!(recorded.end, None);
    leg.stop_recording(RecordingEnd::Stopped, at(1200));
    assert_eq!(Recorded::of(&mut leg).end, Some(RecordingEnd::Stopped));
    assert_eq!(Recorded::of(&mut leg).end, None);
}

#[test]
fn a_recording_ends_for_its_reason() {
    let quiet = [Codec::Pcmu.encode(100); 160];
    type Row<'a> = (&'a str, u64, &'a [u8], u16, RecordingEnd, usize);
    let table: &[Row] = &[
        (
            "the longest length",
            3,
            &SPOKEN,
            300,
            RecordingEnd::Limit,
            24_000,
        ),
        (
            "ten quiet seconds",
            180,
            &quiet,
            600,
            RecordingEnd::Silence,
            80_000,
        ),
    ];
    for (name, limit, payload, packets, end, length) in table {
        let mut leg = leg(&agreement());
        leg.record(Duration::from_secs(*limit), at(0));
        let recorded = speak(&mut leg, 0..*packets, payload);
        assert_eq!(recorded.end, Some(*end), "{name}");
        assert_eq!(recorded.samples.len(), *length, "{name}");
    }
}

#[test]
fn ten_seconds_without_packets_end_a_recording() {
    let mut leg = leg(&agreement());
    leg.record(Duration::from_secs(180), at(0));
    let spoken = speak(&mut leg, 0..100, &SPOKEN).samples.len();
    let mut silence = 0;
    let end = loop {
        let next = leg.next_timeout().unwrap();
        assert!(next < at(2_000 + 10_500));
        leg.handle_timeout(next);
        transmitted(&mut leg);
        let recorded = Recorded::of(&mut leg);
        silence += recorded.samples.len();
        if let Some(end) = recorded.end {
            break end;
        }
    };
    assert_eq!(end, RecordingEnd::Silence);
    assert_eq!(spoken, 100 * 160);
    assert!((80_000..81_600).contains(&silence), "{silence}");
}

#[test]
fn the_pound_key_ends_a_recording_and_no_other() {
    let mut leg = leg(&agreement());
    leg.record(Duration::from_secs(180), at(0));
    speak(&mut leg, 0..2, &SPOKEN);
    leg.handle_datagram(address(REMOTE), &datagram(2, 101, &[1, 10, 0, 160]), at(40));
    assert_eq!(Recorded::of(&mut leg).end, None);
    leg.handle_datagram(
        address(REMOTE),
        &datagram(9, 101, &[11, 10, 0, 160]),
        at(180),
    );
    assert_eq!(Recorded::of(&mut leg).end, Some(RecordingEnd::Pound));
}

#[test]
fn a_closed_leg_ends_its_recording_and_says_goodbye() {
    let mut leg = leg(&agreement());
    leg.record(Duration::from_secs(180), at(0));
    speak(&mut leg, 0..2, &SPOKEN);
    leg.close(at(100));
    assert_eq!(Recorded::of(&mut leg).end, Some(RecordingEnd::Stopped));
    let sent = transmitted(&mut leg);
    let [(Socket::Rtcp, to, octets)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!(*to, address(REMOTE_RTCP));
    let mut goodbyes = 0;
    rtcp::read(octets, |part| {
        goodbyes += i32::from(matches!(part, Part::Goodbye(_)));
    })
    .unwrap();
    assert_eq!(goodbyes, 1);
}

#[test]
fn reports_go_out_about_every_five_seconds_and_say_what_was_counted() {
    let mut leg = leg(&agreement());
    for number in [0u16, 1, 3] {
        leg.handle_datagram(address(REMOTE), &datagram(number, 0, &SPOKEN), at(0));
    }
    leg.play(audio(800), false, at(0));
    let sent = run(&mut leg, at(100_000));
    let gaps: Vec<u128> = sent
        .rtcp
        .windows(2)
        .map(|pair| pair[1].0.since(pair[0].0).as_millis())
        .collect();
    assert!((12..=40).contains(&gaps.len()), "{gaps:?}");
    assert!(
        gaps.iter().all(|gap| (2_500..=7_500).contains(gap)),
        "{gaps:?}"
    );
    let mut first = Vec::new();
    rtcp::read(&sent.rtcp[0].2, |part| first.push(part)).unwrap();
    let [Part::Sender(ssrc, info), Part::Block(block)] = first.as_slice() else {
        panic!("{first:?}");
    };
    assert_eq!(*ssrc, sent.rtp[0].1.ssrc);
    assert_eq!((info.packets, info.octets), (5, 800));
    assert_eq!((block.ssrc, block.lost), (7, 1));
    let mut second = Vec::new();
    rtcp::read(&sent.rtcp[1].2, |part| second.push(part)).unwrap();
    assert!(matches!(second.as_slice(), [Part::Block(_)]), "{second:?}");
}

#[test]
fn a_report_tells_when_the_last_one_came() {
    let mut leg = leg(&agreement());
    leg.handle_datagram(address(REMOTE), &datagram(0, 0, &SPOKEN), at(0));
    let mut octets = vec![0; MAX_DATAGRAM];
    let length = Report {
        ssrc: 7,
        sender: Some(rtcp::SenderInfo {
            ntp: 0x1122_3344_5566_7788,
            timestamp: 0,
            packets: 1,
            octets: 160,
        }),
        block: None,
        cname: "them",
        goodbye: false,
    }
    .write(&mut octets);
    leg.handle_rtcp(address(REMOTE_RTCP), &octets[..length], at(1_000));
    let sent = run(&mut leg, at(8_000));
    let (when, _, octets) = &sent.rtcp[0];
    let mut blocks = Vec::new();
    rtcp::read(octets, |part| {
        if let Part::Block(block) = part {
            blocks.push(block);
        }
    })
    .unwrap();
    assert_eq!(blocks[0].last_sender_report, 0x3344_5566);
    let since = u128::from(blocks[0].since_sender_report) * 1000 / 65_536;
    assert!(since.abs_diff(when.since(at(1_000)).as_millis()) <= 1);
}

#[test]
fn before_an_agreement_nothing_is_taken() {
    let mut leg = silent_leg();
    let packet = datagram(0, 0, &SPOKEN);
    assert_eq!(leg.handle_datagram(address(REMOTE), &packet, at(0)), None);
    leg.handle_rtcp(address(REMOTE_RTCP), &receiver_report(), at(0));
    assert_eq!(leg.counters().foreign, 2);
    assert_eq!(leg.next_timeout(), None);
    leg.close(at(1));
    assert!(transmitted(&mut leg).is_empty());
}

/// What a caller's leg does over some seconds in which it hears a prompt, presses a key, is recorded
/// and is bridged, with `forged` datagrams from a stranger in between.
fn course(forged: &[(u64, Vec<u8>)]) -> (Vec<Vec<u8>>, Vec<MediaEvent>, Vec<i16>, MediaCounters) {
    let (mut caller, mut phone) = (leg(&agreement()), leg(&pcma()));
    let (mut sent, mut told, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
    caller.play(audio(1600), false, at(0));
    caller.record(Duration::from_secs(1), at(0));
    for step in 0..400u64 {
        let now = at(step * 5);
        caller.handle_timeout(now);
        for (when, octets) in forged {
            if *when == step {
                caller.handle_datagram(address(STRANGER), octets, now);
                caller.handle_rtcp(address(STRANGER), octets, now);
            }
        }
        if step % 4 == 0 {
            let payload_type = if step == 40 { 101 } else { 0 };
            let packet = datagram((step / 4) as u16, payload_type, &[1, 0, 0, 160]);
            sent.extend(carry(&mut caller, &mut phone, &packet, now));
            let packet = datagram((step / 4) as u16, 8, &SPOKEN);
            sent.extend(carry(&mut phone, &mut caller, &packet, now));
        }
        sent.extend(
            transmitted(&mut caller)
                .into_iter()
                .map(|(_, _, octets)| octets),
        );
        told.extend(events(&mut caller));
        caller.drain_recorded(|samples| recorded.extend_from_slice(samples));
    }
    let counters = MediaCounters {
        foreign: 0,
        malformed: 0,
        ..caller.counters()
    };
    (sent, told, recorded, counters)
}

proptest! {
    #[test]
    fn any_octets_from_the_right_place_do_no_harm(
        packets in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..80), any::<bool>(), 0u64..2000), 1..60),
    ) {
        let (mut a, mut b) = (leg(&agreement()), leg(&pcma()));
        a.record(Duration::from_secs(5), at(0));
        let mut millis = 0;
        for (mut octets, looks_right, pause) in packets {
            if let Some(first) = octets.first_mut().filter(|_| looks_right) {
                *first = 0x80 | (*first & 0x3f);
            }
            millis += pause;
            a.handle_timeout(at(millis));
            a.handle_rtcp(address(REMOTE_RTCP), &octets, at(millis));
            if let Some(carried) = carry(&mut a, &mut b, &octets, at(millis)) {
                read(&carried);
            }
            transmitted(&mut a);
            events(&mut a);
            a.drain_recorded(|_| {});
        }
    }

    #[test]
    fn forged_packets_change_nothing(
        forged in prop::collection::vec(
            (0u64..400, 0u16..100, prop::sample::select(vec![0u8, 8, 13, 101]), any::<bool>()),
            0..50),
    ) {
        let forged: Vec<(u64, Vec<u8>)> = forged
            .into_iter()
            .map(|(step, number, payload_type, report)| {
                let packet = datagram(number, payload_type, &[11, 0x80, 0, 160]);
                (step, if report { receiver_report() } else { packet })
            })
            .collect();
        prop_assert!(course(&forged) == course(&[]));
    }

    #[test]
    fn one_stream_never_goes_back_whatever_is_played_and_bridged(
        steps in prop::collection::vec((0u8..5, 1usize..900, 1u64..300), 1..40),
    ) {
        let (mut caller, mut phone) = (leg(&agreement()), leg(&agreement()));
        let mut headers = Vec::new();
        let mut millis = 0;
        let mut number = 0u16;
        for (kind, samples, pause) in steps {
            match kind {
                0 => caller.play(audio(samples), false, at(millis)),
                1 => caller.play(audio(samples), true, at(millis)),
                2 => caller.stop_playing(at(millis)),
                3 => caller.switch(at(millis)),
                _ => {
                    for _ in 0..3 {
                        let packet = datagram(number, 0, &SPOKEN);
                        number += 1;
                        let carried = carry(&mut phone, &mut caller, &packet, at(millis));
                        headers.extend(carried.map(|octets| read(&octets).0));
                    }
                }
            }
            millis += pause;
            let sent = run(&mut caller, at(millis));
            headers.extend(sent.rtp.into_iter().map(|(_, header, _)| header));
        }
        for pair in headers.windows(2) {
            prop_assert_eq!(pair[0].ssrc, pair[1].ssrc);
            prop_assert_eq!(sequence_distance(pair[0].sequence, pair[1].sequence), 1);
            prop_assert!(timestamp_distance(pair[0].timestamp, pair[1].timestamp) >= 160);
        }
    }
}

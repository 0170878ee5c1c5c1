use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::clock;
use crate::core::id::VoicemailId;
use crate::core::prompt::PromptAudio;
use crate::core::time::Mono;
use crate::media::command::{Agreement, Codec, Direction, Recording, RecordingEnd};
use crate::media::g711::pcma_to_pcmu;
use crate::media::rtp::{Datagram, HEADER_LENGTH, Header, MAX_DATAGRAM, demultiplex};

/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(90);
const PORT: u16 = 30_000;
const CALL: CallId = CallId(uuid::Uuid::from_u64_pair(1, 2));

/// An address that no other test or process uses.
fn own_address(test: u8) -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, test, high, low).into()
}

struct World {
    media: MediaThreads,
    events: Receiver<MediaEvent>,
    address: IpAddr,
    opened: u64,
}

impl World {
    fn new(address: IpAddr) -> World {
        let (sender, events) = channel();
        let recorder = Arc::new(Recorder::new().unwrap());
        let media = MediaThreads::start(2, recorder, move |event| drop(sender.send(event)));
        World {
            media: media.unwrap(),
            events,
            address,
            opened: 0,
        }
    }

    fn send(&mut self, command: MediaCommand) {
        self.media.send(command).unwrap();
    }

    /// Opens a leg with somebody on the other side who has agreed.
    fn leg(&mut self, codec: Codec) -> Phone {
        let media = MediaId(self.opened);
        let port = PORT + self.opened as u16 * 2;
        self.opened += 1;
        let socket = UdpSocket::bind((self.address, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        self.send(MediaCommand::Open {
            media,
            call: CALL,
            address: self.address,
            port,
            seed: 5,
        });
        let phone = Phone {
            media,
            socket,
            leg: SocketAddr::new(self.address, port),
            codec,
            sequence: 0,
        };
        self.agree(&phone);
        phone
    }

    fn agree(&mut self, phone: &Phone) {
        let remote = phone.socket.local_addr().unwrap();
        let payload_type = phone.payload_type();
        let agreement = Agreement {
            codec: phone.codec,
            send_payload_type: payload_type,
            receive_payload_types: vec![(payload_type, phone.codec)],
            events: Some((101, 101)),
            ptime: Duration::from_millis(20),
            direction: Direction::SendRecv,
            remote,
            remote_rtcp: SocketAddr::new(remote.ip(), 9),
            signalling: remote.ip(),
            remote_is_private: true,
        };
        self.send(MediaCommand::Agree {
            media: phone.media,
            agreement,
        });
    }

    fn event(&self) -> MediaEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Two phones that hear each other.
    fn bridged(&mut self, a: Codec, b: Codec) -> (Phone, Phone) {
        let (a, b) = (self.leg(a), self.leg(b));
        self.bridge(&a, &b);
        (a, b)
    }

    fn bridge(&mut self, a: &Phone, b: &Phone) {
        self.send(MediaCommand::Bridge {
            a: a.media,
            b: b.media,
        });
        self.settle();
    }

    /// Waits until everything that was asked for is done: the answer to a further command is
    /// there, to open a leg on an address that no machine has.
    fn settle(&mut self) {
        self.send(MediaCommand::Open {
            media: MediaId(u64::MAX),
            call: CALL,
            address: "192.0.2.1".parse().unwrap(),
            port: PORT,
            seed: 1,
        });
        let event = self.event();
        assert!(matches!(event, MediaEvent::OpenFailed { .. }), "{event:?}");
    }
}

struct Phone {
    media: MediaId,
    socket: UdpSocket,
    leg: SocketAddr,
    codec: Codec,
    sequence: u16,
}

impl Phone {
    fn payload_type(&self) -> u8 {
        match self.codec {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }

    fn say_as(&mut self, payload_type: u8, payload: &[u8]) {
        let header = Header {
            payload_type,
            marker: false,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: 77,
        };
        self.sequence += 1;
        let mut packet = vec![0; HEADER_LENGTH];
        assert!(header.write(&mut packet));
        packet.extend_from_slice(payload);
        self.socket.send_to(&packet, self.leg).unwrap();
    }

    fn say(&mut self, payload: &[u8]) {
        self.say_as(self.payload_type(), payload);
    }

    fn hear(&self) -> (Header, Vec<u8>) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            assert_eq!(from, self.leg);
            if let Datagram::Rtp(packet) = demultiplex(&buffer[..length]) {
                return (packet.header, buffer[packet.payload].to_vec());
            }
        }
    }

    /// Speaks `frames` to another phone, which speaks back; each hears the other's last word
    /// before the next is said, so that nothing depends on how fast the machine is.
    fn talk(&mut self, other: &mut Phone, frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        frames
            .iter()
            .map(|frame| {
                self.say(frame);
                let there = other.hear().1;
                other.say(frame);
                (there, self.hear().1)
            })
            .unzip()
    }
}

fn frames(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| (0..160).map(|at| (number * 7 + at) as u8).collect())
        .collect()
}

#[test]
fn a_prompt_arrives_sample_by_sample() {
    let mut world = World::new(own_address(1));
    let phone = world.leg(Codec::Pcma);
    let pcma: Box<[u8]> = (0..8000usize).map(|at| (at * 31 % 251) as u8).collect();
    let pcmu = pcma.iter().map(|&octet| pcma_to_pcmu(octet)).collect();
    let audio = Arc::new(PromptAudio {
        pcmu,
        pcma: pcma.clone(),
    });
    world.send(MediaCommand::Play {
        media: phone.media,
        audio,
        repeat: false,
    });
    let mut heard = Vec::new();
    let mut times = Vec::new();
    while heard.len() < pcma.len() {
        heard.extend(phone.hear().1);
        times.push(clock::mono());
    }
    assert_eq!(*heard, *pcma);
    assert_eq!(
        world.event(),
        MediaEvent::PlayingEnded { media: phone.media }
    );
    print_pacing(&times);
}

fn print_pacing(times: &[Mono]) {
    let mut gaps: Vec<u128> = times
        .windows(2)
        .map(|pair| pair[1].since(pair[0]).as_micros())
        .collect();
    gaps.sort_unstable();
    let last = gaps.len() - 1;
    println!(
        "gaps in µs: least {}, median {}, most {}",
        gaps[0],
        gaps[last / 2],
        gaps[last]
    );
}

#[test]
fn bridged_phones_hear_each_other_octet_by_octet() {
    let mut world = World::new(own_address(2));
    let (mut a, mut b) = world.bridged(Codec::Pcmu, Codec::Pcmu);
    let frames = frames(50);
    assert_eq!(a.talk(&mut b, &frames), (frames.clone(), frames));
}

#[test]
fn bridged_phones_with_different_codecs_understand_each_other() {
    let mut world = World::new(own_address(3));
    let (mut a, mut b) = world.bridged(Codec::Pcma, Codec::Pcmu);
    let frames = frames(20);
    let (at_b, at_a) = a.talk(&mut b, &frames);
    let converted = |convert: fn(u8) -> u8| -> Vec<Vec<u8>> {
        let frames = frames.iter();
        frames
            .map(|frame| frame.iter().map(|&octet| convert(octet)).collect())
            .collect()
    };
    assert_eq!(at_b, converted(pcma_to_pcmu));
    assert_eq!(at_a, converted(crate::media::g711::pcmu_to_pcma));
}

#[test]
fn a_call_over_ipv6_is_heard() {
    let mut world = World::new(Ipv6Addr::LOCALHOST.into());
    // There is one such address only: a pair of ports of our own, below those the system gives out.
    world.opened = u64::from(std::process::id() % 1_300);
    let (mut a, mut b) = world.bridged(Codec::Pcmu, Codec::Pcmu);
    let frames = frames(5);
    assert_eq!(a.talk(&mut b, &frames), (frames.clone(), frames));
}

#[test]
fn a_stranger_is_not_heard_and_is_counted() {
    let mut world = World::new(own_address(4));
    let (mut a, mut b) = world.bridged(Codec::Pcmu, Codec::Pcmu);
    let frames = frames(3);
    a.talk(&mut b, &frames);
    let stranger = UdpSocket::bind((own_address(5), 0)).unwrap();
    let mut forged = vec![0; HEADER_LENGTH];
    let header = Header {
        payload_type: 0,
        marker: false,
        sequence: 9,
        timestamp: 9,
        ssrc: 9,
    };
    assert!(header.write(&mut forged));
    for _ in 0..10 {
        stranger.send_to(&forged, a.leg).unwrap();
    }
    assert_eq!(a.talk(&mut b, &frames), (frames.clone(), frames));
    world.send(MediaCommand::Close { media: a.media });
    let MediaEvent::Closed { counters, .. } = world.event() else {
        panic!("not closed");
    };
    assert_eq!((counters.received, counters.sent), (6, 6));
    assert_eq!((counters.foreign, counters.lost), (10, 0));
}

#[test]
fn a_phone_that_moves_is_heard_from_its_new_place_after_its_sdp() {
    let mut world = World::new(own_address(6));
    let (mut a, mut b) = world.bridged(Codec::Pcmu, Codec::Pcmu);
    let frames = frames(3);
    a.talk(&mut b, &frames);
    let old = std::mem::replace(&mut a.socket, UdpSocket::bind((world.address, 0)).unwrap());
    a.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    world.agree(&a);
    world.settle();
    assert_eq!(a.talk(&mut b, &frames), (frames.clone(), frames));
    drop(old);
}

#[test]
fn a_closed_leg_gives_its_ports_back() {
    let mut world = World::new(own_address(7));
    let (mut a, mut b) = world.bridged(Codec::Pcmu, Codec::Pcmu);
    a.talk(&mut b, &frames(2));
    assert!(UdpSocket::bind(a.leg).is_err());
    world.send(MediaCommand::Close { media: a.media });
    assert!(matches!(world.event(), MediaEvent::Closed { media, .. } if media == a.media));
    for port in [a.leg.port(), a.leg.port() + 1] {
        UdpSocket::bind((world.address, port)).unwrap();
    }
    world.send(MediaCommand::Close { media: a.media });
    assert!(world.events.try_recv().is_err());
}

#[test]
fn a_port_that_is_taken_is_told() {
    let address = own_address(8);
    let mut world = World::new(address);
    for taken in [PORT, PORT + 1] {
        let other = UdpSocket::bind((address, taken)).unwrap();
        world.opened = 0;
        let phone = world.leg(Codec::Pcmu);
        let MediaEvent::OpenFailed { media, error } = world.event() else {
            panic!("opened");
        };
        assert_eq!(media, phone.media);
        assert!(error.contains(&taken.to_string()), "{error}");
        world.send(MediaCommand::Close { media });
        assert!(matches!(world.event(), MediaEvent::Closed { .. }));
        drop(other);
    }
}

fn recording(path: &std::path::Path) -> Recording {
    Recording {
        id: VoicemailId(uuid::Uuid::from_u64_pair(3, 4)),
        path: path.to_owned(),
        limit: Duration::from_secs(180),
    }
}

#[test]
fn a_message_is_in_its_file_once_its_end_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("message.wav");
    let mut world = World::new(own_address(9));
    let mut phone = world.leg(Codec::Pcmu);
    world.send(MediaCommand::Record {
        media: phone.media,
        recording: recording(&path),
    });
    world.settle();
    // Loud throughout, so that nothing is cut off its end.
    let spoken: Vec<u8> = (0..160 * 150).map(|at| (at % 40) as u8).collect();
    // The recording has begun once a key has been heard after it was asked for.
    phone.say_as(101, &[5, 0x80, 0, 160]);
    assert!(matches!(
        world.event(),
        MediaEvent::Digit { digit: '5', .. }
    ));
    for frame in spoken.chunks(160) {
        phone.say(frame);
    }
    phone.say_as(101, &[11, 0x80, 0, 160]);
    assert!(matches!(
        world.event(),
        MediaEvent::Digit { digit: '#', .. }
    ));
    let MediaEvent::RecordingEnded { why, length, .. } = world.event() else {
        panic!("not ended");
    };
    assert_eq!(why, RecordingEnd::Pound);
    assert_eq!(length, Duration::from_secs(3));
    let mut file = hound::WavReader::open(&path).unwrap();
    let recorded: Vec<i16> = file.samples().map(Result::unwrap).collect();
    let expected: Vec<i16> = spoken
        .iter()
        .map(|&octet| Codec::Pcmu.decode(octet))
        .collect();
    assert!(recorded == expected);
}

#[test]
fn threads_that_end_complete_what_they_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("message.wav");
    let mut world = World::new(own_address(10));
    let mut phone = world.leg(Codec::Pcmu);
    world.send(MediaCommand::Record {
        media: phone.media,
        recording: recording(&path),
    });
    world.settle();
    phone.say(&[0x20; 160]);
    phone.say_as(101, &[5, 0x80, 0, 160]);
    assert!(matches!(world.event(), MediaEvent::Digit { .. }));
    let World { media, events, .. } = world;
    drop(media);
    let ended = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(
        ended,
        MediaEvent::RecordingEnded {
            why: RecordingEnd::Stopped,
            ..
        }
    ));
    assert!(path.exists());
}

#[test]
fn a_fault_in_one_call_leaves_the_others_alone() {
    let (sender, events) = channel();
    let recorder = Arc::new(Recorder::new().unwrap());
    let media = MediaThreads::start(1, recorder, move |event| {
        let is_fault = matches!(event, MediaEvent::Digit { digit: 'D', .. });
        assert!(!is_fault, "a fault for the test");
        drop(sender.send(event));
    });
    let mut world = World {
        media: media.unwrap(),
        events,
        address: own_address(12),
        opened: 0,
    };
    let (mut a, mut b) = (world.leg(Codec::Pcmu), world.leg(Codec::Pcmu));
    let (mut c, d) = (world.leg(Codec::Pcmu), world.leg(Codec::Pcmu));
    world.bridge(&a, &b);
    world.bridge(&c, &d);
    c.say_as(101, &[15, 0x80, 0, 160]);
    let mut gone = [world.event(), world.event()].map(|event| match event {
        MediaEvent::OpenFailed { media, .. } => media,
        event => panic!("{event:?}"),
    });
    gone.sort_unstable();
    assert_eq!(gone, [c.media, d.media]);
    let frames = frames(3);
    assert_eq!(a.talk(&mut b, &frames), (frames.clone(), frames));
}

#[test]
fn a_command_for_a_leg_that_is_not_there_does_nothing() {
    let mut world = World::new(own_address(11));
    let media = MediaId(5);
    world.send(MediaCommand::StopPlaying { media });
    world.send(MediaCommand::Unbridge { media });
    world.send(MediaCommand::Bridge {
        a: media,
        b: MediaId(6),
    });
    let mut a = world.leg(Codec::Pcmu);
    let mut b = world.leg(Codec::Pcmu);
    world.send(MediaCommand::Bridge {
        a: a.media,
        b: media,
    });
    world.bridge(&a, &b);
    let frames = frames(2);
    assert_eq!(a.talk(&mut b, &frames), (frames.clone(), frames));
}

#[test]
fn as_many_threads_as_suit_the_machine() {
    let table = [(0, 1), (1, 1), (2, 2), (64, MAX_THREADS)];
    for (cores, threads) in table {
        assert_eq!(thread_count(cores), threads);
    }
}

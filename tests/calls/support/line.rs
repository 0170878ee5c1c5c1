//! The audio of one phone: says what it is told to, remembers all that it hears.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ringdesk::clock;
use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

use super::sound::{FRAME, Law};
use super::wait::{self, Watched};

/// Time between frames.
const PACE: Duration = Duration::from_millis(20);

/// Payload types from here on are what an SDP says; here they are keys.
const FIRST_DYNAMIC: u8 = 96;

/// A packet as it came.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Where from.
    pub source: SocketAddr,
    /// Its payload type.
    pub payload_type: u8,
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// Its source's number.
    pub ssrc: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A pair of sockets for RTP and RTCP.
#[derive(Debug)]
pub struct Line {
    rtp: Arc<UdpSocket>,
    _rtcp: UdpSocket,
    heard: Arc<Watched<Vec<Packet>>>,
    closed: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// The longest time between two frames said one after the other.
    longest_gap: Duration,
}

impl Line {
    /// A line at `ip`.
    pub fn open(ip: IpAddr) -> Line {
        let (rtp, rtcp) = pair(ip);
        rtp.set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let rtp = Arc::new(rtp);
        let heard = Arc::new(Watched::default());
        let closed = Arc::new(AtomicBool::new(false));
        let port = rtp.local_addr().unwrap().port();
        let listener = std::thread::spawn({
            let (rtp, heard, closed) = (Arc::clone(&rtp), Arc::clone(&heard), Arc::clone(&closed));
            move || listen(&rtp, &heard, &closed)
        });
        Line {
            rtp,
            _rtcp: rtcp,
            heard,
            closed,
            listener: Some(listener),
            sequence: port,
            timestamp: u32::from(port) << 12,
            ssrc: 0x5000_0000 | u32::from(port),
            longest_gap: Duration::ZERO,
        }
    }

    /// Its RTP port.
    pub fn port(&self) -> u16 {
        self.rtp.local_addr().unwrap().port()
    }

    /// Where it hears.
    pub fn address(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap()
    }

    /// Says `octets` to `to`, a frame each 20 ms.
    pub fn say(&mut self, to: SocketAddr, law: Law, octets: &[u8]) {
        let began = clock::mono();
        let mut last = began;
        for (frame, due) in octets.chunks(FRAME).zip(0u32..) {
            let due = began + PACE * due;
            wait::pause(due.since(clock::mono()));
            let now = clock::mono();
            self.longest_gap = self.longest_gap.max(now.since(last));
            last = now;
            self.send(to, law.payload_type(), false, frame);
            self.timestamp = self.timestamp.wrapping_add(frame.len() as u32);
        }
    }

    /// Presses a key: RFC 4733, 100 ms long, its end sent three times.
    pub fn press(&mut self, to: SocketAddr, payload_type: u8, key: u8) {
        for (step, first) in [(1u16, true), (2, false), (3, false), (4, false), (5, false)] {
            let duration = (step * 160).to_be_bytes();
            let payload = [key, 10, duration[0], duration[1]];
            self.send(to, payload_type, first, &payload);
            wait::pause(PACE);
        }
        let duration = 800u16.to_be_bytes();
        for _ in 0..3 {
            self.send(
                to,
                payload_type,
                false,
                &[key, 0x8a, duration[0], duration[1]],
            );
        }
        self.timestamp = self.timestamp.wrapping_add(800);
    }

    fn send(&mut self, to: SocketAddr, payload_type: u8, marked: bool, payload: &[u8]) {
        let packet = RtpPacketBuilder::new()
            .payload_type(payload_type)
            .marked(marked)
            .sequence(Seq::from(self.sequence))
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .payload(payload)
            .build()
            .unwrap();
        self.rtp.send_to(&packet, to).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Everything that came, in the order in which it came.
    pub fn packets(&self) -> Vec<Packet> {
        self.heard.look(Clone::clone)
    }

    /// All audio that was heard, by sequence number; keys are left out. One source, no number missing.
    pub fn heard(&self) -> Vec<u8> {
        let mut packets = self.packets();
        let Some(first) = packets.first().cloned() else {
            return Vec::new();
        };
        packets.sort_by_key(|packet| packet.sequence.wrapping_sub(first.sequence) as i16);
        for pair in packets.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            assert_eq!(before.ssrc, after.ssrc, "one source");
            assert_eq!(before.source, after.source, "from one port");
            let moved = after.timestamp.wrapping_sub(before.timestamp) as i32;
            assert!(moved >= 0, "time never goes back");
            let next = before.sequence.wrapping_add(1);
            assert_eq!(next, after.sequence, "no packet lost or doubled");
        }
        packets
            .iter()
            .filter(|packet| packet.payload_type < FIRST_DYNAMIC)
            .flat_map(|packet| packet.payload.iter().copied())
            .collect()
    }

    /// Waits until `samples` octets of audio have come.
    pub fn wait_for(&self, samples: usize) {
        let come = |packets: &mut Vec<Packet>| {
            let heard: usize = packets.iter().map(|packet| packet.payload.len()).sum();
            (heard >= samples).then_some(())
        };
        if self.heard.wait(come).is_none() {
            let heard = self.heard().len();
            panic!("{heard} samples heard, waiting for {samples}");
        }
    }

    /// Waits until the last that was heard is `octets`.
    pub fn wait_for_end(&self, octets: &[u8]) {
        let come = |packets: &mut Vec<Packet>| {
            let mut heard = Vec::with_capacity(octets.len());
            for packet in packets
                .iter()
                .rev()
                .take_while(|packet| packet.payload_type < FIRST_DYNAMIC)
            {
                heard.extend(packet.payload.iter().rev());
                if heard.len() >= octets.len() {
                    break;
                }
            }
            heard.reverse();
            heard.ends_with(octets).then_some(())
        };
        let come = self.heard.wait(come);
        assert!(come.is_some(), "what was said last did not come");
    }

    /// The longest time between two frames said one after the other: what came of the pace on a
    /// machine that had other things to do.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

/// An even port with its neighbour.
fn pair(ip: IpAddr) -> (UdpSocket, UdpSocket) {
    (0..1_000)
        .find_map(|_| {
            let rtp = UdpSocket::bind((ip, 0)).ok()?;
            let port = rtp.local_addr().ok()?.port();
            if port % 2 != 0 {
                return None;
            }
            Some((rtp, UdpSocket::bind((ip, port + 1)).ok()?))
        })
        .expect("two free ports side by side")
}

fn listen(socket: &UdpSocket, heard: &Watched<Vec<Packet>>, closed: &AtomicBool) {
    let mut buffer = [0; 2_048];
    while !closed.load(Ordering::Relaxed) {
        let Ok((length, source)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let reader = RtpReader::new(&buffer[..length]).expect("what comes is RTP");
        let packet = Packet {
            source,
            payload_type: reader.payload_type(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            payload: reader.payload().to_vec(),
        };
        heard.change(|packets| packets.push(packet));
    }
}

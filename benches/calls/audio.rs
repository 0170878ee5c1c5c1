//! Audio both ways in all calls at once: 50 packets a second into each leg, and what comes back.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ringdesk::clock;
use ringdesk::core::time::Mono;

use crate::load::Load;
use crate::{Failure, carrier_ip, phones_ip};

const FRAME_TIME: Duration = Duration::from_millis(20);
const PACKET: usize = 172;

/// Moments of the 20 ms at which packets are sent, spread over the calls as those of unrelated
/// callers are.
const PHASES: usize = 40;

/// Below the daemon's media ports; each side of a call takes two.
const FIRST_PORT: u16 = 9_000;

/// One side of one call.
struct Side {
    rtp: UdpSocket,
    /// Takes RTCP, which nobody reads, so that it is not refused.
    _rtcp: UdpSocket,
    address: SocketAddr,
    daemon: Option<SocketAddr>,
    packet: [u8; PACKET],
    sequence: u16,
    timestamp: u32,
    sent: u64,
    heard: u64,
}

/// The carrier's side and the phone's of each call.
pub struct Audio {
    sides: Vec<[Side; 2]>,
}

/// Packets sent, and packets that came back on the other side.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub sent: u64,
    pub heard: u64,
}

impl Audio {
    pub fn open(calls: usize) -> Result<Audio, Failure> {
        let sides = (0..calls).map(|call| {
            let port = FIRST_PORT + call as u16 * 4;
            Ok([
                Side::open(SocketAddr::new(carrier_ip(), port))?,
                Side::open(SocketAddr::new(phones_ip(), port + 2))?,
            ])
        });
        Ok(Audio {
            sides: sides.collect::<Result<_, Failure>>()?,
        })
    }

    /// The addresses of carrier and phone, for each call.
    pub fn addresses(&self) -> Vec<(SocketAddr, SocketAddr)> {
        let sides = self.sides.iter();
        sides.map(|[a, b]| (a.address, b.address)).collect()
    }

    /// Sends to what the daemon has said in its offers and answers.
    pub fn agree(&mut self, load: &Load, calls: usize) -> Result<(), Failure> {
        let audio = load.carrier_audio.iter().zip(&load.phone_audio);
        for ([a, b], (carrier, phone)) in self.sides.iter_mut().zip(audio).take(calls) {
            a.connect(carrier.1)?;
            b.connect(phone.1)?;
        }
        Ok(())
    }

    /// Talks on every side for `time`, while the calls' SIP goes on; then listens for what is still
    /// under way.
    pub fn exchange(&mut self, load: &mut Load, time: Duration) -> Result<Counted, Failure> {
        let begun = self.counted();
        let start = clock::mono();
        let frames = time.as_nanos() / FRAME_TIME.as_nanos();
        for turn in 0..frames as usize * PHASES {
            let due = start + FRAME_TIME / PHASES as u32 * turn as u32;
            wait_until(due);
            let phase = turn % PHASES;
            for (number, side) in self.sides.iter_mut().flatten().enumerate() {
                if number * 7 % PHASES == phase {
                    side.listen()?;
                    side.talk()?;
                }
            }
            if phase.is_multiple_of(10) {
                load.turn(Duration::ZERO)?;
            }
        }
        wait_until(clock::mono() + FRAME_TIME * 3);
        for side in self.sides.iter_mut().flatten() {
            side.listen()?;
        }
        let counted = self.counted();
        Ok(Counted {
            sent: counted.sent - begun.sent,
            heard: counted.heard - begun.heard,
        })
    }

    fn counted(&self) -> Counted {
        let sides = || self.sides.iter().flatten();
        Counted {
            sent: sides().map(|side| side.sent).sum(),
            heard: sides().map(|side| side.heard).sum(),
        }
    }
}

impl Side {
    fn open(address: SocketAddr) -> Result<Side, Failure> {
        let rtp = UdpSocket::bind(address)?;
        rtp.set_nonblocking(true)?;
        let rtcp = UdpSocket::bind(SocketAddr::new(address.ip(), address.port() + 1))?;
        let mut packet = [0x55; PACKET];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[8..12].copy_from_slice(&u32::from(address.port()).to_be_bytes());
        Ok(Side {
            rtp,
            _rtcp: rtcp,
            address,
            daemon: None,
            packet,
            sequence: 0,
            timestamp: 0,
            sent: 0,
            heard: 0,
        })
    }

    fn connect(&mut self, daemon: Option<SocketAddr>) -> Result<(), Failure> {
        let daemon = daemon.ok_or("a call without an address for audio")?;
        self.rtp.connect(daemon)?;
        self.daemon = Some(daemon);
        Ok(())
    }

    fn talk(&mut self) -> Result<(), Failure> {
        if self.daemon.is_none() {
            return Ok(());
        }
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        match self.rtp.send(&self.packet) {
            Ok(_) => self.sent += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), Failure> {
        let mut packet = [0; 1500];
        loop {
            match self.rtp.recv(&mut packet) {
                Ok(PACKET) => self.heard += 1,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn wait_until(at: Mono) {
    loop {
        let wait = at.since(clock::mono());
        if wait.is_zero() {
            return;
        }
        std::thread::park_timeout(wait);
    }
}

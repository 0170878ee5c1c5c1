//! CPU time of the media threads for each packet of a bridged call, system calls included.
//!
//! `cargo bench --bench rtp_loopback [-- CALLS [SECONDS [THREADS]]]` opens that many bridged G.711
//! calls over loopback sockets, sends 50 packets a second into each leg, and prints what the
//! threads used according to `/proc`: on a noisy machine CPU time says more than elapsed time.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use ringdesk::clock;
use ringdesk::core::id::CallId;
use ringdesk::core::time::Mono;
use ringdesk::media::command::{
    Agreement, Codec, Direction, MediaCommand, MediaCounters, MediaEvent, MediaId,
};
use ringdesk::media::recording::Recorder;
use ringdesk::media::rtp::{HEADER_LENGTH, Header};
use ringdesk::media::worker::MediaThreads;

const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
const FIRST_PORT: u16 = 21_000;
/// Spreads the legs' packets over the 20 ms, as unrelated callers are.
const PHASES: u64 = 80;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let calls = numbers.next().unwrap_or(100);
    let seconds = numbers.next().unwrap_or(5);
    let threads = numbers.next().unwrap_or(1) as usize;

    let (closed, counters) = channel();
    let mut media = MediaThreads::start(threads, Arc::new(Recorder::new()?), on_event(closed))?;
    let mut sides = (0..calls * 2)
        .map(|number| Side::open(number, &mut media))
        .collect::<Result<Vec<_>, Failure>>()?;
    for call in 0..calls {
        let (a, b) = (MediaId(call * 2), MediaId(call * 2 + 1));
        media.send(MediaCommand::Bridge { a, b })?;
    }
    // Until the commands are done and each source is known.
    exchange(&mut sides, Duration::from_secs(1))?;

    let before = (cpu_time()?, clock::mono());
    let sent = exchange(&mut sides, Duration::from_secs(seconds))?;
    let (used, elapsed) = (cpu_time()? - before.0, clock::mono().since(before.1));

    for number in 0..calls * 2 {
        media.send(MediaCommand::Close {
            media: MediaId(number),
        })?;
    }
    let mut total = MediaCounters::default();
    for counted in counters.iter().take(calls as usize * 2) {
        total.sent += counted.sent;
        total.foreign += counted.foreign;
    }
    let heard: u64 = sides.iter().map(|side| side.heard).sum();
    let delay = DELAY.load(Ordering::Relaxed) as f64 / heard.max(1) as f64 / 1e6;
    let micros = used.as_nanos() as f64 / 1000.0;
    println!(
        "{calls} calls, {threads} threads, {:.1} s: {sent} packets sent, {heard} heard back in all, \
         {} forwarded, {} foreign",
        elapsed.as_secs_f64(),
        total.sent,
        total.foreign
    );
    println!(
        "{:.2} µs of CPU per packet; {:.2} % of a core; {:.2} ms mean delay",
        micros / sent as f64,
        micros / elapsed.as_micros() as f64 * 100.0,
        delay,
    );
    Ok(())
}

/// Nanoseconds between sending and hearing, over all packets heard.
static DELAY: AtomicU64 = AtomicU64::new(0);

fn on_event(closed: Sender<MediaCounters>) -> impl Fn(MediaEvent) + Send + Sync {
    move |event| match event {
        MediaEvent::Closed { counters, .. } => drop(closed.send(counters)),
        MediaEvent::OpenFailed { error, .. } => eprintln!("{error}"),
        _ => {}
    }
}

/// The other side of one leg.
struct Side {
    socket: UdpSocket,
    header: Header,
    next: Mono,
    heard: u64,
}

impl Side {
    fn open(number: u64, media: &mut MediaThreads) -> Result<Side, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let port = FIRST_PORT + number as u16 * 2;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        let leg = MediaId(number);
        media.send(MediaCommand::Open {
            media: leg,
            call: CallId(uuid::Uuid::from_u64_pair(0, number / 2)),
            address: Ipv4Addr::LOCALHOST.into(),
            port,
            seed: number,
        })?;
        media.send(MediaCommand::Agree {
            media: leg,
            agreement: agreement(socket.local_addr()?),
        })?;
        let phase = Duration::from_nanos(number * 7 % PHASES * 250_000);
        Ok(Side {
            socket,
            header: Header {
                payload_type: 0,
                marker: false,
                sequence: 0,
                timestamp: 0,
                ssrc: number as u32,
            },
            next: clock::mono() + phase,
            heard: 0,
        })
    }

    fn send(&mut self, now: Mono) -> io::Result<()> {
        let mut packet = [0x55; HEADER_LENGTH + FRAME];
        self.header.write(&mut packet);
        packet[HEADER_LENGTH..][..8].copy_from_slice(&now.as_nanos().to_be_bytes());
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(FRAME as u32);
        self.next = self.next + FRAME_TIME;
        self.socket.send(&packet).map(drop)
    }

    fn hear(&mut self) {
        let mut packet = [0; 1500];
        while let Ok(length) = self.socket.recv(&mut packet) {
            self.heard += 1;
            if let Some(sent) = packet[..length].get(HEADER_LENGTH..HEADER_LENGTH + 8) {
                let sent = sent
                    .iter()
                    .fold(0, |sum, &octet| (sum << 8) | u64::from(octet));
                let delay = clock::mono().since(Mono::from_nanos(sent));
                DELAY.fetch_add(delay.as_nanos() as u64, Ordering::Relaxed);
            }
        }
    }
}

fn agreement(remote: SocketAddr) -> Agreement {
    Agreement {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_types: vec![(0, Codec::Pcmu)],
        events: None,
        ptime: FRAME_TIME,
        direction: Direction::SendRecv,
        remote,
        remote_rtcp: remote,
        signalling: remote.ip(),
        remote_is_private: true,
    }
}

/// Talks on every side for a while; returns how many packets were sent.
fn exchange(sides: &mut [Side], time: Duration) -> Result<u64, Failure> {
    let end = clock::mono() + time;
    let mut sent = 0;
    loop {
        let now = clock::mono();
        if now >= end {
            return Ok(sent);
        }
        for side in sides.iter_mut() {
            if side.next <= now {
                side.send(now)?;
                sent += 1;
            }
            side.hear();
        }
        std::thread::park_timeout(Duration::from_micros(250));
    }
}

/// CPU time of all media threads so far: the first number of their `schedstat`, in ns.
fn cpu_time() -> Result<Duration, Failure> {
    let mut nanos = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.starts_with("media-") {
            let stat = fs::read_to_string(task.join("schedstat"))?;
            let used = stat.split(' ').next().unwrap_or("0");
            nanos += used.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

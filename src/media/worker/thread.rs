//! One media thread.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::thread::park_timeout;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token};

use crate::clock;
use crate::core::time::Mono;
use crate::media::command::{
    MediaCommand, MediaCounters, MediaEvent, MediaId, Recording, RecordingEnd,
};
use crate::media::leg::{MediaLeg, Socket, Transmit};
use crate::media::recording::{Pushed, Recorder, RecordingRing};
use crate::media::rtp::MAX_DATAGRAM;

use super::Signal;
use super::sockets::{Origin, Transport};

/// The token of commands.
pub(super) const WAKE: Token = Token(usize::MAX);

/// Datagrams taken from one socket before the others have their turn, so that a flood on one leg
/// does not starve the rest.
const MAX_BURST: usize = 32;

/// Sockets that one poll reports at most; the rest come with the next.
const MAX_READY: usize = 1024;

/// After packets have been served, or a command has come, the thread rests until the next multiple of
/// this, so that with many calls one wake serves all packets and commands that came meanwhile. Adds
/// half of it to a packet's way on average; frames of prompts lie on the same grid.
const REST: Duration = Duration::from_millis(4);

/// The shortest wait that a poll can do; below it the thread parks.
const POLL_RESOLUTION: Duration = Duration::from_millis(1);

/// A thread's state.
pub(super) struct MediaThread {
    poll: Poll,
    queue: Receiver<MediaCommand>,
    signal: Arc<Signal>,
    legs: Legs,
    /// Sockets with more to read than [`MAX_BURST`].
    unfinished: Vec<Token>,
    /// Sockets being served; empty in between.
    turn: Vec<Token>,
    /// Where datagrams are received, changed and sent from.
    buffer: Box<[u8; MAX_DATAGRAM]>,
}

struct Legs {
    slots: Vec<Option<Slot>>,
    by_media: HashMap<MediaId, usize>,
    timers: BinaryHeap<Reverse<(Mono, usize)>>,
    registry: Registry,
    recorder: Arc<Recorder>,
    events: Arc<dyn Fn(MediaEvent) + Send + Sync>,
}

struct Slot {
    media: MediaId,
    leg: MediaLeg,
    transport: Transport,
    peer: Option<usize>,
    /// The earliest entry in `timers` for this slot; others are stale.
    scheduled: Option<Mono>,
    tape: Option<Tape>,
}

/// The way of a recording to its writer.
struct Tape {
    ring: RecordingRing,
    why: Arc<OnceLock<RecordingEnd>>,
}

impl MediaThread {
    pub(super) fn new(
        poll: Poll,
        queue: Receiver<MediaCommand>,
        signal: Arc<Signal>,
        recorder: Arc<Recorder>,
        events: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    ) -> io::Result<MediaThread> {
        let registry = poll.registry().try_clone()?;
        Ok(MediaThread {
            poll,
            queue,
            signal,
            legs: Legs {
                slots: Vec::new(),
                by_media: HashMap::new(),
                timers: BinaryHeap::new(),
                registry,
                recorder,
                events,
            },
            unfinished: Vec::new(),
            turn: Vec::with_capacity(MAX_READY),
            buffer: Box::new([0; MAX_DATAGRAM]),
        })
    }

    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(MAX_READY);
        while self.take_commands() {
            self.legs.run_timers(clock::mono(), &mut self.buffer[..]);
            self.wait(&mut ready);
            let now = clock::mono();
            self.serve(&ready, now);
            if !ready.is_empty() && self.unfinished.is_empty() {
                self.rest(now);
            }
        }
        self.legs.close_all(&mut self.buffer[..]);
    }

    /// Takes what has come on every socket that has something.
    fn serve(&mut self, ready: &Events, now: Mono) {
        std::mem::swap(&mut self.turn, &mut self.unfinished);
        let sockets = ready.iter().map(|event| event.token());
        self.turn.extend(sockets.filter(|&token| token != WAKE));
        for &token in &self.turn {
            let (slot, origin) = Origin::of(token);
            let buffer = &mut self.buffer[..];
            let mut done = true;
            self.legs.guard(Some(slot), |legs| {
                done = legs.serve(slot, origin, now, buffer);
            });
            if !done {
                self.unfinished.push(token);
            }
        }
        self.turn.clear();
    }

    /// Does what was asked; false once nobody can ask any more.
    fn take_commands(&mut self) -> bool {
        self.signal.lower();
        loop {
            match self.queue.try_recv() {
                Ok(command) => {
                    let now = clock::mono();
                    let slot = self.legs.slot_of(command.media());
                    let buffer = &mut self.buffer[..];
                    self.legs
                        .guard(slot, |legs| legs.obey(command, now, buffer));
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Waits for packets, a command or the next timer.
    fn wait(&mut self, ready: &mut Events) {
        let mut timeout = self.legs.next_timer().map(|at| at.since(clock::mono()));
        if !self.unfinished.is_empty() {
            timeout = Some(Duration::ZERO);
        }
        if let Some(short) = timeout.filter(|timeout| *timeout < POLL_RESOLUTION) {
            if !short.is_zero() {
                park_timeout(short);
            }
            timeout = Some(Duration::ZERO);
        }
        // Whole milliseconds: a poll would round up, and a frame would be late.
        let timeout = timeout.map(|timeout| Duration::from_millis(timeout.as_millis() as u64));
        if self.poll.poll(ready, timeout).is_err() {
            // Interrupted by a signal: nothing is known to be ready.
            ready.clear();
        }
    }

    /// Lets packets and commands gather until the next multiple of [`REST`], or the next timer.
    fn rest(&self, served_at: Mono) {
        let grid = REST.as_nanos() as u64;
        let until = Mono::from_nanos((served_at.as_nanos() / grid + 1) * grid);
        let until = self.legs.next_timer().map_or(until, |at| at.min(until));
        let rest = until.since(clock::mono());
        if !rest.is_zero() {
            park_timeout(rest);
        }
    }
}

impl Legs {
    /// Does some work on a leg. A fault in it ends that leg and the one it is bridged with, and no
    /// other call.
    fn guard(&mut self, index: Option<usize>, work: impl FnOnce(&mut Legs)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            let peer = index.and_then(|index| self.slots.get(index)?.as_ref()?.peer);
            for index in [index, peer].into_iter().flatten() {
                self.abandon(index);
            }
        }
    }

    /// Gives up a leg whose state cannot be trusted any more. Its sockets close and its recording is
    /// completed as far as it got.
    fn abandon(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::take) else {
            return;
        };
        self.by_media.remove(&slot.media);
        (self.events)(MediaEvent::OpenFailed {
            media: slot.media,
            error: format!(
                "internal fault in media leg {}, told on standard error",
                slot.media.0
            ),
        });
    }

    fn obey(&mut self, command: MediaCommand, now: Mono, buffer: &mut [u8]) {
        match command {
            MediaCommand::Open {
                media,
                address,
                port,
                seed,
                call: _,
            } => {
                if let Err(error) = self.open(media, address, port, seed) {
                    let error = error.to_string();
                    (self.events)(MediaEvent::OpenFailed { media, error });
                }
            }
            MediaCommand::Agree { media, agreement } => {
                self.with(media, buffer, |slot| slot.leg.agree(&agreement, now));
            }
            MediaCommand::Play {
                media,
                audio,
                repeat,
            } => self.with(media, buffer, |slot| slot.leg.play(audio, repeat, now)),
            MediaCommand::StopPlaying { media } => {
                self.with(media, buffer, |slot| slot.leg.stop_playing(now));
            }
            MediaCommand::Record { media, recording } => {
                self.record(media, &recording, now, buffer);
            }
            MediaCommand::StopRecording { media } => self.with(media, buffer, |slot| {
                slot.leg.stop_recording(RecordingEnd::Stopped, now);
            }),
            MediaCommand::Bridge { a, b } => {
                self.unbridge(a, now);
                self.unbridge(b, now);
                let (a_slot, b_slot) = (self.slot_of(a), self.slot_of(b));
                self.join(a, b_slot, now);
                self.join(b, a_slot, now);
            }
            MediaCommand::Unbridge { media } => self.unbridge(media, now),
            MediaCommand::Close { media } => {
                self.unbridge(media, now);
                let counters = self.close(media, now, buffer);
                (self.events)(MediaEvent::Closed { media, counters });
            }
        }
    }

    fn open(&mut self, media: MediaId, address: IpAddr, port: u16, seed: u64) -> io::Result<()> {
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        let transport = Transport::open(address, port, index, &self.registry)?;
        let slot = Slot {
            media,
            leg: MediaLeg::new(media, seed, clock::now()),
            transport,
            peer: None,
            scheduled: None,
            tape: None,
        };
        match self.slots.get_mut(index) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        self.by_media.insert(media, index);
        Ok(())
    }

    /// Lets `change` work on a leg, then does what follows from it.
    fn with(&mut self, media: MediaId, buffer: &mut [u8], change: impl FnOnce(&mut Slot)) {
        let Some(index) = self.slot_of(media) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) {
            change(slot);
        }
        self.settle(index, buffer);
    }

    fn record(&mut self, media: MediaId, recording: &Recording, now: Mono, buffer: &mut [u8]) {
        let recorder = Arc::clone(&self.recorder);
        let events = Arc::clone(&self.events);
        self.with(media, buffer, |slot| {
            if slot.tape.is_none() && slot.leg.record(recording.limit, now) {
                slot.tape = Some(Tape::start(media, recording, &recorder, events));
            }
        });
    }

    fn join(&mut self, media: MediaId, peer: Option<usize>, now: Mono) {
        let index = self.slot_of(media);
        if let Some(slot) = index.and_then(|index| self.slots.get_mut(index)?.as_mut()) {
            slot.peer = peer;
            slot.leg.switch(now);
        }
    }

    fn unbridge(&mut self, media: MediaId, now: Mono) {
        let mut next = self.slot_of(media);
        for _ in 0..2 {
            let Some(slot) = next.and_then(|index| self.slots.get_mut(index)?.as_mut()) else {
                return;
            };
            next = slot.peer.take();
            if next.is_some() {
                slot.leg.switch(now);
            }
        }
    }

    fn close(&mut self, media: MediaId, now: Mono, buffer: &mut [u8]) -> MediaCounters {
        self.with(media, buffer, |slot| slot.leg.close(now));
        let index = self.by_media.remove(&media);
        let slot = index.and_then(|index| self.slots.get_mut(index)?.take());
        slot.map_or_else(MediaCounters::default, |slot| slot.leg.counters())
    }

    fn close_all(&mut self, buffer: &mut [u8]) {
        let now = clock::mono();
        let open: Vec<MediaId> = self.by_media.keys().copied().collect();
        for media in open {
            self.close(media, now, buffer);
        }
    }

    /// Takes what has come on a socket; false if there is more.
    fn serve(&mut self, index: usize, origin: Origin, now: Mono, buffer: &mut [u8]) -> bool {
        for _ in 0..MAX_BURST {
            match self.receive(index, origin, now, buffer) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.settle(index, buffer);
                    return true;
                }
                // What a network reports about datagrams sent earlier says nothing about this one.
                Err(_) => {}
            }
        }
        self.settle(index, buffer);
        false
    }

    /// Takes one datagram and passes it on if there is a bridge.
    fn receive(
        &mut self,
        index: usize,
        origin: Origin,
        now: Mono,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let (length, source) = slot.transport.receive(origin, buffer)?;
        let Some(datagram) = buffer.get_mut(..length) else {
            return Ok(());
        };
        let heard = match origin {
            Origin::Rtp | Origin::Direct => slot.leg.handle_datagram(source, datagram, now),
            Origin::Rtcp => {
                slot.leg.handle_rtcp(source, datagram, now);
                None
            }
        };
        let (Some(heard), Some(peer)) = (heard, slot.peer) else {
            return Ok(());
        };
        if let Some(peer) = self.slots.get_mut(peer).and_then(Option::as_mut)
            && let Some((to, packet)) = peer.leg.forward(&heard, datagram, now)
        {
            peer.transport.send(Socket::Rtp, packet, to);
        }
        Ok(())
    }

    /// Does what a leg wants after something happened to it.
    fn settle(&mut self, index: usize, buffer: &mut [u8]) {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        while let Some(Transmit { socket, to, length }) = slot.leg.poll_transmit(buffer) {
            if let Some(packet) = buffer.get(..length) {
                slot.transport.send(socket, packet, to);
            }
        }
        if let Some(source) = slot.leg.source().filter(|_| slot.peer.is_some()) {
            slot.transport.aim(source, index, &self.registry);
        }
        slot.write_tape();
        while let Some(event) = slot.leg.poll_event() {
            (self.events)(event);
        }
        let next = slot.leg.next_timeout();
        if let Some(at) = next.filter(|&at| slot.scheduled.is_none_or(|s| at < s)) {
            slot.scheduled = Some(at);
            self.timers.push(Reverse((at, index)));
        }
    }

    fn run_timers(&mut self, now: Mono, buffer: &mut [u8]) {
        while let Some(&Reverse((at, index))) = self.timers.peek() {
            if at > now {
                return;
            }
            self.timers.pop();
            self.guard(Some(index), |legs| {
                let slot = legs.slots.get_mut(index).and_then(Option::as_mut);
                if let Some(slot) = slot.filter(|slot| slot.scheduled == Some(at)) {
                    slot.scheduled = None;
                    slot.leg.handle_timeout(now);
                    legs.settle(index, buffer);
                }
            });
        }
    }

    fn next_timer(&self) -> Option<Mono> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    fn slot_of(&self, media: MediaId) -> Option<usize> {
        self.by_media.get(&media).copied()
    }
}

impl Slot {
    /// Brings recorded samples to their writer, and ends the recording where the leg has.
    fn write_tape(&mut self) {
        let tape = &mut self.tape;
        let mut failed = false;
        let mut ended = self.leg.drain_recorded(|samples| {
            // Samples that find no room are counted by the ring and fail the recording at its end.
            let pushed = tape.as_mut().map(|tape| tape.ring.push(samples));
            failed |= pushed == Some(Pushed::Failed);
        });
        if failed && ended.is_none() {
            self.leg.stop_recording(RecordingEnd::Failed, Mono::ZERO);
            ended = self.leg.drain_recorded(|_| {});
        }
        if let Some(why) = ended
            && let Some(tape) = self.tape.take()
        {
            tape.end(why);
        }
    }
}

impl Tape {
    fn start(
        media: MediaId,
        recording: &Recording,
        recorder: &Recorder,
        events: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    ) -> Tape {
        let why = Arc::new(OnceLock::new());
        let told = Arc::clone(&why);
        let ring = recorder.record(recording, move |finished| {
            let why = match finished.error {
                Some(_) => RecordingEnd::Failed,
                None => told.get().copied().unwrap_or(RecordingEnd::Stopped),
            };
            events(MediaEvent::RecordingEnded {
                media,
                id: finished.id,
                why,
                length: finished.length,
            });
        });
        Tape { ring, why }
    }

    fn end(self, why: RecordingEnd) {
        self.why.get_or_init(|| why);
        self.ring.finish();
    }
}

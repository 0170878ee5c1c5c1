//! The threads that move audio. Each owns its sockets, its poll loop, its buffers and its timers;
//! all legs of a call live on one thread. Per packet a thread allocates nothing, takes no lock and
//! touches no disk.

mod sockets;
mod thread;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use mio::Waker;

use crate::core::id::CallId;
use crate::media::command::{MediaCommand, MediaEvent, MediaId};
use crate::media::recording::Recorder;

use thread::MediaThread;

/// Commands that may wait for one thread: a thread takes all that wait many times a second, so
/// this many mean that it is stuck.
const MAX_COMMANDS: usize = 4096;

/// More threads than this move no more audio: one moves some thousand calls.
const MAX_THREADS: usize = 4;

/// Why media cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A thread or its poll could not be made.
    #[error("cannot start media thread {number}: {source}")]
    Start {
        /// Which.
        number: usize,
        /// The system's words.
        source: io::Error,
    },
    /// A thread does not keep up with its commands; the command was not taken.
    #[error("media thread {number} has {MAX_COMMANDS} commands waiting: the machine is overloaded")]
    Overflow {
        /// Which.
        number: usize,
    },
    /// A thread has ended; its calls have no audio.
    #[error("media thread {number} has ended; restart the daemon")]
    Ended {
        /// Which.
        number: usize,
    },
}

/// All media threads, and which leg lives on which. Dropping it closes every leg and waits for the
/// threads.
#[derive(Debug)]
pub struct MediaThreads {
    threads: Vec<Thread>,
    homes: HashMap<MediaId, usize>,
}

#[derive(Debug)]
struct Thread {
    commands: Option<SyncSender<MediaCommand>>,
    signal: Arc<Signal>,
    handle: Option<JoinHandle<()>>,
}

/// Wakes a thread once for any number of commands.
#[derive(Debug)]
struct Signal {
    raised: AtomicBool,
    waker: Waker,
}

/// How many threads suit a machine with `cores` cores.
pub fn thread_count(cores: usize) -> usize {
    cores.clamp(1, MAX_THREADS)
}

impl MediaThreads {
    /// Starts `count` threads. `events` is called on them and must not wait; it is called on
    /// a writer thread of `recorder` for [`MediaEvent::RecordingEnded`].
    pub fn start(
        count: usize,
        recorder: Arc<Recorder>,
        events: impl Fn(MediaEvent) + Send + Sync + 'static,
    ) -> Result<MediaThreads, MediaError> {
        // Each call has up to six sockets. Where the system does not let us have more than it gave
        // us, legs that find none are told as `OpenFailed`.
        drop(rlimit::increase_nofile_limit(rlimit::INFINITY));
        let events: Arc<dyn Fn(MediaEvent) + Send + Sync> = Arc::new(events);
        let start = |number| {
            Thread::start(number, Arc::clone(&recorder), Arc::clone(&events))
                .map_err(|source| MediaError::Start { number, source })
        };
        let threads = (0..count.max(1)).map(start).collect::<Result<_, _>>()?;
        Ok(MediaThreads {
            threads,
            homes: HashMap::new(),
        })
    }

    /// The threads that have ended by a fault, by their names.
    pub fn ended(&self) -> Vec<String> {
        let handles = self
            .threads
            .iter()
            .filter_map(|thread| thread.handle.as_ref());
        let ended = handles.filter(|handle| handle.is_finished());
        ended
            .map(|handle| handle.thread().name().unwrap_or_default().to_owned())
            .collect()
    }

    /// Hands a command to the thread of its leg. Never waits. A command for a leg that was never
    /// opened, or is closed, does nothing.
    pub fn send(&mut self, command: MediaCommand) -> Result<(), MediaError> {
        let media = command.media();
        let number = match &command {
            MediaCommand::Open { call, .. } => {
                let number = self.home(*call);
                self.homes.insert(media, number);
                Some(number)
            }
            MediaCommand::Close { .. } => self.homes.remove(&media),
            MediaCommand::Agree { .. }
            | MediaCommand::Play { .. }
            | MediaCommand::StopPlaying { .. }
            | MediaCommand::Record { .. }
            | MediaCommand::StopRecording { .. }
            | MediaCommand::Bridge { .. }
            | MediaCommand::Unbridge { .. } => self.homes.get(&media).copied(),
        };
        let Some((number, thread)) = number.and_then(|n| Some((n, self.threads.get(n)?))) else {
            return Ok(());
        };
        thread.send(command, number)
    }

    /// The thread of all legs of a call.
    fn home(&self, call: CallId) -> usize {
        // The lower half of a version 7 UUID is random.
        let (_, random) = call.0.as_u64_pair();
        (random % self.threads.len() as u64) as usize
    }
}

impl Thread {
    fn start(
        number: usize,
        recorder: Arc<Recorder>,
        events: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    ) -> io::Result<Thread> {
        let (commands, queue) = sync_channel(MAX_COMMANDS);
        let poll = mio::Poll::new()?;
        let signal = Arc::new(Signal {
            raised: AtomicBool::new(false),
            waker: Waker::new(poll.registry(), thread::WAKE)?,
        });
        let thread = MediaThread::new(poll, queue, Arc::clone(&signal), recorder, events)?;
        let handle = Builder::new()
            .name(format!("media-{number}"))
            .spawn(move || thread.run())?;
        Ok(Thread {
            commands: Some(commands),
            signal,
            handle: Some(handle),
        })
    }

    fn send(&self, command: MediaCommand, number: usize) -> Result<(), MediaError> {
        let Some(commands) = &self.commands else {
            return Err(MediaError::Ended { number });
        };
        let sent = commands.try_send(command);
        self.signal.raise();
        sent.map_err(|error| match error {
            TrySendError::Full(_) => MediaError::Overflow { number },
            TrySendError::Disconnected(_) => MediaError::Ended { number },
        })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.commands = None;
        self.signal.raise();
        if let Some(handle) = self.handle.take() {
            // A thread that panicked has said so on standard error; there is nothing to add.
            drop(handle.join());
        }
    }
}

impl Signal {
    fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // Waking fails only if the poll is gone, and with it the thread: `send` says so.
            drop(self.waker.wake());
        }
    }

    fn lower(&self) {
        self.raised.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;

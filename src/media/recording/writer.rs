//! The threads that write recordings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle, Thread, park_timeout};
use std::time::Duration;

use crate::clock;
use crate::core::id::VoicemailId;
use crate::core::time::Mono;
use crate::media::command::Recording;

use super::RecordingError;
use super::ring::{RecordingRing, RingTail, ring};
use super::wav::{SoundEnd, WavFile, duration, samples_in};

/// Threads that write. Bringing a file to the disk may take tens of ms; file systems do several
/// together at little more than the cost of one.
const WRITERS: usize = 4;

/// How often each recording is brought to the disk. With the jitter buffer before it and a slow
/// disk behind it, audio is there 1 s after it was spoken.
const FLUSH_EVERY: Duration = Duration::from_millis(400);

/// Samples written at a time: 1 s.
const CHUNK: usize = 8_000;

/// A recording is over and its file complete.
#[derive(Debug)]
pub struct Finished {
    /// Which.
    pub id: VoicemailId,
    /// Its length, after trailing silence was cut off.
    pub length: Duration,
    /// What went wrong, if anything did; what could be written is in the file.
    pub error: Option<RecordingError>,
}

/// Writes recordings. Dropping it ends those that are running and waits until they are on the disk.
#[derive(Debug)]
pub struct Recorder {
    writers: Vec<Writer>,
}

impl Recorder {
    /// Starts the threads.
    pub fn new() -> Result<Recorder, RecordingError> {
        let writers = (0..WRITERS).map(Writer::start).collect::<Result<_, _>>()?;
        Ok(Recorder { writers })
    }

    /// Begins a recording. The file is opened by a writer thread; `done` is called on it, once, when
    /// the ring is dropped and the file complete, and must not wait.
    pub fn record(
        &self,
        recording: &Recording,
        done: impl FnOnce(Finished) + Send + 'static,
    ) -> RecordingRing {
        let writer = self
            .writers
            .iter()
            .min_by_key(|writer| writer.running.load(Ordering::Relaxed));
        let thread = writer.map_or_else(std::thread::current, |writer| writer.thread.clone());
        let limit = samples_in(recording.limit);
        let (head, tail) = ring(limit, thread);
        let done = Done::new(recording.id, done);
        if let Some(writer) = writer {
            writer.take(Running {
                path: recording.path.clone(),
                limit,
                tail,
                file: None,
                sound: SoundEnd::default(),
                error: None,
                done,
                running: Count::up(&writer.running),
            });
        }
        head
    }
}

#[derive(Debug)]
struct Writer {
    thread: Thread,
    handle: Option<JoinHandle<()>>,
    queue: Option<Sender<Running>>,
    running: Arc<AtomicUsize>,
}

impl Writer {
    fn start(number: usize) -> Result<Writer, RecordingError> {
        let (queue, arrivals) = channel();
        let name = format!("recording-{number}");
        let handle = Builder::new()
            .name(name.clone())
            .spawn(move || write(&arrivals))
            .map_err(RecordingError::io("start thread", name.as_ref()))?;
        Ok(Writer {
            thread: handle.thread().clone(),
            handle: Some(handle),
            queue: Some(queue),
            running: Arc::default(),
        })
    }

    fn take(&self, running: Running) {
        if let Some(queue) = &self.queue {
            // A thread that is gone hands the recording back, and dropping it reports that.
            drop(queue.send(running));
        }
        self.thread.unpark();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // A writer that panicked has already reported through its recordings.
            drop(handle.join());
        }
    }
}

/// The life of a writer thread.
fn write(arrivals: &Receiver<Running>) {
    let mut recordings: Vec<Running> = Vec::new();
    let mut flush_at = clock::mono();
    loop {
        let open = take_arrivals(arrivals, &mut recordings);
        let now = clock::mono();
        let flush = now >= flush_at;
        if flush {
            flush_at = now + FLUSH_EVERY;
        }
        recordings = work(recordings, flush, !open);
        if !open {
            return;
        }
        park_timeout(until(flush_at, !recordings.is_empty()));
    }
}

/// Takes what has arrived; false once nothing can arrive any more.
fn take_arrivals(arrivals: &Receiver<Running>, recordings: &mut Vec<Running>) -> bool {
    loop {
        match arrivals.try_recv() {
            Ok(running) => recordings.push(running),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

/// Completes what has ended (or everything), flushes the others if it is time; returns those.
fn work(recordings: Vec<Running>, flush: bool, end_all: bool) -> Vec<Running> {
    let mut going = Vec::with_capacity(recordings.len());
    for mut running in recordings {
        if end_all || running.tail.is_ended() {
            running.finish();
        } else {
            if flush {
                running.flush();
            }
            going.push(running);
        }
    }
    going
}

fn until(flush_at: Mono, busy: bool) -> Duration {
    const IDLE: Duration = Duration::from_secs(3_600);
    if busy {
        flush_at.since(clock::mono())
    } else {
        IDLE
    }
}

/// One recording in the hands of a writer.
#[derive(Debug)]
struct Running {
    path: PathBuf,
    limit: u64,
    tail: RingTail,
    file: Option<WavFile>,
    sound: SoundEnd,
    error: Option<RecordingError>,
    done: Done,
    running: Count,
}

impl Running {
    /// Writes what waits in the ring. What a failing disk does not take stays in the ring for the
    /// next time, as long as there is room.
    fn flush(&mut self) {
        self.error = self.write().err();
    }

    fn write(&mut self) -> Result<(), RecordingError> {
        let Running {
            path,
            limit,
            tail,
            file,
            sound,
            ..
        } = self;
        let file = match file {
            Some(file) => file,
            None => file.insert(
                super::item::make_directory_of(path)
                    .and_then(|()| WavFile::create(path, *limit))
                    .map_err(RecordingError::io("record to", path))?,
            ),
        };
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            tail.peek(&mut chunk, CHUNK);
            if chunk.is_empty() {
                break;
            }
            file.append(&chunk)
                .map_err(RecordingError::io("write", path))?;
            sound.hear(&chunk);
            tail.advance(chunk.len());
        }
        file.commit().map_err(RecordingError::io("write", path))
    }

    /// Completes the file and reports.
    fn finish(mut self) {
        self.flush();
        let mut length = 0;
        if let Some(file) = self.file.take() {
            let end = self.sound.end();
            match file.finish(end) {
                Ok(()) => length = end,
                Err(source) => {
                    let failed = RecordingError::io("complete", &self.path)(source);
                    self.error.get_or_insert(failed);
                    length = end;
                }
            }
        }
        let lost = self.tail.lost();
        if lost > 0 {
            self.error
                .get_or_insert(RecordingError::Lost { samples: lost });
        }
        drop(self.running);
        self.done.call(duration(length), self.error);
    }
}

/// Calls back once: with the result, or, when a writer died, with that.
struct Done {
    id: VoicemailId,
    call: Option<Box<dyn FnOnce(Finished) + Send>>,
}

impl Done {
    fn new(id: VoicemailId, call: impl FnOnce(Finished) + Send + 'static) -> Done {
        Done {
            id,
            call: Some(Box::new(call)),
        }
    }

    fn call(mut self, length: Duration, error: Option<RecordingError>) {
        self.report(length, error);
    }

    fn report(&mut self, length: Duration, error: Option<RecordingError>) {
        if let Some(call) = self.call.take() {
            let id = self.id;
            call(Finished { id, length, error });
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.report(Duration::ZERO, Some(RecordingError::WriterGone));
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Done({})", self.id)
    }
}

/// One more, as long as it lives.
#[derive(Debug)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn up(count: &Arc<AtomicUsize>) -> Count {
        count.fetch_add(1, Ordering::Relaxed);
        Count(Arc::clone(count))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

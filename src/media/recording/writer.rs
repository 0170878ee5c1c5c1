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
    /// The threads that have ended by a fault, by their names.
    pub fn ended(&self) -> Vec<String> {
        let handles = self
            .writers
            .iter()
            .filter_map(|writer| writer.handle.as_ref());
        let ended = handles.filter(|handle| handle.is_finished());
        ended
            .map(|handle| handle.thread().name().unwrap_or_default().to_owned())
            .collect()
    }

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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use uuid::Uuid;

    use super::super::ring::{Pushed, RING_SAMPLES};
    use super::*;

    fn recording(path: &Path) -> Recording {
        Recording {
            id: VoicemailId(Uuid::from_u128(7)),
            path: path.to_owned(),
            limit: Duration::from_secs(180),
        }
    }

    /// A recording and what it reports, with no thread: the test is the writer.
    fn by_hand(path: &Path) -> (RecordingRing, Running, mpsc::Receiver<Finished>) {
        let (report, reports) = mpsc::channel();
        let (head, tail) = ring(1_440_000, std::thread::current());
        let recording = recording(path);
        let running = Running {
            path: recording.path,
            limit: 1_440_000,
            tail,
            file: None,
            sound: SoundEnd::default(),
            error: None,
            done: Done::new(recording.id, move |finished| {
                report.send(finished).unwrap();
            }),
            running: Count::up(&Arc::default()),
        };
        (head, running, reports)
    }

    fn read(path: &Path) -> Vec<i16> {
        let mut reader = hound::WavReader::open(path).unwrap();
        reader.samples().map(Result::unwrap).collect()
    }

    /// Loud, and different everywhere.
    fn speech(length: usize) -> Vec<i16> {
        (0..length)
            .map(|index| 8_000 + (index % 997) as i16)
            .collect()
    }

    #[test]
    fn a_recording_holds_exactly_what_was_pushed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("2026/11/23/a.wav");
        let (report, reports) = mpsc::channel();
        let recorder = Recorder::new().unwrap();
        let mut ring = recorder.record(&recording(&path), move |finished| {
            report.send(finished).unwrap();
        });
        let speech = speech(30_000);
        for packet in speech.chunks(160) {
            assert_eq!(ring.push(packet), Pushed::Taken);
        }
        ring.finish();
        let finished = reports.recv().unwrap();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        assert_eq!(finished.id, VoicemailId(Uuid::from_u128(7)));
        assert_eq!(finished.length, duration(30_000));
        assert_eq!(read(&path), speech);
    }

    #[test]
    fn many_recordings_at_once_do_not_mix() {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Recorder::new().unwrap();
        let (report, reports) = mpsc::channel();
        let rings: Vec<_> = (0..30u128)
            .map(|number| {
                let mut recording = recording(&directory.path().join(format!("{number}.wav")));
                recording.id = VoicemailId(Uuid::from_u128(number));
                let report = report.clone();
                recorder.record(&recording, move |finished| report.send(finished).unwrap())
            })
            .collect();
        for (number, mut ring) in (0i16..).zip(rings) {
            assert_eq!(ring.push(&[1_000 + number; 8_000]), Pushed::Taken);
        }
        for finished in reports.iter().take(30) {
            assert!(finished.error.is_none());
            let number = finished.id.0.as_u128();
            let samples = read(&directory.path().join(format!("{number}.wav")));
            assert_eq!(samples, [1_000 + number as i16; 8_000]);
        }
    }

    #[test]
    fn dropping_the_recorder_completes_what_is_running() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let (report, reports) = mpsc::channel();
        let recorder = Recorder::new().unwrap();
        let mut ring = recorder.record(&recording(&path), move |finished| {
            report.send(finished).unwrap();
        });
        assert_eq!(ring.push(&speech(4_000)), Pushed::Taken);
        drop(recorder);
        assert_eq!(reports.recv().unwrap().length, Duration::from_millis(500));
        assert_eq!(read(&path), speech(4_000));
        assert_eq!(ring.push(&speech(160)), Pushed::Failed);
    }

    #[test]
    fn every_flush_leaves_a_whole_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let (mut head, mut running, reports) = by_hand(&path);
        let speech = speech(20_000);
        let mut pushed = 0;
        for packet in speech.chunks(3_200) {
            assert_eq!(head.push(packet), Pushed::Taken);
            running.flush();
            pushed += packet.len();
            assert_eq!(read(&path), speech[..pushed]);
        }
        head.finish();
        assert!(running.tail.is_ended());
        running.finish();
        assert_eq!(reports.recv().unwrap().length, duration(20_000));
    }

    #[test]
    fn trailing_silence_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let (mut head, mut running, reports) = by_hand(&path);
        let mut spoken = speech(16_000);
        spoken.extend([0; 8_000]);
        spoken.extend(speech(8_000));
        let _ = head.push(&spoken);
        running.flush();
        for _ in 0..10 {
            let _ = head.push(&[40; 8_000]);
            running.flush();
        }
        head.finish();
        running.finish();
        assert_eq!(reports.recv().unwrap().length, Duration::from_secs(4));
        assert_eq!(read(&path), spoken);
    }

    #[test]
    fn a_disk_that_recovers_in_time_costs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let day = directory.path().join("day");
        std::fs::write(&day, "in the way").unwrap();
        let path = day.join("a.wav");
        let (mut head, mut running, reports) = by_hand(&path);
        let speech = speech(16_000);
        let _ = head.push(&speech[..8_000]);
        running.flush();
        assert!(running.error.is_some());
        std::fs::remove_file(&day).unwrap();
        let _ = head.push(&speech[8_000..]);
        running.flush();
        head.finish();
        running.finish();
        let finished = reports.recv().unwrap();
        assert!(finished.error.is_none(), "{:?}", finished.error);
        assert_eq!(read(&path), speech);
    }

    #[test]
    fn a_disk_that_does_not_recover_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let day = directory.path().join("day");
        std::fs::write(&day, "in the way").unwrap();
        let path = day.join("a.wav");
        let (mut head, running, reports) = by_hand(&path);
        let _ = head.push(&speech(8_000));
        head.finish();
        running.finish();
        let finished = reports.recv().unwrap();
        assert_eq!(finished.length, Duration::ZERO);
        assert_eq!(
            finished.error.unwrap().to_string(),
            format!(
                "cannot record to {}: Not a directory (os error 20)",
                path.display()
            )
        );
    }

    #[test]
    fn audio_that_found_no_room_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let (mut head, running, reports) = by_hand(&path);
        let speech = speech(RING_SAMPLES);
        assert_eq!(head.push(&speech), Pushed::Taken);
        assert_eq!(head.push(&[1; 160]), Pushed::Lost);
        head.finish();
        running.finish();
        let finished = reports.recv().unwrap();
        assert_eq!(
            finished.error.unwrap().to_string(),
            "160 samples were lost: the disk did not keep up"
        );
        assert_eq!(read(&path), speech);
    }

    #[test]
    fn a_writer_that_dies_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let (mut head, running, reports) = by_hand(&directory.path().join("a.wav"));
        drop(running);
        assert!(matches!(
            reports.recv().unwrap().error,
            Some(RecordingError::WriterGone)
        ));
        assert_eq!(head.push(&[1]), Pushed::Failed);
    }
}

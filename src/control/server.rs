//! The daemon's side. Everything happens in tasks of the runtime; whoever tells something never
//! waits for whoever reads it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{ControlError, Question, Told, socket_path};
use crate::core::time::Wall;

/// Commands that may be connected at once; people and their monitoring need a few.
const CONNECTIONS: usize = 32;

/// Lines that may wait for one `tail`: a second or so of the busiest hour. One that reads more slowly
/// is told so and dropped.
const LINES: usize = 1_024;

/// The longest question, in octets; ours have twenty.
const QUESTION_OCTETS: u64 = 1_024;

/// How long a question may take to arrive, an answer to be made, and a line to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long until connections are taken again after the system refused to give one.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Who may ask: the daemon's user and group.
const MODE: u32 = 0o660;

/// The socket, while the daemon runs. Must be opened on a runtime; dropping it closes the socket.
pub struct Control {
    path: PathBuf,
    lines: broadcast::Sender<Arc<str>>,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What the tasks of connections use.
struct Shared {
    ask: Box<dyn Fn(u64) -> bool + Send + Sync>,
    last_question: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<String>>>,
}

impl Control {
    /// Listens for the data in `directory`, which this process must hold ([`super::DataLock`]); the
    /// socket that an earlier daemon left is replaced. `ask` is told the number of each question for
    /// the status, to be answered by [`Control::answer`], and says whether it could be taken.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open(
        directory: &Path,
        ask: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> Result<Control, ControlError> {
        let path = socket_path(directory);
        let listener = bind(&path).map_err(|source| ControlError::Make {
            path: path.clone(),
            source,
        })?;
        let (lines, _) = broadcast::channel(LINES);
        let shared = Arc::new(Shared {
            ask: Box::new(ask),
            last_question: AtomicU64::new(0),
            waiting: Mutex::default(),
        });
        let listening = tokio::spawn(accept(listener, lines.clone(), Arc::clone(&shared)));
        Ok(Control {
            path,
            lines,
            shared,
            listening,
        })
    }

    /// Answers a question with the status as JSON. One that nobody waits for any more is dropped.
    pub fn answer(&self, question: u64, status: &str) {
        let waiting = self.shared.waiting().remove(&question);
        if let Some(waiting) = waiting {
            let _ = waiting.send(format!("{{\"status\":{status}}}"));
        }
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.lines.receiver_count()
    }

    /// Tells everybody who watches.
    pub fn tell(&self, at: Wall, warning: bool, text: &str) {
        if self.watchers() == 0 {
            return;
        }
        let told = Told {
            at,
            warning,
            text: text.to_owned(),
        };
        if let Ok(line) = serde_json::to_string(&told) {
            let _ = self.lines.send(line.into());
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listening.abort();
        let _ = fs::remove_file(&self.path);
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<String>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn status(&self) -> Result<String, &'static str> {
        let question = self.last_question.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting().insert(question, sender);
        let asked = (self.ask)(question);
        let answer = match asked {
            true => timeout(PATIENCE, answer).await.ok().and_then(Result::ok),
            false => None,
        };
        self.waiting().remove(&question);
        answer.ok_or("the daemon is too busy to say how it is")
    }
}

/// Binds beside the path and renames, so that the socket appears with its mode, and in the place of
/// one that was left behind.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let fresh = path.with_extension("sock.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

async fn accept(listener: UnixListener, lines: broadcast::Sender<Arc<str>>, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (lines, shared) = (lines.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    serve(stream, &lines, &shared).await;
                    drop(place);
                });
            }
            // Out of file handles, mostly: calls need them more.
            Err(_) => drop(timeout(ACCEPT_AGAIN, std::future::pending::<()>()).await),
        }
    }
}

async fn serve(stream: UnixStream, lines: &broadcast::Sender<Arc<str>>, shared: &Shared) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading.take(QUESTION_OCTETS));
    let mut question = String::new();
    let Ok(Ok(_)) = timeout(PATIENCE, reading.read_line(&mut question)).await else {
        return;
    };
    match serde_json::from_str(&question) {
        Ok(Question::Status) => {
            let line = shared.status().await.unwrap_or_else(complaint);
            let _ = write_line(&mut writing, &line).await;
        }
        Ok(Question::Tail) => {
            let mut lines = lines.subscribe();
            let mut reading = reading.into_inner().into_inner();
            tokio::select! {
                () = pass_on(&mut lines, &mut writing) => {}
                () = closed(&mut reading) => {}
            }
        }
        Err(_) => {
            let line = complaint("this is not a question: {\"ask\":\"status\"} or \"tail\"");
            let _ = write_line(&mut writing, &line).await;
        }
    }
}

async fn pass_on(
    lines: &mut broadcast::Receiver<Arc<str>>,
    writing: &mut (impl AsyncWriteExt + Unpin),
) {
    loop {
        let (line, go_on) = match lines.recv().await {
            Ok(line) => (line, true),
            Err(RecvError::Lagged(missed)) => {
                let text = format!("read too slowly: {missed} lines were missed, this is the end");
                (complaint(&text).into(), false)
            }
            Err(RecvError::Closed) => return,
        };
        if write_line(writing, &line).await.is_err() || !go_on {
            return;
        }
    }
}

/// Waits until the other side has gone.
async fn closed(reading: &mut OwnedReadHalf) {
    let mut rest = [0u8; 64];
    while matches!(reading.read(&mut rest).await, Ok(octets) if octets > 0) {}
}

async fn write_line(writing: &mut (impl AsyncWriteExt + Unpin), line: &str) -> std::io::Result<()> {
    let line = format!("{line}\n");
    timeout(PATIENCE, writing.write_all(line.as_bytes()))
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn complaint(text: &str) -> String {
    serde_json::json!({ "error": text }).to_string()
}

//! The thread that sends what is queued, one mail at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::AsyncTransport;
use lettre::address::Envelope;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::letter;
use super::queue::{Mail, Queue, Queued};
use super::server::{Failure, failure, transport};
use super::{NotifyError, Retry};
use crate::clock;
use crate::core::letter::{Letter, Progress, Report};
use crate::core::record::Notice;
use crate::core::snapshot::SmtpSettings;
use crate::core::time::Mono;

/// Notices that may wait: some days of a busy house without a mail server.
const WAITING: usize = 50_000;

/// How often what was sent long ago is forgotten.
const FORGET: Duration = Duration::from_secs(60 * 60);

/// What the thread and everybody else share.
pub(super) struct Shared {
    directory: PathBuf,
    queue: Queue,
    state: Mutex<State>,
    wake: tokio::sync::Notify,
    stopping: AtomicBool,
    tell: Box<dyn Fn(bool, String) + Send + Sync>,
    report: Box<dyn Fn(Report) + Send + Sync>,
}

#[derive(Default)]
struct State {
    smtp: Option<SmtpSettings>,
    /// What waits, and how it stands.
    waiting: BTreeMap<Uuid, Standing>,
    /// Try the server at once, whatever it did before.
    changed: bool,
    /// The server does not take mail.
    fails: bool,
}

#[derive(Debug, Default)]
struct Standing {
    failures: u32,
    due: Mono,
    /// How far it has come, where the disk did not take that.
    unwritten: Option<Queued>,
}

impl Shared {
    pub fn open(
        directory: &Path,
        smtp: Option<SmtpSettings>,
        tell: Box<dyn Fn(bool, String) + Send + Sync>,
        report: Box<dyn Fn(Report) + Send + Sync>,
    ) -> Result<Shared, NotifyError> {
        let opened = Queue::open(directory);
        let (queue, waiting) = opened.map_err(|source| NotifyError::Queue {
            path: directory.to_owned(),
            source,
        })?;
        let waiting = waiting.into_iter().map(|id| (id, Standing::default()));
        Ok(Shared {
            directory: directory.to_owned(),
            queue,
            state: Mutex::new(State {
                smtp,
                waiting: waiting.collect(),
                changed: false,
                fails: false,
            }),
            wake: tokio::sync::Notify::new(),
            stopping: AtomicBool::new(false),
            tell,
            report,
        })
    }

    pub fn queue(&self, notice: &Notice) -> Result<(), NotifyError> {
        let state = self.state();
        let id = notice.call.0;
        let known = state.waiting.contains_key(&id) || self.queue.is_done(id);
        if state.smtp.is_none() || known || notice.to.is_empty() {
            return Ok(());
        }
        self.add(state, Mail::Notice(notice.clone()), &notice.to, None)
    }

    pub fn queue_letter(&self, letter: &Letter) -> Result<Progress, NotifyError> {
        let state = self.state();
        if state.waiting.contains_key(&letter.key) {
            return Ok(Progress::Waiting);
        }
        if let Some(words) = self.queue.failure(letter.key) {
            return Ok(Progress::Failed(words));
        }
        if self.queue.is_done(letter.key) {
            return Ok(Progress::Sent);
        }
        if state.smtp.is_none() {
            return Err(NotifyError::NoServer);
        }
        let mail = Mail::Letter {
            key: letter.key,
            from: letter.from.clone(),
        };
        self.add(state, mail, &letter.to, Some(&letter.octets))?;
        Ok(Progress::Waiting)
    }

    fn add(
        &self,
        mut state: MutexGuard<'_, State>,
        mail: Mail,
        to: &[String],
        octets: Option<&[u8]>,
    ) -> Result<(), NotifyError> {
        if state.waiting.len() >= WAITING {
            return Err(NotifyError::Full(state.waiting.len()));
        }
        let queued = Queued {
            mail,
            queued: clock::wall(),
            waiting: to.to_vec(),
            refused: Vec::new(),
        };
        let id = queued.key();
        let written = octets.map_or(Ok(()), |octets| self.queue.write_letter(id, octets));
        written
            .and_then(|()| self.queue.write(&queued))
            .map_err(|source| NotifyError::Queue {
                path: self.directory.clone(),
                source,
            })?;
        state.waiting.insert(id, Standing::default());
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    pub fn configure(&self, smtp: Option<SmtpSettings>) {
        let mut state = self.state();
        // The same words may mean another server, or another token in the same file.
        state.smtp = smtp;
        state.changed = true;
        for standing in state.waiting.values_mut() {
            standing.due = Mono::ZERO;
        }
        drop(state);
        self.wake.notify_one();
    }

    pub fn works(&self) -> Option<bool> {
        let state = self.state();
        state.smtp.as_ref().map(|_| !state.fails)
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// The thread's own.
pub(super) struct Sender {
    shared: Arc<Shared>,
    retry: Retry,
    runtime: Runtime,
    /// Failures in a row that were the server's and not a mail's, and until when it is left alone.
    outage: u32,
    pause_until: Mono,
    /// What was told of the outage.
    told: Option<String>,
    forget_at: Mono,
}

/// What became of one attempt.
enum Outcome {
    Done,
    /// Later, this one.
    Again(String),
    /// Later, all of them.
    Outage(String),
}

impl Sender {
    pub fn new(shared: Arc<Shared>, retry: Retry) -> Result<Sender, NotifyError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NotifyError::Thread)?;
        Ok(Sender {
            shared,
            retry,
            runtime,
            outage: 0,
            pause_until: Mono::ZERO,
            told: None,
            forget_at: clock::mono() + FORGET,
        })
    }

    /// Sends until the daemon stops.
    pub fn run(mut self) {
        while !self.shared.is_stopping() {
            let (next, smtp) = self.next();
            let now = clock::mono();
            match (next, smtp) {
                (Some((id, due)), Some(smtp)) if due <= now => self.attempt(id, &smtp),
                (Some((_, due)), Some(_)) => self.wait(due.min(self.forget_at)),
                (None, _) | (_, None) => self.wait(self.forget_at),
            }
            if clock::mono() >= self.forget_at {
                self.forget_at = clock::mono() + FORGET;
                if let Err(error) = self.shared.queue.forget(clock::wall()) {
                    (self.shared.tell)(true, format!("the mail queue cannot be tidied: {error}"));
                }
            }
        }
    }

    /// What is to be sent next, and when.
    fn next(&mut self) -> (Option<(Uuid, Mono)>, Option<SmtpSettings>) {
        let mut state = self.shared.state();
        if std::mem::take(&mut state.changed) {
            self.pause_until = Mono::ZERO;
        }
        let next = state
            .waiting
            .iter()
            .min_by_key(|(id, standing)| (standing.due, **id))
            .map(|(id, standing)| (*id, standing.due.max(self.pause_until)));
        (next, state.smtp.clone())
    }

    fn wait(&self, until: Mono) {
        let shared = &self.shared;
        self.runtime.block_on(async {
            let time = tokio::time::sleep_until(clock::instant(until).into());
            tokio::select! {
                () = shared.wake.notified() => {}
                () = time => {}
            }
        });
    }

    fn attempt(&mut self, id: Uuid, smtp: &SmtpSettings) {
        let outcome = match self.read(id) {
            Ok(queued) => self.send_all(queued, smtp),
            Err(error) => {
                self.warn(format!("mail {id} cannot be read, it is given up: {error}"));
                self.finish(id, Err("the queue lost it".to_owned()))
            }
        };
        match outcome {
            Outcome::Done => self.server_works(),
            Outcome::Again(problem) => {
                self.server_works();
                self.put_off(id, &problem);
            }
            Outcome::Outage(problem) => self.begin_outage(id, &problem),
        }
    }

    fn read(&self, id: Uuid) -> std::io::Result<Queued> {
        let mut state = self.shared.state();
        let unwritten = state.waiting.get_mut(&id);
        match unwritten.and_then(|standing| standing.unwritten.take()) {
            Some(queued) => Ok(queued),
            None => self.shared.queue.read(id),
        }
    }

    /// Sends to everybody who has not got it yet, each by a transaction of its own, so that one
    /// address that is refused keeps it from nobody else.
    fn send_all(&self, mut queued: Queued, smtp: &SmtpSettings) -> Outcome {
        let id = queued.key();
        let age = clock::wall().since(queued.queued);
        let mut again = None;
        for address in queued.waiting.clone() {
            if self.shared.is_stopping() {
                return Outcome::Again("the daemon stops".to_owned());
            }
            match self.send(&queued, &address, smtp) {
                Ok(()) => self.tell(format!("mail {id} was sent to {address}")),
                Err(Failure::Mail(words)) => {
                    self.warn(format!("mail {id} to {address} was refused: {words}"));
                    queued.refused.push((address.clone(), words));
                }
                Err(Failure::Later(words) | Failure::Server(words))
                    if age >= self.retry.give_up =>
                {
                    self.warn(format!("mail {id} to {address} is given up: {words}"));
                    queued.refused.push((address.clone(), words));
                }
                Err(Failure::Later(words)) => {
                    again = Some(words);
                    continue;
                }
                Err(Failure::Server(words)) => return Outcome::Outage(words),
            }
            queued.waiting.retain(|waiting| *waiting != address);
            self.remember(&queued);
        }
        match again {
            Some(words) => Outcome::Again(words),
            None if queued.refused.is_empty() => self.finish(id, Ok(())),
            None => {
                let words = queued.refused.into_iter().map(|(_, words)| words);
                self.finish(id, Err(words.collect::<Vec<String>>().join("; ")))
            }
        }
    }

    fn send(&self, queued: &Queued, address: &str, smtp: &SmtpSettings) -> Result<(), Failure> {
        let (octets, from) = match &queued.mail {
            Mail::Notice(notice) => {
                let message = letter::compose(notice, queued.queued, &smtp.from)?;
                (message.formatted(), smtp.from.as_str())
            }
            Mail::Letter { key, from } => {
                let octets = self.shared.queue.letter(*key);
                let octets = octets.map_err(|error| Failure::Later(error.to_string()))?;
                (octets, from.as_str())
            }
        };
        let sender = letter::mailbox(from)?.email;
        let receiver = letter::mailbox(address)?.email;
        let envelope = Envelope::new(Some(sender), vec![receiver])
            .map_err(|error| Failure::Mail(error.to_string()))?;
        let transport = transport(smtp)?;
        self.runtime
            .block_on(transport.send_raw(&envelope, &octets))
            .map(|_| ())
            .map_err(|error| failure(smtp, error))
    }

    /// Who still waits, once somebody no longer does. The last one's end is the move of the file.
    fn remember(&self, queued: &Queued) {
        if queued.waiting.is_empty() && queued.refused.is_empty() {
            return;
        }
        if let Err(error) = self.shared.queue.write(queued) {
            self.warn(format!("the mail queue cannot be written: {error}"));
            let mut state = self.shared.state();
            if let Some(standing) = state.waiting.get_mut(&queued.key()) {
                standing.unwritten = Some(queued.clone());
            }
        }
    }

    fn finish(&self, id: Uuid, result: Result<(), String>) -> Outcome {
        let queue = &self.shared.queue;
        let moved = match &result {
            Ok(()) => queue.move_to_sent(id),
            Err(_) => queue.move_to_failed(id),
        };
        if let Err(error) = moved {
            // It stays known as done for this run, so that it is not sent again.
            self.warn(format!("the mail queue cannot be written: {error}"));
        }
        self.shared.state().waiting.remove(&id);
        (self.shared.report)(Report { key: id, result });
        Outcome::Done
    }

    fn put_off(&self, id: Uuid, problem: &str) {
        if self.shared.is_stopping() {
            return;
        }
        let mut state = self.shared.state();
        let Some(standing) = state.waiting.get_mut(&id) else {
            return;
        };
        standing.failures = standing.failures.saturating_add(1);
        let wait = self.retry.wait(standing.failures);
        standing.due = clock::mono() + wait;
        let first = standing.failures == 1;
        drop(state);
        if first {
            let minutes = wait.as_secs() / 60;
            self.warn(format!(
                "mail {id} was put off, the next attempt is in {minutes} min: {problem}"
            ));
        }
    }

    /// Nothing is sent for a while, and another mail is tried first then: it may have been this one
    /// that the server did not bear.
    fn begin_outage(&mut self, id: Uuid, problem: &str) {
        let now = clock::mono();
        self.outage = self.outage.saturating_add(1);
        self.pause_until = now + self.retry.wait(self.outage);
        let mut state = self.shared.state();
        state.fails = true;
        let waiting = state.waiting.len();
        // A server that was changed while the old one was tried is tried at once.
        let changed = state.changed;
        if let Some(standing) = state.waiting.get_mut(&id) {
            standing.failures = standing.failures.saturating_add(1);
            standing.due = match changed {
                true => Mono::ZERO,
                false => now + self.retry.wait(standing.failures),
            };
        }
        drop(state);
        // What is wrong is told once, and again where it is something else.
        if self.told.as_deref() != Some(problem) {
            self.told = Some(problem.to_owned());
            self.warn(format!(
                "mail cannot be sent, {waiting} wait in the queue: {problem}. Check [smtp]."
            ));
        }
    }

    fn server_works(&mut self) {
        if std::mem::take(&mut self.outage) > 0 {
            self.told = None;
            self.shared.state().fails = false;
            self.tell("mail is sent again".to_owned());
        }
    }

    fn tell(&self, text: String) {
        (self.shared.tell)(false, text);
    }

    fn warn(&self, text: String) {
        (self.shared.tell)(true, text);
    }
}

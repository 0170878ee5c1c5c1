//! Webhooks out: what happens is posted to programs elsewhere, signed, and tried again for a day.
//!
//! An event is on the disk, once for each webhook that wants it, before anything is sent; a thread of
//! its own sends, so that nothing else waits for an endpoint. What cannot be delivered is kept as a
//! dead letter, which people can look at, send again and delete.

mod attempt;
mod deliver;
mod look;
mod payload;
mod queue;
pub mod schedule;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use crate::core::conversation::Event;
use crate::core::id::DeliveryId;
use crate::core::record::EventRecord;
use crate::core::snapshot::Webhook;
use crate::core::time::Wall;
use crate::inbox::Door;
use crate::outgoing::OutgoingError;
use deliver::{Deliverer, Shared};
pub use queue::DeadLetter;
use schedule::Policy;

/// How long the end of the daemon waits until what has happened stands on the disk.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Why webhooks do not work, or a dead letter cannot be treated as was asked.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The queue cannot be used.
    #[error(
        "the queue of webhooks in {path} cannot be used: {source}. Check who may write there, and for space."
    )]
    Queue {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The thread cannot be started.
    #[error("the thread of webhooks cannot be started: {0}")]
    Thread(io::Error),
    /// TLS cannot be set up, or there is no randomness.
    #[error("webhooks cannot be sent: {0}")]
    Outgoing(OutgoingError),
    /// There is no such dead letter: 404.
    #[error("there is no dead letter {0}; it was sent again, deleted, or is older than 30 days")]
    NoDeadLetter(DeliveryId),
    /// The webhook is not configured: 404, or 409 for a dead letter.
    #[error(
        "the configuration has no webhook {0:?} to send it to; add it, or delete the dead letter"
    )]
    NoWebhook(String),
    /// As much waits for its webhook as may: 409.
    #[error(
        "as much waits for the webhook {0:?} as may wait; try again when its endpoint works and the rest has been sent"
    )]
    Full(String),
}

/// Whether any of these webhooks is told of an event.
pub fn is_wanted(webhooks: &[Webhook], event: &Event) -> bool {
    let name = event.what.name();
    name.is_some_and(|name| webhooks.iter().any(|it| payload::wants(it, event, name)))
}

/// How a webhook stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WebhookStatus {
    /// Its name.
    pub name: String,
    /// Deliveries that wait or are under way.
    pub waiting: usize,
    /// Failed attempts in a row; 0: it works.
    pub failures: u32,
    /// It answered 410, and gets nothing more until the configuration is loaded again.
    pub stopped: bool,
    /// Dead letters that are kept.
    pub dead: usize,
    /// Events since the start that were not taken in, because too much waited or it had stopped.
    pub lost: u64,
    /// What went wrong last, while it fails.
    pub problem: Option<String>,
}

/// A delivery that waits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WaitingDelivery {
    /// Its key, which the endpoint sees as `Ringdesk-Delivery`.
    pub id: DeliveryId,
    /// For whom.
    pub webhook: String,
    /// The nth event for that webhook.
    pub sequence: u64,
    /// Since when it has been tried.
    pub since: Wall,
    /// Attempts so far.
    pub attempts: u32,
    /// Whether it is being sent now.
    pub under_way: bool,
}

/// What waits, one page of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WaitingDeliveries {
    /// How many there are in all.
    pub total: usize,
    /// This page, by webhook and number.
    pub deliveries: Vec<WaitingDelivery>,
}

/// Dead letters, one page of them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetters {
    /// How many there are in all.
    pub total: usize,
    /// This page, the latest first.
    pub letters: Vec<DeadLetter>,
}

/// The way to look at webhooks. Clones lead to the same ones. All of it reads or writes files and
/// blocks for that long.
#[derive(Clone)]
pub struct Webhooks(Arc<Shared>);

/// The thread that sends. Dropping it puts what has happened on the disk and lets go of what is under
/// way, which is sent again at the next start with the same key.
pub struct Delivering {
    shared: Arc<Shared>,
    over: Receiver<()>,
}

impl Webhooks {
    /// Opens the queue in `directory`, which is made if need be, and sends what happens from now on,
    /// to the webhooks that the configuration in force names; and before that, of `events`, which
    /// happened before, those that were not taken in then. `tell` is told of trouble and of its
    /// end, and whether it is a warning.
    ///
    /// # Errors
    /// The directory cannot be used, or the thread not be started.
    pub fn start(
        door: &Door,
        directory: &Path,
        events: &[EventRecord],
        tell: impl Fn(bool, String) + Send + Sync + 'static,
    ) -> Result<(Webhooks, Delivering), WebhookError> {
        Webhooks::start_with(door, directory, events, Policy::default(), tell)
    }

    /// As [`Webhooks::start`], with other times and bounds.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        door: &Door,
        directory: &Path,
        events: &[EventRecord],
        policy: Policy,
        tell: impl Fn(bool, String) + Send + Sync + 'static,
    ) -> Result<(Webhooks, Delivering), WebhookError> {
        let webhooks = &door.snapshot().webhooks;
        let shared = Shared::open(directory, policy, webhooks, Box::new(tell))?;
        shared.catch_up(events);
        let shared = Arc::new(shared);
        let deliverer = Deliverer::new(Arc::clone(&shared), door)?;
        let (running, over) = channel();
        std::thread::Builder::new()
            .name("webhooks".to_owned())
            .spawn(move || {
                deliverer.run();
                drop(running);
            })
            .map_err(WebhookError::Thread)?;
        let delivering = Delivering {
            shared: Arc::clone(&shared),
            over,
        };
        Ok((Webhooks(shared), delivering))
    }

    /// How each configured webhook stands, by name.
    pub fn status(&self) -> Vec<WebhookStatus> {
        self.0.status()
    }

    /// Dead letters of one webhook or of all, the latest first, without the first `skip`.
    pub fn dead_letters(&self, webhook: Option<&str>, skip: usize, limit: usize) -> DeadLetters {
        self.0.dead_letters(webhook, skip, limit)
    }

    /// A dead letter and the body that was posted.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn dead_letter(&self, id: DeliveryId) -> Result<(DeadLetter, String), WebhookError> {
        self.0.dead_letter(id)
    }

    /// What waits for one webhook or for all, without the first `skip`.
    pub fn waiting(&self, webhook: Option<&str>, skip: usize, limit: usize) -> WaitingDeliveries {
        self.0.waiting(webhook, skip, limit)
    }

    /// Sends an event `webhook.test` to a webhook, whatever its `events`, so that somebody sees whether
    /// it arrives. Answers its key.
    ///
    /// # Errors
    /// It is not configured, too much waits, or the disk does not take it.
    pub fn test(&self, webhook: &str) -> Result<DeliveryId, WebhookError> {
        self.0.test(webhook)
    }

    /// Sends all dead letters of a webhook again, the oldest first, as many as may wait. Answers how
    /// many.
    ///
    /// # Errors
    /// It is not configured, or too much waits already.
    pub fn retry_all(&self, webhook: &str) -> Result<usize, WebhookError> {
        self.0.retry_all(webhook)
    }

    /// Sends a dead letter again, for another day, with the same key.
    ///
    /// # Errors
    /// There is none, its webhook is not configured, or too much waits.
    pub fn retry(&self, id: DeliveryId) -> Result<(), WebhookError> {
        self.0.retry(id)
    }

    /// Deletes a dead letter.
    ///
    /// # Errors
    /// There is none.
    pub fn delete(&self, id: DeliveryId) -> Result<(), WebhookError> {
        self.0.delete(id)
    }
}

impl Delivering {
    /// Whether its thread runs still: it ends with this, or by a fault.
    pub fn is_running(&self) -> bool {
        self.over.try_recv() != Err(TryRecvError::Disconnected)
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        self.shared.stop();
        // Ends by disconnection, when the thread does.
        let _ = self.over.recv_timeout(LAST_EVENTS);
    }
}

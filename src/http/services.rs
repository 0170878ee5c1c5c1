//! What HTTP is given: the door to the engine, and what only the daemon can do. The daemon fills it
//! in, so that HTTP names no other edge but those that it reads from.

use std::path::PathBuf;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use super::HttpError;
use crate::config::edit::{Changed, EditError, RuleChange};
use crate::core::record::Record;
use crate::core::snapshot::RuleName;
use crate::engine::Status;
use crate::inbox::Door;
use crate::store::Readers;
use crate::webhook::Webhooks;

/// What HTTP asks of the daemon's loop.
#[derive(Debug)]
pub enum Ask {
    /// To keep a record: a session, a line of the audit log.
    Keep(Box<Record>),
    /// To keep a record, and to answer once it can be read.
    KeepAndTell(Box<Record>, oneshot::Sender<()>),
    /// To tell when what was kept so far stands on the disk, and how many records were lost.
    Stored(oneshot::Sender<u64>),
    /// To tell when what was kept so far can be read.
    Readable(oneshot::Sender<()>),
    /// To tell which threads have ended by a fault.
    Ended(oneshot::Sender<Vec<String>>),
    /// How calls, trunks and phones are.
    Status(oneshot::Sender<Box<Status>>),
    /// To read the configuration again.
    Reload(oneshot::Sender<Reloaded>),
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reloaded {
    /// The version that is in force now.
    pub version: u64,
    /// Everything that is wrong, with its place. Then nothing has changed.
    pub errors: Vec<String>,
    /// What is allowed and yet looks like a mistake.
    pub warnings: Vec<String>,
    /// What takes effect after a restart only.
    pub needs_restart: Vec<String>,
}

/// Something that must be as it should for the daemon to do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Condition {
    /// What: `store`, `sip`, `trunk carrier`.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether nothing works without it.
    pub vital: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Changes a rule of a channel in the files of the configuration.
pub type ChangeRule =
    Box<dyn Fn(&str, RuleName, &RuleChange) -> Result<Changed, EditError> + Send + Sync>;

/// What HTTP is given. The store is asked by itself; whatever the daemon's loop does is asked of that.
pub struct Services {
    /// To the engine.
    pub door: Door,
    /// To the store, for questions.
    pub readers: Readers,
    /// To webhooks and their dead letters.
    pub webhooks: Webhooks,
    /// The directory of the configuration.
    pub config: PathBuf,
    /// Changes a rule.
    pub change_rule: ChangeRule,
    /// To the daemon's loop.
    pub daemon: mpsc::Sender<Ask>,
    /// How the edges are, besides what the engine's status says: store, mailboxes.
    pub conditions: Box<dyn Fn() -> Vec<Condition> + Send + Sync>,
}

impl Services {
    /// Keeps a record; told of where the daemon does not keep up.
    pub(super) fn keep(&self, record: Record) {
        if self.daemon.try_send(Ask::Keep(Box::new(record))).is_err() {
            tracing::error!("the daemon does not keep up: a record of HTTP is lost");
        }
    }

    /// Keeps a record; it can be read when this returns.
    pub(super) async fn keep_and_wait(&self, record: Record) -> Result<(), HttpError> {
        self.ask(|told| Ask::KeepAndTell(Box::new(record), told))
            .await
    }

    /// How many records were lost, once what was kept so far stands on the disk.
    pub(super) async fn stored(&self) -> Result<u64, HttpError> {
        self.ask(Ask::Stored).await
    }

    /// The threads that have ended by a fault, by their names.
    pub(super) async fn ended(&self) -> Result<Vec<String>, HttpError> {
        self.ask(Ask::Ended).await
    }

    /// Waits until what was kept so far can be read.
    pub(super) async fn readable(&self) -> Result<(), HttpError> {
        self.ask(Ask::Readable).await
    }

    /// Questions that wait for the daemon's loop.
    pub(super) fn waiting(&self) -> usize {
        let daemon = &self.daemon;
        daemon.max_capacity().saturating_sub(daemon.capacity())
    }

    /// How calls, trunks and phones are.
    pub(super) async fn status(&self) -> Result<Box<Status>, HttpError> {
        self.ask(Ask::Status).await
    }

    /// Reads the configuration again.
    pub(super) async fn reload(&self) -> Result<Reloaded, HttpError> {
        self.ask(Ask::Reload).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, HttpError> {
        let busy =
            || HttpError::Busy("The daemon does not answer. It is busy, or ends.".to_owned());
        let (answer, answered) = oneshot::channel();
        self.daemon.try_send(ask(answer)).map_err(|_| busy())?;
        answered.await.map_err(|_| busy())
    }
}

//! Gives HTTP what it needs of the other parts, and does for it what only the daemon can.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::load::change_rule;
use crate::chat::{Archive, Chat};
use crate::core::snapshot::Snapshot;
use crate::engine::ServiceStatus;
use crate::form;
use crate::http::{self, Ask, Condition, Figures, Reloaded, Server, Services};
use crate::inbox::Door;
use crate::store::{MessagePlace, Readers, Sight};
use crate::webhook::Webhooks;

/// Questions to the database at the same time, of HTTP, forms and chats: each some milliseconds.
const CONNECTIONS: u32 = 6;

/// What HTTP may ask of the loop and wait for: beyond it, clients are told to come again.
const ASKS: usize = 1_024;

/// What the numbers of HTTP's questions begin with, so that no command's has the same.
pub(super) const OWN_QUESTIONS: u64 = 1 << 63;

/// Starts HTTP where the configuration says so.
pub(super) fn start(
    config: &Path,
    snapshot: &Snapshot,
    door: &Door,
    webhooks: Webhooks,
    figures: &Arc<Figures>,
    conditions: Box<dyn Fn() -> Vec<Condition> + Send + Sync>,
) -> anyhow::Result<(Option<Server>, mpsc::Receiver<Ask>)> {
    let (daemon, asks) = mpsc::channel(ASKS);
    let Some(settings) = &snapshot.settings.http else {
        return Ok((None, asks));
    };
    let database = &snapshot.settings.store.database;
    let opening = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let readers = opening.block_on(Readers::open(database, CONNECTIONS))?;
    let directory = config.to_owned();
    let services = Services {
        door: door.clone(),
        readers: readers.clone(),
        webhooks,
        config: config.to_owned(),
        change_rule: Box::new(move |channel, rule, change| {
            change_rule(&directory, channel, rule, change)
        }),
        daemon,
        conditions,
    };
    let forms = form::router(door.clone()).context("forms")?;
    let door = door.clone();
    let others = move || vec![forms, Chat::start(door, archive(&readers)).router()];
    let server = http::start(settings.listen, services, Arc::clone(figures), others)?;
    info!("HTTP on {} ({})", server.address(), settings.public_url);
    Ok((Some(server), asks))
}

/// How HTTP is, for the admin on the machine.
pub(super) fn status(server: &Server) -> ServiceStatus {
    ServiceStatus {
        name: "http".to_owned(),
        works: true,
        detail: format!("listens on {}", server.address()),
    }
}

/// What was said in chats, as the store knows it.
fn archive(readers: &Readers) -> Archive {
    let conversation = readers.clone();
    let messages = readers.clone();
    let kept = readers.clone();
    Archive {
        conversation: Box::new(move |(channel, visitor)| {
            let readers = conversation.clone();
            Box::pin(async move {
                let found = readers.conversations_of_visitor(&visitor, &channel, 1);
                let found = found.await.map_err(|error| error.to_string())?;
                Ok(found.into_iter().next().map(Box::new))
            })
        }),
        messages: Box::new(move |(id, after, most)| {
            let readers = messages.clone();
            Box::pin(async move {
                let place = after.map_or(MessagePlace::Latest, MessagePlace::After);
                let found = readers.messages(&Sight::Everything, id, place, most);
                let found = found.await.map_err(|error| error.to_string())?;
                Ok(found.items)
            })
        }),
        kept: Box::new(move |(channel, external_id)| {
            let readers = kept.clone();
            Box::pin(async move {
                let found = readers.message_named(&channel, &external_id);
                let found = found.await.map_err(|error| error.to_string())?;
                Ok(found.map(|found| found.message))
            })
        }),
    }
}

/// Those who wait for a reload, each for one that began after it was asked for.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    waiting: Vec<oneshot::Sender<Reloaded>>,
    next: Vec<oneshot::Sender<Reloaded>>,
}

impl Reloads {
    /// Somebody waits. A reload that runs already may have read what was changed since.
    pub(super) fn wait(&mut self, answer: oneshot::Sender<Reloaded>, is_running: bool) {
        match is_running {
            true => self.next.push(answer),
            false => self.waiting.push(answer),
        }
    }

    /// A reload has come to this.
    pub(super) fn answer(&mut self, told: &Reloaded) {
        for answer in self.waiting.drain(..) {
            // Whoever asked may be gone.
            let _ = answer.send(told.clone());
        }
        self.waiting.append(&mut self.next);
    }
}

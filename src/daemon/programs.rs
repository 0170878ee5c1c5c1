//! Programs elsewhere: customer agents, which get what they need of the store, and webhooks.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tracing::{info, warn};

use crate::core::conversation::Assignee;
use crate::core::record::EventRecord;
use crate::customer_agent::{CustomerAgents, History};
use crate::inbox::Door;
use crate::store::{MessagePlace, Reader, Readers, Sight};
use crate::webhook::{Delivering, Webhooks};

/// Connections that read what was said to customer agents: one question is asked at a time.
const READERS: u32 = 1;

/// What runs for programs elsewhere.
pub(super) struct Programs {
    agents: CustomerAgents,
    delivering: Delivering,
}

impl Programs {
    /// What has ended by a fault.
    pub(super) fn ended(&self) -> Vec<String> {
        let both = [
            ("customer agents", self.agents.is_running()),
            ("webhooks", self.delivering.is_running()),
        ];
        let ended = both.into_iter().filter(|(_, running)| !running);
        ended.map(|(name, _)| name.to_owned()).collect()
    }
}

/// Starts both. Nothing that happens from here on is missed by them, and of `events` those that were
/// not handed on are told to webhooks.
pub(super) fn start(
    door: &Door,
    database: &Path,
    data: &Path,
    events: &[EventRecord],
) -> anyhow::Result<(Programs, Webhooks)> {
    let agents = CustomerAgents::start(door, history(database), |text| warn!("{text}"))?;
    let (webhooks, delivering) = Webhooks::start(
        door,
        &data.join("webhooks"),
        events,
        |warning, text| match warning {
            true => warn!("{text}"),
            false => info!("{text}"),
        },
    )?;
    let programs = Programs { agents, delivering };
    Ok((programs, webhooks))
}

fn history(database: &Path) -> History {
    let database: Arc<Path> = Arc::from(database);
    let listed = Arc::clone(&database);
    let readers = Arc::new(OnceCell::new());
    History {
        conversations: Box::new(move || {
            let database = Arc::clone(&listed);
            Box::pin(async move {
                let mut reader = Reader::open(&database).await.map_err(words)?;
                let mut open = reader.open_conversations().await.map_err(words)?;
                open.retain(|one| matches!(one.assignee, Some(Assignee::CustomerAgent(_))));
                Ok(open)
            })
        }),
        messages: Box::new(move |id, most| {
            let (database, readers) = (Arc::clone(&database), Arc::clone(&readers));
            Box::pin(async move {
                let open = || Readers::open(&database, READERS);
                let readers: &Readers = readers.get_or_try_init(open).await.map_err(words)?;
                let (sight, latest) = (Sight::Everything, MessagePlace::Latest);
                let most = u32::try_from(most).unwrap_or(u32::MAX);
                let page = readers.messages(&sight, id, latest, most).await;
                Ok(page.map_err(words)?.items)
            })
        }),
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! The routes of `/api/v1`.

mod attachments;
mod calls;
mod compose;
mod configuration;
mod contacts;
mod conversations;
mod explain;
mod hours;
mod page;
mod presence;
mod prompts;
mod routing;
mod rules;
mod voicemails;
mod webhooks;

use super::routes::Routes;
use super::{Asker, HttpError};
use crate::core::snapshot::{Channel, Snapshot};

pub(super) fn add(routes: Routes) -> Routes {
    let routes = conversations::add(routes);
    let routes = attachments::add(routes);
    let routes = voicemails::add(routes);
    let routes = explain::add(routes);
    let routes = presence::add(routes);
    let routes = configuration::add(routes);
    let routes = hours::add(routes);
    let routes = calls::add(routes);
    let routes = rules::add(routes);
    let routes = contacts::add(routes);
    let routes = webhooks::add(routes);
    let routes = prompts::add(routes);
    routing::add(routes)
}

/// The channel of that name, if the asker sees it.
fn channel_seen<'a>(
    snapshot: &'a Snapshot,
    asker: &Asker,
    name: &str,
) -> Result<&'a Channel, HttpError> {
    snapshot
        .channel(name)
        .filter(|channel| asker.sees(snapshot, channel.inbox.as_ref()))
        .ok_or(HttpError::NotFound("channel of that name"))
}

//! Calls in progress.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::core::snapshot::Scope;
use crate::engine::CallStatus;
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs};

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::scope(Scope::ReadConversations), routes!(calls))
}

/// A call in progress.
#[derive(Serialize, ToSchema)]
struct CallView {
    /// Which.
    id: String,
    /// Its channel.
    channel: String,
    /// The caller; `anonymous` where not shown.
    from: String,
    /// When it began.
    began: String,
    /// What it does, in words.
    doing: String,
}

impl CallView {
    fn of(call: CallStatus) -> CallView {
        CallView {
            id: call.id.to_string(),
            channel: call.channel.to_string(),
            from: call.from,
            began: call.began.to_string(),
            doing: call.doing,
        }
    }
}

/// Calls in progress on the channels that you see.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", responses((status = 200, body = Vec<CallView>)))]
async fn calls(State(app): State<App>, asker: Asker) -> Result<Json<Vec<CallView>>, HttpError> {
    let status = app.services.status().await?;
    let snapshot = app.services.door.snapshot();
    let seen = status.calls.into_iter().filter(|call| {
        let channel = snapshot.channel(&call.channel);
        match channel {
            Some(channel) => asker.sees(&snapshot, channel.inbox.as_ref()),
            None => asker.sees_all(),
        }
    });
    Ok(Json(seen.map(CallView::of).collect()))
}

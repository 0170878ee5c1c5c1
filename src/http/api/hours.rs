//! The hours of a channel: now, and when they next change.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::channel_seen;
use crate::clock;
use crate::config::moment;
use crate::core::schedule::Openness;
use crate::core::snapshot::Scope;
use crate::http::body::{Asked, At};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};

/// Changes that are told at most: a busy schedule's month.
const CHANGES: usize = 200;

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::scope(Scope::ReadConfiguration), routes!(hours))
}

/// When, and how many changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct When {
    /// `2026-12-24T12:30` in the channel's time, or RFC 3339; otherwise now.
    at: Option<String>,
    /// How many changes are told: 10, up to 200.
    changes: Option<usize>,
}

/// The hours of a channel.
#[derive(Serialize, ToSchema)]
struct HoursView {
    /// The channel.
    channel: String,
    /// The moment that was asked about, in UTC.
    at: String,
    /// `open`, `break` or `closed`.
    #[schema(value_type = String)]
    state: Openness,
    /// What decides: `weekly`, `special:NAME`, `override`.
    because: String,
    /// The schedule; absent: always open.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    /// The moment, as clocks there show it.
    local: String,
    /// The windows of that local date.
    windows: Vec<String>,
    /// The next openings and closings.
    changes: Vec<ChangeView>,
}

/// An opening or closing.
#[derive(Serialize, ToSchema)]
struct ChangeView {
    /// When, in UTC.
    at: String,
    /// When, as clocks there show it.
    local: String,
    /// `open`, `break` or `closed`.
    #[schema(value_type = String)]
    state: Openness,
    /// What decides.
    because: String,
}

/// The hours of a channel now, or at another moment, and its next changes.
#[utoipa::path(get, path = "/api/v1/channels/{name}/hours", tag = "configuration", params(("name" = String, Path), When), responses(
    (status = 200, body = HoursView),
    (status = 404, body = Problem),
))]
async fn hours(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
    Asked(when): Asked<When>,
) -> Result<Json<HoursView>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let channel = channel_seen(&snapshot, &asker, &name)?;
    let schedule = snapshot.schedule_of(channel);
    let at = match &when.at {
        Some(text) => {
            moment::parse(text, schedule.map(|one| one.zone())).map_err(HttpError::Invalid)?
        }
        None => clock::wall(),
    };
    let state = snapshot.hours_of(channel, at);
    let changes = schedule.into_iter().flat_map(|schedule| {
        let count = when.changes.unwrap_or(10).min(CHANGES);
        let changes = schedule.transitions_from(at).take(count);
        changes.map(|change| {
            let (state, because) = schedule.openness_at(change.at);
            ChangeView {
                at: change.at.to_string(),
                local: schedule.format_local(change.at),
                state,
                because: because.to_string(),
            }
        })
    });
    Ok(Json(HoursView {
        channel: name,
        at: at.to_string(),
        state: state.openness,
        because: state.because.to_string(),
        schedule: state.schedule.as_ref().map(ToString::to_string),
        local: state.local,
        windows: state.windows,
        changes: changes.collect(),
    }))
}

//! Dry runs: what would become of a call or a message, and why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::channel_seen;
use super::explain::json;
use crate::clock;
use crate::config::moment;
use crate::core::number::to_e164;
use crate::core::routing::{Facts, Request, Selection, To, route, words};
use crate::core::snapshot::{Channel, Scope, Snapshot};
use crate::core::time::Now;
use crate::http::body::Read;
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::scope(Scope::ReadConfiguration), routes!(dry_run))
}

/// What is to be decided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The channel.
    #[serde(default)]
    channel: Option<String>,
    /// The dialled number, in place of a channel: `+4722334455`.
    #[serde(default)]
    to: Option<String>,
    /// The caller's number, or the sender of a message.
    #[serde(default)]
    from: Option<String>,
    /// `2026-12-24T12:30` in the channel's time, or RFC 3339; otherwise now.
    #[serde(default)]
    at: Option<String>,
    /// Who is free, in the form of `facts` in an explanation; otherwise everybody with a seat is.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    facts: Option<Facts>,
}

/// A decision that was not acted on.
#[derive(Serialize, ToSchema)]
struct Decided {
    /// The moment, in UTC.
    at: String,
    /// What an admin reads.
    text: String,
    /// What was asked.
    #[schema(value_type = Object)]
    request: Value,
    /// What was known of those whom it considered.
    #[schema(value_type = Object)]
    facts: Value,
    /// Outcome and trace.
    #[schema(value_type = Object)]
    decision: Value,
}

/// Decides without doing anything: what would become of a call or a message, and why. For all four
/// kinds of channels.
#[utoipa::path(post, path = "/api/v1/route", tag = "configuration", request_body = Question, responses(
    (status = 200, body = Decided),
    (status = 404, body = Problem),
    (status = 422, body = Problem),
))]
async fn dry_run(
    State(app): State<App>,
    asker: Asker,
    Read(question): Read<Question>,
) -> Result<Json<Decided>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let channel = channel_of(&snapshot, &asker, &question)?;
    let schedule = snapshot.schedule_of(channel);
    let now = clock::now();
    let at = match &question.at {
        Some(text) => {
            moment::parse(text, schedule.map(|one| one.zone())).map_err(HttpError::Invalid)?
        }
        None => now.wall,
    };
    let from = question.from.as_deref();
    let country = snapshot.trunks.iter().find_map(|trunk| trunk.country);
    let request = Request {
        kind: channel.kind(),
        to: To::Channel(channel.name.clone()),
        from: from.and_then(|text| to_e164(text, country)),
        sender: from.map(str::to_owned),
        trunk: None,
        selection: Selection::First,
    };
    let mut facts = question.facts.unwrap_or_default();
    let decision = route(&snapshot, &facts, &request, Now::new(now.mono, at));
    facts.keep_considered(&decision);
    Ok(Json(Decided {
        at: at.to_string(),
        text: words::paragraph(&request, &decision),
        request: json(&request)?,
        facts: json(&facts)?,
        decision: json(&decision)?,
    }))
}

fn channel_of<'a>(
    snapshot: &'a Snapshot,
    asker: &Asker,
    question: &Question,
) -> Result<&'a Channel, HttpError> {
    match (&question.channel, &question.to) {
        (Some(name), None) => channel_seen(snapshot, asker, name),
        (None, Some(text)) => {
            let countries = snapshot.trunks.iter().map(|trunk| trunk.country);
            let read = countries.chain([None]);
            let channel = read
                .filter_map(|country| to_e164(text, country))
                .find_map(|number| snapshot.channel_of_number(&number));
            let channel = channel.ok_or(HttpError::NotFound("channel with that number"))?;
            channel_seen(snapshot, asker, &channel.name)
                .map_err(|_| HttpError::NotFound("channel with that number"))
        }
        (None, None) | (Some(_), Some(_)) => Err(HttpError::Invalid(
            "Say what is addressed: either `channel` or `to`.".to_owned(),
        )),
    }
}

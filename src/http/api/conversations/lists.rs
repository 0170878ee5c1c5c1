//! Lists of conversations: which there are, and how many.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::Item;
use crate::core::conversation::{Assignee, Status};
use crate::core::snapshot::{Kind, Snapshot, Team};
use crate::http::api::page::{Listed, limit, parse, place};
use crate::http::body::Asked;
use crate::http::routes::Routes;
use crate::http::views::ConversationView;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::{ConversationQuery, View};

pub(super) fn add(routes: Routes, read: Needs) -> Routes {
    routes.add(read, routes!(list)).add(read, routes!(counts))
}

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `all` (not closed; the default), `unassigned`, `mine`, `team`, `waiting`, `missed-calls`,
    /// `closed` or `everything`.
    view: Option<String>,
    /// The team, for `view=team`.
    team: Option<String>,
    /// Only `open`, `waiting` or `closed`.
    status: Option<String>,
    /// Only `call`, `email`, `form` or `chat`.
    kind: Option<String>,
    /// Only of this channel.
    channel: Option<String>,
    /// Only of this inbox.
    inbox: Option<String>,
    /// Only with this contact.
    contact: Option<String>,
    /// Only of this user.
    assignee: Option<String>,
    /// Only what you have not read.
    #[serde(default)]
    unread: bool,
    /// Only with these words in subject, contact or messages.
    search: Option<String>,
    /// Where an earlier answer's `older` goes on.
    older_than: Option<String>,
    /// Where an earlier answer's `newer` goes on.
    newer_than: Option<String>,
    /// How many: 50, up to 100.
    limit: Option<u32>,
}

/// A word of an enum, as JSON has it.
fn word<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, HttpError> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| {
        HttpError::Invalid(format!("`{name}` is none of those there are: {error}."))
    })
}

fn view(
    name: Option<&str>,
    team: Option<&str>,
    asker: &Asker,
    snapshot: &Snapshot,
) -> Result<View, HttpError> {
    if team.is_some() && name != Some("team") {
        return Err(HttpError::Invalid("`team` goes with `view=team`.".into()));
    }
    Ok(match name.unwrap_or("all") {
        "all" => View::All,
        "unassigned" => View::Unassigned,
        "mine" => View::Mine(asker.person()?.clone()),
        "team" => {
            let team = team.ok_or_else(|| HttpError::Invalid("Say which `team`.".into()))?;
            let team = snapshot
                .team(team)
                .ok_or(HttpError::NotFound("team of that name"))?;
            of_team(team)
        }
        "waiting" => View::Waiting,
        "missed-calls" => View::MissedCalls,
        "closed" => View::Closed,
        "everything" => View::Everything,
        other => {
            return Err(HttpError::Invalid(format!(
                "There is no view {other:?}. There are: all, unassigned, mine, team, waiting, missed-calls, closed, everything."
            )));
        }
    })
}

fn of_team(team: &Team) -> View {
    View::Team(team.name.clone(), team.everybody().cloned().collect())
}

/// Conversations of the inboxes that you see, the latest message first.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "conversations", params(Filter), responses(
    (status = 200, body = Listed<Item>), (status = 422, body = Problem),
))]
async fn list(
    State(app): State<App>,
    asker: Asker,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Listed<Item>>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let view = view(
        filter.view.as_deref(),
        filter.team.as_deref(),
        &asker,
        &snapshot,
    )?;
    let status = filter.status.as_deref();
    let kind = filter.kind.as_deref();
    let query = ConversationQuery {
        view,
        status: status
            .map(|text| word::<Status>("status", text))
            .transpose()?,
        kind: kind.map(|text| word::<Kind>("kind", text)).transpose()?,
        channel: filter.channel.as_deref().map(Into::into),
        inbox: filter.inbox.as_deref().map(Into::into),
        contact: filter.contact.as_deref().map(parse).transpose()?,
        assignee: filter
            .assignee
            .as_deref()
            .map(|user| Assignee::User(user.into())),
        user: asker.user.clone(),
        unread: filter.unread,
        search: filter.search.filter(|text| !text.trim().is_empty()),
        place: place(filter.older_than.as_deref(), filter.newer_than.as_deref())?,
        limit: limit(filter.limit),
    };
    let sight = asker.sight(&snapshot);
    let page = app.services.readers.conversations(&sight, &query).await?;
    Ok(Json(Listed::of(page, |item| Item {
        conversation: ConversationView::of(&item.conversation),
        unread: item.unread,
    })))
}

/// How many conversations a view has that are not closed.
#[derive(Serialize, ToSchema)]
struct CountView {
    /// The view.
    view: String,
    /// All of them.
    total: u64,
    /// Those that you have not read.
    unread: u64,
}

/// How many conversations each view has: unassigned, mine, each of your teams, waiting, missed calls,
/// all.
#[utoipa::path(get, path = "/api/v1/conversation-counts", tag = "conversations", responses((status = 200, body = Vec<CountView>)))]
async fn counts(State(app): State<App>, asker: Asker) -> Result<Json<Vec<CountView>>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let mut names = vec!["all".to_owned(), "unassigned".to_owned()];
    let mut views = vec![View::All, View::Unassigned];
    if let Some(user) = &asker.user {
        names.push("mine".to_owned());
        views.push(View::Mine(user.clone()));
        for team in &snapshot.teams {
            if team.includes(user) {
                names.push(format!("team:{}", team.name));
                views.push(of_team(team));
            }
        }
    }
    names.extend(["waiting".to_owned(), "missed-calls".to_owned()]);
    views.extend([View::Waiting, View::MissedCalls]);
    let sight = asker.sight(&snapshot);
    let user = asker.user.as_ref();
    let counts = app.services.readers.counts(&sight, user, &views).await?;
    let counts = names
        .into_iter()
        .zip(counts)
        .map(|(view, count)| CountView {
            view,
            total: count.total,
            unread: count.unread,
        });
    Ok(Json(counts.collect()))
}

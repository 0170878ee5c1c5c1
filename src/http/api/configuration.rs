//! What the configuration says of people, inboxes and channels, and reading it again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::core::snapshot::{Kind, Role, Scope, Seat, Snapshot, User};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem, Reloaded};

pub(super) fn add(routes: Routes) -> Routes {
    let read_users = Needs::scope(Scope::ReadUsers);
    routes
        .add(read_users, routes!(users))
        .add(read_users, routes!(teams))
        .add(Needs::scope(Scope::ReadConversations), routes!(inboxes))
        .add(Needs::scope(Scope::ReadConversations), routes!(channels))
        .add(
            Needs::scope(Scope::WriteConfiguration).admin(),
            routes!(reload),
        )
}

/// A user, as colleagues see one.
#[derive(Serialize, ToSchema)]
struct UserView {
    /// The name that rules use.
    name: String,
    /// The name that people read.
    display_name: String,
    /// `sales` or `service`; absent: no rule reaches the user.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<Seat>,
    /// `agent` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// Teams, as main member or extra member.
    teams: Vec<String>,
}

impl UserView {
    fn of(user: &User, snapshot: &Snapshot) -> UserView {
        UserView {
            name: user.name.to_string(),
            display_name: user.display_name.clone(),
            seat: user.seat,
            role: user.role,
            teams: snapshot
                .teams
                .iter()
                .filter(|team| team.includes(&user.name))
                .map(|team| team.name.to_string())
                .collect(),
        }
    }
}

/// Everybody who works here.
#[utoipa::path(get, path = "/api/v1/users", tag = "people", responses((status = 200, body = Vec<UserView>)))]
async fn users(State(app): State<App>) -> Json<Vec<UserView>> {
    let snapshot = app.services.door.snapshot();
    let users = snapshot.users.iter();
    Json(users.map(|user| UserView::of(user, &snapshot)).collect())
}

/// A team.
#[derive(Serialize, ToSchema)]
struct TeamView {
    /// Its name.
    name: String,
    /// Whom a rule that names it reaches.
    members: Vec<String>,
    /// Reached by hand only.
    extra_members: Vec<String>,
}

/// All teams.
#[utoipa::path(get, path = "/api/v1/teams", tag = "people", responses((status = 200, body = Vec<TeamView>)))]
async fn teams(State(app): State<App>) -> Json<Vec<TeamView>> {
    let names = |users: &[_]| users.iter().map(ToString::to_string).collect();
    let snapshot = app.services.door.snapshot();
    let teams = snapshot.teams.iter().map(|team| TeamView {
        name: team.name.to_string(),
        members: names(&team.members),
        extra_members: names(&team.extra_members),
    });
    Json(teams.collect())
}

/// An inbox.
#[derive(Serialize, ToSchema)]
struct InboxView {
    /// Its name.
    name: String,
    /// The teams with access; absent: everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    teams: Option<Vec<String>>,
    /// Those to whom a conversation in it may be given by hand.
    users: Vec<String>,
}

/// The inboxes that you see.
#[utoipa::path(get, path = "/api/v1/inboxes", tag = "conversations", responses((status = 200, body = Vec<InboxView>)))]
async fn inboxes(State(app): State<App>, asker: Asker) -> Json<Vec<InboxView>> {
    let snapshot = app.services.door.snapshot();
    let seen = snapshot.inboxes.iter();
    let seen = seen.filter(|inbox| asker.sees(&snapshot, Some(&inbox.name)));
    let views = seen.map(|inbox| InboxView {
        name: inbox.name.to_string(),
        teams: (inbox.teams.as_ref()).map(|teams| teams.iter().map(ToString::to_string).collect()),
        users: snapshot
            .users
            .iter()
            .filter(|user| snapshot.has_access(&user.name, Some(&inbox.name)))
            .map(|user| user.name.to_string())
            .collect(),
    });
    Json(views.collect())
}

/// A channel.
#[derive(Serialize, ToSchema)]
struct ChannelView {
    /// Its name.
    name: String,
    /// `call`, `email`, `form` or `chat`.
    #[schema(value_type = String)]
    kind: Kind,
    /// Its inbox; absent: everybody has access.
    #[serde(skip_serializing_if = "Option::is_none")]
    inbox: Option<String>,
    /// Its hours; absent: always open.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    /// Its numbers, of calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<String>,
    /// Its address, of mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// The channels that you see.
#[utoipa::path(get, path = "/api/v1/channels", tag = "conversations", responses((status = 200, body = Vec<ChannelView>)))]
async fn channels(State(app): State<App>, asker: Asker) -> Json<Vec<ChannelView>> {
    let snapshot = app.services.door.snapshot();
    let seen = snapshot.channels.iter();
    let seen = seen.filter(|channel| asker.sees(&snapshot, channel.inbox.as_ref()));
    let views = seen.map(|channel| ChannelView {
        name: channel.name.to_string(),
        kind: channel.kind(),
        inbox: channel.inbox.as_ref().map(ToString::to_string),
        schedule: channel.schedule.as_ref().map(ToString::to_string),
        numbers: channel.numbers().iter().map(ToString::to_string).collect(),
        address: channel.email().map(|email| email.address.clone()),
    });
    Json(views.collect())
}

/// Reads the configuration again. Where something is wrong with it, nothing changes, and the answer
/// holds every error with its place.
#[utoipa::path(post, path = "/api/v1/reload", tag = "configuration", responses(
    (status = 200, description = "In force", body = Reloaded),
    (status = 422, description = "Refused; `errors` holds everything that is wrong", body = Problem),
))]
async fn reload(State(app): State<App>, asker: Asker) -> Result<Response, HttpError> {
    let reloaded = app.services.reload().await?;
    let detail = match reloaded.errors.len() {
        0 => format!("version {} is in force", reloaded.version),
        errors => format!("refused with {errors} errors"),
    };
    app.audit(&asker, "configuration.reload", "configuration", &detail);
    if reloaded.errors.is_empty() {
        return Ok((StatusCode::OK, Json(reloaded)).into_response());
    }
    Err(HttpError::Faulty(
        format!(
            "The configuration cannot be used; version {} stays in force. Put right what `errors` lists, and reload again.",
            reloaded.version
        ),
        reloaded.errors,
    ))
}

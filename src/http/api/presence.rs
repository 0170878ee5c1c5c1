//! Who is there.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::core::conversation::Command;
use crate::core::name::UserName;
use crate::core::routing::Presence;
use crate::core::snapshot::Scope;
use crate::http::body::{At, Read};
use crate::http::routes::Routes;
use crate::http::views::PresenceView;
use crate::http::{App, Asker, HttpError, Needs, Problem};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .add(Needs::scope(Scope::ReadUsers), routes!(list))
        .add(Needs::scope(Scope::WriteUsers), routes!(set))
}

/// What everybody said last of being there.
#[utoipa::path(get, path = "/api/v1/presence", tag = "people", responses((status = 200, body = Vec<PresenceView>)))]
async fn list(State(app): State<App>) -> Result<Json<Vec<PresenceView>>, HttpError> {
    let known = app.services.readers.presence().await?;
    let known: BTreeMap<&UserName, PresenceView> = known
        .iter()
        .map(|record| (&record.user, PresenceView::of(record)))
        .collect();
    let snapshot = app.services.door.snapshot();
    let users = snapshot.users.iter().map(|user| {
        let told = known.get(&user.name).cloned();
        told.unwrap_or_else(|| PresenceView {
            user: user.name.to_string(),
            presence: Presence::Available,
            reason: String::new(),
            since: None,
            until: None,
        })
    });
    Ok(Json(users.collect()))
}

/// What is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// `available` or `away`.
    #[schema(value_type = String)]
    presence: Presence,
}

/// Says that a user is there, or away: yourself; for others it takes an admin.
#[utoipa::path(put, path = "/api/v1/presence/{user}", tag = "people", params(("user" = String, Path)), request_body = Said, responses(
    (status = 200, body = PresenceView), (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn set(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
    Read(said): Read<Said>,
) -> Result<Json<PresenceView>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let user = snapshot
        .user(&name)
        .ok_or(HttpError::NotFound("user of that name"))?;
    let command = Command::PresenceChanged {
        user: user.name.clone(),
        presence: said.presence,
        by: asker.actor(),
    };
    app.services.door.ask(command).await?;
    let told = format!("{:?}", said.presence).to_lowercase();
    app.audit(&asker, "presence.set", &name, &told);
    let known = app.services.readers.presence().await?;
    let record = known.iter().find(|record| record.user == user.name);
    Ok(Json(record.map_or_else(
        || PresenceView {
            user: name.clone(),
            presence: said.presence,
            reason: "by hand".to_owned(),
            since: None,
            until: None,
        },
        PresenceView::of,
    )))
}

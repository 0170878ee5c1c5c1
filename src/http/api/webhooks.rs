//! Webhooks: how they stand, and what could not be delivered.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::core::id::DeliveryId;
use crate::core::snapshot::Scope;
use crate::http::body::{Asked, At};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::LARGEST_PAGE;
use crate::webhook::{DeadLetter, WebhookError};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadAudit).admin();
    let write = Needs::scope(Scope::WriteConfiguration).admin();
    routes
        .add(read, routes!(list))
        .add(read, routes!(dead_letters))
        .add(read, routes!(dead_letter))
        .add(write, routes!(retry))
        .add(write, routes!(delete))
}

impl From<WebhookError> for HttpError {
    fn from(error: WebhookError) -> HttpError {
        match error {
            WebhookError::NoDeadLetter(_) => HttpError::NotFound("dead letter of that identifier"),
            WebhookError::NoWebhook(_) | WebhookError::Full(_) => {
                HttpError::Conflict(format!("{error}."))
            }
            WebhookError::Queue { .. } | WebhookError::Thread(_) | WebhookError::Outgoing(_) => {
                HttpError::Broken(error.to_string())
            }
        }
    }
}

/// How a webhook stands.
#[derive(Serialize, ToSchema)]
struct WebhookView {
    /// Its name.
    name: String,
    /// Deliveries that wait or are under way.
    waiting: usize,
    /// Failed attempts in a row; 0: it works.
    failures: u32,
    /// It answered 410, and gets nothing more until the configuration is loaded again.
    stopped: bool,
    /// Dead letters that are kept.
    dead: usize,
    /// Events that were not taken in, because too much waited or it had stopped.
    lost: u64,
}

/// How each webhook stands.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", responses((status = 200, body = Vec<WebhookView>)))]
async fn list(State(app): State<App>) -> Result<Json<Vec<WebhookView>>, HttpError> {
    let status = app
        .blocking(|app| Ok(app.services.webhooks.status()))
        .await?;
    let views = status.into_iter().map(|one| WebhookView {
        name: one.name,
        waiting: one.waiting,
        failures: one.failures,
        stopped: one.stopped,
        dead: one.dead,
        lost: one.lost,
    });
    Ok(Json(views.collect()))
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only of this webhook.
    webhook: Option<String>,
    /// Without the first ones.
    skip: Option<usize>,
    /// How many: 50, up to 100.
    limit: Option<usize>,
}

/// Dead letters, one page of them.
#[derive(Serialize, ToSchema)]
struct Letters {
    /// How many there are in all.
    total: usize,
    /// The latest first.
    #[schema(value_type = Vec<Object>)]
    items: Vec<DeadLetter>,
}

/// What could not be delivered within a day.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "webhooks", params(Which), responses((status = 200, body = Letters)))]
async fn dead_letters(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<Letters>, HttpError> {
    let limit = which.limit.unwrap_or(50).clamp(1, LARGEST_PAGE as usize);
    let page = app.blocking(move |app| {
        let webhooks = &app.services.webhooks;
        Ok(webhooks.dead_letters(which.webhook.as_deref(), which.skip.unwrap_or(0), limit))
    });
    let page = page.await?;
    Ok(Json(Letters {
        total: page.total,
        items: page.letters,
    }))
}

/// A dead letter with what was posted.
#[derive(Serialize, ToSchema)]
struct Letter {
    /// What became of it.
    #[schema(value_type = Object)]
    letter: DeadLetter,
    /// The body that was posted.
    body: String,
}

/// One dead letter with what was posted.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "webhooks", params(("id" = String, Path)), responses(
    (status = 200, body = Letter), (status = 404, body = Problem),
))]
async fn dead_letter(
    State(app): State<App>,
    At(id): At<DeliveryId>,
) -> Result<Json<Letter>, HttpError> {
    let found = app.blocking(move |app| Ok(app.services.webhooks.dead_letter(id)?));
    let (letter, body) = found.await?;
    Ok(Json(Letter { letter, body }))
}

/// Sends a dead letter again, for another day.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/retry", tag = "webhooks", params(("id" = String, Path)), responses(
    (status = 202, description = "It waits to be sent"), (status = 404, body = Problem), (status = 409, body = Problem),
))]
async fn retry(
    State(app): State<App>,
    asker: Asker,
    At(id): At<DeliveryId>,
) -> Result<StatusCode, HttpError> {
    app.blocking(move |app| Ok(app.services.webhooks.retry(id)?))
        .await?;
    app.audit(&asker, "dead-letter.retry", &id.to_string(), "");
    Ok(StatusCode::ACCEPTED)
}

/// Deletes a dead letter.
#[utoipa::path(delete, path = "/api/v1/dead-letters/{id}", tag = "webhooks", params(("id" = String, Path)), responses(
    (status = 204, description = "Deleted"), (status = 404, body = Problem),
))]
async fn delete(
    State(app): State<App>,
    asker: Asker,
    At(id): At<DeliveryId>,
) -> Result<StatusCode, HttpError> {
    app.blocking(move |app| Ok(app.services.webhooks.delete(id)?))
        .await?;
    app.audit(&asker, "dead-letter.delete", &id.to_string(), "");
    Ok(StatusCode::NO_CONTENT)
}

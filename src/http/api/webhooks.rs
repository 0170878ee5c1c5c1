//! Webhooks: how they stand, and what could not be delivered.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::page::limit;
use crate::core::id::DeliveryId;
use crate::core::snapshot::Scope;
use crate::http::body::{Asked, At};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::webhook::{DeadLetter, WaitingDelivery, WebhookError};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadAudit).admin();
    let write = Needs::scope(Scope::WriteConfiguration).admin();
    routes
        .add(read, routes!(list))
        .add(read, routes!(waiting))
        .add(write, routes!(test))
        .add(write, routes!(retry_all))
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
    /// What went wrong last, while it fails.
    problem: Option<String>,
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
        problem: one.problem,
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
    let limit = limit(which.limit) as usize;
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

/// Which part of a list is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Part {
    /// Without so many of the first.
    skip: Option<usize>,
    /// So many at most: 50 if nothing is said.
    limit: Option<usize>,
}

/// What waits for a webhook.
#[derive(Serialize, ToSchema)]
struct Deliveries {
    /// How many there are in all.
    total: usize,
    /// By their number.
    #[schema(value_type = Vec<Object>)]
    items: Vec<WaitingDelivery>,
}

/// What waits for a webhook or is under way to it.
#[utoipa::path(get, path = "/api/v1/webhooks/{name}/waiting", tag = "webhooks", params(("name" = String, Path), Part), responses((status = 200, body = Deliveries)))]
async fn waiting(
    State(app): State<App>,
    At(name): At<String>,
    Asked(part): Asked<Part>,
) -> Result<Json<Deliveries>, HttpError> {
    let limit = limit(part.limit) as usize;
    let page = app.blocking(move |app| {
        let webhooks = &app.services.webhooks;
        Ok(webhooks.waiting(Some(&name), part.skip.unwrap_or(0), limit))
    });
    let page = page.await?;
    Ok(Json(Deliveries {
        total: page.total,
        items: page.deliveries,
    }))
}

/// What was sent as a test.
#[derive(Serialize, ToSchema)]
struct Tested {
    /// The key of the delivery, which the endpoint sees as `Ringdesk-Delivery`.
    #[schema(value_type = String)]
    id: DeliveryId,
}

/// Sends the event `webhook.test`, to see whether it arrives.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/test", tag = "webhooks", params(("name" = String, Path)), responses(
    (status = 202, body = Tested), (status = 404, body = Problem), (status = 409, body = Problem),
))]
async fn test(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
) -> Result<(StatusCode, Json<Tested>), HttpError> {
    let tested = name.clone();
    let id = app
        .blocking(move |app| app.services.webhooks.test(&tested).map_err(named))
        .await?;
    app.audit(&asker, "webhook.test", &name, "");
    Ok((StatusCode::ACCEPTED, Json(Tested { id })))
}

/// How many dead letters are sent again.
#[derive(Serialize, ToSchema)]
struct SentAgain {
    /// As many as may wait; the rest stays.
    sent_again: usize,
}

/// Sends all dead letters of a webhook again, the oldest first.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/retry", tag = "webhooks", params(("name" = String, Path)), responses(
    (status = 202, body = SentAgain), (status = 404, body = Problem), (status = 409, body = Problem),
))]
async fn retry_all(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
) -> Result<(StatusCode, Json<SentAgain>), HttpError> {
    let retried = name.clone();
    let sent_again = app
        .blocking(move |app| app.services.webhooks.retry_all(&retried).map_err(named))
        .await?;
    app.audit(
        &asker,
        "webhook.retry",
        &name,
        &format!("{sent_again} dead letters"),
    );
    Ok((StatusCode::ACCEPTED, Json(SentAgain { sent_again })))
}

/// As an error about the webhook that the path names.
fn named(error: WebhookError) -> HttpError {
    match error {
        WebhookError::NoWebhook(_) => HttpError::NotFound("webhook of that name"),
        error => error.into(),
    }
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

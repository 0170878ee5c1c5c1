//! `/health`, for whoever watches the daemon, and `/metrics`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::routes::Routes;
use super::{App, Condition, HttpError, Needs};
use crate::clock;
use crate::core::snapshot::Scope;

/// How long the engine may take to say how it is: calls are answered within milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .add(Needs::NOTHING, routes!(health))
        .add(Needs::NOTHING, routes!(live))
        .add(Needs::NOTHING, routes!(ready))
        .add(Needs::scope(Scope::ReadMetrics).admin(), routes!(metrics))
}

/// How the daemon is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// The process answers.
    live: bool,
    /// It can do its work: everything vital is as it should be.
    ready: bool,
    /// The program's version.
    version: &'static str,
    /// Everything that is not as it should be, with its reason; vital or not.
    reasons: Vec<Condition>,
}

/// Whether the daemon is alive and ready, with reasons.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, description = "Ready", body = Health),
    (status = 503, description = "Not ready, and why", body = Health),
))]
async fn health(State(app): State<App>) -> Response {
    let conditions = conditions(&app).await;
    let ready = conditions.iter().all(|one| one.ok || !one.vital);
    let health = Health {
        live: true,
        ready,
        version: env!("CARGO_PKG_VERSION"),
        reasons: conditions.into_iter().filter(|one| !one.ok).collect(),
    };
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health)).into_response()
}

/// Whether the process answers at all: to be restarted where it does not.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, description = "Alive")))]
async fn live() -> &'static str {
    "live\n"
}

/// Whether it can do its work: to be given none where it cannot. `GET /health` says why.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "Ready"),
    (status = 503, description = "Not ready"),
))]
async fn ready(State(app): State<App>) -> Response {
    let conditions = conditions(&app).await;
    match conditions.iter().all(|one| one.ok || !one.vital) {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn conditions(app: &App) -> Vec<Condition> {
    let mut conditions = (app.services.conditions)();
    let condition = |name: String, vital, reason: Option<String>| Condition {
        name,
        ok: reason.is_none(),
        vital,
        reason: reason.unwrap_or_default(),
    };
    let stored = tokio::time::timeout(PATIENCE, app.services.stored());
    let status = tokio::time::timeout(PATIENCE, app.services.status());
    let ended = tokio::time::timeout(PATIENCE, app.services.ended());
    let (stored, status, ended) = tokio::join!(stored, status, ended);
    let ended = ended.into_iter().flatten().flatten();
    conditions.extend(ended.map(|thread| Condition {
        reason:
            "its thread has ended by a fault: the log says which; restart the daemon".to_owned(),
        name: thread,
        ok: false,
        vital: true,
    }));
    let journal = match stored {
        Ok(Ok(0)) => None,
        Ok(Ok(lost)) => Some((false, format!("{lost} records were lost since the start"))),
        Ok(Err(_)) | Err(_) => Some((
            true,
            "the journal is not written: look at the disk".to_owned(),
        )),
    };
    let is_vital = journal.as_ref().is_none_or(|(vital, _)| *vital);
    let reason = journal.map(|(_, reason)| reason);
    conditions.push(condition("store".to_owned(), is_vital, reason));
    let Ok(Ok(status)) = status else {
        let reason = "the engine does not answer: SIP is not served".to_owned();
        conditions.push(condition("sip".to_owned(), true, Some(reason)));
        return conditions;
    };
    conditions.push(condition("sip".to_owned(), true, None));
    for trunk in &status.trunks {
        let reason = (trunk.answers == Some(false)).then(|| trunk.detail.clone());
        conditions.push(condition(format!("trunk {}", trunk.name), false, reason));
    }
    let refused = status.reload_refused.as_ref().map(|(at, errors)| {
        let many = if *errors == 1 { "error" } else { "errors" };
        format!("the reload at {at} was refused with {errors} {many}: `ringdesk check` says more")
    });
    conditions.push(condition("configuration".to_owned(), false, refused));
    conditions
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "In the text format of Prometheus", body = String),
))]
async fn metrics(State(app): State<App>) -> Result<Response, HttpError> {
    let began = clock::mono();
    let readable = tokio::time::timeout(PATIENCE, app.services.readable());
    let (readable, lost) = tokio::join!(readable, app.services.stored());
    // Where the database does not keep up, it is at least so far behind.
    let lag = match readable {
        Ok(Ok(())) => clock::mono().since(began),
        Ok(Err(_)) | Err(_) => PATIENCE,
    };
    app.figures.store(lag, lost.unwrap_or_default());
    app.figures.queue("commands", app.services.door.waiting());
    app.figures.queue("http", app.services.waiting());
    for webhook in app
        .blocking(|app| Ok(app.services.webhooks.status()))
        .await?
    {
        let queue = format!("webhook {}", webhook.name);
        app.figures.queue(&queue, webhook.waiting);
    }
    if let Ok(status) = app.services.status().await {
        app.figures.status(&status);
    }
    for condition in conditions(&app).await {
        app.figures.condition(&condition);
    }
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, app.figures.render()).into_response())
}

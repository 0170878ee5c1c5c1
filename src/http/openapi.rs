//! The description of the API, made of the routes themselves.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::routes;

use super::routes::Routes;
use super::{App, Needs, Problem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ringdesk",
        description = "Conversations, voicemails, calls, presence, hours, rules, prompts and contacts. `x-needs` of each operation says which scope, role or seat it takes. Errors are `application/problem+json`.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem))
)]
struct Document;

/// The description, before routes are added.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    let token = Http::new(HttpAuthScheme::Bearer);
    components.add_security_scheme("token", SecurityScheme::Http(token));
    let cookie = ApiKey::Cookie(ApiKeyValue::new("ringdesk"));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    document
}

/// Keeps the finished description, to be answered.
pub(super) fn keep(app: &App, document: &utoipa::openapi::OpenApi) {
    let text = document.to_json().unwrap_or_default();
    let _ = app.document.set(Bytes::from(text));
}

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::SOMEBODY, routes!(openapi))
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health", responses((status = 200, description = "OpenAPI 3.1")))]
async fn openapi(State(app): State<App>) -> Response {
    let document = app.document.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

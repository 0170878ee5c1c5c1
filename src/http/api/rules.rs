//! The rules of a channel: read as they are written, and changed in the configuration's own files,
//! comments kept, through the same checks as any reload.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::channel_seen;
use crate::config::edit::{self, ChannelRules, EditError, RuleChange};
use crate::core::snapshot::{RuleName, Scope};
use crate::http::body::{At, Read};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem, Reloaded};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadConfiguration).admin().seat();
    let write = Needs::scope(Scope::WriteConfiguration).admin().seat();
    routes.add(read, routes!(rules)).add(write, routes!(change))
}

impl From<EditError> for HttpError {
    fn from(error: EditError) -> HttpError {
        match error {
            EditError::NoChannel { .. } => HttpError::NotFound("channel of that name"),
            EditError::NoSuchRule { .. } => HttpError::Invalid(format!("{error}.")),
            EditError::Conflict { .. } | EditError::Unusual { .. } => {
                HttpError::Conflict(format!("{error}."))
            }
            EditError::Refused(diagnostics) => {
                let errors = diagnostics.errors.iter();
                HttpError::Faulty(
                    "The configuration would be wrong with this rule; nothing was written. `errors` says why."
                        .to_owned(),
                    errors.map(ToString::to_string).collect(),
                )
            }
            EditError::Unwritable { .. } => HttpError::Broken(error.to_string()),
        }
    }
}

/// The rules of a channel as they are written. The ETag is the state of their file.
#[utoipa::path(get, path = "/api/v1/channels/{name}/rules", tag = "configuration", params(("name" = String, Path)), responses(
    (status = 200, body = ChannelRules), (status = 404, body = Problem),
))]
async fn rules(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
) -> Result<Response, HttpError> {
    channel_seen(&app.services.door.snapshot(), &asker, &name)?;
    let rules = app.blocking(move |app| Ok(edit::rules(&app.services.config, &name)?));
    let rules = rules.await?;
    let tag = rules.version.clone();
    Ok(with_tag(&tag, Json(rules).into_response()))
}

/// What came of a change.
#[derive(Serialize, ToSchema)]
struct Changed {
    /// The file that was written, in the directory of the configuration.
    file: String,
    /// The state of that file now.
    version: String,
    /// False where the rule was written so already.
    changed: bool,
    /// The reload that brings it into force for what arrives from now on.
    reload: Reloaded,
}

/// Changes a rule of a channel (`working_hours` of calls, `assign` of others, `break`, `after_hours`)
/// in the file that it stands in, and reloads. `version`, or `If-Match`, says which state of the file
/// was read; `"rule": null` removes it.
#[utoipa::path(put, path = "/api/v1/channels/{name}/rules/{rule}", tag = "configuration",
    params(("name" = String, Path), ("rule" = String, Path)), request_body = RuleChange, responses(
    (status = 200, body = Changed), (status = 404, body = Problem),
    (status = 409, description = "The file has changed since it was read", body = Problem),
    (status = 422, description = "The configuration would be wrong; nothing was written", body = Problem),
))]
async fn change(
    State(app): State<App>,
    asker: Asker,
    At((name, rule_name)): At<(String, String)>,
    headers: HeaderMap,
    Read(mut change): Read<RuleChange>,
) -> Result<Response, HttpError> {
    channel_seen(&app.services.door.snapshot(), &asker, &name)?;
    let rule: RuleName = serde_json::from_value(serde_json::Value::from(rule_name.as_str()))
        .map_err(|_| HttpError::NotFound("rule of that name"))?;
    if let Some(tag) = headers.get(header::IF_MATCH) {
        let tag = tag.to_str().unwrap_or_default().trim().trim_matches('"');
        change.version = Some(tag.to_owned());
    }
    let channel = name.clone();
    let changed = app.blocking(move |app| Ok((app.services.change_rule)(&channel, rule, &change)?));
    let changed = changed.await?;
    let object = format!("{name} {rule_name}");
    app.audit(&asker, "rule.change", &object, &changed.file);
    let reload = app.services.reload().await?;
    let tag = changed.version.clone();
    let told = Json(Changed {
        file: changed.file,
        version: changed.version,
        changed: changed.is_changed,
        reload,
    });
    Ok(with_tag(&tag, told.into_response()))
}

fn with_tag(tag: &str, mut response: Response) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

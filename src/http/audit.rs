//! The audit log: who changed what over the API, from where.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::body::Asked;
use super::routes::Routes;
use super::{App, Asker, HttpError, Needs};
use crate::clock;
use crate::core::conversation::AuditRecord;
use crate::core::record::Record;
use crate::core::snapshot::Scope;
use crate::core::time::Wall;
use crate::store::LARGEST_PAGE;

/// The longest text of a field, in characters: what is told of a change, never its content.
const LONGEST: usize = 500;

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::scope(Scope::ReadAudit).admin(), routes!(audit))
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Where an earlier answer's `older` goes on.
    older_than: Option<String>,
    /// How many: 100, which is also the most.
    limit: Option<u32>,
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
struct Line {
    /// When.
    #[schema(value_type = String)]
    at: Wall,
    /// Who: `user anna`, `token crm`.
    actor: String,
    /// From which address.
    address: String,
    /// What was done: `conversation.assign`.
    action: String,
    /// What to.
    object: String,
    /// How.
    detail: String,
}

/// A part of the audit log.
#[derive(Serialize, ToSchema)]
struct Lines {
    /// The latest first.
    items: Vec<Line>,
    /// Ask again with `older_than` for what comes before.
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<String>,
}

/// Who changed what, from where: appended, never changed.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(Which), responses((status = 200, body = Lines)))]
async fn audit(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<Lines>, HttpError> {
    let older = which.older_than.as_deref().map(str::parse).transpose();
    let older = older.map_err(|error| HttpError::Invalid(format!("{error}.")))?;
    let limit = which.limit.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    let page = app.services.readers.audit(older, limit).await?;
    let items = page.items.into_iter().map(|record| Line {
        at: record.at,
        actor: record.actor,
        address: record.address,
        action: record.action,
        object: record.object,
        detail: record.detail,
    });
    Ok(Json(Lines {
        items: items.collect(),
        older: page.older.map(|place| place.to_string()),
    }))
}

impl App {
    /// Appends a line: `action` names what was done (`prompt.replace`), `object` what to, `detail` how.
    pub(super) fn audit(&self, asker: &Asker, action: &str, object: &str, detail: &str) {
        self.audit_of(&asker.name, asker.address, action, object, detail);
    }

    /// The same, for whoever is not known (yet).
    pub(super) fn audit_of(
        &self,
        actor: &str,
        address: std::net::IpAddr,
        action: &str,
        object: &str,
        detail: &str,
    ) {
        self.services.keep(Record::Audit(Box::new(AuditRecord {
            at: clock::wall(),
            actor: shortened(actor),
            address: address.to_string(),
            action: action.to_owned(),
            object: shortened(object),
            detail: shortened(detail),
        })));
    }
}

/// One line without control characters, which a client may have sent.
fn shortened(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control());
    kept.take(LONGEST).collect()
}

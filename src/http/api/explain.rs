//! Why: the stored decisions about a call or a conversation.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::conversations::seen_conversation;
use crate::core::conversation::Assignee;
use crate::core::id::{CallId, ConversationId};
use crate::core::record::DecisionRecord;
use crate::core::routing::words;
use crate::core::snapshot::Scope;
use crate::core::time::Wall;
use crate::http::body::At;
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadConfiguration);
    routes
        .add(read, routes!(of_conversation))
        .add(read, routes!(of_call))
}

/// A decision, with all that is needed to make it again.
#[derive(Serialize, ToSchema)]
struct DecisionView {
    /// Its identifier.
    id: String,
    /// When.
    #[schema(value_type = String)]
    at: Wall,
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
    /// What an admin should know beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
}

impl DecisionView {
    fn of(record: DecisionRecord) -> Result<DecisionView, HttpError> {
        Ok(DecisionView {
            id: record.id.to_string(),
            at: record.at,
            text: words::paragraph(&record.request, &record.decision),
            request: json(&record.request)?,
            facts: json(&record.facts)?,
            decision: json(&record.decision)?,
            remark: record.remark,
        })
    }
}

/// A part of a decision as it is shown.
pub(super) fn json(part: &impl Serialize) -> Result<Value, HttpError> {
    serde_json::to_value(part)
        .map_err(|error| HttpError::Broken(format!("a decision cannot be written: {error}")))
}

/// Who a conversation was given to.
#[derive(Serialize, ToSchema)]
struct AssignmentView {
    /// When.
    #[schema(value_type = String)]
    at: Wall,
    /// To whom; absent: to nobody.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Assignee>,
    /// `rule`, or who did it by hand.
    by: String,
    /// The decision that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
}

/// Why something is as it is.
#[derive(Serialize, ToSchema)]
struct Explanation {
    /// The decisions, in order.
    decisions: Vec<DecisionView>,
    /// Who it was given to, in order; of conversations.
    assignments: Vec<AssignmentView>,
}

/// Why a conversation has the assignee it has: every decision with its trace, and every assignment.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/explain", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 200, body = Explanation), (status = 404, body = Problem),
))]
async fn of_conversation(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<Json<Explanation>, HttpError> {
    seen_conversation(&app, &asker, id).await?;
    let sight = asker.sight(&app.services.door.snapshot());
    let decisions = app.services.readers.decisions(&sight, id).await?;
    let assignments = app.services.readers.assignments(&sight, id).await?;
    let decisions = decisions.into_iter().map(DecisionView::of);
    let assignments = assignments.into_iter().map(|record| AssignmentView {
        at: record.at,
        to: record.to,
        by: record.by,
        decision: record.decision.map(|decision| decision.to_string()),
    });
    Ok(Json(Explanation {
        decisions: decisions.collect::<Result<_, _>>()?,
        assignments: assignments.collect(),
    }))
}

/// Why a call went where it did: every decision with its trace.
#[utoipa::path(get, path = "/api/v1/calls/{id}/explain", tag = "calls", params(("id" = String, Path)), responses(
    (status = 200, body = Explanation), (status = 404, body = Problem),
))]
async fn of_call(
    State(app): State<App>,
    asker: Asker,
    At(id): At<CallId>,
) -> Result<Json<Explanation>, HttpError> {
    let sight = asker.sight(&app.services.door.snapshot());
    let call = app.services.readers.call(&sight, id).await?;
    call.ok_or(HttpError::NotFound("call"))?;
    let decisions = app.services.readers.decisions_of_call(&sight, id).await?;
    let decisions = decisions.into_iter().map(DecisionView::of);
    Ok(Json(Explanation {
        decisions: decisions.collect::<Result<_, _>>()?,
        assignments: Vec::new(),
    }))
}

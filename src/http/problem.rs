//! What a client is told when something cannot be done: `application/problem+json` (RFC 9457), with a
//! reason that programs can rely on and words that people can act on.

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::conversation::{Refusal, RefusalKind};
use crate::core::snapshot::Scope;
use crate::store::StoreError;

/// A problem as it is sent (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A name for the kind of problem: `urn:ringdesk:problem:REASON`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What was wrong, and what to do, in a sentence.
    pub detail: String,
    /// The kind of problem in a word or two, the same in every version: `not-found`.
    pub reason: String,
    /// Where several things are wrong (a reload, an import): each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody is known by what the request carries.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The token lacks a scope.
    #[error(
        "This needs a token with the scope `{}`. Add it to `scopes` of that [[token]] and reload.",
        scope_name(*.0)
    )]
    ScopeMissing(Scope),
    /// The asker may not.
    #[error("{0}")]
    Forbidden(String),
    /// A request of a browser that may have come from another site.
    #[error("{0}")]
    CrossSite(&'static str),
    /// There is none, or none that the asker may see.
    #[error("There is no {0}, or none that you have access to.")]
    NotFound(&'static str),
    /// There is no such path.
    #[error("There is nothing at this path. GET /api/v1/openapi.json lists what there is.")]
    NoSuchPath,
    /// The path takes other methods.
    #[error("This path does not take {0}. GET /api/v1/openapi.json lists what it takes.")]
    MethodNotAllowed(axum::http::Method),
    /// It has changed meanwhile, or is in a state in which this makes no sense.
    #[error("{0}")]
    Conflict(String),
    /// `If-Match` names another revision.
    #[error(
        "It has changed since you read it: its revision is {0} now. Read it again, and send that as If-Match."
    )]
    Changed(u64),
    /// What was sent cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// What was sent makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Several things are wrong with what was sent.
    #[error("{0}")]
    Faulty(String, Vec<String>),
    /// It is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The media type is none that is taken.
    #[error("{0}")]
    Unsupported(String),
    /// The range lies outside.
    #[error("The range lies outside of what there is: {0} octets.")]
    OutOfRange(u64),
    /// The client asks too often.
    #[error("{text} Try again in {seconds} s.")]
    TooMany {
        /// Who is limited.
        text: &'static str,
        /// For how long.
        seconds: u64,
    },
    /// The request took too long to arrive, or to answer.
    #[error("The request took too long. Send it again.")]
    Timeout,
    /// Too much is going on.
    #[error("{0}")]
    Busy(String),
    /// Something broke that the client can do nothing about.
    #[error("{0}")]
    Broken(String),
    /// Another part says why, with a status and a word of its own.
    #[error("{text}")]
    Elsewhere {
        /// The status.
        status: u16,
        /// The word.
        reason: &'static str,
        /// The sentence.
        text: String,
    },
    /// The engine refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl HttpError {
    /// The status and the reason.
    pub fn status(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            HttpError::Unauthenticated(_) => (S::UNAUTHORIZED, "unauthenticated"),
            HttpError::ScopeMissing(_) => (S::FORBIDDEN, "scope-missing"),
            HttpError::Forbidden(_) => (S::FORBIDDEN, "forbidden"),
            HttpError::CrossSite(_) => (S::FORBIDDEN, "cross-site"),
            HttpError::NotFound(_) => (S::NOT_FOUND, "not-found"),
            HttpError::NoSuchPath => (S::NOT_FOUND, "no-such-path"),
            HttpError::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, "method-not-allowed"),
            HttpError::Conflict(_) => (S::CONFLICT, "conflict"),
            HttpError::Changed(_) => (S::PRECONDITION_FAILED, "changed"),
            HttpError::Unreadable(_) => (S::BAD_REQUEST, "unreadable"),
            HttpError::Invalid(_) | HttpError::Faulty(..) => (S::UNPROCESSABLE_ENTITY, "invalid"),
            HttpError::TooLarge(_) => (S::PAYLOAD_TOO_LARGE, "too-large"),
            HttpError::Unsupported(_) => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            HttpError::OutOfRange(_) => (S::RANGE_NOT_SATISFIABLE, "out-of-range"),
            HttpError::TooMany { .. } => (S::TOO_MANY_REQUESTS, "too-many-requests"),
            HttpError::Timeout => (S::REQUEST_TIMEOUT, "timeout"),
            HttpError::Busy(_) => (S::SERVICE_UNAVAILABLE, "busy"),
            HttpError::Broken(_) => (S::INTERNAL_SERVER_ERROR, "broken"),
            HttpError::Elsewhere { status, reason, .. } => (
                S::from_u16(*status).unwrap_or(S::INTERNAL_SERVER_ERROR),
                *reason,
            ),
            HttpError::Refused(refusal) => match refusal.kind {
                RefusalKind::NotFound => (S::NOT_FOUND, "not-found"),
                RefusalKind::Forbidden => (S::FORBIDDEN, "forbidden"),
                RefusalKind::Conflict => (S::CONFLICT, "conflict"),
                RefusalKind::Invalid => (S::UNPROCESSABLE_ENTITY, "invalid"),
                RefusalKind::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
            },
        }
    }

    /// What is said of a multipart body that cannot be read.
    pub(super) fn of_multipart(error: MultipartError) -> HttpError {
        super::body::of_body(error.status(), error.body_text())
    }

    /// The problem as it is sent.
    pub fn problem(&self) -> Problem {
        let (status, reason) = self.status();
        Problem {
            kind: format!("urn:ringdesk:problem:{reason}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            reason: reason.to_owned(),
            errors: match self {
                HttpError::Faulty(_, errors) => errors.clone(),
                _ => Vec::new(),
            },
        }
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> HttpError {
        match error {
            StoreError::Busy => HttpError::Busy(
                "Too many questions are asked of the database at this moment.".to_owned(),
            ),
            error => HttpError::Broken(error.to_string()),
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        if let HttpError::Broken(detail) = &self {
            tracing::error!("HTTP: {detail}");
        }
        let (status, _) = self.status();
        let mut response = (status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        match &self {
            HttpError::Unauthenticated(_) => {
                let bearer = HeaderValue::from_static("Bearer realm=\"ringdesk\"");
                headers.insert(header::WWW_AUTHENTICATE, bearer);
            }
            HttpError::TooMany { seconds, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            HttpError::Busy(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            HttpError::OutOfRange(size) => {
                if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    headers.insert(header::CONTENT_RANGE, range);
                }
            }
            _ => {}
        }
        response
    }
}

/// A scope as it is written in the configuration.
pub fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::ReadConversations => "read-conversations",
        Scope::WriteConversations => "write-conversations",
        Scope::ReadContacts => "read-contacts",
        Scope::WriteContacts => "write-contacts",
        Scope::ReadUsers => "read-users",
        Scope::WriteUsers => "write-users",
        Scope::ReadConfiguration => "read-configuration",
        Scope::WriteConfiguration => "write-configuration",
        Scope::ReadMetrics => "read-metrics",
        Scope::ReadAudit => "read-audit",
    }
}

/// All scopes.
pub const SCOPES: [Scope; 10] = [
    Scope::ReadConversations,
    Scope::WriteConversations,
    Scope::ReadContacts,
    Scope::WriteContacts,
    Scope::ReadUsers,
    Scope::WriteUsers,
    Scope::ReadConfiguration,
    Scope::WriteConfiguration,
    Scope::ReadMetrics,
    Scope::ReadAudit,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_named_as_the_configuration_writes_it() {
        for scope in SCOPES {
            let written = serde_json::to_value(scope).unwrap();
            assert_eq!(written, scope_name(scope));
        }
    }

    #[test]
    fn a_problem_says_what_was_wrong_and_what_to_do() {
        let problem = HttpError::ScopeMissing(Scope::ReadMetrics).problem();
        assert_eq!((problem.status, &*problem.reason), (403, "scope-missing"));
        assert!(problem.detail.contains("`read-metrics`"));
        let response = HttpError::OutOfRange(10).into_response();
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */10");
        let response = HttpError::Unauthenticated("x").into_response();
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    }
}

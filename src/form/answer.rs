//! What visitors and programs are answered: a page, or JSON (problems as RFC 9457 has them).

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use crate::core::conversation::{Refusal, RefusalKind};
use crate::core::snapshot::FormChannel;

use super::body::essence;
use super::fill::{Errors, Sent, size};
use super::origin::origin_of;
use super::page;

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// HTML, for people.
    Page,
    /// JSON, for programs and scripts.
    Json,
}

impl Style {
    /// What a request asks for: JSON where it sends JSON, or accepts JSON and no page.
    pub fn of(headers: &HeaderMap) -> Style {
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let accept = accept.to_ascii_lowercase();
        let takes_json = accept.contains("application/json") || accept.contains("+json");
        if essence(headers) == "application/json" || takes_json && !accept.contains("text/html") {
            Style::Json
        } else {
            Style::Page
        }
    }
}

/// Why something is not taken. The sentences are for visitors.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    /// No form has this name.
    #[error("There is no form at this address.")]
    NoForm,
    /// A page that the form does not name.
    #[error(
        "This form may not be sent from pages of {0}. Whoever runs it can add that to allowed_origins."
    )]
    ForeignOrigin(String),
    /// A type of body that is not read.
    #[error(
        "Send this as application/x-www-form-urlencoded, multipart/form-data or application/json."
    )]
    Unsupported,
    /// More than any right submission would have.
    #[error("This is too large: {} at most, files and all.", size(*.0))]
    TooLarge(usize),
    /// More names than a form has.
    #[error("This has more fields than any form.")]
    TooManyNames,
    /// A body that cannot be read.
    #[error("This cannot be read: {0}.")]
    Unreadable(String),
    /// Something is to be corrected.
    #[error("{notice}")]
    Wrong {
        /// What is to be done.
        notice: &'static str,
        /// A word for programs.
        reason: &'static str,
        /// By field.
        errors: Errors,
        /// What was sent, to be kept on the page.
        sent: Box<Sent>,
    },
    /// The key was used before, for something else.
    #[error("This Idempotency-Key was used before, for other contents. Use a new one.")]
    KeyReused,
    /// Too often.
    #[error("Too much was sent from here. Try again in {}.", wait(*.0))]
    TooMany(Duration),
    /// Too much at once.
    #[error("Too much is being sent at this moment. Try again in a few seconds.")]
    Busy,
    /// It could not be stored.
    #[error("This could not be stored. Try again later.")]
    Broken,
    /// The engine refuses.
    #[error(transparent)]
    Refused(Refusal),
}

/// `40 s`, `12 min`
fn wait(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=90 => format!("{} s", seconds + 1),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

impl FormError {
    /// The status, and a word for programs.
    fn status(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            FormError::NoForm => (S::NOT_FOUND, "not-found"),
            FormError::ForeignOrigin(_) => (S::FORBIDDEN, "foreign-origin"),
            FormError::Unsupported => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            FormError::TooLarge(_) => (S::PAYLOAD_TOO_LARGE, "too-large"),
            FormError::TooManyNames | FormError::Unreadable(_) => (S::BAD_REQUEST, "unreadable"),
            FormError::Wrong { reason, .. } => (S::UNPROCESSABLE_ENTITY, reason),
            FormError::KeyReused => (S::UNPROCESSABLE_ENTITY, "key-reused"),
            FormError::TooMany(_) => (S::TOO_MANY_REQUESTS, "too-many-requests"),
            FormError::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
            FormError::Broken => (S::INTERNAL_SERVER_ERROR, "broken"),
            FormError::Refused(refusal) => match refusal.kind {
                RefusalKind::NotFound => (S::NOT_FOUND, "not-found"),
                RefusalKind::Forbidden => (S::FORBIDDEN, "forbidden"),
                RefusalKind::Conflict => (S::CONFLICT, "conflict"),
                RefusalKind::Invalid => (S::UNPROCESSABLE_ENTITY, "invalid"),
                RefusalKind::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
            },
        }
    }

    /// As JSON.
    pub fn problem(&self) -> Response {
        let (status, reason) = self.status();
        let mut problem = json!({
            "type": format!("urn:ringdesk:problem:{reason}"),
            "title": status.canonical_reason().unwrap_or("Problem"),
            "status": status.as_u16(),
            "detail": self.to_string(),
            "reason": reason,
        });
        if let (FormError::Wrong { errors, .. }, Some(problem)) = (self, problem.as_object_mut()) {
            problem.insert("errors".to_owned(), json!(errors));
        }
        let mut response = (status, Json(problem)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.say_when(response.headers_mut());
        response
    }

    /// As a page of its own, without a form.
    pub fn notice(&self, form: Option<&FormChannel>) -> Response {
        let (status, _) = self.status();
        let title = form.map_or("Form", |form| form.title.as_str());
        let page = page::notice(title, &self.to_string());
        let mut response = html(status, page, form);
        self.say_when(response.headers_mut());
        response
    }

    fn say_when(&self, headers: &mut HeaderMap) {
        let seconds = match self {
            FormError::TooMany(wait) => wait.as_secs() + 1,
            FormError::Busy => 5,
            _ => return,
        };
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// A page with the headers that keep it harmless, for the site of the form and those that may show it.
pub(super) fn html(status: StatusCode, page: String, form: Option<&FormChannel>) -> Response {
    let mut response = (status, Html(page)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(form)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without a referrer, browsers do not say either which page a form is sent from.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Nothing but our own style and script; forms go to us, and from there to the page of thanks (which
/// browsers hold against `form-action` too).
fn policy(form: Option<&FormChannel>) -> String {
    let origins = form.map_or(&[][..], |form| &form.allowed_origins);
    let ancestors: String = origins.iter().map(|origin| format!(" {origin}")).collect();
    let redirect = form.and_then(|form| origin_of(form.redirect.as_deref()?));
    let redirect = redirect.map_or_else(String::new, |origin| format!(" {origin}"));
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; \
         form-action 'self'{redirect}; frame-ancestors 'self'{ancestors}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_json_and_people_get_pages() {
        let style = |content_type: &str, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Style::of(&headers)
        };
        let form = "application/x-www-form-urlencoded";
        assert_eq!(style(form, "text/html,*/*;q=0.8"), Style::Page);
        assert_eq!(style(form, "*/*"), Style::Page);
        assert_eq!(style(form, "application/json"), Style::Json);
        assert_eq!(style(form, "application/problem+json"), Style::Json);
        assert_eq!(style("Application/JSON; charset=utf-8", "*/*"), Style::Json);
        assert_eq!(style(form, "text/html, application/json"), Style::Page);
        assert_eq!(Style::of(&HeaderMap::new()), Style::Page);
    }

    #[test]
    fn how_long_to_wait_is_said_in_seconds_or_minutes() {
        assert_eq!(wait(Duration::from_millis(10)), "1 s");
        assert_eq!(wait(Duration::from_secs(91)), "2 min");
    }
}

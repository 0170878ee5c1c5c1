//! What is shown of a form: its page, its description for scripts, its style, the script that embeds it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::clock;

use super::answer::{FormError, Style, html};
use super::fill::{Errors, Sent};
use super::origin::Origin;
use super::page::{self, View};
use super::token::submission_key;
use super::{Forms, find};

/// How long browsers may keep what does not change with the configuration, in seconds.
const KEPT: &str = "public, max-age=3600";

/// `GET /f/NAME`: the page, or what it asks as JSON.
pub(super) async fn form(
    State(forms): State<Arc<Forms>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let snapshot = forms.door.snapshot();
    let style = Style::of(&headers);
    let Some(form) = find(&snapshot, &name) else {
        return match style {
            Style::Json => FormError::NoForm.problem(),
            Style::Page => FormError::NoForm.notice(None),
        };
    };
    let token = forms.tokens.make(&name, clock::wall());
    let mut response = match style {
        Style::Json => {
            let described = json!({
                "name": name,
                "title": form.title,
                "fields": form.fields,
                "token": token,
                "minimum_fill_seconds": form.minimum_fill.as_secs_f64(),
            });
            let mut response = Json(described).into_response();
            let no_store = HeaderValue::from_static("no-store");
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, no_store);
            response
        }
        Style::Page => {
            let view = View {
                form,
                token: &token,
                key: &submission_key(),
                sent: &Sent::default(),
                errors: &Errors::new(),
                notice: None,
                embedded: is_embedded(query.as_deref()),
            };
            html(StatusCode::OK, page::form(&view), Some(form))
        }
    };
    let vary = HeaderValue::from_static("Accept");
    response.headers_mut().append(header::VARY, vary);
    Origin::of(&headers, form, &snapshot).tell(response.headers_mut());
    response
}

/// `GET /f/NAME/thanks`
pub(super) async fn thanks(
    State(forms): State<Arc<Forms>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let snapshot = forms.door.snapshot();
    match find(&snapshot, &name) {
        Some(form) => {
            let page = page::thanks(form, is_embedded(query.as_deref()));
            html(StatusCode::OK, page, Some(form))
        }
        None => FormError::NoForm.notice(None),
    }
}

/// `OPTIONS /f/NAME`: may a script on another page send this form?
pub(super) async fn preflight(
    State(forms): State<Arc<Forms>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let snapshot = forms.door.snapshot();
    let Some(form) = find(&snapshot, &name) else {
        return FormError::NoForm.problem();
    };
    let origin = Origin::of(&headers, form, &snapshot);
    let mut response = match &origin {
        Origin::Foreign(foreign) => FormError::ForeignOrigin(foreign.clone()).problem(),
        Origin::Ours | Origin::Allowed(_) => StatusCode::NO_CONTENT.into_response(),
    };
    origin.tell_preflight(response.headers_mut());
    response
}

/// `GET /f/NAME/embed.js`: puts the form into the page where the script stands.
pub(super) async fn embed(State(forms): State<Arc<Forms>>, Path(name): Path<String>) -> Response {
    let snapshot = forms.door.snapshot();
    let Some(form) = find(&snapshot, &name) else {
        return FormError::NoForm.problem();
    };
    // JSON is JavaScript (ECMA-262, since 2019 for every character).
    let title = serde_json::to_string(&form.title).unwrap_or_default();
    let script = include_str!("assets/embed.js").replace("\"TITLE\"", &title);
    let mut response = asset("text/javascript; charset=utf-8", script);
    // Scripts are asked for by pages of other sites.
    response.headers_mut().insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// `GET /f/-/form.css`
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("assets/form.css"))
}

/// `GET /f/-/form.js`
pub(super) async fn script() -> Response {
    let script = include_str!("assets/form.js");
    asset("text/javascript; charset=utf-8", script)
}

fn asset(kind: &'static str, text: impl IntoResponse) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Whether the page stands inside another: `?embed=1`.
pub(super) fn is_embedded(query: Option<&str>) -> bool {
    let query = query.unwrap_or_default().as_bytes();
    let mut pairs = url::form_urlencoded::parse(query);
    pairs.any(|(name, value)| name == "embed" && value == "1")
}

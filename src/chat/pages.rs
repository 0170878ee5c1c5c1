//! What browsers fetch: the script, the hosted page, and how a chat looks.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST,
    IF_NONE_MATCH, ORIGIN, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::{Appearance, Chat};
use crate::core::hex::hex;
use crate::core::snapshot::{ChatChannel, Snapshot};
use crate::core::text::escape_html;

/// What a page includes.
const SCRIPT: &str = include_str!("../../web/chat.js");

/// Changes with the script.
static SCRIPT_TAG: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(SCRIPT.as_bytes());
    format!("\"{}\"", hex(digest.get(..8).unwrap_or_default()))
});

/// The hosted page shows our script and talks to us alone.
const HOSTED_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /chat.js`
pub(super) async fn script(headers: HeaderMap) -> Response {
    let common = [
        (ETAG, SCRIPT_TAG.as_str()),
        (CACHE_CONTROL, "public, max-age=3600"),
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let known = headers.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == *SCRIPT_TAG)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, SCRIPT).into_response()
}

/// `GET /chat/NAME/appearance`
pub(super) async fn appearance(
    State(chat): State<Chat>,
    Path(channel): Path<String>,
    headers: HeaderMap,
) -> Response {
    let snapshot = chat.door.snapshot();
    let Some(settings) = chat_channel(&snapshot, &channel) else {
        return missing();
    };
    let appearance = Json(Appearance {
        title: settings.title.clone(),
        colour: settings.colour.clone(),
        side: settings.side,
        button: settings.button.clone(),
    });
    let mut response = ([(VARY, "Origin")], appearance).into_response();
    let may_show = Standing::of(&headers, &snapshot, settings) != Standing::Refused;
    if let Some(origin) = headers.get(ORIGIN).filter(|_| may_show) {
        let allowed = origin.clone();
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
    response
}

/// `GET /chat/NAME`
pub(super) async fn hosted(State(chat): State<Chat>, Path(channel): Path<String>) -> Response {
    let snapshot = chat.door.snapshot();
    let Some(settings) = chat_channel(&snapshot, &channel) else {
        return missing();
    };
    let title = escape_html(&settings.title);
    let channel = escape_html(&channel);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n</head>\n<body>\n<main><h1>{title}</h1></main>\n<script src=\"/chat.js\" data-channel=\"{channel}\" data-open=\"page\" async></script>\n</body>\n</html>\n"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, HOSTED_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, page).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "There is no such chat.\n").into_response()
}

pub(super) fn chat_channel<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a ChatChannel> {
    snapshot.channel(name)?.chat()
}

/// What a page of some origin may do with a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is ours, or the channel names its origin, or no page asks: it is told what the visitor's
    /// cookie opens.
    Named,
    /// The channel names no origins, so any page may show the chat. Since anybody can make one, the
    /// visitor's cookie opens nothing there: such a page knows what was said on itself.
    Anybody,
    /// It may not show the chat.
    Refused,
}

impl Standing {
    /// Of the page that a request comes from.
    pub fn of(headers: &HeaderMap, snapshot: &Snapshot, chat: &ChatChannel) -> Standing {
        let Some(origin) = headers.get(ORIGIN) else {
            return Standing::Named;
        };
        let origin = origin.to_str().unwrap_or_default();
        let is_listed = chat.allowed_origins.iter().any(|it| it == origin);
        if is_listed || is_own(origin, headers, snapshot) {
            Standing::Named
        } else if chat.allowed_origins.is_empty() {
            Standing::Anybody
        } else {
            Standing::Refused
        }
    }
}

fn is_own(origin: &str, headers: &HeaderMap, snapshot: &Snapshot) -> bool {
    let http = snapshot.settings.http.as_ref();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    http.is_some_and(|http| http.public_url == origin) || (host.is_some() && host == authority)
}

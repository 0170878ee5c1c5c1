//! Which pages may send a form (the Fetch standard's CORS protocol). A form that is posted without a
//! script brings its origin too, and is held to the same list.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::core::snapshot::{FormChannel, Snapshot};

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: &str = "600";

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// No page, or one of ours.
    Ours,
    /// A page that the form names.
    Allowed(String),
    /// Another page.
    Foreign(String),
}

impl Origin {
    pub fn of(headers: &HeaderMap, form: &FormChannel, snapshot: &Snapshot) -> Origin {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Origin::Ours;
        };
        let origin = origin.to_str().unwrap_or("unreadable").to_owned();
        if form.allowed_origins.contains(&origin) {
            Origin::Allowed(origin)
        } else if is_ours(&origin, headers, snapshot) {
            Origin::Ours
        } else {
            Origin::Foreign(origin)
        }
    }

    /// The headers that let a script on that page read the answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Origin::Allowed(origin) = self else {
            return;
        };
        // It came as a header, so it can be one.
        let Ok(origin) = HeaderValue::from_str(origin) else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let say = |headers: &mut HeaderMap, name, value| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        say(headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        say(
            headers,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "retry-after",
        );
    }

    /// The headers of an answer to a preflight.
    pub fn tell_preflight(&self, headers: &mut HeaderMap) {
        self.tell(headers);
        if !matches!(self, Origin::Allowed(_)) {
            return;
        }
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "accept, content-type, idempotency-key",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn is_ours(origin: &str, headers: &HeaderMap, snapshot: &Snapshot) -> bool {
    let public = snapshot.settings.http.as_ref().map(|http| &http.public_url);
    if public.is_some_and(|public| origin_of(public).as_deref() == Some(origin)) {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    host.is_some() && host == authority
}

/// Scheme, host and port of a URL; `None` for what has none.
pub(super) fn origin_of(url: &str) -> Option<String> {
    let origin = url::Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

//! What every request passes, whichever route it is for: who the client is, how often it asks, how
//! long it may take, what every response says to browsers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::{DeadlineBody, TimeoutBody};

use super::lingering::lingering;
use super::{App, HttpError};
use crate::inbox::ClientAddress;

/// How long a client may be silent in the middle of a body.
const BODY_IDLE: Duration = Duration::from_secs(15);

/// How long a whole body may take: 25 MB over 2 Mbit/s.
const BODY_WHOLE: Duration = Duration::from_secs(120);

/// How long an answer may take to begin, the body's time included.
const ANSWER: Duration = Duration::from_secs(150);

/// Proxies that are looked through in X-Forwarded-For.
const PROXIES: usize = 16;

/// The largest body of any request, in octets: 10 attachments would be more, one of 25 MiB is not.
pub(super) const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Puts the guards around a router.
pub(super) fn guarded(router: Router<App>, app: &App) -> Router<App> {
    router
        .layer(CatchPanicLayer::custom(
            |fault: Box<dyn std::any::Any + Send>| {
                let text = fault.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| fault.downcast_ref::<String>().cloned());
                tracing::error!("a request broke: {}", text.unwrap_or_default());
                HttpError::Broken("Something broke here. The log says what.".to_owned())
                    .into_response()
            },
        ))
        .layer(from_fn_with_state(app.clone(), guard))
}

async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = crate::clock::mono();
    let settings = app.services.door.snapshot().settings.http.clone();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let trusted = settings
        .as_ref()
        .map(|http| http.trusted_proxies.as_slice());
    let client = client_of(peer, request.headers(), trusted.unwrap_or_default());
    request.extensions_mut().insert(ClientAddress(client));
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let is_api = route.starts_with("/api/") || route == "none";
    let (parts, body) = request.into_parts();
    let body = lingering(&parts.headers, body);

    let mut response = match admitted(&app, client, &parts.headers) {
        Ok(()) => {
            let (body, held) = app.bodies.count(body);
            let body = DeadlineBody::new(BODY_WHOLE, TimeoutBody::new(BODY_IDLE, body));
            let mut request = Request::from_parts(parts, Body::new(Box::pin(body)));
            request.extensions_mut().insert(held.clone());
            if method == Method::HEAD {
                // Parts are of what GET answers (RFC 9110 §14.2).
                request.headers_mut().remove(header::RANGE);
            }
            match tokio::time::timeout(ANSWER, next.run(request)).await {
                Ok(_) if held.is_refused() => {
                    let text = "Too much is sent at this moment. Send it again.";
                    HttpError::Busy(text.to_owned()).into_response()
                }
                Ok(response) => response,
                Err(_) => HttpError::Timeout.into_response(),
            }
        }
        Err(error) => error.into_response(),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !is_problem(&response) {
        let allow = response.headers().get(header::ALLOW).cloned();
        response = HttpError::MethodNotAllowed(method.clone()).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let https = settings.is_some_and(|http| super::asker::is_https(&http));
    protect(response.headers_mut(), is_api, https);
    let took = crate::clock::mono().since(began);
    app.figures
        .request(method.as_str(), &route, response.status().as_u16(), took);
    response
}

fn is_problem(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/problem+json")
}

fn admitted(app: &App, client: IpAddr, headers: &HeaderMap) -> Result<(), HttpError> {
    app.rates.request(client)?;
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(HttpError::TooLarge(format!(
            "The body is larger than the {LARGEST_BODY} octets that are taken."
        )));
    }
    Ok(())
}

/// The client, as the outermost proxy that is trusted saw it.
fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let lists: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let named = lists.iter().rev().flat_map(|list| list.rsplit(','));
    let mut client = peer.to_canonical();
    for name in named.take(PROXIES) {
        if !is_trusted(client) {
            break;
        }
        match address_in(name.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:1234`, `[2001:db8::1]:1234`, `2001:db8::1`.
fn address_in(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|at| at.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let found = address.or_else(with_port).or_else(bracketed);
    found.map(|address| address.to_canonical())
}

/// What browsers are told, where the route has said nothing else.
fn protect(headers: &mut HeaderMap, is_api: bool, https: bool) {
    let mut say = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::REFERRER_POLICY, "no-referrer");
    if https {
        say(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if is_api {
        say(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        );
        say(
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        );
        say(header::X_FRAME_OPTIONS, "DENY");
        say(header::CACHE_CONTROL, "no-store");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_who_the_client_is() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, forwarded, client) in [
            ("192.0.2.7", vec!["203.0.113.1"], "192.0.2.7"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.1"], "203.0.113.1"),
            ("::ffff:10.0.0.1", vec!["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", vec!["1.1.1.1, 203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", vec!["1.1.1.1", "203.0.113.1"], "203.0.113.1"),
            (
                "10.0.0.1",
                vec!["1.1.1.1, 203.0.113.1, 10.0.0.2"],
                "203.0.113.1",
            ),
            ("fd00::1", vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", vec!["203.0.113.1:99"], "203.0.113.1"),
            ("10.0.0.1", vec!["203.0.113.1, rubbish"], "10.0.0.1"),
        ] {
            let headers = forwarded
                .iter()
                .map(|value| {
                    (
                        HeaderName::from_static("x-forwarded-for"),
                        value.parse().unwrap(),
                    )
                })
                .collect();
            let found = client_of(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{forwarded:?}");
        }
    }
}

//! Signing in and out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::asker::{check_origin, cookie_name, is_https};
use super::body::{Address, Read};
use super::problem::scope_name;
use super::routes::Routes;
use super::{App, Asker, HttpError, Needs};
use crate::clock;
use crate::core::record::Record;
use crate::core::snapshot::{HttpSettings, Role, Seat, Snapshot};

/// The largest sign-in, in octets: a name, and the longest password with every character escaped.
/// Nobody is known yet, so that it is small.
const LARGEST_CREDENTIALS: usize = 8 * 1024;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .add(
            Needs::NOTHING.largest(LARGEST_CREDENTIALS),
            routes!(sign_in),
        )
        .add(Needs::SOMEBODY, routes!(who_am_i))
        .add(Needs::SOMEBODY.person(), routes!(sign_out))
}

/// What a person types.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The name of the user in the configuration.
    user: String,
    /// The password.
    password: String,
}

/// Who is signed in, or whose token it is.
#[derive(Debug, Serialize, ToSchema)]
struct Identity {
    /// The user; absent: a program that acts for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// How people call the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// The token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// `agent` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// `sales` or `service`; absent: no rule reaches the user.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<Seat>,
    /// What a token allows; absent: everything that the role does.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'static str>>,
    /// The inboxes that the asker sees, besides what is in none.
    inboxes: Vec<String>,
    /// Until when the session lasts, unless it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What requests of the session that change something carry in `X-CSRF-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

impl Identity {
    fn of(asker: &Asker, snapshot: &Snapshot) -> Identity {
        let user = asker.user.as_deref().and_then(|name| snapshot.user(name));
        let scopes = asker.scopes.as_ref();
        Identity {
            user: asker.user.as_ref().map(ToString::to_string),
            display_name: user.map(|user| user.display_name.clone()),
            token: asker.token.clone(),
            role: asker.role,
            seat: user.and_then(|user| user.seat),
            scopes: scopes.map(|scopes| scopes.iter().map(|one| scope_name(*one)).collect()),
            inboxes: snapshot
                .inboxes
                .iter()
                .filter(|inbox| asker.sees(snapshot, Some(&inbox.name)))
                .map(|inbox| inbox.name.to_string())
                .collect(),
            expires: asker.session.as_ref().map(|one| one.expires.to_string()),
            csrf_token: asker.session.as_ref().map(|one| one.csrf.clone()),
        }
    }
}

const WRONG: &str = "User or password is wrong.";

/// Signs a person in: answers a cookie, and the token that later requests carry in `X-CSRF-Token`.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = Credentials, responses(
    (status = 201, description = "Signed in; Set-Cookie holds the session", body = Identity),
    (status = 401, description = "User or password is wrong", body = super::Problem),
    (status = 429, description = "Tried too often", body = super::Problem),
))]
async fn sign_in(
    State(app): State<App>,
    Address(address): Address,
    headers: HeaderMap,
    Read(credentials): Read<Credentials>,
) -> Result<Response, HttpError> {
    let snapshot = app.services.door.snapshot();
    let settings = http_settings(&snapshot)?;
    check_origin(&headers, settings)?;
    app.rates.sign_in(address, &credentials.user)?;
    let user = snapshot.user(&credentials.user);
    let hash = user.and_then(|user| user.password_hash.as_ref());
    let hash = hash.map(|hash| hash.0.clone());
    let right = app.hashing.check(credentials.password, hash).await?;
    let actor = format!("user {}", credentials.user);
    let Some(user) = user.filter(|_| right) else {
        app.audit_of(&actor, address, "session.refused", &credentials.user, WRONG);
        return Err(HttpError::Unauthenticated(WRONG));
    };
    app.rates.signed_in(address, &user.name);
    let mut random = [0u8; 32];
    getrandom::fill(&mut random)
        .map_err(|error| HttpError::Broken(format!("no random numbers: {error}")))?;
    let begun = app
        .sessions
        .begin(user, random, settings.session, clock::wall());
    for record in begun.ended.into_iter().chain([begun.record]) {
        app.services.keep(Record::Session(record));
    }
    app.audit_of(&actor, address, "session.begin", &user.name, "");
    let found = app
        .sessions
        .find(&begun.cookie, &snapshot, settings.session, clock::wall());
    let asker = Asker {
        name: actor,
        user: Some(user.name.clone()),
        token: None,
        role: user.role,
        scopes: None,
        inboxes: None,
        address,
        session: found.map(|(session, _)| session),
    };
    let cookie = cookie(settings, begun.cookie)?;
    let identity = Json(Identity::of(&asker, &snapshot));
    Ok((
        StatusCode::CREATED,
        [(header::SET_COOKIE, cookie)],
        identity,
    )
        .into_response())
}

/// Who is signed in, or whose token it is, and what they may.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = Identity)))]
async fn who_am_i(State(app): State<App>, asker: Asker) -> Json<Identity> {
    Json(Identity::of(&asker, &app.services.door.snapshot()))
}

/// Signs out: the session ends at once.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses(
    (status = 204, description = "Signed out"), (status = 409, description = "A token does not sign out", body = super::Problem),
))]
async fn sign_out(State(app): State<App>, asker: Asker) -> Result<Response, HttpError> {
    let snapshot = app.services.door.snapshot();
    let settings = http_settings(&snapshot)?;
    let Some(session) = &asker.session else {
        let text = "A token does not sign out: remove its [[token]] and reload.";
        return Err(HttpError::Conflict(text.to_owned()));
    };
    if let Some(record) = app.sessions.end(&session.key, clock::wall()) {
        app.services.keep(Record::Session(record));
    }
    app.audit(&asker, "session.end", &session.user, "");
    let cookie = cookie(settings, String::new())?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn http_settings(snapshot: &Snapshot) -> Result<&HttpSettings, HttpError> {
    let settings = snapshot.settings.http.as_ref();
    settings.ok_or_else(|| {
        HttpError::Busy("[http] was removed: the daemon is to be restarted.".to_owned())
    })
}

/// The cookie of a session; an empty value removes it.
fn cookie(settings: &HttpSettings, value: String) -> Result<HeaderValue, HttpError> {
    let gone = value.is_empty();
    let mut cookie = Cookie::build((cookie_name(settings), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_https(settings));
    if gone {
        cookie = cookie.removal();
    }
    HeaderValue::from_str(&cookie.build().to_string())
        .map_err(|error| HttpError::Broken(format!("the cookie cannot be written: {error}")))
}

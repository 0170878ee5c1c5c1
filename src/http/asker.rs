//! Who asks, and what they may: a token of a program, or a person who has signed in.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum_extra::extract::CookieJar;

use super::session::{self, Session};
use super::{App, HttpError, token};
use crate::clock;
use crate::core::conversation::Actor;
use crate::core::name::{InboxName, UserName};
use crate::core::record::Record;
use crate::core::snapshot::{HttpSettings, Role, Scope, Snapshot};
use crate::inbox::ClientAddress;
use crate::store::Sight;

/// What a route needs of whoever asks. Every route declares it when it is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Nobody need be known.
    pub open: bool,
    /// What a token must allow. People may what their role and access allow.
    pub scope: Option<Scope>,
    /// The role of a person. A program that sees all inboxes counts as an admin within its scopes.
    pub role: Role,
    /// A person, or a token that acts for one.
    pub person: bool,
    /// A person with a seat.
    pub seat: bool,
    /// The largest body, in octets.
    pub largest: usize,
}

/// Bodies of most requests: JSON that people wrote.
const LARGEST_BODY: usize = 256 * 1024;

impl Needs {
    /// Nothing: what tells no secrets.
    pub const NOTHING: Needs = Needs {
        open: true,
        scope: None,
        role: Role::Agent,
        person: false,
        seat: false,
        largest: LARGEST_BODY,
    };

    /// Anybody who is known.
    pub const SOMEBODY: Needs = Needs {
        open: false,
        ..Needs::NOTHING
    };

    /// A token with this scope, or a person.
    pub const fn scope(scope: Scope) -> Needs {
        Needs {
            scope: Some(scope),
            ..Needs::SOMEBODY
        }
    }

    /// Besides, the role of an admin.
    pub const fn admin(self) -> Needs {
        Needs {
            role: Role::Admin,
            ..self
        }
    }

    /// Besides, a person.
    pub const fn person(self) -> Needs {
        Needs {
            person: true,
            ..self
        }
    }

    /// Besides, a person with a seat.
    pub const fn seat(self) -> Needs {
        Needs {
            person: true,
            seat: true,
            ..self
        }
    }

    /// Bodies of up to so many octets.
    pub const fn largest(self, largest: usize) -> Needs {
        Needs { largest, ..self }
    }

    /// Checks what the asker may.
    ///
    /// # Errors
    /// A scope, a role or a seat is missing.
    pub fn check(&self, asker: &Asker, snapshot: &Snapshot) -> Result<(), HttpError> {
        if let (Some(scope), Some(scopes)) = (self.scope, &asker.scopes)
            && !scopes.contains(&scope)
        {
            return Err(HttpError::ScopeMissing(scope));
        }
        let forbidden = |text: &str| Err(HttpError::Forbidden(text.to_owned()));
        if self.role == Role::Admin && asker.role != Role::Admin {
            return forbidden("This needs the role `admin`.");
        }
        let Some(user) = &asker.user else {
            return match self.person {
                true => forbidden(
                    "This is for people: sign in, or use a token whose `user` names the one it acts for.",
                ),
                false => Ok(()),
            };
        };
        let seat = snapshot.user(user).and_then(|user| user.seat);
        if self.seat && seat.is_none() {
            return forbidden("This needs a seat: set `seat` of the user in the configuration.");
        }
        Ok(())
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// As the audit log names it: `user anna`, `token crm`.
    pub name: String,
    /// The person, or the one that a token acts for.
    pub user: Option<UserName>,
    /// The token's name.
    pub token: Option<String>,
    /// The role of the person; an admin's for a program that sees all inboxes.
    pub role: Role,
    /// What a token allows; `None`: a person, who needs none.
    pub scopes: Option<Vec<Scope>>,
    /// The only inboxes that a program sees; `None`: all, or those of the person.
    pub inboxes: Option<Vec<InboxName>>,
    /// From where.
    pub address: IpAddr,
    /// The session of a person who has signed in.
    pub session: Option<Session>,
}

impl Asker {
    /// On whose behalf the engine acts.
    pub fn actor(&self) -> Actor {
        match &self.user {
            Some(user) => Actor::User(user.clone()),
            None => Actor::Program(self.token.clone().unwrap_or_default()),
        }
    }

    /// The person.
    ///
    /// # Errors
    /// A program asks, which acts for nobody.
    pub fn person(&self) -> Result<&UserName, HttpError> {
        self.user.as_ref().ok_or_else(|| {
            HttpError::Forbidden("This is for people, or tokens that act for one.".to_owned())
        })
    }

    /// Whether the asker may see what is in an inbox.
    pub fn sees(&self, snapshot: &Snapshot, inbox: Option<&InboxName>) -> bool {
        match (&self.user, &self.inboxes) {
            (Some(_), _) if self.role == Role::Admin => true,
            (Some(user), _) => snapshot.has_access(user, inbox),
            (None, None) => true,
            (None, Some(inboxes)) => inbox.is_none_or(|inbox| inboxes.contains(inbox)),
        }
    }

    /// The same, for questions to the store.
    pub fn sight(&self, snapshot: &Snapshot) -> Sight {
        if self.sees_all() {
            return Sight::Everything;
        }
        let seen = snapshot.inboxes.iter();
        let seen = seen.filter(|inbox| self.sees(snapshot, Some(&inbox.name)));
        Sight::Inboxes(seen.map(|inbox| inbox.name.clone()).collect())
    }

    /// Whether the asker sees everything, also what lies in inboxes that are gone.
    pub fn sees_all(&self) -> bool {
        match &self.user {
            Some(_) => self.role == Role::Admin,
            None => self.inboxes.is_none(),
        }
    }

    /// Whether this asker still may what it could when it was admitted: for what lasts longer than a
    /// request. The asker as it is now.
    pub(super) fn again(&self, app: &App, snapshot: &Snapshot) -> Option<Asker> {
        match (&self.session, &self.token) {
            (Some(session), _) => {
                let lasts = app.sessions.lasts(&session.key, clock::wall());
                let user = snapshot.user(self.user.as_ref()?)?;
                let same = user.password_hash == session.password;
                (lasts && same).then(|| Asker {
                    role: user.role,
                    ..self.clone()
                })
            }
            (None, Some(name)) => {
                let token = snapshot.tokens.iter().find(|token| token.name == *name)?;
                of_token(token, snapshot, self.address)
            }
            (None, None) => None,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asker, HttpError> {
        let asker = parts.extensions.get::<Asker>().cloned();
        asker.ok_or(HttpError::Unauthenticated(WITHOUT))
    }
}

const WITHOUT: &str = "Send `Authorization: Bearer TOKEN` (`ringdesk token NAME` makes one), or sign in with POST /api/v1/session.";

/// Finds out who asks.
///
/// # Errors
/// Nobody is known by what the request carries; the session's request may come from another site.
pub(super) async fn authenticate(app: &App, parts: &Parts) -> Result<Asker, HttpError> {
    let snapshot = app.services.door.snapshot();
    let address = address_of(parts);
    if let Some(authorization) = parts.headers.get(header::AUTHORIZATION) {
        let presented = authorization.to_str().ok().and_then(bearer);
        let found = presented.and_then(|text| token::find(&snapshot.tokens, text));
        let asker = found.and_then(|token| of_token(token, &snapshot, address));
        return asker.ok_or_else(|| wrong(app, address, "No [[token]] has this value. `ringdesk token NAME` makes one; what it prints goes into the configuration, followed by a reload."));
    }
    let Some(settings) = &snapshot.settings.http else {
        return Err(HttpError::Unauthenticated(WITHOUT));
    };
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(cookie) = jar.get(cookie_name(settings)) else {
        return Err(HttpError::Unauthenticated(WITHOUT));
    };
    let now = clock::wall();
    let lasts = settings.session;
    let value = cookie.value();
    let mut found = app.sessions.find(value, &snapshot, lasts, now);
    if found.is_none()
        && let Some(key) = app.sessions.unknown_key(value, &snapshot)
    {
        // Begun before the last start of the daemon.
        let kept = app.services.readers.session(&key).await?;
        app.sessions.restore(kept);
        found = app.sessions.find(value, &snapshot, lasts, now);
    }
    let Some((session, renewed)) = found else {
        return Err(wrong(
            app,
            address,
            "Your session is over. Sign in again with POST /api/v1/session.",
        ));
    };
    if let Some(record) = renewed {
        app.services.keep(Record::Session(record));
    }
    check_same_site(&parts.method, &parts.headers, &session, settings)?;
    let user = snapshot.user(&session.user);
    Ok(Asker {
        name: format!("user {}", session.user),
        user: Some(session.user.clone()),
        token: None,
        role: user.map(|user| user.role).unwrap_or_default(),
        scopes: None,
        inboxes: None,
        address,
        session: Some(session),
    })
}

/// The address that the guard found out.
pub(super) fn address_of(parts: &Parts) -> IpAddr {
    let address = parts.extensions.get::<ClientAddress>();
    address.map_or(IpAddr::from([0, 0, 0, 0]), |address| address.0)
}

fn of_token(
    token: &crate::core::snapshot::Token,
    snapshot: &Snapshot,
    address: IpAddr,
) -> Option<Asker> {
    let role = match &token.user {
        Some(user) => snapshot.user(user)?.role,
        None if token.inboxes.is_none() => Role::Admin,
        None => Role::Agent,
    };
    Some(Asker {
        name: match &token.user {
            Some(user) => format!("token {} for user {user}", token.name),
            None => format!("token {}", token.name),
        },
        user: token.user.clone(),
        token: Some(token.name.clone()),
        role,
        scopes: Some(token.scopes.clone()),
        inboxes: token.inboxes.clone(),
        address,
        session: None,
    })
}

fn wrong(app: &App, address: IpAddr, text: &'static str) -> HttpError {
    match app.rates.wrong_token(address) {
        Ok(()) => HttpError::Unauthenticated(text),
        Err(too_many) => too_many,
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The name of the cookie of a session. Over https no other host, path or plain connection can set
/// one of its name.
pub(super) fn cookie_name(settings: &HttpSettings) -> &'static str {
    match is_https(settings) {
        true => "__Host-ringdesk",
        false => "ringdesk",
    }
}

/// Whether browsers reach us over TLS.
pub(super) fn is_https(settings: &HttpSettings) -> bool {
    settings.public_url.starts_with("https://")
}

/// A request that changes something must come from a page of our own: it carries what only such a
/// page could read, and names no other origin.
fn check_same_site(
    method: &Method,
    headers: &HeaderMap,
    session: &Session,
    settings: &HttpSettings,
) -> Result<(), HttpError> {
    if method.is_safe() {
        return Ok(());
    }
    check_origin(headers, settings)?;
    let presented = headers.get("x-csrf-token");
    let presented = presented.and_then(|value| value.to_str().ok());
    match presented.is_some_and(|value| session::is_csrf(session, value)) {
        true => Ok(()),
        false => Err(HttpError::CrossSite(
            "Requests of a session that change something carry the header X-CSRF-Token, whose value GET /api/v1/session tells.",
        )),
    }
}

/// A browser's request comes from a page of ours.
///
/// # Errors
/// It names another origin, or the browser says that it comes from another site.
pub(super) fn check_origin(headers: &HeaderMap, settings: &HttpSettings) -> Result<(), HttpError> {
    let other = Err(HttpError::CrossSite(
        "The request comes from another site. `public_url` in [http] says which one is ours.",
    ));
    let own = settings.public_url.as_str();
    if let Some(origin) = headers.get(header::ORIGIN)
        && !origin
            .to_str()
            .is_ok_and(|origin| origin.eq_ignore_ascii_case(own))
    {
        return other;
    }
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample;
    use crate::core::snapshot::Seat;

    fn asker(user: Option<&str>, role: Role, scopes: Option<&[Scope]>) -> Asker {
        Asker {
            name: String::new(),
            user: user.map(UserName::from),
            token: None,
            role,
            scopes: scopes.map(<[Scope]>::to_vec),
            inboxes: None,
            address: IpAddr::from([127, 0, 0, 1]),
            session: None,
        }
    }

    #[test]
    fn what_a_route_needs_is_asked_of_people_and_programs() {
        let mut anna = sample::user("anna");
        anna.seat = Some(Seat::Service);
        let mut carl = sample::user("carl");
        carl.seat = None;
        let snapshot = sample::snapshot(vec![anna, carl], vec![], vec![]);
        let reason = |needs: Needs, asker: &Asker| {
            let refused = needs.check(asker, &snapshot).err();
            refused.map_or("fine", |error| error.status().1)
        };
        let read = Needs::scope(Scope::ReadMetrics);
        let anna = asker(Some("anna"), Role::Agent, None);
        assert_eq!(reason(read, &anna), "fine");
        assert_eq!(reason(read.admin(), &anna), "forbidden");
        assert_eq!(reason(read.seat(), &anna), "fine");
        let carl = asker(Some("carl"), Role::Admin, None);
        assert_eq!(reason(read.admin(), &carl), "fine");
        assert_eq!(reason(read.seat(), &carl), "forbidden");
        let none = asker(None, Role::Admin, Some(&[]));
        assert_eq!(reason(read, &none), "scope-missing");
        assert_eq!(reason(Needs::SOMEBODY, &none), "fine");
        let program = asker(None, Role::Admin, Some(&[Scope::ReadMetrics]));
        assert_eq!(reason(read.admin(), &program), "fine");
        assert_eq!(reason(read.person(), &program), "forbidden");
    }

    #[test]
    fn who_sees_which_inbox() {
        let users = vec![sample::user("anna"), sample::user("bjorn")];
        let teams = vec![sample::team("support", &["anna"])];
        let mut snapshot = sample::snapshot(users, teams, vec![]);
        sample::add(
            &mut snapshot.inboxes,
            sample::inbox("customers", &["support"]),
        );
        let (customers, gone) = (InboxName::from("customers"), InboxName::from("gone"));
        let sees = |asker: &Asker| {
            [None, Some(&customers), Some(&gone)].map(|inbox| asker.sees(&snapshot, inbox))
        };
        let anna = asker(Some("anna"), Role::Agent, None);
        assert_eq!(sees(&anna), [true, true, false]);
        let bjorn = asker(Some("bjorn"), Role::Agent, None);
        assert_eq!(sees(&bjorn), [true, false, false]);
        let admin = asker(Some("bjorn"), Role::Admin, None);
        assert_eq!(sees(&admin), [true, true, true]);
        let mut program = asker(None, Role::Agent, Some(&[]));
        program.inboxes = Some(vec![customers.clone()]);
        assert_eq!(sees(&program), [true, true, false]);
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let settings = sample::http("https://desk.example.com");
        let session = Session {
            key: String::new(),
            user: "anna".into(),
            expires: crate::core::time::Wall::from_seconds(0),
            csrf: "secret".to_owned(),
            password: None,
        };
        let check = |method: Method, headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            check_same_site(&method, &headers, &session, &settings).is_ok()
        };
        let csrf = ("x-csrf-token", "secret");
        let own = ("origin", "https://desk.example.com");
        assert!(check(Method::GET, &[]));
        assert!(check(Method::POST, &[csrf]));
        assert!(check(
            Method::POST,
            &[csrf, own, ("sec-fetch-site", "same-origin")]
        ));
        assert!(!check(Method::POST, &[own]));
        assert!(!check(
            Method::DELETE,
            &[csrf, ("origin", "https://evil.example")]
        ));
        assert!(!check(Method::POST, &[csrf, ("origin", "null")]));
        assert!(!check(
            Method::PUT,
            &[csrf, ("sec-fetch-site", "cross-site")]
        ));
        assert!(!check(Method::POST, &[("x-csrf-token", "another"), own]));
    }
}

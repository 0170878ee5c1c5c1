//! HTTP: the API for people and programs, their sign-in and tokens, the stream of events, health and
//! figures. Forms and chats bring routers of their own, which are served beside it.
//!
//! Every route of the API is added with what it needs ([`Needs`]); there is no other way to add one.

mod api;
mod asker;
mod audit;
mod bodies;
mod body;
mod events;
mod figures;
mod files;
mod guard;
mod health;
mod lingering;
mod once;
mod openapi;
pub mod password;
mod problem;
mod rates;
mod routes;
mod server;
mod services;
mod session;
mod sign_in;
pub mod token;
mod views;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use tokio::sync::{Semaphore, watch};

pub use asker::{Asker, Needs};
pub use figures::Figures;
pub use problem::{HttpError, Problem, SCOPES, scope_name};
pub use routes::Declared;
pub use server::Server;
pub use services::{Ask, ChangeRule, Condition, Reloaded, Services};

use bodies::Bodies;
use events::Events;
use once::Once;
use password::Hashing;
use rates::Rates;
use routes::Routes;
use session::Sessions;

/// Uploads that are decoded at once. The others wait without a thread, so that files and passwords
/// go on meanwhile.
const DECODING: usize = 2;

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "HTTP cannot be taken on {listen}: {source}. Check `listen` in [http], and whether another program listens there."
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("a thread of HTTP cannot be started: {0}")]
    Thread(std::io::Error),
}

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What all requests share.
pub(crate) struct Shared {
    services: Services,
    figures: Arc<Figures>,
    sessions: Sessions,
    rates: Rates,
    hashing: Arc<Hashing>,
    document: Arc<std::sync::OnceLock<axum::body::Bytes>>,
    events: Arc<Events>,
    once: Once,
    bodies: Bodies,
    decoding: Semaphore,
    stop: Arc<watch::Sender<bool>>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Does what reads or writes files where that holds nobody up.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let app = self.clone();
        tokio::task::spawn_blocking(move || work(&app))
            .await
            .map_err(|fault| HttpError::Broken(format!("work that blocks: {fault}")))?
    }
}

/// Starts to serve on `listen`. `others` makes the routers of forms and chats, on the runtime that
/// serves them.
///
/// # Errors
/// The address cannot be listened on, or a thread cannot be started.
pub fn start(
    listen: SocketAddr,
    services: Services,
    figures: Arc<Figures>,
    others: impl FnOnce() -> Vec<Router> + Send + 'static,
) -> Result<Server, StartError> {
    let stop = Arc::new(watch::Sender::new(false));
    let happening = services.door.events();
    let app = App(Arc::new(Shared {
        services,
        figures,
        sessions: Sessions::default(),
        rates: Rates::default(),
        hashing: Arc::default(),
        document: Arc::default(),
        events: Arc::default(),
        once: Once::default(),
        bodies: Bodies::default(),
        decoding: Semaphore::new(DECODING),
        stop: Arc::clone(&stop),
    }));
    let proxies = app.services.door.clone();
    let is_proxy = move |address| {
        let snapshot = proxies.snapshot();
        let http = snapshot.settings.http.as_ref();
        http.is_some_and(|http| http.trusted_proxies.iter().any(|it| it.contains(&address)))
    };
    Server::start(listen, stop, is_proxy, move || {
        tokio::spawn(Arc::clone(&app.events).listen(happening));
        let (router, _) = whole(&app, others());
        router
    })
}

/// Every route, and what those of the API need.
fn whole(app: &App, others: Vec<Router>) -> (Router, Vec<Declared>) {
    let routes = Routes::new(app.clone(), openapi::document());
    let routes = health::add(routes);
    let routes = sign_in::add(routes);
    let routes = audit::add(routes);
    let routes = api::add(routes);
    let routes = events::add(routes);
    let routes = openapi::add(routes);
    let (router, document, declared) = routes.finish();
    openapi::keep(app, &document);
    let mut router = router;
    for other in others {
        router = router.merge(other.with_state(()));
    }
    let router = router.fallback(routes::nothing_here);
    let router = guard::guarded(router, app).with_state(app.clone());
    (router, declared)
}

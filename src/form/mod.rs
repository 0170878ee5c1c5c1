//! Web forms: a page for each, a snippet to embed, and what visitors send. `docs/forms.md` tells an
//! admin how it is configured, and a web developer what goes over the wire.

mod answer;
mod body;
mod fill;
mod limits;
mod origin;
mod page;
mod receive;
mod show;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::core::snapshot::{FormChannel, Snapshot};
use crate::inbox::Door;
use limits::Limits;
use token::Tokens;

/// The largest submission of any form, in octets: a few files of some megabytes.
pub const LARGEST_SUBMISSION: usize = 40 * 1024 * 1024;

/// The forms of all channels.
struct Forms {
    door: Door,
    tokens: Tokens,
    limits: Limits,
}

/// The routes of all forms, below `/f/`.
///
/// # Errors
/// The system has no randomness for the key that tokens are signed with.
pub fn router(door: Door) -> std::io::Result<Router> {
    Ok(routes(Arc::new(Forms::new(door)?)))
}

impl Forms {
    fn new(door: Door) -> std::io::Result<Forms> {
        Ok(Forms {
            door,
            tokens: Tokens::new()?,
            limits: Limits::default(),
        })
    }
}

fn routes(forms: Arc<Forms>) -> Router {
    Router::new()
        .route("/f/-/form.css", get(show::style))
        .route("/f/-/form.js", get(show::script))
        .route(
            "/f/{name}",
            get(show::form)
                .post(receive::submission)
                .options(show::preflight),
        )
        .route("/f/{name}/thanks", get(show::thanks))
        .route("/f/{name}/embed.js", get(show::embed))
        .layer(DefaultBodyLimit::max(LARGEST_SUBMISSION))
        .with_state(forms)
}

/// The form of that name in the configuration in force.
fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a FormChannel> {
    snapshot.channel(name).and_then(|channel| channel.form())
}

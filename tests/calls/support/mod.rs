//! What the stories are told with.

pub mod api;
pub mod cast;
pub mod daemon;
pub mod line;
#[path = "../../support/wait.rs"]
#[expect(dead_code, reason = "what only other tests need")]
mod looking;
pub mod namespaces;
pub mod place;
#[path = "../../support/plain_http.rs"]
mod plain_http;
pub mod recorded;
pub mod sipp;
pub mod sound;
pub mod wait;
pub mod wire;

//! What the tests that run the daemon share, whatever they tell of it.

pub mod chat_page;
pub mod daemon;
pub mod place;
pub mod plain_http;
pub mod sound;
pub mod wait;

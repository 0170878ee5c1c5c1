//! Chats, as a visitor's page speaks them and as a visitor sees them in a real browser.

#[path = "../support/chat_page.rs"]
#[expect(dead_code, reason = "what only other tests need")]
mod chat_page;
mod socket;
mod support;
mod visitors;

//! Chats, as a visitor's page speaks them and as a visitor sees them in a real browser.

mod socket;
mod support;
mod visitors;

//! Operating the real daemon: its commands, its store and its mail.

mod commands;
mod house;
mod mail;
mod mail_server;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "what only other tests need")]
mod support;

//! Operating the real daemon: its commands, its store and its mail.

mod commands;
mod house;
mod mail;
mod mail_server;

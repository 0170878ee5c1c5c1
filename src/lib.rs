//! Ringdesk: a telephony call-routing daemon. `ARCHITECTURE.md` is the map.

pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod core;
pub mod customer_agent;
pub mod daemon;
pub mod email;
pub mod engine;
pub mod form;
pub mod http;
pub mod inbox;
pub mod media;
pub mod notify;
pub mod outgoing;
pub mod phone;
pub mod sip;
pub mod store;
pub mod webhook;

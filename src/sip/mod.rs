//! SIP. `message`, `transaction`, `dialog`, `user_agent`, `digest` and `registrar` are pure;
//! `transport` holds the sockets. SDP is opaque here.

pub mod dialog;
pub mod digest;
pub mod flow;
pub mod message;
pub mod registrar;
pub mod transaction;
pub mod transport;
pub mod user_agent;

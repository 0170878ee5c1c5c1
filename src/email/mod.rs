//! Email: mailboxes and a mail server's deliveries in, replies out.

pub mod automatic;
pub mod message;
pub mod thread;
pub mod verified;

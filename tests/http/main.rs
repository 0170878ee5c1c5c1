//! The API against the real program: people and programs ask over loopback, forms and calls make what
//! they ask for.

mod access;
mod changing;
mod contacts;
mod house;
mod robust;
mod sign_in;
mod streams;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "what only other tests need")]
mod support;
mod voicemails;

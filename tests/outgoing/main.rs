//! Requests to programs elsewhere, which are real servers in processes of their own.

mod customer_agents;
mod daemon;
mod desk;
mod documentation;
mod node;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "what only other tests need")]
mod support;
mod webhooks;

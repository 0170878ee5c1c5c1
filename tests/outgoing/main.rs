//! Requests to programs elsewhere, which are real servers in processes of their own.

mod customer_agents;
mod daemon;
mod desk;
mod documentation;
mod node;
mod webhooks;

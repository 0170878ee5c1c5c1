//! Requests to programs elsewhere, which are real servers in processes of their own.

mod desk;
mod node;
mod webhooks;

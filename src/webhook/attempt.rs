//! One request to an endpoint, and what its answer means.

use std::time::Duration;

use super::queue::Delivery;
use super::schedule::Outcome;
use crate::clock;
use crate::core::snapshot::Webhook;
use crate::outgoing::{Client, Post, signature};

/// How long an endpoint may take for one answer. Endpoints that have more to do take the event in and
/// do it later.
const PATIENCE: Duration = Duration::from_secs(15);

/// Octets of an endpoint's answer that are read: nothing in it matters but its status.
pub(super) const ANSWER: usize = 64 * 1024;

/// One attempt: what became of it, and what went wrong.
pub(super) type Attempt = (Outcome, Option<String>);

/// Posts a delivery once. Its key is the same each time; the timestamp is of this attempt.
pub(super) async fn attempt(client: Client, webhook: Webhook, delivery: Delivery) -> Attempt {
    let timestamp = clock::wall().as_seconds();
    let body = delivery.body.into_bytes();
    let post = Post {
        url: &webhook.url,
        allow_private: webhook.allow_private,
        bearer: None,
        headers: vec![
            ("ringdesk-event", delivery.event),
            ("ringdesk-delivery", delivery.id.to_string()),
            ("ringdesk-timestamp", timestamp.to_string()),
            (
                "ringdesk-signature",
                signature(&webhook.secret, timestamp, &body),
            ),
        ],
        body,
        within: PATIENCE,
    };
    let reply = match client.post(post).await {
        Ok(reply) => reply,
        Err(error) => {
            return (
                Outcome::Failed { retry_after: None },
                Some(error.to_string()),
            );
        }
    };
    let answered = format!("the endpoint answered {}", reply.status);
    match reply.status {
        200..=299 => (Outcome::Accepted, None),
        410 => (Outcome::Gone, Some(answered)),
        300..=399 => {
            let problem =
                format!("{answered}; redirects are not followed: write the URL that it leads to");
            (Outcome::Failed { retry_after: None }, Some(problem))
        }
        _ => {
            let retry_after = reply.retry_after;
            let words = excerpt(&reply.body);
            (
                Outcome::Failed { retry_after },
                Some(format!("{answered}{words}")),
            )
        }
    }
}

/// The first words of an answer, on one line, for people who look for what is wrong.
fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(body);
    let words: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    let words = words.trim();
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

//! One question to a program, in the form that it speaks.

use std::time::Duration;

use serde_json::Value;

use super::turn::Question;
use super::turn::verdict::{Code, Verdict};
use super::turn::{completions, ours};
use crate::clock;
use crate::core::snapshot::{AgentProtocol, Secret};
use crate::outgoing::{Client, OutgoingError, Post, Reply, signature};

/// Octets of an answer that are read: far more than anything that is passed on.
pub(super) const ANSWER: usize = 256 * 1024;

/// Asks, and answers what came of it, whatever that is.
pub(super) async fn ask(client: Client, question: Box<Question>) -> Verdict {
    let until = clock::mono() + question.agent.timeout;
    let mut patient = true;
    loop {
        let left = until.since(clock::mono());
        let reply = match client.post(post(&question, left)).await {
            Ok(reply) => reply,
            Err(error) => return failed(&error, question.agent.timeout),
        };
        match reply.retry_after {
            // Once, where that is soon enough: the customer waits.
            Some(wait) if patient && is_busy(reply.status) && wait < until.since(clock::mono()) => {
                patient = false;
                let at = clock::instant(clock::mono() + wait);
                tokio::time::sleep_until(at.into()).await;
            }
            Some(_) | None => return read(&question, &reply),
        }
    }
}

fn post(question: &Question, within: Duration) -> Post<'_> {
    let agent = &question.agent;
    let plain = Post {
        url: &agent.endpoint,
        allow_private: agent.allow_private,
        bearer: None,
        headers: Vec::new(),
        body: Vec::new(),
        within,
    };
    match &agent.protocol {
        AgentProtocol::ChatCompletions {
            model,
            instructions,
        } => Post {
            bearer: agent.secret.as_ref(),
            body: completions::request(model, instructions, &question.lines)
                .to_string()
                .into_bytes(),
            ..plain
        },
        AgentProtocol::Webhook => {
            let now = clock::wall();
            let body = ours::request(question, now);
            Post {
                headers: signed(agent.secret.as_ref(), now.as_seconds(), &body),
                body,
                ..plain
            }
        }
    }
}

fn signed(secret: Option<&Secret>, timestamp: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("ringdesk-event", ours::EVENT.to_owned()),
        ("ringdesk-timestamp", timestamp.to_string()),
    ];
    if let Some(secret) = secret {
        headers.push(("ringdesk-signature", signature(secret, timestamp, body)));
    }
    headers
}

fn read(question: &Question, reply: &Reply) -> Verdict {
    if !(200..=299).contains(&reply.status) {
        return Verdict::error(refused(reply));
    }
    match &question.agent.protocol {
        AgentProtocol::ChatCompletions { .. } => completions::read(&reply.body),
        AgentProtocol::Webhook => ours::read(&reply.body),
    }
}

const fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// The sentence about a status that is no success.
fn refused(reply: &Reply) -> String {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let words = completions::error_words(&answer);
    let what = match reply.status {
        300..=399 => "leads elsewhere, which is not followed; write the URL that it leads to",
        401 | 403 => "does not take our key",
        404 => "is not there",
        429 => "has no room for another question now",
        500..=599 => "is broken",
        _ => "refused the question",
    };
    let status = reply.status;
    format!("The customer agent's endpoint {what} ({status}){words}.")
}

fn failed(error: &OutgoingError, timeout: Duration) -> Verdict {
    match error {
        OutgoingError::TimedOut { .. } => Verdict::HandsOver {
            first: None,
            code: Code::Timeout,
            reason: format!(
                "The customer agent did not answer within {} s.",
                timeout.as_secs_f64()
            ),
        },
        error => Verdict::error(format!("The customer agent could not be asked: {error}")),
    }
}

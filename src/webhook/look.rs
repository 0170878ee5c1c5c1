//! What people and programs look at, and what they may do: dead letters, what waits, a test.

use std::collections::HashMap;

use super::deliver::{Shared, State};
use super::queue::{DeadLetter, Delivery, Waiting};
use super::schedule::{Name, Refusal};
use super::{
    DeadLetters, WaitingDeliveries, WaitingDelivery, WebhookError, WebhookStatus, payload,
};
use crate::clock;
use crate::core::id::{DeliveryId, EventId};

/// The name of the event that somebody asks for to see whether it arrives.
const TEST: &str = "webhook.test";

impl Shared {
    pub fn status(&self) -> Vec<WebhookStatus> {
        let state = self.state();
        let mut dead: HashMap<&str, usize> = HashMap::new();
        for letter in state.queue.dead() {
            *dead.entry(&letter.webhook).or_default() += 1;
        }
        let standing = state.schedule.standing();
        standing
            .iter()
            .map(|(name, standing)| WebhookStatus {
                name: name.to_string(),
                waiting: standing.waiting,
                failures: standing.failures,
                stopped: standing.stopped,
                dead: dead.get(&**name).copied().unwrap_or_default(),
                lost: state.lost.get(name).copied().unwrap_or_default(),
                problem: state.problems.get(name).cloned(),
            })
            .collect()
    }

    pub fn dead_letters(&self, webhook: Option<&str>, skip: usize, limit: usize) -> DeadLetters {
        let state = self.state();
        let mut letters = state.queue.dead();
        letters.retain(|letter| webhook.is_none_or(|name| letter.webhook == name));
        DeadLetters {
            total: letters.len(),
            letters: letters
                .into_iter()
                .skip(skip)
                .take(limit)
                .cloned()
                .collect(),
        }
    }

    pub fn dead_letter(&self, id: DeliveryId) -> Result<(DeadLetter, String), WebhookError> {
        let state = self.state();
        let letter = state.queue.dead_letter(id);
        let letter = letter.ok_or(WebhookError::NoDeadLetter(id))?.clone();
        let body = state.queue.dead_body(id);
        Ok((letter, body.map_err(|source| self.unusable(source))?))
    }

    pub fn waiting(&self, webhook: Option<&str>, skip: usize, limit: usize) -> WaitingDeliveries {
        let state = self.state();
        let mut waiting = state.schedule.waiting();
        waiting.retain(|one| webhook.is_none_or(|name| &*one.key.webhook == name));
        let deliveries = waiting.iter().skip(skip).take(limit).filter_map(|one| {
            Some(WaitingDelivery {
                id: *state.files.get(&one.key)?,
                webhook: one.key.webhook.to_string(),
                sequence: one.key.sequence,
                since: one.queued,
                attempts: one.attempts,
                under_way: one.under_way,
            })
        });
        WaitingDeliveries {
            total: waiting.len(),
            deliveries: deliveries.collect(),
        }
    }

    pub fn retry(&self, id: DeliveryId) -> Result<(), WebhookError> {
        let mut state = self.state();
        self.revive(&mut state, id)?;
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    pub fn retry_all(&self, webhook: &str) -> Result<usize, WebhookError> {
        let mut state = self.state();
        if !state.webhooks.contains_key(webhook) {
            return Err(WebhookError::NoWebhook(webhook.to_owned()));
        }
        let dead = state.queue.dead();
        let dead = dead.iter().rev().filter(|letter| letter.webhook == webhook);
        let dead: Vec<DeliveryId> = dead.map(|letter| letter.id).collect();
        let mut revived = 0;
        for id in dead {
            match self.revive(&mut state, id) {
                Ok(()) => revived += 1,
                // The rest stays for another time.
                Err(WebhookError::Full(_)) if revived > 0 => break,
                Err(error) => return Err(error),
            }
        }
        drop(state);
        self.wake.notify_one();
        Ok(revived)
    }

    fn revive(&self, state: &mut State, id: DeliveryId) -> Result<(), WebhookError> {
        let letter = state.queue.dead_letter(id);
        let letter = letter.ok_or(WebhookError::NoDeadLetter(id))?.clone();
        let now = clock::now();
        admitted(state, &letter.webhook, letter.octets)?;
        let revived = state.queue.revive(id, now.wall);
        let revived = revived.map_err(|source| self.unusable(source))?;
        state.schedule_it(&revived);
        Ok(())
    }

    pub fn test(&self, webhook: &str) -> Result<DeliveryId, WebhookError> {
        let mut state = self.state();
        let now = clock::now();
        let event = EventId(state.random.uuid(now.wall));
        let id = DeliveryId(state.random.uuid(now.wall));
        admitted(&mut state, webhook, 0)?;
        let sequence = state.queue.next_sequence(webhook);
        let data = serde_json::json!({ "webhook": webhook });
        let delivery = Delivery {
            id,
            webhook: webhook.to_owned(),
            sequence,
            event: TEST.to_owned(),
            queued: now.wall,
            body: payload::body(event, TEST, now.wall, sequence, &data),
        };
        let written = state.queue.write(std::slice::from_ref(&delivery));
        written.map_err(|source| self.unusable(source))?;
        state.schedule_it(&Waiting::new(&delivery, now.wall, 0));
        drop(state);
        self.wake.notify_one();
        Ok(id)
    }

    pub fn delete(&self, id: DeliveryId) -> Result<(), WebhookError> {
        match self.state().queue.delete(id) {
            true => Ok(()),
            false => Err(WebhookError::NoDeadLetter(id)),
        }
    }
}

/// Whether that much may be queued now. Asking for it is word enough that an endpoint which answered
/// 410, or fails, is to be tried again at once.
fn admitted(state: &mut State, webhook: &str, octets: u64) -> Result<(), WebhookError> {
    let name = Name::from(webhook);
    if state.webhooks.contains_key(&name) {
        state.schedule.handle_resumed(&name, clock::now());
    }
    match state.schedule.admits(&name, octets) {
        Ok(()) => Ok(()),
        Err(Refusal::Full) => Err(WebhookError::Full(webhook.to_owned())),
        Err(Refusal::Unknown | Refusal::Stopped) => {
            Err(WebhookError::NoWebhook(webhook.to_owned()))
        }
    }
}

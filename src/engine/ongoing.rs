//! A call under way: its machine, and what the machine need not know.

use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use crate::core::call::{self, Call};
use crate::core::id::{CallId, ConversationId, DecisionId, LegId};
use crate::core::name::ChannelName;
use crate::core::record::{CallOutcome, CallRecord, Record, VoicemailRecord};
use crate::core::routing::Request;
use crate::core::snapshot::Snapshot;
use crate::core::time::{Mono, Now, Wall};
use crate::media::command::{Codec, MediaId};

/// A call and its surroundings.
pub(super) struct OngoingCall {
    pub(super) id: CallId,
    pub(super) machine: Call,
    /// The configuration that it began with, and keeps.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) channel: ChannelName,
    /// What routing is asked; its selection is replaced each time.
    pub(super) request: Request,
    pub(super) caller_leg: LegId,
    /// The caller asked not to be shown (RFC 3323).
    pub(super) anonymous: bool,
    /// Hops that are left to legs through a trunk (RFC 3261 §20.22), so that a number that leads
    /// back to us ends.
    pub(super) hops: u32,
    /// The caller's offer; `None`: ours goes into the 200.
    pub(super) offer: Option<Bytes>,
    /// The codecs that the caller can do, in the caller's order.
    pub(super) codecs: Vec<Codec>,
    /// Media legs that ringing devices were offered, one for each local address.
    pub(super) device_media: Vec<super::media::SharedMedia>,
    pub(super) caller_media: MediaId,
    pub(super) record: CallRecord,
    /// Where it stands in the inbox.
    pub(super) conversation: ConversationId,
    pub(super) voicemail: Option<Box<VoicemailRecord>>,
    pub(super) last_decision: Option<DecisionId>,
    /// How far the time that routing sees lies from the real one (test calls from this machine).
    pub(super) shift: Shift,
    /// Where its timer stands among the deadlines.
    pub(super) deadline: Option<Mono>,
}

/// A distance between the time that a test call asked for and the real one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shift(i64);

impl Shift {
    /// The distance that makes `now` read as `at`.
    pub(super) fn between(now: Wall, at: Wall) -> Shift {
        Shift(at.as_millis().saturating_sub(now.as_millis()))
    }

    /// What routing is told the time is.
    pub(super) fn apply(self, now: Now) -> Now {
        Now::new(
            now.mono,
            Wall::from_millis(now.wall.as_millis().saturating_add(self.0)),
        )
    }
}

impl Engine {
    /// Hands an event to a call.
    pub(super) fn call_event(&mut self, id: CallId, event: call::Event, now: Now) {
        self.with_call(id, now, |call, _| {
            call.machine.handle(event, call.shift.apply(now))
        });
    }

    /// Lets `act` work on a call, then does what the call asks for.
    ///
    /// A panic in there ends this call alone: it is taken out of the table meanwhile, and its legs,
    /// offers and ports are released from the other tables.
    pub(super) fn with_call(
        &mut self,
        id: CallId,
        now: Now,
        act: impl FnOnce(&mut OngoingCall, &mut Engine),
    ) {
        let Some(mut call) = self.calls.remove(&id) else {
            return;
        };
        if let Some(deadline) = call.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        let record = call.record.clone();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            act(&mut call, self);
            while let Some(action) = call.machine.poll_action() {
                self.carry_out(&mut call, action, now);
            }
            call
        }));
        match result {
            Ok(call) if call.machine.is_over() => self.release(id, now),
            Ok(mut call) => {
                if let Some((_, at)) = call.machine.next_timeout() {
                    call.deadline = Some(at);
                    self.deadlines.insert((at, id));
                }
                self.calls.insert(id, call);
            }
            Err(_) => {
                self.warn(
                    now,
                    format!("call {id} failed inside; it was ended, others go on"),
                );
                let detail = "an error inside the daemon ended this call";
                self.store(Record::Call(CallRecord {
                    ended: Some(now.wall),
                    outcome: Some(CallOutcome::Failed),
                    detail: detail.to_owned(),
                    ..record
                }));
                let snapshot = Arc::clone(&self.snapshot);
                let failed = CallOutcome::Failed;
                self.conversations
                    .call_ended(id, failed, detail, &snapshot, now);
                self.release(id, now);
            }
        }
    }

    /// Frees whatever a call that is over may still hold.
    fn release(&mut self, id: CallId, now: Now) {
        let legs: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, leg)| leg.call == id && !leg.ending)
            .map(|(leg, _)| *leg)
            .collect();
        let mut legs = legs;
        legs.sort_unstable();
        for leg in legs {
            self.end_leg(leg, None, now);
        }
        self.close_media_of(id);
        self.desk.call_ended(id, now);
        self.voicemails.retain(|_, call| *call != id);
    }
}

//! Who gets it: [`route()`] is a pure function from configuration, facts and request to a decision.

mod candidates;
mod decision;
mod facts;
mod known;
#[cfg(test)]
mod message_tests;
pub mod refusal;
mod request;
mod strategy;
#[cfg(test)]
mod tests;
mod way;
pub mod words;

pub use crate::core::snapshot::Kind;
pub use decision::{
    Candidate, Code, Decision, Outcome, Ring, StepTrace, Trace, UnassignedReason, Via,
    VoicemailReason,
};
pub use facts::{Busy, ContactFacts, DeviceFacts, Facts, FoundBy, Presence, UserFacts};
pub use known::Known;
pub use request::{Attempt, Cause, Progress, Request, Selection, To};
pub use way::{Way, sought};

use crate::core::snapshot::Snapshot;
use crate::core::time::Now;

/// Decides. Pure: the same arguments give the same decision, outcome and trace.
pub fn route(snapshot: &Snapshot, facts: &Facts, request: &Request, now: Now) -> Decision {
    match Way::find(snapshot, request, now) {
        Ok(way) => way.decide(facts, now),
        Err(refusal) => *refusal,
    }
}

//! Decisions in words. `route`, `explain` and `tail` print these and no others.

use super::{Decision, Request};
use crate::core::schedule::HoursState;

/// The whole decision, several lines, for `route` and `explain`. Without a final newline.
pub fn paragraph(request: &Request, decision: &Decision) -> String {
    let _ = (request, decision);
    todo!("owner: routing")
}

/// The decision on one line, for `tail` and the log.
pub fn line(request: &Request, decision: &Decision) -> String {
    let _ = (request, decision);
    todo!("owner: routing")
}

/// What the hours were and which snapshot said so: `closed (break): oslo, Wed 2026-12-02
/// 11:40+01:00, between 08:00-11:30 and 12:00-16:00; opens 12:00. Snapshot 41`.
pub fn hours(state: &HoursState, snapshot: u64) -> String {
    let _ = (state, snapshot);
    todo!("owner: routing")
}

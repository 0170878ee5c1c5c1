//! What a schedule says of an instant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::name::{PromptName, ScheduleName};
use crate::core::time::Wall;

/// What decides an instant. Displayed as `weekly`, `special:NAME` (or the date, where the special
/// day has no name), `override`.
///
/// An open instant is decided by the day whose window it lies in: a shift that began the day
/// before still belongs to that day. Where windows of two days hold it, a special day comes before
/// weekly hours, then the day itself before the day before. A closed instant is decided by its own
/// local date, so a shift that runs on into a special day and ends there is ended by the special
/// day, which leaves nothing open after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// The weekly hours.
    Weekly,
    /// A special day: its name, or its date `2026-12-24` where it has none.
    Special(String),
    /// A temporary override.
    Override,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Because::Weekly => f.pad("weekly"),
            Because::Special(name) => write!(f, "special:{name}"),
            Because::Override => f.pad("override"),
        }
    }
}

/// Open, in a break between two windows of one date, or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Openness {
    /// Inside a window.
    Open,
    /// Closed, between two windows of the same local date.
    Break,
    /// Closed.
    Closed,
}

impl fmt::Display for Openness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Openness::Open => "open",
            Openness::Break => "break",
            Openness::Closed => "closed",
        })
    }
}

/// The state of a schedule at one instant, with everything that a trace or a person wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoursState {
    /// Which schedule; `None` where the channel has none and is always open.
    pub schedule: Option<ScheduleName>,
    /// Open, break or closed.
    pub openness: Openness,
    /// What decided it.
    pub because: Because,
    /// The instant asked about in local time, `Wed 2026-12-02 11:40+01:00`.
    pub local: String,
    /// The windows of that local date, as `08:00-11:30`, in order.
    pub windows: Vec<String>,
    /// When the state next changes between open and not open; `None` if never (within 10 years).
    pub next_change: Option<Wall>,
    /// `next_change` in local time, shortened to `12:00` when on the same local date, otherwise
    /// `Thu 2026-12-03 08:00`.
    pub next_change_local: Option<String>,
    /// The prompt of the special day that is in force, if it names one.
    pub special_prompt: Option<PromptName>,
}

impl HoursState {
    /// The state of a channel without a schedule: open for ever.
    pub fn always_open() -> HoursState {
        HoursState {
            schedule: None,
            openness: Openness::Open,
            because: Because::Weekly,
            local: String::new(),
            windows: Vec::new(),
            next_change: None,
            next_change_local: None,
            special_prompt: None,
        }
    }
}

/// One opening or closing of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The instant.
    pub at: Wall,
    /// True when the schedule opens here, false when it closes.
    pub open: bool,
    /// What decides this instant.
    pub because: Because,
}

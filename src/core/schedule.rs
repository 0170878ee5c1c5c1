//! Business hours. Half-open windows of local wall-clock time, special days, and what they mean at
//! an instant. The rules are in `docs/configuration.md`, "Hours".

use serde::{Deserialize, Serialize};

use crate::core::name::{PromptName, ScheduleName};
use crate::core::time::Wall;

/// Weekly hours with dated exceptions, in one time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name in the configuration.
    pub name: ScheduleName,
}

/// What decides an instant. Displayed as `weekly`, `special:NAME` (or the date, where the special
/// day has no name), `override`.
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

impl Schedule {
    /// The state at `at`.
    pub fn state_at(&self, at: Wall) -> HoursState {
        let _ = at;
        todo!("owner: hours")
    }

    /// True when `at` lies in a window; cheaper than [`Schedule::state_at`].
    pub fn is_open(&self, at: Wall) -> bool {
        let _ = at;
        todo!("owner: hours")
    }
}

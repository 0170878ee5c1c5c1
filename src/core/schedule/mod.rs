//! Business hours. Half-open windows of local wall-clock time, special days, and what they mean at
//! an instant. The rules are in `docs/configuration.md`, "Hours".

mod hours;
mod special_day;
mod state;
mod window;

pub use hours::{Schedule, ScheduleParts, Transitions};
pub use special_day::{Observed, Overnight, SpecialDay, SpecialDayError, When, easter_sunday};
pub use state::{Because, HoursState, Openness, Transition};
pub use window::{Weekly, WeeklyError, Window, WindowError, parse_weekday, parse_weekdays};

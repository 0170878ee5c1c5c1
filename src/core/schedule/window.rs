//! Windows of local wall-clock time, and the seven days that have them.

use std::fmt;
use std::str::FromStr;

use chrono::Weekday;
use thiserror::Error;

/// Minutes in a civil day.
pub(super) const DAY_MINUTES: u16 = 24 * 60;

/// A half-open stretch of local wall-clock time, `[start, end)`, which belongs to the date it
/// starts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Minutes after midnight, under 1440.
    start: u16,
    /// Minutes after the same midnight, more than `start`; over 1440 on the next calendar date.
    end: u16,
}

/// Why a text is not a [`Window`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// Not two times with a dash between.
    #[error("\"{0}\" is not a window of time; expected \"HH:MM-HH:MM\", such as \"09:00-17:00\"")]
    Form(String),
    /// One of the two is no time of day.
    #[error(
        "\"{time}\" in \"{window}\" is not a time of day; expected HH:MM from 00:00 to 23:59, or 24:00 as an end"
    )]
    Time {
        /// What stands in the place of a time.
        time: String,
        /// The whole text.
        window: String,
    },
    /// Begins at 24:00.
    #[error(
        "\"{0}\" begins at 24:00; a window that begins at midnight is written 00:00, under the next day"
    )]
    StartsAt24(String),
}

impl Window {
    /// Minutes from midnight of the date it starts on to its start, 0 to 1439.
    pub fn start_minute(self) -> u16 {
        self.start
    }

    /// Minutes from the same midnight to its end, not included. Over 1440 where it runs into the
    /// next calendar date.
    pub fn end_minute(self) -> u16 {
        self.end
    }

    /// Seconds from midnight of the date `days_later` days after the one it starts on.
    pub(super) fn seconds(self, days_later: i64) -> (i64, i64) {
        let minutes = |minute: u16| i64::from(minute) - days_later * i64::from(DAY_MINUTES);
        (minutes(self.start) * 60, minutes(self.end) * 60)
    }

    /// The windows of one date in order; those that touch or overlap become one.
    pub(super) fn merge(windows: &[Window]) -> Vec<Window> {
        let mut sorted = windows.to_vec();
        sorted.sort();
        let mut merged: Vec<Window> = Vec::with_capacity(sorted.len());
        for window in sorted {
            match merged.last_mut() {
                Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
                _ => merged.push(window),
            }
        }
        merged
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Window, WindowError> {
        let (start, end) = text
            .split_once('-')
            .ok_or_else(|| WindowError::Form(text.to_owned()))?;
        let time = |time: &str| {
            parse_time(time.trim()).ok_or_else(|| WindowError::Time {
                time: time.trim().to_owned(),
                window: text.to_owned(),
            })
        };
        let (start, end) = (time(start)?, time(end)?);
        if start == DAY_MINUTES {
            return Err(WindowError::StartsAt24(text.to_owned()));
        }
        let end = if end <= start { end + DAY_MINUTES } else { end };
        Ok(Window { start, end })
    }
}

/// `08:00-11:30`; the end is a time of the next date where it is not after the start.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (end, longer_than_a_day) = match self.end {
            end if end <= DAY_MINUTES => (end, false),
            end => (end - DAY_MINUTES, end - DAY_MINUTES > self.start),
        };
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            self.start / 60,
            self.start % 60,
            end / 60,
            end % 60
        )?;
        if longer_than_a_day {
            f.write_str(" the next day")?;
        }
        Ok(())
    }
}

/// Minutes after midnight of `9:00`, `09:00` or `24:00`.
fn parse_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(hours.len(), 1 | 2) || minutes.len() != 2 || !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

/// The windows of each weekday.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weekly {
    days: [Vec<Window>; 7],
    named_by: [Option<String>; 7],
}

/// Why a key of `weekly` cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WeeklyError {
    /// No day of the week.
    #[error(
        "\"{day}\" is not a day of the week; expected mon, tue, wed, thu, fri, sat or sun, a range such as mon-fri, or a list such as mon,wed"
    )]
    Day {
        /// What stands in the place of a day.
        day: String,
    },
    /// The day has windows already.
    #[error(
        "{day} is named twice in weekly: by \"{first}\" and by \"{second}\". Write its windows in one place."
    )]
    Twice {
        /// The day, `mon`.
        day: &'static str,
        /// The key that named it first.
        first: String,
        /// The key that names it again.
        second: String,
    },
}

impl Weekly {
    /// No windows on any day.
    pub fn new() -> Weekly {
        Weekly::default()
    }

    /// Gives `windows` to the days that `key` names: `fri`, `mon-thu`, `mon,wed`. Changes nothing
    /// on an error.
    pub fn set(&mut self, key: &str, windows: &[Window]) -> Result<(), WeeklyError> {
        let days = parse_weekdays(key)?;
        for day in &days {
            if let Some(first) = &self.named_by[index(*day)] {
                return Err(WeeklyError::Twice {
                    day: short_name(*day),
                    first: first.clone(),
                    second: key.to_owned(),
                });
            }
        }
        for day in days {
            self.days[index(day)] = Window::merge(windows);
            self.named_by[index(day)] = Some(key.to_owned());
        }
        Ok(())
    }

    /// The windows of a weekday, in order; those that touch or overlap have become one.
    pub fn windows(&self, day: Weekday) -> &[Window] {
        &self.days[index(day)]
    }
}

/// The days that a key of `weekly` names: `fri`, `mon-thu`, `fri-mon`, `mon,wed` (or whole names).
pub fn parse_weekdays(key: &str) -> Result<Vec<Weekday>, WeeklyError> {
    let mut days: Vec<Weekday> = Vec::with_capacity(7);
    for part in key.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_weekday(first.trim())?, parse_weekday(last.trim())?);
        let mut day = first;
        loop {
            if days.contains(&day) {
                return Err(WeeklyError::Twice {
                    day: short_name(day),
                    first: key.to_owned(),
                    second: part.trim().to_owned(),
                });
            }
            days.push(day);
            if day == last {
                break;
            }
            day = day.succ();
        }
    }
    Ok(days)
}

/// A day of the week: `mon` or `monday`, in any case.
pub fn parse_weekday(text: &str) -> Result<Weekday, WeeklyError> {
    let day = match text.to_ascii_lowercase().as_str() {
        "mon" | "monday" => Weekday::Mon,
        "tue" | "tuesday" => Weekday::Tue,
        "wed" | "wednesday" => Weekday::Wed,
        "thu" | "thursday" => Weekday::Thu,
        "fri" | "friday" => Weekday::Fri,
        "sat" | "saturday" => Weekday::Sat,
        "sun" | "sunday" => Weekday::Sun,
        _ => {
            return Err(WeeklyError::Day {
                day: text.to_owned(),
            });
        }
    };
    Ok(day)
}

fn index(day: Weekday) -> usize {
    day.num_days_from_monday() as usize
}

fn short_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "mon",
        Weekday::Tue => "tue",
        Weekday::Wed => "wed",
        Weekday::Thu => "thu",
        Weekday::Fri => "fri",
        Weekday::Sat => "sat",
        Weekday::Sun => "sun",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    fn minutes(text: &str) -> (u16, u16) {
        let window = window(text);
        (window.start_minute(), window.end_minute())
    }

    #[test]
    fn windows_are_read_as_minutes_of_the_date_they_start_on() {
        assert_eq!(minutes("09:00-17:00"), (540, 1020));
        assert_eq!(minutes("9:00 - 17:00"), (540, 1020));
        assert_eq!(minutes("00:00-24:00"), (0, 1440));
        assert_eq!(minutes("00:00-00:00"), (0, 1440));
        assert_eq!(minutes("22:00-24:00"), (1320, 1440));
        assert_eq!(minutes("22:00-00:00"), (1320, 1440));
        assert_eq!(minutes("22:00-06:00"), (1320, 1800));
        assert_eq!(minutes("06:00-06:00"), (360, 1800));
        assert_eq!(minutes("23:59-23:58"), (1439, 2878));
    }

    #[test]
    fn what_is_wrong_with_a_window_is_said() {
        let error = |text: &str| text.parse::<Window>().unwrap_err().to_string();
        insta::assert_snapshot!(error("always"), @r#""always" is not a window of time; expected "HH:MM-HH:MM", such as "09:00-17:00""#);
        insta::assert_snapshot!(error("9-17"), @r#""9" in "9-17" is not a time of day; expected HH:MM from 00:00 to 23:59, or 24:00 as an end"#);
        insta::assert_snapshot!(error("09:00-24:01"), @r#""24:01" in "09:00-24:01" is not a time of day; expected HH:MM from 00:00 to 23:59, or 24:00 as an end"#);
        insta::assert_snapshot!(error("24:00-06:00"), @r#""24:00-06:00" begins at 24:00; a window that begins at midnight is written 00:00, under the next day"#);
        for text in [
            "",
            "-",
            "09:00-",
            "09:60-17:00",
            "+9:00-17:00",
            "09:00-17:00-18:00",
            "٠٩:00-17:00",
        ] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let merged = |texts: &[&str]| {
            let windows: Vec<Window> = texts.iter().map(|text| window(text)).collect();
            let merged: Vec<String> = Window::merge(&windows)
                .iter()
                .map(Window::to_string)
                .collect();
            merged.join(" ")
        };
        assert_eq!(merged(&["12:00-16:00", "08:00-12:00"]), "08:00-16:00");
        assert_eq!(
            merged(&["08:00-11:30", "12:00-16:00"]),
            "08:00-11:30 12:00-16:00"
        );
        assert_eq!(merged(&["08:00-16:00", "09:00-10:00"]), "08:00-16:00");
        assert_eq!(merged(&["22:00-24:00", "20:00-02:00"]), "20:00-02:00");
        assert_eq!(
            merged(&["05:00-07:00", "06:00-06:00"]),
            "05:00-06:00 the next day"
        );
        assert_eq!(merged(&["00:00-12:00", "12:00-24:00"]), "00:00-24:00");
    }

    #[test]
    fn a_key_names_a_day_a_range_or_a_list() {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        assert_eq!(parse_weekdays("fri"), Ok(vec![Fri]));
        assert_eq!(parse_weekdays("Friday"), Ok(vec![Fri]));
        assert_eq!(parse_weekdays("mon-thu"), Ok(vec![Mon, Tue, Wed, Thu]));
        assert_eq!(parse_weekdays("sat-mon"), Ok(vec![Sat, Sun, Mon]));
        assert_eq!(parse_weekdays("mon, wed-thu"), Ok(vec![Mon, Wed, Thu]));
        assert!(parse_weekdays("mon-").is_err());
        assert!(parse_weekdays("mon-wed-fri").is_err());
        assert!(parse_weekdays("mon,mon").is_err());
    }

    #[test]
    fn a_day_named_twice_is_refused_and_nothing_changes() {
        let mut weekly = Weekly::new();
        weekly.set("mon-thu", &[window("08:00-16:00")]).unwrap();
        let error = weekly.set("thu-fri", &[]).unwrap_err();
        insta::assert_snapshot!(error, @r#"thu is named twice in weekly: by "mon-thu" and by "thu-fri". Write its windows in one place."#);
        let error = weekly.set("frday", &[]).unwrap_err();
        insta::assert_snapshot!(error, @r#""frday" is not a day of the week; expected mon, tue, wed, thu, fri, sat or sun, a range such as mon-fri, or a list such as mon,wed"#);
        weekly.set("fri", &[window("08:00-15:00")]).unwrap();
        assert_eq!(weekly.windows(Weekday::Thu), [window("08:00-16:00")]);
        assert_eq!(weekly.windows(Weekday::Fri), [window("08:00-15:00")]);
        assert_eq!(weekly.windows(Weekday::Sat), []);
    }
}

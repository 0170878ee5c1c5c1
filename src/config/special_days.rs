//! The lists of special days that come with the program.

macro_rules! shipped {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/config/special-days/",
                $name,
                ".toml"
            )),
        )
    };
}

/// Each list's name and its text, a configuration file with that one list in it.
///
/// `special_days = ["norway"]` in a schedule means the list of that name in the configuration, or
/// else the one of this table. The texts are the files of `config/special-days/`.
pub const SHIPPED: &[(&str, &str)] = &[
    shipped!("norway"),
    shipped!("us-federal"),
    shipped!("united-kingdom"),
    shipped!("scotland"),
    shipped!("northern-ireland"),
    shipped!("germany"),
    shipped!("germany-baden-wuerttemberg"),
    shipped!("germany-bavaria"),
    shipped!("germany-berlin"),
    shipped!("germany-brandenburg"),
    shipped!("germany-bremen"),
    shipped!("germany-hamburg"),
    shipped!("germany-hesse"),
    shipped!("germany-lower-saxony"),
    shipped!("germany-mecklenburg-western-pomerania"),
    shipped!("germany-north-rhine-westphalia"),
    shipped!("germany-rhineland-palatinate"),
    shipped!("germany-saarland"),
    shipped!("germany-saxony"),
    shipped!("germany-saxony-anhalt"),
    shipped!("germany-schleswig-holstein"),
    shipped!("germany-thuringia"),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::{Datelike, NaiveDate, Weekday};
    use serde::Deserialize;

    use super::*;
    use crate::core::schedule::{SpecialDay, When};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        special_days: Vec<List>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        name: String,
        days: Vec<Day>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Day {
        name: String,
        hours: Vec<String>,
        date: Option<String>,
        yearly: Option<String>,
        weekday: Option<String>,
        nth: Option<i64>,
        month: Option<i64>,
        easter: Option<i64>,
        observed: Option<String>,
    }

    fn special_day(day: Day) -> SpecialDay {
        assert!(day.hours.is_empty(), "{}: closed all day", day.name);
        let when = match day {
            Day {
                date: Some(date), ..
            } => When::date(&date),
            Day {
                yearly: Some(yearly),
                ..
            } => When::yearly(&yearly),
            Day {
                easter: Some(easter),
                ..
            } => When::easter(easter),
            Day {
                weekday: Some(weekday),
                nth: Some(nth),
                month: Some(month),
                ..
            } => When::nth(&weekday, nth, month),
            _ => panic!("{}: on no date", day.name),
        };
        let observed = day.observed.map(|observed| observed.parse().unwrap());
        let mut special_day = SpecialDay::new(when.unwrap(), observed).unwrap();
        special_day.name = Some(day.name);
        special_day
    }

    fn list(name: &str) -> Vec<SpecialDay> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name).unwrap();
        let file: File = toml::from_str(text).unwrap();
        let [list] = <[List; 1]>::try_from(file.special_days)
            .ok()
            .expect("one list");
        assert_eq!(list.name, name);
        list.days.into_iter().map(special_day).collect()
    }

    /// The dates of `year` on Monday to Friday, as `01-01 05-17`.
    fn weekdays_off(name: &str, year: i32) -> String {
        let dates: BTreeSet<NaiveDate> = list(name)
            .iter()
            .flat_map(|day| (year - 1..=year + 1).flat_map(|year| day.dates(year)))
            .filter(|date| date.year() == year)
            .filter(|date| !matches!(date.weekday(), Weekday::Sat | Weekday::Sun))
            .collect();
        let dates = dates.iter().map(|date| date.format("%m-%d").to_string());
        dates.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_list_can_be_read_and_bears_its_name() {
        let mut names = BTreeMap::new();
        for (name, text) in SHIPPED {
            assert!(!list(name).is_empty());
            assert_eq!(names.insert(name, text), None, "{name} twice");
        }
    }

    /// The holidays that the United States Office of Personnel Management publishes for the years.
    #[test]
    fn the_federal_holidays_are_those_published() {
        let published = [
            (
                2026,
                "01-01 01-19 02-16 05-25 06-19 07-03 09-07 10-12 11-11 11-26 12-25",
            ),
            // 2027: 19 June is a Saturday, 4 July a Sunday, Christmas Day a Saturday, and so is
            // the next New Year's Day.
            (
                2027,
                "01-01 01-18 02-15 05-31 06-18 07-05 09-06 10-11 11-11 11-25 12-24 12-31",
            ),
            // 2028: 11 November is a Saturday.
            (
                2028,
                "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-10 11-23 12-25",
            ),
        ];
        for (year, expected) in published {
            assert_eq!(weekdays_off("us-federal", year), expected, "{year}");
        }
    }

    /// 2027 and 2028 as gov.uk publishes them; 2022 without its two proclaimed days (the spring
    /// bank holiday was moved as well); 2033 by the rule: Christmas Day is a Sunday.
    #[test]
    fn bank_holidays_have_their_substitute_days() {
        let expected = [
            (
                "united-kingdom",
                2022,
                "01-03 04-15 04-18 05-02 05-30 08-29 12-26 12-27",
            ),
            (
                "united-kingdom",
                2026,
                "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
            ),
            (
                "united-kingdom",
                2027,
                "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
            ),
            (
                "united-kingdom",
                2028,
                "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26",
            ),
            (
                "united-kingdom",
                2033,
                "01-03 04-15 04-18 05-02 05-30 08-29 12-26 12-27",
            ),
            (
                "scotland",
                2022,
                "01-03 01-04 04-15 05-02 05-30 08-01 11-30 12-26 12-27",
            ),
            (
                "scotland",
                2023,
                "01-02 01-03 04-07 05-01 05-29 08-07 11-30 12-25 12-26",
            ),
            (
                "scotland",
                2027,
                "01-01 01-04 03-26 05-03 05-31 08-02 11-30 12-27 12-28",
            ),
            (
                "scotland",
                2028,
                "01-03 01-04 04-14 05-01 05-29 08-07 11-30 12-25 12-26",
            ),
            (
                "northern-ireland",
                2026,
                "01-01 03-17 04-03 04-06 05-04 05-25 07-13 08-31 12-25 12-28",
            ),
            (
                "northern-ireland",
                2027,
                "01-01 03-17 03-26 03-29 05-03 05-31 07-12 08-30 12-27 12-28",
            ),
        ];
        for (name, year, expected) in expected {
            assert_eq!(weekdays_off(name, year), expected, "{name} {year}");
        }
    }

    #[test]
    fn norway_closes_on_its_public_holidays() {
        // Easter Sunday 2027 is 28 March.
        let expected = "01-01 03-25 03-26 03-29 05-06 05-17";
        assert_eq!(weekdays_off("norway", 2027), expected);
        let all: usize = list("norway").iter().map(|day| day.dates(2027).len()).sum();
        assert_eq!(all, 12);
    }

    #[test]
    fn every_land_keeps_what_all_of_germany_keeps() {
        // Easter Sunday 2026 is 5 April; 3 October and 26 December are Saturdays.
        assert_eq!(
            weekdays_off("germany", 2026),
            "01-01 04-03 04-06 05-01 05-14 05-25 12-25"
        );
        let common = list("germany");
        let lands: Vec<&str> = SHIPPED
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.starts_with("germany-"))
            .collect();
        assert_eq!(lands.len(), 16);
        for land in lands {
            let days = list(land);
            assert!(common.iter().all(|day| days.contains(day)), "{land}");
        }
    }

    /// The Wednesday before 23 November is none by its number in the month, so it is written by
    /// date.
    #[test]
    fn saxony_keeps_repentance_day_up_to_2050() {
        let days = list("germany-saxony");
        for year in 2026..=2050 {
            let found = days
                .iter()
                .filter(|day| day.name.as_deref() == Some("Repentance Day"))
                .flat_map(|day| day.dates(year))
                .collect::<Vec<_>>();
            let [day] = found[..] else {
                panic!("{year}: {found:?}");
            };
            assert_eq!(day.weekday(), Weekday::Wed, "{year}");
            assert_eq!(day.month(), 11, "{year}");
            assert!((16..=22).contains(&day.day()), "{year}");
        }
    }
}

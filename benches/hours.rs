//! What one question to a schedule costs.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use ringdesk::config::zone::zone;
use ringdesk::core::schedule::{
    Overnight, Schedule, ScheduleParts, SpecialDay, Weekly, When, Window,
};
use ringdesk::core::time::Wall;

fn windows(texts: &[&str]) -> Vec<Window> {
    let parse = |text: &&str| text.parse().expect("a window");
    texts.iter().map(parse).collect()
}

/// Office hours in Oslo with fifteen special days, or hours that never change.
fn schedule(weekly: &[(&str, &[&str])], special: bool) -> Schedule {
    let mut days = Weekly::new();
    for (day, texts) in weekly {
        days.set(day, &windows(texts)).expect("a weekday");
    }
    let yearly = [
        "01-01", "05-01", "05-17", "12-24", "12-25", "12-26", "12-31",
    ];
    let yearly = yearly.iter().map(|day| When::yearly(day));
    let easter = [-3, -2, 0, 1, 39, 49, 50, 60].map(When::easter);
    let special_days = yearly
        .chain(easter)
        .filter(|_| special)
        .map(|when| SpecialDay::new(when.expect("a day"), None).expect("a special day"));
    Schedule::new(ScheduleParts {
        name: "oslo".into(),
        zone: Arc::new(zone("Europe/Oslo").expect("a zone")),
        weekly: days,
        special_days: special_days.collect(),
        overnight: Overnight::RunOn,
    })
}

fn hours(criterion: &mut Criterion) {
    let mon_to_thu: &[&str] = &["08:00-11:30", "12:00-16:00"];
    let office = schedule(&[("mon-thu", mon_to_thu), ("fri", &["08:00-15:00"])], true);
    let never = schedule(&[], false);
    let always_but_holidays = schedule(&[("mon-sun", &["00:00-24:00"])], true);
    // Friday 2026-12-04 at 16:00: closed until Monday.
    let at = black_box(Wall::from_seconds(1_796_396_400));
    criterion.bench_function("hours/is_open", |bench| bench.iter(|| office.is_open(at)));
    criterion.bench_function("hours/state_at", |bench| bench.iter(|| office.state_at(at)));
    criterion.bench_function("hours/next_change", |bench| {
        bench.iter(|| office.next_change(at))
    });
    criterion.bench_function("hours/next_change_in_three_weeks", |bench| {
        bench.iter(|| always_but_holidays.next_change(at))
    });
    criterion.bench_function("hours/next_change_never", |bench| {
        bench.iter(|| never.next_change(at))
    });
    criterion.bench_function("hours/transitions_of_a_year", |bench| {
        bench.iter(|| office.transitions_from(at).take(450).count())
    });
    criterion.bench_function("hours/build_zone", |bench| {
        bench.iter(|| zone(black_box("Europe/Oslo")))
    });
    criterion.bench_function("hours/build_schedule", |bench| {
        bench.iter(|| schedule(&[("mon-thu", mon_to_thu)], true))
    });
}

criterion_group!(benches, hours);
criterion_main!(benches);

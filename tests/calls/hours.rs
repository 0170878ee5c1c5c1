//! Hours decide what a caller hears.

use crate::support::cast::{caller, hears_prompt, registered_phone, talk};
use crate::support::daemon::Daemon;
use crate::support::line::Line;
use crate::support::place::{Place, Who};

/// Open on weekdays, with a lunch, and half a day before Christmas.
const OFFICE: &str = r#"
[[schedule]]
name = "oslo"
timezone = "Europe/Oslo"
weekly = { mon-fri = ["08:00-11:30", "12:00-16:00"] }
special = [{ date = "2026-12-24", name = "Christmas Eve", hours = ["08:00-12:00"], prompt = "special" }]
[[channel]]
name = "main-line"
inbox = "customers"
numbers = ["+4722334455"]
schedule = "oslo"
[channel.working_hours]
teams = ["support"]
voicemail = "unanswered"
[channel.break]
voicemail = "break"
[channel.after_hours]
voicemail = "closed"
"#;

/// Anna's phone is registered, and the caller hears the prompt `name` all the same.
#[track_caller]
fn hears(at: &str, name: &str) {
    let place = Place::take();
    let daemon = Daemon::start(&place, OFFICE);
    let line = Line::open(place.ip(Who::Carrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let anna = registered_phone(&place, Who::Anna, "phone", &anna_line);
    let mut carrier = caller(&place, &line).at(at).start();

    carrier.wait_for("answered");
    hears_prompt(&line, name);
    carrier.cue();
    carrier.finish();
    assert!(anna.dismiss().is_empty(), "Anna's phone rang");
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("missed"), "{calls:?}");
    daemon.stop();
}

#[test]
fn after_hours_the_caller_hears_that_we_are_closed() {
    hears("2026-12-02T20:00:00+01:00", "closed");
}

#[test]
fn at_lunch_the_caller_hears_the_prompt_of_the_break() {
    hears("2026-12-02T11:40:00+01:00", "break");
}

#[test]
fn on_a_special_day_the_caller_hears_the_prompt_of_that_day() {
    hears("2026-12-24T12:30:00+01:00", "special");
}

#[test]
fn within_hours_the_phone_rings() {
    let place = Place::take();
    let daemon = Daemon::start(&place, OFFICE);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = registered_phone(&place, Who::Anna, "phone", &anna_line);
    let at = "2026-12-24T11:59:00+01:00";
    let mut carrier = caller(&place, &caller_line).at(at).start();

    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    talk(31, (&mut caller_line, to_caller), (&mut anna_line, to_anna));
    carrier.cue();
    carrier.finish();
    anna.finish();
    daemon.stop();
}

//! Many calls at once.

use std::fmt::Write;

use crate::support::cast::{calling, phone};
use crate::support::daemon::Daemon;
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::requests;
use crate::support::wait;

/// Calls at once.
const CALLS: usize = 200;

/// As many users, each with a phone at the address of Anna's, who are called in turn.
fn crowd(place: &Place) -> String {
    let phones = place.sip(Who::Anna);
    let mut text = String::new();
    let mut names = Vec::new();
    for number in 0..CALLS {
        let name = format!("user-{number}");
        writeln!(
            text,
            "[[user]]\nname = \"{name}\"\nseat = \"service\"\nsip_contacts = [\"sip:{name}@{phones}\"]"
        )
        .unwrap();
        names.push(name);
    }
    write!(
        text,
        r#"
[[team]]
name = "crowd"
members = {names:?}
[[channel]]
name = "main-line"
numbers = ["+4722334455"]
[channel.working_hours]
teams = ["crowd"]
strategy = "round-robin"
ring_each = 20
voicemail = "unanswered"
"#
    )
    .unwrap();
    text
}

/// What a process holds: file handles and threads.
fn held(daemon: &Daemon) -> (usize, usize) {
    let count = |what: &str| {
        std::fs::read_dir(format!("/proc/{}/{what}", daemon.pid()))
            .unwrap()
            .count()
    };
    (count("fd"), count("task"))
}

fn run(place: &Place, daemon: &Daemon, calls: usize, ended: usize) {
    let line = Line::open(place.ip(Who::Carrier));
    let count = calls.to_string();
    let phones = phone(place, Who::Anna, "many_phones", &line)
        .with(["-m", &count])
        .listen();
    let callers = calling(place, Who::Carrier, "many_callers", &line)
        .with(["-m", &count, "-l", &count, "-r", "40"])
        .start();
    let at_callers = callers.finish();
    let at_phones = phones.finish();
    assert_eq!(requests(&at_callers, true, "BYE").len(), calls);
    assert_eq!(requests(&at_phones, false, "BYE").len(), calls);
    let calls = daemon.wait_for_calls(ended);
    assert!(
        calls
            .iter()
            .all(|call| call.outcome.as_deref() == Some("answered")),
        "{calls:?}"
    );
}

#[test]
fn two_hundred_calls_at_once_all_succeed_and_leave_nothing_behind() {
    let place = Place::take_wide();
    let daemon = Daemon::start(&place, &crowd(&place));
    run(&place, &daemon, 1, 1);
    let warned = daemon.times_said(" WARN ");
    let before = held(&daemon);
    run(&place, &daemon, CALLS, CALLS + 1);
    let (handles, threads) = before;
    wait::until("as many file handles and threads as before", || {
        let now = held(&daemon);
        (now.0 <= handles && now.1 <= threads).then_some(())
    });
    let status = daemon.status();
    assert_eq!(status.calls_taken, CALLS as u64 + 1);
    assert!(status.calls.is_empty(), "{:?}", status.calls);
    assert_eq!(status.ports.0, 0, "port pairs in use");
    let busy = status.users.iter().filter(|user| user.busy.is_some());
    assert_eq!(busy.count(), 0, "users on a call");
    assert_eq!(daemon.times_said(" WARN "), warned);
    daemon.stop();
}

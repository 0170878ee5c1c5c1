//! Somebody answers.

use crate::support::cast::{caller, registered_phone};
use crate::support::daemon::Daemon;
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::requests;
use crate::support::sound::{Law, assert_same, speech};

/// One channel without hours: the team rings.
const ALWAYS_OPEN: &str = r#"
[[channel]]
name = "main-line"
inbox = "customers"
numbers = ["+4722334455"]
[channel.working_hours]
teams = ["support"]
voicemail = "unanswered"
"#;

#[test]
fn a_trunk_call_is_answered_by_a_registered_phone_and_both_hear_each_other() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = registered_phone(&place, Who::Anna, "phone", &anna_line);
    let mut carrier = caller(&place, &caller_line).start();

    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    let (from_caller, from_anna) = (speech(11, 100), speech(12, 100));
    std::thread::scope(|scope| {
        scope.spawn(|| caller_line.say(to_caller, Law::Pcmu, &from_caller));
        scope.spawn(|| anna_line.say(to_anna, Law::Pcmu, &from_anna));
    });
    caller_line.wait_for(from_anna.len());
    anna_line.wait_for(from_caller.len());

    carrier.cue();
    let at_carrier = carrier.finish();
    let at_anna = anna.finish();
    assert_same("Anna", &anna_line.heard(), &from_caller);
    assert_same("the caller", &caller_line.heard(), &from_anna);
    assert_eq!(requests(&at_carrier, true, "BYE").len(), 1);
    assert_eq!(requests(&at_anna, false, "BYE").len(), 1);

    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("answered"));
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

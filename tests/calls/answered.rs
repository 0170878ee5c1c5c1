//! Somebody answers.

use crate::support::cast::Conversation;
use crate::support::daemon::{ALWAYS_OPEN, Daemon};
use crate::support::place::Place;

#[test]
fn a_trunk_call_is_answered_by_a_registered_phone_and_both_hear_each_other() {
    is_answered(&Place::take());
}

#[test]
fn a_whole_call_over_ipv6() {
    is_answered(&Place::take_ipv6());
}

#[track_caller]
fn is_answered(place: &Place) {
    let daemon = Daemon::start(place, ALWAYS_OPEN);
    let mut conversation = Conversation::begin(place);
    conversation.talk(11);
    conversation.end();
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("answered"));
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

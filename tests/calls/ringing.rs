//! Who rings, and until when.

use crate::support::cast::{
    caller, calling, hears_prompt, phone, register, registered_phone, talk,
};
use crate::support::daemon::{ALWAYS_OPEN, Daemon, always_open};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::{header, requests};

/// What a phone is told when another one has answered.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

#[test]
fn a_busy_phone_ends_nothing_for_the_others() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let mut bjorn_line = Line::open(place.ip(Who::Bjorn));
    register(&place, Who::Anna);
    let anna = phone(&place, Who::Anna, "phone_is_busy", &anna_line).listen();
    let mut bjorn = registered_phone(&place, Who::Bjorn, "phone_cued", &bjorn_line);
    let mut carrier = caller(&place, &caller_line).start();

    anna.finish();
    bjorn.wait_for("ringing");
    bjorn.cue();
    let to_bjorn = bjorn.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    talk(
        41,
        (&mut caller_line, to_caller),
        (&mut bjorn_line, to_bjorn),
    );
    carrier.cue();
    carrier.finish();
    bjorn.finish();
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("bjorn"));
    daemon.stop();
}

#[test]
fn declined_on_one_phone_the_others_of_that_user_stop_and_the_caller_hears_the_prompt_at_once() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let caller_line = Line::open(place.ip(Who::Carrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let home_line = Line::open(place.ip(Who::AnnaAtHome));
    let mut home = registered_phone(&place, Who::AnnaAtHome, "phone_rings", &home_line);
    register(&place, Who::Anna);
    let anna = phone(&place, Who::Anna, "phone_declines_when_told", &anna_line).listen();
    let mut carrier = caller(&place, &caller_line).start();

    home.wait_for("ringing");
    wait_ringing_and_cue(anna);
    let at_home = home.finish();
    assert_eq!(requests(&at_home, false, "CANCEL").len(), 1);
    carrier.wait_for("answered");
    hears_prompt(&caller_line, "unanswered");
    carrier.cue();
    carrier.finish();
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by, None);
    daemon.stop();
}

fn wait_ringing_and_cue(mut phone: crate::support::sipp::Sipp) {
    phone.wait_for("ringing");
    phone.cue();
    phone.finish();
}

#[test]
fn the_caller_gives_up_while_phones_ring() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let caller_line = Line::open(place.ip(Who::Carrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let bjorn_line = Line::open(place.ip(Who::Bjorn));
    let mut anna = registered_phone(&place, Who::Anna, "phone_rings", &anna_line);
    let mut bjorn = registered_phone(&place, Who::Bjorn, "phone_rings", &bjorn_line);
    let mut carrier = calling(&place, Who::Carrier, "caller_gives_up", &caller_line).start();

    carrier.wait_for("ringing");
    anna.wait_for("ringing");
    bjorn.wait_for("ringing");
    carrier.cue();
    carrier.finish();
    for phone in [anna, bjorn] {
        let messages = phone.finish();
        let cancels = requests(&messages, false, "CANCEL");
        assert_eq!(cancels.len(), 1);
        assert_eq!(header(cancels[0], "Reason"), None);
    }
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("missed"));
    assert_eq!(calls[0].detail, "the caller hung up while ringing");
    daemon.stop();
}

#[test]
fn the_first_of_two_phones_wins_and_the_second_is_told_that_it_was_answered_elsewhere() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let bjorn_line = Line::open(place.ip(Who::Bjorn));
    let mut anna = registered_phone(&place, Who::Anna, "phone_cued", &anna_line);
    let mut bjorn = registered_phone(&place, Who::Bjorn, "phone_rings", &bjorn_line);
    let mut carrier = caller(&place, &caller_line).start();

    anna.wait_for("ringing");
    bjorn.wait_for("ringing");
    anna.cue();
    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    let at_bjorn = bjorn.finish();
    let cancels = requests(&at_bjorn, false, "CANCEL");
    assert_eq!(cancels.len(), 1);
    assert_eq!(header(cancels[0], "Reason"), Some(ELSEWHERE));
    talk(51, (&mut caller_line, to_caller), (&mut anna_line, to_anna));
    carrier.cue();
    let at_carrier = carrier.finish();
    let at_anna = anna.finish();
    assert_eq!(requests(&at_carrier, true, "BYE").len(), 1);
    assert_eq!(requests(&at_anna, false, "BYE").len(), 1);
    daemon.stop();
}

#[test]
fn a_second_caller_waits_while_all_ring_and_gets_the_first_who_becomes_free() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut first_line = Line::open(place.ip(Who::Carrier));
    let mut second_line = Line::open(place.ip(Who::OtherCarrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut bjorn_line = Line::open(place.ip(Who::Bjorn));
    let mut anna = registered_phone(&place, Who::Anna, "phone_cued", &anna_line);
    register(&place, Who::Bjorn);
    let mut bjorn = phone(&place, Who::Bjorn, "phone_cued", &bjorn_line)
        .with(["-m", "2"])
        .listen();
    let mut first = caller(&place, &first_line).start();
    anna.wait_for("ringing");
    bjorn.wait_for("ringing");
    let mut second = calling(&place, Who::OtherCarrier, "caller", &second_line).start();
    second.wait_for("ringing");

    anna.cue();
    let to_anna = anna.wait_for_audio("answered", &place);
    let to_first = first.wait_for_audio("answered", &place);
    bjorn.wait_for("ringing");
    bjorn.cue_call(1);
    let to_bjorn = bjorn.wait_for_audio("answered", &place);
    let to_second = second.wait_for_audio("answered", &place);
    std::thread::scope(|scope| {
        scope.spawn(|| talk(61, (&mut first_line, to_first), (&mut anna_line, to_anna)));
        scope.spawn(|| {
            talk(
                63,
                (&mut second_line, to_second),
                (&mut bjorn_line, to_bjorn),
            )
        });
    });

    first.cue();
    second.cue();
    first.finish();
    second.finish();
    assert_eq!(requests(&anna.finish(), false, "INVITE").len(), 1);
    let at_bjorn = bjorn.finish();
    assert_eq!(requests(&at_bjorn, false, "INVITE").len(), 2);
    assert_eq!(requests(&at_bjorn, false, "BYE").len(), 1);
    let mut answered: Vec<Option<String>> = daemon
        .wait_for_calls(2)
        .into_iter()
        .map(|call| call.answered_by)
        .collect();
    answered.sort();
    assert_eq!(
        answered,
        [Some("anna".to_owned()), Some("bjorn".to_owned())]
    );
    daemon.stop();
}

/// Lasts as long as it rings: more than a minute, after which the caller is told again.
#[test]
fn two_phones_ring_one_after_the_other_for_70_seconds_and_the_caller_stays() {
    let place = Place::take();
    let channel = always_open(
        "teams = [\"support\"]\nstrategy = \"sequential\"\nring_each = 35\nring_seconds = 80",
    );
    let daemon = Daemon::start(&place, &channel);
    let line = Line::open(place.ip(Who::Carrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let bjorn_line = Line::open(place.ip(Who::Bjorn));
    let mut anna = registered_phone(&place, Who::Anna, "phone_rings", &anna_line);
    let mut bjorn = registered_phone(&place, Who::Bjorn, "phone_rings", &bjorn_line);
    let mut carrier = caller(&place, &line).start();

    anna.wait_for("ringing");
    anna.finish();
    bjorn.wait_for("ringing");
    bjorn.finish();
    carrier.wait_for("answered");
    hears_prompt(&line, "unanswered");
    carrier.cue();
    let messages = carrier.finish();
    let told = messages
        .iter()
        .filter(|message| message.text.starts_with("SIP/2.0 180"))
        .count();
    assert_eq!(told, 2, "once at first, and again after a minute");
    daemon.stop();
}

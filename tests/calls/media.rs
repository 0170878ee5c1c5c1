//! What is heard on a call that is more than two phones of the same kind.

use crate::support::cast::{caller, phone, register, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon, prompt};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::requests;
use crate::support::sound::{Law, assert_same, decoded, speech};

#[test]
fn a_caller_with_pcmu_and_a_phone_with_pcma_hear_each_other() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    register(&place, Who::Anna);
    let mut anna = phone(&place, Who::Anna, "phone", &anna_line)
        .key("payloads", "8 101")
        .listen();
    let mut carrier = caller(&place, &caller_line).start();

    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    let (from_caller, from_anna) = (speech(91, 100), speech(92, 100));
    std::thread::scope(|scope| {
        scope.spawn(|| caller_line.say(to_caller, Law::Pcmu, &from_caller));
        scope.spawn(|| anna_line.say(to_anna, Law::Pcma, &from_anna));
    });
    caller_line.wait_for(from_anna.len());
    anna_line.wait_for(from_caller.len());
    assert_converted(&anna_line, Law::Pcma, &decoded(Law::Pcmu, &from_caller));
    assert_converted(&caller_line, Law::Pcmu, &decoded(Law::Pcma, &from_anna));
    carrier.cue();
    carrier.finish();
    anna.finish();
    daemon.stop();
}

/// Every sample is heard as the nearest that the law of `line` has, or next to it.
#[track_caller]
fn assert_converted(line: &Line, law: Law, said: &[i16]) {
    let packets = line.packets();
    assert!(
        packets
            .iter()
            .all(|packet| packet.payload_type == law.payload_type())
    );
    let heard = decoded(law, &line.heard());
    assert_eq!(heard.len(), said.len());
    for (at, (&heard, &said)) in heard.iter().zip(said).enumerate() {
        let off = (i32::from(heard) - i32::from(said)).abs();
        assert!(
            off <= law.tolerance(said),
            "sample {at}: {said} became {heard}"
        );
    }
}

#[test]
fn who_is_held_hears_the_hold_prompt_until_the_call_is_taken_back() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = registered_phone(&place, Who::Anna, "phone_holds", &anna_line);
    let mut carrier = caller(&place, &caller_line).start();

    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    talk(
        101,
        (&mut caller_line, to_caller),
        (&mut anna_line, to_anna),
    );
    let before = caller_line.heard().len();
    anna.cue();
    anna.wait_for("holds");
    let hold = prompt("hold");
    caller_line.wait_for(before + 2 * hold.len());
    anna.cue();
    anna.wait_for("resumed");
    let after = speech(103, 50);
    let anna_before = anna_line.heard().len();
    caller_line.say(to_caller, Law::Pcmu, &after);
    anna_line.say(to_anna, Law::Pcmu, &after);
    anna_line.wait_for(anna_before + after.len());
    // Whoever hangs up on what is on its way does not hear it.
    caller_line.wait_for_end(&after);

    carrier.cue();
    carrier.finish();
    let at_anna = anna.finish();
    assert_eq!(
        requests(&at_anna, false, "INVITE").len(),
        1,
        "nobody but Anna re-invites"
    );
    let heard = caller_line.heard();
    let twice = [hold.as_slice(), hold.as_slice()].concat();
    assert_same("the held", &heard[before..before + twice.len()], &twice);
    assert!(heard.ends_with(&after), "speech after the hold");
    assert_same("Anna", &anna_line.heard()[anna_before..], &after);
    daemon.stop();
}

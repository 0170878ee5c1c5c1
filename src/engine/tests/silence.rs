//! A line that has gone quiet.

use super::party::Standing;
use super::world::*;
use crate::core::id::LegId;
use crate::core::record::CallOutcome;
use crate::core::snapshot::Strategy;
use crate::media::command::{Direction, MediaEvent, MediaId};

fn conversation() -> (World, LegId, MediaId, MediaId) {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.talks_to("anna");
    let (callers, annas) = world.bridged();
    (world, caller, callers, annas)
}

fn silent(world: &mut World, media: MediaId) {
    world.media_says(MediaEvent::Silent {
        media,
        ever_heard: true,
    });
}

#[test]
fn a_silent_phone_that_still_knows_of_the_call_keeps_it() {
    let (mut world, caller, _, annas) = conversation();
    silent(&mut world, annas);
    world.run(seconds(5));
    assert_eq!(world.messages("daemon", "anna", "OPTIONS").len(), 1);
    assert!(world.is_talking("anna"));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_silent_phone_that_knows_nothing_of_the_call_ends_it() {
    let (mut world, caller, _, annas) = conversation();
    // Its power failed, and it has forgotten everything.
    let anna = world.party("anna");
    world.forget(anna);
    silent(&mut world, annas);
    world.run(seconds(5));
    assert!(world.is_over(caller), "481 ends the call");
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_silent_phone_that_does_not_answer_at_all_ends_the_call() {
    let (mut world, caller, _, annas) = conversation();
    world.unplug("anna");
    silent(&mut world, annas);
    world.run(seconds(33));
    assert!(world.is_over(caller));
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_phone_that_dies_after_it_fell_silent_is_noticed_too() {
    let (mut world, caller, _, annas) = conversation();
    let anna = world.party("anna");
    let leg = world.leg_of("anna");
    world.offers(anna, leg, Direction::Inactive);
    world.run(seconds(30));
    silent(&mut world, annas);
    world.run(seconds(300));
    assert!(world.is_talking("anna"), "on hold for as long as it likes");
    world.unplug("anna");
    world.run(seconds(70));
    assert!(world.is_over(caller));
    world.finish();
}

#[test]
fn a_phone_that_dies_while_it_holds_the_caller_is_noticed() {
    let (mut world, caller, _, _) = conversation();
    let anna = world.party("anna");
    let leg = world.leg_of("anna");
    // Nothing is to be heard from there, so no media thread will tell of silence.
    world.offers(anna, leg, Direction::Inactive);
    world.run(seconds(100));
    assert!(world.is_talking("anna"));
    world.unplug("anna");
    world.run(seconds(70));
    assert!(world.is_over(caller));
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn both_sides_silent_ends_the_call_unless_one_holds_the_other() {
    let (mut world, caller, callers, annas) = conversation();
    silent(&mut world, annas);
    world.run(seconds(1));
    silent(&mut world, callers);
    world.run(seconds(1));
    assert!(world.is_over(caller));
    assert_eq!(world.messages("daemon", "anna", "BYE").len(), 1);
    assert_eq!(world.messages("daemon", "carrier", "BYE").len(), 1);
    assert_eq!(world.outcome(), CallOutcome::Answered);

    let (mut world, caller, callers, annas) = conversation();
    let anna = world.party("anna");
    let leg = world.leg_of("anna");
    world.offers(anna, leg, Direction::SendOnly);
    world.run(seconds(1));
    silent(&mut world, annas);
    silent(&mut world, callers);
    world.run(seconds(50));
    assert_eq!(*world.caller(caller), Standing::Talking);
    // Taken back, and still nobody is heard.
    world.offers(anna, leg, Direction::SendRecv);
    world.run(seconds(31));
    assert!(world.is_over(caller));
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_side_that_is_heard_again_is_silent_no_more() {
    let (mut world, caller, callers, annas) = conversation();
    silent(&mut world, annas);
    world.run(seconds(1));
    world.media_says(MediaEvent::HeardAgain { media: annas });
    silent(&mut world, callers);
    world.run(seconds(40));
    assert_eq!(*world.caller(caller), Standing::Talking);
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_carrier_that_was_never_heard_is_told_of_with_what_to_do() {
    let (mut world, caller, callers, _) = conversation();
    world.media_says(MediaEvent::Silent {
        media: callers,
        ever_heard: false,
    });
    assert!(world.was_told("no audio from trunk \"no\" for 30 s: we offered 10.0.0.5, a private address. Set public_address and open UDP 16384-17383."));
    world.caller_hangs_up(caller);
    world.finish();
}

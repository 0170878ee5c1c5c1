//! Callers who give up, and phones that decline, are busy, or are gone.

use super::party::{Manner, Standing};
use super::world::*;
use crate::core::conversation::ItemKind;
use crate::core::record::CallOutcome;
use crate::core::snapshot::Strategy;
use crate::sip::message::{Message, Request};

#[test]
fn a_caller_who_gives_up_stops_every_phone_within_50_ms() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    let caller = world.call();
    world.run(seconds(5));
    let left = world.now.mono;
    world.caller_hangs_up(caller);
    world.run(seconds(1));
    for phone in ["anna", "bjorn"] {
        let cancel = world.first("daemon", phone, "CANCEL").expect("a CANCEL");
        assert!(cancel.at.since(left) <= millis(50));
        assert_eq!(cancel.message.headers().value("Reason"), None);
    }
    assert!(world.who_rings().is_empty());
    assert_eq!(world.messages("daemon", "carrier", "487").len(), 1);
    assert_eq!(world.outcome(), CallOutcome::Missed);
    assert_eq!(world.item().item, Some(ItemKind::MissedCall));
    assert_eq!(world.call_row().detail, "the caller hung up while ringing");
}

#[test]
fn a_phone_that_has_not_answered_provisionally_is_cancelled_at_its_first_provisional() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna"]));
    let anna = world.stranger("anna", "10.0.1.9:5060");
    world.register_by_hand(anna, "anna");
    let caller = world.call();
    let invite = world.gets_request(anna, "INVITE");
    world.caller_hangs_up(caller);
    world.run(millis(400));
    assert!(world.messages("daemon", "anna", "CANCEL").is_empty());
    world.sends(anna, tagged(invite.response(180), "b"));
    let cancel = world.gets_request(anna, "CANCEL");
    world.sends(anna, cancel.response(200));
    world.sends(anna, tagged(invite.response(487), "b"));
    world.gets_request(anna, "ACK");
    assert_eq!(world.outcome(), CallOutcome::Missed);
}

#[test]
fn a_phone_that_answers_while_it_is_cancelled_gets_ack_and_bye() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna"]));
    let anna = world.stranger("anna", "10.0.1.9:5060");
    world.register_by_hand(anna, "anna");
    let caller = world.call();
    let invite = world.gets_request(anna, "INVITE");
    world.sends(anna, tagged(invite.response(180), "b"));
    world.run(seconds(1));
    world.caller_hangs_up(caller);
    let sdp = sdp_text("10.0.1.9:5060".parse().unwrap());
    world.stranger_answers(anna, &invite, "b", sdp);
    let cancel = world.gets_request(anna, "CANCEL");
    world.sends(anna, cancel.response(200));
    world.gets_request(anna, "ACK");
    world.takes_bye(anna);
    assert_eq!(world.outcome(), CallOutcome::Missed);
    assert!(world.commands(bridge).is_empty());
}

fn bridge(command: &crate::media::command::MediaCommand) -> Option<()> {
    matches!(command, crate::media::command::MediaCommand::Bridge { .. }).then_some(())
}

#[test]
fn a_caller_who_cancels_while_we_answer_is_hung_up_on_by_bye() {
    for delay in 0..20 {
        let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
        world.manner("anna", Manner::Answers(seconds(1)));
        let caller = world.call();
        world.run(seconds(1) + millis(delay));
        world.caller_hangs_up(caller);
        world.finish();
        assert!(!world.is_talking("anna"), "{delay} ms");
        assert!(world.is_over(caller));
    }
}

#[test]
fn a_user_who_declines_is_asked_on_no_other_phone_and_others_go_on() {
    for status in [603, 600] {
        let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
        world.register("anna");
        world.manner("anna", Manner::Rejects(status, seconds(2)));
        let caller = world.call();
        world.run(seconds(3));
        assert_eq!(world.who_rings(), ["bjorn"], "{status}");
        let cancel = world.first("daemon", "anna-2", "CANCEL").expect("a CANCEL");
        let reason = cancel.message.headers().value("Reason").unwrap_or_default();
        assert!(reason.contains("603"), "{reason}");
        world.caller_hangs_up(caller);
        assert_eq!(world.outcome(), CallOutcome::Missed);
    }
}

#[test]
fn a_busy_phone_ends_itself_only() {
    for status in [486, 480, 408, 404, 503, 302] {
        let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
        world.register("anna");
        world.manner("anna", Manner::Rejects(status, seconds(2)));
        let caller = world.call();
        world.run(seconds(3));
        assert_eq!(world.who_rings(), ["bjorn", "anna-2"], "{status}");
        assert_eq!(*world.caller(caller), Standing::Ringing);
        world.caller_hangs_up(caller);
        assert_eq!(world.outcome(), CallOutcome::Missed);
    }
}

#[test]
fn a_redirect_is_never_followed() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna"]));
    let anna = world.stranger("anna", "10.0.1.9:5060");
    let trap = world.stranger("trap", "203.0.113.66:5060");
    world.register_by_hand(anna, "anna");
    let caller = world.call();
    let invite = world.gets_request(anna, "INVITE");
    let moved = invite
        .response(302)
        .with_header("Contact", "<sip:expensive@203.0.113.66>");
    world.sends(anna, tagged(moved, "b"));
    world.gets_request(anna, "ACK");
    world.run(seconds(1));
    assert!(world.parties[trap].inbox.as_ref().unwrap().is_empty());
    assert_eq!(*world.caller(caller), Standing::Talking, "the voicemail");
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn all_decline_and_the_caller_comes_to_voicemail() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.manner("anna", Manner::Rejects(603, seconds(2)));
    world.manner("bjorn", Manner::Rejects(486, seconds(3)));
    world.call();
    world.run(seconds(4));
    assert_eq!(world.prepared.len(), 1);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn a_phone_that_is_gone_is_unreachable_after_4_s_and_the_next_rings() {
    let mut world = World::with_phones(Strategy::Sequential, &["anna", "bjorn"]);
    world.unplug("anna");
    let caller = world.call();
    world.run(millis(3_900));
    assert!(world.who_rings().is_empty());
    world.run(millis(300));
    assert_eq!(world.who_rings(), ["bjorn"]);
    assert!(world.was_told("unreachable"));
    world.answer("bjorn");
    world.run(seconds(60));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn two_phones_that_vanish_at_once_do_not_ring_a_third_twice() {
    // Both are given up at the same instant, and each makes room for one more.
    let mut snapshot = ringing(Strategy::RingAll, &["anna", "bjorn", "carl", "dora"]);
    let mut channel = snapshot.channels[0].clone();
    channel.working_hours.steps[0].max_ringing = 2;
    snapshot.channels = vec![channel].into();
    let mut world = World::new(snapshot);
    for user in ["anna", "bjorn", "carl", "dora"] {
        world.register(user);
    }
    world.unplug("anna");
    world.unplug("bjorn");
    let caller = world.call();
    world.run(seconds(5));
    assert_eq!(world.who_rings(), ["carl", "dora"]);
    assert_eq!(world.messages("daemon", "carl", "INVITE").len(), 1);
    world.answer("carl");
    world.run(seconds(1));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_phone_that_answers_late_after_it_was_given_up_is_hung_up() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.unplug("anna");
    world.manner("anna", Manner::Answers(seconds(0)));
    let caller = world.call();
    world.run(seconds(5));
    world.plug_in("anna");
    world.run(seconds(5));
    assert!(!world.is_talking("anna"));
    assert_eq!(world.who_rings(), ["bjorn"]);
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Missed);
}

#[test]
fn a_phone_that_answers_and_vanishes_leaves_no_call_behind() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.manner("anna", Manner::Answers(seconds(1)));
    let caller = world.call();
    world.run(seconds(2));
    world.unplug("anna");
    world.run(seconds(20));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_caller_who_vanishes_while_phones_ring_leaves_no_phone_ringing_for_ever() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.call();
    world.run(seconds(3));
    world.unplug("carrier");
    world.run(seconds(30));
    assert!(world.who_rings().is_empty());
    // The voicemail answers, and its 200 is never acknowledged.
    world.finish();
    assert!(world.call_row().outcome.is_some());
}

#[test]
fn an_ack_that_never_arrives_ends_the_call_after_64_times_t1() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.manner("anna", Manner::Answers(seconds(1)));
    world.drop_if(|from, _, message| {
        from == "carrier" && matches!(message, Message::Request(Request { method, .. }) if method.as_str() == "ACK")
    });
    let caller = world.call();
    world.run(seconds(30));
    assert!(world.is_talking("anna"));
    world.run(seconds(5));
    assert!(!world.is_talking("anna"), "33 s after the answer");
    assert!(!world.messages("daemon", "carrier", "BYE").is_empty());
    world.drop_nothing();
    world.finish();
    assert!(world.is_over(caller));
}

#[test]
fn a_port_that_another_program_took_costs_no_leak() {
    for taken in [1, 2] {
        let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
        world.ports_taken = taken;
        world.call();
        world.finish();
        assert!(world.was_told("audio on UDP port"), "{taken}");
    }
}

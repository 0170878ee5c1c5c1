//! Offers inside a dialog.

use std::time::Duration;

use super::peer::{PeerDialog, accept, reply};
use super::steps::{answered, answers_in_the_ack, called, part};
use super::world::{ANNA, BJORN, World, is_request, leg, offer};
use crate::sip::message::{Method, Request};
use crate::sip::user_agent::{Body, EndReason, Event};

fn offers(world: &mut World, end: usize, number: u128) {
    world.command(end, "offers", |agent, now| {
        agent.offer(leg(number), offer(), now);
    });
}

fn answers(world: &mut World, end: usize, number: u128, result: Result<Body, u16>) {
    world.command(end, "answers the offer", |agent, now| {
        agent.answer_offer(leg(number), result, now);
    });
}

fn with_offer(dialog: &mut PeerDialog, method: Method) -> Request {
    dialog
        .request(method)
        .with_body("application/sdp", "v=0 again")
}

/// The peer offers, as Anna hears.
fn peer_offers(world: &mut World, dialog: &mut PeerDialog, method: Method) {
    world.peer_sends(ANNA, with_offer(dialog, method));
    world.wait(ANNA, "Offered");
}

#[test]
fn an_offer_is_answered() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    offers(&mut world, BJORN, 2);
    let event = world.next(ANNA);
    let Event::Offered { body, method, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!((body, method), (Some(offer()), Method::Invite));
    answers(&mut world, ANNA, 1, Ok(Body::sdp("v=0 fine")));
    let event = world.next(BJORN);
    let Event::OfferAnswered { body, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(body, Some(Body::sdp("v=0 fine")));
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::Acknowledged { body: None, .. }),
        "{event:?}"
    );
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn an_offer_that_is_refused_leaves_the_session_as_it_was() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    offers(&mut world, ANNA, 1);
    world.wait(BJORN, "Offered");
    answers(&mut world, BJORN, 2, Err(488));
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::OfferRejected { status: 488, .. }),
        "{event:?}"
    );
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn offers_that_cross_are_refused_on_both_sides_and_come_again_one_after_the_other() {
    for seed in 0..20 {
        let mut world = World::seeded(seed);
        world.establish(leg(1), leg(2));
        offers(&mut world, ANNA, 1);
        offers(&mut world, BJORN, 2);
        let begin = world.now;
        world.wait(ANNA, "Offered");
        let waited = world.now.since(begin);
        assert!(waited <= Duration::from_millis(2100), "{waited:?}");
        assert_eq!(world.count("anna", "491 (2 INVITE)"), 1);
        assert_eq!(world.count("bjorn", "491 (1 INVITE)"), 1);
        answers(&mut world, ANNA, 1, Ok(offer()));
        world.wait(BJORN, "Offered");
        let waited = world.now.since(begin);
        assert!(waited >= Duration::from_millis(2100), "{waited:?}");
        answers(&mut world, BJORN, 2, Ok(offer()));
        world.wait(ANNA, "OfferAnswered");
        world.hang_up(ANNA, leg(1));
        world.finish();
    }
}

#[test]
fn an_offer_that_is_refused_with_491_for_ever_is_given_up() {
    let mut world = World::new();
    let dialog = answered(&mut world);
    offers(&mut world, ANNA, 1);
    for _ in 0..10 {
        let invite = world.peer_gets_request("INVITE");
        world.peer_sends(ANNA, reply(&invite, 491, "p"));
    }
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::OfferRejected { status: 491, .. }),
        "{event:?}"
    );
    part(world, dialog);
}

#[test]
fn a_second_offer_waits_until_the_first_is_answered() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    offers(&mut world, ANNA, 1);
    offers(&mut world, ANNA, 1);
    for _ in 0..2 {
        world.wait(BJORN, "Offered");
        answers(&mut world, BJORN, 2, Ok(offer()));
        world.wait(ANNA, "OfferAnswered");
    }
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn an_offer_right_after_the_answer_waits_for_the_ack() {
    let mut world = World::new();
    world.drop_if(|_, message| is_request(message, "ACK"));
    world.invite(ANNA, leg(1), BJORN);
    world.take_call(BJORN, leg(2));
    world.answer(BJORN, leg(2));
    offers(&mut world, BJORN, 2);
    world.run(Duration::from_secs(5));
    assert_eq!(world.count("anna", "INVITE (1 INVITE)"), 0);
    world.drop_nothing();
    world.wait(BJORN, "Acknowledged");
    world.wait(ANNA, "Offered");
    answers(&mut world, ANNA, 1, Ok(offer()));
    world.wait(BJORN, "OfferAnswered");
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn an_ack_of_another_invite_acknowledges_nothing() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    peer_offers(&mut world, &mut dialog, Method::Invite);
    answers(&mut world, ANNA, 1, Ok(offer()));
    world.peer_sends(ANNA, dialog.ack(1));
    world.run(Duration::from_secs(2));
    assert!(world.heard(ANNA).is_empty());
    world.peer_sends(ANNA, dialog.ack(2));
    let event = world.next(ANNA);
    assert!(matches!(event, Event::Acknowledged { .. }), "{event:?}");
    part(world, dialog);
}

/// The peer offers with another Contact than it began with.
fn peer_offers_from_elsewhere(world: &mut World, dialog: &mut PeerDialog) {
    let mut reinvite = with_offer(dialog, Method::Invite);
    reinvite
        .headers
        .replace("Contact", "<sip:second@10.0.0.3:5060>");
    world.peer_sends(ANNA, reinvite);
    world.wait(ANNA, "Offered");
}

#[test]
fn an_offer_and_its_answer_each_move_the_target() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    peer_offers_from_elsewhere(&mut world, &mut dialog);
    answers(&mut world, ANNA, 1, Ok(offer()));
    world.peer_sends(ANNA, dialog.ack(2));
    world.next(ANNA);
    offers(&mut world, ANNA, 1);
    let ours = world.peer_gets_request("INVITE");
    assert_eq!(ours.uri.as_str(), "sip:second@10.0.0.3:5060");
    let mut ok = accept(&ours, "p");
    ok.headers.replace("Contact", "<sip:third@10.0.0.3:5060>");
    world.peer_sends(ANNA, ok);
    let ack = world.peer_gets_request("ACK");
    assert_eq!(ack.uri.as_str(), "sip:third@10.0.0.3:5060");
    world.next(ANNA);
    part(world, dialog);
}

#[test]
fn an_offer_that_is_refused_does_not_move_the_target() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    peer_offers_from_elsewhere(&mut world, &mut dialog);
    answers(&mut world, ANNA, 1, Err(488));
    world.peer_gets_response(488, "INVITE");
    world.hang_up(ANNA, leg(1));
    let bye = world.peer_takes_bye();
    assert_eq!(bye.uri.as_str(), "sip:peer@10.0.0.3:5060");
    world.finish();
}

#[test]
fn a_reinvite_without_an_offer_gets_ours_and_answers_in_the_ack() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    world.peer_sends(ANNA, dialog.request(Method::Invite));
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::Offered { body: None, .. }),
        "{event:?}"
    );
    answers(&mut world, ANNA, 1, Ok(offer()));
    let ok = world.peer_gets_response(200, "INVITE");
    assert_eq!(ok.body, offer().bytes);
    let crossing = with_offer(&mut dialog, Method::Update);
    world.peer_sends(ANNA, crossing);
    world.peer_gets_response(491, "UPDATE");
    let body = answers_in_the_ack(&mut world, &dialog, 2, "v=0 in ack");
    assert_eq!(body, Some(Body::sdp("v=0 in ack")));
    part(world, dialog);
}

#[test]
fn a_reinvite_that_is_never_acknowledged_ends_the_call() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    peer_offers(&mut world, &mut dialog, Method::Invite);
    answers(&mut world, ANNA, 1, Ok(offer()));
    assert_eq!(world.end_of_leg(ANNA), EndReason::NoAck);
    assert!(world.count("peer", "200 (2 INVITE)") > 8);
    world.peer_takes_bye();
    world.finish();
}

#[test]
fn update_offers_and_is_answered_in_its_200() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    world.peer_sends(ANNA, with_offer(&mut dialog, Method::Update));
    let event = world.next(ANNA);
    assert!(
        matches!(
            event,
            Event::Offered {
                method: Method::Update,
                body: Some(_),
                ..
            }
        ),
        "{event:?}"
    );
    answers(&mut world, ANNA, 1, Ok(offer()));
    let ok = world.peer_gets_response(200, "UPDATE");
    assert_eq!(ok.body, offer().bytes);
    assert!(ok.headers.contains("Contact"));
    world.run(Duration::from_secs(40));
    assert_eq!(world.count("peer", "200 (2 UPDATE)"), 1);
    part(world, dialog);
}

#[test]
fn an_offer_while_another_waits_for_our_answer_gets_500_and_may_come_again() {
    for method in [Method::Invite, Method::Update] {
        let mut world = World::new();
        let mut dialog = answered(&mut world);
        peer_offers(&mut world, &mut dialog, Method::Update);
        world.peer_sends(ANNA, with_offer(&mut dialog, method.clone()));
        let later = world.peer_gets_response(500, method.as_str());
        assert!(later.headers.retry_after().unwrap() <= 10);
        answers(&mut world, ANNA, 1, Ok(offer()));
        world.peer_gets_response(200, "UPDATE");
        part(world, dialog);
    }
}

#[test]
fn an_offer_while_ours_waits_gets_491() {
    for method in [Method::Invite, Method::Update] {
        let mut world = World::new();
        let mut dialog = answered(&mut world);
        offers(&mut world, ANNA, 1);
        let ours = world.peer_gets_request("INVITE");
        world.peer_sends(ANNA, with_offer(&mut dialog, method.clone()));
        world.peer_gets_response(491, method.as_str());
        world.peer_sends(ANNA, dialog.request(Method::Update));
        world.peer_gets_response(200, "UPDATE");
        world.peer_sends(ANNA, accept(&ours, "p"));
        world.wait(ANNA, "OfferAnswered");
        part(world, dialog);
    }
}

#[test]
fn a_new_offer_before_the_ack_proves_that_our_answer_came() {
    let mut world = World::new();
    let mut dialog = called(&mut world);
    world.answer(ANNA, leg(1));
    let ok = world.peer_gets_response(200, "INVITE");
    dialog.learn(&ok);
    world.peer_sends(ANNA, with_offer(&mut dialog, Method::Invite));
    assert!(matches!(world.next(ANNA), Event::Acknowledged { .. }));
    world.wait(ANNA, "Offered");
    world.peer_sends(ANNA, dialog.ack(1));
    answers(&mut world, ANNA, 1, Ok(offer()));
    world.peer_gets_response(200, "INVITE");
    world.peer_sends(ANNA, dialog.ack(2));
    assert!(matches!(world.next(ANNA), Event::Acknowledged { .. }));
    assert!(world.heard(ANNA).is_empty());
    part(world, dialog);
}

#[test]
fn offers_before_our_answer_may_come_later() {
    let mut world = World::new();
    let mut dialog = called(&mut world);
    world.provisional(ANNA, leg(1));
    let ringing = world.peer_gets_response(180, "INVITE");
    dialog.learn(&ringing);
    for method in [Method::Invite, Method::Update] {
        world.peer_sends(ANNA, with_offer(&mut dialog, method.clone()));
        let later = world.peer_gets_response(500, method.as_str());
        assert!(later.headers.contains("Retry-After"));
    }
    world.peer_sends(ANNA, dialog.request(Method::Update));
    world.peer_gets_response(200, "UPDATE");
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(200, "BYE");
    world.finish();
}

#[test]
fn a_reinvite_that_is_cancelled_leaves_the_session_as_it_was() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    let reinvite = with_offer(&mut dialog, Method::Invite);
    let via = reinvite.headers.value("Via").unwrap().to_owned();
    world.peer_sends(ANNA, reinvite);
    world.wait(ANNA, "Offered");
    let mut cancel = dialog.request_of(Method::Cancel, 2);
    cancel.headers.replace("Via", via);
    world.peer_sends(ANNA, cancel);
    world.peer_gets_response(200, "CANCEL");
    answers(&mut world, ANNA, 1, Ok(offer()));
    world.run(Duration::from_secs(1));
    assert_eq!(world.count("peer", "200 (2 INVITE)"), 0);
    assert!(world.count("peer", "487 (2 INVITE)") > 0);
    peer_offers(&mut world, &mut dialog, Method::Update);
    answers(&mut world, ANNA, 1, Ok(offer()));
    part(world, dialog);
}

#[test]
fn a_reinvite_that_the_other_side_no_longer_knows_ends_the_call() {
    for status in [481, 408] {
        let mut world = World::new();
        answered(&mut world);
        offers(&mut world, ANNA, 1);
        let invite = world.peer_gets_request("INVITE");
        world.peer_sends(ANNA, reply(&invite, status, "p"));
        assert_eq!(world.end_of_leg(ANNA), EndReason::Failed { status });
        let bye = world.peer_gets_request("BYE");
        world.peer_sends(ANNA, reply(&bye, 481, "p"));
        world.finish();
    }
}

#[test]
fn a_reinvite_that_nobody_answers_ends_the_call() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.drop_if(|_, message| is_request(message, "INVITE"));
    offers(&mut world, ANNA, 1);
    assert_eq!(world.end_of_leg(ANNA), EndReason::Failed { status: 408 });
    world.finish();
}

#[test]
fn hanging_up_during_an_offer_of_ours_drops_it() {
    for answer in [200, 487, 0] {
        let mut world = World::new();
        answered(&mut world);
        offers(&mut world, ANNA, 1);
        let invite = world.peer_gets_request("INVITE");
        world.peer_sends(ANNA, reply(&invite, 100, "p"));
        world.run(Duration::from_millis(100));
        world.hang_up(ANNA, leg(1));
        let bye = world.peer_gets_request("BYE");
        if answer > 0 {
            world.peer_sends(ANNA, reply(&invite, answer, "p"));
            world.peer_gets_request("ACK");
            world.peer_sends(ANNA, reply(&bye, 200, "p"));
        }
        world.finish();
    }
}

#[test]
fn hanging_up_during_an_offer_of_theirs_answers_it_with_487() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    peer_offers(&mut world, &mut dialog, Method::Invite);
    world.hang_up(ANNA, leg(1));
    world.peer_takes_bye();
    assert!(world.count("peer", "487 (2 INVITE)") > 0);
    world.finish();
}

#[test]
fn bye_during_an_offer_of_theirs_answers_it_with_487() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    peer_offers(&mut world, &mut dialog, Method::Invite);
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(200, "BYE");
    assert!(world.count("peer", "487 (2 INVITE)") > 0);
    world.finish();
}

#[test]
fn the_answer_to_our_offer_that_comes_again_gets_its_ack_again() {
    let mut world = World::new();
    let dialog = answered(&mut world);
    offers(&mut world, ANNA, 1);
    let invite = world.peer_gets_request("INVITE");
    for _ in 0..3 {
        world.peer_sends(ANNA, accept(&invite, "p"));
        world.peer_gets_request("ACK");
    }
    let answered = world.heard(ANNA);
    assert_eq!(answered.len(), 1, "{answered:?}");
    part(world, dialog);
}

#[test]
fn an_offer_of_a_type_we_do_not_know_is_refused() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    let invite = dialog
        .request(Method::Invite)
        .with_body("multipart/mixed;boundary=b", "--b\r\n\r\nhello\r\n--b--");
    world.peer_sends(ANNA, invite);
    let response = world.peer_gets_response(415, "INVITE");
    assert_eq!(response.headers.value("Accept"), Some("application/sdp"));
    part(world, dialog);
}

//! What happens inside a dialog, and how it ends.

use std::time::Duration;

use super::peer::{PEER, accept, reply};
use super::steps::{answered, part};
use super::world::{ANNA, BJORN, World, is_request, is_response, leg};
use crate::sip::message::{Message, Method};
use crate::sip::user_agent::{EndReason, Event};

fn ping(world: &mut World, end: usize, number: u128) {
    world.command(end, "pings", |agent, now| agent.ping(leg(number), now));
}

#[test]
fn bye_crossing_bye_ends_both_sides_once() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.hang_up(ANNA, leg(1));
    world.hang_up(BJORN, leg(2));
    world.finish();
    assert_eq!(world.count("anna", "200 (2 BYE)"), 1);
    assert_eq!(world.count("bjorn", "200 (1 BYE)"), 1);
}

#[test]
fn a_phone_that_vanishes_is_forgotten_after_bye_goes_unanswered() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.drop_if(|from, _| from == "bjorn");
    world.hang_up(ANNA, leg(1));
    world.hang_up(BJORN, leg(2));
    world.finish();
}

#[test]
fn bye_before_the_ack_ends_the_call() {
    let mut world = World::new();
    world.drop_if(|_, message| is_request(message, "ACK"));
    world.invite(ANNA, leg(1), BJORN);
    world.take_call(BJORN, leg(2));
    world.answer(BJORN, leg(2));
    world.wait(ANNA, "Answered");
    world.hang_up(ANNA, leg(1));
    let why = world.end_of_leg(BJORN);
    assert!(matches!(why, EndReason::HungUpThere { .. }), "{why:?}");
    world.finish();
}

#[test]
fn a_request_of_an_unknown_dialog_gets_481() {
    let mut world = World::new();
    let dialog = answered(&mut world);
    let mut strange = dialog.clone();
    strange.cseq = 10;
    strange.remote = "<sip:main-line@ringdesk.example>;tag=nobody".to_owned();
    for method in [
        Method::Bye,
        Method::Invite,
        Method::Update,
        Method::Options,
        Method::Info,
    ] {
        world.peer_sends(ANNA, strange.request(method.clone()));
        world.peer_gets_response(481, method.as_str());
    }
    let mut other_call = dialog.clone();
    other_call.cseq = 20;
    other_call.call_id = "another-call".to_owned();
    world.peer_sends(ANNA, other_call.request(Method::Bye));
    world.peer_gets_response(481, "BYE");
    let mut other_tag = dialog.clone();
    other_tag.cseq = 30;
    other_tag.local = "<sip:peer@10.0.0.3>;tag=another".to_owned();
    world.peer_sends(ANNA, other_tag.request(Method::Bye));
    world.peer_gets_response(481, "BYE");
    part(world, dialog);
}

#[test]
fn a_request_that_belongs_into_a_dialog_and_names_none_gets_481() {
    let mut world = World::new();
    let mut dialog = super::peer::PeerDialog::calling(ANNA);
    for method in [Method::Bye, Method::Update, Method::Info] {
        world.peer_sends(ANNA, dialog.request(method.clone()));
        let response = world.peer_gets_response(481, method.as_str());
        assert!(response.headers.to_tag().is_some());
    }
    world.finish();
}

#[test]
fn a_lower_cseq_gets_500() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    dialog.cseq = 7;
    world.peer_sends(ANNA, dialog.request(Method::Options));
    world.peer_gets_response(200, "OPTIONS");
    world.peer_sends(ANNA, dialog.request_of(Method::Info, 6));
    world.peer_gets_response(500, "INFO");
    part(world, dialog);
}

#[test]
fn requests_inside_the_dialog_are_answered_by_method() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    for (method, status) in [
        (Method::Options, 200),
        (Method::Info, 200),
        (Method::Update, 200),
        (Method::Refer, 405),
        (Method::Prack, 405),
        (Method::Message, 405),
        (Method::Subscribe, 489),
        (Method::Notify, 489),
        (Method::Publish, 489),
        (Method::Register, 481),
        (Method::Other("DANCE".into()), 501),
    ] {
        world.peer_sends(ANNA, dialog.request(method.clone()));
        let response = world.peer_gets_response(status, method.as_str());
        let says_allow = response.headers.contains("Allow");
        assert!(says_allow || !matches!(status, 405 | 501), "{method}");
    }
    let info = dialog
        .request(Method::Info)
        .with_body("application/dtmf-relay", "Signal=1");
    world.peer_sends(ANNA, info);
    let response = world.peer_gets_response(415, "INFO");
    assert!(response.headers.contains("Accept"));
    let info = dialog
        .request(Method::Info)
        .with_header("Info-Package", "x");
    world.peer_sends(ANNA, info);
    let response = world.peer_gets_response(469, "INFO");
    assert!(response.headers.contains("Recv-Info"));
    let options = dialog
        .request(Method::Options)
        .with_header("Require", "100rel");
    world.peer_sends(ANNA, options);
    let response = world.peer_gets_response(420, "OPTIONS");
    assert_eq!(response.headers.value("Unsupported"), Some("100rel"));
    assert!(world.heard(ANNA).is_empty());
    part(world, dialog);
}

#[test]
fn a_ping_tells_whether_the_other_side_still_has_the_dialog() {
    for (status, expected) in [(200, true), (404, true), (481, false), (408, false)] {
        let mut world = World::new();
        let dialog = answered(&mut world);
        ping(&mut world, ANNA, 1);
        ping(&mut world, ANNA, 1);
        let options = world.peer_gets_request("OPTIONS");
        world.peer_sends(ANNA, reply(&options, status, "p"));
        let event = world.next(ANNA);
        assert!(
            matches!(event, Event::Pinged { alive, .. } if alive == expected),
            "{status}: {event:?}"
        );
        assert_eq!(world.peer_inbox(), [""; 0]);
        part(world, dialog);
    }
}

#[test]
fn a_ping_that_nobody_answers_says_so() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.drop_if(|_, message| is_request(message, "OPTIONS"));
    ping(&mut world, ANNA, 1);
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::Pinged { alive: false, .. }),
        "{event:?}"
    );
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn a_refreshed_target_is_where_the_next_request_goes() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    let mut update = dialog.request(Method::Update);
    update
        .headers
        .replace("Contact", "<sip:moved@10.0.0.3:5060;x=y>");
    world.peer_sends(ANNA, update);
    world.peer_gets_response(200, "UPDATE");
    world.hang_up(ANNA, leg(1));
    let bye = world.peer_takes_bye();
    assert_eq!(bye.uri.as_str(), "sip:moved@10.0.0.3:5060;x=y");
    world.finish();
}

#[test]
fn requests_that_cross_our_bye_get_481_and_bye_gets_200() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    world.hang_up(ANNA, leg(1));
    let bye = world.peer_gets_request("BYE");
    for (method, status) in [
        (Method::Invite, 481),
        (Method::Update, 481),
        (Method::Bye, 200),
    ] {
        world.peer_sends(ANNA, dialog.request(method.clone()));
        world.peer_gets_response(status, method.as_str());
    }
    world.peer_sends(ANNA, reply(&bye, 481, "p"));
    world.finish();
}

#[test]
fn hanging_up_twice_says_bye_once() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.hang_up(ANNA, leg(1));
    world.hang_up(ANNA, leg(1));
    world.finish();
    world.hang_up(ANNA, leg(1));
    assert_eq!(world.count("bjorn", "BYE (2 BYE)"), 1);
}

#[test]
fn a_connection_that_closes_is_opened_again_to_the_port_that_contact_names() {
    let mut world = World::new();
    world.protocol = crate::core::snapshot::Protocol::Tcp;
    world.establish(leg(1), leg(2));
    let flow = world.flow(BJORN, ANNA);
    world.command(BJORN, "loses its connection", |agent, now| {
        agent.handle_transport_error(flow, now);
    });
    let now_over = world.agent(BJORN).leg_flow(leg(2)).unwrap();
    assert_eq!(now_over.connection, None);
    assert_eq!(now_over.remote, flow.remote);
    world.hang_up(BJORN, leg(2));
    world.finish();
}

#[test]
fn a_late_bye_of_an_ended_call_gets_481() {
    let mut world = World::new();
    let mut dialog = answered(&mut world);
    world.hang_up(ANNA, leg(1));
    world.peer_takes_bye();
    world.run(Duration::from_secs(1));
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(481, "BYE");
    world.finish();
}

#[test]
fn a_bye_that_is_lost_is_sent_again() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    let mut lost = 0;
    world.drop_if(move |_, message: &Message| {
        let is_hit = is_request(message, "BYE") || is_response(message, 200, "BYE");
        lost += u32::from(is_hit);
        is_hit && lost <= 5
    });
    world.hang_up(ANNA, leg(1));
    world.finish();
    assert!(world.count("bjorn", "BYE (2 BYE)") > 1);
}

#[test]
fn the_peer_that_answers_and_vanishes_is_left_after_bye() {
    let mut world = World::new();
    let invite = world.call_peer();
    world.peer_answers(&invite, "p");
    world.hang_up(ANNA, leg(1));
    world.finish();
    assert!(world.count("peer", "BYE (2 BYE)") > 5);
}

#[test]
fn requests_follow_the_other_side_to_its_new_connection() {
    let mut world = World::new();
    world.protocol = crate::core::snapshot::Protocol::Tcp;
    world.establish(leg(1), leg(2));
    let old = world.flow(BJORN, ANNA);
    let new = crate::sip::flow::Flow {
        connection: Some(crate::sip::flow::ConnectionId(2)),
        ..old
    };
    world.command(BJORN, "loses its connection", |agent, now| {
        agent.handle_transport_error(old, now);
    });
    world.connection = 2;
    ping(&mut world, ANNA, 1);
    world.next(ANNA);
    assert_eq!(world.agent(BJORN).leg_flow(leg(2)), Some(new));
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn what_was_not_read_when_a_leg_is_hung_up_is_never_told() {
    let mut world = World::new();
    let invite = world.call_peer();
    let flow = world.flow(ANNA, PEER);
    world.command(ANNA, "hangs up as the answer comes", |agent, now| {
        agent.handle_message(accept(&invite, "p").into(), flow, now);
        agent.hang_up(leg(1), None, now);
    });
    let event = world.next(ANNA);
    assert!(matches!(event, Event::Ended { .. }), "{event:?}");
    world.peer_takes_bye();
    world.finish();
}

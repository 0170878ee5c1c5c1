//! Calls that come to us.

use std::time::Duration;

use super::peer::{PEER, PeerDialog};
use super::steps::{answers_in_the_ack, called, part};
use super::world::{ANNA, BJORN, World, answer, is_request, leg, offer};
use crate::core::snapshot::Protocol;
use crate::sip::message::{Method, Request};
use crate::sip::user_agent::{Body, EndReason, Event, OutgoingInvite};

#[test]
fn the_answer_says_all_that_an_answer_must() {
    let mut world = World::new();
    let mut dialog = PeerDialog::calling(ANNA);
    let invite = dialog
        .invite()
        .with_header(
            "Record-Route",
            "<sip:near.example;lr>, <sip:far.example;lr>",
        )
        .with_header("record-route", "<sip:farthest.example;lr>");
    world.peer_sends(ANNA, invite);
    world.take_call(ANNA, leg(1));
    world.peer_gets_response(100, "INVITE");
    world.provisional(ANNA, leg(1));
    let ringing = world.peer_gets_response(180, "INVITE");
    assert!(ringing.body.is_empty());
    world.answer(ANNA, leg(1));
    let ok = world.peer_gets_response(200, "INVITE");
    assert_eq!(ok.headers.to_tag(), ringing.headers.to_tag());
    assert!(ok.headers.to_tag().is_some());
    for response in [&ringing, &ok] {
        let routes: Vec<&str> = response.headers.list("Record-Route").collect();
        assert_eq!(
            routes,
            [
                "<sip:near.example;lr>",
                "<sip:far.example;lr>",
                "<sip:farthest.example;lr>"
            ]
        );
        assert_eq!(
            response.headers.value("Contact"),
            Some("<sip:anna@10.0.0.1:5060>")
        );
    }
    assert!(ok.headers.value("Allow").unwrap().contains("UPDATE"));
    assert!(ok.headers.contains("Supported"));
    assert_eq!(ok.headers.value("Server"), Some("ringdesk"));
    assert_eq!(ok.headers.value("Content-Type"), Some("application/sdp"));
    assert_eq!(ok.body, answer().bytes);
    dialog.learn(&ok);
    world.peer_sends(ANNA, dialog.ack(1));
    part(world, dialog);
}

#[test]
fn the_offer_is_reported_with_the_call() {
    let mut world = World::new();
    let mut dialog = PeerDialog::calling(ANNA);
    let parts = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0 part\r\n--b\r\n\
        Content-Type: application/isup\r\n\r\nx\r\n--b--";
    let invite = dialog
        .request(Method::Invite)
        .with_body("multipart/mixed;boundary=b", parts);
    world.peer_sends(ANNA, invite);
    let event = world.next(ANNA);
    let Event::Incoming {
        key,
        offer,
        request,
        flow,
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(offer, Some(Body::sdp("v=0 part")));
    assert_eq!(request.headers.value("Call-ID"), Some("peer-call"));
    assert_eq!(flow, world.flow(ANNA, PEER));
    let headers = [("Retry-After".to_owned(), "5".to_owned())];
    world.command(ANNA, "refuses", |agent, now| {
        agent.refuse(key, 480, &headers, now);
    });
    let refusal = world.peer_gets_response(480, "INVITE");
    assert_eq!(refusal.headers.value("Retry-After"), Some("5"));
    assert!(refusal.headers.to_tag().is_some());
    assert!(!refusal.headers.contains("Contact"));
    dialog.learn(&refusal);
    let mut ack = dialog.ack(1);
    ack.headers.replace(
        "Via",
        "SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bK-peer-call-1-INVITE;rport",
    );
    world.peer_sends(ANNA, ack);
    world.finish();
}

#[test]
fn the_answer_is_sent_again_until_its_ack_comes() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut world = World::new();
        world.protocol = protocol;
        let mut dialog = called(&mut world);
        world.answer(ANNA, leg(1));
        world.run(Duration::from_millis(7900));
        // At 0, 0.5, 1.5, 3.5 and 7.5 s; then every 4 s.
        assert_eq!(world.count("peer", "200 (1 INVITE)"), 5);
        world.run(Duration::from_secs(8));
        assert_eq!(world.count("peer", "200 (1 INVITE)"), 7);
        let ok = world.peer_gets_response(200, "INVITE");
        let again = world.peer_gets_response(200, "INVITE");
        assert_eq!(ok, again);
        dialog.learn(&ok);
        world.peer_sends(ANNA, dialog.ack(1));
        let event = world.next(ANNA);
        assert!(
            matches!(event, Event::Acknowledged { body: None, .. }),
            "{event:?}"
        );
        world.peer_sends(ANNA, dialog.ack(1));
        world.run(Duration::from_secs(60));
        assert_eq!(world.count("peer", "200 (1 INVITE)"), 7);
        assert!(world.heard(ANNA).is_empty());
        part(world, dialog);
    }
}

#[test]
fn an_ack_that_never_comes_ends_the_call_with_bye() {
    let mut world = World::new();
    called(&mut world);
    let begin = world.now;
    world.answer(ANNA, leg(1));
    assert_eq!(world.end_of_leg(ANNA), EndReason::NoAck);
    assert_eq!(world.now.since(begin), Duration::from_secs(32));
    world.peer_takes_bye();
    world.finish();
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut world = World::new();
    let mut dialog = called(&mut world);
    world.answer(ANNA, leg(1));
    world.hang_up(ANNA, leg(1));
    assert_eq!(world.end_of_leg(ANNA), EndReason::HungUpHere);
    world.run(Duration::from_secs(3));
    assert_eq!(world.count("peer", "BYE (1 BYE)"), 0);
    let ok = world.peer_gets_response(200, "INVITE");
    dialog.learn(&ok);
    let reinvite = dialog.request(Method::Invite);
    world.peer_sends(ANNA, reinvite);
    world.peer_gets_response(481, "INVITE");
    world.peer_sends(ANNA, dialog.ack(1));
    let bye = world.peer_takes_bye();
    assert_eq!(bye.headers.value("To"), Some(dialog.local.as_str()));
    assert_eq!(bye.headers.value("From"), Some(dialog.remote.as_str()));
    world.finish();
}

#[test]
fn hanging_up_before_an_ack_that_never_comes_says_bye_all_the_same() {
    let mut world = World::new();
    called(&mut world);
    world.answer(ANNA, leg(1));
    world.command(ANNA, "hangs up", |agent, now| {
        agent.hang_up(leg(1), Some("Q.850;cause=16"), now);
    });
    let bye = world.peer_takes_bye();
    assert_eq!(bye.headers.value("Reason"), Some("Q.850;cause=16"));
    world.finish();
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_answers_in_the_ack() {
    let mut world = World::new();
    let mut dialog = PeerDialog::calling(ANNA);
    world.peer_sends(ANNA, dialog.request(Method::Invite));
    let Event::Incoming {
        key, offer: None, ..
    } = world.next(ANNA)
    else {
        panic!()
    };
    world.accept(ANNA, key, leg(1));
    world.command(ANNA, "answers", |agent, now| {
        agent.answer(leg(1), &[], &offer(), now);
    });
    let ok = world.peer_gets_response(200, "INVITE");
    assert_eq!(ok.body, offer().bytes);
    dialog.learn(&ok);
    let body = answers_in_the_ack(&mut world, &dialog, 1, "v=0 in ack");
    assert_eq!(body, Some(Body::sdp("v=0 in ack")));
    part(world, dialog);
}

#[test]
fn an_invite_of_ours_may_be_without_an_offer() {
    let mut world = World::new();
    let invite = OutgoingInvite {
        body: None,
        ..world.outgoing(ANNA, BJORN)
    };
    world.invite_with(ANNA, leg(1), invite);
    let invite = world.take_call(BJORN, leg(2));
    assert!(!invite.headers.contains("Content-Type"));
    world.answer(BJORN, leg(2));
    let event = world.wait(BJORN, "Acknowledged");
    assert!(
        matches!(event, Event::Acknowledged { body: None, .. }),
        "{event:?}"
    );
    world.hang_up(BJORN, leg(2));
    world.finish();
}

#[test]
fn the_caller_gives_up_while_we_ring() {
    let mut world = World::new();
    let mut dialog = called(&mut world);
    world.provisional(ANNA, leg(1));
    let ringing = world.peer_gets_response(180, "INVITE");
    world.peer_sends(ANNA, cancel_of(&dialog));
    let ok = world.peer_gets_response(200, "CANCEL");
    assert_eq!(ok.headers.to_tag(), ringing.headers.to_tag());
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::Cancelled { reason: None, .. }),
        "{event:?}"
    );
    let gone = world.peer_gets_response(487, "INVITE");
    assert_eq!(gone.headers.to_tag(), ringing.headers.to_tag());
    dialog.learn(&gone);
    world.answer(ANNA, leg(1));
    world.finish();
    assert_eq!(world.count("peer", "200 (1 INVITE)"), 0);
}

#[test]
fn a_cancel_that_comes_before_the_leg_is_made_still_cancels() {
    let mut world = World::new();
    let mut dialog = PeerDialog::calling(ANNA);
    world.peer_sends(ANNA, dialog.invite());
    let Event::Incoming { key, .. } = world.next(ANNA) else {
        panic!()
    };
    world.peer_sends(ANNA, cancel_of(&dialog));
    world.peer_gets_response(200, "CANCEL");
    world.accept(ANNA, key, leg(1));
    let event = world.next(ANNA);
    assert!(matches!(event, Event::Cancelled { .. }), "{event:?}");
    world.peer_gets_response(487, "INVITE");
    world.finish();
}

#[test]
fn a_cancel_after_our_answer_changes_nothing() {
    let mut world = World::new();
    let mut dialog = called(&mut world);
    world.answer(ANNA, leg(1));
    let ok = world.peer_gets_response(200, "INVITE");
    world.peer_sends(ANNA, cancel_of(&dialog));
    world.peer_gets_response(200, "CANCEL");
    assert!(world.heard(ANNA).is_empty());
    dialog.learn(&ok);
    world.peer_sends(ANNA, dialog.ack(1));
    world.wait(ANNA, "Acknowledged");
    assert_eq!(world.count("peer", "487 (1 INVITE)"), 0);
    part(world, dialog);
}

#[test]
fn a_caller_may_end_the_early_dialog_with_bye() {
    let mut world = World::new();
    let mut dialog = called(&mut world);
    world.provisional(ANNA, leg(1));
    let ringing = world.peer_gets_response(180, "INVITE");
    dialog.learn(&ringing);
    let bye = dialog
        .request(Method::Bye)
        .with_header("Reason", "SIP;cause=600");
    world.peer_sends(ANNA, bye);
    world.peer_gets_response(200, "BYE");
    let event = world.next(ANNA);
    let Event::Cancelled { reason, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(reason.as_deref(), Some("SIP;cause=600"));
    assert_eq!(world.count("peer", "487 (1 INVITE)"), 1);
    world.finish();
}

#[test]
fn a_call_is_refused_with_the_status_and_headers_that_were_given() {
    for status in [404, 486, 488, 503, 603] {
        let mut world = World::new();
        called(&mut world);
        let headers = [("Warning".to_owned(), "399 ringdesk \"why\"".to_owned())];
        world.command(ANNA, "rejects", |agent, now| {
            agent.reject(leg(1), status, &headers, now);
        });
        let refusal = world.peer_gets_response(status, "INVITE");
        assert!(refusal.headers.contains("Warning"));
        assert_eq!(world.end_of_leg(ANNA), EndReason::HungUpHere);
        world.finish();
    }
}

#[test]
fn hanging_up_a_call_that_rings_refuses_it() {
    let mut world = World::new();
    called(&mut world);
    world.hang_up(ANNA, leg(1));
    world.peer_gets_response(480, "INVITE");
    world.finish();
}

#[test]
fn a_caller_that_never_acknowledges_a_refusal_is_forgotten() {
    let mut world = World::new();
    world.invite(ANNA, leg(1), BJORN);
    world.take_call(BJORN, leg(2));
    world.drop_if(|_, message| is_request(message, "ACK"));
    world.command(BJORN, "rejects", |agent, now| {
        agent.reject(leg(2), 486, &[], now);
    });
    world.finish();
}

/// The CANCEL of the peer's first INVITE.
fn cancel_of(dialog: &PeerDialog) -> Request {
    let mut cancel = dialog.request_of(Method::Cancel, 1);
    cancel
        .headers
        .replace("To", "<sip:main-line@ringdesk.example>");
    cancel.headers.replace(
        "Via",
        "SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bK-peer-call-1-INVITE;rport",
    );
    cancel
}

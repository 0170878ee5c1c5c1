//! Calls that we make.

use std::time::Duration;

use super::peer::{PEER, PeerDialog, accept, reply};
use super::world::{ANNA, BJORN, World, leg, title};
use crate::sip::message::{Method, Request, Response};
use crate::sip::user_agent::{
    Body, Credentials, EndReason, Event, NextHop, OutgoingInvite, UserAgent,
};

const REASON: &str = r#"SIP;cause=200;text="Call completed elsewhere""#;

fn cancel(world: &mut World, end: usize, number: u128) {
    world.command(end, "cancels", |agent: &mut UserAgent, now| {
        agent.cancel(leg(number), Some(REASON), now);
    });
}

#[test]
fn a_call_is_answered_and_hung_up_by_the_caller() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    assert_eq!(
        world.agent(ANNA).remote_identity(leg(1)).unwrap().uri.user,
        Some("bjorn".to_owned())
    );
    assert_eq!(
        world.agent(BJORN).leg_flow(leg(2)),
        Some(world.flow(BJORN, ANNA))
    );
    world.hang_up(ANNA, leg(1));
    assert_eq!(
        world.end_of_leg(BJORN),
        EndReason::HungUpThere { reason: None }
    );
    world.finish();
}

#[test]
fn a_call_is_hung_up_by_the_called_side_with_a_reason() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.command(BJORN, "hangs up", |agent, now| {
        agent.hang_up(leg(2), Some("Q.850;cause=16"), now);
    });
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(world.end_of_leg(ANNA), EndReason::HungUpThere { reason });
    world.finish();
}

#[test]
fn a_call_over_tcp_is_answered_and_hung_up() {
    let mut world = World::new();
    world.protocol = crate::core::snapshot::Protocol::Tcp;
    world.establish(leg(1), leg(2));
    world.hang_up(BJORN, leg(2));
    world.next(ANNA);
    world.finish();
}

#[test]
fn the_invite_says_all_that_an_invite_must() {
    let mut world = World::new();
    let invite = world.call_peer();
    let text = String::from_utf8(invite.to_bytes().to_vec()).unwrap();
    let text = text.replace('\r', "");
    insta::assert_snapshot!(text, @r"
    INVITE sip:peer@10.0.0.3:5060 SIP/2.0
    Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKmb2rc2qv2hdtxcqmyp6en5n4ag;rport
    Max-Forwards: 70
    From: <sip:anna@10.0.0.1:5060>;tag=b4h4mj4lgzal5ns62u2oqkf7tc
    To: <sip:peer@10.0.0.3:5060>
    Call-ID: 6dasys2fonf6fcefd6oteqtoua
    CSeq: 1 INVITE
    Contact: <sip:anna@10.0.0.1:5060>
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, INFO
    Supported: 
    Accept: application/sdp
    User-Agent: ringdesk
    X-Test: 1
    Content-Type: application/sdp
    Content-Length: 9

    v=0 offer
    ");
    world.peer_sends(ANNA, reply(&invite, 486, "p"));
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::Rejected { status: 486, .. }),
        "{event:?}"
    );
    world.finish();
}

#[test]
fn every_provisional_response_is_reported() {
    let mut world = World::new();
    let invite = world.call_peer();
    for status in [100, 180, 183, 180] {
        world.peer_sends(ANNA, reply(&invite, status, "p"));
        let event = world.next(ANNA);
        assert!(
            matches!(event, Event::Progressed { status: got, .. } if got == status),
            "{event:?}"
        );
    }
    world.peer_sends(ANNA, reply(&invite, 603, "p"));
    world.next(ANNA);
    world.finish();
}

#[test]
fn whatever_refusal_comes_is_reported_with_its_status_and_never_followed() {
    for status in [302, 408, 422, 486, 488, 491, 503, 600, 603] {
        let mut world = World::new();
        let invite = world.call_peer();
        let refusal = reply(&invite, status, "p").with_header("Retry-After", "17 (busy)");
        world.peer_sends(ANNA, refusal);
        let event = world.next(ANNA);
        let Event::Rejected {
            status: got,
            retry_after,
            local,
            ..
        } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((got, retry_after, local), (status, Some(17), false));
        world.finish();
        assert_eq!(world.peer_inbox(), ["ACK (1 ACK)"]);
    }
}

#[test]
fn a_device_that_never_answers_is_a_408_of_our_own() {
    let mut world = World::new();
    world.drop_if(|from, _| from == "anna");
    world.invite(ANNA, leg(1), PEER);
    let event = world.next(ANNA);
    assert!(
        matches!(
            event,
            Event::Rejected {
                status: 408,
                local: true,
                ..
            }
        ),
        "{event:?}"
    );
    world.finish();
}

#[test]
fn a_transport_that_fails_is_a_503_of_our_own() {
    let mut world = World::new();
    world.invite(ANNA, leg(1), PEER);
    let flow = world.flow(ANNA, PEER);
    world.command(ANNA, "loses its socket", |agent, now| {
        agent.handle_transport_error(flow, now);
    });
    let event = world.next(ANNA);
    assert!(
        matches!(
            event,
            Event::Rejected {
                status: 503,
                local: true,
                ..
            }
        ),
        "{event:?}"
    );
    world.finish();
}

#[test]
fn cancel_goes_out_with_its_reason_when_the_phone_rings() {
    let mut world = World::new();
    let invite = world.ring_peer();
    cancel(&mut world, ANNA, 1);
    assert_eq!(world.end_of_leg(ANNA), EndReason::HungUpHere);
    let cancel = world.peer_gets_request("CANCEL");
    assert_eq!(cancel.headers.value("Reason"), Some(REASON));
    assert_eq!(
        cancel.headers.top_via().unwrap().branch(),
        invite.headers.top_via().unwrap().branch()
    );
    world.peer_sends(ANNA, reply(&cancel, 200, "p"));
    world.peer_sends(ANNA, reply(&invite, 487, "p"));
    world.finish();
    assert_eq!(world.peer_inbox(), ["ACK (1 ACK)"]);
}

#[test]
fn cancel_before_any_provisional_waits_for_the_first() {
    let mut world = World::new();
    let invite = world.call_peer();
    cancel(&mut world, ANNA, 1);
    world.run(Duration::from_millis(400));
    assert_eq!(world.peer_inbox(), [""; 0]);
    world.peer_sends(ANNA, reply(&invite, 100, "p"));
    let cancel = world.peer_gets_request("CANCEL");
    world.peer_sends(ANNA, reply(&cancel, 200, "p"));
    world.peer_sends(ANNA, reply(&invite, 487, "p"));
    world.finish();
}

#[test]
fn cancel_before_any_provisional_and_then_silence_ends_all_the_same() {
    let mut world = World::new();
    world.drop_if(|from, _| from == "anna");
    world.invite(ANNA, leg(1), PEER);
    cancel(&mut world, ANNA, 1);
    world.finish();
}

#[test]
fn a_cancelled_phone_that_vanishes_is_forgotten() {
    let mut world = World::new();
    world.ring_peer();
    cancel(&mut world, ANNA, 1);
    world.finish();
}

#[test]
fn an_answer_after_cancel_gets_ack_and_then_bye_with_the_reason() {
    let mut world = World::new();
    let invite = world.ring_peer();
    cancel(&mut world, ANNA, 1);
    world.next(ANNA);
    world.peer_sends(ANNA, accept(&invite, "p"));
    world.peer_gets_request("ACK");
    let bye = world.peer_takes_bye();
    assert_eq!(bye.headers.value("Reason"), Some(REASON));
    world.finish();
}

#[test]
fn cancel_crossing_the_answer_ends_the_call_on_both_sides() {
    let mut world = World::new();
    world.invite(ANNA, leg(1), BJORN);
    world.take_call(BJORN, leg(2));
    world.provisional(BJORN, leg(2));
    world.run(Duration::from_secs(1));
    world.answer(BJORN, leg(2));
    cancel(&mut world, ANNA, 1);
    let event = world.wait(BJORN, "Ended");
    let Event::Ended {
        why: EndReason::HungUpThere { reason },
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(reason.as_deref(), Some(REASON));
    world.finish();
}

#[test]
fn an_answer_that_comes_again_gets_its_ack_again() {
    let mut world = World::new();
    let invite = world.call_peer();
    let answer = accept(&invite, "p");
    world.peer_sends(ANNA, answer.clone());
    let event = world.next(ANNA);
    let Event::Answered { body, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(body, Some(Body::sdp("v=0 peer answer")));
    let first = world.peer_gets_request("ACK");
    world.peer_sends(ANNA, answer.clone());
    let second = world.peer_gets_request("ACK");
    for name in ["From", "To", "Call-ID", "CSeq"] {
        assert_eq!(first.headers.value(name), second.headers.value(name));
    }
    assert_eq!(first.uri, second.uri);
    world.hang_up(ANNA, leg(1));
    world.peer_takes_bye();
    world.run(Duration::from_secs(1));
    world.peer_sends(ANNA, answer);
    world.peer_gets_request("ACK");
    world.finish();
    assert_eq!(world.peer_inbox(), [""; 0]);
}

#[test]
fn the_called_side_may_ask_and_refresh_before_it_answers() {
    let mut world = World::new();
    let invite = world.ring_peer();
    let mut dialog = PeerDialog::called(&invite, "p", ANNA);
    world.peer_sends(ANNA, dialog.request(Method::Options));
    world.peer_gets_response(200, "OPTIONS");
    world.peer_sends(ANNA, dialog.request(Method::Update));
    world.peer_gets_response(200, "UPDATE");
    let offer = dialog
        .request(Method::Update)
        .with_body("application/sdp", "v=0");
    world.peer_sends(ANNA, offer);
    world.peer_gets_response(491, "UPDATE");
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(200, "BYE");
    world.peer_answers(&invite, "p");
    world.hang_up(ANNA, leg(1));
    let bye = world.peer_gets_request("BYE");
    world.peer_sends(ANNA, reply(&bye, 481, "p"));
    world.finish();
}

#[test]
fn early_media_is_ignored() {
    let mut world = World::new();
    let invite = world.call_peer();
    let progress = reply(&invite, 183, "p").with_body("application/sdp", "v=0 early");
    world.peer_sends(ANNA, progress);
    assert!(matches!(
        world.next(ANNA),
        Event::Progressed { status: 183, .. }
    ));
    world.peer_sends(ANNA, accept(&invite, "p"));
    let Event::Answered { body, .. } = world.next(ANNA) else {
        panic!()
    };
    assert_eq!(body, Some(Body::sdp("v=0 peer answer")));
    world.hang_up(ANNA, leg(1));
    world.peer_takes_bye();
    world.finish();
}

fn with_credentials(world: &World, realm: Option<&str>) -> OutgoingInvite {
    OutgoingInvite {
        credentials: Some(Credentials {
            username: "acct4711".to_owned(),
            password: "secret".to_owned(),
            realm: realm.map(str::to_owned),
        }),
        ..world.outgoing(ANNA, PEER)
    }
}

fn challenge(request: &Request, status: u16, nonce: &str) -> Response {
    let header = if status == 401 {
        "WWW-Authenticate"
    } else {
        "Proxy-Authenticate"
    };
    let value = format!(r#"Digest realm="carrier", nonce="{nonce}", qop="auth""#);
    reply(request, status, "challenger").with_header(header, value)
}

#[test]
fn a_challenge_of_the_right_realm_is_answered_once() {
    for (status, header) in [(401, "Authorization"), (407, "Proxy-Authorization")] {
        let mut world = World::new();
        let invite = with_credentials(&world, Some("carrier"));
        world.invite_with(ANNA, leg(1), invite);
        let first = world.peer_gets_request("INVITE");
        world.peer_sends(ANNA, challenge(&first, status, "n1"));
        let second = world.peer_gets_request("INVITE");
        let shown = second.headers.value(header).unwrap();
        assert!(shown.contains(r#"username="acct4711""#), "{shown}");
        assert!(shown.contains(r#"nonce="n1""#), "{shown}");
        assert!(shown.contains(r#"uri="sip:peer@10.0.0.3:5060""#), "{shown}");
        assert_eq!(second.headers.value("CSeq"), Some("2 INVITE"));
        assert_eq!(
            second.headers.value("Call-ID"),
            first.headers.value("Call-ID")
        );
        assert_eq!(second.headers.to_tag(), None);
        world.peer_sends(ANNA, challenge(&second, status, "n2"));
        let event = world.wait(ANNA, "Rejected");
        assert!(
            matches!(event, Event::Rejected { status: got, .. } if got == status),
            "{event:?}"
        );
        world.finish();
    }
}

#[test]
fn a_proxy_and_the_called_side_may_challenge_one_after_the_other() {
    let mut world = World::new();
    let invite = with_credentials(&world, None);
    world.invite_with(ANNA, leg(1), invite);
    let first = world.peer_gets_request("INVITE");
    world.peer_sends(ANNA, challenge(&first, 407, "proxy"));
    let second = world.peer_gets_request("INVITE");
    world.peer_sends(ANNA, challenge(&second, 401, "called"));
    let third = world.peer_gets_request("INVITE");
    for header in ["Authorization", "Proxy-Authorization"] {
        assert!(third.headers.contains(header), "{header}");
    }
    world.peer_sends(ANNA, accept(&third, "p"));
    let ack = world.peer_gets("the ACK to the 200", |message| {
        title(message) == "ACK (3 ACK)"
    });
    assert!(ack.headers().contains("Authorization"));
    assert!(ack.headers().contains("Proxy-Authorization"));
    world.hang_up(ANNA, leg(1));
    world.peer_takes_bye();
    world.finish();
}

#[test]
fn a_stale_nonce_is_answered_again() {
    let mut world = World::new();
    let invite = with_credentials(&world, None);
    world.invite_with(ANNA, leg(1), invite);
    let first = world.peer_gets_request("INVITE");
    world.peer_sends(ANNA, challenge(&first, 401, "n1"));
    let second = world.peer_gets_request("INVITE");
    let stale = r#"Digest realm="carrier", nonce="n2", qop="auth", stale=true"#;
    let refusal = reply(&second, 401, "challenger").with_header("WWW-Authenticate", stale);
    world.peer_sends(ANNA, refusal);
    let third = world.peer_gets_request("INVITE");
    let shown = third.headers.value("Authorization").unwrap();
    assert!(shown.contains(r#"nonce="n2""#), "{shown}");
    assert_eq!(third.headers.count("Authorization"), 1);
    world.peer_sends(ANNA, reply(&third, 404, "p"));
    world.next(ANNA);
    world.finish();
}

#[test]
fn a_challenge_of_another_realm_or_without_credentials_is_a_refusal() {
    let mut world = World::new();
    let of_other = with_credentials(&world, Some("other"));
    let without = world.outgoing(ANNA, PEER);
    for (number, invite) in [(1, of_other), (2, without)] {
        world.invite_with(ANNA, leg(number), invite);
        let invite = world.peer_gets_request("INVITE");
        world.peer_sends(ANNA, challenge(&invite, 401, "n"));
        let event = world.next(ANNA);
        assert!(
            matches!(event, Event::Rejected { status: 401, .. }),
            "{event:?}"
        );
    }
    world.finish();
}

#[test]
fn bye_is_repeated_with_the_answer_to_its_challenge() {
    let mut world = World::new();
    let invite = with_credentials(&world, None);
    world.invite_with(ANNA, leg(1), invite);
    let invite = world.peer_gets_request("INVITE");
    world.peer_answers(&invite, "p");
    world.hang_up(ANNA, leg(1));
    let first = world.peer_gets_request("BYE");
    world.peer_sends(ANNA, challenge(&first, 407, "n"));
    let second = world.peer_gets_request("BYE");
    assert!(second.headers.contains("Proxy-Authorization"));
    assert_eq!(second.headers.value("CSeq"), Some("3 BYE"));
    world.peer_sends(ANNA, challenge(&second, 407, "m"));
    world.finish();
    assert_eq!(world.peer_inbox(), [""; 0]);
}

#[test]
fn requests_in_the_dialog_take_the_route_that_the_answer_recorded() {
    let mut world = World::new();
    let invite = world.call_peer();
    let answer = accept(&invite, "p")
        .with_header("Record-Route", "<sip:far.example;lr>")
        .with_header("Record-Route", "<sip:10.0.0.3;lr;x=1>");
    world.peer_sends(ANNA, answer);
    let ack = world.peer_gets_request("ACK");
    let routes: Vec<&str> = ack.headers.list("Route").collect();
    assert_eq!(routes, ["<sip:10.0.0.3;lr;x=1>", "<sip:far.example;lr>"]);
    assert_eq!(ack.uri.as_str(), "sip:peer@10.0.0.3:5060");
    world.hang_up(ANNA, leg(1));
    let bye = world.peer_takes_bye();
    assert_eq!(bye.headers.list("Route").collect::<Vec<_>>(), routes);
    world.finish();
}

#[test]
fn a_registered_phone_is_reached_over_its_flow_whatever_its_contact_says() {
    for (next_hop, receiver) in [(NextHop::Flow, "peer"), (NextHop::Target, "bjorn")] {
        let mut world = World::new();
        let invite = OutgoingInvite {
            next_hop,
            ..world.outgoing(ANNA, PEER)
        };
        world.invite_with(ANNA, leg(1), invite);
        let invite = world.peer_gets_request("INVITE");
        let mut answer = accept(&invite, "p");
        answer
            .headers
            .replace("Contact", "<sip:bjorn@10.0.0.2:5060>");
        world.peer_sends(ANNA, answer);
        world.wait(ANNA, "Answered");
        world.hang_up(ANNA, leg(1));
        world.finish();
        let byes = world.count(receiver, "BYE (2 BYE)");
        assert!(byes > 0, "BYE never went to {receiver}");
        assert_eq!(
            world.count("bjorn", "BYE (2 BYE)") * world.count("peer", "BYE (2 BYE)"),
            0
        );
    }
}

#[test]
fn a_preloaded_route_goes_into_the_invite() {
    let mut world = World::new();
    let invite = OutgoingInvite {
        route: vec!["<sip:10.0.0.3;lr>".parse().unwrap()],
        ..world.outgoing(ANNA, PEER)
    };
    world.invite_with(ANNA, leg(1), invite);
    let invite = world.peer_gets_request("INVITE");
    assert_eq!(invite.headers.value("Route"), Some("<sip:10.0.0.3;lr>"));
    world.peer_sends(ANNA, reply(&invite, 404, "p"));
    world.next(ANNA);
    world.finish();
}

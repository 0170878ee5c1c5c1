//! Requests that are refused before anybody hears of them, and requests outside dialogs.

use super::peer::{PEER, PeerDialog, reply};
use super::world::{ANNA, World, address};
use crate::sip::message::{Method, Request, Uri};
use crate::sip::user_agent::Event;

/// An INVITE of the peer with a change.
fn invite(change: impl Fn(Request) -> Request) -> Request {
    change(PeerDialog::calling(ANNA).invite())
}

#[test]
fn an_invite_that_asks_for_what_we_cannot_do_is_refused_unheard() {
    type Case = (u16, &'static str, fn(Request) -> Request);
    let cases: [Case; 9] = [
        (483, "", |mut invite| {
            invite.headers.replace("Max-Forwards", 0);
            invite
        }),
        (420, "Unsupported", |invite| {
            invite.with_header("Require", "100rel")
        }),
        (415, "Accept", |invite| {
            invite.with_body("text/plain", "hello")
        }),
        (415, "Accept", |invite| {
            invite.with_body("multipart/mixed;boundary=b", "--b\r\n\r\nhello\r\n--b--")
        }),
        (415, "Accept-Encoding", |invite| {
            invite.with_header("Content-Encoding", "gzip")
        }),
        (406, "Accept", |invite| {
            invite.with_header("Accept", "text/plain")
        }),
        (416, "", |mut invite| {
            invite.uri = "mailto:anna@example.com".parse::<Uri>().unwrap().into();
            invite
        }),
        (400, "", |mut invite| {
            invite.headers.remove("Contact");
            invite
        }),
        (400, "", |mut invite| {
            invite.headers.replace("From", "<sip:peer@10.0.0.3>");
            invite
        }),
    ];
    for (status, header, change) in cases {
        let mut world = World::new();
        world.peer_sends(ANNA, invite(change));
        let response = world.peer_gets_response(status, "INVITE");
        assert!(
            header.is_empty() || response.headers.contains(header),
            "{status} without {header}"
        );
        assert!(response.headers.to_tag().is_some());
        world.finish();
        assert!(world.heard(ANNA).is_empty());
    }
}

#[test]
fn an_invite_is_taken_whose_body_may_be_skipped() {
    let mut world = World::new();
    let invite = invite(|invite| {
        invite
            .with_body("text/plain", "hello")
            .with_header("Content-Disposition", "render;handling=optional")
    });
    world.peer_sends(ANNA, invite);
    let event = world.next(ANNA);
    let Event::Incoming {
        key, offer: None, ..
    } = event
    else {
        panic!("{event:?}")
    };
    world.command(ANNA, "refuses", |agent, now| {
        agent.refuse(key, 404, &[], now);
    });
    world.finish();
}

#[test]
fn an_invite_that_came_by_two_ways_is_taken_once() {
    let mut world = World::new();
    let first = invite(|invite| invite);
    let second = invite(|mut invite| {
        invite.headers.replace(
            "Via",
            "SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bK-other;rport",
        );
        invite
    });
    world.peer_sends(ANNA, first);
    world.peer_sends(ANNA, second);
    world.peer_gets_response(482, "INVITE");
    let Event::Incoming { key, .. } = world.next(ANNA) else {
        panic!()
    };
    assert!(world.heard(ANNA).is_empty());
    world.command(ANNA, "refuses", |agent, now| {
        agent.refuse(key, 404, &[], now);
    });
    world.finish();
}

#[test]
fn requests_outside_dialogs_are_reported_and_answered() {
    for method in [Method::Options, Method::Register] {
        let mut world = World::new();
        let mut dialog = PeerDialog::calling(ANNA);
        world.peer_sends(ANNA, dialog.request(method.clone()));
        let event = world.next(ANNA);
        let Event::Request { key, request, flow } = event else {
            panic!("{event:?}")
        };
        assert_eq!(flow, world.flow(ANNA, PEER));
        let response = request.response(200);
        world.command(ANNA, "responds", |agent, now| {
            agent.respond(key, response, now);
        });
        let ok = world.peer_gets_response(200, method.as_str());
        assert!(ok.headers.to_tag().is_some());
        assert_eq!(ok.headers.value("Server"), Some("ringdesk"));
        world.finish();
    }
}

#[test]
fn methods_that_are_not_taken_are_refused_with_those_that_are() {
    for (method, status) in [
        (Method::Refer, 405),
        (Method::Message, 405),
        (Method::Subscribe, 489),
        (Method::Other("DANCE".into()), 501),
    ] {
        let mut world = World::new();
        let mut dialog = PeerDialog::calling(ANNA);
        world.peer_sends(ANNA, dialog.request(method.clone()));
        let response = world.peer_gets_response(status, method.as_str());
        assert!(response.headers.contains("Allow"));
        assert!(response.headers.to_tag().is_some());
        world.finish();
    }
}

#[test]
fn a_request_of_ours_outside_dialogs_is_completed_and_its_answer_reported() {
    let mut world = World::new();
    let flow = world.flow(ANNA, PEER);
    let send = |world: &mut World| {
        let uri = Uri::of_address(None, address(PEER));
        let request = Request::new(Method::Options, uri)
            .with_header("From", "<sip:ringdesk@10.0.0.1>")
            .with_header("To", "<sip:10.0.0.3>");
        world.command(ANNA, "sends OPTIONS", |agent, now| {
            agent.send(request, flow, address(ANNA), now)
        })
    };
    let first = send(&mut world);
    let options = world.peer_gets_request("OPTIONS");
    for name in ["Via", "Call-ID", "CSeq", "Max-Forwards", "User-Agent"] {
        assert!(options.headers.contains(name), "{name}");
    }
    assert!(options.headers.from_tag().is_some());
    world.peer_sends(ANNA, reply(&options, 100, "p"));
    world.peer_sends(ANNA, reply(&options, 404, "p"));
    let event = world.next(ANNA);
    let Event::Response {
        id,
        response: Some(response),
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!((id, response.status), (first, 404));
    world.drop_if(|_, _| true);
    let second = send(&mut world);
    assert_ne!(first, second);
    let event = world.next(ANNA);
    assert!(
        matches!(event, Event::Response { id, response: None } if id == second),
        "{event:?}"
    );
    world.finish();
}

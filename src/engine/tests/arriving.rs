//! Who may call, what was dialled, and what the caller hears at once.

use super::party::Standing;
use super::steps::foreign_sdp;
use super::world::*;
use crate::core::conversation::ItemKind;
use crate::core::record::{CallOutcome, Record};
use crate::core::sample;
use crate::core::snapshot::{Peer, Strategy, Trunk};
use crate::sip::digest::Challenge;
use crate::sip::message::{Method, Uri};

#[test]
fn the_caller_hears_ringing_at_once_and_again_each_minute_without_a_session_description() {
    let mut snapshot = ringing(Strategy::Sequential, &["anna"]);
    let mut channel = snapshot.channels[0].clone();
    channel.working_hours.steps[0].ring = seconds(200);
    channel.working_hours.steps[0].ring_each = seconds(200);
    snapshot.channels = vec![channel].into();
    let mut world = World::new(snapshot);
    world.register("anna");
    let began = world.now.mono;
    let caller = world.call();
    world.run(seconds(130));
    let trying = world.first("daemon", "carrier", "100").expect("100");
    assert!(trying.at.since(began) <= millis(10));
    let rings = world.messages("daemon", "carrier", "180");
    let times: Vec<u64> = rings
        .iter()
        .map(|ring| ring.at.since(began).as_secs())
        .collect();
    assert_eq!(times, [0, 60, 120]);
    assert!(rings[0].at.since(began) <= millis(200));
    for ring in &rings {
        let crate::sip::message::Message::Response(ring) = &ring.message else {
            unreachable!()
        };
        assert!(ring.body.is_empty(), "180 carries no session description");
    }
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Missed);
}

#[test]
fn the_item_in_the_inbox_stands_before_anybody_rings() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.call();
    world.run(millis(6));
    assert_eq!(world.item().item, Some(ItemKind::MissedCall));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Missed);
    assert_eq!(world.item().item, Some(ItemKind::MissedCall));
    assert_eq!(world.item().closed, None);
}

#[test]
fn a_number_that_no_channel_has_is_404_and_kept() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.call_with(|invite| {
        invite.target_uri = "sip:+4722000001@10.0.0.5".parse().unwrap();
    });
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Over("404".to_owned()));
    assert_eq!(world.outcome(), CallOutcome::Refused);
    assert!(world.was_told("404 unknown-number"));
    let decided = world
        .records
        .iter()
        .any(|record| matches!(record, Record::Decision(_)));
    assert!(decided, "a refusal is a decision");
}

#[test]
fn national_and_international_forms_reach_the_same_channel() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    for dialled in ["22334455", "004722334455", "+4722334455"] {
        let caller = world.call_with(|invite| {
            invite.target_uri = format!("sip:{dialled}@10.0.0.5").parse().unwrap();
        });
        world.run(seconds(1));
        assert_eq!(world.who_rings(), ["anna"], "{dialled}");
        world.caller_hangs_up(caller);
        world.run(seconds(1));
    }
    world.finish();
}

#[test]
fn a_stranger_is_asked_for_a_password_and_counted() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let stranger = world.stranger("scanner", "203.0.113.66:5060");
    for number in 0..3 {
        let invite = world.invite_text(stranger, &format!("scan-{number}"), true);
        world.sends(stranger, invite.clone());
        let refusal = world.gets_response(stranger, 401);
        assert!(refusal.headers.contains("WWW-Authenticate"));
        world.acknowledge(stranger, &invite, &refusal, None);
    }
    world.finish();
    assert!(world.who_rings().is_empty());
    let lines = world
        .told
        .iter()
        .filter(|line| line.contains("not-a-trunk"));
    assert_eq!(lines.count(), 2, "the first and the second, not each");
    assert!(world.call_rows().is_empty(), "no call came of it");
}

/// A phone calls with its password.
fn phone_dials(world: &mut World, phone: usize, number: &str) -> u16 {
    let text = format!("sip:{number}@10.0.0.5");
    let uri: Uri = text.parse().unwrap();
    let mut invite = world.invite_text(phone, "from-a-phone", true);
    invite.uri = (&uri).into();
    world.sends(phone, invite.clone());
    let challenged = world.gets_response(phone, 401);
    world.acknowledge(phone, &invite, &challenged, None);
    let values = challenged.headers.values("WWW-Authenticate");
    let challenge = Challenge::choose(values, None).unwrap();
    let value = challenge.answer(
        ("bjorn", "bjorn-secret"),
        (&Method::Invite, &text),
        1,
        &mut world.random,
    );
    invite.headers.replace("CSeq", "2 INVITE");
    invite.headers.replace(
        "Via",
        "SIP/2.0/UDP 10.0.1.9:5060;branch=z9hG4bKsecond;rport",
    );
    invite.headers.push("Authorization", value);
    world.sends(phone, invite.clone());
    let message = world.gets(phone, "an answer", |message| {
        matches!(message, crate::sip::message::Message::Response(response)
            if response.status > 100 && response.status != 401)
    });
    let crate::sip::message::Message::Response(response) = message else {
        unreachable!()
    };
    if response.status >= 300 {
        world.acknowledge(phone, &invite, &response, None);
    } else {
        let mut cancel = crate::sip::message::Request::new(Method::Cancel, &uri);
        for name in ["Via", "From", "To", "Call-ID"] {
            cancel.headers.copy(&invite.headers, name);
        }
        world.sends(phone, cancel.with_header("CSeq", "2 CANCEL"));
        let given_up = world.gets_response(phone, 487);
        world.acknowledge(phone, &invite, &given_up, None);
    }
    response.status
}

#[test]
fn our_own_phones_reach_our_own_numbers_only() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna", "bjorn"]));
    world.register("anna");
    let bjorn = world.stranger("bjorn", "10.0.1.9:5060");
    assert_eq!(phone_dials(&mut world, bjorn, "+4722334455"), 180);
    world.finish();

    let mut world = World::new(ringing(Strategy::RingAll, &["anna", "bjorn"]));
    let bjorn = world.stranger("bjorn", "10.0.1.9:5060");
    assert_eq!(phone_dials(&mut world, bjorn, "112"), 403);
    world.finish();
    assert!(world.was_told("112"));
    assert!(world.was_told("not possible"), "{:?}", world.told);
}

#[test]
fn the_most_specific_network_decides_whose_call_it_is() {
    let named = |name: &str, network: &str, port| Trunk {
        name: name.into(),
        peers: vec![Peer {
            network: network.parse().unwrap(),
            port,
        }],
        ..sample::trunk()
    };
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    snapshot.trunks = vec![
        named("wide", "198.51.0.0/16", None),
        named("exact", "198.51.100.7/32", None),
        named("narrow", "198.51.100.0/24", None),
        named("ported", "198.51.100.0/24", Some(5080)),
    ]
    .into();
    let mut world = World::new(snapshot);
    let sources = [
        ("198.51.100.7:5060", "exact"),
        ("198.51.100.8:5060", "narrow"),
        ("198.51.100.8:5080", "ported"),
        ("198.51.7.7:5060", "wide"),
    ];
    for (source, trunk) in sources {
        let caller = world.stranger(source, source);
        let mut invite = world.invite_text(caller, &format!("from-{source}"), true);
        invite.uri = (&"sip:+4799999999@10.0.0.5".parse::<Uri>().unwrap()).into();
        world.sends(caller, invite.clone());
        let refusal = world.gets_response(caller, 404);
        world.acknowledge(caller, &invite, &refusal, None);
        let row = world.records.iter().rev().find_map(|record| match record {
            Record::Call(call) => Some(call.clone()),
            _ => None,
        });
        assert_eq!(row.unwrap().trunk, Some(trunk.into()), "{source}");
    }
    world.finish();
}

#[test]
fn no_free_port_is_503_and_names_the_setting() {
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    snapshot.settings.media.ports = 16384..=16385;
    let mut world = World::new(snapshot);
    world.register("anna");
    let first = world.call();
    world.run(seconds(1));
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(*world.caller(second), Standing::Over("503".to_owned()));
    let refusal = world.first("daemon", "carrier", "503").unwrap();
    assert_eq!(refusal.message.headers().value("Retry-After"), None);
    assert!(world.was_told("Widen [media] ports"));
    if !world.is_over(first) {
        world.caller_hangs_up(first);
    }
    world.finish();
}

#[test]
fn the_same_invite_on_two_ways_is_one_call() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.stranger("caller", "198.51.100.7:5060");
    let invite = world.invite_text(caller, "merged", true);
    world.sends(caller, invite.clone());
    let mut other = invite.clone();
    other.headers.replace(
        "Via",
        "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKother;rport",
    );
    world.sends(caller, other.clone());
    let refusal = world.gets_response(caller, 482);
    world.acknowledge(caller, &other, &refusal, None);
    assert_eq!(world.who_rings(), ["anna"]);
    world.run(seconds(30));
    world.stop_by_hand(caller, &invite);
    world.finish();
    assert_eq!(world.call_rows().len(), 1);
}

#[test]
fn a_request_that_may_go_no_further_is_483() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.stranger("caller", "198.51.100.7:5060");
    let mut invite = world.invite_text(caller, "hops", true);
    invite.headers.replace("Max-Forwards", 0);
    world.sends(caller, invite.clone());
    let refusal = world.gets_response(caller, 483);
    world.acknowledge(caller, &invite, &refusal, None);
    world.finish();
    assert!(world.call_rows().is_empty());
}

#[test]
fn a_request_inside_a_dialog_that_we_do_not_know_is_481() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.stranger("caller", "198.51.100.7:5060");
    for method in [Method::Bye, Method::Info, Method::Update] {
        let mut request = world.invite_text(caller, method.as_str(), false);
        request.headers.replace("To", "<sip:x@10.0.0.5>;tag=nobody");
        request.headers.replace("CSeq", format!("2 {method}"));
        request.method = method.clone();
        world.sends(caller, request);
        let refusal = world.gets_response(caller, 481);
        assert_eq!(refusal.headers.cseq().unwrap().method, method);
    }
    world.finish();
}

#[test]
fn an_offer_that_we_cannot_speak_is_488_and_rings_nobody() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.stranger("caller", "198.51.100.7:5060");
    let invite = world
        .invite_text(caller, "opus", false)
        .with_body("application/sdp", foreign_sdp("198.51.100.7"));
    world.sends(caller, invite.clone());
    let refusal = world.gets_response(caller, 488);
    world.acknowledge(caller, &invite, &refusal, None);
    world.finish();
    assert!(world.messages("daemon", "anna", "INVITE").is_empty());
}

#[test]
fn options_is_answered_and_a_method_that_we_do_not_take_is_refused() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let carrier = world.stranger("pinger", "198.51.100.7:5060");
    for (method, status) in [(Method::Options, 200), (Method::Refer, 405)] {
        let mut request = world.invite_text(carrier, method.as_str(), false);
        request.headers.replace("CSeq", format!("1 {method}"));
        request.method = method;
        world.sends(carrier, request);
        let answer = world.gets_response(carrier, status);
        assert!(answer.headers.contains("Allow"));
    }
    world.finish();
}

#[test]
fn a_fault_inside_one_call_ends_that_call_only() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    let first = world.talks_to("anna");
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["bjorn"]);
    let failing = world.engine.calls.keys().copied().next_back().unwrap();
    let now = world.now;
    world
        .engine
        .with_call(failing, now, |_, _| panic!("a fault"));
    world.tell(crate::engine::Input::TimeCame);
    world.run(seconds(2));
    assert!(world.is_over(second));
    assert!(world.who_rings().is_empty());
    assert_eq!(*world.caller(first), Standing::Talking, "others go on");
    world.caller_hangs_up(first);
    world.finish();
    let outcomes: Vec<_> = world
        .call_rows()
        .into_iter()
        .map(|call| call.outcome.unwrap())
        .collect();
    assert_eq!(outcomes, [CallOutcome::Answered, CallOutcome::Failed]);
}

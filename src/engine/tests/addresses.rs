//! Which of our addresses each destination sees.

use super::world::*;
use crate::core::snapshot::{Listen, Protocol, Strategy};
use crate::sip::message::Message;

/// Via, Contact and session description of a message, as far as it has them.
fn addresses(message: &Message) -> Vec<String> {
    let headers = message.headers();
    let body = match message {
        Message::Request(request) => &request.body,
        Message::Response(response) => &response.body,
    };
    let body = String::from_utf8_lossy(body).into_owned();
    let connection = body
        .lines()
        .find_map(|line| line.strip_prefix("c=IN IP4 "))
        .unwrap_or_default();
    let contact = headers.value("Contact").unwrap_or_default();
    vec![contact.to_owned(), connection.to_owned()]
}

#[test]
fn the_carrier_sees_the_public_address_and_a_phone_in_the_house_the_private_one() {
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    snapshot.settings.sip.public_address = Some("203.0.113.7".parse().unwrap());
    snapshot.settings.sip.listen = vec![Listen {
        protocol: Protocol::Udp,
        address: "0.0.0.0:5060".parse().unwrap(),
    }];
    let mut world = World::new(snapshot);
    world.register("anna");
    let caller = world.talks_to("anna");
    let ok = world.first("daemon", "carrier", "200 INVITE").unwrap();
    assert_eq!(
        addresses(&ok.message),
        ["<sip:ringdesk@203.0.113.7:5060>", "203.0.113.7"]
    );
    let invite = world.first("daemon", "anna", "INVITE").unwrap();
    assert_eq!(
        addresses(&invite.message),
        ["<sip:ringdesk@10.0.0.5:5060>", "10.0.0.5"]
    );
    let via = invite.message.headers().top_via().unwrap();
    assert_eq!(via.host.to_string(), "10.0.0.5");
    world.hang_up("anna");
    world.run(seconds(1));
    let bye = world.first("daemon", "carrier", "BYE").unwrap();
    let via = bye.message.headers().top_via().unwrap();
    assert_eq!(via.host.to_string(), "203.0.113.7");
    assert!(world.is_over(caller));
    world.finish();
}

#[test]
fn local_networks_decide_who_sees_the_interfaces_own_address() {
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    snapshot.settings.sip.public_address = Some("203.0.113.7".parse().unwrap());
    snapshot.settings.sip.local_networks = Some(vec!["198.51.100.0/24".parse().unwrap()]);
    let mut world = World::new(snapshot);
    world.register("anna");
    let caller = world.talks_to("anna");
    let ok = world.first("daemon", "carrier", "200 INVITE").unwrap();
    assert_eq!(addresses(&ok.message)[1], "10.0.0.5");
    let invite = world.first("daemon", "anna", "INVITE").unwrap();
    assert_eq!(addresses(&invite.message)[1], "203.0.113.7");
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked_and_a_device_is_reached_over_its_own_flow() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.call();
    world.run(seconds(1));
    // The world sends from the local address of each flow; another one would be named otherwise.
    assert_eq!(world.messages("daemon", "carrier", "180").len(), 1);
    assert_eq!(world.messages("daemon", "anna", "INVITE").len(), 1);
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_phone_behind_a_nat_is_reached_where_its_register_came_from_and_kept_open() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna"]));
    let anna = world.stranger("anna", "203.0.113.99:40123");
    world.register_as(anna, "anna", "sip:anna@192.168.1.20:5060");
    world.run(seconds(60));
    let pings = world.messages("daemon", "anna", "OPTIONS");
    assert!(pings.len() >= 2, "a NAT is kept open");
    let ping = world.gets_request(anna, "OPTIONS");
    world.sends(anna, ping.response(200));
    let caller = world.call();
    let invite = world.gets_request(anna, "INVITE");
    assert!(invite.uri.as_str().contains("192.168.1.20"));
    world.sends(anna, tagged(invite.response(486), "b"));
    world.gets_request(anna, "ACK");
    world.caller_hangs_up(caller);
    world.run(seconds(40));
    assert!(world.is_over(caller));
}

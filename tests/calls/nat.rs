//! A phone that is not on the same network.

use crate::support::cast::{caller, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon};
use crate::support::line::Line;
use crate::support::namespaces::{Networks, Side};
use crate::support::place::{Place, Who};
use crate::support::sipp::{header, requests};
use crate::support::sound::{Law, speech};
use crate::support::wire::{Wire, register, sdp};

/// A place whose phones are at home behind a router, where this machine lets us have one.
fn behind_a_nat() -> Option<(Place, Networks)> {
    match Place::take_nat() {
        Ok(made) => Some(made),
        Err(why) => {
            eprintln!("skipped: no network namespaces here, which need root: {why}");
            None
        }
    }
}

#[test]
fn a_phone_behind_a_nat_rings_and_both_hear_each_other() {
    let Some((place, networks)) = behind_a_nat() else {
        return;
    };
    let place = &place;
    let (outside, home) = (Side::Outside, Side::Home);
    let daemon = networks.within(outside, || Daemon::start(place, ALWAYS_OPEN));
    let mut caller_line = networks.within(outside, || Line::open(place.ip(Who::Carrier)));
    let mut anna_line = networks.within(home, || Line::open(place.ip(Who::Anna)));
    let mut anna = networks.within(home, || {
        registered_phone(place, Who::Anna, "phone", &anna_line)
    });
    let mut carrier = networks.within(outside, || caller(place, &caller_line).start());

    let to_anna = anna.wait_for_audio("answered", place);
    let to_caller = carrier.wait_for_audio("answered", place);
    // Until Anna's phone has sent something, the router lets nothing in.
    let first_words = speech(191, 10);
    anna_line.say(to_anna, Law::Pcmu, &first_words);
    caller_line.wait_for(first_words.len());
    talk(
        192,
        (&mut caller_line, to_caller),
        (&mut anna_line, to_anna),
    );
    networks.within(outside, || carrier.cue());
    carrier.finish();
    assert_eq!(requests(&anna.finish(), false, "BYE").len(), 1);
    daemon.stop();
}

#[test]
fn a_phone_behind_a_nat_stays_reachable_by_questions_that_keep_its_way_open() {
    let Some((place, networks)) = behind_a_nat() else {
        return;
    };
    let place = &place;
    let (outside, home) = (Side::Outside, Side::Home);
    let ringdesk = place.sip(Who::Ringdesk);
    let daemon = networks.within(outside, || Daemon::start(place, ALWAYS_OPEN));
    let caller_line = networks.within(outside, || Line::open(place.ip(Who::Carrier)));
    let anna_line = networks.within(home, || Line::open(place.ip(Who::Anna)));
    let mut anna = networks.within(home, || Wire::udp(place.ip(Who::Anna), ringdesk));
    let at_home = anna.local();

    let registered = register(&mut anna, "anna");
    let via = header(&registered, "Via").unwrap();
    assert!(via.contains("received="), "{via}");
    assert!(
        !via.contains(&format!("received={}", at_home.ip())),
        "{via}"
    );
    let keep_alive = anna.request("OPTIONS");
    anna.respond(&keep_alive, "200 OK", "alive", "", "");

    let mut carrier = networks.within(outside, || caller(place, &caller_line).start());
    let call = answering_keep_alives(&mut anna, "INVITE");
    let called = format!("INVITE sip:anna@{at_home}");
    assert!(call.starts_with(&called), "{call}");
    let contact = format!("Contact: <sip:anna@{at_home}>");
    anna.respond(&call, "180 Ringing", "anna", &contact, "");
    let more = format!("{contact}\nContent-Type: application/sdp");
    anna.respond(&call, "200 OK", "anna", &more, &sdp(anna_line.address()));
    answering_keep_alives(&mut anna, "ACK");
    carrier.wait_for("answered");

    networks.within(outside, || carrier.cue());
    let bye = answering_keep_alives(&mut anna, "BYE");
    anna.respond(&bye, "200 OK", "", "", "");
    assert_eq!(requests(&carrier.finish(), true, "BYE").len(), 1);
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

/// The next request that keeps no way open.
fn answering_keep_alives(anna: &mut Wire, method: &str) -> String {
    loop {
        let request = anna.new_request();
        if request.starts_with("OPTIONS ") {
            anna.respond(&request, "200 OK", "alive", "", "");
            continue;
        }
        assert!(request.starts_with(&format!("{method} ")), "{request}");
        return request;
    }
}

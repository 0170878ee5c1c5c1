//! Other ways of the same call: TCP, IPv6, NAT.

use crate::support::cast::{caller, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon, NUMBER};
use crate::support::line::Line;
use crate::support::namespaces::Side;
use crate::support::place::{Place, Who};
use crate::support::sipp::requests;
use crate::support::sound::{Law, speech};
use crate::support::tcp_caller::TcpCaller;

#[test]
fn a_whole_call_over_tcp_arrives_byte_by_byte() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = registered_phone(&place, Who::Anna, "phone", &anna_line);
    let (local, remote) = (place.sip(Who::Carrier), place.sip(Who::Ringdesk));
    let mut carrier = TcpCaller::connect(local, remote, NUMBER);

    let to_caller = carrier.call(caller_line.port());
    let to_anna = anna.wait_for_audio("answered", &place);
    talk(
        171,
        (&mut caller_line, to_caller),
        (&mut anna_line, to_anna),
    );
    carrier.hang_up();
    assert_eq!(requests(&anna.finish(), false, "BYE").len(), 1);
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

#[test]
fn a_whole_call_over_ipv6() {
    let place = Place::take_ipv6();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = registered_phone(&place, Who::Anna, "phone", &anna_line);
    let mut carrier = caller(&place, &caller_line).start();

    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    talk(
        181,
        (&mut caller_line, to_caller),
        (&mut anna_line, to_anna),
    );
    carrier.cue();
    let at_carrier = carrier.finish();
    let at_anna = anna.finish();
    assert_eq!(requests(&at_carrier, true, "BYE").len(), 1);
    assert_eq!(requests(&at_anna, false, "BYE").len(), 1);
    daemon.stop();
}

#[test]
fn a_phone_behind_a_nat_rings_and_both_hear_each_other() {
    let (place, networks) = match Place::take_nat() {
        Ok(made) => made,
        Err(why) => {
            eprintln!("skipped: no network namespaces here, which need root: {why}");
            return;
        }
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

//! Other ways of the same call: TCP, IPv6, NAT.

use crate::support::cast::{caller, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon, NUMBER};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::requests;
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

//! SIP over TCP.

use crate::support::cast::{caller, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::{header, requests};
use crate::support::wire::{Wire, audio, in_dialog, invite, register, sdp};

#[test]
fn a_whole_call_from_a_trunk_over_tcp_split_at_every_byte() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let ringdesk = place.sip(Who::Ringdesk);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = registered_phone(&place, Who::Anna, "phone", &anna_line);

    let mut carrier = Wire::tcp_byte_by_byte(place.ip(Who::Carrier), ringdesk);
    let offer = sdp(caller_line.address());
    carrier.send_with_body(&invite(&carrier, "cut"), &offer);
    let answered = carrier.response("200");
    assert_eq!(header(&answered, "CSeq"), Some("1 INVITE"));
    carrier.send(&in_dialog(&carrier, &answered, "1 ACK"));
    let to_caller = audio(&answered, ringdesk.ip());
    let to_anna = anna.wait_for_audio("answered", &place);
    talk(41, (&mut caller_line, to_caller), (&mut anna_line, to_anna));

    carrier.send(&in_dialog(&carrier, &answered, "2 BYE"));
    let gone = carrier.response("200");
    assert_eq!(header(&gone, "CSeq"), Some("2 BYE"));
    let at_anna = anna.finish();
    assert_eq!(requests(&at_anna, false, "BYE").len(), 1);
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

#[test]
fn a_whole_call_to_a_phone_that_registered_over_tcp_split_at_every_byte() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let ringdesk = place.sip(Who::Ringdesk);
    let mut caller_line = Line::open(place.ip(Who::Carrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mut anna = Wire::tcp_byte_by_byte(place.ip(Who::Anna), ringdesk);
    register(&mut anna, "anna");
    let mut carrier = caller(&place, &caller_line).start();

    let call = anna.request("INVITE");
    let contact = format!("Contact: <sip:anna@{};transport=tcp>", anna.local());
    anna.respond(&call, "180 Ringing", "anna", &contact, "");
    let more = format!("{contact}\nContent-Type: application/sdp");
    let answer = sdp(anna_line.address());
    anna.respond(&call, "200 OK", "anna", &more, &answer);
    anna.request("ACK");
    let to_anna = audio(&call, ringdesk.ip());
    let to_caller = carrier.wait_for_audio("answered", &place);
    talk(43, (&mut caller_line, to_caller), (&mut anna_line, to_anna));

    carrier.cue();
    let at_carrier = carrier.finish();
    let bye = anna.request("BYE");
    anna.respond(&bye, "200 OK", "", "", "");
    assert_eq!(requests(&at_carrier, true, "BYE").len(), 1);
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

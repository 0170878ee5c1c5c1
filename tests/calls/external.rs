//! A number outside rings too, and must press 1.

use crate::support::cast::{calling, phone, registered_phone, talk};
use crate::support::daemon::{Daemon, prompt};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sipp::{header, requests};
use crate::support::sound::assert_same;

/// Anna's phone and Carl's mobile ring.
const WITH_A_MOBILE: &str = r#"
[[channel]]
name = "main-line"
inbox = "customers"
numbers = ["+4722334455"]
[channel.working_hours]
users = ["anna", "carl"]
voicemail = "unanswered"
"#;

#[test]
fn a_mobile_whose_own_voicemail_answers_loses_to_the_phone_on_the_desk() {
    let place = Place::take();
    let daemon = Daemon::start_with_outbound(&place, WITH_A_MOBILE);
    let mut caller_line = Line::open(place.ip(Who::OtherCarrier));
    let mut anna_line = Line::open(place.ip(Who::Anna));
    let mobile_line = Line::open(place.ip(Who::Carrier));
    let mut mobile = phone(&place, Who::Carrier, "phone", &mobile_line).listen();
    let mut anna = registered_phone(&place, Who::Anna, "phone_cued", &anna_line);
    let mut carrier = calling(&place, Who::OtherCarrier, "caller", &caller_line).start();

    mobile.wait_for("answered");
    let asked = prompt("accept");
    mobile_line.wait_for(asked.len());
    anna.wait_for("ringing");
    anna.cue();
    let to_anna = anna.wait_for_audio("answered", &place);
    let to_caller = carrier.wait_for_audio("answered", &place);
    talk(71, (&mut caller_line, to_caller), (&mut anna_line, to_anna));

    let at_mobile = mobile.finish();
    let invites = requests(&at_mobile, false, "INVITE");
    assert!(
        invites[0].starts_with("INVITE sip:+4790000001@"),
        "{}",
        invites[0]
    );
    let from = header(invites[0], "From").unwrap();
    assert!(from.contains("+4722334455"), "{from}");
    assert_eq!(requests(&at_mobile, false, "BYE").len(), 1);
    assert_same("the mobile", &mobile_line.heard()[..asked.len()], &asked);
    carrier.cue();
    carrier.finish();
    anna.finish();
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("anna"));
    daemon.stop();
}

#[test]
fn a_mobile_that_presses_1_gets_the_call() {
    let place = Place::take();
    let daemon = Daemon::start_with_outbound(&place, WITH_A_MOBILE);
    let mut caller_line = Line::open(place.ip(Who::OtherCarrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let mut mobile_line = Line::open(place.ip(Who::Carrier));
    let mut mobile = phone(&place, Who::Carrier, "phone", &mobile_line).listen();
    let mut anna = registered_phone(&place, Who::Anna, "phone_rings", &anna_line);
    let mut carrier = calling(&place, Who::OtherCarrier, "caller", &caller_line).start();

    let to_mobile = mobile.wait_for_audio("answered", &place);
    anna.wait_for("ringing");
    mobile_line.wait_for(160);
    mobile_line.press(to_mobile, 101, 1);
    let to_caller = carrier.wait_for_audio("answered", &place);
    let at_anna = anna.finish();
    assert_eq!(requests(&at_anna, false, "CANCEL").len(), 1);
    talk(
        81,
        (&mut caller_line, to_caller),
        (&mut mobile_line, to_mobile),
    );
    let keys = caller_line.packets();
    assert!(
        keys.iter().all(|packet| packet.payload_type == 0),
        "the key that accepts is not for the caller"
    );
    carrier.cue();
    carrier.finish();
    mobile.finish();
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].answered_by.as_deref(), Some("carl"));
    daemon.stop();
}

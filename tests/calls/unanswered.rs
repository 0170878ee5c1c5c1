//! Nobody answers: a prompt, a beep, a voicemail.

use ringdesk::media::tone;

use crate::support::cast::{caller, registered_phone};
use crate::support::daemon::{Daemon, always_open, prompt};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::recorded::assert_recorded;
use crate::support::sipp::{header, requests};
use crate::support::sound::{Law, assert_same, read_wav, speech};

#[test]
fn nobody_answers_so_the_caller_hears_the_prompt_and_leaves_a_voicemail() {
    let place = Place::take();
    let for_a_second = always_open("teams = [\"support\"]\nring_seconds = 1");
    let daemon = Daemon::start(&place, &for_a_second);
    let mut line = Line::open(place.ip(Who::Carrier));
    let anna_line = Line::open(place.ip(Who::Anna));
    let anna = registered_phone(&place, Who::Anna, "phone_rings", &anna_line);
    let mut carrier = caller(&place, &line).start();

    let to_daemon = carrier.wait_for_audio("answered", &place);
    let mut expected = prompt("unanswered");
    expected.extend(tone::beep().pcmu.iter());
    line.wait_for(expected.len());
    let said = speech(21, 150);
    line.say(to_daemon, Law::Pcmu, &said);

    carrier.cue();
    let at_carrier = carrier.finish();
    let at_anna = anna.finish();
    assert_same("the caller", &line.heard(), &expected);
    assert_eq!(requests(&at_carrier, true, "BYE").len(), 1);
    assert_eq!(requests(&at_anna, false, "BYE").len(), 0);
    let cancels = requests(&at_anna, false, "CANCEL");
    assert_eq!(cancels.len(), 1);
    assert_eq!(header(cancels[0], "Reason"), None);

    let voicemail = daemon.wait_for_voicemail();
    assert_recorded(&read_wav(&voicemail.path), &said, &line);
    assert_eq!(voicemail.caller.as_deref(), Some("+4790000099"));
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("voicemail"));
    daemon.stop();
}

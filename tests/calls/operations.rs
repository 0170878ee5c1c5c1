//! The program is reloaded, stopped, started and killed while calls run.

use crate::support::cast::{Conversation, caller, calling, register, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon, always_open, prompt};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::recorded::left_unrecorded;
use crate::support::sound::{FRAME, Law, read_wav, speech};
use crate::support::wait;

#[test]
fn a_reload_counts_for_the_next_call_and_leaves_the_running_one_alone() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut first = Conversation::begin(&place);

    let only_bjorn = always_open("users = [\"bjorn\"]");
    place.write("config/channels.toml", only_bjorn);
    daemon.signal("HUP");
    daemon.wait_for("configuration 2 is in force");

    let mut second_line = Line::open(place.ip(Who::OtherCarrier));
    let mut bjorn_line = Line::open(place.ip(Who::Bjorn));
    let mut bjorn = registered_phone(&place, Who::Bjorn, "phone", &bjorn_line);
    let mut second = calling(&place, Who::OtherCarrier, "caller", &second_line).start();
    let to_bjorn = bjorn.wait_for_audio("answered", &place);
    let to_second = second.wait_for_audio("answered", &place);
    first.talk(121);
    talk(
        123,
        (&mut second_line, to_second),
        (&mut bjorn_line, to_bjorn),
    );
    first.end();
    second.cue();
    second.finish();
    bjorn.finish();
    daemon.stop();
}

#[test]
fn a_refused_reload_changes_nothing() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    register(&place, Who::Anna);

    let wrong = always_open("users = [\"bjorn\", \"nobody\"]");
    place.write("config/channels.toml", wrong);
    daemon.signal("HUP");
    daemon.wait_for("the configuration was not reloaded, 1 stays in force");

    let mut conversation = Conversation::begin_registered(&place);
    conversation.talk(131);
    conversation.end();
    daemon.stop();
}

#[test]
fn sigterm_lets_a_running_call_end_and_takes_no_other() {
    let place = Place::take();
    let mut daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut conversation = Conversation::begin(&place);
    daemon.signal("TERM");
    daemon.wait_for("no new calls");
    let other_line = Line::open(place.ip(Who::OtherCarrier));
    calling(&place, Who::OtherCarrier, "caller_is_refused", &other_line)
        .start()
        .finish();
    conversation.talk(141);
    conversation.end();
    let status = daemon.wait_for_end();
    assert!(status.success(), "{status}");
    let time_ran_out = "told to end";
    assert_eq!(daemon.times_said(time_ran_out), 0);
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("answered"));
}

#[test]
fn a_registered_phone_rings_after_a_restart_without_registering_again() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    register(&place, Who::Anna);
    daemon.stop();

    let daemon = Daemon::start_again(&place);
    let mut conversation = Conversation::begin_registered(&place);
    conversation.talk(151);
    conversation.end();
    daemon.stop();
}

#[test]
fn a_voicemail_survives_kill_9_while_it_is_recorded() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut line = Line::open(place.ip(Who::Carrier));
    let mut carrier = caller(&place, &line).start();
    let to_daemon = carrier.wait_for_audio("answered", &place);
    let beep = ringdesk::media::tone::beep().pcmu.len();
    line.wait_for(prompt("unanswered").len() + beep);
    let said = speech(161, 200);
    line.say(to_daemon, Law::Pcmu, &said);
    let enough = (3 * 8_000 * 2) as u64;
    wait::until("three seconds of audio on disk", || {
        recorded_octets(&place).filter(|octets| *octets > enough)
    });
    daemon.kill();
    carrier.dismiss();

    for _ in 0..2 {
        let daemon = Daemon::start_again(&place);
        let voicemail = daemon.wait_for_voicemail();
        assert_eq!(daemon.rows("SELECT id FROM voicemails").len(), 1);
        let recorded = read_wav(&voicemail.path);
        assert!(recorded.len() >= 3 * 8_000 - FRAME, "{}", recorded.len());
        // What is on disk is what was said.
        left_unrecorded(&recorded, &said, &line);
        assert_eq!(
            daemon
                .rows("SELECT id FROM calls WHERE ended IS NULL")
                .len(),
            0
        );
        daemon.stop();
    }
}

/// Octets in the one audio file that there is.
fn recorded_octets(place: &Place) -> Option<u64> {
    let mut directories = vec![place.path("data/audio")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).ok()?.filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "wav") {
                return Some(entry.metadata().ok()?.len());
            }
        }
    }
    None
}

//! The caller leaves a message, or does not.

use std::sync::Arc;

use super::party::{Manner, Standing};
use super::world::*;
use crate::core::conversation::ItemKind;
use crate::core::record::{CallOutcome, Record};
use crate::core::sample;
use crate::core::snapshot::{Channel, Snapshot, Strategy};
use crate::media::command::{MediaCommand, RecordingEnd};

/// Nobody is there, and somebody is told by mail.
fn nobody() -> Snapshot {
    nobody_on(|_| {})
}

/// The same on a channel with a change.
fn nobody_on(change: impl FnOnce(&mut Channel)) -> Snapshot {
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    let mut channel = snapshot.channels[0].clone();
    sample::call(&mut channel).notify = vec!["office@example.com".to_owned()];
    change(&mut channel);
    snapshot.channels = vec![channel].into();
    snapshot
}

/// The same in the hours of an office, with a change.
fn in_office_hours(change: impl FnOnce(&mut Channel)) -> Snapshot {
    let mut snapshot = nobody_on(|channel| {
        channel.schedule = Some("oslo".into());
        change(channel);
    });
    sample::add(&mut snapshot.schedules, Arc::new(sample::oslo(vec![])));
    snapshot
}

fn names(world: &World) -> Vec<&'static str> {
    world.commands(|command| match command {
        MediaCommand::Play { .. } => Some("play"),
        MediaCommand::Record { .. } => Some("record"),
        MediaCommand::StopRecording { .. } => Some("stop"),
        _ => None,
    })
}

#[test]
fn the_prompt_then_the_beep_then_a_message_that_reaches_somebody() {
    let mut world = World::new(nobody());
    let caller = world.call();
    world.run(millis(500));
    assert_eq!(*world.caller(caller), Standing::Talking);
    assert_eq!(names(&world), ["play"]);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
    assert_eq!(names(&world)[..3], ["play", "play", "record"]);
    assert_eq!(world.item().item, Some(ItemKind::Voicemail));
    assert_eq!(world.kept.len(), 1);
    assert_eq!(world.kept[0].seconds, Some(5.0));
    let [notice] = &world.notices[..] else {
        panic!("one mail, not {}", world.notices.len());
    };
    assert_eq!(notice.to, ["office@example.com"]);
    assert!(notice.voicemail.is_some());
    assert_eq!(world.messages("daemon", "carrier", "BYE").len(), 1);
}

#[test]
fn the_message_has_a_record_on_disk_before_the_beep() {
    let mut world = World::new(nobody());
    world.disk = Disk::Writes(seconds(2));
    world.call();
    world.run(seconds(10));
    let plays: Vec<_> = world
        .media
        .iter()
        .filter(|(_, command)| matches!(command, MediaCommand::Play { .. }))
        .map(|(at, _)| *at)
        .collect();
    let ready = world.prepared[0].0 + seconds(2);
    assert!(plays[1] >= ready, "the beep waits for the disk");
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn a_message_ends_with_the_hash_key_the_limit_silence_or_by_hanging_up() {
    let ends = [
        RecordingEnd::Pound,
        RecordingEnd::Silence,
        RecordingEnd::Limit,
    ];
    for why in ends {
        let mut world = World::new(nobody());
        world.says = AtBeep::Leaves(seconds(200), why);
        world.call();
        assert_eq!(world.outcome(), CallOutcome::Voicemail, "{why:?}");
        assert_eq!(world.kept[0].seconds, Some(180.0), "the longest length");
        assert_eq!(world.messages("daemon", "carrier", "BYE").len(), 1);
    }
    let mut world = World::new(nobody());
    world.says = AtBeep::Talks;
    let caller = world.call();
    world.run(seconds(9));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
    assert_eq!(world.kept.len(), 1);
    assert!(world.messages("daemon", "carrier", "BYE").is_empty());
}

#[test]
fn a_message_of_less_than_2_s_is_dropped_and_the_missed_call_stays() {
    let mut world = World::new(nobody());
    world.says = AtBeep::Leaves(millis(1_900), RecordingEnd::Silence);
    world.call();
    assert_eq!(world.outcome(), CallOutcome::Missed);
    assert_eq!((world.kept.len(), world.discarded.len()), (0, 1));
    assert_eq!(world.item().item, Some(ItemKind::MissedCall));
    assert_eq!(world.notices.len(), 1);
    assert!(world.notices[0].voicemail.is_none());
}

#[test]
fn who_hangs_up_before_the_beep_leaves_a_missed_call() {
    for after in [100, 900, 1_050] {
        let mut world = World::new(nobody());
        let caller = world.call();
        world.run(millis(after));
        world.caller_hangs_up(caller);
        assert_eq!(world.outcome(), CallOutcome::Missed, "after {after} ms");
        assert_eq!(world.item().item, Some(ItemKind::MissedCall));
        assert_eq!((world.kept.len(), world.discarded.len()), (0, 1));
        assert_eq!(world.notices.len(), 1);
    }
}

#[test]
fn a_disk_that_fails_means_no_beep_but_the_missed_call_stays() {
    for disk in [Disk::Fails, Disk::Hangs] {
        let mut world = World::new(nobody());
        world.disk = disk;
        let caller = world.call();
        assert_eq!(world.outcome(), CallOutcome::Missed);
        assert!(world.is_over(caller));
        assert_eq!(names(&world), ["play"], "the prompt and no beep");
        assert_eq!(world.item().item, Some(ItemKind::MissedCall));
        assert!(
            world
                .call_row()
                .detail
                .contains("no voicemail could be stored")
        );
        assert_eq!(world.notices.len(), 1);
    }
}

#[test]
fn what_is_given_up_while_the_disk_is_slow_is_removed_once_it_stands() {
    let mut world = World::new(nobody());
    world.disk = Disk::Writes(seconds(20));
    let caller = world.call();
    world.run(millis(500));
    world.caller_hangs_up(caller);
    world.run(seconds(1));
    assert!(world.discarded.is_empty(), "there is nothing to remove yet");
    assert_eq!(world.outcome(), CallOutcome::Missed);
    assert_eq!(world.discarded.len(), 1);
}

#[test]
fn a_recording_that_breaks_off_keeps_what_there_is() {
    let mut world = World::new(nobody());
    world.says = AtBeep::Leaves(seconds(4), RecordingEnd::Failed);
    world.call();
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
    assert_eq!(world.kept[0].seconds, Some(4.0));
}

#[test]
fn a_recording_that_breaks_off_at_once_is_told_like_a_missed_call() {
    let mut world = World::new(nobody());
    world.says = AtBeep::Leaves(seconds(0), RecordingEnd::Failed);
    world.call();
    assert_eq!(world.outcome(), CallOutcome::Failed);
    assert_eq!(world.item().item, Some(ItemKind::MissedCall));
    assert_eq!(world.notices.len(), 1, "a caller is never lost");
}

#[test]
fn a_caller_without_an_offer_hears_the_prompt_once_it_is_known_where_to_play_it() {
    let mut world = World::new(nobody());
    let call = world.answered_by_hand(false);
    assert!(names(&world).is_empty());
    world.answers_our_offer(&call);
    world.run(millis(100));
    assert_eq!(names(&world), ["play"]);
    world.takes_bye(call.caller);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn a_caller_without_an_offer_who_acknowledges_without_an_answer_is_let_go() {
    let mut world = World::new(nobody());
    let call = world.answered_by_hand(false);
    world.acknowledge(call.caller, &call.invite, &call.ok, None);
    world.takes_bye(call.caller);
    assert_eq!(world.outcome(), CallOutcome::Missed);
}

#[test]
fn the_ports_of_phones_come_back_before_the_message_is_left() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.says = AtBeep::Talks;
    let caller = world.call();
    world.run(seconds(40));
    assert_eq!(world.engine.in_use(), (1, 1, 1), "the caller's leg alone");
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn closed_hours_play_the_other_prompt_and_say_why() {
    let mut world = World::at(in_office_hours(|_| {}), 0, "2026-12-02T21:00:00Z");
    world.register("anna");
    world.manner("anna", Manner::Answers(seconds(1)));
    world.call();
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
    assert!(world.messages("daemon", "anna", "INVITE").is_empty());
    assert!(world.call_row().detail.starts_with("closed"));
    assert_eq!(world.notices[0].local, "Wed 2026-12-02 22:00+01:00");
}

#[test]
fn a_call_that_arrived_before_closing_time_is_not_cut() {
    let snapshot = in_office_hours(|channel| {
        let second = sample::step(Strategy::RingAll, &["anna"], &[]);
        channel.working_hours.steps.push(second);
    });
    let mut world = World::at(snapshot, 0, "2026-12-02T14:59:40Z");
    world.register("anna");
    let caller = world.call();
    world.run(seconds(30));
    assert_eq!(world.who_rings(), ["anna"], "the second step, after 16:00");
    world.answer("anna");
    world.run(seconds(1));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn each_selection_of_a_call_is_kept_as_a_decision() {
    let mut world = World::with_phones(Strategy::Sequential, &["anna", "bjorn"]);
    world.call();
    world.finish();
    let decisions = world
        .records
        .iter()
        .filter(|record| matches!(record, Record::Decision(_)))
        .count();
    assert_eq!(decisions, 3, "anna, bjorn, voicemail");
}

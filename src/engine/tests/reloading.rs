//! Another configuration, a drain and a stop while calls run.

use std::sync::Arc;

use super::party::Standing;
use super::world::*;
use crate::core::id::LegId;
use crate::core::prompt::{Audio, PromptAudio};
use crate::core::record::{CallOutcome, Record};
use crate::core::snapshot::Strategy;
use crate::engine::{Engine, Environment, Input};
use crate::media::command::MediaCommand;

#[test]
fn a_call_keeps_the_configuration_that_it_began_with() {
    let mut world = World::with_phones(Strategy::Sequential, &["anna", "bjorn"]);
    let caller = world.call();
    world.run(seconds(2));
    let mut other = ringing(Strategy::RingAll, &["bjorn"]);
    other.version = 42;
    world.tell(Input::Loaded(Arc::new(other)));
    world.run(seconds(2));
    assert_eq!(world.who_rings(), ["anna"], "she is gone from the new one");
    world.answer("anna");
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Talking);
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["bjorn"]);
    world.caller_hangs_up(second);
    world.caller_hangs_up(caller);
    world.finish();
    let versions: Vec<u64> = world.call_rows().iter().map(|call| call.snapshot).collect();
    assert_eq!(versions, [41, 42]);
}

#[test]
fn a_call_that_hears_a_prompt_hears_it_to_its_end_and_the_next_call_hears_the_new_one() {
    let (old, new) = (prompt(8_000), prompt(16_000));
    let with = |audio: &Audio| {
        let mut snapshot = ringing_nobody();
        for known in snapshot.prompts.values_mut() {
            *known = Arc::clone(audio);
        }
        snapshot
    };
    let mut world = World::new(with(&old));
    let first = world.call();
    world.run(millis(500));
    assert_eq!(world.commands(played).len(), 1);
    world.tell(Input::Loaded(Arc::new(with(&new))));
    world.run(millis(100));
    let second = world.call();
    world.run(millis(100));
    let [before, after] = &world.commands(played)[..] else {
        panic!("each call is played to once: nothing is taken away or begun anew");
    };
    assert!(Arc::ptr_eq(before, &old) && Arc::ptr_eq(after, &new));
    // The configuration is gone, its audio is not: whoever plays it holds it.
    let media = Arc::clone(before);
    drop(old);
    assert_eq!(media.duration(), seconds(1));
    world.caller_hangs_up(first);
    world.caller_hangs_up(second);
    world.finish();
}

fn prompt(samples: usize) -> Audio {
    Arc::new(PromptAudio {
        pcmu: vec![0xff; samples].into(),
        pcma: vec![0xd5; samples].into(),
    })
}

fn played(command: &MediaCommand) -> Option<Audio> {
    match command {
        MediaCommand::Play { audio, .. } => Some(Arc::clone(audio)),
        _ => None,
    }
}

#[test]
fn the_next_phone_rings_after_a_reload_that_knows_it_no_more() {
    let mut world = World::with_phones(Strategy::Sequential, &["anna", "bjorn"]);
    let caller = world.call();
    world.run(seconds(2));
    let other = ringing(Strategy::RingAll, &["anna"]);
    world.tell(Input::Loaded(Arc::new(other)));
    world.run(seconds(14));
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_reload_that_was_refused_is_remarked_beside_each_decision() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.tell(Input::ReloadRefused { errors: 2 });
    let caller = world.call();
    world.run(seconds(1));
    assert!(world.was_told("was refused (2 errors: ringdesk check)"));
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_drain_lets_calls_end_and_takes_no_new_ones() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    let first = world.talks_to("anna");
    world.tell(Input::DrainBegan);
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(*world.caller(second), Standing::Over("503".to_owned()));
    assert!(!world.drained);
    assert!(world.is_talking("anna"));
    world.caller_hangs_up(first);
    world.finish();
    assert!(world.drained);
}

#[test]
fn a_stop_ends_every_call_properly() {
    // Talking, ringing, waiting, hearing the prompt, and leaving a message.
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.says = AtBeep::Talks;
    let [talking, ringing, waiting] = three_callers(&mut world);
    world.tell(Input::ShutDown);
    world.finish();
    for caller in [talking, ringing, waiting] {
        assert!(world.is_over(caller));
    }
    assert_eq!(*world.caller(ringing), Standing::Over("503".to_owned()));

    for after in [500, 1_050, 6_000] {
        let mut world = World::new(ringing_nobody());
        world.says = AtBeep::Talks;
        let caller = world.call();
        world.run(millis(after));
        world.tell(Input::ShutDown);
        world.finish();
        assert!(world.is_over(caller));
        let expected = if after == 6_000 {
            CallOutcome::Voicemail
        } else {
            CallOutcome::Missed
        };
        assert_eq!(world.call_row().outcome, Some(expected), "{after} ms");
    }
}

#[test]
fn a_phone_that_registered_before_a_restart_still_rings() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let registrations = world.records.iter().filter_map(|record| match record {
        Record::Registered(registration) => Some(registration.clone()),
        _ => None,
    });
    let registrations: Vec<_> = registrations.collect();
    assert_eq!(registrations.len(), 1);
    world.run(seconds(40));
    let snapshot = Arc::clone(&world.snapshot);
    world.engine = Engine::new(snapshot, Environment::default(), [9; 32], world.now);
    world.engine.restore(registrations, Vec::new(), world.now);
    let caller = world.talks_to("anna");
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn status_tells_what_each_call_does() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    let [talking, ringing, waiting] = three_callers(&mut world);
    world.tell(Input::StatusAsked { question: 7 });
    let status = world.statuses.pop().expect("a status");
    let doing: Vec<&str> = status.calls.iter().map(|call| &*call.doing).collect();
    assert_eq!(
        doing,
        [
            "talks to anna",
            "ringing bjorn",
            "waits for somebody to become free"
        ]
    );
    for caller in [talking, ringing, waiting] {
        world.caller_hangs_up(caller);
    }
    world.finish();
    world.tell(Input::StatusAsked { question: 8 });
    let status = world.statuses.pop().expect("a status");
    assert!(status.calls.is_empty());
    assert_eq!(status.ports.0, 0, "ports in use");
}

/// One talks to Anna, one rings Björn, and one waits.
fn three_callers(world: &mut World) -> [LegId; 3] {
    let talking = world.talks_to("anna");
    let ringing = world.call();
    world.run(seconds(1));
    let waiting = world.call();
    world.run(seconds(1));
    [talking, ringing, waiting]
}

fn ringing_nobody() -> crate::core::snapshot::Snapshot {
    ringing(Strategy::RingAll, &["anna"])
}

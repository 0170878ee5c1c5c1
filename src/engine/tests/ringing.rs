//! Every way to ring, step after step, and callers who wait.

use super::party::{Manner, Standing};
use super::world::*;
use crate::core::record::CallOutcome;
use crate::core::sample;
use crate::core::snapshot::{Snapshot, Step, Strategy};

const THREE: [&str; 3] = ["anna", "bjorn", "carl"];

fn steps(users: &[&str], steps: Vec<Step>) -> Snapshot {
    sample::snapshot(people(users), vec![], vec![sample::channel(steps)])
}

fn with_all_phones(snapshot: Snapshot) -> World {
    let users: Vec<String> = snapshot
        .users
        .iter()
        .map(|user| user.name.to_string())
        .collect();
    let mut world = World::new(snapshot);
    for user in users {
        world.register(&user);
    }
    world
}

/// Who rings after so many seconds of a call that nobody answers.
fn course(world: &mut World, moments: &[u64]) -> Vec<String> {
    let began = world.now.mono;
    let mut seen = Vec::new();
    for moment in moments {
        let passed = world.now.mono.since(began);
        world.run(seconds(*moment).saturating_sub(passed));
        seen.push(format!("{moment}: {}", world.who_rings().join(" ")));
    }
    seen
}

#[test]
fn ring_all_rings_everybody_for_25_s() {
    let mut world = World::with_phones(Strategy::RingAll, &THREE);
    world.call();
    let seen = course(&mut world, &[1, 24, 26]);
    assert_eq!(seen, ["1: anna bjorn carl", "24: anna bjorn carl", "26: "]);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn ring_all_rings_no_more_than_max_ringing_and_fills_up_when_one_declines() {
    let mut snapshot = ringing(Strategy::RingAll, &THREE);
    let mut channel = snapshot.channels[0].clone();
    channel.working_hours.steps[0].max_ringing = 2;
    snapshot.channels = vec![channel].into();
    let mut world = with_all_phones(snapshot);
    world.manner("anna", Manner::Rejects(603, seconds(5)));
    world.call();
    let seen = course(&mut world, &[1, 6]);
    assert_eq!(seen, ["1: anna bjorn", "6: bjorn carl"]);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn progressive_adds_one_every_10_s_and_the_earlier_ones_go_on() {
    let mut world = World::with_phones(Strategy::Progressive, &THREE);
    world.call();
    let seen = course(&mut world, &[1, 9, 11, 21, 24, 26]);
    assert_eq!(
        seen,
        [
            "1: anna",
            "9: anna",
            "11: anna bjorn",
            "21: anna bjorn carl",
            "24: anna bjorn carl",
            "26: "
        ]
    );
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn sequential_rings_each_for_15_s_in_the_order_written() {
    let mut world = World::with_phones(Strategy::Sequential, &THREE);
    world.call();
    let seen = course(&mut world, &[1, 14, 16, 29, 31, 44, 46]);
    assert_eq!(
        seen,
        [
            "1: anna",
            "14: anna",
            "16: bjorn",
            "29: bjorn",
            "31: carl",
            "44: carl",
            "46: "
        ]
    );
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn sequential_goes_on_at_once_when_one_declines_or_is_busy() {
    let mut world = World::with_phones(Strategy::Sequential, &THREE);
    world.manner("anna", Manner::Rejects(603, seconds(2)));
    world.manner("bjorn", Manner::Rejects(486, seconds(2)));
    world.call();
    let seen = course(&mut world, &[1, 3, 5, 18, 20]);
    assert_eq!(seen, ["1: anna", "3: bjorn", "5: carl", "18: carl", "20: "]);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn sequential_rings_for_70_s_where_its_times_say_so() {
    let mut step = sample::step(Strategy::Sequential, &THREE, &[]);
    step.ring = seconds(70);
    step.ring_each = seconds(30);
    let mut world = with_all_phones(steps(&THREE, vec![step]));
    world.call();
    let seen = course(&mut world, &[29, 31, 61, 69, 71]);
    assert_eq!(
        seen,
        ["29: anna", "31: bjorn", "61: carl", "69: carl", "71: "]
    );
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

/// Who is rung first by each of four calls that the one who rings answers and soon ends.
fn first_rung(strategy: Strategy) -> Vec<String> {
    let mut world = World::with_phones(strategy, &THREE);
    let mut first = Vec::new();
    for _ in 0..4 {
        let caller = world.call();
        world.run(seconds(1));
        let rings = world.who_rings();
        assert_eq!(rings.len(), 1, "one at a time");
        world.answer(&rings[0]);
        world.run(seconds(5));
        world.caller_hangs_up(caller);
        world.run(seconds(40));
        first.push(rings[0].clone());
    }
    world.finish();
    first
}

#[test]
fn round_robin_begins_after_the_one_who_answered_last() {
    assert_eq!(
        first_rung(Strategy::RoundRobin),
        ["anna", "bjorn", "carl", "anna"]
    );
}

#[test]
fn longest_idle_begins_with_the_one_whose_last_call_is_longest_ago() {
    assert_eq!(
        first_rung(Strategy::LongestIdle),
        ["anna", "bjorn", "carl", "anna"]
    );
}

#[test]
fn least_busy_takes_turns_among_those_who_have_nothing_open() {
    // Each call is closed when it ends, so all are equal: who was assigned least recently.
    assert_eq!(
        first_rung(Strategy::LeastBusy),
        ["anna", "bjorn", "carl", "anna"]
    );
}

#[test]
fn random_rings_one_at_a_time_until_all_have_been_asked() {
    let mut world = World::with_phones(Strategy::Random, &THREE);
    for user in THREE {
        world.manner(user, Manner::Rejects(603, seconds(1)));
    }
    world.call();
    world.run(seconds(5));
    for user in THREE {
        assert_eq!(world.messages("daemon", user, "INVITE").len(), 1);
    }
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn the_next_step_rings_when_the_first_has_had_its_time() {
    let mut first = sample::step(Strategy::RingAll, &["anna", "bjorn"], &[]);
    first.ring = seconds(10);
    let second = sample::step(Strategy::RingAll, &["carl"], &[]);
    let mut world = with_all_phones(steps(&THREE, vec![first, second]));
    let caller = world.call();
    let seen = course(&mut world, &[1, 9, 11, 34, 36]);
    assert_eq!(
        seen,
        [
            "1: anna bjorn",
            "9: anna bjorn",
            "11: carl",
            "34: carl",
            "36: "
        ]
    );
    assert_eq!(*world.caller(caller), Standing::Talking);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn the_next_step_rings_at_once_when_everybody_declined() {
    let first = sample::step(Strategy::RingAll, &["anna"], &[]);
    let second = sample::step(Strategy::RingAll, &["carl"], &[]);
    let mut world = with_all_phones(steps(&THREE, vec![first, second]));
    world.manner("anna", Manner::Rejects(603, seconds(2)));
    world.call();
    let seen = course(&mut world, &[1, 3, 26, 28]);
    assert_eq!(seen, ["1: anna", "3: carl", "26: carl", "28: "]);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
}

#[test]
fn nobody_reachable_means_voicemail_at_once() {
    let mut world = World::new(ringing(Strategy::RingAll, &THREE));
    let caller = world.call();
    world.run(millis(200));
    assert_eq!(*world.caller(caller), Standing::Talking);
    assert_eq!(world.outcome(), CallOutcome::Voicemail);
    assert!(world.was_told("no-device"));
}

#[test]
fn a_second_caller_waits_while_all_ring_and_gets_the_first_who_becomes_free() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    let first = world.call();
    world.run(seconds(2));
    let second = world.call();
    world.run(seconds(2));
    assert_eq!(*world.caller(second), Standing::Ringing);
    assert_eq!(world.messages("daemon", "anna", "INVITE").len(), 1);
    world.answer("anna");
    world.run(seconds(1));
    assert_eq!(*world.caller(first), Standing::Talking);
    assert_eq!(world.who_rings(), ["bjorn"], "now for the second caller");
    assert_eq!(world.messages("daemon", "bjorn", "INVITE").len(), 2);
    world.answer("bjorn");
    world.run(seconds(1));
    assert_eq!(*world.caller(second), Standing::Talking);
    world.caller_hangs_up(first);
    world.caller_hangs_up(second);
    world.finish();
}

#[test]
fn a_caller_who_waited_for_the_last_one_goes_to_voicemail_when_that_one_takes_another_call() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let first = world.call();
    world.run(seconds(2));
    let second = world.call();
    world.run(seconds(1));
    world.answer("anna");
    world.run(seconds(1));
    assert_eq!(*world.caller(second), Standing::Talking, "voicemail");
    assert!(world.was_told("on-call"));
    world.caller_hangs_up(first);
    world.finish();
}

#[test]
fn the_oldest_waiting_caller_is_first() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let caller = world.call();
            world.run(seconds(1));
            caller
        })
        .collect();
    world.caller_hangs_up(callers[0]);
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["anna"]);
    world.answer("anna");
    world.run(millis(100));
    assert_eq!(*world.caller(callers[1]), Standing::Talking);
    world.caller_hangs_up(callers[1]);
    world.finish();
}

#[test]
fn nobody_is_rung_while_wrapping_up_and_a_waiting_call_comes_right_after() {
    let mut users = people(&["anna", "bjorn"]);
    users[0].wrap_up = seconds(10);
    let step = sample::step(Strategy::Sequential, &["anna", "bjorn"], &[]);
    let snapshot = sample::snapshot(users, vec![], vec![sample::channel(vec![step])]);
    let mut world = with_all_phones(snapshot);
    let first = world.talks_to("anna");
    world.caller_hangs_up(first);
    world.run(seconds(1));
    world.manner("anna", Manner::Rings);
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["bjorn"]);
    assert!(world.was_told("wrap-up"));
    world.reject("bjorn", 603);
    world.run(seconds(9));
    world.caller_hangs_up(second);
    world.run(seconds(1));
    let third = world.call();
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["anna"], "her ten seconds are over");
    world.caller_hangs_up(third);
    world.finish();
}

#[test]
fn a_phone_that_registers_while_the_caller_waits_rings() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna", "bjorn"]));
    world.register("anna");
    let caller = world.call();
    world.run(seconds(2));
    assert_eq!(world.who_rings(), ["anna"]);
    world.register("bjorn");
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["anna", "bjorn"]);
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_user_on_a_call_gets_no_other() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let first = world.talks_to("anna");
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(world.messages("daemon", "anna", "INVITE").len(), 1);
    assert_eq!(*world.caller(second), Standing::Talking, "voicemail");
    world.caller_hangs_up(first);
    world.finish();
}

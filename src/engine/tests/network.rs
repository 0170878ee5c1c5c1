//! Whole calls over a network that loses, doubles and reorders.

use super::party::Manner;
use super::world::*;
use crate::core::record::CallOutcome;
use crate::core::snapshot::Strategy;

const LOSSY: Faults = Faults {
    lost: 25,
    doubled: 0,
    jitter: 0,
};

const DOUBLING: Faults = Faults {
    lost: 0,
    doubled: 60,
    jitter: 40,
};

const ALL: Faults = Faults {
    lost: 20,
    doubled: 30,
    jitter: 80,
};

fn world(seed: u8, faults: Faults) -> World {
    let mut world = World::seeded(ringing(Strategy::RingAll, &["anna", "bjorn"]), seed);
    world.register("anna");
    world.register("bjorn");
    world.faults = faults;
    world
}

#[test]
fn an_answered_call_survives_what_networks_do() {
    for faults in [LOSSY, DOUBLING, ALL] {
        for seed in 0..20 {
            let mut world = world(seed, faults);
            world.manner("anna", Manner::Answers(seconds(6)));
            let caller = world.call();
            world.run(seconds(40));
            if !world.is_over(caller) {
                world.caller_hangs_up(caller);
            }
            world.finish();
            assert!(!world.is_talking("anna"));
        }
    }
}

#[test]
fn doubled_and_reordered_messages_change_nothing() {
    for seed in 0..20 {
        let mut world = world(seed, DOUBLING);
        world.manner("anna", Manner::Answers(seconds(6)));
        let caller = world.call();
        world.run(seconds(20));
        assert!(world.is_talking("anna"), "seed {seed}");
        world.caller_hangs_up(caller);
        assert_eq!(world.outcome(), CallOutcome::Answered);
    }
}

#[test]
fn a_caller_gives_up_whatever_the_network_does() {
    for faults in [LOSSY, DOUBLING, ALL] {
        for seed in 0..20 {
            let mut world = world(seed, faults);
            let caller = world.call();
            let after = 100 * (u64::from(seed) + 1);
            world.run(millis(after));
            if !world.is_over(caller) {
                world.caller_hangs_up(caller);
            }
            world.finish();
            assert!(world.who_rings().is_empty());
        }
    }
}

#[test]
fn a_message_is_left_whatever_the_network_does() {
    for faults in [LOSSY, DOUBLING, ALL] {
        for seed in 0..10 {
            let mut world = world(seed, faults);
            world.call();
            world.finish();
        }
    }
}

#[test]
fn whatever_is_lost_first_in_either_direction_a_call_still_comes_about() {
    let kinds = [
        "INVITE",
        "100",
        "180",
        "200 INVITE",
        "ACK",
        "BYE",
        "200 BYE",
        "CANCEL",
        "487",
    ];
    for kind in kinds {
        for from_daemon in [true, false] {
            let mut world = world(1, Faults::default());
            world.manner("anna", Manner::Answers(seconds(2)));
            let mut left = 2;
            world.drop_if(move |from, _, message| {
                let hit = (from == "daemon") == from_daemon && title(message).starts_with(kind);
                left -= i32::from(hit && left > 0);
                hit && left > 0
            });
            let caller = world.call();
            world.run(seconds(20));
            assert!(world.is_talking("anna"), "without the first {kind}");
            world.caller_hangs_up(caller);
            assert_eq!(world.outcome(), CallOutcome::Answered);
        }
    }
}

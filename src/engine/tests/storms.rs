//! Many calls at once, by the throw of a die: callers arrive, give up and hang up; phones answer,
//! decline, stay quiet, vanish and come back; the network loses. After each step nobody is rung by
//! two calls and nobody rings without a leg; at the end nothing is left.

use super::party::Manner;
use super::world::*;
use crate::core::sample;
use crate::core::snapshot::{Snapshot, Strategy};

const USERS: [&str; 5] = ["anna", "bjorn", "carl", "dora", "eva"];

const STRATEGIES: [Strategy; 7] = [
    Strategy::RingAll,
    Strategy::Progressive,
    Strategy::Sequential,
    Strategy::RoundRobin,
    Strategy::LeastBusy,
    Strategy::LongestIdle,
    Strategy::Random,
];

fn configuration(seed: u8) -> Snapshot {
    let mut users = people(&USERS);
    for (number, user) in users.iter_mut().enumerate() {
        user.wrap_up = seconds((number as u64 + u64::from(seed)) % 3 * 5);
    }
    let strategy = |shift: usize| STRATEGIES[(usize::from(seed) + shift) % STRATEGIES.len()];
    let mut first = sample::step(strategy(0), &["anna", "bjorn", "carl"], &[]);
    first.max_ringing = 1 + usize::from(seed) % 3;
    let second = sample::step(strategy(3), &["dora", "anna"], &[]);
    let third = sample::step(strategy(5), &USERS, &[]);
    sample::snapshot(
        users,
        vec![],
        vec![sample::channel(vec![first, second, third])],
    )
}

fn storm(seed: u8) {
    let mut world = World::seeded(configuration(seed), seed);
    for user in USERS {
        world.register(user);
        world.manner(user, Manner::Whims);
    }
    world.register("anna");
    world.manner("anna-2", Manner::Whims);
    world.faults = Faults {
        lost: u64::from(seed % 4) * 5,
        doubled: u64::from(seed % 3) * 10,
        jitter: 60,
    };
    for number in 0..25 {
        let wait = millis(world.random.next_u64() % 9_000);
        let stays = millis(world.random.next_u64() % 90_000);
        world.run(wait);
        let caller = world.call();
        world.later(stays, move |world| {
            if !world.is_over(caller) {
                world.caller_hangs_up(caller);
            }
        });
        if number % 5 == 4 {
            let who = USERS[(world.random.next_u64() % 5) as usize];
            if who != "eva" {
                world.unplug(who);
                let gone = millis(world.random.next_u64() % 20_000);
                world.later(gone, move |world| world.plug_in(who));
            }
        }
    }
    world.finish();
}

#[test]
fn after_a_storm_of_calls_everybody_is_free_and_every_call_has_an_outcome() {
    for seed in 0..28 {
        storm(seed);
    }
}

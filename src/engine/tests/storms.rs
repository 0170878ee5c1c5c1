//! Many calls at once, by the throw of a die: callers arrive, give up and hang up; phones answer,
//! decline, stay quiet, vanish and come back; the network loses. After each step nobody is rung by
//! two calls and nobody rings without a leg; at the end nothing is left.

use std::sync::Arc;

use super::party::Manner;
use super::steps::with_mobile;
use super::world::*;
use crate::core::record::CallOutcome;
use crate::core::sample::{self, STRATEGIES};
use crate::core::snapshot::{CallerShown, Snapshot};
use crate::engine::Input;
use crate::media::command::{MediaEvent, RecordingEnd};

const USERS: [&str; 5] = ["anna", "bjorn", "carl", "dora", "eva"];

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

/// Eva has a mobile, which answers through the carrier.
fn evas_mobile(snapshot: Snapshot) -> Snapshot {
    with_mobile(snapshot, 4, CallerShown::Channel)
}

fn storm(seed: u8) -> Vec<CallOutcome> {
    let mut snapshot = evas_mobile(configuration(seed));
    if seed % 5 == 1 {
        // Ports for five pairs: some calls find none.
        snapshot.settings.media.ports = 16384..=16393;
    }
    let mut world = World::seeded(snapshot, seed);
    for user in &USERS[..4] {
        world.register(user);
        world.manner(user, Manner::Whims);
    }
    world.register_over_tcp("anna");
    world.manner("anna-2", Manner::Whims);
    world.manner("carrier", Manner::Whims);
    world.faults = Faults {
        lost: u64::from(seed % 4) * 5,
        doubled: u64::from(seed % 3) * 10,
        jitter: 60,
    };
    for _ in 0..25 {
        let wait = millis(world.random.next_u64() % 9_000);
        let stays = millis(world.random.next_u64() % 90_000);
        world.run(wait);
        let caller = world.call();
        world.later(stays, move |world| {
            if !world.is_over(caller) {
                world.caller_hangs_up(caller);
            }
        });
        gust(&mut world, seed);
    }
    world.run(seconds(200));
    for name in ["anna", "bjorn", "carl", "dora"] {
        world.plug_in(name);
    }
    if seed % 8 == 7 {
        world.tell(Input::ShutDown);
    }
    world.finish();
    let rows = world.call_rows();
    rows.into_iter().filter_map(|call| call.outcome).collect()
}

/// Something else that happens in the world.
fn gust(world: &mut World, seed: u8) {
    let throw = world.random.next_u64();
    let media = world.a_media_leg((throw >> 8) as usize);
    match throw % 12 {
        0 => {
            let who = ["anna", "bjorn", "carl", "dora"][(throw >> 16) as usize % 4];
            world.unplug(who);
            let gone = millis((throw >> 24) % 20_000);
            world.later(gone, move |world| world.plug_in(who));
        }
        1 => world.says = AtBeep::Talks,
        2 => world.says = AtBeep::Leaves(millis((throw >> 16) % 6_000), RecordingEnd::Pound),
        3 => world.disk = Disk::Fails,
        4 => world.disk = Disk::Writes(millis((throw >> 16) % 4_000)),
        5 => {
            let other = Arc::new(evas_mobile(configuration(seed.wrapping_add(1))));
            world.tell(Input::Loaded(other));
        }
        6 | 7 => {
            if let Some(media) = media {
                let ever_heard = throw & 0x10000 == 0;
                world.media_says(MediaEvent::Silent { media, ever_heard });
            }
        }
        8 => world.ports_taken = 1,
        9 => {
            if let Some(media) = media {
                for digit in ['5', '1'] {
                    world.media_says(MediaEvent::Digit { media, digit });
                }
            }
        }
        10 => world.somebody_holds(),
        _ => {
            let anna = world.party("anna-2");
            if world.parties[anna].open_legs().is_empty() {
                world.disconnect("anna-2");
            }
        }
    }
}

#[test]
fn after_a_storm_of_calls_everybody_is_free_and_every_call_has_an_outcome() {
    let outcomes: Vec<CallOutcome> = (0..40).flat_map(storm).collect();
    for outcome in [
        CallOutcome::Answered,
        CallOutcome::Voicemail,
        CallOutcome::Missed,
    ] {
        let times = outcomes.iter().filter(|one| **one == outcome).count();
        assert!(
            times > 20,
            "{outcome:?} {times} times of {}",
            outcomes.len()
        );
    }
}

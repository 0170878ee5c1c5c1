//! Whole calls over a network that loses, doubles and reorders.

use std::time::Duration;

use super::world::{ANNA, BJORN, Faults, World, leg, offer};
use crate::core::id::RandomSource;
use crate::sip::user_agent::Event;

/// What each side does next, seen from what it last heard.
struct Course {
    /// Who hangs up, and how many seconds after the answer.
    hangs_up: (usize, u64),
    /// Whether the caller gives up after this many seconds.
    gives_up: Option<u64>,
    /// Whether both sides offer another session once the call stands.
    offers: bool,
}

/// Plays a call until nothing happens any more; says whether it was answered. All else is left to
/// chance but that it ends.
fn play(seed: u8, faults: Faults, course: &Course) -> bool {
    let mut world = World::seeded(seed);
    world.faults = faults;
    world.invite(ANNA, leg(1), BJORN);
    let second = Duration::from_secs(1);
    let mut answered_at = None;
    for elapsed in 0..200 {
        world.run(second);
        for event in world.heard(BJORN) {
            match event {
                Event::Incoming { key, .. } => {
                    world.accept(BJORN, key, leg(2));
                    world.provisional(BJORN, leg(2));
                }
                Event::Offered { .. } => answer_offer(&mut world, BJORN, 2),
                _ => {}
            }
        }
        if elapsed == 3 {
            world.answer(BJORN, leg(2));
        }
        for event in world.heard(ANNA) {
            match event {
                Event::Answered { .. } => {
                    answered_at = Some(elapsed);
                    if course.offers {
                        offer_another(&mut world, ANNA, 1);
                        offer_another(&mut world, BJORN, 2);
                    }
                }
                Event::Offered { .. } => answer_offer(&mut world, ANNA, 1),
                _ => {}
            }
        }
        if course.gives_up == Some(elapsed) {
            world.command(ANNA, "cancels", |agent, now| {
                agent.cancel(leg(1), None, now)
            });
        }
        let (who, after) = course.hangs_up;
        if answered_at.is_some_and(|at| at + after == elapsed) {
            world.hang_up(who, leg(1 + who as u128));
        }
    }
    world.hang_up(ANNA, leg(1));
    world.hang_up(BJORN, leg(2));
    world.finish();
    answered_at.is_some()
}

fn answer_offer(world: &mut World, end: usize, number: u128) {
    world.command(end, "answers the offer", |agent, now| {
        agent.answer_offer(leg(number), Ok(offer()), now);
    });
}

fn offer_another(world: &mut World, end: usize, number: u128) {
    world.command(end, "offers", |agent, now| {
        agent.offer(leg(number), offer(), now);
    });
}

const BAD: Faults = Faults {
    lost: 25,
    doubled: 25,
    jitter: 700,
};

#[test]
fn calls_over_a_bad_network_are_answered_and_end_without_a_trace() {
    let answered = (0..60).filter(|seed| {
        let course = Course {
            hangs_up: (usize::from(seed % 2), 5),
            gives_up: None,
            offers: false,
        };
        play(*seed, BAD, &course)
    });
    assert!(answered.count() > 55);
}

#[test]
fn calls_that_are_given_up_over_a_bad_network_end_without_a_trace() {
    for seed in 0..60 {
        let gives_up = Some(u64::from(seed % 6));
        play(
            seed,
            BAD,
            &Course {
                hangs_up: (ANNA, 9),
                gives_up,
                offers: false,
            },
        );
    }
}

#[test]
fn offers_over_a_bad_network_end_without_a_trace() {
    for seed in 0..60 {
        let course = Course {
            hangs_up: (usize::from(seed % 2), 20),
            gives_up: None,
            offers: true,
        };
        play(seed, BAD, &course);
    }
}

#[test]
fn a_call_over_a_network_that_only_doubles_is_answered_once() {
    for seed in 0..20 {
        let mut world = World::seeded(seed);
        world.faults = Faults {
            lost: 0,
            doubled: 100,
            jitter: 0,
        };
        world.establish(leg(1), leg(2));
        world.run(Duration::from_secs(2));
        assert!(world.heard(ANNA).is_empty());
        assert!(world.heard(BJORN).is_empty());
        world.hang_up(BJORN, leg(2));
        world.finish();
    }
}

#[test]
fn each_message_of_a_call_may_be_lost_once() {
    for lost in 0..12 {
        let mut world = World::new();
        let mut sent = 0;
        world.drop_if(move |_, _| {
            sent += 1;
            sent == lost + 1
        });
        world.establish(leg(1), leg(2));
        world.hang_up(ANNA, leg(1));
        world.finish();
    }
}

#[test]
fn a_network_that_dies_leaves_nothing_behind() {
    let mut world = World::new();
    world.establish(leg(1), leg(2));
    world.faults.lost = 100;
    offer_another(&mut world, ANNA, 1);
    world.hang_up(ANNA, leg(1));
    world.hang_up(BJORN, leg(2));
    world.finish();
}

/// Both sides do whatever a number says, at any time, while old datagrams come again, some changed.
fn storm(seed: u8) {
    let mut world = World::seeded(seed);
    world.faults = Faults {
        lost: 10,
        doubled: 10,
        jitter: 300,
    };
    let mut random = RandomSource::from_seed([seed; 32]);
    let mut legs: Vec<(usize, u128)> = Vec::new();
    for _ in 0..300 {
        world.run(Duration::from_millis(random.next_u64() % 2000));
        for end in [ANNA, BJORN] {
            for event in world.heard(end) {
                if let Event::Incoming { key, .. } = event {
                    if random.next_u64().is_multiple_of(4) {
                        world.command(end, "refuses", |agent, now| {
                            agent.refuse(key, 486, &[], now);
                        });
                    } else {
                        let number = legs.len() as u128;
                        legs.push((end, number));
                        world.accept(end, key, leg(number));
                    }
                }
            }
        }
        let choice = random.next_u64();
        if choice.is_multiple_of(12) || legs.is_empty() {
            let number = legs.len() as u128;
            let end = usize::from(choice.is_multiple_of(24));
            legs.push((end, number));
            world.invite(end, leg(number), 1 - end);
            continue;
        }
        let recent = legs.len().min(6);
        if choice % 12 == 11 {
            world.replay(&mut random);
            continue;
        }
        let (end, number) = legs[legs.len() - 1 - (random.next_u64() as usize % recent)];
        let what = format!("does {} to leg {number}", choice % 12);
        world.command(end, &what, |agent, now| {
            let leg = leg(number);
            match choice % 12 {
                1 | 2 => agent.provisional(leg, 180, now),
                3 | 4 => agent.answer(leg, &[], &offer(), now),
                5 => agent.reject(leg, 486, &[], now),
                6 => agent.offer(leg, offer(), now),
                7 => agent.answer_offer(leg, Ok(offer()), now),
                8 => agent.answer_offer(leg, Err(488), now),
                9 => agent.ping(leg, now),
                10 => agent.hang_up(leg, Some("SIP;cause=200"), now),
                _ => {}
            }
        });
    }
    for (end, number) in legs {
        world.hang_up(end, leg(number));
    }
    for _ in 0..60 {
        world.run(Duration::from_secs(1));
        for end in [ANNA, BJORN] {
            for event in world.heard(end) {
                if let Event::Incoming { key, .. } = event {
                    world.command(end, "refuses", |agent, now| {
                        agent.refuse(key, 486, &[], now);
                    });
                }
            }
        }
    }
    world.finish();
}

#[test]
fn whatever_both_sides_do_every_leg_ends_once_and_nothing_is_left() {
    for seed in 0..30 {
        storm(seed);
    }
}

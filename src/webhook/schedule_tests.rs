use proptest::prelude::*;

use super::*;

struct World {
    schedule: Schedule,
    now: Now,
    under_way: Vec<Key>,
    done: Vec<Action>,
}

fn name(text: &str) -> Name {
    Name::from(text)
}

fn key(webhook: &str, sequence: u64) -> Key {
    Key {
        webhook: name(webhook),
        sequence,
    }
}

impl World {
    fn new(webhooks: &[&str]) -> World {
        World::with(Policy::default(), webhooks)
    }

    fn with(policy: Policy, webhooks: &[&str]) -> World {
        let mut world = World {
            schedule: Schedule::new(policy, RandomSource::from_seed([7; 32])),
            now: Now::new(Mono::from_millis(1000), Wall::from_seconds(1_800_000_000)),
            under_way: Vec::new(),
            done: Vec::new(),
        };
        world.configure(webhooks);
        world
    }

    fn configure(&mut self, webhooks: &[&str]) {
        let webhooks = webhooks.iter().map(|text| name(text)).collect();
        self.schedule.handle_configured(&webhooks, self.now);
        self.drain();
    }

    fn queue(&mut self, webhook: &str, sequence: u64) {
        let (now, wall) = (self.now, self.now.wall);
        self.schedule
            .handle_queued(key(webhook, sequence), 100, wall, 0, now);
        self.drain();
    }

    fn end(&mut self, key: &Key, outcome: &Outcome) {
        let place = self.under_way.iter().position(|one| one == key);
        self.under_way.remove(place.expect("under way"));
        self.schedule.handle_attempted(key, outcome, self.now);
        self.drain();
    }

    fn fail(&mut self, key: &Key) {
        self.end(key, &Outcome::Failed { retry_after: None });
    }

    fn drain(&mut self) {
        while let Some(action) = self.schedule.poll_action() {
            match action {
                Action::Send(key) => self.under_way.push(key),
                other => self.done.push(other),
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now::new(self.now.mono + time, self.now.wall + time);
        self.schedule.handle_timeout(self.now);
        self.drain();
    }

    /// Waits until the machine asks to be woken; how long that was.
    fn wait(&mut self) -> Duration {
        let next = self.schedule.next_timeout().expect("something waits");
        let wait = next.since(self.now.mono);
        self.pass(wait);
        wait
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.done)
    }
}

#[test]
fn what_arrives_is_forgotten() {
    let mut world = World::new(&["crm"]);
    world.queue("crm", 1);
    assert_eq!(world.under_way, [key("crm", 1)]);
    world.end(&key("crm", 1), &Outcome::Accepted);
    assert_eq!(world.take(), [Action::Forget(key("crm", 1))]);
    assert_eq!(world.schedule.next_timeout(), None);
}

#[test]
fn what_fails_comes_again_ever_later_for_a_day_and_then_is_a_dead_letter() {
    let mut world = World::new(&["crm"]);
    world.queue("crm", 1);
    let mut waits = Vec::new();
    let began = world.now.wall;
    while let Some(sent) = world.under_way.first().cloned() {
        world.fail(&sent);
        if world.schedule.next_timeout().is_some() {
            waits.push(world.wait().as_secs());
        }
    }
    for (place, wait) in waits.iter().enumerate() {
        let whole = (5u64 << place.min(20)).min(3600);
        assert!((whole / 2..=whole).contains(wait), "{place}: {waits:?}");
    }
    let tried_for = world.now.wall.since(began).as_secs();
    assert!((86_400..90_001).contains(&tried_for), "{tried_for}");
    let last = world.take().pop().unwrap();
    let Action::Bury {
        attempts, burial, ..
    } = last
    else {
        panic!("{last:?}");
    };
    assert_eq!(burial, Burial::GivenUp);
    assert_eq!(attempts as usize, waits.len() + 1);
}

#[test]
fn what_fails_together_does_not_come_back_together() {
    let mut world = World::new(&["a", "b"]);
    world.queue("a", 1);
    world.queue("b", 1);
    world.fail(&key("a", 1));
    world.fail(&key("b", 1));
    world.wait();
    assert_eq!(world.under_way.len(), 1);
}

#[test]
fn an_endpoint_that_names_its_wait_is_given_it_within_reason() {
    for (asked, least, most) in [(30, 30, 30), (1, 2, 5), (999_999_999, 3600, 3600)] {
        let mut world = World::new(&["crm"]);
        world.queue("crm", 1);
        let retry_after = Some(Duration::from_secs(asked));
        world.end(&key("crm", 1), &Outcome::Failed { retry_after });
        // What comes meanwhile waits too.
        world.queue("crm", 2);
        let waited = world.wait().as_secs();
        assert!((least..=most).contains(&waited), "{asked}: {waited}");
    }
}

#[test]
fn a_broken_endpoint_is_asked_with_one_delivery_and_told_of_once() {
    let mut world = World::new(&["crm"]);
    for sequence in 1..=10 {
        world.queue("crm", sequence);
    }
    assert_eq!(world.under_way.len(), 2, "two at a time");
    world.fail(&key("crm", 1));
    world.fail(&key("crm", 2));
    assert!(world.under_way.is_empty());
    let standing = world.schedule.standing()[&name("crm")];
    assert_eq!((standing.waiting, standing.failures), (10, 1));
    for _ in 0..5 {
        world.wait();
        let [sent] = &world.under_way[..] else {
            panic!("{:?}", world.under_way);
        };
        let sent = sent.clone();
        world.fail(&sent);
    }
    let told = world.take();
    let troubles = told
        .iter()
        .filter(|action| matches!(action, Action::TellTrouble { .. }));
    assert_eq!(troubles.count(), 1, "{told:?}");

    world.wait();
    let sent = world.under_way[0].clone();
    world.end(&sent, &Outcome::Accepted);
    assert!(world.take().contains(&Action::TellWorking(name("crm"))));
    assert_eq!(world.under_way.len(), 2, "the rest flows");
}

#[test]
fn a_delivery_that_the_endpoint_cannot_bear_holds_up_no_other() {
    let mut world = World::new(&["crm"]);
    for sequence in 1..=20 {
        world.queue("crm", sequence);
    }
    let mut arrived = 0;
    while arrived < 19 {
        while let Some(sent) = world.under_way.first().cloned() {
            if sent == key("crm", 1) {
                world.fail(&sent);
            } else {
                arrived += 1;
                world.end(&sent, &Outcome::Accepted);
            }
        }
        if arrived < 19 {
            world.wait();
        }
    }
    let spent = world.now.mono.since(Mono::from_millis(1000));
    assert!(spent < Duration::from_secs(60), "{spent:?}");
}

#[test]
fn slow_endpoints_leave_room_for_others() {
    let names: Vec<String> = (0..15).map(|number| format!("slow-{number}")).collect();
    let mut webhooks: Vec<&str> = names.iter().map(String::as_str).collect();
    webhooks.push("fast");
    let mut world = World::new(&webhooks);
    for name in &names {
        for sequence in 1..=100 {
            world.queue(name, sequence);
        }
    }
    assert_eq!(world.under_way.len(), 30);
    for sequence in 1..=100 {
        world.queue("fast", sequence);
        world.end(&key("fast", sequence), &Outcome::Accepted);
    }
}

#[test]
fn where_all_are_busy_those_with_the_fewest_go_first_and_then_by_turns() {
    let policy = Policy {
        at_once: 2,
        ..Policy::default()
    };
    let mut world = World::with(policy, &["a", "b", "c"]);
    for sequence in 1..=2 {
        for webhook in ["a", "b", "c"] {
            world.queue(webhook, sequence);
        }
    }
    let mut order = Vec::new();
    while let Some(sent) = world.under_way.first().cloned() {
        world.end(&sent, &Outcome::Accepted);
        order.push(sent.webhook.to_string());
    }
    assert_eq!(order, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn an_endpoint_that_is_gone_gets_nothing_more_until_the_configuration_is_loaded_again() {
    let mut world = World::new(&["crm", "other"]);
    for sequence in 1..=4 {
        world.queue("crm", sequence);
    }
    world.end(&key("crm", 1), &Outcome::Gone);
    let told = world.take();
    assert!(told.contains(&Action::TellStopped(name("crm"))), "{told:?}");
    let buried = told.iter().filter(|action| {
        let gone = Burial::Gone;
        matches!(action, Action::Bury { burial, .. } if *burial == gone)
    });
    assert_eq!(buried.count(), 3, "{told:?}");
    // The other one that was under way then.
    world.fail(&key("crm", 2));
    assert!(matches!(
        world.take()[..],
        [Action::Bury {
            burial: Burial::Gone,
            ..
        }]
    ));
    let admitted = world.schedule.admits(&name("crm"), 1);
    assert_eq!(admitted, Err(Refusal::Stopped));
    assert_eq!(world.schedule.admits(&name("other"), 1), Ok(()));
    world.configure(&["crm", "other"]);
    assert_eq!(world.schedule.admits(&name("crm"), 1), Ok(()));
}

#[test]
fn what_waits_for_a_webhook_that_was_removed_is_a_dead_letter() {
    let mut world = World::new(&["crm"]);
    for sequence in 1..=3 {
        world.queue("crm", sequence);
    }
    world.configure(&[]);
    let removed = |key, attempts| Action::Bury {
        key,
        attempts,
        burial: Burial::Removed,
    };
    assert_eq!(world.take(), [removed(key("crm", 3), 0)]);
    world.fail(&key("crm", 1));
    world.end(&key("crm", 2), &Outcome::Accepted);
    let forgotten = Action::Forget(key("crm", 2));
    assert_eq!(world.take(), [removed(key("crm", 1), 1), forgotten]);
    world.queue("crm", 4);
    assert_eq!(world.take(), [removed(key("crm", 4), 0)]);
}

#[test]
fn a_reload_tries_at_once() {
    let mut world = World::new(&["crm"]);
    world.queue("crm", 1);
    world.fail(&key("crm", 1));
    assert!(world.under_way.is_empty());
    world.configure(&["crm"]);
    assert_eq!(world.under_way, [key("crm", 1)]);
}

#[test]
fn no_more_waits_than_is_allowed_in_number_and_octets() {
    let policy = Policy {
        waiting: 3,
        octets: 1000,
        ..Policy::default()
    };
    let mut world = World::with(policy, &["crm", "other"]);
    for sequence in 1..=3 {
        let admitted = world.schedule.admits(&name("crm"), 100);
        assert_eq!(admitted, Ok(()));
        world.queue("crm", sequence);
    }
    let admitted = world.schedule.admits(&name("crm"), 100);
    assert_eq!(admitted, Err(Refusal::Full));
    assert_eq!(world.schedule.admits(&name("other"), 1000), Ok(()));
    let admitted = world.schedule.admits(&name("other"), 1001);
    assert_eq!(admitted, Err(Refusal::Full));
    let admitted = world.schedule.admits(&name("nobody"), 1);
    assert_eq!(admitted, Err(Refusal::Unknown));
}

/// What may happen, each with a number that chooses among what there is.
#[derive(Clone, Debug)]
enum Step {
    Queue(usize),
    End(usize, u8),
    Pass(u64),
    Configure(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4usize).prop_map(Step::Queue),
        4 => (any::<usize>(), 0..8u8).prop_map(|(which, how)| Step::End(which, how)),
        2 => (0..40_000u64).prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::Configure),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    /// Whatever happens, each delivery ends once: forgotten, or a dead letter.
    #[test]
    fn no_delivery_is_lost_or_ends_twice(steps in steps()) {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        let mut world = World::with(Policy { at_once: 3, ..Policy::default() }, &NAMES);
        let mut sequence = 0;
        let mut open: BTreeSet<Key> = BTreeSet::new();
        let mut configured = u8::MAX;
        for step in steps {
            match step {
                Step::Queue(which) => {
                    let webhook = NAMES[which];
                    if world.schedule.admits(&name(webhook), 100).is_ok() {
                        sequence += 1;
                        open.insert(key(webhook, sequence));
                        world.queue(webhook, sequence);
                    }
                }
                Step::End(which, how) => {
                    if world.under_way.is_empty() {
                        continue;
                    }
                    let sent = world.under_way[which % world.under_way.len()].clone();
                    let retry_after = (how == 7).then_some(Duration::from_secs(100));
                    let outcome = match how {
                        0..=3 => Outcome::Accepted,
                        4 => Outcome::Gone,
                        _ => Outcome::Failed { retry_after },
                    };
                    world.end(&sent, &outcome);
                }
                Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
                Step::Configure(mask) => {
                    configured = mask;
                    let chosen = NAMES.iter().enumerate();
                    let chosen = chosen.filter(|(place, _)| mask & (1 << place) != 0);
                    let chosen: Vec<&str> = chosen.map(|(_, name)| *name).collect();
                    world.configure(&chosen);
                }
            }
            prop_assert!(world.under_way.len() <= 3);
            for action in world.take() {
                if let Action::Forget(key) | Action::Bury { key, .. } = action {
                    prop_assert!(open.remove(&key), "{key:?} ended twice");
                }
            }
        }
        // Left alone with endpoints that work, all of it arrives.
        if configured & 15 != 15 {
            world.configure(&NAMES);
        }
        loop {
            while let Some(sent) = world.under_way.first().cloned() {
                world.end(&sent, &Outcome::Accepted);
            }
            if world.schedule.next_timeout().is_none() {
                break;
            }
            world.wait();
        }
        for action in world.take() {
            if let Action::Forget(key) | Action::Bury { key, .. } = action {
                prop_assert!(open.remove(&key), "{key:?} ended twice");
            }
        }
        prop_assert!(open.is_empty(), "{open:?} are left");
    }
}

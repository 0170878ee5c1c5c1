//! Tables of messages: mail, forms and chats by the rules that calls go by.

use insta::assert_snapshot;

use super::tests::{LUNCH, MORNING, NIGHT, brief, facts, other_call, people, with_user};
use super::*;
use crate::core::id::ContactId;
use crate::core::name::UserName;
use crate::core::sample::{
    add, at, channel, customer_agent, hours, inbox, message_channel, names, oslo, rule, snapshot,
    step, team,
};
use crate::core::snapshot::{
    Absence, Channel, PerKind, Rule, RuleName, Snapshot, Step, Strategy, Target, TieBreak, User,
};
use crate::core::time::Wall;

const ALL: [&str; 4] = ["anna", "bjorn", "carl", "dora"];

const MESSAGES: [Kind; 3] = [Kind::Email, Kind::Form, Kind::Chat];

fn target(target: Target) -> Step {
    Step {
        target,
        agent: (target == Target::CustomerAgent).then(|| "aida".into()),
        ..step(Strategy::LeastBusy, &[], &[])
    }
}

fn to(users: &[&str]) -> Step {
    step(Strategy::Sequential, users, &[])
}

/// Anna to Dora, and a channel `desk` of that kind with these steps.
fn office(kind: Kind, steps: Vec<Step>) -> Snapshot {
    let channel = match kind {
        Kind::Call => Channel {
            name: "desk".into(),
            ..channel(steps)
        },
        Kind::Email | Kind::Form | Kind::Chat => message_channel(kind, "desk", steps),
    };
    let mut snapshot = snapshot(people(&ALL), vec![], vec![channel]);
    add(&mut snapshot.customer_agents, customer_agent("aida"));
    snapshot
}

fn with_desk(mut snapshot: Snapshot, change: impl Fn(&mut Channel)) -> Snapshot {
    let mut channel = snapshot.channels[0].clone();
    change(&mut channel);
    snapshot.channels = vec![channel].into();
    snapshot
}

fn only(steps: Vec<Step>) -> Rule {
    Rule {
        steps,
        ..Rule::nobody()
    }
}

fn ask(kind: Kind, selection: Selection) -> Request {
    Request {
        selection,
        ..Request::message(kind, &"desk".into(), Some("kari@example.com".to_owned()))
    }
}

fn decision(snapshot: &Snapshot, facts: &Facts, selection: Selection, now: &str) -> Decision {
    let kind = snapshot.channels[0].kind();
    route(snapshot, facts, &ask(kind, selection), at(now))
}

fn decide(snapshot: &Snapshot, facts: &Facts) -> String {
    brief(&decision(snapshot, facts, Selection::First, MORNING))
}

/// Outcome, candidates with their details, notes.
fn told(snapshot: &Snapshot, facts: &Facts) -> String {
    let decision = decision(snapshot, facts, Selection::First, MORNING);
    let request = ask(snapshot.channels[0].kind(), Selection::First);
    let told = words::paragraph(&request, &decision);
    told.lines()
        .filter(|line| !line.contains("no schedule") && !line.contains("  rule "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A later selection, after a first one that had these facts.
fn later(snapshot: &Snapshot, facts: &Facts, change: impl Fn(&mut Progress)) -> Selection {
    let first = decision(snapshot, facts, Selection::First, MORNING);
    let mut progress = Progress::begin(&first, at(MORNING)).unwrap();
    change(&mut progress);
    Selection::Next(Box::new(progress))
}

fn again(snapshot: &Snapshot, facts: &Facts, change: impl Fn(&mut Progress)) -> String {
    let selection = later(snapshot, facts, change);
    brief(&decision(snapshot, facts, selection, MORNING))
}

fn contact(owner: Option<&str>, found_by: FoundBy) -> Facts {
    Facts {
        contact: Some(ContactFacts {
            contact: ContactId::default(),
            owner: owner.map(UserName::from),
            found_by,
        }),
        ..Facts::default()
    }
}

fn loads(list: &[(&str, u32)]) -> Facts {
    let mut facts = Facts::default();
    for (name, chat) in list {
        let user = facts.users.of(name);
        user.open.chat = *chat;
    }
    facts
}

#[test]
fn a_message_of_each_kind_is_given_to_one_person_by_the_strategy() {
    let assigned = |name: &str, seconds: i64| {
        let at = Wall::from_seconds(at(MORNING).wall.as_seconds() - seconds);
        (name.to_owned(), at)
    };
    let mut facts = loads(&[("anna", 2), ("bjorn", 1), ("carl", 1), ("dora", 3)]);
    for (name, at) in [
        assigned("anna", 10),
        assigned("bjorn", 20),
        assigned("carl", 40),
        assigned("dora", 30),
    ] {
        facts.users.of(&name).last_assigned = Some(at);
    }
    facts.round_robin_last = vec![Some("carl".into())];
    let table = [
        (
            Strategy::LeastBusy,
            "assign carl | 1: anna not-needed, bjorn lost-tie, carl chosen, dora not-needed",
        ),
        (
            Strategy::RoundRobin,
            "assign dora | 1: anna not-needed, bjorn not-needed, carl not-needed, dora chosen",
        ),
        (
            Strategy::LongestIdle,
            "assign carl | 1: anna not-needed, bjorn not-needed, carl chosen, dora not-needed",
        ),
        (
            Strategy::Sequential,
            "assign anna | 1: anna chosen, bjorn not-needed, carl not-needed, dora not-needed",
        ),
    ];
    for kind in MESSAGES {
        for (strategy, expected) in table {
            let office = office(kind, vec![step(strategy, &ALL, &[])]);
            assert_eq!(decide(&office, &facts), expected, "{kind} {strategy:?}");
        }
        let office = office(kind, vec![step(Strategy::Random, &ALL, &[])]);
        let mut shares = [0; 4];
        for seed in 0..4000 {
            let facts = Facts {
                seed,
                ..Facts::default()
            };
            let outcome = decision(&office, &facts, Selection::First, MORNING).outcome;
            let Outcome::Assign { user, .. } = outcome else {
                panic!("{outcome:?}")
            };
            shares[ALL.iter().position(|name| *name == &*user).unwrap()] += 1;
        }
        assert!(
            shares.iter().all(|share| (850..1150).contains(share)),
            "{shares:?}"
        );
    }
}

#[test]
fn a_tie_goes_to_whom_the_rule_prefers() {
    let mut facts = Facts::default();
    for (name, seconds) in [("anna", 20), ("bjorn", 10), ("carl", 30)] {
        let user = facts.users.of(name);
        user.last_assigned = Some(Wall::from_seconds(1_000_000 - seconds));
    }
    let table = [
        (
            TieBreak::MostRecentlyAssigned,
            ("bjorn", "the most recently assigned"),
        ),
        (
            TieBreak::LeastRecentlyAssigned,
            ("carl", "the least recently assigned"),
        ),
        (TieBreak::Listed, ("anna", "the one listed first")),
    ];
    for (tie_break, (expected, why)) in table {
        let mut step = step(Strategy::LeastBusy, &["anna", "bjorn", "carl"], &[]);
        step.tie_break = tie_break;
        let told = told(&office(Kind::Chat, vec![step]), &facts);
        let line = format!("{expected}: chosen: 0 open; of 3 equals {why}");
        assert!(told.contains(&line), "{told}");
    }
}

#[test]
fn load_counts_all_kinds_by_their_weights() {
    let mut office = office(
        Kind::Email,
        vec![step(Strategy::LeastBusy, &["anna", "bjorn"], &[])],
    );
    let mut facts = Facts::default();
    facts.users.of("anna").open = PerKind {
        call: 1,
        chat: 1,
        ..PerKind::default()
    };
    facts.users.of("bjorn").open.email = 3;
    assert_snapshot!(told(&office, &facts), @r"
    desk from kari@example.com: assigned to anna
      step 1 (least-busy):
        anna: chosen: 2 open
        bjorn: not-needed: 3 open
    ");
    office.settings.routing.weights.chat = 4;
    assert_snapshot!(told(&office, &facts), @r"
    desk from kari@example.com: assigned to bjorn
      step 1 (least-busy):
        anna: not-needed: load 5
        bjorn: chosen: load 3
    ");
}

#[test]
fn the_hours_choose_the_rule_and_messages_without_another_keep_theirs() {
    let mut plain = office(Kind::Chat, vec![to(&["anna"])]);
    add(&mut plain.schedules, std::sync::Arc::new(oslo(vec![])));
    let plain = with_desk(plain, |desk| desk.schedule = Some("oslo".into()));
    let after = with_desk(plain.clone(), |desk| {
        desk.after_hours = Some(only(vec![target(Target::Nobody)]));
    });
    let both = with_desk(after.clone(), |desk| {
        desk.break_ = Some(only(vec![to(&["dora"])]))
    });
    let rested = with_desk(plain.clone(), |desk| {
        desk.break_ = Some(only(vec![to(&["dora"])]))
    });
    let table = [
        (&plain, ["anna Assign", "anna Assign", "anna Assign"]),
        (
            &after,
            ["anna Assign", "Nobody AfterHours", "Nobody AfterHours"],
        ),
        (&both, ["anna Assign", "dora Break", "Nobody AfterHours"]),
        (&rested, ["anna Assign", "dora Break", "anna Assign"]),
    ];
    for (snapshot, expected) in table {
        let told = [MORNING, LUNCH, NIGHT].map(|now| {
            let decision = decision(snapshot, &Facts::default(), Selection::First, now);
            let who = match &decision.outcome {
                Outcome::Assign { user, .. } => user.to_string(),
                Outcome::Unassigned { reason } => format!("{reason:?}"),
                other => panic!("{other:?}"),
            };
            format!("{who} {:?}", decision.trace.rule.unwrap())
        });
        assert_eq!(told, expected);
    }
}

#[test]
fn hours_and_rule_are_those_of_the_first_decision() {
    let mut office = office(Kind::Email, vec![to(&ALL)]);
    add(&mut office.schedules, std::sync::Arc::new(oslo(vec![])));
    let office = with_desk(office, |desk| {
        desk.schedule = Some("oslo".into());
        desk.after_hours = Some(only(vec![target(Target::Nobody)]));
    });
    for cause in [
        Cause::BecameAvailable,
        Cause::TakenBack,
        Cause::NotAnswered,
        Cause::HandedOver,
    ] {
        let selection = later(&office, &Facts::default(), |progress| {
            progress.cause = cause
        });
        let decision = decision(&office, &Facts::default(), selection, NIGHT);
        assert_eq!(decision.trace.rule, Some(RuleName::Assign));
        assert_eq!(
            brief(&decision),
            "assign anna | 1: anna chosen, bjorn not-needed, carl not-needed, dora not-needed"
        );
    }
}

#[test]
fn the_contacts_owner_comes_first_where_one_is_known_and_available() {
    let office = office(
        Kind::Chat,
        vec![target(Target::ContactOwner), to(&["anna"])],
    );
    assert_snapshot!(told(&office, &contact(Some("bjorn"), FoundBy::Cookie)), @r"
    desk from kari@example.com: assigned to bjorn
      step 1 (least-busy):
        bjorn (owner): chosen: 0 open
    ");
    assert_snapshot!(told(&office, &Facts::default()), @r"
    desk from kari@example.com: assigned to anna
      step 1 (least-busy): nobody
      step 2 (sequential):
        anna: chosen
      step 1: the contact is not known
    ");
    assert_snapshot!(told(&office, &contact(None, FoundBy::Cookie)), @r"
    desk from kari@example.com: assigned to anna
      step 1 (least-busy): nobody
      step 2 (sequential):
        anna: chosen
      step 1: the contact has no owner
    ");
    assert_snapshot!(told(&office, &contact(Some("gone"), FoundBy::Cookie)), @r"
    desk from kari@example.com: assigned to anna
      step 1 (least-busy): nobody
      step 2 (sequential):
        anna: chosen
      step 1: the contact's owner gone is no user
    ");
    assert_snapshot!(told(&office, &contact(Some("bjorn"), FoundBy::UnverifiedSender)), @r"
    desk from kari@example.com: assigned to anna
      step 1 (least-busy): nobody
      step 2 (sequential):
        anna: chosen
      step 1: the sender's address is not verified
    ");
    let mut away = contact(Some("bjorn"), FoundBy::VerifiedSender);
    away.users.of("bjorn").presence = Presence::Away;
    assert_snapshot!(told(&office, &away), @r"
    desk from kari@example.com: assigned to anna
      step 1 (least-busy):
        bjorn (owner): away
      step 2 (sequential):
        anna: chosen
    ");
    let seatless = with_user(office, "bjorn", |bjorn| bjorn.seat = None);
    assert_eq!(
        decide(&seatless, &contact(Some("bjorn"), FoundBy::Cookie)),
        "assign anna | 1: bjorn no-seat | 2: anna chosen"
    );
}

#[test]
fn each_way_of_finding_the_contact_can_be_switched_off() {
    let office = office(Kind::Email, vec![target(Target::ContactOwner)]);
    type Switch = fn(&mut Snapshot) -> &mut bool;
    let table: [(FoundBy, Switch, &str); 3] = [
        (
            FoundBy::Cookie,
            |s| &mut s.settings.contacts.by_cookie,
            "by_cookie",
        ),
        (
            FoundBy::VerifiedSender,
            |s| &mut s.settings.contacts.by_sender,
            "by_sender",
        ),
        (
            FoundBy::CallerNumber,
            |s| &mut s.settings.contacts.by_number,
            "by_number",
        ),
    ];
    for (found_by, switch, key) in table {
        let facts = contact(Some("bjorn"), found_by);
        assert_eq!(decide(&office, &facts), "assign bjorn | 1: bjorn chosen");
        let mut off = office.clone();
        *switch(&mut off) = false;
        let decision = decision(&off, &facts, Selection::First, MORNING);
        assert_eq!(brief(&decision), "unassigned NobodyAvailable | 1: ");
        assert_eq!(
            decision.trace.notes,
            [format!("step 1: {key} is off in [contacts]")]
        );
    }
}

#[test]
fn a_caller_who_is_a_known_contact_rings_the_owner() {
    let office = office(
        Kind::Call,
        vec![target(Target::ContactOwner), to(&["anna"])],
    );
    let known = contact(Some("bjorn"), FoundBy::CallerNumber);
    assert_eq!(decide(&office, &known), "ring bjorn | 1: bjorn chosen");
    let mut on_call = known;
    on_call.users.of("bjorn").busy = Busy::OnCall(other_call());
    assert_eq!(
        decide(&office, &on_call),
        "ring anna | 1: bjorn on-call | 2: anna chosen"
    );
}

#[test]
fn a_customer_agent_takes_messages_until_it_hands_over() {
    let steps = vec![to(&["anna"]), target(Target::CustomerAgent), to(&["bjorn"])];
    let office = office(Kind::Chat, steps);
    let anna_away = facts(&[("anna", &|anna| anna.presence = Presence::Away)]);
    assert_eq!(decide(&office, &anna_away), "agent aida | 1: anna away");
    let selection = later(&office, &anna_away, |progress| {
        progress.handed_over(at(MORNING))
    });
    assert_eq!(
        brief(&decision(
            &office,
            &Facts::default(),
            selection.clone(),
            MORNING
        )),
        "assign bjorn | 3: bjorn chosen"
    );
    let nobody = facts(&[
        ("anna", &|anna| anna.presence = Presence::Away),
        ("bjorn", &|bjorn| bjorn.presence = Presence::Away),
    ]);
    assert_eq!(
        brief(&decision(&office, &nobody, selection.clone(), MORNING)),
        "unassigned NobodyAvailable | 3: bjorn away"
    );
    let Selection::Next(mut waiting) = selection else {
        unreachable!()
    };
    waiting.cause = Cause::BecameAvailable;
    let back = decision(&office, &nobody, Selection::Next(waiting), MORNING);
    assert_eq!(
        brief(&back),
        "unassigned NobodyAvailable | 1: anna away | 3: bjorn away",
        "everybody is asked again, the agent is not"
    );
    assert_eq!(
        back.trace.notes,
        ["step 2: the customer agent has handed over"]
    );
    let mut gone = office.clone();
    gone.customer_agents = vec![].into();
    assert_eq!(
        decide(&gone, &anna_away),
        "assign bjorn | 1: anna away | 3: bjorn chosen"
    );
    let alone = with_desk(office, |desk| {
        desk.working_hours.steps = vec![target(Target::CustomerAgent)];
    });
    let handed_over = again(&alone, &Facts::default(), |progress| {
        progress.handed_over(at(MORNING));
    });
    assert_eq!(handed_over, "unassigned NobodyNamed");
}

#[test]
fn what_stays_unassigned_says_why() {
    let mut waiting = to(&["anna"]);
    waiting.target = Target::Nobody;
    let away = facts(&[("anna", &|anna| anna.presence = Presence::Away)]);
    let table = [
        (vec![], "unassigned NobodyNamed"),
        (vec![to(&[])], "unassigned NobodyNamed | 1: "),
        (vec![waiting.clone()], "unassigned Nobody"),
        (
            vec![to(&["anna"])],
            "unassigned NobodyAvailable | 1: anna away",
        ),
        (
            vec![to(&["anna"]), waiting],
            "unassigned Nobody | 1: anna away",
        ),
        (
            vec![target(Target::ContactOwner)],
            "unassigned NobodyAvailable | 1: ",
        ),
    ];
    for (steps, expected) in table {
        assert_eq!(decide(&office(Kind::Form, steps), &away), expected);
    }
}

#[test]
fn only_available_off_asks_neither_presence_nor_hours_nor_capacity() {
    let mut anyone = step(
        Strategy::Sequential,
        &["anna", "bjorn", "carl", "dora"],
        &["support"],
    );
    anyone.only_available = false;
    let mut support = team("support", &["dora"]);
    support.extra_members = names(&["eva"]);
    let mut office = office(Kind::Chat, vec![anyone]);
    add(&mut office.teams, support);
    add(&mut office.teams, team("sales", &["anna", "carl", "dora"]));
    add(&mut office.users, crate::core::sample::user("eva"));
    add(
        &mut office.inboxes,
        inbox("customers", &["sales", "support"]),
    );
    add(
        &mut office.schedules,
        std::sync::Arc::new(hours("evening", &["16:00-22:00"], vec![])),
    );
    let office = with_desk(office, |desk| desk.inbox = Some("customers".into()));
    let office = with_user(office, "anna", |anna| anna.seat = None);
    let office = with_user(office, "carl", |carl| {
        carl.schedule = Some("evening".into());
        carl.capacity.chat = Some(0);
        carl.out_of_office = vec![Absence {
            from: Wall::default(),
            until: at(NIGHT).wall,
        }];
    });
    let away = facts(&[("carl", &|carl| carl.presence = Presence::Away)]);
    assert_eq!(
        decide(&office, &away),
        "assign carl | 1: anna no-seat, bjorn no-inbox-access, carl chosen, dora not-needed, eva extra-member"
    );
    let asked = with_desk(office, |desk| {
        desk.working_hours.steps[0].only_available = true
    });
    assert_eq!(
        decide(&asked, &away),
        "assign dora | 1: anna no-seat, bjorn no-inbox-access, carl away, dora chosen, eva extra-member"
    );
}

#[test]
fn who_is_away_outside_own_hours_out_of_office_or_full_is_told_with_the_reason() {
    let mut office = office(
        Kind::Chat,
        vec![to(&["anna", "bjorn", "carl", "dora", "eva"])],
    );
    add(&mut office.users, crate::core::sample::user("eva"));
    add(
        &mut office.schedules,
        std::sync::Arc::new(hours("evening", &["16:00-22:00"], vec![])),
    );
    let office = with_user(office, "bjorn", |bjorn| {
        bjorn.schedule = Some("evening".into())
    });
    let office = with_user(office, "carl", |carl| {
        carl.out_of_office = vec![Absence {
            from: at(MORNING).wall,
            until: at("2026-12-07T07:00:00Z").wall,
        }];
    });
    let office = with_user(office, "dora", |dora| dora.capacity.chat = Some(4));
    let mut facts = facts(&[
        ("anna", &|anna| {
            anna.presence = Presence::Away;
            anna.presence_detail = "missed offers".to_owned();
        }),
        ("dora", &|dora| dora.open.chat = 4),
    ]);
    assert_snapshot!(told(&office, &facts), @r"
    desk from kari@example.com: assigned to eva
      step 1 (sequential):
        anna: away: missed offers
        bjorn: outside-own-hours: evening; open from 16:00
        carl: away: out of office until Mon 2026-12-07 07:00 UTC
        dora: at-capacity: 4 of 4 chats
        eva: chosen
    ");
    let request = ask(Kind::Chat, Selection::First);
    let decision = decision(&office, &facts, Selection::First, MORNING);
    assert_snapshot!(words::line(&request, &decision), @r"desk from kari@example.com: assigned to eva; anna away, bjorn outside-own-hours, carl away, dora at-capacity. open: no schedule. Snapshot 41");
    facts.users.of("bjorn").by_hand_until = Some(at(NIGHT).wall);
    assert_eq!(
        decide(&office, &facts),
        "assign bjorn | 1: anna away, bjorn chosen, carl away, dora at-capacity, eva not-needed",
        "what is said by hand holds against own hours"
    );
}

#[test]
fn on_call_outside_hours_is_who_is_named_there() {
    for kind in [Kind::Call, Kind::Chat] {
        let duty = || vec![step(Strategy::Sequential, &["anna"], &["support"])];
        let mut office = office(kind, duty());
        add(&mut office.teams, team("support", &["bjorn"]));
        add(&mut office.schedules, std::sync::Arc::new(oslo(vec![])));
        let office = with_desk(office, |desk| {
            desk.schedule = Some("oslo".into());
            desk.after_hours = Some(match kind {
                Kind::Call => rule(duty(), "closed"),
                Kind::Email | Kind::Form | Kind::Chat => only(duty()),
            });
        });
        let own = |user: &mut User| user.schedule = Some("oslo".into());
        let office = with_user(with_user(office, "anna", own), "bjorn", own);
        let night = decision(&office, &Facts::default(), Selection::First, NIGHT);
        let codes: Vec<Code> = night.trace.steps[0]
            .candidates
            .iter()
            .map(|c| c.code)
            .collect();
        assert_eq!(codes, [Code::Chosen, Code::OutsideOwnHours]);
    }
}

#[test]
fn phones_and_calls_say_nothing_about_messages_but_by_the_capacity_during_calls() {
    let office = office(Kind::Email, vec![step(Strategy::LeastBusy, &ALL, &[])]);
    let engaged = facts(&[
        ("anna", &|anna| anna.devices.reachable = 0),
        ("bjorn", &|bjorn| bjorn.busy = Busy::OnCall(other_call())),
        ("carl", &|carl| carl.busy = Busy::Ringing(other_call())),
        ("dora", &|dora| dora.wrap_up_until = Some(at(NIGHT).wall)),
    ]);
    assert_eq!(
        decide(&office, &engaged),
        "assign anna | 1: anna chosen, bjorn lost-tie, carl lost-tie, dora lost-tie"
    );
    let mut office = with_user(office, "bjorn", |bjorn| {
        bjorn.capacity.email = Some(5);
        bjorn.capacity_on_call.email = Some(1);
        bjorn.capacity_on_call.chat = Some(0);
    });
    let mut facts = engaged;
    facts.users.of("bjorn").open.email = 1;
    office.channels = office
        .channels
        .iter()
        .map(|channel| {
            let mut channel = channel.clone();
            channel.working_hours.steps = vec![to(&["bjorn"])];
            channel
        })
        .collect();
    assert_snapshot!(told(&office, &facts), @r"
    desk from kari@example.com: stays unassigned (nobody is available; it waits)
      step 1 (sequential):
        bjorn: at-capacity: 1 of 1 emails during a call
    ");
    facts.users.of("bjorn").busy = Busy::Free;
    assert_eq!(decide(&office, &facts), "assign bjorn | 1: bjorn chosen");
}

#[test]
fn capacity_of_calls_holds_for_calls() {
    let office = with_user(office(Kind::Call, vec![to(&["anna"])]), "anna", |anna| {
        anna.capacity.call = Some(2);
    });
    let busy = facts(&[("anna", &|anna| anna.open.call = 2)]);
    let decision = decision(&office, &busy, Selection::First, MORNING);
    let detail = &*decision.trace.steps[0].candidates[0].detail;
    assert_eq!(detail, "2 of 2 calls");
    assert_eq!(decision.trace.steps[0].candidates[0].code, Code::AtCapacity);
}

#[test]
fn who_was_asked_in_vain_is_passed_over() {
    let office = office(
        Kind::Chat,
        vec![to(&["anna", "bjorn"]), to(&["anna", "carl"])],
    );
    let free = Facts::default();
    assert_eq!(
        again(&office, &free, |progress| progress
            .not_answered(&"anna".into())),
        "assign bjorn | 1: anna no-answer, bjorn chosen"
    );
    let both = |progress: &mut Progress| {
        progress.not_answered(&"anna".into());
        progress.not_answered(&"bjorn".into());
    };
    assert_eq!(
        again(&office, &free, both),
        "assign carl | 1: anna no-answer, bjorn no-answer | 2: anna no-answer, carl chosen"
    );
    assert_eq!(
        again(&office, &free, |progress| {
            both(progress);
            progress.answered();
            progress.not_answered(&"bjorn".into());
        }),
        "assign anna | 1: anna chosen, bjorn no-answer",
        "a reply begins it anew"
    );
    assert_eq!(
        again(&office, &free, |progress| progress
            .taken_back(&"anna".into())),
        "assign bjorn | 1: anna no-answer, bjorn chosen"
    );
    assert_eq!(
        again(&office, &free, |progress| {
            progress.taken_back(&"anna".into());
            progress.cause = Cause::BecameAvailable;
        }),
        "assign anna | 1: anna chosen, bjorn not-needed",
        "who comes back may have it again"
    );
    assert_eq!(
        again(&office, &free, |progress| {
            progress.taken_back(&"anna".into());
            progress.taken_back(&"bjorn".into());
        }),
        "assign anna | 1: anna chosen, bjorn no-answer",
        "also when it is taken back from the next"
    );
    let selection = later(&office, &free, both);
    let decision = decision(&office, &free, selection.clone(), MORNING);
    assert_snapshot!(words::paragraph(&ask(Kind::Chat, selection), &decision), @r"
    desk from kari@example.com, not answered in time: assigned to carl
      open: no schedule. Snapshot 41
      rule assign
      step 1 (sequential):
        anna: no-answer: did not reply in time
        bjorn: no-answer: did not reply in time
      step 2 (sequential):
        anna: no-answer: did not reply in time
        carl: chosen
    ");
}

#[test]
fn older_conversations_come_first() {
    let office = office(Kind::Chat, vec![to(&["anna", "bjorn"])]);
    let mut facts = facts(&[("bjorn", &|bjorn| bjorn.presence = Presence::Away)]);
    facts.older_waiting = true;
    assert_snapshot!(told(&office, &facts), @r"
    desk from kari@example.com: stays unassigned (nobody is available; it waits)
      step 1 (sequential):
        anna: not-needed: an older conversation comes first
        bjorn: away
    ");
}

#[test]
fn an_automatic_reply_is_told_once_with_its_rule() {
    let office = with_desk(office(Kind::Chat, vec![to(&["anna"])]), |desk| {
        desk.working_hours.reply = Some("We open at 8.\nBye".to_owned());
    });
    assert_snapshot!(told(&office, &Facts::default()), @r#"
    desk from kari@example.com: assigned to anna
      step 1 (sequential):
        anna: chosen
      automatic reply "We open at 8.\nBye": reply of assign
    "#);
    let selection = later(&office, &Facts::default(), |progress| {
        progress.not_answered(&"anna".into());
    });
    let later = decision(&office, &Facts::default(), selection, MORNING);
    assert_eq!(later.trace.notes, [""; 0]);
}

#[test]
fn who_writes_is_shown_as_data() {
    let office = office(Kind::Email, vec![to(&["anna"])]);
    let decision = decision(&office, &Facts::default(), Selection::First, MORNING);
    let told = |sender: &str| {
        let request = Request::message(Kind::Email, &"desk".into(), Some(sender.to_owned()));
        words::line(&request, &decision)
    };
    assert_snapshot!(told("Kari Nordmann <kari@example.com>"), @r"desk from Kari Nordmann <kari@example.com>: assigned to anna. open: no schedule. Snapshot 41");
    assert_snapshot!(told("kari\r\nX: \u{1b}[2J\"y\""), @r#"desk from "kari\r\nX: \u{1b}[2J\"y\"": assigned to anna. open: no schedule. Snapshot 41"#);
    assert!(told(&"x".repeat(500)).len() < 200);
    let request = Request::message(Kind::Email, &"desk".into(), None);
    assert_snapshot!(words::line(&request, &decision), @r"desk: assigned to anna. open: no schedule. Snapshot 41");
}

mod proofs {
    use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy as Generator;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::core::snapshot::Named;

    fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    fn steps() -> impl Generator<Value = Step> {
        let strategies = prop::sample::select(vec![
            Strategy::LeastBusy,
            Strategy::RoundRobin,
            Strategy::LongestIdle,
            Strategy::Sequential,
            Strategy::Random,
        ]);
        let targets = prop_oneof![
            8 => Just(Target::Lists),
            2 => Just(Target::ContactOwner),
            1 => Just(Target::CustomerAgent),
            1 => Just(Target::Nobody),
        ];
        let tie_breaks = prop::sample::select(vec![
            TieBreak::Listed,
            TieBreak::Random,
            TieBreak::LeastRecentlyAssigned,
            TieBreak::MostRecentlyAssigned,
        ]);
        let named = prop::collection::vec(0..ALL.len(), 0..4);
        (
            strategies,
            targets,
            tie_breaks,
            named,
            any::<bool>(),
            prop::bool::weighted(0.8),
        )
            .prop_map(
                |(strategy, target, tie_break, named, team, only_available)| {
                    let users: Vec<&str> = named.iter().map(|place| ALL[*place]).collect();
                    Step {
                        target,
                        agent: (target == Target::CustomerAgent).then(|| "aida".into()),
                        only_available,
                        tie_break,
                        ..step(strategy, &users, if team { &["support"] } else { &[] })
                    }
                },
            )
    }

    fn user_facts() -> impl Generator<Value = UserFacts> {
        let busy = prop_oneof![
            3 => Just(Busy::Free),
            1 => Just(Busy::Ringing(other_call())),
            1 => Just(Busy::OnCall(other_call())),
        ];
        let when = prop::option::of((0..2_000_000_000i64).prop_map(Wall::from_seconds));
        (prop::bool::weighted(0.3), busy, 0..3u32, 0..3u32, when).prop_map(
            |(away, busy, chat, call, last_assigned)| UserFacts {
                presence: if away {
                    Presence::Away
                } else {
                    Presence::Available
                },
                busy,
                open: PerKind {
                    chat,
                    email: chat,
                    form: chat,
                    call,
                },
                last_assigned,
                ..UserFacts::default()
            },
        )
    }

    fn questions() -> impl Generator<Value = (Snapshot, Facts, Selection)> {
        let name = || prop::sample::select(ALL.to_vec()).prop_map(UserName::from);
        let users = prop::collection::hash_map(name(), user_facts(), 0..5);
        let contacts = prop::option::of((prop::option::of(name()), any::<bool>()).prop_map(
            |(owner, known)| ContactFacts {
                contact: ContactId::default(),
                owner,
                found_by: if known {
                    FoundBy::Cookie
                } else {
                    FoundBy::UnverifiedSender
                },
            },
        ));
        let last = prop::collection::vec(prop::option::of(name()), 0..3);
        let facts = (
            users,
            contacts,
            last,
            any::<u64>(),
            prop::bool::weighted(0.1),
        )
            .prop_map(
                |(users, contact, round_robin_last, seed, older_waiting)| Facts {
                    users: users.into_iter().collect(),
                    round_robin_last,
                    contact,
                    older_waiting,
                    seed,
                },
            );
        let attempts = prop::sample::select(vec![Attempt::TimedOut, Attempt::TakenBack]);
        let tried = prop::collection::vec((name(), attempts), 0..3);
        let causes = prop::sample::select(vec![
            Cause::BecameAvailable,
            Cause::TakenBack,
            Cause::NotAnswered,
            Cause::HandedOver,
        ]);
        let selections = prop_oneof![Just(None), (tried, causes, 0..3usize).prop_map(Some),]
            .prop_map(|next| match next {
                None => Selection::First,
                Some((tried, cause, step)) => Selection::Next(Box::new(Progress {
                    hours: crate::core::schedule::HoursState::always_open(),
                    rule: RuleName::Assign,
                    step,
                    step_began: at(MORNING).wall,
                    tried,
                    earlier: Vec::new(),
                    ringing: Vec::new(),
                    cause,
                })),
            });
        let kinds = prop::sample::select(MESSAGES.to_vec());
        let capacity = prop::collection::vec(prop::option::of(0..3u32), ALL.len());
        let seats = prop::collection::vec(prop::bool::weighted(0.9), ALL.len());
        (
            kinds,
            prop::collection::vec(steps(), 0..4),
            capacity,
            seats,
            facts,
            selections,
        )
            .prop_map(|(kind, steps, capacity, seats, facts, selection)| {
                let mut office = office(kind, steps);
                let mut support = team("support", &["bjorn", "anna"]);
                support.extra_members = names(&["carl"]);
                add(&mut office.teams, support);
                let users = office.users.iter().zip(capacity.iter().zip(seats));
                office.users = users
                    .map(|(user, (capacity, seat))| {
                        let mut user = user.clone();
                        user.seat = user.seat.filter(|_| seat);
                        *user.capacity.of_mut(kind) = *capacity;
                        user
                    })
                    .collect();
                (office, facts, selection)
            })
    }

    proptest! {
        #[test]
        fn the_same_question_has_the_same_answer_also_after_storage(
            (office, facts, selection) in questions()
        ) {
            let request = ask(office.channels[0].kind(), selection);
            let decision = route(&office, &facts, &request, at(MORNING));
            let mut kept = through_json(&facts);
            kept.keep_considered(&decision);
            let again = route(&office, &kept, &through_json(&request), at(MORNING));
            prop_assert_eq!(&through_json(&decision), &again);
            prop_assert_eq!(decision, again);
        }

        #[test]
        fn every_candidate_has_one_code_and_who_gets_it_may(
            (office, facts, selection) in questions()
        ) {
            let kind = office.channels[0].kind();
            let request = ask(kind, selection);
            let decision = route(&office, &facts, &request, at(MORNING));
            let mut chosen = Vec::new();
            for step in &decision.trace.steps {
                let mut once: Vec<&str> = step.candidates.iter().map(|c| &*c.user).collect();
                once.sort_unstable();
                once.dedup();
                prop_assert_eq!(once.len(), step.candidates.len());
                let picked = step.candidates.iter().filter(|c| c.code == Code::Chosen);
                chosen.extend(picked.map(|c| (step.step, c.user.clone())));
            }
            let Outcome::Assign { step, user } = &decision.outcome else {
                prop_assert!(chosen.is_empty());
                return Ok(());
            };
            prop_assert_eq!(chosen, [(*step, user.clone())]);
            prop_assert!(!facts.older_waiting);
            let terms = &office.channels[0].working_hours.steps[*step];
            let who = office.user(user).unwrap();
            prop_assert_eq!(who.name(), &**user);
            prop_assert!(who.seat.is_some());
            match terms.target {
                Target::Lists => {
                    let main = ["anna", "bjorn"].contains(&&**user) && !terms.teams.is_empty();
                    prop_assert!(main || terms.users.contains(user));
                }
                Target::ContactOwner => {
                    let contact = facts.contact.as_ref().unwrap();
                    prop_assert_eq!(contact.owner.as_ref(), Some(user));
                    prop_assert_eq!(contact.found_by, FoundBy::Cookie);
                }
                Target::CustomerAgent | Target::Nobody => prop_assert!(false),
            }
            let known = facts.users.get(user).cloned().unwrap_or_default();
            if terms.only_available {
                prop_assert_eq!(known.presence, Presence::Available);
                let room = who.capacity.of(kind).is_none_or(|most| *known.open.of(kind) < most);
                prop_assert!(room);
            }
            if let Selection::Next(progress) = &request.selection {
                for (tried, attempt) in &progress.tried {
                    let last = progress.tried.last().map(|(last, _)| last) == Some(tried);
                    let forgiven = *attempt == Attempt::TakenBack
                        && (progress.cause != Cause::TakenBack || !last);
                    prop_assert!(tried != user || forgiven);
                }
            }
        }
    }
}

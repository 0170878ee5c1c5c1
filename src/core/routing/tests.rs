//! Tables: configuration, facts, request and moment to the expected decision.

use std::fmt::Write;
use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::core::id::CallId;
use crate::core::name::UserName;
use crate::core::sample::{
    self, STRATEGIES, add, at, channel, hours, inbox, names, oslo, rule, snapshot, step, team, user,
};
use crate::core::schedule::{SpecialDay, When};
use crate::core::snapshot::{
    Channel, PerKind, RuleName, Snapshot, Strategy, Target, TieBreak, User,
};

/// A Wednesday, 11:40 in Oslo: between 08:00-11:30 and 12:00-16:00.
pub(super) const LUNCH: &str = "2026-12-02T10:40:00Z";
/// The same day, 10:10 in Oslo.
pub(super) const MORNING: &str = "2026-12-02T09:10:00Z";
/// The same day, 22:00 in Oslo.
pub(super) const NIGHT: &str = "2026-12-02T21:00:00Z";

fn call(selection: Selection) -> Request {
    Request {
        kind: Kind::Call,
        to: To::Number("+4722334455".parse().unwrap()),
        from: Some("+4790000001".parse().unwrap()),
        sender: None,
        trunk: Some("no".into()),
        selection,
    }
}

fn first() -> Request {
    call(Selection::First)
}

pub(super) fn other_call() -> CallId {
    CallId(uuid::Uuid::from_u128(7))
}

/// What is special about a user's facts.
pub(super) type Change<'a> = &'a dyn Fn(&mut UserFacts);

/// Facts from a list: a name and a change to the default.
pub(super) fn facts(list: &[(&str, Change<'_>)]) -> Facts {
    let mut facts = Facts::default();
    for (name, change) in list {
        change(facts.users.of(name));
    }
    facts
}

pub(super) fn people(names: &[&str]) -> Vec<User> {
    names.iter().map(|name| user(name)).collect()
}

/// Anna, Bjorn, Carl and Dora, and one step that names them.
fn four(strategy: Strategy) -> Snapshot {
    let all = ["anna", "bjorn", "carl", "dora"];
    snapshot(
        people(&all),
        vec![],
        vec![channel(vec![step(strategy, &all, &[])])],
    )
}

/// Changes the only channel.
pub(super) fn with_channel(mut snapshot: Snapshot, change: impl Fn(&mut Channel)) -> Snapshot {
    let mut channel = snapshot.channels[0].clone();
    change(&mut channel);
    snapshot.channels = vec![channel].into();
    snapshot
}

pub(super) fn with_user(
    mut snapshot: Snapshot,
    name: &str,
    change: impl Fn(&mut User),
) -> Snapshot {
    let change = |user: &User| {
        let mut user = user.clone();
        if &*user.name == name {
            change(&mut user);
        }
        user
    };
    snapshot.users = snapshot.users.iter().map(change).collect();
    snapshot
}

/// `main-line` has the hours of `oslo`.
pub(super) fn in_oslo(snapshot: Snapshot, special_days: Vec<SpecialDay>) -> Snapshot {
    let mut snapshot = with_channel(snapshot, |channel| channel.schedule = Some("oslo".into()));
    add(
        &mut snapshot.schedules,
        std::sync::Arc::new(oslo(special_days)),
    );
    snapshot
}

/// `ring anna bjorn | 1: anna chosen, bjorn chosen`
pub(super) fn brief(decision: &Decision) -> String {
    let mut text = match &decision.outcome {
        Outcome::Ring(ring) => {
            let users: Vec<&str> = ring.users.iter().map(|user| &**user).collect();
            format!("ring {}", users.join(" "))
        }
        Outcome::Wait { .. } => "wait".to_owned(),
        Outcome::Voicemail { prompt, reason } => format!("{prompt} {reason:?}"),
        Outcome::Assign { user, .. } => format!("assign {user}"),
        Outcome::CustomerAgent { agent, .. } => format!("agent {agent}"),
        Outcome::Unassigned { reason } => format!("unassigned {reason:?}"),
        Outcome::Refuse { status, code, .. } => format!("{status} {code}"),
    };
    for step in &decision.trace.steps {
        let candidates: Vec<String> = step
            .candidates
            .iter()
            .map(|candidate| format!("{} {}", candidate.user, words::code(candidate.code)))
            .collect();
        write!(text, " | {}: {}", step.step + 1, candidates.join(", ")).unwrap();
    }
    text
}

fn decide(snapshot: &Snapshot, facts: &Facts, request: &Request, now: &str) -> String {
    brief(&route(snapshot, facts, request, at(now)))
}

/// A call in its first step, which began at `MORNING`.
fn under_way(snapshot: &Snapshot, change: impl Fn(&mut Progress)) -> Request {
    let decision = route(snapshot, &Facts::default(), &first(), at(MORNING));
    let mut progress = Progress::begin(&decision, at(MORNING)).unwrap();
    change(&mut progress);
    call(Selection::Next(Box::new(progress)))
}

fn tried(list: &[(&str, Attempt)]) -> Vec<(UserName, Attempt)> {
    list.iter()
        .map(|(name, attempt)| (UserName::from(*name), *attempt))
        .collect()
}

#[test]
fn codes_are_those_that_are_documented_and_stay_so() {
    let codes = [
        "chosen",
        "no-seat",
        "no-inbox-access",
        "extra-member",
        "away",
        "outside-own-hours",
        "no-device",
        "on-call",
        "ringing",
        "at-capacity",
        "wrap-up",
        "declined",
        "no-answer",
        "unreachable",
        "over-limit",
        "lost-tie",
        "not-needed",
    ];
    let documented = include_str!("../../../docs/routing.md");
    for text in codes {
        let code: Code = serde_json::from_value(text.into()).unwrap();
        assert_eq!(words::code(code), text);
        assert!(documented.contains(&format!("`{text}`")), "{text}");
    }
}

#[test]
fn a_number_that_no_channel_has_is_refused_with_404() {
    let snapshot = four(Strategy::RingAll);
    let ask = |to| {
        let request = Request { to, ..first() };
        words::line(
            &request,
            &route(&snapshot, &Facts::default(), &request, at(MORNING)),
        )
    };
    assert_snapshot!(ask(To::Number("+4700000000".parse().unwrap())), @r"+4700000000 from +4790000001: 404 unknown-number: +4700000000 is not a number of any channel");
    assert_snapshot!(ask(To::Channel("sales".into())), @r#"sales from +4790000001: 404 unknown-channel: there is no channel "sales""#);
    assert_snapshot!(ask(To::Unread("acct4711".to_owned())), @r#""acct4711" from +4790000001: 404 unknown-number: "acct4711" cannot be read as a phone number"#);
}

#[test]
fn candidates_are_named_users_then_main_members_in_the_order_written_and_count_once() {
    let everybody = ["anna", "bjorn", "carl", "dora", "eva"];
    let mut support = team("support", &["bjorn", "anna"]);
    support.extra_members = names(&["eva", "dora", "anna"]);
    let sales = team("sales", &["dora", "bjorn"]);
    let snapshot = snapshot(
        people(&everybody),
        vec![support, sales],
        vec![channel(vec![step(
            Strategy::RingAll,
            &["carl", "anna", "carl"],
            &["support", "sales"],
        )])],
    );
    assert_eq!(
        decide(&snapshot, &Facts::default(), &first(), MORNING),
        "ring carl anna bjorn dora | 1: carl chosen, anna chosen, bjorn chosen, dora chosen, eva extra-member"
    );
}

#[test]
fn a_person_without_a_seat_is_passed_over() {
    let snapshot = with_user(four(Strategy::RingAll), "bjorn", |user| user.seat = None);
    assert_eq!(
        decide(&snapshot, &Facts::default(), &first(), MORNING),
        "ring anna carl dora | 1: anna chosen, bjorn no-seat, carl chosen, dora chosen"
    );
}

#[test]
fn only_members_of_the_inboxs_teams_are_reached() {
    let mut support = team("support", &["anna"]);
    support.extra_members = names(&["carl"]);
    let mut snapshot = snapshot(
        people(&["anna", "bjorn", "carl", "dora"]),
        vec![support, team("sales", &["dora", "anna"])],
        vec![channel(vec![step(
            Strategy::RingAll,
            &["bjorn", "carl"],
            &["sales"],
        )])],
    );
    add(&mut snapshot.inboxes, inbox("customers", &["support"]));
    let snapshot = with_channel(snapshot, |channel| channel.inbox = Some("customers".into()));
    assert_eq!(
        decide(&snapshot, &Facts::default(), &first(), MORNING),
        "ring carl anna | 1: bjorn no-inbox-access, carl chosen, dora no-inbox-access, anna chosen"
    );
}

#[test]
fn who_is_held_up_is_told_with_the_reason() {
    let snapshot = in_oslo(
        with_user(four(Strategy::RingAll), "dora", |user| {
            user.schedule = Some("evening".into());
        }),
        vec![],
    );
    let mut snapshot = with_channel(snapshot, |channel| {
        channel.working_hours.steps[0].users =
            names(&["anna", "bjorn", "carl", "dora", "eva", "finn", "gro"]);
    });
    add(
        &mut snapshot.schedules,
        std::sync::Arc::new(hours("evening", &["16:00-22:00"], vec![])),
    );
    for name in ["eva", "finn", "gro"] {
        add(&mut snapshot.users, user(name));
    }
    let now = at(MORNING);
    let facts = facts(&[
        ("anna", &|anna| {
            anna.devices = DeviceFacts {
                reachable: 0,
                lost: Some((
                    at("2026-12-02T08:12:00Z").wall,
                    "10.0.3.4:5060".parse().unwrap(),
                )),
                wrong_passwords: 6,
            };
        }),
        ("bjorn", &|bjorn| bjorn.presence = Presence::Away),
        ("carl", &|carl| carl.busy = Busy::OnCall(other_call())),
        ("eva", &|eva| {
            eva.wrap_up_until = Some(now.wall + Duration::from_secs(90));
        }),
        ("finn", &|finn| finn.busy = Busy::Ringing(other_call())),
    ]);
    let decision = route(&snapshot, &facts, &first(), now);
    assert_snapshot!(words::paragraph(&first(), &decision), @r"
    +4722334455 (main-line) from +4790000001: rings gro for up to 25 s (ring-all)
      open: oslo, Wed 2026-12-02 10:10+01:00, hours 08:00-11:30 and 12:00-16:00; closes 11:30. Snapshot 41
      rule working_hours
      step 1 (ring-all):
        anna: no-device: registration ran out 09:12, 58 min ago, from 10.0.3.4; 6 wrong passwords since
        bjorn: away
        carl: on-call: call 00000000-0000-0000-0000-000000000007
        dora: outside-own-hours: evening; open from 16:00
        eva: wrap-up: until 10:11
        finn: ringing: by call 00000000-0000-0000-0000-000000000007
        gro: chosen
    ");
    assert_snapshot!(words::line(&first(), &decision), @r"+4722334455 (main-line) from +4790000001: rings gro for up to 25 s (ring-all); anna no-device, bjorn away, carl on-call, dora outside-own-hours, eva wrap-up, finn ringing. open: oslo, Wed 2026-12-02 10:10+01:00, hours 08:00-11:30 and 12:00-16:00; closes 11:30. Snapshot 41");
}

#[test]
fn a_lost_registration_is_told_in_the_time_of_the_person_or_the_channel_or_utc() {
    let lost = |text: &str, wrong_passwords| {
        let lost = (at(text).wall, "[::ffff:10.0.3.4]:5060".parse().unwrap());
        facts(&[("anna", &move |anna| {
            anna.devices = DeviceFacts {
                reachable: 0,
                lost: Some(lost),
                wrong_passwords,
            };
        })])
    };
    let detail = |snapshot: &Snapshot, facts: &Facts| {
        let decision = route(snapshot, facts, &first(), at(MORNING));
        decision.trace.steps[0].candidates[0].detail.to_string()
    };
    let plain = four(Strategy::RingAll);
    let channels = in_oslo(four(Strategy::RingAll), vec![]);
    assert_eq!(
        detail(&plain, &lost("2026-12-02T09:09:20Z", 1)),
        "registration ran out 09:09 UTC, 40 s ago, from 10.0.3.4; 1 wrong password since"
    );
    assert_eq!(
        detail(&channels, &lost("2026-11-30T09:09:20Z", 0)),
        "registration ran out Mon 2026-11-30 10:09, 2 days ago, from 10.0.3.4"
    );
    let never = facts(&[("anna", &|anna| anna.devices.reachable = 0)]);
    assert_eq!(detail(&plain, &never), "no phone has registered");
}

#[test]
fn own_hours_do_not_hold_back_who_is_named_outside_working_hours() {
    let everybody = ["anna", "bjorn"];
    let duty = || vec![step(Strategy::RingAll, &["anna"], &["support"])];
    let mut snapshot = snapshot(
        people(&everybody),
        vec![team("support", &["bjorn"])],
        vec![channel(duty())],
    );
    snapshot = in_oslo(snapshot, vec![]);
    for name in everybody {
        snapshot = with_user(snapshot, name, |user| {
            user.schedule = Some("mornings".into())
        });
    }
    add(
        &mut snapshot.schedules,
        std::sync::Arc::new(hours("mornings", &["08:00-10:00"], vec![])),
    );
    let snapshot = with_channel(snapshot, |channel| {
        channel.break_ = Some(rule(duty(), "lunch"));
        channel.after_hours = Some(rule(duty(), "closed"));
    });
    let table = [
        (
            MORNING,
            "unanswered NobodyAvailable | 1: anna outside-own-hours, bjorn outside-own-hours",
        ),
        (LUNCH, "ring anna | 1: anna chosen, bjorn outside-own-hours"),
        (NIGHT, "ring anna | 1: anna chosen, bjorn outside-own-hours"),
    ];
    for (now, expected) in table {
        assert_eq!(
            decide(&snapshot, &Facts::default(), &first(), now),
            expected
        );
    }
}

#[test]
fn the_hours_choose_the_rule_and_a_break_without_its_own_has_after_hours() {
    let plain = in_oslo(four(Strategy::RingAll), vec![]);
    let with_break = with_channel(plain.clone(), |channel| {
        channel.break_ = Some(rule(vec![step(Strategy::RingAll, &["dora"], &[])], "lunch"));
    });
    let all = "ring anna bjorn carl dora | 1: anna chosen, bjorn chosen, carl chosen, dora chosen";
    let table = [
        (&plain, MORNING, all),
        (&plain, LUNCH, "closed Break"),
        (&plain, NIGHT, "closed Closed"),
        (&with_break, MORNING, all),
        (&with_break, LUNCH, "ring dora | 1: dora chosen"),
        (&with_break, NIGHT, "closed Closed"),
    ];
    for (snapshot, now, expected) in table {
        assert_eq!(
            decide(snapshot, &Facts::default(), &first(), now),
            expected,
            "{now}"
        );
    }
}

#[test]
fn hours_are_told_in_one_sentence() {
    let mut christmas = SpecialDay::new(When::yearly("12-24").unwrap(), None).unwrap();
    christmas.name = Some("Christmas Eve".to_owned());
    christmas.windows = vec![
        "08:00-10:00".parse().unwrap(),
        "11:00-12:00".parse().unwrap(),
    ];
    let schedule = oslo(vec![christmas]);
    let told = |now| words::hours(&schedule.state_at(at(now).wall), 41);
    assert_snapshot!(told(MORNING), @r"open: oslo, Wed 2026-12-02 10:10+01:00, hours 08:00-11:30 and 12:00-16:00; closes 11:30. Snapshot 41");
    assert_snapshot!(told(LUNCH), @r"closed (break): oslo, Wed 2026-12-02 11:40+01:00, between 08:00-11:30 and 12:00-16:00; opens 12:00. Snapshot 41");
    assert_snapshot!(told(NIGHT), @r"closed: oslo, Wed 2026-12-02 22:00+01:00, hours 08:00-11:30 and 12:00-16:00; opens Thu 2026-12-03 08:00. Snapshot 41");
    assert_snapshot!(told("2026-12-05T11:00:00Z"), @r"closed: oslo, Sat 2026-12-05 12:00+01:00, no hours that day; opens Mon 2026-12-07 08:00. Snapshot 41");
    assert_snapshot!(told("2026-12-24T07:30:00Z"), @r"open (special day Christmas Eve): oslo, Thu 2026-12-24 08:30+01:00, hours 08:00-10:00 and 11:00-12:00; closes 10:00. Snapshot 41");
    assert_snapshot!(told("2026-12-24T09:30:00Z"), @r"closed (break, special day Christmas Eve): oslo, Thu 2026-12-24 10:30+01:00, between 08:00-10:00 and 11:00-12:00; opens 11:00. Snapshot 41");
    assert_snapshot!(told("2026-12-24T12:30:00Z"), @r"closed (special day Christmas Eve): oslo, Thu 2026-12-24 13:30+01:00, hours 08:00-10:00 and 11:00-12:00; opens Fri 2026-12-25 08:00. Snapshot 41");
    let always = crate::core::schedule::HoursState::always_open();
    assert_snapshot!(words::hours(&always, 41), @r"open: no schedule. Snapshot 41");
}

#[test]
fn hours_are_those_of_the_arrival() {
    let snapshot = in_oslo(four(Strategy::Sequential), vec![]);
    let before_closing = at("2026-12-02T14:59:50Z");
    let decision = route(&snapshot, &Facts::default(), &first(), before_closing);
    let mut progress = Progress::begin(&decision, before_closing).unwrap();
    progress.offer_ended(&"anna".into(), Attempt::Declined);
    let request = call(Selection::Next(Box::new(progress)));
    assert_eq!(
        decide(
            &snapshot,
            &Facts::default(),
            &request,
            "2026-12-02T15:00:10Z"
        ),
        "ring bjorn | 1: anna declined, bjorn chosen, carl not-needed, dora not-needed"
    );
}

#[test]
fn a_special_day_has_its_own_prompt_while_it_closes() {
    let day = |prompt: Option<&str>| {
        let mut day = SpecialDay::new(When::date("2026-12-02").unwrap(), None).unwrap();
        day.name = Some("Stocktaking".to_owned());
        day.windows = vec![
            "08:00-10:00".parse().unwrap(),
            "11:00-12:00".parse().unwrap(),
        ];
        day.prompt = prompt.map(Into::into);
        day
    };
    let open = "2026-12-02T08:00:00Z";
    let in_a_break = "2026-12-02T09:30:00Z";
    let asked = |prompt, own: Option<&str>, now| {
        let snapshot = in_oslo(
            snapshot(vec![], vec![], vec![channel(vec![])]),
            vec![day(prompt)],
        );
        let snapshot = with_channel(snapshot, |channel| {
            if let Some(own) = own {
                sample::call(channel)
                    .special_prompts
                    .insert("Stocktaking".to_owned(), own.into());
            }
        });
        let decision = route(&snapshot, &Facts::default(), &first(), at(now));
        format!(
            "{} | {}",
            brief(&decision),
            decision.trace.notes.join(" | ")
        )
    };
    let table = [
        (
            Some("counting"),
            None,
            open,
            r#"unanswered NobodyNamed | prompt "unanswered": voicemail of working_hours"#,
        ),
        (
            Some("counting"),
            None,
            in_a_break,
            r#"counting Break | prompt "counting": special day Stocktaking"#,
        ),
        (
            Some("counting"),
            None,
            NIGHT,
            r#"counting Closed | prompt "counting": special day Stocktaking"#,
        ),
        (
            None,
            None,
            NIGHT,
            r#"closed Closed | prompt "closed": voicemail of after_hours; special day Stocktaking has none"#,
        ),
        (
            Some("counting"),
            Some("counting-en"),
            NIGHT,
            r#"counting-en Closed | prompt "counting-en": special_prompts for Stocktaking"#,
        ),
        (
            None,
            Some("counting-en"),
            NIGHT,
            r#"counting-en Closed | prompt "counting-en": special_prompts for Stocktaking"#,
        ),
    ];
    for (prompt, own, now, expected) in table {
        assert_eq!(asked(prompt, own, now), expected);
    }
}

#[test]
fn a_voicemail_says_why_nobody_talks() {
    let closed_with_duty = |snapshot| {
        with_channel(in_oslo(snapshot, vec![]), |channel| {
            channel.after_hours = Some(rule(channel.working_hours.steps.clone(), "closed"));
        })
    };
    let nobody = facts(&[
        ("anna", &|anna| anna.presence = Presence::Away),
        ("bjorn", &|bjorn| bjorn.presence = Presence::Away),
        ("carl", &|carl| carl.presence = Presence::Away),
        ("dora", &|dora| dora.presence = Presence::Away),
    ]);
    let four = four(Strategy::RingAll);
    let ended = |attempt| {
        under_way(&four, |progress| {
            for name in ["anna", "bjorn", "carl", "dora"] {
                progress.offer_ended(&name.into(), attempt);
            }
        })
    };
    let reason = |snapshot: &Snapshot, request: &Request, now| match route(
        snapshot,
        &nobody,
        request,
        at(now),
    )
    .outcome
    {
        Outcome::Voicemail { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    let named_none = snapshot(vec![], vec![], vec![channel(vec![])]);
    assert_eq!(
        reason(&named_none, &first(), MORNING),
        VoicemailReason::NobodyNamed
    );
    assert_eq!(
        reason(&four, &first(), MORNING),
        VoicemailReason::NobodyAvailable
    );
    let duty = closed_with_duty(four.clone());
    assert_eq!(reason(&duty, &first(), NIGHT), VoicemailReason::Closed);
    assert_eq!(reason(&duty, &first(), LUNCH), VoicemailReason::Break);
    assert_eq!(
        reason(&four, &ended(Attempt::Declined), MORNING),
        VoicemailReason::Unanswered
    );
    assert_eq!(
        reason(&four, &ended(Attempt::TimedOut), MORNING),
        VoicemailReason::Unanswered
    );
    assert_eq!(
        reason(&four, &ended(Attempt::Unreachable), MORNING),
        VoicemailReason::NobodyAvailable
    );
}

#[test]
fn steps_are_tried_in_order_until_one_reaches_somebody() {
    let snapshot = snapshot(
        people(&["anna", "bjorn", "carl"]),
        vec![],
        vec![channel(vec![
            step(Strategy::RingAll, &["anna"], &[]),
            step(Strategy::RingAll, &["bjorn"], &[]),
            step(Strategy::Sequential, &["carl", "anna"], &[]),
        ])],
    );
    let away = facts(&[
        ("anna", &|anna| anna.presence = Presence::Away),
        ("bjorn", &|bjorn| bjorn.devices.reachable = 0),
    ]);
    assert_eq!(
        decide(&snapshot, &away, &first(), MORNING),
        "ring carl | 1: anna away | 2: bjorn no-device | 3: carl chosen, anna away"
    );
    let ended = under_way(&snapshot, |progress| progress.step_ended(at(MORNING)));
    assert_eq!(
        decide(&snapshot, &away, &ended, MORNING),
        "ring carl | 2: bjorn no-device | 3: carl chosen, anna away"
    );
    let past_the_last = under_way(&snapshot, |progress| {
        for _ in 0..3 {
            progress.step_ended(at(MORNING));
        }
    });
    assert_eq!(
        decide(&snapshot, &away, &past_the_last, MORNING),
        "unanswered Unanswered"
    );
}

#[test]
fn lists_beside_nobody_wait_and_an_unknown_caller_has_no_owner() {
    let mut nobody = step(Strategy::RingAll, &["anna"], &[]);
    nobody.target = Target::Nobody;
    let mut owner = step(Strategy::RingAll, &[], &[]);
    owner.target = Target::ContactOwner;
    let snapshot = snapshot(
        people(&["anna"]),
        vec![],
        vec![channel(vec![nobody, owner])],
    );
    let decision = route(&snapshot, &Facts::default(), &first(), at(MORNING));
    assert_snapshot!(words::paragraph(&first(), &decision), @r#"
    +4722334455 (main-line) from +4790000001: voicemail "unanswered" (nobody named)
      open: no schedule. Snapshot 41
      rule working_hours
      step 1 (ring-all): nobody
      step 2 (ring-all): nobody
      step 1: to = "nobody", its lists wait
      step 2: the contact is not known
      prompt "unanswered": voicemail of working_hours
    "#);
}

#[test]
fn ring_all_rings_all_and_later_those_who_become_free() {
    let snapshot = four(Strategy::RingAll);
    let busy = facts(&[
        ("bjorn", &|bjorn| bjorn.busy = Busy::OnCall(other_call())),
        ("carl", &|carl| carl.busy = Busy::Ringing(other_call())),
    ]);
    assert_eq!(
        decide(&snapshot, &busy, &first(), MORNING),
        "ring anna dora | 1: anna chosen, bjorn on-call, carl ringing, dora chosen"
    );
    let freed = under_way(&snapshot, |progress| {
        progress.ringing = names(&["anna", "dora"]);
        progress.cause = Cause::BecameFree;
    });
    assert_eq!(
        decide(&snapshot, &Facts::default(), &freed, MORNING),
        "ring bjorn carl | 1: anna ringing, bjorn chosen, carl chosen, dora ringing"
    );
    let one_declined = under_way(&snapshot, |progress| {
        progress.offer_ended(&"anna".into(), Attempt::Declined);
    });
    assert_eq!(
        decide(&snapshot, &Facts::default(), &one_declined, MORNING),
        "wait | 1: anna declined, bjorn ringing, carl ringing, dora ringing"
    );
}

#[test]
fn no_more_than_max_ringing_ring_at_once() {
    for strategy in [Strategy::RingAll, Strategy::Progressive] {
        let snapshot = with_channel(four(strategy), |channel| {
            channel.working_hours.steps[0].max_ringing = 2;
        });
        let two = |cause| {
            under_way(&snapshot, |progress| {
                progress.ringing = names(&["anna", "bjorn"]);
                progress.cause = cause;
            })
        };
        let full = "wait | 1: anna ringing, bjorn ringing, carl over-limit, dora over-limit";
        for cause in [Cause::AddOne, Cause::BecameFree, Cause::OfferEnded] {
            assert_eq!(
                decide(&snapshot, &Facts::default(), &two(cause), MORNING),
                full
            );
        }
        let one = under_way(&snapshot, |progress| {
            progress.ringing = names(&["anna", "bjorn"]);
            progress.offer_ended(&"anna".into(), Attempt::Declined);
        });
        assert_eq!(
            decide(&snapshot, &Facts::default(), &one, MORNING),
            "ring carl | 1: anna declined, bjorn ringing, carl chosen, dora over-limit"
        );
    }
}

#[test]
fn progressive_adds_one_at_a_time_and_the_earlier_ones_keep_ringing() {
    let snapshot = four(Strategy::Progressive);
    assert_eq!(
        decide(&snapshot, &Facts::default(), &first(), MORNING),
        "ring anna | 1: anna chosen, bjorn not-needed, carl not-needed, dora not-needed"
    );
    let more = under_way(&snapshot, |progress| progress.cause = Cause::AddOne);
    let decision = route(&snapshot, &Facts::default(), &more, at(MORNING));
    assert_eq!(
        brief(&decision),
        "ring bjorn | 1: anna ringing, bjorn chosen, carl not-needed, dora not-needed"
    );
    let Outcome::Ring(ring) = decision.outcome else {
        panic!("rings")
    };
    assert_eq!(
        (ring.ring_each, ring.more),
        (Some(Duration::from_secs(10)), true)
    );
}

#[test]
fn one_at_a_time_each_in_turn_and_then_the_next_step() {
    let snapshot = four(Strategy::Sequential);
    let turns = [
        (
            tried(&[]),
            "ring anna | 1: anna chosen, bjorn not-needed, carl not-needed, dora not-needed",
        ),
        (
            tried(&[("anna", Attempt::TimedOut)]),
            "ring bjorn | 1: anna no-answer, bjorn chosen, carl not-needed, dora not-needed",
        ),
        (
            tried(&[
                ("anna", Attempt::TimedOut),
                ("bjorn", Attempt::Unreachable),
                ("carl", Attempt::Declined),
            ]),
            "ring dora | 1: anna no-answer, bjorn unreachable, carl declined, dora chosen",
        ),
        (
            tried(&[
                ("anna", Attempt::TimedOut),
                ("bjorn", Attempt::TimedOut),
                ("carl", Attempt::TimedOut),
                ("dora", Attempt::TimedOut),
            ]),
            "unanswered Unanswered | 1: anna no-answer, bjorn no-answer, carl no-answer, dora no-answer",
        ),
    ];
    for (tried, expected) in turns {
        let request = under_way(&snapshot, |progress| {
            progress.ringing.clear();
            progress.tried = tried.clone();
        });
        assert_eq!(
            decide(&snapshot, &Facts::default(), &request, MORNING),
            expected
        );
    }
    let rings_anna = under_way(&snapshot, |progress| progress.cause = Cause::BecameFree);
    assert_eq!(
        decide(&snapshot, &Facts::default(), &rings_anna, MORNING),
        "wait | 1: anna ringing, bjorn not-needed, carl not-needed, dora not-needed"
    );
}

#[test]
fn who_is_only_rung_by_another_call_is_waited_for_and_who_talks_is_not() {
    let table: [(Busy, &str); 2] = [
        (
            Busy::Ringing(other_call()),
            "wait | 1: anna ringing, bjorn away, carl away, dora away",
        ),
        (
            Busy::OnCall(other_call()),
            "unanswered NobodyAvailable | 1: anna on-call, bjorn away, carl away, dora away",
        ),
    ];
    for (busy, expected) in table {
        let facts = facts(&[
            ("anna", &|anna| anna.busy = busy),
            ("bjorn", &|bjorn| bjorn.presence = Presence::Away),
            ("carl", &|carl| carl.presence = Presence::Away),
            ("dora", &|dora| dora.presence = Presence::Away),
        ]);
        for strategy in STRATEGIES {
            let told = decide(&four(strategy), &facts, &first(), MORNING);
            assert_eq!(told, expected, "{strategy:?}");
        }
    }
}

#[test]
fn round_robin_begins_after_the_one_assigned_last() {
    let snapshot = four(Strategy::RoundRobin);
    let after = |last: Option<&str>| {
        let facts = Facts {
            round_robin_last: vec![last.map(UserName::from)],
            ..Facts::default()
        };
        decide(&snapshot, &facts, &first(), MORNING)
    };
    let who = |text: String| text.split(' ').nth(1).unwrap().to_owned();
    for (last, next) in [
        (None, "anna"),
        (Some("anna"), "bjorn"),
        (Some("carl"), "dora"),
        (Some("dora"), "anna"),
        (Some("gone"), "anna"),
    ] {
        assert_eq!(who(after(last)), next);
    }
    let mut busy = facts(&[("bjorn", &|bjorn| bjorn.presence = Presence::Away)]);
    busy.round_robin_last = vec![Some("anna".into())];
    assert_eq!(
        decide(&snapshot, &busy, &first(), MORNING),
        "ring carl | 1: anna not-needed, bjorn away, carl chosen, dora not-needed"
    );
}

#[test]
fn least_busy_counts_open_conversations_and_longest_idle_the_time_since_the_last_call() {
    let facts = facts(&[
        ("anna", &|anna| {
            anna.open.call = 3;
            anna.last_call_ended = Some(at("2026-12-02T08:00:00Z").wall);
        }),
        ("bjorn", &|bjorn| {
            bjorn.open.call = 1;
            bjorn.last_call_ended = Some(at("2026-12-02T09:00:00Z").wall);
        }),
        ("carl", &|carl| {
            carl.open.call = 1;
            carl.last_call_ended = Some(at("2026-12-02T07:00:00Z").wall);
        }),
        ("dora", &|dora| {
            dora.open.call = 2;
            dora.last_call_ended = Some(at("2026-12-02T07:00:00Z").wall);
        }),
    ]);
    assert_eq!(
        decide(&four(Strategy::LeastBusy), &facts, &first(), MORNING),
        "ring bjorn | 1: anna not-needed, bjorn chosen, carl lost-tie, dora not-needed"
    );
    assert_eq!(
        decide(&four(Strategy::LongestIdle), &facts, &first(), MORNING),
        "ring carl | 1: anna not-needed, bjorn not-needed, carl chosen, dora lost-tie"
    );
    let mut unknown = facts;
    unknown.users.of("anna").last_call_ended = None;
    assert_eq!(
        decide(&four(Strategy::LongestIdle), &unknown, &first(), MORNING),
        "ring anna | 1: anna chosen, bjorn not-needed, carl not-needed, dora not-needed"
    );
}

#[test]
fn a_tie_is_broken_as_the_rule_says() {
    let assigned = facts(&[
        ("anna", &|anna| {
            anna.last_assigned = Some(at("2026-12-02T08:00:00Z").wall)
        }),
        ("bjorn", &|bjorn| {
            bjorn.last_assigned = Some(at("2026-12-02T09:00:00Z").wall)
        }),
        ("carl", &|carl| {
            carl.last_assigned = Some(at("2026-12-02T07:00:00Z").wall)
        }),
        ("dora", &|_| {}),
    ]);
    let winner = |tie_break, seed| {
        let snapshot = with_channel(four(Strategy::LeastBusy), |channel| {
            channel.working_hours.steps[0].tie_break = tie_break;
        });
        let facts = Facts {
            seed,
            ..assigned.clone()
        };
        let decision = route(&snapshot, &facts, &first(), at(MORNING));
        let codes: Vec<Code> = decision.trace.steps[0]
            .candidates
            .iter()
            .map(|c| c.code)
            .collect();
        assert_eq!(
            codes.iter().filter(|code| **code == Code::LostTie).count(),
            3
        );
        match decision.outcome {
            Outcome::Ring(ring) => ring.users[0].to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(winner(TieBreak::MostRecentlyAssigned, 0), "bjorn");
    assert_eq!(winner(TieBreak::LeastRecentlyAssigned, 0), "dora");
    assert_eq!(winner(TieBreak::Listed, 0), "anna");
    let thrown: std::collections::BTreeSet<String> = (0..100)
        .map(|seed| winner(TieBreak::Random, seed))
        .collect();
    assert_eq!(thrown.len(), 4, "every one of them wins some: {thrown:?}");
}

#[test]
fn random_gives_everybody_the_same_share() {
    let snapshot = four(Strategy::Random);
    let mut rung = std::collections::BTreeMap::<UserName, u32>::new();
    for seed in 0..4000 {
        let facts = Facts {
            seed,
            ..Facts::default()
        };
        match route(&snapshot, &facts, &first(), at(MORNING)).outcome {
            Outcome::Ring(ring) => *rung.entry(ring.users[0].clone()).or_default() += 1,
            other => panic!("{other:?}"),
        }
    }
    // Four standard deviations of a fair throw are 110 of 4,000.
    assert!(
        rung.values().all(|times| (890..=1110).contains(times)),
        "{rung:?}"
    );
}

#[test]
fn a_step_whose_time_is_over_rings_nobody_more() {
    let snapshot = with_channel(four(Strategy::Sequential), |channel| {
        channel
            .working_hours
            .steps
            .push(step(Strategy::RingAll, &["dora"], &[]));
    });
    let last_moment = "2026-12-02T09:10:59.999Z";
    let over = "2026-12-02T09:11:00Z";
    let nobody_rings = under_way(&snapshot, |progress| {
        progress.offer_ended(&"anna".into(), Attempt::TimedOut);
    });
    assert_eq!(
        decide(&snapshot, &Facts::default(), &nobody_rings, last_moment),
        "ring bjorn | 1: anna no-answer, bjorn chosen, carl not-needed, dora not-needed"
    );
    assert_eq!(
        decide(&snapshot, &Facts::default(), &nobody_rings, over),
        "ring dora | 2: dora chosen"
    );
    let anna_rings = under_way(&snapshot, |progress| progress.cause = Cause::BecameFree);
    assert_eq!(
        decide(&snapshot, &Facts::default(), &anna_rings, over),
        "wait"
    );
}

#[test]
fn a_decline_holds_for_the_call_and_no_answer_for_the_step() {
    let all = ["anna", "bjorn", "carl"];
    let snapshot = snapshot(
        people(&all),
        vec![],
        vec![channel(vec![
            step(Strategy::RingAll, &all, &[]),
            step(Strategy::RingAll, &all, &[]),
        ])],
    );
    let second_step = under_way(&snapshot, |progress| {
        progress.offer_ended(&"anna".into(), Attempt::Declined);
        progress.offer_ended(&"bjorn".into(), Attempt::Unreachable);
        progress.step_ended(at(MORNING));
    });
    assert_eq!(
        decide(&snapshot, &Facts::default(), &second_step, MORNING),
        "ring bjorn carl | 2: anna declined, bjorn chosen, carl chosen"
    );
    let nobody_left = under_way(&snapshot, |progress| {
        progress.offer_ended(&"anna".into(), Attempt::Declined);
        progress.offer_ended(&"bjorn".into(), Attempt::Unreachable);
        progress.offer_ended(&"carl".into(), Attempt::Unreachable);
    });
    assert_eq!(
        decide(&snapshot, &Facts::default(), &nobody_left, MORNING),
        "ring bjorn carl | 1: anna declined, bjorn unreachable, carl unreachable | 2: anna declined, bjorn chosen, carl chosen"
    );
}

#[test]
fn progress_follows_the_decisions() {
    let snapshot = four(Strategy::Sequential);
    let decision = route(&snapshot, &Facts::default(), &first(), at(MORNING));
    let mut progress = Progress::begin(&decision, at(MORNING)).unwrap();
    assert_eq!(progress.ringing, names(&["anna"]));
    progress.offer_ended(&"anna".into(), Attempt::TimedOut);
    progress.offer_ended(&"nobody".into(), Attempt::TimedOut);
    let request = call(Selection::Next(Box::new(progress.clone())));
    progress.advance(
        &route(&snapshot, &Facts::default(), &request, at(MORNING)),
        at(LUNCH),
    );
    assert_eq!(progress.ringing, names(&["bjorn"]));
    assert_eq!(progress.step_began, at(MORNING).wall);
    progress.step_ended(at(LUNCH));
    assert_eq!((progress.step, progress.step_began), (1, at(LUNCH).wall));
    assert_eq!(
        progress.earlier,
        tried(&[("anna", Attempt::TimedOut), ("bjorn", Attempt::TimedOut)])
    );
}

#[test]
fn a_later_selection_is_told_with_its_cause() {
    let snapshot = four(Strategy::Sequential);
    let told = |change: &dyn Fn(&mut Progress)| {
        let request = under_way(&snapshot, change);
        words::line(
            &request,
            &route(&snapshot, &Facts::default(), &request, at(MORNING)),
        )
    };
    assert_snapshot!(told(&|progress| progress.offer_ended(&"anna".into(), Attempt::Declined)), @r"+4722334455 (main-line) from +4790000001, an offer ended: rings bjorn for 15 s, then the next (sequential, up to 60 s); anna declined");
    assert_snapshot!(told(&|progress| progress.cause = Cause::BecameFree), @r"+4722334455 (main-line) from +4790000001, somebody became free: anna still ringing, for up to 60 s; anna ringing");
    assert_snapshot!(told(&|progress| progress.step_ended(at(MORNING))), @r#"+4722334455 (main-line) from +4790000001, the step ended: voicemail "unanswered" (unanswered)"#);
}

mod replay {
    use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy as Generator;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::core::time::Wall;

    const NAMES: [&str; 4] = ["anna", "bjorn", "carl", "dora"];

    fn walls() -> impl Generator<Value = Wall> {
        let morning = at(MORNING).wall.as_millis();
        (morning - 200_000_000..morning + 100_000).prop_map(Wall::from_millis)
    }

    fn user_facts() -> impl Generator<Value = UserFacts> {
        let presence = prop_oneof![4 => Just(Presence::Available), 1 => Just(Presence::Away)];
        let busy = prop_oneof![
            4 => Just(Busy::Free),
            1 => Just(Busy::Ringing(other_call())),
            1 => Just(Busy::OnCall(other_call())),
        ];
        let lost = (walls(), any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(at, address, port)| (at, std::net::SocketAddr::from((address, port))));
        let devices = (0..3u32, prop::option::of(lost), any::<u32>()).prop_map(
            |(reachable, lost, wrong_passwords)| DeviceFacts {
                reachable,
                lost,
                wrong_passwords,
            },
        );
        let when = || prop::option::of(walls());
        (presence, devices, busy, when(), 0..3u32, when(), when()).prop_map(
            |(presence, devices, busy, wrap_up_until, open_conversations, last_assigned, ended)| {
                UserFacts {
                    presence,
                    devices,
                    busy,
                    wrap_up_until,
                    presence_detail: String::new(),
                    by_hand_until: None,
                    open: PerKind {
                        call: open_conversations,
                        ..PerKind::default()
                    },
                    last_assigned,
                    last_call_ended: ended,
                }
            },
        )
    }

    fn some_facts() -> impl Generator<Value = Facts> {
        let name = || prop::sample::select(NAMES.to_vec()).prop_map(UserName::from);
        (
            prop::collection::hash_map(name(), user_facts(), 0..5),
            prop::collection::vec(prop::option::of(name()), 0..3),
            any::<u64>(),
        )
            .prop_map(|(users, round_robin_last, seed)| Facts {
                users: users.into_iter().collect(),
                round_robin_last,
                contact: None,
                older_waiting: false,
                seed,
            })
    }

    fn selections(snapshot: Snapshot) -> impl Generator<Value = Selection> {
        let name = || prop::sample::select(NAMES.to_vec()).prop_map(UserName::from);
        let attempt = prop::sample::select(vec![
            Attempt::Declined,
            Attempt::TimedOut,
            Attempt::Unreachable,
        ]);
        let attempts = || prop::collection::vec((name(), attempt.clone()), 0..4);
        let cause = prop::sample::select(vec![
            Cause::OfferEnded,
            Cause::AddOne,
            Cause::BecameFree,
            Cause::BecameBusy,
            Cause::StepEnded,
        ]);
        let rule = prop::sample::select(vec![
            RuleName::WorkingHours,
            RuleName::Break,
            RuleName::AfterHours,
        ]);
        let ringing = prop::collection::vec(name(), 0..2);
        let schedule = snapshot.schedules[0].clone();
        let next = (
            rule,
            0..3usize,
            walls(),
            attempts(),
            attempts(),
            ringing,
            cause,
        )
            .prop_map(
                move |(rule, step, step_began, tried, earlier, ringing, cause)| {
                    Selection::Next(Box::new(Progress {
                        hours: schedule.state_at(step_began),
                        rule,
                        step,
                        step_began,
                        tried,
                        earlier,
                        ringing,
                        cause,
                    }))
                },
            );
        prop_oneof![Just(Selection::First), next]
    }

    fn office(strategies: &[Strategy]) -> Snapshot {
        let steps = strategies
            .iter()
            .map(|strategy| step(*strategy, &["dora", "anna"], &["support"]));
        let mut support = team("support", &["anna", "bjorn"]);
        support.extra_members = names(&["carl"]);
        let mut channel = channel(steps.collect());
        channel.after_hours = Some(rule(channel.working_hours.steps.clone(), "closed"));
        let snapshot = snapshot(people(&NAMES), vec![support], vec![channel]);
        in_oslo(snapshot, vec![])
    }

    fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    fn questions() -> impl Generator<Value = (Snapshot, Facts, Selection, Wall)> {
        let strategies = prop::collection::vec(prop::sample::select(STRATEGIES.to_vec()), 1..3);
        strategies.prop_flat_map(|strategies| {
            let snapshot = office(&strategies);
            let selections = selections(snapshot.clone());
            (Just(snapshot), some_facts(), selections, walls())
        })
    }

    proptest! {
        #[test]
        fn the_same_question_has_the_same_answer_also_after_storage(
            (snapshot, facts, selection, wall) in questions()
        ) {
            let now = crate::core::time::Now::new(crate::core::time::Mono::ZERO, wall);
            let request = call(selection);
            let decision = route(&snapshot, &facts, &request, now);
            let mut kept = through_json(&facts);
            kept.keep_considered(&decision);
            let again = route(&snapshot, &kept, &through_json(&request), now);
            prop_assert_eq!(&through_json(&decision), &again);
            prop_assert_eq!(decision, again);
        }

        #[test]
        fn whoever_is_chosen_is_free_entitled_and_not_asked_twice(
            (snapshot, facts, selection, wall) in questions()
        ) {
            let now = crate::core::time::Now::new(crate::core::time::Mono::ZERO, wall);
            let request = call(selection);
            let decision = route(&snapshot, &facts, &request, now);
            let Outcome::Ring(ring) = &decision.outcome else {
                return Ok(());
            };
            let mut once = ring.users.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), ring.users.len());
            for user in &ring.users {
                let known = facts.users.get(user).cloned().unwrap_or_default();
                prop_assert_eq!(known.busy, Busy::Free);
                prop_assert_eq!(known.presence, Presence::Available);
                prop_assert!(known.devices.reachable > 0);
                prop_assert!(known.wrap_up_until.is_none_or(|until| until <= wall));
                let Selection::Next(progress) = &request.selection else {
                    continue;
                };
                prop_assert!(!progress.ringing.contains(user));
                let in_this_step = progress.step == ring.step;
                for (tried, attempt) in &progress.tried {
                    prop_assert!(tried != user || !in_this_step && *attempt != Attempt::Declined);
                }
            }
        }
    }
}

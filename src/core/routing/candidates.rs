//! Who is in a step, and who of them can take what has come.

use std::collections::{HashMap, HashSet};

use super::words;
use super::{Attempt, Busy, Cause, Code, Facts, Presence, Progress, UserFacts, Via, Way};
use crate::core::name::{InboxName, ScheduleName, UserName};
use crate::core::snapshot::{Kind, RuleName, Snapshot, Step, Target, User};
use crate::core::time::{Now, Wall};

/// One person in a step, and how things stand with that person.
pub(super) struct Standing<'a> {
    pub user: &'a UserName,
    pub via: Via,
    pub stand: Stand,
}

/// Whether a person can take what has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Now.
    Free,
    /// This call rings the person.
    RungByThis,
    /// Another call rings the person, and may let go.
    RungByOther(String),
    /// No.
    Out(Code, String),
}

/// What became of the offers so far, as it matters in one step.
pub(super) struct Course<'a> {
    pub ringing: HashSet<&'a str>,
    attempts: HashMap<&'a str, Attempt>,
}

impl<'a> Course<'a> {
    /// Of a call a decline holds to its end, every other attempt for the step it was made in. Of a
    /// message each holds in all steps; but who went away is passed over only where it is being
    /// taken back from that one: whoever has come back since may have it again.
    pub fn new(progress: Option<&'a Progress>, step: usize, kind: Kind) -> Course<'a> {
        let mut course = Course {
            ringing: HashSet::new(),
            attempts: HashMap::new(),
        };
        let Some(progress) = progress else {
            return course;
        };
        let holds = |attempt: Attempt, made_in_step: bool, last: bool| match (kind, attempt) {
            (Kind::Call, Attempt::Declined) => true,
            (Kind::Call, Attempt::TimedOut | Attempt::Unreachable | Attempt::TakenBack) => {
                made_in_step && progress.step == step
            }
            (_, Attempt::TakenBack) => last && progress.cause == Cause::TakenBack,
            (_, Attempt::Declined | Attempt::TimedOut | Attempt::Unreachable) => true,
        };
        let earlier = progress.earlier.iter().map(|attempt| (attempt, false));
        let tried = progress.tried.iter().map(|attempt| (attempt, true));
        for ((user, attempt), made_in_step) in earlier.chain(tried) {
            let last = progress.tried.last().is_some_and(|(last, _)| last == user);
            if holds(*attempt, made_in_step, last) {
                course.attempts.insert(user, *attempt);
            }
        }
        course
            .ringing
            .extend(progress.ringing.iter().map(|user| &**user));
        course
    }
}

/// The people that a step reaches: named users in the order written, then each team's main members
/// in theirs; or the contact's owner. A person counts once in a step, but this may give the same
/// one again.
pub(super) fn reached<'a>(
    snapshot: &'a Snapshot,
    step: &'a Step,
    owner: Option<&'a UserName>,
) -> impl Iterator<Item = (&'a UserName, Via)> {
    let (lists, owner) = match step.target {
        Target::Lists => (Some(step), None),
        Target::ContactOwner => (None, owner),
        Target::CustomerAgent | Target::Nobody => (None, None),
    };
    let listed = lists.into_iter().flat_map(|step| {
        let named = step.users.iter().map(|user| (user, Via::Named));
        let teams = step.teams.iter().filter_map(|name| snapshot.team(name));
        let members = teams.flat_map(|team| {
            let via = Via::Team(team.name.clone());
            team.members.iter().map(move |user| (user, via.clone()))
        });
        named.chain(members)
    });
    listed.chain(owner.map(|owner| (owner, Via::Owner)))
}

/// Everybody in a step, once each, with how things stand: those that it reaches, then the extra
/// members of its teams.
pub(super) fn standings<'a>(
    way: &Way<'a>,
    step: &'a Step,
    owner: Option<&'a UserName>,
    course: &Course<'_>,
    facts: &Facts,
    now: Now,
) -> Vec<Standing<'a>> {
    let mut desk = Reception::new(way, step, course, facts, now);
    let mut seen = HashSet::new();
    let mut standings: Vec<Standing<'a>> = reached(way.snapshot(), step, owner)
        .filter(|(user, _)| seen.insert(&***user))
        .map(|(user, via)| Standing {
            stand: desk.stand(user, &via),
            user,
            via,
        })
        .collect();
    standings.extend(
        extra(way.snapshot(), step)
            .filter(|(user, _)| seen.insert(&***user))
            .map(|(user, via)| Standing {
                user,
                via,
                stand: Stand::Out(Code::ExtraMember, String::new()),
            }),
    );
    standings
}

/// The extra members of a step's teams.
fn extra<'a>(snapshot: &'a Snapshot, step: &'a Step) -> impl Iterator<Item = (&'a UserName, Via)> {
    let teams = match step.target {
        Target::Lists => step.teams.as_slice(),
        Target::ContactOwner | Target::CustomerAgent | Target::Nobody => &[],
    };
    teams
        .iter()
        .filter_map(|name| snapshot.team(name))
        .flat_map(|team| {
            let via = Via::Team(team.name.clone());
            team.extra_members
                .iter()
                .map(move |user| (user, via.clone()))
        })
}

/// Asks everything that can stand between what has come and a person.
struct Reception<'a, 'b> {
    snapshot: &'a Snapshot,
    inbox: Option<&'a InboxName>,
    channel_schedule: Option<&'a ScheduleName>,
    kind: Kind,
    only_available: bool,
    rule: RuleName,
    course: &'b Course<'b>,
    facts: &'b Facts,
    unknown: UserFacts,
    now: Now,
    open: HashMap<&'a str, bool>,
}

impl<'a, 'b> Reception<'a, 'b> {
    fn new(
        way: &Way<'a>,
        step: &Step,
        course: &'b Course<'b>,
        facts: &'b Facts,
        now: Now,
    ) -> Reception<'a, 'b> {
        let channel = way.channel();
        let kind = channel.kind();
        Reception {
            snapshot: way.snapshot(),
            inbox: channel.inbox.as_ref(),
            channel_schedule: channel.schedule.as_ref(),
            kind,
            only_available: step.only_available || kind == Kind::Call,
            rule: way.rule_name(),
            course,
            facts,
            unknown: UserFacts::default(),
            now,
            open: HashMap::new(),
        }
    }

    /// What the configuration says comes first, then what became of an offer to this person, then
    /// the moment.
    fn stand(&mut self, name: &'a UserName, via: &Via) -> Stand {
        let Some(user) = self.snapshot.user(name) else {
            return Stand::Out(Code::NoSeat, "not in this configuration".to_owned());
        };
        self.entitled(user, via)
            .or_else(|| self.offered(name))
            .or_else(|| self.only_available.then(|| self.present(user, via))?)
            .unwrap_or(Stand::Free)
    }

    fn entitled(&self, user: &User, via: &Via) -> Option<Stand> {
        if user.seat.is_none() {
            return Some(Stand::Out(Code::NoSeat, String::new()));
        }
        let inbox = self.inbox?;
        (!has_access(self.snapshot, inbox, &user.name, via)).then(|| {
            let detail = format!("inbox {:?}", &**inbox);
            Stand::Out(Code::NoInboxAccess, detail)
        })
    }

    fn offered(&self, user: &UserName) -> Option<Stand> {
        if self.course.ringing.contains(&**user) {
            return Some(Stand::RungByThis);
        }
        let attempt = self.course.attempts.get(&**user)?;
        let (code, detail) = match (self.kind, attempt) {
            (_, Attempt::Declined) => (Code::Declined, ""),
            (_, Attempt::Unreachable) => (Code::Unreachable, ""),
            (_, Attempt::TakenBack) => (Code::NoAnswer, "went away before replying"),
            (Kind::Call, Attempt::TimedOut) => (Code::NoAnswer, ""),
            (Kind::Email | Kind::Form | Kind::Chat, Attempt::TimedOut) => {
                (Code::NoAnswer, "did not reply in time")
            }
        };
        Some(Stand::Out(code, detail.to_owned()))
    }

    fn present(&mut self, user: &'a User, via: &Via) -> Option<Stand> {
        let facts = self.facts;
        let known = facts.users.get(&user.name);
        if known.is_some_and(|known| known.presence == Presence::Away) {
            let detail = known.map_or_else(String::new, |known| known.presence_detail.clone());
            return Some(Stand::Out(Code::Away, detail));
        }
        self.outside_own_hours(user, via)
            .or_else(|| self.out_of_office(user))
            .or_else(|| self.engaged(user))
    }

    /// Who is named for closed hours or a break is on call then, whatever the own hours say. What a
    /// person said by hand holds against them for a time.
    fn outside_own_hours(&mut self, user: &'a User, via: &Via) -> Option<Stand> {
        let on_call = match self.rule {
            RuleName::Break | RuleName::AfterHours => *via == Via::Named,
            RuleName::WorkingHours | RuleName::Assign => false,
        };
        let name = user.schedule.as_ref().filter(|_| !on_call)?;
        let known = self.facts.users.get(&user.name);
        let said = known.and_then(|known| known.by_hand_until);
        if self.is_open(name) || said.is_some_and(|until| until > self.now.wall) {
            return None;
        }
        let next = self
            .snapshot
            .schedule(name)
            .and_then(|schedule| schedule.state_at(self.now.wall).next_change_local)
            .map_or_else(String::new, |next| format!("; open from {next}"));
        let detail = format!("{name}{next}");
        Some(Stand::Out(Code::OutsideOwnHours, detail))
    }

    fn out_of_office(&self, user: &User) -> Option<Stand> {
        let absence = user.absence_at(self.now.wall)?;
        let until = self.clock(user, absence.until);
        let detail = format!("out of office until {until}");
        Some(Stand::Out(Code::Away, detail))
    }

    /// Phones matter for calls alone; a call that a person talks in may leave less room for messages.
    fn engaged(&self, user: &User) -> Option<Stand> {
        let facts = self.facts.users.get(&user.name);
        let facts = facts.unwrap_or(&self.unknown);
        let full = || self.full(user, facts);
        if self.kind != Kind::Call {
            return full();
        }
        let out = |code, detail| Some(Stand::Out(code, detail));
        match &facts.busy {
            Busy::OnCall(call) => out(Code::OnCall, format!("call {call}")),
            Busy::Ringing(call) => {
                full().or_else(|| Some(Stand::RungByOther(format!("by call {call}"))))
            }
            Busy::Free if facts.devices.reachable == 0 => out(
                Code::NoDevice,
                words::no_device(&facts.devices, self.now.wall, |at| self.clock(user, at)),
            ),
            Busy::Free => full().or_else(|| {
                let until = facts.wrap_up_until.filter(|at| *at > self.now.wall)?;
                out(Code::WrapUp, format!("until {}", self.clock(user, until)))
            }),
        }
    }

    fn full(&self, user: &User, facts: &UserFacts) -> Option<Stand> {
        let on_call = matches!(facts.busy, Busy::OnCall(_));
        let during = on_call
            .then(|| *user.capacity_on_call.of(self.kind))
            .flatten();
        let limit = during.or(*user.capacity.of(self.kind))?;
        let open = *facts.open.of(self.kind);
        (open >= limit).then(|| {
            let kind = words::many(self.kind);
            let when = during.map_or("", |_| " during a call");
            Stand::Out(Code::AtCapacity, format!("{open} of {limit} {kind}{when}"))
        })
    }

    /// An instant in the time of the person, or else of the channel.
    fn clock(&self, user: &User, at: Wall) -> String {
        let zone = user.schedule.as_ref().or(self.channel_schedule);
        words::clock(self.snapshot, zone, at, self.now.wall)
    }

    /// Colleagues share schedules, so each is asked once.
    fn is_open(&mut self, name: &'a ScheduleName) -> bool {
        *self.open.entry(name).or_insert_with(|| {
            let schedule = self.snapshot.schedule(name);
            schedule.is_none_or(|schedule| schedule.is_open(self.now.wall))
        })
    }
}

/// Whether the person may see the inbox. Who comes through one of its teams may, without a search.
fn has_access(snapshot: &Snapshot, inbox: &InboxName, user: &UserName, via: &Via) -> bool {
    let teams = snapshot.inbox(inbox).and_then(|inbox| inbox.teams.as_ref());
    let by_team = matches!((via, teams), (Via::Team(team), Some(teams)) if teams.contains(team));
    by_team || snapshot.has_access(user, Some(inbox))
}

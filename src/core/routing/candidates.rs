//! Who is in a step, and who of them can take what has come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::words;
use super::{Attempt, Busy, Cause, Code, Facts, Presence, Progress, UserFacts, Via, Way};
use crate::core::name::{InboxName, ScheduleName, TeamName, UserName};
use crate::core::snapshot::{Kind, RuleName, Snapshot, Step, Target, Team, User};
use crate::core::time::{Now, Wall};

/// One person in a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub name: &'a UserName,
    /// As the configuration has the person, with the place in its list.
    user: Option<(usize, &'a User)>,
    reach: Reach<'a>,
}

/// How somebody comes into a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach<'a> {
    /// By name.
    Named,
    /// As a main member of this team.
    Team(&'a TeamName),
    /// As an extra member of this team: by hand only.
    Extra(&'a TeamName),
    /// As the owner of the contact.
    Owner,
}

/// One person in a step, and how things stand with that person.
pub(super) struct Standing<'a, 'f> {
    pub name: &'a UserName,
    pub reach: Reach<'a>,
    pub known: Option<&'f UserFacts>,
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
    RungByOther(Arc<str>),
    /// No.
    Out(Code, Arc<str>),
}

impl<'a> Member<'a> {
    fn new(snapshot: &'a Snapshot, name: &'a UserName, reach: Reach<'a>) -> Member<'a> {
        let place = snapshot.users.place(name);
        let user = place.and_then(|place| Some((place, snapshot.users.get(place)?)));
        Member { name, user, reach }
    }

    /// As the configuration has the person; `None`: not at all.
    pub fn user(&self) -> Option<&'a User> {
        self.user.map(|(_, user)| user)
    }

    /// The place among the users of the configuration.
    pub fn place(&self) -> Option<usize> {
        self.user.map(|(place, _)| place)
    }

    /// Whether a rule can find the person, and not a hand only.
    pub fn is_reached(&self) -> bool {
        !matches!(self.reach, Reach::Extra(_))
    }
}

impl Reach<'_> {
    /// As traces keep it.
    pub fn via(self) -> Via {
        match self {
            Reach::Named => Via::Named,
            Reach::Team(team) | Reach::Extra(team) => Via::Team(team.clone()),
            Reach::Owner => Via::Owner,
        }
    }
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
) -> impl Iterator<Item = (&'a UserName, Reach<'a>)> {
    let (lists, owner) = match step.target {
        Target::Lists => (Some(step), None),
        Target::ContactOwner => (None, owner),
        Target::CustomerAgent | Target::Nobody => (None, None),
    };
    let listed = lists.into_iter().flat_map(|step| {
        let named = step.users.iter().map(|user| (user, Reach::Named));
        let teams = step.teams.iter().filter_map(|name| snapshot.team(name));
        let members = teams.flat_map(|team| {
            let reach = Reach::Team(&team.name);
            team.members.iter().map(move |user| (user, reach))
        });
        named.chain(members)
    });
    listed.chain(owner.map(|owner| (owner, Reach::Owner)))
}

/// The extra members of a step's teams.
fn extra<'a>(
    snapshot: &'a Snapshot,
    step: &'a Step,
) -> impl Iterator<Item = (&'a UserName, Reach<'a>)> {
    let teams = match step.target {
        Target::Lists => step.teams.as_slice(),
        Target::ContactOwner | Target::CustomerAgent | Target::Nobody => &[],
    };
    teams
        .iter()
        .filter_map(|name| snapshot.team(name))
        .flat_map(|team| {
            let reach = Reach::Extra(&team.name);
            team.extra_members.iter().map(move |user| (user, reach))
        })
}

/// Everybody in a step, once each: those that it reaches, then the extra members of its teams.
pub(super) fn members<'a>(
    snapshot: &'a Snapshot,
    step: &'a Step,
    owner: Option<&'a UserName>,
) -> Vec<Member<'a>> {
    let mut seen = vec![false; snapshot.users.len()];
    let mut strangers = HashSet::new();
    let everybody = reached(snapshot, step, owner).chain(extra(snapshot, step));
    let members = everybody.map(|(name, reach)| Member::new(snapshot, name, reach));
    let first = |member: &Member<'a>| {
        let seen = member.user.and_then(|(place, _)| seen.get_mut(place));
        match seen {
            Some(seen) => !std::mem::replace(seen, true),
            None => strangers.insert(member.name),
        }
    };
    members.filter(first).collect()
}

/// How things stand with everybody in a step.
pub(super) fn standings<'a, 'f>(
    way: &Way<'a>,
    step: &Step,
    members: &[Member<'a>],
    course: &Course<'_>,
    facts: &'f Facts,
    now: Now,
) -> Vec<Standing<'a, 'f>> {
    let mut reception = Reception::new(way, step, course, now);
    let mut users = facts.users.lookup();
    let standing = |member: &Member<'a>| {
        let known = users.find(member.name);
        Standing {
            name: member.name,
            reach: member.reach,
            known,
            stand: reception.stand(member, known),
        }
    };
    members.iter().map(standing).collect()
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
    unknown: UserFacts,
    now: Now,
    open: HashMap<&'a str, bool>,
    /// Who may see the inbox, by place among the users, once somebody is asked for.
    access: Option<Vec<bool>>,
    /// What is said of many.
    nothing: Arc<str>,
}

impl<'a, 'b> Reception<'a, 'b> {
    fn new(way: &Way<'a>, step: &Step, course: &'b Course<'b>, now: Now) -> Reception<'a, 'b> {
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
            unknown: UserFacts::default(),
            now,
            open: HashMap::new(),
            access: None,
            nothing: Arc::default(),
        }
    }

    /// What the configuration says comes first, then what became of an offer to this person, then
    /// the moment.
    fn stand(&mut self, member: &Member<'a>, known: Option<&UserFacts>) -> Stand {
        if !member.is_reached() {
            return Stand::Out(Code::ExtraMember, Arc::clone(&self.nothing));
        }
        let Some((place, user)) = member.user else {
            return Stand::Out(Code::NoSeat, "not in this configuration".into());
        };
        self.entitled(place, user, member.reach)
            .or_else(|| self.offered(member.name))
            .or_else(|| {
                self.only_available
                    .then(|| self.present(user, member.reach, known))?
            })
            .unwrap_or(Stand::Free)
    }

    fn entitled(&mut self, place: usize, user: &User, reach: Reach<'_>) -> Option<Stand> {
        if user.seat.is_none() {
            return Some(Stand::Out(Code::NoSeat, Arc::clone(&self.nothing)));
        }
        let inbox = self.inbox?;
        (!self.has_access(inbox, place, reach)).then(|| {
            let detail = format!("inbox {:?}", &**inbox);
            Stand::Out(Code::NoInboxAccess, detail.into())
        })
    }

    /// Whether the person may see the inbox. Who comes through one of its teams may, without a search.
    fn has_access(&mut self, inbox: &InboxName, place: usize, reach: Reach<'_>) -> bool {
        let Some(found) = self.snapshot.inbox(inbox) else {
            return false;
        };
        let Some(teams) = &found.teams else {
            return true;
        };
        if matches!(reach, Reach::Team(team) if teams.contains(team)) {
            return true;
        }
        let snapshot = self.snapshot;
        let access = self.access.get_or_insert_with(|| {
            let mut access = vec![false; snapshot.users.len()];
            let teams = teams.iter().filter_map(|name| snapshot.team(name));
            let people = teams.flat_map(Team::everybody);
            for place in people.filter_map(|name| snapshot.users.place(name)) {
                if let Some(may) = access.get_mut(place) {
                    *may = true;
                }
            }
            access
        });
        access.get(place).copied().unwrap_or(false)
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
        Some(Stand::Out(code, detail.into()))
    }

    fn present(
        &mut self,
        user: &'a User,
        reach: Reach<'_>,
        known: Option<&UserFacts>,
    ) -> Option<Stand> {
        if let Some(known) = known
            && known.presence == Presence::Away
        {
            let detail = match known.presence_detail.as_str() {
                "" => Arc::clone(&self.nothing),
                why => why.into(),
            };
            return Some(Stand::Out(Code::Away, detail));
        }
        self.outside_own_hours(user, reach, known)
            .or_else(|| self.out_of_office(user))
            .or_else(|| self.engaged(user, known))
    }

    /// Who is named for closed hours or a break is on call then, whatever the own hours say. What a
    /// person said by hand holds against them for a time.
    fn outside_own_hours(
        &mut self,
        user: &'a User,
        reach: Reach<'_>,
        known: Option<&UserFacts>,
    ) -> Option<Stand> {
        let on_call = match self.rule {
            RuleName::Break | RuleName::AfterHours => reach == Reach::Named,
            RuleName::WorkingHours | RuleName::Assign => false,
        };
        let name = user.schedule.as_ref().filter(|_| !on_call)?;
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
        Some(Stand::Out(Code::OutsideOwnHours, detail.into()))
    }

    fn out_of_office(&self, user: &User) -> Option<Stand> {
        let absence = user.absence_at(self.now.wall)?;
        let until = self.clock(user, absence.until);
        let detail = format!("out of office until {until}");
        Some(Stand::Out(Code::Away, detail.into()))
    }

    /// Phones matter for calls alone; a call that a person talks in may leave less room for messages.
    fn engaged(&self, user: &User, known: Option<&UserFacts>) -> Option<Stand> {
        let facts = known.unwrap_or(&self.unknown);
        let full = || self.full(user, facts);
        if self.kind != Kind::Call {
            return full();
        }
        let out = |code, detail: String| Some(Stand::Out(code, detail.into()));
        match &facts.busy {
            Busy::OnCall(call) => out(Code::OnCall, format!("call {call}")),
            Busy::Ringing(call) => {
                full().or_else(|| Some(Stand::RungByOther(format!("by call {call}").into())))
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
            Stand::Out(
                Code::AtCapacity,
                format!("{open} of {limit} {kind}{when}").into(),
            )
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

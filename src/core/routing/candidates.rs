//! Who is in a step, and who of them can be rung.

use std::collections::{HashMap, HashSet};

use super::words;
use super::{Attempt, Busy, Code, Facts, Presence, Progress, UserFacts, Via, Way};
use crate::core::name::{ScheduleName, UserName};
use crate::core::snapshot::{Inbox, RuleName, Snapshot, Step, Target, User};
use crate::core::time::Now;

/// One person in a step, and how things stand with that person.
pub(super) struct Standing<'a> {
    pub user: &'a UserName,
    pub via: Via,
    pub stand: Stand,
}

/// Whether a person can be rung.
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

/// What became of the call's offers so far, as it matters in one step.
pub(super) struct Course<'a> {
    pub ringing: HashSet<&'a str>,
    attempts: HashMap<&'a str, Attempt>,
}

impl<'a> Course<'a> {
    /// A decline holds for the call, every other attempt for the step it was made in.
    pub fn new(progress: Option<&'a Progress>, step: usize) -> Course<'a> {
        let mut course = Course {
            ringing: HashSet::new(),
            attempts: HashMap::new(),
        };
        if let Some(progress) = progress {
            let holds = |attempt: Attempt, made_in_step: bool| {
                attempt == Attempt::Declined || made_in_step && progress.step == step
            };
            let earlier = progress.earlier.iter().map(|attempt| (attempt, false));
            let tried = progress.tried.iter().map(|attempt| (attempt, true));
            for ((user, attempt), made_in_step) in earlier.chain(tried) {
                if holds(*attempt, made_in_step) {
                    course.attempts.insert(user, *attempt);
                }
            }
            course
                .ringing
                .extend(progress.ringing.iter().map(|user| &**user));
        }
        course
    }
}

/// The people that a step reaches: named users in the order written, then each team's main members
/// in theirs. A person counts once in a step, but this may give the same one again.
pub(super) fn reached<'a>(
    snapshot: &'a Snapshot,
    step: &'a Step,
) -> impl Iterator<Item = (&'a UserName, Via)> {
    let lists = match step.target {
        Target::Lists => Some(step),
        Target::ContactOwner | Target::CustomerAgent | Target::Nobody => None,
    };
    lists.into_iter().flat_map(|step| {
        let named = step.users.iter().map(|user| (user, Via::Named));
        let teams = step.teams.iter().filter_map(|name| snapshot.team(name));
        let members = teams.flat_map(|team| {
            let via = Via::Team(team.name.clone());
            team.members.iter().map(move |user| (user, via.clone()))
        });
        named.chain(members)
    })
}

/// Why a step's lists are not looked at, where that is so.
pub(super) fn unsought(number: usize, step: &Step) -> Option<String> {
    let number = number + 1;
    match step.target {
        Target::Lists => None,
        Target::ContactOwner => Some(format!("step {number}: the caller is no known contact")),
        Target::CustomerAgent => Some(format!("step {number}: no customer agent takes calls")),
        Target::Nobody => Some(format!("step {number}: to = \"nobody\", its lists wait")),
    }
}

/// Everybody in a step, once each, with how things stand: those that it reaches, then the extra
/// members of its teams.
pub(super) fn standings<'a>(
    way: &Way<'a>,
    step: &'a Step,
    course: &Course<'_>,
    facts: &Facts,
    now: Now,
) -> Vec<Standing<'a>> {
    let mut desk = Reception::new(way, course, facts, now);
    let mut seen = HashSet::new();
    let mut standings: Vec<Standing<'a>> = reached(way.snapshot(), step)
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

/// Asks everything that can stand between a call and a person.
struct Reception<'a, 'b> {
    snapshot: &'a Snapshot,
    inbox: Option<&'a Inbox>,
    channel_schedule: Option<&'a ScheduleName>,
    rule: RuleName,
    course: &'b Course<'b>,
    facts: &'b Facts,
    unknown: UserFacts,
    now: Now,
    open: Vec<(&'a ScheduleName, bool)>,
}

impl<'a, 'b> Reception<'a, 'b> {
    fn new(way: &Way<'a>, course: &'b Course<'b>, facts: &'b Facts, now: Now) -> Reception<'a, 'b> {
        let channel = way.channel();
        Reception {
            snapshot: way.snapshot(),
            inbox: channel
                .inbox
                .as_ref()
                .and_then(|name| way.snapshot().inbox(name)),
            channel_schedule: channel.schedule.as_ref(),
            rule: way.rule_name(),
            course,
            facts,
            unknown: UserFacts::default(),
            now,
            open: Vec::new(),
        }
    }

    /// What the configuration says comes first, then what became of this call's own offer, then
    /// the moment.
    fn stand(&mut self, name: &'a UserName, via: &Via) -> Stand {
        let Some(user) = self.snapshot.user(name) else {
            return Stand::Out(Code::NoSeat, "not in this configuration".to_owned());
        };
        self.entitled(user, via)
            .or_else(|| self.offered(name))
            .or_else(|| self.present(user, via))
            .unwrap_or(Stand::Free)
    }

    fn entitled(&self, user: &User, via: &Via) -> Option<Stand> {
        if user.seat.is_none() {
            return Some(Stand::Out(Code::NoSeat, String::new()));
        }
        let inbox = self.inbox?;
        (!has_access(self.snapshot, inbox, &user.name, via)).then(|| {
            let detail = format!("inbox {:?}", &*inbox.name);
            Stand::Out(Code::NoInboxAccess, detail)
        })
    }

    fn offered(&self, user: &UserName) -> Option<Stand> {
        if self.course.ringing.contains(&**user) {
            return Some(Stand::RungByThis);
        }
        let code = match self.course.attempts.get(&**user)? {
            Attempt::Declined => Code::Declined,
            Attempt::TimedOut => Code::NoAnswer,
            Attempt::Unreachable => Code::Unreachable,
        };
        Some(Stand::Out(code, String::new()))
    }

    fn present(&mut self, user: &'a User, via: &Via) -> Option<Stand> {
        let facts = self.facts.users.get(&user.name);
        let facts = facts.unwrap_or(&self.unknown);
        let out = |code, detail| Some(Stand::Out(code, detail));
        if facts.presence == Presence::Away {
            return out(Code::Away, String::new());
        }
        // Wrap-up and registrations are told in the time of the person, or else of the channel.
        let zone = user.schedule.as_ref().or(self.channel_schedule);
        let clock = |at| words::clock(self.snapshot, zone, at, self.now.wall);
        let engaged = match &facts.busy {
            Busy::OnCall(call) => out(Code::OnCall, format!("call {call}")),
            Busy::Ringing(call) => Some(Stand::RungByOther(format!("by call {call}"))),
            Busy::Free if facts.devices.reachable == 0 => out(
                Code::NoDevice,
                words::no_device(&facts.devices, self.now.wall, clock),
            ),
            Busy::Free => facts
                .wrap_up_until
                .filter(|until| *until > self.now.wall)
                .and_then(|until| out(Code::WrapUp, format!("until {}", clock(until)))),
        };
        self.outside_own_hours(user, via).or(engaged)
    }

    /// Who is named for closed hours or a break is on call then, whatever the own hours say.
    fn outside_own_hours(&mut self, user: &'a User, via: &Via) -> Option<Stand> {
        let on_call = *via == Via::Named && self.rule != RuleName::WorkingHours;
        let name = user.schedule.as_ref().filter(|_| !on_call)?;
        if self.is_open(name) {
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

    /// Colleagues share schedules, so each is asked once.
    fn is_open(&mut self, name: &'a ScheduleName) -> bool {
        if let Some((_, open)) = self.open.iter().find(|(known, _)| *known == name) {
            return *open;
        }
        let schedule = self.snapshot.schedule(name);
        let open = schedule.is_none_or(|schedule| schedule.is_open(self.now.wall));
        self.open.push((name, open));
        open
    }
}

/// Whether one of the inbox's teams has the person among its main or extra members.
fn has_access(snapshot: &Snapshot, inbox: &Inbox, user: &UserName, via: &Via) -> bool {
    let Some(teams) = &inbox.teams else {
        return true;
    };
    if matches!(via, Via::Team(team) if teams.contains(team)) {
        return true;
    }
    teams
        .iter()
        .filter_map(|name| snapshot.team(name))
        .any(|team| team.members.contains(user) || team.extra_members.contains(user))
}

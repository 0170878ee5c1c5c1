//! How a step's candidates are chosen from.

use std::cmp::{Ordering, Reverse};

use super::candidates::{Course, Stand, Standing};
use super::{Candidate, Code, Facts, Ring, StepTrace};
use crate::core::name::UserName;
use crate::core::snapshot::{RoutingSettings, Step, Strategy, TieBreak};
use crate::core::time::Wall;

/// Whom a step rings, and its trace.
pub(super) struct Choice {
    /// Those to ring now, if any.
    pub ring: Option<Ring>,
    /// Somebody rings, or may yet be rung, in this step.
    pub reachable: bool,
    /// Everybody, with what was decided.
    pub trace: StepTrace,
}

/// Chooses among those who are free, in the strategy's order, as many as it rings now.
pub(super) fn choose(
    number: usize,
    step: &Step,
    standings: Vec<Standing<'_>>,
    course: &Course<'_>,
    facts: &Facts,
) -> Choice {
    let ranked = ranked(number, step, &standings, facts);
    let reachable = standings.iter().any(|standing| match standing.stand {
        Stand::Free | Stand::RungByThis | Stand::RungByOther(_) => true,
        Stand::Out(..) => false,
    });
    let (chosen, left) = ranked.split_at(ranked.len().min(room(step, course)));
    let ring = (!chosen.is_empty()).then(|| Ring {
        step: number,
        users: chosen.iter().map(|rank| rank.user.clone()).collect(),
        strategy: step.strategy,
        ring_each: ring_each(step),
        ring: step.ring,
        more: !left.is_empty(),
    });
    let verdicts = verdicts(step, course, chosen, left, standings.len());
    let candidates = standings
        .into_iter()
        .zip(verdicts)
        .map(|(standing, verdict)| candidate(standing, verdict))
        .collect();
    Choice {
        ring,
        reachable,
        trace: StepTrace {
            step: number,
            strategy: step.strategy,
            candidates,
        },
    }
}

/// How many more may begin to ring now.
fn room(step: &Step, course: &Course<'_>) -> usize {
    let ringing = course.ringing.len();
    let free = limit(step).saturating_sub(ringing);
    match step.strategy {
        Strategy::RingAll => free,
        Strategy::Progressive => free.min(1),
        Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => usize::from(ringing == 0),
    }
}

fn limit(step: &Step) -> usize {
    step.max_ringing.max(1)
}

fn ring_each(step: &Step) -> Option<std::time::Duration> {
    (step.strategy != Strategy::RingAll).then_some(step.ring_each)
}

/// One who is free, at the strategy's place.
struct Rank<'a> {
    user: &'a UserName,
    /// Place among the standings.
    place: usize,
    key: Key,
    /// What the strategy went by, for the trace.
    detail: String,
}

/// What the strategy itself orders by; equal keys are a tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The place in the list, or in the round. No two are equal.
    Place(usize),
    /// Open conversations.
    Load(u32),
    /// End of the last call; none yet comes first.
    Idle(Option<Wall>),
    /// A throw.
    Throw(u64),
}

fn ranked<'a>(
    number: usize,
    step: &Step,
    standings: &[Standing<'a>],
    facts: &Facts,
) -> Vec<Rank<'a>> {
    let turn = Turn::of(number, step, standings, facts);
    let mut ranked: Vec<Rank<'a>> = standings
        .iter()
        .enumerate()
        .filter(|(_, standing)| standing.stand == Stand::Free)
        .map(|(place, standing)| rank(step, standing.user, place, &turn, facts))
        .collect();
    ranked.sort_by(|a, b| {
        a.key
            .cmp(&b.key)
            .then_with(|| tie(step.tie_break, a, b, facts))
            .then_with(|| a.place.cmp(&b.place))
    });
    ranked
}

/// Where a round begins.
struct Turn {
    begin: usize,
    length: usize,
    after: Option<UserName>,
}

impl Turn {
    /// After the one who was last assigned; who has left the list begins it anew.
    fn of(number: usize, step: &Step, standings: &[Standing<'_>], facts: &Facts) -> Turn {
        let last = facts
            .round_robin_last
            .get(number)
            .and_then(Option::as_ref)
            .filter(|_| step.strategy == Strategy::RoundRobin);
        let place = last.and_then(|last| standings.iter().position(|s| s.user == last));
        Turn {
            begin: place.map_or(0, |place| place + 1),
            length: standings.len().max(1),
            after: last.cloned(),
        }
    }

    fn place(&self, place: usize) -> usize {
        (place + self.length - self.begin % self.length) % self.length
    }
}

fn rank<'a>(step: &Step, user: &'a UserName, place: usize, turn: &Turn, facts: &Facts) -> Rank<'a> {
    let known = facts.users.get(user);
    let (key, detail) = match step.strategy {
        Strategy::RingAll | Strategy::Progressive | Strategy::Sequential => {
            (Key::Place(place), String::new())
        }
        Strategy::RoundRobin => {
            let detail = turn.after.as_ref().map(|last| format!("after {last}"));
            (Key::Place(turn.place(place)), detail.unwrap_or_default())
        }
        Strategy::LeastBusy => {
            let load = known.map_or(0, |known| {
                known.open.weighed(&RoutingSettings::default().weights)
            });
            (Key::Load(load), format!("{load} open"))
        }
        Strategy::LongestIdle => {
            let ended = known.and_then(|known| known.last_call_ended);
            let detail = ended.map_or_else(|| "no call yet".to_owned(), |_| String::new());
            (Key::Idle(ended), detail)
        }
        Strategy::Random => (Key::Throw(throw(facts.seed, user)), String::new()),
    };
    Rank {
        user,
        place,
        key,
        detail,
    }
}

fn tie(tie_break: TieBreak, a: &Rank<'_>, b: &Rank<'_>, facts: &Facts) -> Ordering {
    let assigned = |rank: &Rank<'_>| {
        facts
            .users
            .get(rank.user)
            .and_then(|known| known.last_assigned)
    };
    match tie_break {
        TieBreak::MostRecentlyAssigned => Reverse(assigned(a)).cmp(&Reverse(assigned(b))),
        TieBreak::LeastRecentlyAssigned => assigned(a).cmp(&assigned(b)),
        TieBreak::Listed => Ordering::Equal,
        TieBreak::Random => throw(facts.seed, a.user).cmp(&throw(facts.seed, b.user)),
    }
}

/// A number that looks random but depends on seed and name alone: FNV-1a over the name, mixed as
/// SplitMix64 does.
fn throw(seed: u64, user: &UserName) -> u64 {
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for octet in user.bytes() {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// What is said of each who is free, by place among the standings.
fn verdicts(
    step: &Step,
    course: &Course<'_>,
    chosen: &[Rank<'_>],
    left: &[Rank<'_>],
    length: usize,
) -> Vec<Option<(Code, String)>> {
    let mut verdicts: Vec<Option<(Code, String)>> = Vec::new();
    verdicts.resize_with(length, || None);
    let full = course.ringing.len() + chosen.len() >= limit(step);
    let passed_over = |rank: &Rank<'_>| match step.strategy {
        Strategy::RingAll => Code::OverLimit,
        Strategy::Progressive if full => Code::OverLimit,
        Strategy::LeastBusy | Strategy::LongestIdle
            if chosen.first().is_some_and(|first| first.key == rank.key) =>
        {
            Code::LostTie
        }
        Strategy::Progressive
        | Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => Code::NotNeeded,
    };
    let all = chosen
        .iter()
        .map(|rank| (rank, Code::Chosen))
        .chain(left.iter().map(|rank| (rank, passed_over(rank))));
    for (rank, code) in all {
        if let Some(verdict) = verdicts.get_mut(rank.place) {
            *verdict = Some((code, rank.detail.clone()));
        }
    }
    verdicts
}

fn candidate(standing: Standing<'_>, verdict: Option<(Code, String)>) -> Candidate {
    let (code, detail) = match standing.stand {
        Stand::Free => verdict.unwrap_or((Code::NotNeeded, String::new())),
        Stand::RungByThis => (Code::Ringing, "by this call".to_owned()),
        Stand::RungByOther(detail) => (Code::Ringing, detail),
        Stand::Out(code, detail) => (code, detail),
    };
    Candidate {
        user: standing.user.clone(),
        via: standing.via,
        code,
        detail,
    }
}

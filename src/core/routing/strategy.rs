//! How a step's candidates are chosen from.

use std::cmp::Reverse;

use super::candidates::{Course, Stand, Standing};
use super::{Candidate, Code, Facts, StepTrace, UserFacts};
use crate::core::name::UserName;
use crate::core::snapshot::{Kind, PerKind, Step, Strategy, TieBreak};
use crate::core::time::Wall;

/// Whom a step chooses, and its trace.
pub(super) struct Choice {
    /// Those to ring now; of a message at most one, who gets it.
    pub chosen: Vec<UserName>,
    /// More could ring after them.
    pub more: bool,
    /// Somebody rings, or may yet be rung, in this step.
    pub reachable: bool,
    /// Everybody, with what was decided.
    pub trace: StepTrace,
}

/// One step of a rule, with what is known when it chooses.
pub(super) struct Choosing<'a> {
    /// Counted from 0.
    pub number: usize,
    pub step: &'a Step,
    pub kind: Kind,
    pub weights: &'a PerKind<u32>,
    pub course: &'a Course<'a>,
    pub facts: &'a Facts,
}

impl Choosing<'_> {
    /// Chooses among those who are free, in the strategy's order, as many as it has use for now.
    pub fn choose(&self, standings: Vec<Standing<'_>>) -> Choice {
        let ranked = self.ranked(&standings);
        let reachable = standings.iter().any(|standing| match standing.stand {
            Stand::Free | Stand::RungByThis | Stand::RungByOther(_) => true,
            Stand::Out(..) => false,
        });
        let (chosen, left) = ranked.split_at(ranked.len().min(self.room()));
        let users = chosen.iter().map(|rank| rank.user.clone()).collect();
        let more = !left.is_empty();
        let verdicts = self.verdicts(chosen, left, standings.len());
        let candidates = standings
            .into_iter()
            .zip(verdicts)
            .map(|(standing, verdict)| candidate(standing, verdict))
            .collect();
        Choice {
            chosen: users,
            more,
            reachable,
            trace: StepTrace {
                step: self.number,
                strategy: self.step.strategy,
                candidates,
            },
        }
    }

    /// How many more have use now: of a message one, unless older ones come first.
    fn room(&self) -> usize {
        if self.kind != Kind::Call {
            return usize::from(!self.facts.older_waiting);
        }
        let ringing = self.course.ringing.len();
        let free = limit(self.step).saturating_sub(ringing);
        match self.step.strategy {
            Strategy::RingAll => free,
            Strategy::Progressive => free.min(1),
            Strategy::Sequential
            | Strategy::RoundRobin
            | Strategy::LeastBusy
            | Strategy::LongestIdle
            | Strategy::Random => usize::from(ringing == 0),
        }
    }

    fn ranked<'a>(&self, standings: &[Standing<'a>]) -> Vec<Rank<'a>> {
        let turn = Turn::of(self.number, self.step, standings, self.facts);
        let mut ranked: Vec<Rank<'a>> = standings
            .iter()
            .enumerate()
            .filter(|(_, standing)| standing.stand == Stand::Free)
            .map(|(place, standing)| self.rank(standing.user, place, &turn))
            .collect();
        ranked.sort_unstable_by_key(|rank| (rank.key, rank.tie, rank.place));
        ranked
    }

    fn rank<'a>(&self, user: &'a UserName, place: usize, turn: &Turn) -> Rank<'a> {
        let known = self.facts.users.get(user);
        let (key, detail) = match self.step.strategy {
            Strategy::RingAll | Strategy::Progressive | Strategy::Sequential => {
                (Key::Place(place), String::new())
            }
            Strategy::RoundRobin => {
                let detail = turn.after.as_ref().map(|last| format!("after {last}"));
                (Key::Place(turn.place(place)), detail.unwrap_or_default())
            }
            Strategy::LeastBusy => {
                let load = known.map_or(0, |known| known.open.weighed(self.weights));
                let even = Kind::ALL.iter().all(|kind| *self.weights.of(*kind) == 1);
                let detail = if even {
                    format!("{load} open")
                } else {
                    format!("load {load}")
                };
                (Key::Load(load), detail)
            }
            Strategy::LongestIdle => self.idle(known),
            Strategy::Random => (Key::Throw(throw(self.facts.seed, user)), String::new()),
        };
        let assigned = known.and_then(|known| known.last_assigned);
        let tie = match self.step.tie_break {
            TieBreak::MostRecentlyAssigned => Tie::Latest(Reverse(assigned)),
            TieBreak::LeastRecentlyAssigned => Tie::Earliest(assigned),
            TieBreak::Listed => Tie::Listed,
            TieBreak::Random => Tie::Throw(throw(self.facts.seed, user)),
        };
        Rank {
            user,
            place,
            key,
            tie,
            detail,
        }
    }

    /// Of calls since the last one ended; of messages since something was last assigned.
    fn idle(&self, known: Option<&UserFacts>) -> (Key, String) {
        let (since, none) = if self.kind == Kind::Call {
            (known.and_then(|known| known.last_call_ended), "no call yet")
        } else {
            (
                known.and_then(|known| known.last_assigned),
                "nothing assigned yet",
            )
        };
        let detail = since.map_or_else(|| none.to_owned(), |_| String::new());
        (Key::Idle(since), detail)
    }

    /// What is said of each who is free, by place among the standings.
    fn verdicts(
        &self,
        chosen: &[Rank<'_>],
        left: &[Rank<'_>],
        length: usize,
    ) -> Vec<Option<(Code, String)>> {
        let mut verdicts: Vec<Option<(Code, String)>> = Vec::new();
        verdicts.resize_with(length, || None);
        for rank in chosen {
            if let Some(verdict) = verdicts.get_mut(rank.place) {
                *verdict = Some((Code::Chosen, rank.detail.clone()));
            }
        }
        let full = self.course.ringing.len() + chosen.len() >= limit(self.step);
        for rank in left {
            let detail = if self.facts.older_waiting && self.kind != Kind::Call {
                "an older conversation comes first".to_owned()
            } else {
                rank.detail.clone()
            };
            if let Some(verdict) = verdicts.get_mut(rank.place) {
                *verdict = Some((self.passed_over(rank, chosen.first(), full), detail));
            }
        }
        verdicts
    }

    fn passed_over(&self, rank: &Rank<'_>, first: Option<&Rank<'_>>, full: bool) -> Code {
        match self.step.strategy {
            Strategy::RingAll if self.kind == Kind::Call => Code::OverLimit,
            Strategy::Progressive if full && self.kind == Kind::Call => Code::OverLimit,
            Strategy::LeastBusy | Strategy::LongestIdle
                if first.is_some_and(|first| first.key == rank.key) =>
            {
                Code::LostTie
            }
            Strategy::RingAll
            | Strategy::Progressive
            | Strategy::Sequential
            | Strategy::RoundRobin
            | Strategy::LeastBusy
            | Strategy::LongestIdle
            | Strategy::Random => Code::NotNeeded,
        }
    }
}

fn limit(step: &Step) -> usize {
    step.max_ringing.max(1)
}

/// One who is free, at the strategy's place.
struct Rank<'a> {
    user: &'a UserName,
    /// Place among the standings.
    place: usize,
    key: Key,
    /// What the rule prefers among equal keys; equal here too, the one written first.
    tie: Tie,
    /// What the strategy went by, for the trace.
    detail: String,
}

/// What tells equal ones apart, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    Latest(Reverse<Option<Wall>>),
    Earliest(Option<Wall>),
    Listed,
    Throw(u64),
}

/// What the strategy itself orders by; equal keys are a tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The place in the list, or in the round. No two are equal.
    Place(usize),
    /// Open conversations, weighed.
    Load(u32),
    /// End of the last call, or the last assignment; none yet comes first.
    Idle(Option<Wall>),
    /// A throw.
    Throw(u64),
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

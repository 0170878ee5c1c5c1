//! How a step's candidates are chosen from.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    pub fn choose(&self, standings: Vec<Standing<'_, '_>>) -> Choice {
        let mut ranked = self.ranked(&standings);
        let reachable = standings.iter().any(|standing| match standing.stand {
            Stand::Free | Stand::RungByThis | Stand::RungByOther(_) => true,
            Stand::Out(..) => false,
        });
        let room = ranked.len().min(self.room());
        // Those who are not chosen need no order.
        if room > 0 && room < ranked.len() {
            ranked.select_nth_unstable(room - 1);
        }
        let (chosen, left) = ranked.split_at_mut(room);
        chosen.sort_unstable();
        let named = |rank: &Rank| standings.get(rank.place).map(|standing| standing.name);
        let users = chosen.iter().filter_map(named).cloned().collect();
        let more = !left.is_empty();
        let verdicts = self.verdicts(chosen, left, standings.len());
        let nothing = Arc::default();
        let candidates = standings
            .into_iter()
            .zip(verdicts)
            .map(|(standing, verdict)| candidate(standing, verdict, &nothing))
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

    /// Round robin: the one who was last assigned in this step.
    fn last(&self) -> Option<&UserName> {
        let last = self.facts.round_robin_last.get(self.number)?;
        last.as_ref()
            .filter(|_| self.step.strategy == Strategy::RoundRobin)
    }

    fn ranked(&self, standings: &[Standing<'_, '_>]) -> Vec<Rank> {
        let turn = Turn::of(self, standings);
        let free = standings
            .iter()
            .enumerate()
            .filter(|(_, standing)| standing.stand == Stand::Free);
        free.map(|(place, standing)| self.rank(standing, place, &turn))
            .collect()
    }

    fn rank(&self, standing: &Standing<'_, '_>, place: usize, turn: &Turn) -> Rank {
        let known = standing.known;
        let throw = || throw(self.facts.seed, standing.name);
        let key = match self.step.strategy {
            Strategy::RingAll | Strategy::Progressive | Strategy::Sequential => Key::Place(place),
            Strategy::RoundRobin => Key::Place(turn.place(place)),
            Strategy::LeastBusy => {
                Key::Load(known.map_or(0, |known| known.open.weighed(self.weights)))
            }
            Strategy::LongestIdle => Key::Idle(self.idle_since(known)),
            Strategy::Random => Key::Throw(throw()),
        };
        let assigned = known.and_then(|known| known.last_assigned);
        let tie = match self.step.tie_break {
            TieBreak::MostRecentlyAssigned => Tie::Latest(Reverse(assigned)),
            TieBreak::LeastRecentlyAssigned => Tie::Earliest(assigned),
            TieBreak::Listed => Tie::Listed,
            TieBreak::Random => Tie::Throw(throw()),
        };
        Rank { key, tie, place }
    }

    /// Of calls since the last one ended; of messages since something was last assigned.
    fn idle_since(&self, known: Option<&UserFacts>) -> Option<Wall> {
        let known = known?;
        if self.kind == Kind::Call {
            known.last_call_ended
        } else {
            known.last_assigned
        }
    }

    /// What is said of each who is free, by place among the standings.
    fn verdicts(
        &self,
        chosen: &[Rank],
        left: &[Rank],
        length: usize,
    ) -> Vec<Option<(Code, Arc<str>)>> {
        let mut words = Words::of(self);
        let mut verdicts: Vec<Option<(Code, Arc<str>)>> = vec![None; length];
        for rank in chosen {
            if let Some(verdict) = verdicts.get_mut(rank.place) {
                let went_by = words.went_by(rank.key);
                let detail = match self.preferred(rank, left) {
                    Some(preferred) => format!("{went_by}; {preferred}").into(),
                    None => went_by,
                };
                *verdict = Some((Code::Chosen, detail));
            }
        }
        let full = self.course.ringing.len() + chosen.len() >= limit(self.step);
        let older: Option<Arc<str>> = (self.facts.older_waiting && self.kind != Kind::Call)
            .then(|| "an older conversation comes first".into());
        for rank in left {
            let detail = match &older {
                Some(older) => Arc::clone(older),
                None => words.went_by(rank.key),
            };
            if let Some(verdict) = verdicts.get_mut(rank.place) {
                *verdict = Some((self.passed_over(rank, chosen.first(), full), detail));
            }
        }
        verdicts
    }

    /// Why the one who was chosen comes before those who are equal, if there are any.
    fn preferred(&self, chosen: &Rank, left: &[Rank]) -> Option<String> {
        if !matches!(
            self.step.strategy,
            Strategy::LeastBusy | Strategy::LongestIdle
        ) {
            return None;
        }
        let equal = || left.iter().filter(|rank| rank.key == chosen.key);
        let others = equal().count();
        let by_place = equal().any(|rank| rank.tie == chosen.tie);
        let why = match chosen.tie {
            _ if by_place => "the one listed first",
            Tie::Latest(_) => "the most recently assigned",
            Tie::Earliest(_) => "the least recently assigned",
            Tie::Listed => "the one listed first",
            Tie::Throw(_) => "the one thrown for",
        };
        (others > 0).then(|| format!("of {} equals {why}", others + 1))
    }

    fn passed_over(&self, rank: &Rank, first: Option<&Rank>, full: bool) -> Code {
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

/// One who is free, at the strategy's place: the smallest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    key: Key,
    /// What the rule prefers among equal keys; equal here too, the one written first.
    tie: Tie,
    /// Place among the standings.
    place: usize,
}

/// What the strategy went by, for the trace. Many are told the same, so each is written once.
struct Words {
    /// Of whichever key, where the strategy has a word for all.
    all: Arc<str>,
    even: bool,
    loads: BTreeMap<u32, Arc<str>>,
    /// Most have as much as the one before.
    latest: Option<(u32, Arc<str>)>,
    idle: Arc<str>,
}

impl Words {
    fn of(choosing: &Choosing<'_>) -> Words {
        let last = choosing.last();
        let idle = match choosing.kind {
            Kind::Call => "no call yet",
            Kind::Email | Kind::Form | Kind::Chat => "nothing assigned yet",
        };
        let weights = Kind::ALL.iter().map(|kind| *choosing.weights.of(*kind));
        Words {
            all: last.map_or_else(Arc::default, |last| format!("after {last}").into()),
            even: weights.into_iter().all(|weight| weight == 1),
            loads: BTreeMap::new(),
            latest: None,
            idle: idle.into(),
        }
    }

    fn load(&mut self, load: u32) -> Arc<str> {
        if let Some((latest, words)) = &self.latest
            && *latest == load
        {
            return Arc::clone(words);
        }
        let even = self.even;
        let written = self.loads.entry(load).or_insert_with(|| {
            let text = if even {
                format!("{load} open")
            } else {
                format!("load {load}")
            };
            text.into()
        });
        let words = Arc::clone(written);
        self.latest = Some((load, Arc::clone(&words)));
        words
    }

    fn went_by(&mut self, key: Key) -> Arc<str> {
        match key {
            Key::Load(load) => self.load(load),
            Key::Idle(None) => Arc::clone(&self.idle),
            Key::Idle(Some(_)) | Key::Place(_) | Key::Throw(_) => Arc::clone(&self.all),
        }
    }
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
}

impl Turn {
    /// After the one who was last assigned; who has left the list begins it anew.
    fn of(choosing: &Choosing<'_>, standings: &[Standing<'_, '_>]) -> Turn {
        let last = choosing.last();
        let place = last.and_then(|last| standings.iter().position(|one| one.name == last));
        Turn {
            begin: place.map_or(0, |place| place + 1),
            length: standings.len().max(1),
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

fn candidate(
    standing: Standing<'_, '_>,
    verdict: Option<(Code, Arc<str>)>,
    nothing: &Arc<str>,
) -> Candidate {
    let (code, detail) = match standing.stand {
        Stand::Free => verdict.unwrap_or_else(|| (Code::NotNeeded, Arc::clone(nothing))),
        Stand::RungByThis => (Code::Ringing, "by this call".into()),
        Stand::RungByOther(detail) => (Code::Ringing, detail),
        Stand::Out(code, detail) => (code, detail),
    };
    Candidate {
        user: standing.name.clone(),
        via: standing.reach.via(),
        code,
        detail,
    }
}

//! Conversations that seek somebody and found nobody, oldest first.
//!
//! Those that can be given to the same people at any moment (one channel, rule, owner, and the same
//! people tried already) wait in one line: where nobody is there for the first of a line, nobody is
//! for the rest. So somebody who becomes available costs a question for each line that seeks the
//! person, and one for each conversation given out, however many wait.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::id::ConversationId;
use crate::core::name::{ChannelName, UserName};
use crate::core::routing::sought;
use crate::core::snapshot::{Kind, RuleName, Snapshot};
use crate::core::time::Wall;

/// The order in which conversations are given out: by when they began.
pub(super) type Place = (Wall, ConversationId);

/// On which terms a conversation waits: alike in all of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Terms {
    pub channel: ChannelName,
    pub rule: RuleName,
    /// The contact's owner, where one may be asked for.
    pub owner: Option<UserName>,
    /// The first step whose customer agent has not handed over.
    pub step: usize,
    /// Who is passed over, in order.
    pub tried: Vec<UserName>,
}

type LineId = u64;

#[derive(Clone, Debug)]
struct Line {
    terms: Terms,
    kind: Kind,
    /// Whom its rule may find.
    people: BTreeSet<UserName>,
    queue: BTreeSet<Place>,
}

/// All lines. What they hold is bounded by the open conversations; empty ones are dropped but for
/// one of each channel's rule, which comes and goes with every arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    lines: BTreeMap<LineId, Line>,
    by_terms: BTreeMap<Terms, LineId>,
    by_place: BTreeMap<Place, LineId>,
    seekers: BTreeMap<UserName, BTreeSet<LineId>>,
    /// The first of each line that may find somebody now.
    ready: BTreeSet<(Place, LineId)>,
    /// What was let ask again and has not.
    asked: Option<(Place, LineId)>,
    next: LineId,
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// The oldest that may find somebody.
    pub fn poll(&mut self) -> Option<ConversationId> {
        let (place, line) = self.ready.pop_first()?;
        self.asked = Some((place, line));
        Some(place.1)
    }

    /// Lets a conversation wait. `may_find`: nobody has looked yet whether somebody is there.
    pub fn insert(&mut self, snapshot: &Snapshot, place: Place, terms: Terms, may_find: bool) {
        let line = self.line(snapshot, terms);
        let before = self.by_place.get(&place).copied();
        if before != Some(line) {
            self.remove(place);
        }
        let was_ready = self.is_ready(line);
        self.not_ready(line);
        if let Some(waiting) = self.lines.get_mut(&line) {
            waiting.queue.insert(place);
            self.by_place.insert(place, line);
        }
        if before == Some(line) && self.asked == Some((place, line)) {
            self.asked = None;
        }
        if was_ready || may_find {
            self.make_ready(line);
        }
    }

    /// It waits no more. The next of its line is looked at, where this one was asked.
    pub fn remove(&mut self, place: Place) {
        let Some(line) = self.by_place.remove(&place) else {
            return;
        };
        let asked = self.asked == Some((place, line));
        let was_ready = self.is_ready(line) || asked;
        if asked {
            self.asked = None;
        }
        self.not_ready(line);
        if let Some(waiting) = self.lines.get_mut(&line) {
            waiting.queue.remove(&place);
        }
        if was_ready {
            self.make_ready(line);
        }
        self.drop_if_empty(line);
    }

    /// The user may take conversations of these kinds now.
    pub fn may_take(&mut self, user: &UserName, kinds: &[Kind]) {
        let Some(seekers) = self.seekers.get(user) else {
            return;
        };
        let lines: Vec<LineId> = seekers.iter().copied().collect();
        for line in lines {
            let kind = self.lines.get(&line).map(|line| line.kind);
            if kind.is_some_and(|kind| kinds.contains(&kind)) {
                self.make_ready(line);
            }
        }
    }

    /// Whether one that began before this place may find the user.
    pub fn older_seeks(&self, place: Place, user: &UserName) -> bool {
        let mut older = self.ready.range(..(place, 0));
        older.any(|(_, line)| {
            let line = self.lines.get(line);
            line.is_some_and(|line| line.people.contains(user))
        })
    }

    /// Rules may name others now: everything seeks anew.
    pub fn snapshot_changed(&mut self, snapshot: &Snapshot) {
        self.seekers.clear();
        self.ready.clear();
        self.asked = None;
        let lines: Vec<LineId> = self.lines.keys().copied().collect();
        for id in lines {
            if self
                .lines
                .get(&id)
                .is_some_and(|line| line.queue.is_empty())
            {
                if let Some(line) = self.lines.remove(&id) {
                    self.by_terms.remove(&line.terms);
                }
                continue;
            }
            if let Some(line) = self.lines.get_mut(&id) {
                line.people = line.terms.people(snapshot);
                for user in &line.people {
                    self.seekers.entry(user.clone()).or_default().insert(id);
                }
            }
            self.make_ready(id);
        }
    }

    fn line(&mut self, snapshot: &Snapshot, terms: Terms) -> LineId {
        if let Some(line) = self.by_terms.get(&terms) {
            return *line;
        }
        let id = self.next;
        self.next = self.next.saturating_add(1);
        let people = terms.people(snapshot);
        for user in &people {
            self.seekers.entry(user.clone()).or_default().insert(id);
        }
        let channel = snapshot.channel(&terms.channel);
        let line = Line {
            terms: terms.clone(),
            kind: channel.map_or(Kind::Email, |channel| channel.kind()),
            people,
            queue: BTreeSet::new(),
        };
        self.lines.insert(id, line);
        self.by_terms.insert(terms, id);
        id
    }

    fn drop_if_empty(&mut self, id: LineId) {
        let Some(line) = self.lines.get(&id) else {
            return;
        };
        let plain = line.terms.owner.is_none() && line.terms.tried.is_empty();
        if plain || !line.queue.is_empty() {
            return;
        }
        if let Some(line) = self.lines.remove(&id) {
            self.by_terms.remove(&line.terms);
            for user in &line.people {
                if let Some(seekers) = self.seekers.get_mut(user) {
                    seekers.remove(&id);
                    if seekers.is_empty() {
                        self.seekers.remove(user);
                    }
                }
            }
        }
    }

    fn first(&self, line: LineId) -> Option<Place> {
        self.lines.get(&line)?.queue.first().copied()
    }

    fn is_ready(&self, line: LineId) -> bool {
        let first = self.first(line);
        first.is_some_and(|first| self.ready.contains(&(first, line)))
    }

    fn not_ready(&mut self, line: LineId) {
        if let Some(first) = self.first(line) {
            self.ready.remove(&(first, line));
        }
    }

    fn make_ready(&mut self, line: LineId) {
        if let Some(first) = self.first(line) {
            self.ready.insert((first, line));
        }
    }
}

impl Terms {
    fn people(&self, snapshot: &Snapshot) -> BTreeSet<UserName> {
        let mut people = sought(snapshot, &self.channel, self.rule, self.owner.as_ref());
        for user in &self.tried {
            people.remove(user);
        }
        people
    }
}

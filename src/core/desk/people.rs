//! People at the desk: who is there and why, what each has, who is engaged.
//!
//! Presence is what somebody said by hand or what missed offers made of it, else what own hours say
//! of those who leave it to them; an absence comes before both. What was said by hand holds against
//! own hours until the next day of own hours begins.

use std::sync::Arc;
use std::time::Duration;

use super::{Desk, UserName};
use crate::core::conversation::PresenceRecord;
use crate::core::id::CallId;
use crate::core::routing::{Busy, DeviceFacts, Presence, UserFacts};
use crate::core::schedule::Schedule;
use crate::core::snapshot::{Absence, Kind, PerKind, Snapshot, User};
use crate::core::time::{Mono, Now, Wall};

/// The longest time until somebody's hours are looked at again: what a clock that was set wrong, and
/// then right, does not reach by then.
const LOOK_AT_LEAST: Duration = Duration::from_secs(3600);

/// How far back the beginning of a shift is looked for: two days, longer than any window.
const SHIFT: Duration = Duration::from_secs(2 * 86_400);

/// Changes of a schedule that are looked at to find the next day of own hours: a few a day, over a
/// year in which every one of them could fall on special days that are closed.
const CHANGES: usize = 4_000;

/// What is known of a user from before the desk began: read from the store at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Conversations of calls that the user talked in and that are still open, in `call`. What is
    /// told with [`Desk::restore_conversation`] comes on top.
    pub open: PerKind<u32>,
    /// When something was last assigned to the user.
    pub last_assigned: Option<Wall>,
    /// When the user's last call ended.
    pub last_call_ended: Option<Wall>,
}

/// One user as the desk sees the person.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    /// The call whose offer rings.
    pub offer: Option<CallId>,
    /// The calls that the person talks in: one, unless a second was placed meanwhile.
    pub talks: Vec<CallId>,
    pub wrap_up_until: Option<Mono>,
    /// As the last snapshot that looked said.
    pub wrap_up: Duration,
    pub load: Load,
    /// Offers missed in a row.
    pub missed: u32,
    terms: Terms,
    said: Option<Said>,
    /// As last told.
    told: Option<PresenceRecord>,
    /// Whether absences, hours and what was said let the person take messages when last looked at.
    was: Could,
    look_at: Option<Mono>,
}

/// What the configuration says of a person.
#[derive(Clone, Debug, Default)]
struct Terms {
    schedule: Option<Arc<Schedule>>,
    by_hours: bool,
    absences: Vec<Absence>,
    capacity: PerKind<Option<u32>>,
    capacity_on_call: PerKind<Option<u32>>,
}

/// What holds until something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    presence: Presence,
    reason: Reason,
    since: Wall,
    /// Until when it holds against own hours.
    until: Option<Wall>,
}

/// Why somebody is there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    ByHand,
    MissedOffers,
    OutOfOffice,
    OwnHours,
    Unsaid,
}

/// What has to be true of a person who takes messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Could {
    present: bool,
    in_hours: bool,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::ByHand => "by hand",
            Reason::MissedOffers => "missed offers",
            Reason::OutOfOffice => "out of office",
            Reason::OwnHours => "own hours",
            Reason::Unsaid => "nothing said",
        }
    }
}

impl Terms {
    fn of(snapshot: &Snapshot, user: &User) -> Terms {
        let schedule = user.schedule.as_ref();
        Terms {
            schedule: schedule.and_then(|name| snapshot.schedule(name)).cloned(),
            by_hours: user.presence_by_hours,
            absences: user.out_of_office.clone(),
            capacity: user.capacity,
            capacity_on_call: user.capacity_on_call,
        }
    }

    fn absence_at(&self, at: Wall) -> Option<Absence> {
        let mut absences = self.absences.iter();
        absences
            .find(|absence| absence.from <= at && at < absence.until)
            .copied()
    }

    fn is_open(&self, at: Wall) -> bool {
        let schedule = self.schedule.as_ref();
        schedule.is_none_or(|schedule| schedule.is_open(at))
    }
}

impl Person {
    pub fn busy(&self) -> Busy {
        match (self.talks.first(), self.offer) {
            (Some(call), _) => Busy::OnCall(*call),
            (None, Some(call)) => Busy::Ringing(call),
            (None, None) => Busy::Free,
        }
    }

    pub fn is_free(&self) -> bool {
        self.busy() == Busy::Free && self.wrap_up_until.is_none()
    }

    pub fn facts(&self, devices: DeviceFacts, now: Now) -> UserFacts {
        let said = self.said_at(now.wall);
        let presence = said.map_or(Presence::Available, |said| said.presence);
        let missed = said.is_some_and(|said| said.reason == Reason::MissedOffers);
        let by_hand = said.filter(|said| said.presence == Presence::Available);
        UserFacts {
            presence,
            devices,
            busy: self.busy(),
            wrap_up_until: self
                .wrap_up_until
                .map(|until| now.wall + until.since(now.mono)),
            presence_detail: if missed {
                Reason::MissedOffers.as_str().to_owned()
            } else {
                String::new()
            },
            by_hand_until: by_hand.and_then(|said| said.until),
            open: self.load.open,
            last_assigned: self.load.last_assigned,
            last_call_ended: self.load.last_call_ended,
        }
    }

    /// Conversations of a kind beyond which none is assigned automatically.
    fn limit(&self, kind: Kind) -> Option<u32> {
        let during = *self.terms.capacity_on_call.of(kind);
        let during = during.filter(|_| !self.talks.is_empty());
        during.or(*self.terms.capacity.of(kind))
    }

    fn is_full(&self, kind: Kind) -> bool {
        let open = *self.load.open.of(kind);
        self.limit(kind).is_some_and(|limit| open >= limit)
    }

    /// What was said, while it holds. Own hours end it for those who leave their presence to them.
    fn said_at(&self, at: Wall) -> Option<Said> {
        self.said.filter(|said| {
            let held = said.until.is_none_or(|until| at < until);
            held || !self.leaves_it_to_hours()
        })
    }

    fn leaves_it_to_hours(&self) -> bool {
        self.terms.by_hours && self.terms.schedule.is_some()
    }

    /// Whether the person is there, why, and until when that is known.
    fn presence_at(&self, at: Wall) -> (Presence, Reason, Option<Wall>) {
        if let Some(absence) = self.terms.absence_at(at) {
            return (Presence::Away, Reason::OutOfOffice, Some(absence.until));
        }
        if let Some(said) = self.said_at(at) {
            return (said.presence, said.reason, said.until);
        }
        if !self.leaves_it_to_hours() {
            return (Presence::Available, Reason::Unsaid, None);
        }
        let presence = if self.terms.is_open(at) {
            Presence::Available
        } else {
            Presence::Away
        };
        (presence, Reason::OwnHours, None)
    }

    fn could_at(&self, at: Wall) -> Could {
        let said = self.said_at(at);
        let away = said.is_some_and(|said| said.presence == Presence::Away);
        let waived = said.is_some_and(|said| {
            let held = said.until.is_some_and(|until| at < until);
            said.presence == Presence::Available && held
        });
        Could {
            present: !away && self.terms.absence_at(at).is_none(),
            in_hours: waived || self.terms.is_open(at),
        }
    }

    /// The next instant at which the clock alone can change anything.
    fn next_change(&self, at: Wall) -> Option<Wall> {
        let absences = self.terms.absences.iter();
        let edges = absences.flat_map(|absence| [absence.from, absence.until]);
        let said = self.said.and_then(|said| said.until);
        let schedule = self.terms.schedule.as_ref();
        let hours = schedule.and_then(|schedule| schedule.next_change(at));
        edges
            .chain(said)
            .chain(hours.map(|change| change.at))
            .filter(|edge| *edge > at)
            .min()
    }

    /// Until when what is said now holds against own hours: the next day of own hours begins.
    fn holds_until(&self, at: Wall) -> Option<Wall> {
        let schedule = self.terms.schedule.as_ref()?;
        let zone = schedule.zone();
        let before = Wall::from_millis(at.as_millis().saturating_sub(millis(SHIFT)));
        let began = schedule
            .transitions_from(before)
            .take_while(|change| change.at <= at)
            .filter(|change| change.open)
            .last()
            .filter(|_| schedule.is_open(at));
        // A shift over midnight belongs to the day it began on.
        let day = zone.local(began.map_or(at, |began| began.at)).date();
        schedule
            .transitions_from(at)
            .take(CHANGES)
            .find(|change| change.open && zone.local(change.at).date() > day)
            .map(|change| change.at)
    }
}

impl Desk {
    /// Takes in what the store knows of a user. At start.
    pub fn restore(&mut self, user: &UserName, load: Load) {
        self.person(user).load = load;
    }

    /// Takes in what a user said before the desk began. At start, before the first
    /// [`Desk::snapshot_changed`] or followed by one.
    pub fn restore_presence(&mut self, record: &PresenceRecord) {
        let reasons = [Reason::ByHand, Reason::MissedOffers];
        let mut reasons = reasons.into_iter();
        let reason = reasons.find(|reason| reason.as_str() == record.reason);
        let person = self.person(&record.user);
        person.said = reason.map(|reason| Said {
            presence: record.presence,
            reason,
            since: record.since,
            until: record.until,
        });
        person.told = Some(record.clone());
    }

    /// A user says to be available or away, or somebody else says so of the user.
    pub fn presence_said(&mut self, user: &UserName, presence: Presence, now: Now) {
        let person = self.person(user);
        person.missed = 0;
        person.said = Some(Said {
            presence,
            reason: Reason::ByHand,
            since: now.wall,
            until: person.holds_until(now.wall),
        });
        self.look_at(user, now);
    }

    /// Whether a user is there, why, since when and until when.
    pub fn presence(&self, user: &UserName) -> PresenceRecord {
        let told = self.people.get(user).and_then(|person| person.told.clone());
        told.unwrap_or_else(|| PresenceRecord {
            user: user.clone(),
            presence: Presence::Available,
            reason: Reason::Unsaid.as_str().to_owned(),
            since: Wall::default(),
            until: None,
        })
    }

    /// What a user is doing.
    pub fn busy(&self, user: &UserName) -> Busy {
        self.people.get(user).map_or(Busy::Free, Person::busy)
    }

    /// Open conversations that a user has, by kind.
    pub fn open(&self, user: &UserName) -> PerKind<u32> {
        let person = self.people.get(user);
        person.map_or_else(PerKind::default, |person| person.load.open)
    }

    /// Another configuration is in force, or the first one. Forgets what it knows of users and
    /// channels that are gone, once nothing of theirs is under way, and lets what waits seek anew.
    pub fn snapshot_changed(&mut self, snapshot: &Snapshot, now: Now) {
        self.away_after_missed = snapshot.settings.routing.away_after_missed;
        let idle = |person: &Person| {
            let open = &person.load.open;
            person.is_free() && [open.email, open.form, open.chat] == [0; 3]
        };
        let gone = |name: &UserName, person: &Person| snapshot.user(name).is_none() && idle(person);
        self.people.retain(|name, person| !gone(name, person));
        let people = &self.people;
        self.looks.retain(|(_, user)| people.contains_key(user));
        self.rounds
            .retain(|(channel, _), _| snapshot.channel(channel).is_some());
        for user in &snapshot.users {
            self.person(&user.name).terms = Terms::of(snapshot, user);
            self.look_at(&user.name, now);
        }
        self.waiting.snapshot_changed(snapshot);
    }

    /// Looks at everybody whose time has come.
    pub(super) fn look_at_clocks(&mut self, now: Now) {
        while let Some((at, user)) = self.looks.first().cloned()
            && at <= now.mono
        {
            self.look_at(&user, now);
            // Whatever is looked at again comes later than now.
            self.looks.remove(&(at, user));
        }
    }

    /// An offer rang, and the user did not pick up.
    pub(super) fn offer_missed(&mut self, user: &UserName, now: Now) {
        let limit = self.away_after_missed;
        let person = self.person(user);
        person.missed = person.missed.saturating_add(1);
        let there = person
            .said_at(now.wall)
            .is_none_or(|said| said.presence == Presence::Available);
        if there && limit.is_some_and(|limit| person.missed >= limit) {
            person.missed = 0;
            person.said = Some(Said {
                presence: Presence::Away,
                reason: Reason::MissedOffers,
                since: now.wall,
                until: person.holds_until(now.wall),
            });
            self.look_at(user, now);
        }
    }

    /// The user talks in no call any more, which may leave more room for messages.
    pub(super) fn stopped_talking(&mut self, user: &UserName) {
        let terms = &self.person(user).terms;
        let roomier = |kind: &&Kind| terms.capacity_on_call.of(**kind).is_some();
        let kinds: Vec<Kind> = Kind::ALL.iter().filter(roomier).copied().collect();
        self.waiting.may_take(user, &kinds);
    }

    /// One open conversation more.
    pub(super) fn load(&mut self, user: &UserName, kind: Kind) {
        let open = self.person(user).load.open.of_mut(kind);
        *open = open.saturating_add(1);
    }

    /// One open conversation less, which may make room for another.
    pub(super) fn unload(&mut self, user: &UserName, kind: Kind) {
        let person = self.person(user);
        let was_full = person.is_full(kind);
        let open = person.load.open.of_mut(kind);
        *open = open.saturating_sub(1);
        if was_full && !person.is_full(kind) {
            if kind == Kind::Call {
                self.let_go(user);
            }
            self.waiting.may_take(user, &[kind]);
        }
    }

    pub(super) fn person(&mut self, user: &UserName) -> &mut Person {
        self.people.entry(user.clone()).or_default()
    }

    /// Looks whether somebody came or went, tells it, and says when to look again.
    fn look_at(&mut self, user: &UserName, now: Now) {
        let person = self.person(user);
        let at = now.wall;
        let (presence, reason, until) = person.presence_at(at);
        let same = person.told.as_ref().is_some_and(|told| {
            (told.presence, &*told.reason, told.until) == (presence, reason.as_str(), until)
        });
        let silent = person.told.is_none() && reason == Reason::Unsaid;
        let told = (!same && !silent).then(|| PresenceRecord {
            user: user.clone(),
            presence,
            reason: reason.as_str().to_owned(),
            since: at,
            until,
        });
        if told.is_some() {
            person.told.clone_from(&told);
        }
        let could = person.could_at(at);
        let was = std::mem::replace(&mut person.was, could);
        let more = could.present && !was.present || could.in_hours && !was.in_hours;
        let span = person
            .next_change(at)
            .map(|change| change.since(at).min(LOOK_AT_LEAST));
        let next = span.map(|span| now.mono + span.max(Duration::from_millis(1)));
        let before = std::mem::replace(&mut person.look_at, next);
        if let Some(before) = before {
            self.looks.remove(&(before, user.clone()));
        }
        if let Some(next) = next {
            self.looks.insert((next, user.clone()));
        }
        self.changed.extend(told);
        if more {
            self.let_go(user);
            self.waiting.may_take(user, &Kind::ALL);
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

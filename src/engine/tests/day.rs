//! A simulated day of 10,000 random events in the inbox: arrivals in channels of every kind and
//! strategy, people who come, go, reply, close and assign, calls that take them, agents that hand
//! over, reloads. After each of them, what routing promises must hold: no conversation is lost,
//! given to somebody who may not have it, or given twice; each decision comes out the same again
//! from what is kept of it; nobody waits while somebody who could have it is free; what waits
//! longest comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, proptest};

use crate::core::conversation::{
    Actor, AgentReply, Arrival, Assignee, Command, ContactChange, ContactHint, ContactRecord,
    ConversationRecord, Done, NewMessage, Origin, Refusal, Status,
};
use crate::core::id::{CallId, ConversationId, RandomSource};
use crate::core::name::{ChannelName, UserName};
use crate::core::record::{DecisionRecord, Record};
use crate::core::routing::{
    Attempt, Cause, Code, ContactFacts, FoundBy, Outcome, Presence, Progress, Selection,
    UnassignedReason, route,
};
use crate::core::sample::{
    add, at, customer_agent, hours, inbox, message_channel, names, oslo, snapshot, step, team, user,
};
use crate::core::snapshot::{
    Absence, Channel, Kind, PerKind, Rule, RuleName, Snapshot, Step, Strategy, Target, TieBreak,
    WhenAway,
};
use crate::core::time::{Mono, Now, Wall};
use crate::engine::{Engine, Environment, Input, Output};

const EVENTS: usize = 10_000;

const USERS: [&str; 12] = [
    "anna", "bjorn", "carl", "dora", "eva", "finn", "gro", "hans", "ida", "jon", "kari", "lars",
];

/// Contacts with an owner, each with a cookie.
const OWNED: usize = 8;

/// The boss: an admin with a seat, who may do everything by hand and whom no rule names.
const BOSS: &str = "mona";

fn lists(strategy: Strategy, users: &[&str], teams: &[&str]) -> Step {
    Step {
        tie_break: TieBreak::MostRecentlyAssigned,
        ..step(strategy, users, teams)
    }
}

fn to(target: Target) -> Step {
    Step {
        target,
        agent: (target == Target::CustomerAgent).then(|| "aida".into()),
        ..step(Strategy::LeastBusy, &[], &[])
    }
}

fn only(steps: Vec<Step>) -> Rule {
    Rule {
        steps,
        ..Rule::nobody()
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// One of three configurations that follow each other during the day.
fn configuration(plan: usize) -> Snapshot {
    let mut users: Vec<_> = USERS.iter().map(|name| user(name)).collect();
    for (place, user) in users.iter_mut().enumerate() {
        let room = u32::try_from(2 + (place + plan) % 3).unwrap();
        user.capacity = PerKind {
            call: None,
            email: Some(2 * room),
            form: Some(room + 2),
            chat: (place != 3).then_some(room),
        };
        user.capacity_on_call.chat = (place % 2 == 0).then_some(1);
        user.schedule = match place % 4 {
            0 | 1 => Some("oslo".into()),
            2 => Some("late".into()),
            _ => None,
        };
        user.presence_by_hours = place % 4 == 1;
    }
    users[2].out_of_office = vec![Absence {
        from: at("2026-12-02T09:00:00Z").wall,
        until: at("2026-12-02T15:30:00Z").wall,
    }];
    if plan == 1 {
        users[4].seat = None;
    }
    let mut boss = user(BOSS);
    boss.role = crate::core::snapshot::Role::Admin;
    users.push(boss);
    let members = &USERS[plan..6 + plan];
    let mut support = team("support", members);
    support.extra_members = names(&["lars"]);
    let sales = team("sales", &["gro", "hans", "ida", "jon", "eva"]);
    let channel = |kind, name: &str, steps| Channel {
        inbox: Some("customers".into()),
        ..message_channel(kind, name, steps)
    };
    let mut chat = channel(
        Kind::Chat,
        "chat",
        vec![lists(Strategy::LeastBusy, &[], &["support"])],
    );
    chat.schedule = Some("oslo".into());
    chat.after_hours = Some(only(vec![lists(
        Strategy::Sequential,
        &["anna"],
        &["support"],
    )]));
    chat.when_away = WhenAway::TakeBack { grace: minutes(5) };
    chat.working_hours.answer_within = Some(minutes(20));
    let mut shop = channel(
        Kind::Chat,
        "shop",
        vec![lists(Strategy::RoundRobin, &[], &["sales"])],
    );
    shop.when_away = WhenAway::TakeBack { grace: minutes(0) };
    let mut visitors = channel(
        Kind::Chat,
        "visitors",
        vec![lists(Strategy::Random, &["kari"], &["sales"])],
    );
    visitors.schedule = Some("oslo".into());
    visitors.after_hours = Some(only(vec![to(Target::Nobody)]));
    visitors.break_ = Some(only(vec![lists(
        Strategy::RoundRobin,
        &["kari", "lars"],
        &[],
    )]));
    let owner_first = vec![
        to(Target::ContactOwner),
        lists(Strategy::LeastBusy, &[], &["support"]),
    ];
    let mut mail = channel(Kind::Email, "mail", owner_first);
    mail.working_hours.answer_within = Some(minutes(120));
    let agent_between = vec![
        lists(Strategy::Sequential, &["dora", "eva"], &[]),
        to(Target::CustomerAgent),
        lists(Strategy::Random, &[], &["sales"]),
    ];
    let orders = channel(Kind::Email, "orders", agent_between);
    let mut anyone = lists(Strategy::LongestIdle, &["kari"], &["support", "sales"]);
    anyone.only_available = false;
    let channels = vec![
        chat,
        shop,
        visitors,
        mail,
        orders,
        channel(Kind::Form, "anyone", vec![anyone]),
        channel(
            Kind::Form,
            "idle",
            vec![lists(Strategy::LongestIdle, &[], &["sales", "support"])],
        ),
        channel(Kind::Form, "owned", vec![to(Target::ContactOwner)]),
        channel(Kind::Form, "nobody", vec![to(Target::Nobody)]),
        channel(Kind::Form, "bare", vec![]),
    ];
    let others = team("others", &["kari", BOSS]);
    let mut snapshot = snapshot(users, vec![support, sales, others], channels);
    add(
        &mut snapshot.inboxes,
        inbox("customers", &["support", "sales", "others"]),
    );
    add(&mut snapshot.schedules, Arc::new(oslo(vec![])));
    add(
        &mut snapshot.schedules,
        Arc::new(hours("late", &["14:00-23:00"], vec![])),
    );
    add(&mut snapshot.customer_agents, customer_agent("aida"));
    snapshot.settings.routing.weights = PerKind {
        call: 4,
        email: 1,
        form: 1,
        chat: 2,
    };
    snapshot
}

/// What has happened during the day, so that an empty day fails.
#[derive(Debug, Default)]
struct Counts {
    decisions: usize,
    assigned: usize,
    given_out: usize,
    not_answered: usize,
    /// Given to somebody who became available after nobody answered in time.
    late: usize,
    taken_back: usize,
    handed_over: usize,
    waited: usize,
    reloads: usize,
    refused: usize,
}

/// On which terms a conversation waits.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    channel: ChannelName,
    rule: RuleName,
    owner: Option<UserName>,
    found_by: Option<bool>,
    tried: BTreeSet<UserName>,
}

struct Day {
    engine: Engine,
    now: Now,
    random: RandomSource,
    plans: Vec<Snapshot>,
    snapshots: BTreeMap<u64, Arc<Snapshot>>,
    number: u64,
    answer: Option<Result<Done, Refusal>>,
    /// As the store has them.
    rows: BTreeMap<ConversationId, ConversationRecord>,
    begun: BTreeSet<ConversationId>,
    by_hand: BTreeSet<ConversationId>,
    load: BTreeMap<(UserName, Kind), u32>,
    waiting: BTreeSet<(Wall, ConversationId)>,
    talking: BTreeMap<CallId, UserName>,
    counts: Counts,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&seed.to_le_bytes());
        let plans: Vec<Snapshot> = (0..3).map(configuration).collect();
        let first = Arc::new(plans[0].clone());
        // Wednesday, 06:00 in Oslo.
        let now = at("2026-12-02T05:00:00Z");
        let mut day = Day {
            engine: Engine::new(first.clone(), Environment::default(), octets, now),
            now,
            random: RandomSource::from_seed(octets),
            plans,
            snapshots: BTreeMap::from([(first.version, first)]),
            number: 0,
            answer: None,
            rows: BTreeMap::new(),
            begun: BTreeSet::new(),
            by_hand: BTreeSet::new(),
            load: BTreeMap::new(),
            waiting: BTreeSet::new(),
            talking: BTreeMap::new(),
            counts: Counts::default(),
        };
        day.drain();
        for number in 0..OWNED {
            let record = ContactRecord {
                name: format!("Customer {number}"),
                cookies: vec![cookie(number)],
                owner: Some(USERS[number % 5].into()),
                ..ContactRecord::default()
            };
            let change = ContactChange::Put(Box::new(record));
            let by = Actor::Ringdesk;
            day.ask(Command::ContactChanged { change, by }).unwrap();
        }
        day
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random.next_u64() % limit.max(1) as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let place = self.below(list.len());
        list.get(place).cloned()
    }

    fn someone(&mut self) -> UserName {
        self.pick(&USERS).unwrap().into()
    }

    /// One of those with that status.
    fn some(&mut self, is: impl Fn(&ConversationRecord) -> bool) -> Option<ConversationRecord> {
        let fitting: Vec<&ConversationRecord> = self.rows.values().filter(|row| is(row)).collect();
        let place = usize::try_from(self.random.next_u64() % fitting.len().max(1) as u64).unwrap();
        fitting.get(place).map(|row| (*row).clone())
    }

    fn happen(&mut self) {
        let seconds = self.below(17_280);
        self.pass(Duration::from_millis(seconds as u64));
        match self.below(1000) {
            0..300 => self.arrive(),
            300..420 => self.presence(),
            420..640 => self.reply(),
            640..800 => self.set_status(Status::Closed),
            800..820 => self.set_status(Status::Waiting),
            820..870 => self.assign_by_hand(),
            870..910 => self.continue_one(),
            910..950 => self.agent(),
            950..995 => self.call(),
            _ => self.reload(),
        }
        self.check();
    }

    fn arrive(&mut self) {
        let channels = [
            "chat", "chat", "shop", "shop", "visitors", "mail", "mail", "orders", "anyone", "idle",
            "owned", "nobody", "bare",
        ];
        let channel = self.pick(&channels).unwrap();
        let known = self.below(3) == 0;
        let number = if known {
            self.below(OWNED)
        } else {
            1000 + self.below(1_000_000)
        };
        let done = self.ask(Command::Arrived(Box::new(Arrival {
            channel: channel.into(),
            continues: None,
            contact: ContactHint {
                cookie: Some(cookie(number)),
                address: Some(format!("customer-{number}@example.com")),
                ..ContactHint::default()
            },
            message: said("Hello"),
            origin: Origin::Person,
            automatic: false,
        })));
        self.took_in(done);
    }

    /// The other side writes again, also to what is closed.
    fn continue_one(&mut self) {
        if let Some(row) = self.some(|_| true) {
            let done = self.ask(Command::Arrived(Box::new(Arrival {
                channel: row.channel.clone(),
                continues: Some(Box::new(row)),
                contact: ContactHint::default(),
                message: said("And another thing"),
                origin: Origin::NoAutomaticReply,
                automatic: false,
            })));
            self.took_in(done);
        }
    }

    fn took_in(&mut self, done: Result<Done, Refusal>) {
        match done {
            Ok(Done::Conversation { conversation, .. }) => {
                self.begun.insert(conversation.id);
            }
            other => panic!("not taken in: {other:?}"),
        }
    }

    fn presence(&mut self) {
        let user = self.someone();
        let presence = if self.below(5) < 3 {
            Presence::Available
        } else {
            Presence::Away
        };
        let by = Actor::User(user.clone());
        self.ask(Command::PresenceChanged { user, presence, by })
            .unwrap();
    }

    fn reply(&mut self) {
        let taken = self.below(4) != 0;
        let open = |row: &ConversationRecord| row.status == Status::Open;
        let row = self.some(|row| open(row) && (row.assignee.is_some() == taken));
        let Some(row) = row else {
            return;
        };
        let holder = row.assignee.as_ref().and_then(Assignee::user).cloned();
        let user = holder.unwrap_or_else(|| BOSS.into());
        let done = self.ask(Command::Replied {
            conversation: row.id,
            by: Actor::User(user.clone()),
            message: said("Here is your answer"),
        });
        self.counts.refused += usize::from(done.is_err());
        if done.is_ok() && row.assignee.is_none() {
            let now = self.rows[&row.id].assignee.clone();
            assert_eq!(now, Some(Assignee::User(user)), "replying assigns");
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(row) = self.some(|row| row.status == Status::Open) {
            let done = self.ask(Command::StatusChanged {
                conversation: row.id,
                by: Actor::User(BOSS.into()),
                status,
            });
            assert!(done.is_ok(), "{done:?}");
        }
    }

    fn assign_by_hand(&mut self) {
        let Some(row) = self.some(|row| row.status == Status::Open) else {
            return;
        };
        let to = match self.below(6) {
            0 => None,
            1 => Some(Assignee::Team("support".into())),
            _ => Some(Assignee::User(self.someone())),
        };
        let done = self.ask(Command::Assigned {
            conversation: row.id,
            by: Actor::User(BOSS.into()),
            to: to.clone(),
        });
        self.counts.refused += usize::from(done.is_err());
        if done.is_ok() {
            assert_eq!(self.rows[&row.id].assignee, to);
            if to.is_none() {
                self.by_hand.insert(row.id);
            }
        }
    }

    fn agent(&mut self) {
        let agent = Assignee::CustomerAgent("aida".into());
        let row =
            self.some(|row| row.status == Status::Open && row.assignee.as_ref() == Some(&agent));
        if let Some(row) = row {
            let reply = match self.below(3) {
                0 => AgentReply::Says("I am a program".to_owned()),
                _ => AgentReply::HandsOver {
                    code: "asked-for-person".to_owned(),
                    reason: "They asked for a person.".to_owned(),
                },
            };
            let agent = "aida".into();
            let conversation = row.id;
            let done = self.ask(Command::AgentReplied {
                conversation,
                agent,
                reply,
            });
            assert!(done.is_ok(), "{done:?}");
        }
    }

    /// Somebody begins or ends a call.
    fn call(&mut self) {
        let user = self.someone();
        let call = self.talking.iter().find(|(_, talker)| **talker == user);
        match call.map(|(call, _)| *call) {
            Some(call) => {
                self.talking.remove(&call);
                self.engine.desk.call_ended(call, self.now);
            }
            None => {
                let call = CallId(self.random.uuid(self.now.wall));
                self.engine.desk.placed(call, &user);
                self.talking.insert(call, user);
            }
        }
        self.input(Input::TimeCame);
    }

    fn reload(&mut self) {
        let plan = self.below(3);
        let mut snapshot = self.plans[plan].clone();
        snapshot.version = self.snapshots.keys().last().unwrap() + 1;
        let snapshot = Arc::new(snapshot);
        self.snapshots.insert(snapshot.version, snapshot.clone());
        self.counts.reloads += 1;
        self.input(Input::Loaded(snapshot));
    }

    /// Lets time pass, from one timer to the next.
    fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            let next = self.engine.next_timeout().unwrap_or(end);
            let next = next.max(self.now.mono).min(end);
            let passed = next.since(self.now.mono);
            self.now = Now::new(next, self.now.wall + passed);
            // What waits for no time at all (a grace of 0 minutes) is due in the same instant.
            let mut turns = 0;
            loop {
                self.input(Input::TimeCame);
                turns += 1;
                let again = self.engine.next_timeout();
                if again.is_none_or(|again| again > next) {
                    break;
                }
                assert!(turns < 100, "a timer that never ends: {again:?}");
            }
        }
    }

    fn ask(&mut self, command: Command) -> Result<Done, Refusal> {
        self.number += 1;
        let (number, command) = (self.number, Box::new(command));
        self.input(Input::Commanded { number, command });
        self.answer.take().expect("every command is answered")
    }

    fn input(&mut self, input: Input) {
        self.engine.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Store(record) => match *record {
                    Record::Decision(decision) => self.decided(&decision),
                    Record::Item(row) => self.keep(*row),
                    _ => {}
                },
                Output::Answered { result, .. } => self.answer = Some(*result),
                _ => {}
            }
        }
    }

    /// A row is stored: the load of whoever has it, and what waits, follow from rows alone.
    fn keep(&mut self, row: ConversationRecord) {
        if let Some(before) = self.rows.get(&row.id) {
            assert!(before.revision < row.revision, "revisions count up");
            if let Some(key) = counted(before) {
                *self.load.get_mut(&key).unwrap() -= 1;
            }
            self.waiting.remove(&(before.began, before.id));
        }
        if let Some(key) = counted(&row) {
            *self.load.entry(key).or_default() += 1;
        }
        if waits(&row) {
            self.waiting.insert((row.began, row.id));
            self.counts.waited += 1;
        }
        if row.assignee.is_some() {
            self.by_hand.remove(&row.id);
        }
        self.rows.insert(row.id, row);
    }

    fn decided(&mut self, record: &DecisionRecord) {
        self.counts.decisions += 1;
        let text = serde_json::to_string(record).unwrap();
        let kept: DecisionRecord = serde_json::from_str(&text).unwrap();
        let snapshot = self.snapshots[&kept.decision.trace.snapshot].clone();
        let again = route(
            &snapshot,
            &kept.facts,
            &kept.request,
            Now::new(Mono::ZERO, kept.at),
        );
        assert_eq!(
            again, record.decision,
            "what is kept gives the same decision"
        );
        let id = record.conversation.unwrap();
        let progress = match &record.request.selection {
            Selection::First => None,
            Selection::Next(progress) => Some(progress.as_ref()),
        };
        let cause = progress.map(|progress| progress.cause);
        match cause {
            Some(Cause::NotAnswered) => self.counts.not_answered += 1,
            Some(Cause::TakenBack) => self.counts.taken_back += 1,
            Some(Cause::HandedOver) => self.counts.handed_over += 1,
            _ => {}
        }
        let Outcome::Assign { user, .. } = &record.decision.outcome else {
            return;
        };
        self.counts.assigned += 1;
        self.counts.given_out += usize::from(cause == Some(Cause::BecameAvailable));
        let row = self.rows[&id].clone();
        assert_eq!(row.status, Status::Open, "only what is open is given");
        let takes = matches!(
            cause,
            Some(Cause::NotAnswered | Cause::TakenBack | Cause::HandedOver)
        );
        // What was given by hand and is taken back goes by its rule from the beginning.
        let channel = snapshot.channel(&row.channel).unwrap();
        let taken_back = channel.when_away != WhenAway::Keep;
        let anew = cause.is_none() && row.decision.is_none() && taken_back;
        let had = row.assignee.is_some();
        let late = is_overdue(&row) && cause == Some(Cause::BecameAvailable);
        let given = !had || takes || anew || late;
        assert!(given, "assigned twice: {row:?} to {user}");
        self.counts.late += usize::from(late);
        let contact = record.facts.contact.as_ref();
        let rule = record.decision.trace.rule.unwrap();
        assert!(
            self.may_get(&row, rule, progress, contact, user),
            "{user} may not have it: {record:?}"
        );
        let mut lines = BTreeSet::new();
        let older: Vec<ConversationId> = self
            .waiting
            .range(..(row.began, id))
            .map(|(_, id)| *id)
            .collect();
        for id in older {
            let older = &self.rows[&id];
            if lines.insert(self.line(older)) {
                assert!(
                    !self.could_get(older, user),
                    "{user} got a newer one than {older:?}"
                );
            }
        }
        let steps = &record.decision.trace.steps;
        let chosen = steps.iter().flat_map(|step| &step.candidates);
        let chosen = chosen.filter(|candidate| candidate.code == Code::Chosen);
        assert_eq!(
            chosen.map(|candidate| &candidate.user).collect::<Vec<_>>(),
            [user]
        );
    }

    /// What decides who may get it, alike for all that wait on these terms.
    fn line(&self, row: &ConversationRecord) -> Line {
        let progress = row.progress.as_ref().unwrap();
        let attempts = progress.earlier.iter().chain(&progress.tried);
        let tried = attempts.filter(|(_, attempt)| *attempt != Attempt::TakenBack);
        Line {
            channel: row.channel.clone(),
            rule: progress.rule,
            owner: self.contact(row).and_then(|contact| contact.owner),
            found_by: row.found_by.map(|by| by == FoundBy::UnverifiedSender),
            tried: tried.map(|(user, _)| user.clone()).collect(),
        }
    }

    fn contact(&self, row: &ConversationRecord) -> Option<ContactFacts> {
        let (contact, by) = row.contact.zip(row.found_by)?;
        self.engine.conversations.contacts().facts(contact, by)
    }

    fn could_get(&self, row: &ConversationRecord, user: &UserName) -> bool {
        let mut progress = row.progress.clone().unwrap();
        progress.cause = Cause::BecameAvailable;
        let contact = self.contact(row);
        self.may_get(row, progress.rule, Some(&progress), contact.as_ref(), user)
    }

    /// What part 4 of the design says, written down a second time.
    fn may_get(
        &self,
        row: &ConversationRecord,
        rule: RuleName,
        progress: Option<&Progress>,
        contact: Option<&ContactFacts>,
        name: &UserName,
    ) -> bool {
        let snapshot = &self.engine.snapshot;
        let Some(user) = snapshot.user(name) else {
            return false;
        };
        let channel = snapshot.channel(&row.channel).unwrap();
        if user.seat.is_none() || !snapshot.has_access(name, channel.inbox.as_ref()) {
            return false;
        }
        let tried = progress.is_some_and(|progress| {
            let mut tried = progress.earlier.iter().chain(&progress.tried);
            tried.any(|(tried, attempt)| {
                let last = progress.tried.last().map(|(last, _)| last) == Some(tried);
                let taking = progress.cause == Cause::TakenBack && last;
                let forgiven = *attempt == Attempt::TakenBack && !taking;
                tried == name && !forgiven
            })
        });
        if tried {
            return false;
        }
        let on_call = matches!(rule, RuleName::AfterHours | RuleName::Break);
        channel.rule(rule).steps.iter().any(|step| {
            let main = |team| snapshot.team(team).unwrap().members.contains(name);
            let owns = contact.is_some_and(|contact| {
                contact.owner.as_ref() == Some(name)
                    && contact.found_by != FoundBy::UnverifiedSender
            });
            let named = step.users.contains(name);
            let sought = match step.target {
                Target::Lists => named || step.teams.iter().any(|team| main(team)),
                Target::ContactOwner => owns,
                Target::CustomerAgent | Target::Nobody => false,
            };
            sought && (!step.only_available || self.is_available(name, row.kind, named && on_call))
        })
    }

    fn is_available(&self, name: &UserName, kind: Kind, on_call: bool) -> bool {
        let user = self.engine.snapshot.user(name).unwrap();
        let at = self.now.wall;
        let said = self.engine.desk.presence(name);
        let by_hand = said.reason == "by hand";
        let held = by_hand && said.until.is_some_and(|until| at < until);
        if said.presence == Presence::Away && said.reason != "own hours" {
            return false;
        }
        let absent = user
            .out_of_office
            .iter()
            .any(|a| a.from <= at && at < a.until);
        let schedule = user.schedule.as_ref();
        let schedule = schedule.and_then(|name| self.engine.snapshot.schedule(name));
        let open = schedule.is_none_or(|schedule| schedule.is_open(at));
        let engaged = self.talking.values().any(|talker| talker == name);
        let during = user.capacity_on_call.of(kind).filter(|_| engaged);
        let most = during.or(*user.capacity.of(kind));
        let has = self
            .load
            .get(&(name.clone(), kind))
            .copied()
            .unwrap_or_default();
        !absent && (open || held || on_call) && most.is_none_or(|most| has < most)
    }

    fn check(&mut self) {
        let desk = &self.engine.desk;
        for name in USERS
            .iter()
            .chain([&BOSS])
            .map(|name| UserName::from(*name))
        {
            let open = desk.open(&name);
            for kind in [Kind::Email, Kind::Form, Kind::Chat] {
                let has = self
                    .load
                    .get(&(name.clone(), kind))
                    .copied()
                    .unwrap_or_default();
                assert_eq!(*open.of(kind), has, "{name}'s {kind}s");
            }
        }
        assert_eq!(desk.waiting(), self.waiting.len());
        let mut lines = BTreeSet::new();
        for (_, id) in &self.waiting {
            assert!(desk.waits(*id));
            let row = &self.rows[id];
            if lines.insert(self.line(row)) {
                for name in USERS {
                    assert!(
                        !self.could_get(row, &name.into()),
                        "{name} is free, and {row:?} waits at {}",
                        self.now.wall
                    );
                }
            }
        }
    }

    fn check_all(&self) {
        for id in &self.begun {
            assert!(self.rows.contains_key(id), "{id} is lost");
        }
        for (id, row) in &self.rows {
            let held = self.engine.conversations.conversation(*id).cloned();
            assert_eq!(
                held.map(without_cause).as_ref(),
                Some(&without_cause(row.clone()))
            );
            let holder = row.assignee.as_ref().and_then(Assignee::user);
            match row.status {
                Status::Open => assert_eq!(self.engine.desk.holder(*id), holder, "{row:?}"),
                Status::Waiting | Status::Closed => {
                    assert_eq!(self.engine.desk.holder(*id), None, "{row:?}");
                }
            }
            let told = row.assignee.is_some() || row.unassigned.is_some();
            let on_purpose = self.by_hand.contains(id) || row.status != Status::Open;
            assert!(
                told || on_purpose,
                "nobody knows why nobody has it: {row:?}"
            );
        }
    }
}

fn counted(row: &ConversationRecord) -> Option<(UserName, Kind)> {
    let open = row.status == Status::Open;
    let holder = row.assignee.as_ref().and_then(Assignee::user);
    holder.filter(|_| open).map(|user| (user.clone(), row.kind))
}

fn waits(row: &ConversationRecord) -> bool {
    let nobody =
        row.assignee.is_none() && row.unassigned == Some(UnassignedReason::NobodyAvailable);
    row.status == Status::Open && (nobody || is_overdue(row))
}

/// Its assignee did not answer in time, and nobody else was there then.
fn is_overdue(row: &ConversationRecord) -> bool {
    let holder = row.assignee.as_ref().and_then(Assignee::user);
    let mut tried = row.progress.iter().flat_map(|progress| &progress.tried);
    let late = tried.any(|(user, attempt)| *attempt == Attempt::TimedOut && Some(user) == holder);
    late && !row.replied
}

/// Why it asked last is not stored where that came to nothing.
fn without_cause(mut row: ConversationRecord) -> ConversationRecord {
    if let Some(progress) = &mut row.progress {
        progress.cause = Cause::BecameAvailable;
    }
    row
}

fn said(text: &str) -> NewMessage {
    NewMessage {
        text: text.to_owned(),
        ..NewMessage::default()
    }
}

/// A visitor's cookie, hashed.
fn cookie(number: usize) -> String {
    format!("{number:064x}")
}

proptest! {
    // One day a run, each time another one; a day that fails is told with its seed.
    #![proptest_config(ProptestConfig { cases: 1, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn a_day_of_ten_thousand_events_keeps_what_routing_promises(seed in any::<u64>()) {
        let mut day = Day::new(seed);
        for event in 0..EVENTS {
            day.happen();
            if event % 500 == 0 {
                day.check_all();
            }
        }
        day.check_all();
        let counts = &day.counts;
        let enough = counts.assigned > 1000
            && counts.given_out > 100
            && counts.not_answered > 50
            && counts.late > 5
            && counts.taken_back > 20
            && counts.handed_over > 20
            && counts.waited > 100
            && counts.reloads > 10;
        assert!(enough, "an empty day: {counts:?}");
    }
}

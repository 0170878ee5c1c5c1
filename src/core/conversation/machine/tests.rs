//! What becomes of conversations, told as people see it. Decisions are scripted here: routing has
//! tests of its own.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::core::conversation::SeenRecord;
use crate::core::conversation::{
    Actor, AgentReply, Arrival, Author, Command, ContactChange, ContactHint, Delivery, MessageKind,
    NewMessage, Origin, Status,
};
use crate::core::id::DecisionId;
use crate::core::record::VoicemailRecord;
use crate::core::routing::{
    Candidate, Cause, Code, Decision, Outcome, Request, Selection, StepTrace, Trace, Via,
};
use crate::core::sample;
use crate::core::schedule::HoursState;
use crate::core::snapshot::{
    AgentProtocol, Channel, ChannelKind, CustomerAgent, RuleName, Step, Strategy, Target, WhenAway,
};

const COOKIE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct World {
    snapshot: Snapshot,
    machine: Conversations,
    now: Now,
    /// What the desk decides next; then nobody is available.
    outcomes: VecDeque<Outcome>,
    /// What is said of Anna where she is asked as an owner.
    owner: Option<Code>,
    asked: Vec<Request>,
    records: Vec<Record>,
    events: Vec<Happening>,
    standings: Vec<Standing>,
}

impl World {
    fn new() -> World {
        let mut dora = sample::user("dora");
        dora.role = crate::core::snapshot::Role::Admin;
        let mut no_seat = sample::user("nils");
        no_seat.seat = None;
        let users = ["anna", "bjorn", "carl", "eva"].map(sample::user);
        let users = users.into_iter().chain([dora, no_seat]).collect();
        let mut support = sample::team("support", &["anna", "bjorn", "nils"]);
        support.extra_members = sample::names(&["carl"]);
        let teams = vec![support, sample::team("sales", &["eva"])];
        let step = sample::step(Strategy::LeastBusy, &[], &["support"]);
        let channel = |kind, name| {
            let mut channel = sample::message_channel(kind, name, vec![step.clone()]);
            channel.inbox = Some("customers".into());
            channel
        };
        let channels = vec![
            channel(Kind::Email, "mail"),
            channel(Kind::Form, "form"),
            channel(Kind::Chat, "chat"),
        ];
        let mut snapshot = sample::snapshot(users, teams, channels);
        sample::add(
            &mut snapshot.inboxes,
            sample::inbox("customers", &["support"]),
        );
        World {
            snapshot,
            machine: Conversations::new(RandomSource::from_seed([7; 32])),
            now: sample::at("2026-12-02T09:00:00Z"),
            outcomes: VecDeque::new(),
            owner: None,
            asked: Vec::new(),
            records: Vec::new(),
            events: Vec::new(),
            standings: Vec::new(),
        }
    }

    fn change(&mut self, name: &str, change: impl Fn(&mut Channel)) {
        let channels = self.snapshot.channels.iter().cloned();
        self.snapshot.channels = channels
            .map(|mut channel| {
                if &*channel.name == name {
                    change(&mut channel);
                }
                channel
            })
            .collect();
    }

    fn pass(&mut self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.now = Now::new(self.now.mono + by, self.now.wall + by);
        self.machine.handle_timeout(&self.snapshot, self.now);
        self.drain();
    }

    fn ask(&mut self, command: Command) -> Result<Done, Refusal> {
        self.machine
            .handle_command(1, command, &self.snapshot, self.now);
        self.drain().expect("every command is answered")
    }

    fn drain(&mut self) -> Option<Result<Done, Refusal>> {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Store(record) => self.records.push(*record),
                Action::Publish(event) => self.events.push(event.what),
                Action::Stand(standing) => self.standings.push(standing),
                Action::SetPresence { user, presence } => {
                    let record = PresenceRecord {
                        user,
                        presence,
                        reason: "by hand".to_owned(),
                        since: self.now.wall,
                        until: None,
                    };
                    self.machine
                        .presence_changed(record, &self.snapshot, self.now);
                }
                Action::Select(id) => self.decide(id),
            }
        }
        self.machine.poll_answer().map(|(_, result)| result)
    }

    fn decide(&mut self, id: ConversationId) {
        let Some((request, _)) = self.machine.question(id) else {
            return;
        };
        self.asked.push(request);
        let outcome = self.outcomes.pop_front().unwrap_or(Outcome::Unassigned {
            reason: UnassignedReason::NobodyAvailable,
        });
        let owner = self.owner.map(|code| StepTrace {
            step: 0,
            strategy: Strategy::LeastBusy,
            candidates: vec![Candidate {
                user: "anna".into(),
                via: Via::Owner,
                code,
                detail: "".into(),
            }],
        });
        let decision = Decision {
            outcome,
            trace: Trace {
                hours: Some(HoursState::always_open()),
                rule: Some(RuleName::Assign),
                steps: owner.into_iter().collect(),
                ..Trace::default()
            },
        };
        let decided = DecisionId(uuid::Uuid::from_u128(self.asked.len() as u128));
        self.machine
            .decided(id, decided, &decision, &self.snapshot, self.now);
    }

    fn gives(&mut self, user: &str) {
        self.outcomes.push_back(Outcome::Assign {
            step: 0,
            user: user.into(),
        });
    }

    fn arrives(&mut self, channel: &str, text: &str) -> ConversationRecord {
        let arrival = arrival(channel, text);
        self.take(arrival)
    }

    fn take(&mut self, arrival: Arrival) -> ConversationRecord {
        conversation(self.ask(Command::Arrived(Box::new(arrival))))
    }

    fn again(&mut self, row: &ConversationRecord, text: &str) -> ConversationRecord {
        let mut arrival = arrival(&row.channel.clone(), text);
        arrival.continues = Some(Box::new(row.clone()));
        self.take(arrival)
    }

    fn replies(&mut self, id: ConversationId, user: &str, text: &str) -> Result<Done, Refusal> {
        self.ask(Command::Replied {
            conversation: id,
            by: Actor::User(user.into()),
            message: said(text),
        })
    }

    fn assigns(&mut self, id: ConversationId, by: &str, to: Option<&str>) -> Result<Done, Refusal> {
        self.ask(Command::Assigned {
            conversation: id,
            by: Actor::User(by.into()),
            to: to.map(|to| Assignee::User(to.into())),
        })
    }

    fn sets(&mut self, id: ConversationId, by: &str, status: Status) -> Result<Done, Refusal> {
        self.ask(Command::StatusChanged {
            conversation: id,
            by: Actor::User(by.into()),
            status,
        })
    }

    fn becomes_available(&mut self, id: ConversationId) {
        let cause = Cause::BecameAvailable;
        self.machine.give_out(id, cause, &self.snapshot, self.now);
        self.drain();
    }

    fn goes(&mut self, user: &str, presence: Presence) {
        let done = self.ask(Command::PresenceChanged {
            user: user.into(),
            presence,
            by: Actor::User(user.into()),
        });
        done.unwrap();
    }

    fn row(&self, id: ConversationId) -> &ConversationRecord {
        self.machine.conversation(id).unwrap()
    }

    fn holder(&self, id: ConversationId) -> Option<String> {
        self.row(id).assignee.as_ref().map(ToString::to_string)
    }

    fn messages(&self) -> Vec<&MessageRecord> {
        let records = self.records.iter();
        records
            .filter_map(|record| match record {
                Record::Message(message) => Some(&**message),
                _ => None,
            })
            .collect()
    }

    fn told(&self, id: ConversationId) -> Vec<&str> {
        let messages = self.messages().into_iter();
        messages
            .filter(|message| message.conversation == id && message.kind == MessageKind::Event)
            .map(|message| message.text.as_str())
            .collect()
    }
}

fn said(text: &str) -> NewMessage {
    NewMessage {
        text: text.to_owned(),
        ..NewMessage::default()
    }
}

fn arrival(channel: &str, text: &str) -> Arrival {
    Arrival {
        channel: channel.into(),
        continues: None,
        contact: ContactHint {
            name: Some("Kari".to_owned()),
            address: Some("Kari@Example.com".to_owned()),
            ..ContactHint::default()
        },
        message: said(text),
        origin: Origin::Person,
        automatic: false,
    }
}

fn conversation(done: Result<Done, Refusal>) -> ConversationRecord {
    match done {
        Ok(Done::Conversation { conversation, .. }) => *conversation,
        other => panic!("{other:?}"),
    }
}

fn refused(done: Result<Done, Refusal>) -> RefusalKind {
    done.unwrap_err().kind
}

fn cause(request: &Request) -> Option<Cause> {
    match &request.selection {
        Selection::First => None,
        Selection::Next(progress) => Some(progress.cause),
    }
}

#[test]
fn a_message_begins_a_conversation_that_the_rule_assigns() {
    let mut world = World::new();
    world.gives("anna");
    let row = world.arrives("mail", "My invoice is wrong.\nKari");
    assert_eq!(row.status, Status::Open);
    assert_eq!(row.assignee, Some(Assignee::User("anna".into())));
    assert_eq!(row.subject, "My invoice is wrong. Kari");
    assert_eq!(row.contact_name, "Kari");
    assert_eq!(row.contact_address.as_deref(), Some("kari@example.com"));
    assert_eq!(row.awaits_reply_since, Some(world.now.wall));
    assert_eq!(&**row.inbox.as_ref().unwrap(), "customers");
    let names: Vec<_> = world.events.iter().filter_map(Happening::name).collect();
    assert_eq!(
        names,
        [
            "contact.changed",
            "conversation.created",
            "message.added",
            "conversation.assigned"
        ]
    );
    let last = world.records.iter().rev().find_map(|record| match record {
        Record::Item(row) => Some(row.clone()),
        _ => None,
    });
    assert_eq!(*last.unwrap(), row, "what is answered is what is kept");
    assert!(
        world.standings.is_empty(),
        "the desk has claimed by itself already"
    );
}

#[test]
fn the_same_message_is_taken_in_once() {
    let mut world = World::new();
    let mut mail = arrival("mail", "Hello");
    mail.message.external_id = Some("<1@example.com>".to_owned());
    let first = world.take(mail.clone());
    let records = world.records.len();
    match world.ask(Command::Arrived(Box::new(mail.clone()))) {
        Ok(Done::Conversation {
            conversation,
            message,
            repeated: true,
        }) => {
            assert_eq!(*conversation, first);
            assert_eq!(message.unwrap().id, world.messages()[0].id);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.records.len(), records);
    mail.channel = "form".into();
    assert_ne!(
        world.take(mail).id,
        first.id,
        "another channel is another matter"
    );
}

#[test]
fn a_message_that_comes_again_is_known_also_when_its_conversation_is_gone() {
    let mut world = World::new();
    let mut mail = arrival("mail", "Hello");
    mail.message.external_id = Some("<1@example.com>".to_owned());
    let row = world.take(mail.clone());
    let first = world.messages()[0].clone();
    let deleted = Command::Deleted {
        conversation: row.id,
        by: Actor::User("anna".into()),
    };
    world.ask(deleted).unwrap();
    let records = world.records.len();
    match world.ask(Command::Arrived(Box::new(mail))) {
        Ok(Done::Repeated(message)) => {
            assert_eq!(message.id, first.id);
            assert_eq!(message.conversation, row.id);
            assert_eq!(message.at, first.at);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.records.len(), records, "nothing is taken in twice");
}

#[test]
fn what_was_read_can_be_marked_as_not_read() {
    let mut world = World::new();
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    let unseen = |user: &str| Command::Unseen {
        conversation: id,
        user: user.into(),
    };
    assert_eq!(refused(world.ask(unseen("eva"))), RefusalKind::NotFound);
    world.ask(unseen("bjorn")).unwrap();
    let nothing = SeenRecord {
        conversation: id,
        user: "bjorn".into(),
        at: SeenRecord::NOTHING,
    };
    assert_eq!(world.records.last(), Some(&Record::Seen(nothing)));
    assert!(matches!(
        world.events.last(),
        Some(Happening::Seen { user, at, .. })
            if &**user == "bjorn" && *at == SeenRecord::NOTHING
    ));
}

#[test]
fn a_voicemail_that_is_deleted_is_told_of_where_it_was() {
    let mut world = World::new();
    let id = world.arrives("mail", "Hello").id;
    let voicemail = VoicemailRecord {
        id: crate::core::id::VoicemailId(uuid::Uuid::from_u128(1)),
        call: CallId(uuid::Uuid::from_u128(2)),
        conversation: id,
        channel: "mail".into(),
        from: None,
        from_name: None,
        began: world.now.wall,
        seconds: Some(12.0),
        kept: true,
        file: "1.wav".into(),
        notify: Vec::new(),
    };
    let mut message = world.messages()[0].clone();
    message.kind = MessageKind::Voicemail;
    message.voicemail = Some(voicemail.id);
    let deleted = |by: &str| Command::VoicemailDeleted {
        voicemail: Box::new(voicemail.clone()),
        message: Some(Box::new(message.clone())),
        by: Actor::User(by.into()),
    };
    assert_eq!(refused(world.ask(deleted("eva"))), RefusalKind::NotFound);
    world.records.clear();
    world.ask(deleted("anna")).unwrap();
    assert!(matches!(
        &world.records[0],
        Record::Voicemail(gone) if gone.id == voicemail.id && !gone.kept
    ));
    let changed = world.messages()[0];
    assert_eq!((changed.id, changed.voicemail), (message.id, None));
    assert_eq!(world.told(id), ["anna deleted the voicemail."]);
    let told = world.messages()[1];
    assert_eq!(told.author, Author::User("anna".into()));
    assert_eq!(told.at, world.now.wall);
}

#[test]
fn replying_to_what_nobody_has_makes_it_the_writers() {
    let mut world = World::new();
    let id = world.arrives("mail", "Hello").id;
    assert_eq!(world.holder(id), None);
    let row = conversation(world.replies(id, "bjorn", "Hi"));
    assert_eq!(row.assignee, Some(Assignee::User("bjorn".into())));
    assert_eq!(row.awaits_reply_since, None);
    assert!(row.replied);
    conversation(world.replies(id, "anna", "And from me"));
    assert_eq!(world.holder(id).as_deref(), Some("bjorn"), "it stays");
    let last = world.messages().pop().unwrap();
    assert_eq!(last.delivery, Delivery::Pending);
    assert_eq!(last.author, Author::User("anna".into()));
    assert_eq!(
        world.standings,
        [Standing {
            conversation: id,
            kind: Kind::Email,
            before: None,
            now: Some("bjorn".into()),
            seeks: false
        }]
    );
}

#[test]
fn an_answer_goes_where_the_other_side_is() {
    let mut world = World::new();
    let chat = world.arrives("chat", "Hi").id;
    world.replies(chat, "anna", "Hello").unwrap();
    world
        .ask(Command::VisitorLeft { conversation: chat })
        .unwrap();
    world.replies(chat, "anna", "Are you there?").unwrap();
    let ways: Vec<Outgoing> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Happening::Message { outgoing, .. } => *outgoing,
            _ => None,
        })
        .collect();
    assert_eq!(ways, [Outgoing::Chat, Outgoing::Email]);
    world
        .ask(Command::VisitorLeft { conversation: chat })
        .unwrap();
    assert_eq!(world.told(chat), ["The visitor has left the chat."]);

    let mut nameless = arrival("form", "No address");
    nameless.contact = ContactHint::default();
    let form = world.take(nameless);
    assert_eq!(form.contact_name, "Visitor");
    assert_eq!(form.contact, None);
    assert_eq!(
        refused(world.replies(form.id, "anna", "Hello")),
        RefusalKind::Invalid
    );
    assert_eq!(
        world.holder(form.id),
        None,
        "what is refused assigns nothing"
    );
}

#[test]
fn a_closed_conversation_is_opened_again_by_a_message_and_stays_with_whom_it_had() {
    let mut world = World::new();
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    world.replies(id, "anna", "Solved").unwrap();
    let closed = conversation(world.sets(id, "anna", Status::Closed));
    assert_eq!(closed.closed, Some(world.now.wall));
    assert_eq!(
        world.standings.last().unwrap().now,
        None,
        "no load any more"
    );
    world.goes("anna", Presence::Away);
    let asked = world.asked.len();
    let row = world.again(&closed, "Thanks, but no");
    assert_eq!((row.status, row.closed), (Status::Open, None));
    assert_eq!(row.assignee, Some(Assignee::User("anna".into())));
    assert!(!row.replied);
    assert_eq!(world.asked.len(), asked);
    assert_eq!(world.standings.last().unwrap().now, Some("anna".into()));
}

#[test]
fn a_closed_conversation_whose_assignee_is_gone_goes_by_the_rule_again() {
    let mut world = World::new();
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    let closed = conversation(world.sets(id, "anna", Status::Closed));
    let users = world
        .snapshot
        .users
        .iter()
        .filter(|user| &*user.name != "anna");
    world.snapshot.users = users.cloned().collect();
    world.gives("bjorn");
    let row = world.again(&closed, "Again");
    assert_eq!(row.assignee, Some(Assignee::User("bjorn".into())));
    assert_eq!(
        cause(world.asked.last().unwrap()),
        None,
        "from the beginning"
    );
}

#[test]
fn a_chat_goes_to_somebody_else_when_its_last_assignee_is_away() {
    let mut world = World::new();
    world.gives("anna");
    let id = world.arrives("chat", "Hello").id;
    let closed = conversation(world.sets(id, "anna", Status::Closed));
    world.goes("anna", Presence::Away);
    world.gives("bjorn");
    let row = world.again(&closed, "Again");
    assert_eq!(row.assignee, Some(Assignee::User("bjorn".into())));
}

#[test]
fn what_a_person_unassigned_stays_so_until_it_was_closed() {
    let mut world = World::new();
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    let row = conversation(world.assigns(id, "anna", None));
    assert_eq!((row.assignee.clone(), row.unassigned), (None, None));
    let row = world.again(&row, "Anybody?");
    assert_eq!(row.assignee, None);
    world.becomes_available(id);
    world.drain();
    assert_eq!(world.asked.len(), 1, "nobody is sought");
    let closed = conversation(world.sets(id, "bjorn", Status::Closed));
    world.gives("bjorn");
    assert!(world.again(&closed, "Again").assignee.is_some());
}

#[test]
fn a_visitor_has_one_chat_at_a_time_and_a_form_begins_anew() {
    let mut world = World::new();
    let mut chat = arrival("chat", "Hi");
    chat.contact.cookie = Some(COOKIE.to_owned());
    let first = world.take(chat.clone());
    assert_eq!(world.take(chat.clone()).id, first.id);
    world.sets(first.id, "anna", Status::Closed).unwrap();
    assert_ne!(world.take(chat.clone()).id, first.id);
    chat.channel = "form".into();
    let form = world.take(chat.clone());
    assert_ne!(world.take(chat).id, form.id);
    assert_eq!(form.contact, first.contact);
}

#[test]
fn what_is_not_answered_in_time_goes_to_the_next_and_stays_where_nobody_else_is() {
    let mut world = World::new();
    world.change("mail", |channel| {
        channel.working_hours.answer_within = Some(Duration::from_secs(600));
    });
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    world.pass(599);
    assert_eq!(world.asked.len(), 1);
    world.gives("bjorn");
    world.pass(1);
    assert_eq!(world.holder(id).as_deref(), Some("bjorn"));
    let Selection::Next(progress) = &world.asked[1].selection else {
        panic!("it goes on");
    };
    assert_eq!(progress.cause, Cause::NotAnswered);
    assert_eq!(progress.tried[0].0, "anna".into());
    assert_eq!(
        world.told(id),
        ["anna has not answered in time. bjorn has it now."]
    );
    world.pass(600);
    assert_eq!(world.asked.len(), 3);
    assert_eq!(
        world.holder(id).as_deref(),
        Some("bjorn"),
        "nobody else: it stays"
    );
    world.pass(600);
    assert_eq!(world.asked.len(), 3, "and nobody is sought over and over");
    let stands = world.machine.held[&id].stands.clone();
    assert!(stands.seeks, "but for whoever becomes available");
    assert_eq!(stands.user, Some("bjorn".into()));
    world.gives("carl");
    world.becomes_available(id);
    assert_eq!(world.holder(id).as_deref(), Some("carl"));
    assert_eq!(
        world.told(id)[1..],
        ["bjorn has not answered in time. carl has it now."]
    );
}

#[test]
fn who_has_answered_in_time_keeps_it() {
    let mut world = World::new();
    world.change("mail", |channel| {
        channel.working_hours.answer_within = Some(Duration::from_secs(600));
    });
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    world.replies(id, "anna", "I look at it").unwrap();
    world.pass(3600);
    let row = world.row(id).clone();
    world.again(&row, "And?");
    world.pass(3600);
    assert_eq!(world.asked.len(), 1);
    assert_eq!(world.machine.next_timeout(), None);
}

#[test]
fn what_was_given_by_hand_is_not_given_to_the_next() {
    let mut world = World::new();
    world.change("mail", |channel| {
        channel.working_hours.answer_within = Some(Duration::from_secs(600));
    });
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    world.assigns(id, "anna", Some("carl")).unwrap();
    world.pass(3600);
    assert_eq!(world.holder(id).as_deref(), Some("carl"));
    assert_eq!(world.told(id), ["anna assigned it to carl."]);
}

#[test]
fn what_has_no_reply_is_taken_back_from_one_who_went_away() {
    let mut world = World::new();
    world.change("mail", |channel| {
        channel.when_away = WhenAway::TakeBack {
            grace: Duration::from_secs(300),
        };
    });
    world.gives("anna");
    let unanswered = world.arrives("mail", "One").id;
    world.gives("anna");
    let answered = world.arrives("mail", "Two").id;
    world.replies(answered, "anna", "Yes").unwrap();
    world.goes("anna", Presence::Away);
    world.pass(299);
    world.goes("anna", Presence::Available);
    world.pass(600);
    assert_eq!(
        world.holder(unanswered).as_deref(),
        Some("anna"),
        "she was back in time"
    );
    world.goes("anna", Presence::Away);
    world.gives("bjorn");
    world.pass(300);
    assert_eq!(world.holder(unanswered).as_deref(), Some("bjorn"));
    assert_eq!(world.holder(answered).as_deref(), Some("anna"));
    assert_eq!(cause(world.asked.last().unwrap()), Some(Cause::TakenBack));
}

#[test]
fn what_waits_is_given_out_when_somebody_becomes_available() {
    let mut world = World::new();
    let id = world.arrives("mail", "Hello").id;
    assert_eq!(
        world.row(id).unassigned,
        Some(UnassignedReason::NobodyAvailable)
    );
    world.gives("anna");
    world.becomes_available(id);
    world.drain();
    assert_eq!(world.holder(id).as_deref(), Some("anna"));
    assert_eq!(
        cause(world.asked.last().unwrap()),
        Some(Cause::BecameAvailable)
    );
    world.becomes_available(id);
    world.drain();
    assert_eq!(world.asked.len(), 2, "it waits no more");
}

#[test]
fn an_idle_chat_closes_unless_somebody_still_waits_who_can_be_written_to() {
    let mut world = World::new();
    let waits = world.arrives("chat", "Hello").id;
    let mut nameless = arrival("chat", "Hello");
    nameless.contact = ContactHint::default();
    let gone = world.take(nameless).id;
    let answered = world.arrives("chat", "Hello").id;
    world.replies(answered, "anna", "Bye").unwrap();
    world.pass(1799);
    assert_eq!(world.row(answered).status, Status::Open);
    world.pass(1);
    assert_eq!(world.row(answered).status, Status::Closed);
    assert_eq!(world.row(gone).status, Status::Closed);
    assert_eq!(world.row(waits).status, Status::Open);
    assert_eq!(world.told(answered), ["Closed: nobody wrote any more."]);
}

#[test]
fn a_new_conversation_gets_the_rules_automatic_reply_and_a_program_does_not() {
    let mut world = World::new();
    world.change("mail", |channel| {
        channel.working_hours.reply = Some("We will be back.".to_owned());
    });
    let row = world.arrives("mail", "Hello");
    assert!(
        row.awaits_reply_since.is_some(),
        "a person has not answered"
    );
    let sent = |world: &World| {
        let messages = world.messages().into_iter();
        messages
            .filter(|message| message.kind == MessageKind::Sent)
            .count()
    };
    let message = *world.messages().last().unwrap();
    assert_eq!(message.text, "We will be back.");
    assert_eq!(message.author, Author::Automatic);
    assert_eq!(sent(&world), 1);
    world.again(&row, "Hello again");
    let mut bounce = arrival("mail", "Undeliverable");
    bounce.automatic = true;
    assert_eq!(world.take(bounce).awaits_reply_since, None);
    let mut program = arrival("mail", "Out of office");
    program.origin = Origin::NoAutomaticReply;
    world.take(program);
    assert_eq!(sent(&world), 1);
}

#[test]
fn an_owner_who_is_offline_gets_the_submission_by_mail() {
    let owner_step = Step {
        target: Target::ContactOwner,
        ..sample::step(Strategy::LeastBusy, &[], &[])
    };
    let mut world = World::new();
    world.change("form", |channel| {
        channel.working_hours.steps.insert(0, owner_step.clone());
        if let ChannelKind::Form(form) = &mut channel.kind {
            form.mail_owner = true;
        }
    });
    let mut form = arrival("form", "Call me");
    form.contact.cookie = Some(COOKIE.to_owned());
    let contact = world.take(form.clone()).contact.unwrap();
    let mails = |world: &World| {
        let events = world.events.iter();
        events
            .filter(
                |event| matches!(event, Happening::MailOwner { owner, .. } if &**owner == "anna"),
            )
            .count()
    };
    assert_eq!(mails(&world), 0, "nobody owns the contact");
    let mut record = world.machine.contacts().contact(contact).unwrap().clone();
    record.owner = Some("anna".into());
    world
        .ask(Command::ContactChanged {
            change: ContactChange::Put(Box::new(record.clone())),
            by: Actor::User("anna".into()),
        })
        .unwrap();
    for (code, expected) in [
        (Some(Code::Away), 1),
        (Some(Code::OutsideOwnHours), 2),
        // She is there, and has it, or has enough to do, or was not asked for.
        (Some(Code::Chosen), 2),
        (Some(Code::AtCapacity), 2),
        (None, 2),
    ] {
        world.owner = code;
        world.gives("bjorn");
        world.take(form.clone());
        assert_eq!(mails(&world), expected, "{code:?}");
    }
    world.owner = Some(Code::Away);
    form.contact.cookie = None;
    world.take(form.clone());
    assert_eq!(mails(&world), 2, "anybody can write her customer's address");
}

#[test]
fn an_owner_is_somebody_who_is_there() {
    let mut world = World::new();
    let put = |owner: &str| Command::ContactChanged {
        change: ContactChange::Put(Box::new(ContactRecord {
            name: "Kari".to_owned(),
            owner: Some(owner.into()),
            ..ContactRecord::default()
        })),
        by: Actor::User("anna".into()),
    };
    assert_eq!(refused(world.ask(put("nobody"))), RefusalKind::Invalid);
    world.ask(put("bjorn")).unwrap();
    let by = Actor::User("nils".into());
    let change = ContactChange::Delete(ContactId::default());
    let done = world.ask(Command::ContactChanged { change, by });
    assert_eq!(refused(done), RefusalKind::Forbidden, "without a seat");
}

fn with_agent(world: &mut World) {
    sample::add(
        &mut world.snapshot.customer_agents,
        CustomerAgent {
            name: "robot".into(),
            display_name: "Robbie".to_owned(),
            endpoint: "https://example.com/".to_owned(),
            protocol: AgentProtocol::Webhook,
            secret: None,
            timeout: Duration::from_secs(30),
            max_turns: 10,
            person_words: Vec::new(),
            allow_private: false,
        },
    );
    world.outcomes.push_back(Outcome::CustomerAgent {
        step: 0,
        agent: "robot".into(),
    });
}

fn agent_says(id: ConversationId, reply: AgentReply) -> Command {
    Command::AgentReplied {
        conversation: id,
        agent: "robot".into(),
        reply,
    }
}

#[test]
fn a_customer_agent_answers_and_hands_over_to_people_with_its_reason() {
    let mut world = World::new();
    with_agent(&mut world);
    let id = world.arrives("chat", "Hello").id;
    assert_eq!(world.holder(id).as_deref(), Some("customer agent robot"));
    let says = agent_says(id, AgentReply::Says("How can I help?".to_owned()));
    let row = conversation(world.ask(says));
    assert_eq!((row.awaits_reply_since, row.replied), (None, false));
    let message = *world.messages().last().unwrap();
    assert_eq!(message.author, Author::CustomerAgent("robot".into()));
    assert_eq!(message.author_name, "Robbie");
    world.gives("anna");
    let over = AgentReply::HandsOver {
        code: "asked-for-person".to_owned(),
        reason: "The customer wants a person.".to_owned(),
    };
    let row = conversation(world.ask(agent_says(id, over)));
    assert_eq!(row.assignee, Some(Assignee::User("anna".into())));
    assert!(row.awaits_reply_since.is_some());
    let Selection::Next(progress) = &world.asked[1].selection else {
        panic!("it goes on");
    };
    assert_eq!((progress.cause, progress.step), (Cause::HandedOver, 1));
    assert_eq!(
        world.told(id),
        ["Robbie hands over (asked-for-person): The customer wants a person."]
    );
    let late = agent_says(id, AgentReply::Says("One more thing".to_owned()));
    assert_eq!(refused(world.ask(late)), RefusalKind::Conflict);
}

#[test]
fn a_person_who_answers_takes_over_from_a_customer_agent() {
    let mut world = World::new();
    with_agent(&mut world);
    let id = world.arrives("chat", "Hello").id;
    world.replies(id, "bjorn", "I am here").unwrap();
    assert_eq!(world.holder(id).as_deref(), Some("bjorn"));
    let late = agent_says(id, AgentReply::Says("Hm".to_owned()));
    assert_eq!(refused(world.ask(late)), RefusalKind::Conflict);
}

#[test]
fn a_reload_takes_conversations_from_those_who_are_gone_and_the_rule_goes_on() {
    let mut world = World::new();
    world.gives("anna");
    let open = world.arrives("mail", "One").id;
    world.gives("anna");
    let waiting = world.arrives("mail", "Two").id;
    world.sets(waiting, "anna", Status::Waiting).unwrap();
    let users = world.snapshot.users.iter().cloned().map(|mut user| {
        if &*user.name == "anna" {
            user.seat = None;
        }
        user
    });
    world.snapshot.users = users.collect();
    world.gives("bjorn");
    world.machine.snapshot_changed(&world.snapshot, world.now);
    world.drain();
    assert_eq!(world.holder(open).as_deref(), Some("bjorn"));
    assert_eq!(world.holder(waiting), None);
    assert_eq!(world.told(open).len(), 1);
    world.snapshot.channels = Vec::new().into();
    world.snapshot.users = Vec::new().into();
    world.machine.snapshot_changed(&world.snapshot, world.now);
    world.drain();
    assert_eq!(world.holder(open), None);
    assert_eq!(world.row(open).status, Status::Open, "it is still there");
}

#[test]
fn what_somebody_had_who_is_gone_goes_by_its_rule_once_it_is_opened_again() {
    let mut world = World::new();
    let [written, by_hand] = ["One", "Two"].map(|text| {
        world.gives("anna");
        let row = world.arrives("mail", text);
        world.sets(row.id, "anna", Status::Waiting).unwrap();
        row
    });
    let users = world.snapshot.users.iter().cloned().map(|mut user| {
        if &*user.name == "anna" {
            user.seat = None;
        }
        user
    });
    world.snapshot.users = users.collect();
    world.machine.snapshot_changed(&world.snapshot, world.now);
    world.drain();
    assert_eq!(world.holder(written.id), None);
    world.gives("bjorn");
    world.again(&written, "And another thing");
    assert_eq!(world.holder(written.id).as_deref(), Some("bjorn"));
    world.gives("carl");
    world.sets(by_hand.id, "bjorn", Status::Open).unwrap();
    assert_eq!(world.holder(by_hand.id).as_deref(), Some("carl"));
}

#[test]
fn what_may_not_be_seen_does_not_exist() {
    let mut world = World::new();
    let id = world.arrives("mail", "Hello").id;
    let by = || Actor::User("eva".into());
    let hidden = [
        world.replies(id, "eva", "Hi"),
        world.assigns(id, "eva", Some("eva")),
        world.sets(id, "eva", Status::Closed),
        world.ask(Command::Noted {
            conversation: id,
            by: by(),
            message: said("Hm"),
        }),
        world.ask(Command::Deleted {
            conversation: id,
            by: by(),
        }),
        world.ask(Command::Seen {
            conversation: id,
            user: "eva".into(),
            at: Wall::default(),
        }),
        world.ask(Command::Typing {
            conversation: id,
            author: Author::User("eva".into()),
        }),
    ];
    let nowhere = ConversationId::default();
    let absent = world.replies(nowhere, "eva", "Hi").unwrap_err();
    for done in hidden {
        let refusal = done.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotFound);
        assert_eq!(
            refusal.text.replace(&id.to_string(), ""),
            absent.text.replace(&nowhere.to_string(), ""),
            "one cannot be told from the other"
        );
    }
}

#[test]
fn a_deleted_conversation_counts_for_nobody_and_does_not_come_back() {
    let mut world = World::new();
    world.gives("anna");
    let row = world.arrives("mail", "Hello");
    world
        .ask(Command::Deleted {
            conversation: row.id,
            by: Actor::User("anna".into()),
        })
        .unwrap();
    assert_eq!(world.standings.last().unwrap().before, Some("anna".into()));
    assert!(world.records.contains(&Record::ConversationDeleted(row.id)));
    assert!(world.machine.conversation(row.id).is_none());
    world.ask(Command::Recalled(Box::new(row.clone()))).unwrap();
    assert!(world.machine.conversation(row.id).is_none());
    assert_ne!(world.again(&row, "Hello?").id, row.id, "a new one begins");
}

#[test]
fn a_recalled_conversation_never_replaces_a_newer_one() {
    let mut world = World::new();
    let old = world.arrives("mail", "Hello");
    world.sets(old.id, "anna", Status::Waiting).unwrap();
    world.ask(Command::Recalled(Box::new(old.clone()))).unwrap();
    assert_eq!(world.row(old.id).status, Status::Waiting);
}

#[test]
fn an_answer_that_cannot_be_delivered_opens_the_conversation_again() {
    let mut world = World::new();
    world.gives("anna");
    let id = world.arrives("mail", "Hello").id;
    world.replies(id, "anna", "Hi").unwrap();
    let message = (*world.messages().last().unwrap()).clone();
    world.sets(id, "anna", Status::Closed).unwrap();
    let failed = Delivery::Failed("no such user\r\nX: y".to_owned());
    world
        .ask(Command::DeliveryChanged {
            message: Box::new(message),
            delivery: failed,
        })
        .unwrap();
    assert_eq!(world.row(id).status, Status::Open);
    let kept = world.messages().into_iter().find(
        |message| matches!(&message.delivery, Delivery::Failed(why) if why == "no such user X: y"),
    );
    assert!(kept.is_some());
}

#[test]
fn text_from_outside_is_clean_and_bounded() {
    let mut world = World::new();
    let mut evil = arrival("mail", &"a\u{0}\u{1b}".repeat(300_000));
    evil.message.subject = Some(format!("Hi\r\nBcc: x{}", "y".repeat(1000)));
    evil.contact.name = Some("Kari\r\n\u{202e}<evil>".to_owned());
    evil.message.fields = vec![("a\nb".to_owned(), "c\u{7}".to_owned()); 1000];
    evil.message.html = Some("x".repeat(2_000_000));
    let row = world.take(evil);
    assert!(row.subject.starts_with("Hi Bcc: x"));
    assert!(row.subject.chars().count() <= 300);
    assert_eq!(row.contact_name, "Kari <evil>");
    let message = world.messages()[0];
    assert!(message.text.len() <= 256 * 1024 && !message.text.contains('\u{0}'));
    assert_eq!(message.fields.len(), 100);
    assert_eq!(message.fields[0], ("a b".to_owned(), "c".to_owned()));
    assert_eq!(message.html, None);
    assert_eq!(message.author_name, "Kari <evil> <kari@example.com>");
}

#[test]
fn contacts_are_merged_with_their_conversations() {
    let mut world = World::new();
    let first = world.arrives("mail", "Hello");
    let mut other = arrival("chat", "Hi");
    other.contact = ContactHint {
        cookie: Some(COOKIE.to_owned()),
        ..ContactHint::default()
    };
    let second = world.take(other);
    let merge = ContactChange::Merge(first.contact.unwrap(), second.contact.unwrap());
    let by = Actor::User("anna".into());
    world
        .ask(Command::ContactChanged { change: merge, by })
        .unwrap();
    let row = world.row(second.id);
    assert_eq!(
        (row.contact, row.contact_name.as_str()),
        (first.contact, "Kari")
    );
}

#[test]
fn what_was_restored_goes_on_where_it_was() {
    let mut world = World::new();
    world.change("mail", |channel| {
        channel.working_hours.answer_within = Some(Duration::from_secs(600));
    });
    world.gives("anna");
    let assigned = world.arrives("mail", "One");
    let waits = world.arrives("mail", "Two");
    let mut after = World::new();
    after.snapshot = world.snapshot.clone();
    after.now = Now::new(
        Mono::from_millis(5),
        world.now.wall + Duration::from_secs(400),
    );
    for row in [waits.clone(), assigned.clone()] {
        after.machine.restore(row, &after.snapshot, after.now);
    }
    assert_eq!(after.machine.restored_seekers(), [waits.id]);
    let anna = UserName::from("anna");
    let standing: Vec<_> = after.machine.restored().collect();
    assert_eq!(standing, [(assigned.id, Kind::Email, Some(&anna))]);
    after.pass(199);
    assert!(after.asked.is_empty());
    after.gives("bjorn");
    after.pass(1);
    assert_eq!(after.holder(assigned.id).as_deref(), Some("bjorn"));
}

#[test]
fn what_a_crash_left_undecided_is_decided_at_the_next_start() {
    let mut world = World::new();
    let arrived = world.arrives("mail", "One");
    let as_it_began = world.records.iter().find_map(|record| match record {
        Record::Item(row) if row.revision == 1 => Some(row.as_ref().clone()),
        _ => None,
    });
    let mut after = World::new();
    after.gives("anna");
    after
        .machine
        .restore(as_it_began.unwrap(), &after.snapshot, after.now);
    assert_eq!(after.machine.restored().count(), 0, "the desk claims it");
    after.drain();
    assert_eq!(after.holder(arrived.id).as_deref(), Some("anna"));
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut world = World::new();
    for number in 0..(RECENTLY_CLOSED + 10) {
        let mut mail = arrival("mail", "x");
        mail.message.external_id = Some(format!("<{number}@example.com>"));
        mail.contact = ContactHint::default();
        let id = world.take(mail).id;
        world.sets(id, "anna", Status::Closed).unwrap();
        world.records.clear();
        world.events.clear();
        world.asked.clear();
    }
    assert_eq!(world.machine.held.len(), RECENTLY_CLOSED);
    assert_eq!(world.machine.closed.len(), RECENTLY_CLOSED);
    assert!(world.machine.by_user.is_empty());
    assert!(world.machine.deadlines.is_empty());
}

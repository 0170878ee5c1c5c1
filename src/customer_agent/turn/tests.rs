use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::core::conversation::{Author, MessageKind};
use crate::core::id::MessageId;
use crate::core::snapshot::AgentProtocol;

mod forms;

const CHAT: ConversationId = ConversationId(Uuid::from_u128(1));

fn agent(name: &str) -> CustomerAgent {
    CustomerAgent {
        name: name.into(),
        display_name: "Robo".to_owned(),
        endpoint: "https://bot.example.com/".to_owned(),
        protocol: AgentProtocol::Webhook,
        secret: None,
        timeout: Duration::from_secs(20),
        max_turns: 3,
        person_words: vec!["vaktmester".to_owned()],
        allow_private: false,
    }
}

fn at(second: i64) -> Wall {
    Wall::from_seconds(1_800_000_000 + second)
}

fn record(assignee: Option<Assignee>, assigned: i64) -> ConversationRecord {
    ConversationRecord {
        subject: "Hello".to_owned(),
        contact_name: "Kari".to_owned(),
        awaits_reply_since: Some(at(0)),
        assignee,
        assigned: Some(at(assigned)),
        ..ConversationRecord::begun(CHAT, Kind::Chat, "website-chat".into(), at(0))
    }
}

fn robo() -> Option<Assignee> {
    Some(Assignee::CustomerAgent("robo".into()))
}

pub(super) fn said(second: i64, author: Author, text: &str) -> MessageRecord {
    let kind = match author {
        Author::Contact => MessageKind::Received,
        _ => MessageKind::Sent,
    };
    MessageRecord {
        text: text.to_owned(),
        ..MessageRecord::new(
            MessageId(Uuid::from_u128(u128::from(second.unsigned_abs()) + 100)),
            CHAT,
            at(second),
            kind,
            author,
        )
    }
}

struct World {
    turns: Turns,
    now: Now,
    second: i64,
    done: Vec<Action>,
}

impl World {
    fn new() -> World {
        let mut turns = Turns::new();
        turns.handle_configured(&[agent("robo"), agent("other")]);
        World {
            turns,
            now: Now::new(Mono::from_millis(5), at(0)),
            second: 10,
            done: Vec::new(),
        }
    }

    /// The agent has a conversation in which this was said.
    fn with(messages: &[MessageRecord]) -> World {
        let mut world = World::new();
        world.assign(robo(), 5);
        assert_eq!(world.take(), [Action::Read(CHAT)]);
        world.turns.handle_read(CHAT, Ok(messages), world.now);
        world.drain();
        world
    }

    fn assign(&mut self, to: Option<Assignee>, assigned: i64) {
        self.turns.handle_conversation(&record(to, assigned));
        self.drain();
    }

    fn says(&mut self, text: &str) {
        self.second += 1;
        let message = said(self.second, Author::Contact, text);
        self.turns.handle_message(&message, self.now);
        self.drain();
    }

    fn verdict(&mut self, serial: u64, verdict: Verdict) {
        self.turns.handle_verdict(CHAT, serial, verdict);
        self.drain();
    }

    fn replied(&mut self, serial: u64, replied: Replied) {
        self.turns.handle_replied(CHAT, serial, replied, self.now);
        self.drain();
    }

    /// The engine takes an answer and keeps it as a message.
    fn kept(&mut self, serial: u64, text: &str) {
        self.second += 1;
        let author = Author::CustomerAgent("robo".into());
        let message = Box::new(said(self.second, author, text));
        self.replied(serial, Replied::Done(Some(message)));
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now::new(self.now.mono + time, self.now.wall + time);
        self.turns.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.turns.poll_action() {
            self.done.push(action);
        }
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.done)
    }

    /// The question that is the last thing to be done.
    fn question(&mut self) -> Question {
        match self.take().pop() {
            Some(Action::Ask(question)) => *question,
            other => panic!("{other:?}"),
        }
    }

    /// The reply that is the only thing to be done.
    fn reply(&mut self) -> (u64, AgentReply) {
        match &self.take()[..] {
            [Action::Reply { serial, reply, .. }] => (*serial, reply.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// The code and reason of the hand-over that is the last thing to be done.
    fn handed_over(&mut self) -> (String, String) {
        match self.take().pop() {
            Some(Action::Reply {
                reply: AgentReply::HandsOver { code, reason },
                ..
            }) => (code, reason),
            other => panic!("{other:?}"),
        }
    }
}

fn texts(question: &Question) -> Vec<&str> {
    question.lines.iter().map(|line| &*line.text).collect()
}

#[test]
fn an_agent_that_gets_a_conversation_is_asked_and_its_answer_is_said() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let question = world.question();
    assert_eq!(texts(&question), ["Hello?"]);
    assert_eq!((question.turn, &*question.agent.name), (1, "robo"));
    world.verdict(question.serial, Verdict::Says("Hi!".to_owned()));
    let (serial, reply) = world.reply();
    assert_eq!(reply, AgentReply::Says("Hi!".to_owned()));
    world.kept(serial, "Hi!");
    assert_eq!(world.take(), []);

    world.says("Where is my parcel?");
    let question = world.question();
    assert_eq!(texts(&question), ["Hello?", "Hi!", "Where is my parcel?"]);
    assert_eq!(question.turn, 2);
}

#[test]
fn an_agent_with_nothing_to_answer_waits_for_the_customer() {
    let answered = [
        said(1, Author::Contact, "Hello?"),
        said(2, Author::User("anna".into()), "Hi, this is Anna."),
    ];
    let mut world = World::with(&answered);
    assert_eq!(world.take(), []);
    world.says("And now?");
    assert_eq!(texts(&world.question()).len(), 3);
}

#[test]
fn what_seeks_no_answer_gets_none() {
    let mut world = World::new();
    let bounced = ConversationRecord {
        awaits_reply_since: None,
        ..record(robo(), 5)
    };
    world.turns.handle_conversation(&bounced);
    let bounce = said(1, Author::Contact, "Undelivered mail: talk to a person");
    world.turns.handle_read(CHAT, Ok(&[bounce]), world.now);
    world.drain();
    assert_eq!(world.take(), [Action::Read(CHAT)]);
    world.says("Out of office");
    assert_eq!(world.take(), []);
    // The next one is somebody's.
    world.assign(robo(), 5);
    world.says("I am back. Where is my parcel?");
    assert_eq!(texts(&world.question()).len(), 3);
}

#[test]
fn what_the_customer_adds_makes_the_answer_stale_and_both_are_asked() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let first = world.question();
    world.says("I have lost my key");
    let actions = world.take();
    let [Action::Abort(CHAT), Action::Ask(second)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(texts(second), ["Hello?", "I have lost my key"]);
    world.verdict(first.serial, Verdict::Says("late".to_owned()));
    assert_eq!(world.take(), [], "a stale answer is dropped");
    world.verdict(second.serial, Verdict::Says("Which key?".to_owned()));
    assert_eq!(world.reply().1, AgentReply::Says("Which key?".to_owned()));
}

#[test]
fn a_customer_who_never_stops_writing_is_answered_all_the_same() {
    let mut world = World::with(&[said(1, Author::Contact, "a")]);
    for text in ["b", "c", "d"] {
        world.says(text);
    }
    let question = world.question();
    world.says("e");
    assert_eq!(world.take(), [], "not asked again");
    world.verdict(question.serial, Verdict::Says("abcd".to_owned()));
    let (serial, reply) = world.reply();
    assert_eq!(reply, AgentReply::Says("abcd".to_owned()));
    world.says("f");
    assert_eq!(world.take(), []);
    world.kept(serial, "abcd");
    let next = world.question();
    let texts = texts(&next);
    assert_eq!(texts.len(), 7, "{texts:?}");
    assert!(texts.contains(&"e") && texts.contains(&"f"));
}

#[test]
fn who_asks_for_a_person_gets_one_without_the_agent() {
    let mut world = World::with(&[said(1, Author::Contact, "I want to talk to a person")]);
    let (code, reason) = world.handed_over();
    assert_eq!(code, "asked-for-person");
    assert!(reason.contains("talk to a person"), "{reason}");

    let mut world = World::with(&[said(1, Author::Contact, "Hello")]);
    world.take();
    world.says("Snakke med VAKTMESTER!");
    let actions = world.take();
    assert_eq!(actions[0], Action::Abort(CHAT));
    world.done = actions;
    assert_eq!(world.handed_over().0, "asked-for-person");
}

#[test]
fn after_its_turns_the_agent_hands_over() {
    let mut world = World::with(&[]);
    for turn in 1..=3 {
        world.says("and?");
        let question = world.question();
        assert_eq!(question.turn, turn);
        world.verdict(question.serial, Verdict::Says("so".to_owned()));
        let (serial, _) = world.reply();
        world.kept(serial, "so");
    }
    world.says("and?");
    let (code, reason) = world.handed_over();
    assert_eq!(code, "turn-limit");
    assert_eq!(reason, "The customer agent has answered 3 times.");
}

#[test]
fn turns_are_counted_since_the_agent_got_the_conversation_also_after_a_restart() {
    let author = || Author::CustomerAgent("robo".into());
    let mut messages = vec![said(1, author(), "before"), said(2, author(), "before")];
    messages.extend([6, 7].map(|second| said(second, author(), "since")));
    messages.push(said(8, Author::Contact, "and?"));
    let mut world = World::with(&messages);
    assert_eq!(world.question().turn, 3);
}

#[test]
fn an_agent_that_hands_over_may_say_something_first() {
    let mut world = World::with(&[said(1, Author::Contact, "Refund!")]);
    let question = world.question();
    let verdict = Verdict::hands_over(Some("One moment."), Some("money"));
    world.verdict(question.serial, verdict);
    let (serial, reply) = world.reply();
    assert_eq!(reply, AgentReply::Says("One moment.".to_owned()));
    world.kept(serial, "One moment.");
    let (code, reason) = world.handed_over();
    assert_eq!(code, "program");
    assert_eq!(reason, "The customer agent hands over: money");
}

#[test]
fn after_handing_over_the_agent_says_nothing_more_until_it_gets_the_conversation_again() {
    let mut world = World::with(&[said(1, Author::Contact, "Refund!")]);
    let question = world.question();
    world.verdict(question.serial, Verdict::error("broken"));
    let (serial, _) = world.reply();
    world.replied(serial, Replied::Done(None));
    world.says("Hello?");
    assert_eq!(world.take(), []);
    world.assign(Some(Assignee::User("anna".into())), 30);
    assert!(world.turns.is_empty());
    world.assign(robo(), 40);
    assert_eq!(world.take(), [Action::Read(CHAT)]);
}

#[test]
fn the_next_step_may_be_another_agent() {
    let mut world = World::with(&[said(1, Author::Contact, "Refund!")]);
    let question = world.question();
    world.verdict(question.serial, Verdict::error("broken"));
    let (serial, _) = world.reply();
    world.assign(Some(Assignee::CustomerAgent("other".into())), 30);
    assert_eq!(world.take(), [Action::Read(CHAT)]);
    world.replied(serial, Replied::Done(None));
    let messages = [said(1, Author::Contact, "Refund!")];
    world.turns.handle_read(CHAT, Ok(&messages), world.now);
    world.drain();
    assert_eq!(&*world.question().agent.name, "other");
}

#[test]
fn what_comes_after_the_conversation_went_elsewhere_is_dropped() {
    for to in [None, Some(Assignee::User("anna".into()))] {
        let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
        let question = world.question();
        world.assign(to, 30);
        assert_eq!(world.take(), [Action::Abort(CHAT)]);
        world.verdict(question.serial, Verdict::Says("late".to_owned()));
        world.says("Are you there?");
        assert_eq!(world.take(), []);
    }
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let question = world.question();
    let closed = ConversationRecord {
        status: Status::Closed,
        ..record(robo(), 5)
    };
    world.turns.handle_conversation(&closed);
    world.verdict(question.serial, Verdict::Says("late".to_owned()));
    assert_eq!(world.take(), [Action::Abort(CHAT)]);
}

#[test]
fn a_colleague_who_answers_makes_the_question_needless() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let question = world.question();
    let message = said(20, Author::User("anna".into()), "Hi!");
    world.turns.handle_message(&message, world.now);
    world.drain();
    assert_eq!(world.take(), [Action::Abort(CHAT)]);
    world.verdict(question.serial, Verdict::Says("late".to_owned()));
    assert_eq!(world.take(), []);
}

#[test]
fn an_agent_that_never_answers_hands_over() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    world.take();
    assert!(world.turns.next_timeout().is_some());
    world.pass(Duration::from_secs(24));
    assert_eq!(world.take(), []);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.done[0], Action::Abort(CHAT));
    assert_eq!(world.handed_over().0, "timeout");
}

#[test]
fn an_agent_that_was_removed_hands_over() {
    let mut world = World::with(&[]);
    world.turns.handle_configured(&[agent("other")]);
    world.says("Hello?");
    let (code, reason) = world.handed_over();
    assert_eq!(code, "error");
    assert!(reason.contains("no customer agent robo"), "{reason}");
}

#[test]
fn what_cannot_be_read_is_for_people() {
    let mut world = World::new();
    world.assign(robo(), 5);
    world.take();
    let problem = Err("disk".to_owned());
    world.turns.handle_read(CHAT, problem, world.now);
    world.drain();
    assert_eq!(world.handed_over().0, "error");
}

#[test]
fn what_is_said_while_reading_is_asked_once() {
    let mut world = World::new();
    world.assign(robo(), 5);
    world.take();
    world.says("Hello?");
    let messages = [said(11, Author::Contact, "Hello?")];
    world.turns.handle_read(CHAT, Ok(&messages), world.now);
    world.drain();
    let question = world.question();
    assert_eq!(texts(&question), ["Hello?"]);
    // Its event comes late.
    world.turns.handle_message(&messages[0], world.now);
    world.drain();
    assert_eq!(world.take(), []);
}

#[test]
fn an_engine_with_too_much_to_do_is_told_again_and_in_the_end_a_colleague_is() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let question = world.question();
    world.verdict(question.serial, Verdict::Says("Hi!".to_owned()));
    let mut waits = Vec::new();
    loop {
        let serial = match world.take().pop() {
            Some(Action::Reply { serial, .. }) => serial,
            other => {
                assert_eq!(other, Some(Action::TellStuck(CHAT)));
                break;
            }
        };
        world.replied(serial, Replied::Busy);
        if let Some(at) = world.turns.next_timeout() {
            let wait = at.since(world.now.mono);
            waits.push(wait.as_secs());
            world.pass(wait);
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 16]);
}

#[test]
fn an_answer_that_the_engine_refuses_is_for_people() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let question = world.question();
    world.verdict(question.serial, Verdict::Says("Hi!".to_owned()));
    let (serial, _) = world.reply();
    world.replied(serial, Replied::Refused("no".to_owned()));
    let (serial, reply) = world.reply();
    assert!(matches!(reply, AgentReply::HandsOver { .. }));
    world.replied(serial, Replied::Refused("no".to_owned()));
    assert_eq!(world.take(), []);
}

#[test]
fn after_missing_something_all_begins_anew() {
    let mut world = World::with(&[said(1, Author::Contact, "Hello?")]);
    let question = world.question();
    world.turns.handle_missed();
    world.drain();
    assert_eq!(world.take(), [Action::Abort(CHAT)]);
    world.assign(robo(), 5);
    world.verdict(question.serial, Verdict::Says("late".to_owned()));
    assert_eq!(world.take(), [Action::Read(CHAT)]);
}

#[derive(Clone, Debug)]
enum Step {
    Says(bool),
    Colleague,
    Verdict(u8),
    Replied(u8),
    Assign(u8),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::bool::weighted(0.05).prop_map(Step::Says),
        1 => Just(Step::Colleague),
        6 => (0..8u8).prop_map(Step::Verdict),
        6 => (0..8u8).prop_map(Step::Replied),
        1 => (0..3u8).prop_map(Step::Assign),
        1 => (0..60u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// One question at a time, never one after the conversation went elsewhere, and no message of
    /// the customer is left without an answer or people.
    #[test]
    fn turns_are_taken_in_order(steps in steps()) {
        let mut world = World::with(&[]);
        let (mut asked, mut telling): (Option<u64>, Option<u64>) = (None, None);
        let (mut agents, mut assigned) = (true, 5);
        for step in steps {
            match step {
                Step::Says(person) => world.says(if person { "operator" } else { "and?" }),
                Step::Colleague => {
                    world.second += 1;
                    let message = said(world.second, Author::User("anna".into()), "Hi");
                    world.turns.handle_message(&message, world.now);
                }
                Step::Verdict(how) => if let Some(serial) = asked.take() {
                    world.verdict(serial, match how {
                        0 => Verdict::error("x"),
                        1 => Verdict::hands_over(Some("first"), None),
                        _ => Verdict::Says("so".to_owned()),
                    });
                },
                Step::Replied(how) => if let Some(serial) = telling.take() {
                    match how {
                        0 => world.replied(serial, Replied::Busy),
                        1 => world.replied(serial, Replied::Refused("no".to_owned())),
                        _ => world.kept(serial, "so"),
                    }
                },
                Step::Assign(to) => {
                    assigned += 1;
                    agents = to > 0;
                    world.assign(if agents { robo() } else { None }, assigned);
                }
                Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
            }
            world.drain();
            let mut unread = true;
            while unread {
                unread = false;
                for action in world.take() {
                    match action {
                        Action::Read(_) => {
                            unread = true;
                            world.turns.handle_read(CHAT, Ok(&[]), world.now);
                            world.drain();
                        }
                        Action::Ask(question) => {
                            prop_assert!(asked.is_none(), "two questions at once");
                            prop_assert!(agents, "asked about a conversation of somebody else");
                            asked = Some(question.serial);
                        }
                        Action::Abort(_) => {
                            prop_assert!(asked.take().is_some() || !agents || assigned > 5);
                        }
                        Action::Reply { serial, .. } => {
                            prop_assert!(agents);
                            telling = Some(serial);
                        }
                        Action::TellStuck(_) => {}
                    }
                }
            }
            if !agents {
                prop_assert!(world.turns.is_empty());
            }
            if let Some(talk) = world.turns.talks.get(&CHAT) {
                let idle = matches!(talk.phase, Phase::Listening);
                prop_assert!(!idle || talk.open == 0, "somebody waits for nothing");
            }
        }
    }
}

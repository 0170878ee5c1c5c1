//! Customer agents against a server that takes nothing but what the chat-completions protocol allows,
//! and against a receiver of our own form.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringdesk::core::conversation::{
    AgentReply, Assignee, Author, Command, ConversationRecord, Done, Event, Happening, MessageKind,
    MessageRecord,
};
use ringdesk::core::snapshot::{AgentProtocol, CustomerAgent, Secret};
use ringdesk::customer_agent::{CustomerAgents, History};
use ringdesk::inbox::{Asked, Door};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::desk;
use super::node::Node;
use super::support::wait::PATIENCE;

const TOKEN: &str = "sk-test-1";

fn agent(url: String) -> CustomerAgent {
    CustomerAgent {
        name: "robo".into(),
        display_name: "Robo".to_owned(),
        endpoint: url,
        protocol: AgentProtocol::ChatCompletions {
            model: "small-1".to_owned(),
            instructions: "Answer briefly.".to_owned(),
        },
        secret: Some(Secret(TOKEN.to_owned())),
        timeout: Duration::from_secs(60),
        max_turns: 10,
        person_words: Vec::new(),
        allow_private: true,
    }
}

fn robo() -> Option<Assignee> {
    Some(Assignee::CustomerAgent("robo".into()))
}

/// What the store would know.
#[derive(Default)]
struct Stored {
    conversations: Vec<ConversationRecord>,
    messages: Vec<MessageRecord>,
}

/// A desk whose engine is the test itself.
struct Desk {
    _directory: tempfile::TempDir,
    door: Door,
    commands: mpsc::Receiver<Asked>,
    runtime: Runtime,
    stored: Arc<Mutex<Stored>>,
    agents: Option<CustomerAgents>,
    typing: usize,
    next_message: u128,
}

impl Desk {
    fn new(agent: CustomerAgent) -> Desk {
        Desk::with(agent, Stored::default())
    }

    fn with(agent: CustomerAgent, stored: Stored) -> Desk {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = desk::snapshot(|snapshot| snapshot.customer_agents = vec![agent].into());
        let (door, commands) = desk::door(snapshot, directory.path());
        let mut desk = Desk {
            _directory: directory,
            door,
            commands,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            stored: Arc::new(Mutex::new(stored)),
            agents: None,
            typing: 0,
            next_message: 100,
        };
        desk.start();
        desk
    }

    fn start(&mut self) {
        let (conversations, messages) = (Arc::clone(&self.stored), Arc::clone(&self.stored));
        let history = History {
            conversations: Box::new(move || {
                let found = conversations.lock().unwrap().conversations.clone();
                Box::pin(async move { Ok(found) })
            }),
            messages: Box::new(move |id, most| {
                let stored = messages.lock().unwrap();
                let found = stored.messages.iter().rev();
                let found = found
                    .filter(|message| message.conversation == id)
                    .take(most);
                let found: Vec<MessageRecord> = found.cloned().collect();
                Box::pin(async move { Ok(found) })
            }),
        };
        let agents = CustomerAgents::start(&self.door, history, |text| panic!("{text}"));
        self.agents = Some(agents.unwrap());
    }

    fn publish(&self, what: Happening) {
        self.door.publish(desk::event(what));
    }

    /// The rule gives a conversation to somebody.
    fn assign(&self, conversation: &ConversationRecord) {
        self.publish(Happening::Assigned {
            conversation: Box::new(conversation.clone()),
            before: None,
            decision: None,
        });
    }

    fn message(
        &mut self,
        conversation: &ConversationRecord,
        author: Author,
        text: &str,
    ) -> MessageRecord {
        self.next_message += 1;
        let mut message = desk::message(conversation, self.next_message, text);
        if author != Author::Contact {
            message.kind = MessageKind::Sent;
        }
        message.author = author;
        self.stored.lock().unwrap().messages.push(message.clone());
        message
    }

    /// The customer writes.
    fn says(&mut self, conversation: &ConversationRecord, text: &str) {
        let message = self.message(conversation, Author::Contact, text);
        self.publish(Happening::Message {
            conversation: Box::new(conversation.clone()),
            message: Box::new(message),
            outgoing: None,
        });
    }

    /// A customer writes for the first time, and the rule gives it to the agent.
    fn begins(&mut self, number: u128, text: &str) -> ConversationRecord {
        let mut conversation = desk::conversation(number);
        let message = self.message(&conversation, Author::Contact, text);
        self.publish(Happening::Created(Box::new(conversation.clone())));
        self.publish(Happening::Message {
            conversation: Box::new(conversation.clone()),
            message: Box::new(message),
            outgoing: None,
        });
        conversation.assignee = robo();
        conversation.assigned = Some(desk::AT);
        self.assign(&conversation);
        conversation
    }

    /// What the agent says or why it hands over, taken by the engine.
    fn reply(&mut self) -> (ConversationRecord, AgentReply) {
        loop {
            let asked = self
                .runtime
                .block_on(async { tokio::time::timeout(PATIENCE, self.commands.recv()).await });
            let Asked { command, answer } = asked.expect("a command").unwrap();
            match *command {
                Command::Typing { author, .. } => {
                    assert_eq!(author, Author::CustomerAgent("robo".into()));
                    self.typing += 1;
                    answer.send(Ok(Done::Nothing)).unwrap();
                }
                Command::AgentReplied {
                    conversation,
                    agent,
                    reply,
                } => {
                    assert_eq!(&*agent, "robo");
                    let mut record = desk::conversation(conversation.0.as_u128());
                    record.assignee = robo();
                    record.assigned = Some(desk::AT);
                    let message = match &reply {
                        AgentReply::Says(text) => {
                            let author = Author::CustomerAgent(agent);
                            Some(Box::new(self.message(&record, author, text)))
                        }
                        AgentReply::HandsOver { .. } => None,
                    };
                    let done = Done::Conversation {
                        conversation: Box::new(record.clone()),
                        message,
                        repeated: false,
                    };
                    // An agent that is gone waits for nothing.
                    let _ = answer.send(Ok(done));
                    return (record, reply);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn handed_over(&mut self) -> (String, String) {
        match self.reply().1 {
            AgentReply::HandsOver { code, reason } => (code, reason),
            AgentReply::Says(text) => panic!("says {text}"),
        }
    }

    fn said(&mut self) -> String {
        match self.reply().1 {
            AgentReply::Says(text) => text,
            AgentReply::HandsOver { code, reason } => panic!("{code}: {reason}"),
        }
    }
}

fn server() -> (Node, CustomerAgent) {
    let node = Node::start("chat_completions.mjs", TOKEN);
    let agent = agent(node.url("/v1/chat/completions"));
    (node, agent)
}

/// Role and content of each message of a request, without ours at the beginning.
fn told(request: &Value) -> Vec<(String, String)> {
    let messages = request["body"]["messages"].as_array().unwrap();
    assert_eq!(messages[0]["role"], "system");
    let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
    messages[1..]
        .iter()
        .map(|message| (text(message, "role"), text(message, "content")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = expected.iter();
    owned
        .map(|(role, text)| ((*role).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn a_customer_talks_with_an_agent() {
    let (mut node, agent) = server();
    let mut desk = Desk::new(agent);
    let chat = desk.begins(1, "Where is my parcel?");
    let request = node.request();
    assert_eq!(request["wrong"], Value::Null, "{request}");
    assert_eq!(request["headers"]["authorization"], "Bearer sk-test-1");
    assert_eq!(told(&request), pairs(&[("user", "Where is my parcel?")]));
    assert_eq!(desk.said(), "You said: Where is my parcel?");
    assert_eq!(desk.typing, 1);

    node.answer(&json!({ "say": "In Oslo." }));
    desk.says(&chat, "And now?");
    assert_eq!(
        told(&node.request()),
        pairs(&[
            ("user", "Where is my parcel?"),
            ("assistant", "You said: Where is my parcel?"),
            ("user", "And now?"),
        ])
    );
    assert_eq!(desk.said(), "In Oslo.");
    assert!(node.is_quiet());
}

#[test]
fn an_agent_hands_over_by_the_function_that_it_was_offered() {
    let (mut node, agent) = server();
    node.answer(&json!({
        "call": "hand_over_to_person",
        "arguments": "{\"reason\": \"wants a refund\"}",
    }));
    let mut desk = Desk::new(agent);
    desk.begins(1, "I want my money back");
    let (code, reason) = desk.handed_over();
    assert_eq!(code, "program");
    assert_eq!(reason, "The customer agent hands over: wants a refund");
    assert_eq!(node.request()["wrong"], Value::Null);
}

#[test]
fn whatever_goes_wrong_hands_over_with_its_reason() {
    let (mut node, agent) = server();
    let mut desk = Desk::new(agent);
    let error = json!({ "error": { "message": "quota\r\nexceeded" } }).to_string();
    for (number, answer, words) in [
        (
            1,
            json!({ "status": 500, "body": "oops" }),
            "is broken (500)",
        ),
        (
            2,
            json!({ "status": 400, "body": error }),
            "refused the question (400): quota  exceeded",
        ),
        (
            3,
            json!({ "status": 429, "headers": { "retry-after": "3600" } }),
            "no room for another question now (429)",
        ),
        (
            4,
            json!({ "status": 302, "headers": { "location": "http://127.0.0.1:1/" } }),
            "not followed",
        ),
        (
            5,
            json!({ "status": 200, "body": "<html>hello</html>" }),
            "not JSON",
        ),
        (
            6,
            json!({ "status": 200, "body": "{\"choices\":[" }),
            "not JSON",
        ),
        (7, json!({ "raw": { "choices": [] } }), "no message"),
        (8, json!({ "huge": 5_000_000 }), "more than"),
        (9, json!({ "say": "" }), "empty"),
        (
            10,
            json!({ "say": "half a sen", "finish": "length" }),
            "cut off",
        ),
        (11, json!({ "call": "format_disk" }), "format_disk"),
        (12, json!({ "status": 204 }), "not JSON"),
        (
            13,
            json!({ "status": 200, "body": "\u{1f}\u{8b}", "headers": { "content-encoding": "gzip" } }),
            "not JSON",
        ),
        (
            14,
            json!({ "status": 200, "body": "[".repeat(100_000) }),
            "not JSON",
        ),
        (15, json!({ "raw": { "choices": "x" } }), "no message"),
        (
            16,
            json!({ "raw": { "choices": [{ "message": "x" }] } }),
            "empty",
        ),
        (
            17,
            json!({ "raw": { "choices": [{ "message": { "content": { "a": 1 }, "tool_calls": "x" } }] } }),
            "empty",
        ),
        (
            18,
            json!({ "raw": { "choices": [{ "message": { "content": " \r\n\u{0}\t " } }] } }),
            "empty",
        ),
        (
            19,
            json!({ "status": 307, "headers": { "location": "http://169.254.169.254/" } }),
            "not followed",
        ),
        (20, json!({ "raw": [1, 2] }), "no message"),
    ] {
        node.answer(&answer);
        desk.begins(number, "Hello?");
        let (code, reason) = desk.handed_over();
        assert_eq!(code, "error", "{answer}: {reason}");
        assert!(reason.contains(words), "{answer}: {reason}");
        assert!(!reason.contains('\n'), "{reason:?}");
        assert_eq!(node.request()["wrong"], Value::Null);
    }
}

#[test]
fn a_wrong_key_and_a_wrong_address_are_told_apart() {
    let (node, wrong) = server();
    let mut wrong_key = wrong.clone();
    wrong_key.secret = Some(Secret("sk-other".to_owned()));
    let mut wrong_path = wrong.clone();
    wrong_path.endpoint = node.url("/v1");
    let mut guarded = wrong.clone();
    guarded.allow_private = false;
    let mut nobody = wrong;
    nobody.endpoint = "http://127.0.0.1:1/v1/chat/completions".to_owned();
    for (agent, words) in [
        (
            wrong_key,
            "does not take our key (401): Incorrect API key provided",
        ),
        (wrong_path, "is not there (404): unknown path"),
        (guarded, "allow_private"),
        (nobody, "no connection"),
    ] {
        let mut desk = Desk::new(agent);
        desk.begins(1, "Hello?");
        let (code, reason) = desk.handed_over();
        assert_eq!(code, "error");
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn one_that_has_no_room_is_asked_again_when_it_says() {
    let (mut node, agent) = server();
    node.answer(&json!({ "status": 429, "headers": { "retry-after": "0" } }));
    let mut desk = Desk::new(agent);
    desk.begins(1, "Hello?");
    assert_eq!(desk.said(), "You said: Hello?");
    let (first, second) = (node.request(), node.request());
    assert_eq!(first["body"], second["body"]);

    for _ in 0..2 {
        node.answer(&json!({ "status": 503, "headers": { "retry-after": "0" } }));
    }
    desk.begins(2, "Hello?");
    assert_eq!(desk.handed_over().0, "error", "once is enough");
}

#[test]
fn one_that_never_answers_hands_over_in_time() {
    let (mut node, mut agent) = server();
    agent.timeout = Duration::from_millis(200);
    let mut desk = Desk::new(agent);
    // Not at all, and without end.
    for (number, answer) in [(1, json!({ "hang": true })), (2, json!({ "drip": true }))] {
        node.answer(&answer);
        desk.begins(number, "Hello?");
        let (code, reason) = desk.handed_over();
        assert_eq!(code, "timeout");
        assert_eq!(reason, "The customer agent did not answer within 0.2 s.");
    }
}

#[test]
fn who_wants_a_person_is_not_told_to_the_agent() {
    let (mut node, agent) = server();
    let mut desk = Desk::new(agent);
    desk.begins(1, "Jeg vil snakke med et menneske!");
    let (code, reason) = desk.handed_over();
    assert_eq!(code, "asked-for-person");
    assert!(reason.contains("snakke med et menneske"), "{reason}");
    assert!(node.is_quiet());
}

#[test]
fn an_agent_that_has_answered_enough_hands_over() {
    let (mut node, mut agent) = server();
    agent.max_turns = 1;
    let mut desk = Desk::new(agent);
    let chat = desk.begins(1, "Hello?");
    desk.said();
    desk.says(&chat, "And?");
    assert_eq!(desk.handed_over().0, "turn-limit");
    node.request();
    assert!(node.is_quiet());
}

#[test]
fn what_is_added_while_it_thinks_is_answered_with_the_rest() {
    let (mut node, agent) = server();
    node.answer(&json!({ "hold": { "say": "stale" } }));
    let mut desk = Desk::new(agent);
    let chat = desk.begins(1, "I have a question");
    node.request();
    desk.says(&chat, "about my bill");
    assert_eq!(
        told(&node.request()),
        pairs(&[("user", "I have a question"), ("user", "about my bill")])
    );
    node.answer(&json!({ "release": true }));
    assert_eq!(desk.said(), "You said: about my bill");
}

#[test]
fn what_comes_after_a_colleague_took_it_is_dropped() {
    let (mut node, agent) = server();
    node.answer(&json!({ "hold": { "say": "late" } }));
    let mut desk = Desk::new(agent);
    let mut chat = desk.begins(1, "Hello?");
    node.request();
    chat.assignee = Some(Assignee::User("anna".into()));
    desk.assign(&chat);
    desk.begins(2, "Another one");
    node.request();
    node.answer(&json!({ "release": true }));
    let (conversation, reply) = desk.reply();
    assert_eq!(conversation.id, desk::conversation(2).id);
    assert_eq!(reply, AgentReply::Says("You said: Another one".to_owned()));
}

#[test]
fn a_restart_takes_up_what_was_not_answered() {
    let (mut node, agent) = server();
    let mut open = desk::conversation(1);
    open.assignee = robo();
    open.assigned = Some(desk::AT);
    let answered = ConversationRecord {
        id: desk::conversation(2).id,
        ..open.clone()
    };
    let mut answer = desk::message(&answered, 3, "Hi!");
    answer.kind = MessageKind::Sent;
    answer.author = Author::CustomerAgent("robo".into());
    let stored = Stored {
        messages: vec![
            desk::message(&open, 1, "Is anybody there?"),
            desk::message(&answered, 2, "Hello"),
            answer,
        ],
        conversations: vec![answered, open],
    };
    let mut desk = Desk::with(agent, stored);
    let (conversation, reply) = desk.reply();
    assert_eq!(conversation.id, desk::conversation(1).id);
    assert_eq!(
        reply,
        AgentReply::Says("You said: Is anybody there?".to_owned())
    );
    node.request();
    assert!(node.is_quiet());
}

#[test]
fn our_own_form_is_signed_and_answered() {
    let mut node = Node::start("webhook_receiver.mjs", TOKEN);
    node.answer(&json!({ "status": 200, "body": "{\"reply\": \"Hei, Kari!\"}" }));
    node.answer(&json!({ "status": 200, "body": "{\"hand_over\": \"money\"}" }));
    let mut agent = agent(node.url("/agent"));
    agent.protocol = AgentProtocol::Webhook;
    let mut desk = Desk::new(agent);
    let chat = desk.begins(1, "Hello?");
    assert_eq!(desk.said(), "Hei, Kari!");
    let request = node.request();
    assert_eq!(request["verified"], "yes", "{request}");
    assert_eq!(request["headers"]["ringdesk-event"], "customer_agent.asked");
    assert_eq!(
        request["json"]["conversation"]["contact_name"],
        "Kari Nordmann"
    );
    assert_eq!(request["json"]["messages"][0]["text"], "Hello?");
    desk.says(&chat, "I want my money back");
    assert_eq!(desk.handed_over().1, "The customer agent hands over: money");
    assert_eq!(node.request()["json"]["turn"], 2);
}

#[test]
fn many_conversations_are_asked_about_at_once() {
    let (mut node, agent) = server();
    let mut desk = Desk::new(agent);
    for number in 1..=30 {
        node.answer(&json!({ "hold": { "say": "Hi" } }));
        desk.begins(number, "Hello?");
    }
    for _ in 1..=30 {
        node.request();
    }
    node.answer(&json!({ "release": true }));
    let mut answered: Vec<u128> = (0..30).map(|_| desk.reply().0.id.0.as_u128()).collect();
    answered.sort_unstable();
    assert_eq!(answered, (1..=30).collect::<Vec<u128>>());
}

#[test]
fn an_event_of_no_agent_asks_nobody() {
    let (mut node, agent) = server();
    let mut desk = Desk::new(agent);
    let chat = desk::conversation(9);
    desk.says(&chat, "Hello?");
    desk.door.publish(Event {
        at: desk::AT,
        inbox: None,
        what: Happening::Deleted(chat.id),
    });
    desk.begins(1, "Hello?");
    desk.said();
    assert_eq!(told(&node.request()).len(), 1);
    assert!(node.is_quiet());
}

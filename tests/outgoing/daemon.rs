//! The whole of it: the real daemon, a visitor's socket, an agent's server and a webhook's receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use ringdesk::core::snapshot::Secret;
use ringdesk::outgoing::{Client, Limits, Post};

use super::node::Node;
use super::support::chat_page::Page;
use super::support::daemon::Daemon;
use super::support::place::Place;
use super::support::wait::PATIENCE;

const TOKEN: &str = "sk-daemon";
const SECRET: &str = "whsec-daemon";

/// Whose SHA-256 stands in the configuration.
const API_TOKEN: &str = "api-token";

struct House {
    daemon: Daemon,
    place: Place,
    _directory: tempfile::TempDir,
}

impl House {
    /// One whose chats are a program's first, and whose events a receiver is told of.
    fn new(program: &Node, receiver: &Node) -> House {
        let agent = program.url("/v1/chat/completions");
        let webhook = receiver.url("/events");
        let directory = tempfile::tempdir().unwrap();
        let place = Place::take();
        let config = format!(
            r#"{}
[http]
listen = "127.0.0.1:{}"
[[user]]
name = "anna"
display_name = "Anna Berg"
seat = "service"
[[customer_agent]]
name = "robo"
display_name = "Robo"
endpoint = "{agent}"
model = "small-1"
instructions = "Answer briefly."
secret_file = "token"
allow_private = true
[[webhook]]
name = "crm"
url = "{webhook}"
secret_file = "secret"
allow_private = true
[[token]]
name = "admin"
sha256 = "a00cf33cd46d9ef96c1eff33df1c9cca20b1a02468cd78ec6a4b2887d1640b51"
scopes = ["read-audit", "write-configuration"]
[[channel]]
name = "website-chat"
kind = "chat"
[channel.assign]
to = "customer-agent"
agent = "robo"
then = [{{ users = ["anna"] }}]
"#,
            place.configuration(),
            place.http
        );
        fs::write(directory.path().join("ringdesk.toml"), config).unwrap();
        fs::write(directory.path().join("token"), format!("{TOKEN}\n")).unwrap();
        fs::write(directory.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let mut house = House {
            daemon: Daemon::on(directory.path()),
            place,
            _directory: directory,
        };
        house.daemon.start();
        house
    }

    /// Posts to the API, with the token or without.
    async fn post(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        let secret = token.map(|token| Secret(token.to_owned()));
        let client = Client::new(Limits::default()).unwrap();
        let url = format!("http://127.0.0.1:{}{path}", self.place.http);
        let post = Post {
            url: &url,
            allow_private: true,
            bearer: secret.as_ref(),
            headers: Vec::new(),
            body: b"{}".to_vec(),
            within: PATIENCE,
        };
        let reply = client.post(post).await.unwrap();
        let body = serde_json::from_slice(&reply.body);
        (reply.status, body.unwrap_or_default())
    }

    async fn page(&self) -> Page {
        let desk = format!("http://127.0.0.1:{}", self.place.http);
        Page::open(&desk, "website-chat").await
    }

    /// The page of somebody new, who may write, and the secret that makes them known again.
    async fn visitor(&self) -> (Page, String) {
        let mut page = self.page().await;
        let welcome = page.hello(None, None).await;
        page.hear("ready").await;
        (page, welcome["visitor"].as_str().unwrap().to_owned())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The next event that the webhook is told of which fits.
fn event(receiver: &mut Node, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let request = receiver.request();
        assert_eq!(request["verified"], "yes", "{request}");
        if fits(&request["json"]) {
            return request["json"].clone();
        }
    }
}

/// Whether a conversation is no longer the program's.
fn is_handed_over(event: &Value) -> bool {
    event["type"] == "conversation.assigned"
        && event["data"]["before"] == json!({ "customer-agent": "robo" })
}

/// The next events of two kinds: deliveries may overtake each other.
fn both(
    receiver: &mut Node,
    first: impl Fn(&Value) -> bool,
    second: impl Fn(&Value) -> bool,
) -> (Value, Value) {
    let (mut one, mut other) = (None, None);
    loop {
        if let (Some(one), Some(other)) = (&one, &other) {
            return (Value::clone(one), Value::clone(other));
        }
        let told = event(receiver, |event| first(event) || second(event));
        if first(&told) {
            one = Some(told);
        } else {
            other = Some(told);
        }
    }
}

#[test]
fn a_visitor_talks_with_a_program_and_then_with_people_and_a_webhook_hears_of_it() {
    let mut program = Node::start("chat_completions.mjs", TOKEN);
    let mut receiver = Node::start("webhook_receiver.mjs", SECRET);
    let house = House::new(&program, &receiver);
    runtime().block_on(async {
        let (mut page, _) = house.visitor().await;
        page.send("1", "Where is my parcel?").await;
        let answer = page.answer().await;
        assert_eq!(answer["from"], "program");
        assert_eq!(answer["name"], "Robo");
        assert_eq!(answer["text"], "You said: Where is my parcel?");
        assert_eq!(program.request()["wrong"], Value::Null);

        page.send("2", "I want to talk to a person").await;
        let handed = event(&mut receiver, is_handed_over);
        let assignee = &handed["data"]["conversation"]["assignee"];
        assert_ne!(assignee, &json!({ "customer-agent": "robo" }), "{handed}");
        // Nobody is asked about what is said from here on.
        page.send("3", "Hello, people?").await;
        event(&mut receiver, |event| {
            event["type"] == "message.added" && event["data"]["message"]["text"] == "Hello, people?"
        });
        assert!(program.is_quiet());
    });
}

#[test]
fn a_program_that_is_broken_leaves_the_visitor_to_people() {
    let mut program = Node::start("chat_completions.mjs", TOKEN);
    program.answer(&json!({ "status": 500 }));
    let mut receiver = Node::start("webhook_receiver.mjs", SECRET);
    let house = House::new(&program, &receiver);
    runtime().block_on(async {
        let (mut page, _) = house.visitor().await;
        page.send("1", "Hello?").await;
        let is_told = |event: &Value| {
            event["data"]["message"]["kind"] == "event"
                && event["data"]["message"]["text"]
                    .as_str()
                    .is_some_and(|text| text.contains("is broken (500)"))
        };
        let (told, handed) = both(&mut receiver, is_told, is_handed_over);
        assert_eq!(
            told["data"]["message"]["author"],
            json!({ "customer-agent": "robo" })
        );
        assert_eq!(handed["data"]["by_rule"], true, "{handed}");
    });
}

#[test]
fn after_kill_9_the_program_is_asked_again_and_no_event_of_before_is_lost() {
    let mut program = Node::start("chat_completions.mjs", TOKEN);
    program.answer(&json!({ "hang": true }));
    let mut receiver = Node::start("webhook_receiver.mjs", SECRET);
    receiver.answer(&json!({ "status": 503, "always": true }));
    let mut house = House::new(&program, &receiver);
    runtime().block_on(async {
        let (mut page, visitor) = house.visitor().await;
        page.send("1", "Hello?").await;
        program.request();
        // It was told of the beginning, and could not take it.
        let first = receiver.request()["headers"]["ringdesk-delivery"].clone();
        house.daemon.kill();
        receiver.answer(&json!({ "forget": true }));
        house.daemon.start();
        assert_eq!(program.request()["wrong"], Value::Null);

        let mut page = house.page().await;
        let messages = page.hello(Some(&visitor), None).await["messages"].clone();
        let is_answer = |message: &Value| message["text"] == "You said: Hello?";
        if !messages.as_array().unwrap().iter().any(is_answer) {
            assert!(is_answer(&page.answer().await));
        }
        loop {
            let request = receiver.request();
            if request["answered"] == 204 && request["headers"]["ringdesk-delivery"] == first {
                break;
            }
        }
    });
}

#[test]
fn what_was_acknowledged_is_told_though_the_daemon_is_killed_in_the_same_moment() {
    const TIMES: usize = 8;
    let program = Node::start("chat_completions.mjs", TOKEN);
    let mut receiver = Node::start("webhook_receiver.mjs", SECRET);
    let mut house = House::new(&program, &receiver);
    runtime().block_on(async {
        let (mut page, visitor) = house.visitor().await;
        for number in 0..TIMES {
            page.send(&number.to_string(), &format!("Message {number}"))
                .await;
            house.daemon.kill();
            house.daemon.start();
            page = house.page().await;
            page.hello(Some(&visitor), None).await;
        }
    });
    // However often an event is told, it has one key.
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut missing: BTreeSet<String> = (0..TIMES).map(|it| format!("Message {it}")).collect();
    while !missing.is_empty() {
        let request = receiver.request();
        let event = request["json"]["id"].as_str().unwrap().to_owned();
        let key = request["headers"]["ringdesk-delivery"].as_str().unwrap();
        let before = keys.insert(event, key.to_owned());
        assert!(before.is_none_or(|before| before == key), "{request}");
        if request["json"]["type"] == "message.added"
            && let Some(text) = request["json"]["data"]["message"]["text"].as_str()
        {
            missing.remove(text);
        }
    }
}

#[test]
fn an_admin_tests_a_webhook_over_the_api() {
    let program = Node::start("chat_completions.mjs", TOKEN);
    let mut receiver = Node::start("webhook_receiver.mjs", SECRET);
    let house = House::new(&program, &receiver);
    runtime().block_on(async {
        let (status, tested) = house
            .post("/api/v1/webhooks/crm/test", Some(API_TOKEN))
            .await;
        assert_eq!(status, 202, "{tested}");
        let request = receiver.request();
        assert_eq!(request["verified"], "yes");
        assert_eq!(request["json"]["type"], "webhook.test");
        assert_eq!(request["headers"]["ringdesk-delivery"], tested["id"]);
        let (status, again) = house
            .post("/api/v1/webhooks/crm/retry", Some(API_TOKEN))
            .await;
        assert_eq!((status, &again["sent_again"]), (202, &json!(0)));
        for (path, token, expected) in [
            ("/api/v1/webhooks/crm/test", None, 401),
            ("/api/v1/webhooks/crm/test", Some("another"), 401),
            ("/api/v1/webhooks/nobody/test", Some(API_TOKEN), 404),
            ("/api/v1/webhooks/nobody/retry", Some(API_TOKEN), 404),
        ] {
            let (status, problem) = house.post(path, token).await;
            assert_eq!(status, expected, "{path}: {problem}");
        }
        assert!(receiver.is_quiet());
    });
}

//! The stream of events.

use futures_util::StreamExt;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::house::{Asker, House, PATIENCE};

/// A listener that reads one event after another.
struct Listener {
    response: Response,
    rest: String,
}

/// An event.
#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Listener {
    async fn open(asker: &Asker, query: &str, last: Option<&str>) -> Listener {
        let request = asker.request(Method::GET, &format!("/api/v1/events{query}"));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Listener {
            response,
            rest: String::new(),
        }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.rest.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let event = field("event").map(|event| Event {
                    id: field("id").unwrap_or_default().to_owned(),
                    name: event.to_owned(),
                    data: serde_json::from_str(field("data").unwrap()).unwrap(),
                });
                self.rest = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    // A comment, so that the connection stays.
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            let chunk = chunk.await.expect("no event came").ok()??;
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event of that name.
    async fn next_of(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream has ended");
            if event.name == name {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn what_happens_is_told_to_who_sees_it_and_goes_on_from_the_last_number() {
    let house = House::open().await;
    let (anna, bjorn) = (house.sign_in("anna").await, house.sign_in("bjorn").await);
    let mut annas = Listener::open(&anna, "", None).await;
    let mut bjorns = Listener::open(&bjorn, "", None).await;
    assert_eq!(annas.next().await.unwrap().name, "hello");
    assert_eq!(bjorns.next().await.unwrap().name, "hello");
    house.submit("contact", "Kari", "Where is my wombat?").await;
    let created = annas.next_of("conversation.created").await;
    assert_eq!(created.data["conversation"]["contact_name"], "Kari");
    let message = annas.next_of("message.added").await;
    assert_eq!(message.data["message"]["kind"], "received");
    drop(annas);

    house.submit("offer", "Lena", "A quokka, please").await;
    house.submit("contact", "Per", "And my parcel?").await;
    // Of the other inbox Bjørn hears nothing, though it happened first.
    let heard = bjorns.next_of("conversation.created").await;
    assert_eq!(heard.data["conversation"]["contact_name"], "Lena");

    let mut annas = Listener::open(&anna, "?types=conversation.created", Some(&message.id)).await;
    let next = annas.next().await.unwrap();
    assert_eq!(next.name, "conversation.created");
    assert_eq!(
        next.data["conversation"]["contact_name"], "Per",
        "not Lena's, and not Kari's again"
    );
}

#[tokio::test]
async fn a_number_of_another_run_begins_anew() {
    let mut house = House::open().await;
    let anna = house.as_token("for-anna");
    let mut listener = Listener::open(&anna, "", None).await;
    let last = listener.next().await.unwrap().id;
    house.stop();
    assert!(
        listener.next().await.is_none(),
        "the end of the daemon ends it"
    );
    house.start().await;
    for id in [last.as_str(), "rubbish", "x.99999999999999999999"] {
        let mut listener = Listener::open(&anna, "", Some(id)).await;
        let first = listener.next().await.unwrap();
        assert_eq!(first.name, "reset", "{id}");
        assert_ne!(first.id, last);
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_follows_a_change_of_access() {
    let house = House::open().await;
    let anna = house.sign_in("anna").await;
    let mut first = Listener::open(&anna, "", None).await;
    let program = house.as_token("for-anna");
    let mut second = Listener::open(&program, "?types=conversation.created", None).await;
    assert_eq!(anna.delete("/api/v1/session").await.status, 204);
    house.submit("contact", "Kari", "Where is my wombat?").await;
    while let Some(event) = first.next().await {
        assert_eq!(
            event.name, "hello",
            "nothing is told after the session's end"
        );
    }
    second.next_of("conversation.created").await;
    // Sales gets Anna, too: what happens in leads is hers from now on.
    let text = std::fs::read_to_string(house.path("ringdesk.toml")).unwrap();
    let text = text.replace("members = [\"bjorn\"]", "members = [\"bjorn\", \"anna\"]");
    std::fs::write(house.path("ringdesk.toml"), text).unwrap();
    let all = house.as_token("all");
    all.post("/api/v1/reload", &json!({})).await.json().await;
    house.submit("offer", "Lena", "A quokka, please").await;
    let told = second.next_of("conversation.created").await;
    assert_eq!(told.data["conversation"]["inbox"], "leads");
}

#[tokio::test]
async fn filters_leave_the_rest_out_and_unknown_names_are_refused() {
    let house = House::open().await;
    let all = house.as_token("all");
    let refused = all.get("/api/v1/events?types=conversation.exploded").await;
    assert_eq!(refused.reason(), (422, "invalid".to_owned()));
    let mut offers = Listener::open(&all, "?channel=offer", None).await;
    offers.next_of("hello").await;
    house.submit("contact", "Kari", "Where is my wombat?").await;
    house.submit("offer", "Lena", "A quokka, please").await;
    let first = offers.next().await.unwrap();
    assert_eq!(first.data["conversation"]["channel"], "offer");
}

#[tokio::test]
async fn a_hundred_listeners_hear_all_of_it_in_order() {
    let house = House::open().await;
    let all = house.as_token("all");
    let listeners = futures_util::stream::iter(0..100)
        .map(|_| Listener::open(&all, "?types=conversation.created", None))
        .buffer_unordered(20)
        .collect::<Vec<_>>()
        .await;
    for number in 0..5 {
        let name = format!("Kari{number}");
        house
            .submit("contact", &name, &format!("Question {number}"))
            .await;
    }
    let mut heard = Vec::new();
    for mut listener in listeners {
        assert_eq!(listener.next().await.unwrap().name, "hello");
        let mut names = Vec::new();
        while names.len() < 5 {
            let event = listener.next().await.unwrap();
            names.push(event.data["conversation"]["contact_name"].clone());
        }
        heard.push(names);
    }
    assert!(
        heard.iter().all(|names| *names == heard[0]),
        "all hear the same"
    );
    assert_eq!(heard[0][0], "Kari0");
}

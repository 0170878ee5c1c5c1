//! The socket, frame by frame, as a page of somebody's own would speak it.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::browser::until;
use crate::support::office::{CHANNEL, Office, snapshot};
use crate::visitors::{channel, chat};

struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Page {
    async fn open(office: &Office) -> Page {
        let url = office.url.replacen("http", "ws", 1);
        let (socket, _) = connect_async(format!("{url}/chat/{CHANNEL}/socket"))
            .await
            .unwrap();
        Page(socket)
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of this type.
    async fn hear(&mut self, kind: &str) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == kind {
                        return frame;
                    }
                }
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    async fn hello(&mut self, visitor: Option<&str>, after: Option<&str>) -> Value {
        self.say(json!({ "type": "hello", "version": 1, "visitor": visitor, "after": after }))
            .await;
        self.hear("welcome").await
    }
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_kept_once_and_the_page_that_comes_back_lacks_nothing() {
    let office = Office::open(snapshot(channel(chat()))).await;
    let mut page = Page::open(&office).await;
    let welcome = page.hello(None, None).await;
    let visitor = welcome["visitor"].as_str().unwrap().to_owned();
    let send = json!({ "type": "send", "client_id": "1", "text": "one" });
    page.say(send.clone()).await;
    let kept = page.hear("kept").await;
    page.say(send.clone()).await;
    assert_eq!(page.hear("kept").await["id"], kept["id"]);
    drop(page);
    office.answers("two");
    office.answers("three");

    let mut page = Page::open(&office).await;
    let welcome = page.hello(Some(&visitor), kept["id"].as_str()).await;
    let texts: Vec<&str> = welcome["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["two", "three"]);
    page.say(send).await;
    assert_eq!(page.hear("kept").await["id"], kept["id"]);
    assert_eq!(office.texts(), ["one"]);
}

#[tokio::test]
async fn a_stranger_with_the_same_client_id_sees_nothing_of_a_visitor() {
    let office = Office::open(snapshot(channel(chat()))).await;
    let mut page = Page::open(&office).await;
    page.hello(None, None).await;
    page.say(json!({ "type": "send", "client_id": "1", "text": "secret" }))
        .await;
    let kept = page.hear("kept").await;
    let mut stranger = Page::open(&office).await;
    let made_up = "0123456789abcdef0123456789abcdef";
    let welcome = stranger.hello(Some(made_up), None).await;
    assert_eq!(welcome["messages"], json!([]));
    stranger
        .say(json!({ "type": "send", "client_id": "1", "text": "mine" }))
        .await;
    assert_ne!(stranger.hear("kept").await["id"], kept["id"]);
    assert_eq!(office.texts(), ["secret", "mine"]);
}

#[tokio::test]
async fn every_tab_of_a_visitor_shows_what_is_said_in_one() {
    let office = Office::open(snapshot(channel(chat()))).await;
    let mut first = Page::open(&office).await;
    let visitor = first.hello(None, None).await["visitor"]
        .as_str()
        .unwrap()
        .to_owned();
    first
        .say(json!({ "type": "send", "client_id": "1", "text": "one" }))
        .await;
    first.hear("kept").await;
    let mut second = Page::open(&office).await;
    second.hello(Some(&visitor), None).await;
    second
        .say(json!({ "type": "send", "client_id": "2", "text": "two" }))
        .await;
    loop {
        let message = first.hear("message").await;
        if message["text"] == "two" {
            assert_eq!(message["client_id"], "2");
            break;
        }
    }
}

#[tokio::test]
async fn what_makes_no_sense_or_comes_too_fast_is_said_and_never_ends_the_daemon() {
    let office = Office::open(snapshot(channel(chat()))).await;
    let mut page = Page::open(&office).await;
    page.hello(None, None).await;
    for frame in [
        json!([]),
        json!({ "type": "shout" }),
        json!({ "type": "send", "client_id": 7 }),
    ] {
        page.say(frame).await;
        assert_eq!(page.hear("problem").await["code"], "malformed");
    }
    let long = "x".repeat(4_001);
    page.say(json!({ "type": "send", "client_id": "1", "text": long }))
        .await;
    assert_eq!(page.hear("problem").await["code"], "too-long");
    page.say(json!({ "type": "answer", "question": "email", "text": "a@b.no" }))
        .await;
    assert_eq!(page.hear("problem").await["code"], "answer");
    for number in 0..60 {
        page.say(json!({ "type": "send", "client_id": format!("fast{number}"), "text": "x" }))
            .await;
    }
    let refused = page.hear("problem").await;
    assert_eq!(refused["code"], "too-fast");
    assert!(refused["client_id"].as_str().unwrap().starts_with("fast"));
    assert!(office.texts().len() < 60);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_where_the_channel_names_its_own() {
    let mut chat = chat();
    chat.allowed_origins = vec!["https://shop.example.com".to_owned()];
    let office = Office::open(snapshot(channel(chat))).await;
    let url = office.url.replacen("http", "ws", 1);
    for (origin, is_let_in) in [
        ("https://shop.example.com", true),
        ("https://shop.example.com.evil.example", false),
        ("http://shop.example.com", false),
        ("null", false),
    ] {
        let mut request = format!("{url}/chat/{CHANNEL}/socket")
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => assert!(is_let_in, "{origin}"),
            Err(Error::Http(response)) => {
                assert!(!is_let_in, "{origin}");
                assert_eq!(response.status(), 403);
            }
            Err(error) => panic!("{origin}: {error}"),
        }
    }
}

#[tokio::test]
async fn whoever_does_not_say_hello_is_not_listened_to() {
    let office = Office::open(snapshot(channel(chat()))).await;
    let mut page = Page::open(&office).await;
    page.say(json!({ "type": "send", "client_id": "1", "text": "hi" }))
        .await;
    let end = until("the end", async || page.0.next().await)
        .await
        .unwrap();
    assert!(matches!(end, Message::Close(Some(_))), "{end:?}");
    assert!(office.texts().is_empty());
}

#[test]
fn the_script_is_under_15_kb_gzipped() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/web/chat.js");
    let packed = std::process::Command::new("gzip")
        .args(["-9", "-c", script])
        .output()
        .unwrap();
    let size = packed.stdout.len();
    assert!(size > 1_000 && size < 15_000, "{size} octets");
}

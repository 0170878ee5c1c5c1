//! The socket, frame by frame, as a page of somebody's own would speak it.

use futures_util::{SinkExt, StreamExt};
use ringdesk::core::conversation::Delivery;
use ringdesk::core::snapshot::{ChatQuestion, FieldType};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::chat_page::Page;
use crate::support::browser::until;
use crate::support::office::{CHANNEL, Office, snapshot};
use crate::visitors::{channel, chat, closed, open_office};

async fn open_page(office: &Office) -> Page {
    Page::open(&office.url, CHANNEL).await
}

/// With these headers; the other value is the cookie that was set.
async fn open_page_with(
    office: &Office,
    headers: &[(&'static str, &str)],
) -> (Page, Option<String>) {
    Page::open_with(&office.url, CHANNEL, headers).await
}

/// The page of a visitor who was never here.
async fn visit(office: &Office) -> Page {
    let mut page = open_page(office).await;
    page.hello(None, None).await;
    page
}

/// The reason why a page was ended.
async fn end_of(page: &mut Page) -> Option<CloseFrame> {
    loop {
        match page.0.next().await {
            Some(Ok(Message::Close(frame))) => return frame,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_kept_once_and_the_page_that_comes_back_lacks_nothing() {
    let office = open_office().await;
    let mut page = open_page(&office).await;
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

    let mut page = open_page(&office).await;
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
    let office = open_office().await;
    let mut page = visit(&office).await;
    let kept = page.send("1", "secret").await;
    let mut stranger = open_page(&office).await;
    let made_up = "0123456789abcdef0123456789abcdef";
    let welcome = stranger.hello(Some(made_up), None).await;
    assert_eq!(welcome["messages"], json!([]));
    assert_ne!(stranger.send("1", "mine").await["id"], kept["id"]);
    assert_eq!(office.texts(), ["secret", "mine"]);
}

#[tokio::test]
async fn every_tab_of_a_visitor_shows_what_is_said_in_one() {
    let office = open_office().await;
    let mut first = open_page(&office).await;
    let visitor = first.hello(None, None).await["visitor"]
        .as_str()
        .unwrap()
        .to_owned();
    first.send("1", "one").await;
    let mut second = open_page(&office).await;
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
    let office = open_office().await;
    let mut page = visit(&office).await;
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
    let office = open_office().await;
    let mut page = open_page(&office).await;
    page.say(json!({ "type": "send", "client_id": "1", "text": "hi" }))
        .await;
    let end = until("the end", async || page.0.next().await)
        .await
        .unwrap();
    assert!(matches!(end, Message::Close(Some(_))), "{end:?}");
    assert!(office.texts().is_empty());
}

#[tokio::test]
async fn a_reply_that_comes_at_once_reaches_the_page_that_began_the_chat() {
    let office = open_office().await;
    office.replies_at_once("Somebody will be with you soon.");
    for _ in 0..10 {
        let mut page = visit(&office).await;
        page.say(json!({ "type": "send", "client_id": "1", "text": "hi" }))
            .await;
        loop {
            let message = page.hear("message").await;
            if message["from"] == "automatic" {
                assert_eq!(message["text"], "Somebody will be with you soon.");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_visitor_is_told_once_that_the_chat_was_closed() {
    let office = open_office().await;
    let mut page = visit(&office).await;
    page.send("1", "hi").await;
    office.closes();
    page.hear("closed").await;
    assert_eq!(page.send("2", "one more thing").await["client_id"], "2");
    page.say(json!({ "type": "end" })).await;
    until("the end", async || {
        office.asked().contains(&"left".to_owned()).then_some(())
    })
    .await;
    office.closes();
    page.hear("closed").await;
}

/// Anybody can put a page on the web that shows a chat of ours: what the visitor said elsewhere is not
/// told to it, and nothing is said there in the visitor's name.
#[tokio::test]
async fn pages_that_the_channel_does_not_name_get_nothing_by_the_visitors_cookie() {
    let office = open_office().await;
    let own = office.url.clone();
    let (mut page, cookie) = open_page_with(&office, &[("origin", &own)]).await;
    page.hello(None, None).await;
    page.send("1", "secret").await;
    let cookie = cookie.unwrap();

    let (mut again, _) = open_page_with(&office, &[("origin", &own), ("cookie", &cookie)]).await;
    assert_eq!(
        again.hello(None, None).await["messages"][0]["text"],
        "secret"
    );

    for origin in ["https://shop.example.com", "null"] {
        let headers = [("origin", origin), ("cookie", cookie.as_str())];
        let (mut foreign, set) = open_page_with(&office, &headers).await;
        let welcome = foreign.hello(None, None).await;
        assert_eq!(welcome["messages"], json!([]), "{origin}");
        assert_eq!(set, None, "the visitor's own cookie stays as it is");
        let secret = welcome["visitor"].as_str().unwrap();
        foreign.send("1", "there").await;
        let (mut back, _) = open_page_with(&office, &headers).await;
        let welcome = back.hello(Some(secret), None).await;
        assert_eq!(welcome["messages"][0]["text"], "there", "{origin}");
    }

    let mut chat = chat();
    chat.allowed_origins = vec!["https://shop.example.com".to_owned()];
    let office = Office::open(snapshot(channel(chat))).await;
    let named = [("origin", "https://shop.example.com")];
    let (mut page, cookie) = open_page_with(&office, &named).await;
    page.hello(None, None).await;
    page.send("1", "mine").await;
    let cookie = cookie.unwrap();
    let (mut again, _) = open_page_with(&office, &[named[0], ("cookie", &cookie)]).await;
    assert_eq!(again.hello(None, None).await["messages"][0]["text"], "mine");
}

#[tokio::test]
async fn whoever_comes_back_in_closed_hours_after_the_chat_has_ended_is_told_so() {
    for offline_form in [false, true] {
        let office = Office::open(snapshot(closed(offline_form))).await;
        office.opens_at_all_hours();
        let mut page = open_page(&office).await;
        let visitor = page.hello(None, None).await["visitor"].clone();
        let visitor = visitor.as_str().unwrap().to_owned();
        page.send("1", "hi").await;
        office.is_again(closed(offline_form));

        let mut page = open_page(&office).await;
        let welcome = page.hello(Some(&visitor), None).await;
        assert_eq!(welcome["conversation"], true, "it goes on");
        assert_eq!(welcome.get("closed"), None);
        page.send("2", "still there?").await;

        office.closes();
        let mut page = open_page(&office).await;
        let welcome = page.hello(Some(&visitor), None).await;
        assert_eq!(welcome["conversation"], false);
        assert_eq!(welcome["closed"], "We open at 8.");
        assert_eq!(welcome["message_form"], offline_form);
        assert_eq!(welcome["messages"][0]["text"], "hi", "what was said stays");
        page.say(json!({ "type": "send", "client_id": "3", "text": "hello?" }))
            .await;
        assert_eq!(page.hear("problem").await["code"], "closed");
        let form =
            json!({ "type": "leave", "client_id": "4", "email": "a@b.no", "text": "call me" });
        page.say(form).await;
        if offline_form {
            assert_eq!(page.hear("kept").await["client_id"], "4");
        } else {
            assert_eq!(page.hear("problem").await["code"], "refused");
            assert_eq!(office.texts(), ["hi", "still there?"]);
        }
    }
}

#[tokio::test]
async fn a_page_that_will_not_stop_is_cut_off_whatever_it_sends() {
    let office = open_office().await;
    for frame in [
        Message::text("{"),
        Message::text(r#"{"type":"send","client_id":"1","text":"x"}"#),
        Message::Ping(Default::default()),
    ] {
        let mut page = visit(&office).await;
        for _ in 0..400 {
            // It may be cut already.
            let _ = page.0.send(frame.clone()).await;
        }
        if let Some(end) = end_of(&mut page).await {
            assert_eq!(u16::from(end.code), 1008, "{frame:?}");
        }
    }
    visit(&office).await;
}

#[tokio::test]
async fn one_sign_tells_of_all_that_the_page_has() {
    let office = open_office().await;
    let mut page = visit(&office).await;
    page.send("1", "hi").await;
    for text in ["one", "two", "three"] {
        office.answers(text);
    }
    let last = loop {
        let message = page.hear("message").await;
        if message["text"] == "three" {
            break message["id"].clone();
        }
    };
    page.say(json!({ "type": "received", "id": last })).await;
    until("three receipts", async || {
        (office.deliveries() == [Delivery::Sent, Delivery::Sent, Delivery::Sent]).then_some(())
    })
    .await;
    page.say(json!({ "type": "seen", "id": last })).await;
    until("three sights", async || {
        let all = office.deliveries();
        let seen = all.iter().filter(|it| **it == Delivery::Seen);
        (seen.count() == 3 && all.len() == 6).then_some(())
    })
    .await;
}

#[tokio::test]
async fn signs_that_come_too_fast_are_lost_and_no_visitor_is_blamed_for_them() {
    let office = open_office().await;
    let mut page = visit(&office).await;
    for _ in 0..60 {
        page.say(json!({ "type": "typing" })).await;
    }
    // One or the other of these may come when there is room again.
    for number in 0..30 {
        page.say(json!({ "type": "send", "client_id": format!("said{number}"), "text": "x" }))
            .await;
    }
    let problem = page.hear("problem").await;
    let client_id = problem["client_id"].as_str().unwrap_or_default();
    assert!(
        client_id.starts_with("said"),
        "the first that is told of: {problem}"
    );
}

#[tokio::test]
async fn nobody_is_sought_for_a_visitor_who_has_said_nothing() {
    let mut chat = chat();
    chat.questions = vec![ChatQuestion {
        name: "name".to_owned(),
        text: "Who are you?".to_owned(),
        field_type: FieldType::Name,
        choices: Vec::new(),
        optional: true,
    }];
    let office = Office::open(snapshot(channel(chat))).await;
    let mut page = visit(&office).await;
    page.hear("ask").await;
    page.say(json!({ "type": "answer", "question": "name", "text": "" }))
        .await;
    page.hear("ready").await;
    assert!(office.texts().is_empty());
    page.say(json!({ "type": "send", "client_id": "0", "text": "\u{0}\u{0}" }))
        .await;
    assert_eq!(page.hear("problem").await["client_id"], "0");
    page.send("1", "hi").await;
    assert_eq!(office.texts(), ["hi"]);
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

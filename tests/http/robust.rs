//! Clients that are slow, wrong or hostile.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{Form, House, PATIENCE, secret, wait_for};

async fn raw(house: &House, octets: &[u8]) -> TcpStream {
    let address = house.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who is refused before the end may not get rid of the rest.
    let _ = stream.write_all(octets).await;
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text));
    // A connection that is reset was answered before.
    let _ = read.await.expect("no end of the connection");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_and_holds_nobody_up() {
    let house = House::open().await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(raw(&house, b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: ").await);
    }
    assert_eq!(house.as_nobody().get("/health/live").await.status, 200);
    let told = answer(slow.pop().unwrap()).await;
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 408"),
        "{told}"
    );
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let house = House::open().await;
    let many = "X-A: b\r\n".repeat(100);
    let head = format!("GET /health HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let told = answer(raw(&house, head.as_bytes()).await).await;
    assert!(told.starts_with("HTTP/1.1 431"), "{told}");
    let long = "x".repeat(100_000);
    let head = format!("GET /health HTTP/1.1\r\nHost: x\r\nX-A: {long}\r\n\r\n");
    let told = answer(raw(&house, head.as_bytes()).await).await;
    assert!(told.starts_with("HTTP/1.1 431"), "{told}");
    let told = answer(raw(&house, b"\x16\x03\x01rubbish\r\n\r\n").await).await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_told_so() {
    let house = House::open().await;
    let all = house.as_token("all");
    let large = json!({ "name": "x".repeat(300_000) });
    let refused = all.post("/api/v1/contacts", &large).await;
    assert_eq!(refused.reason(), (413, "too-large".to_owned()));
    let request = |kind: &str, body: &'static str| {
        let request = all.request(Method::POST, "/api/v1/contacts");
        request.header("content-type", kind).body(body)
    };
    for (kind, body, reason) in [
        ("application/json", "{", (400, "unreadable")),
        ("application/json", "", (400, "unreadable")),
        ("application/json", "{\"name\": 1}", (422, "invalid")),
        (
            "application/json",
            "{\"colour\": \"red\"}",
            (422, "invalid"),
        ),
        ("text/plain", "{}", (415, "unsupported")),
        (
            "application/x-www-form-urlencoded",
            "name=x",
            (415, "unsupported"),
        ),
    ] {
        let answer = all.done(request(kind, body)).await;
        assert_eq!(
            answer.reason(),
            (reason.0, reason.1.to_owned()),
            "{kind} {body}"
        );
    }
    let told = raw(
        &house,
        format!(
            "POST /api/v1/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
            secret("all")
        )
        .as_bytes(),
    )
    .await;
    let told = answer(told).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
}

#[tokio::test]
async fn who_is_still_sending_what_is_too_large_reads_that_it_is() {
    let house = House::open().await;
    let head = format!(
        "POST /api/v1/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\nConnection: close\r\n\r\n",
        secret("all")
    );
    let mut stream = raw(&house, head.as_bytes()).await;
    stream.peek(&mut [0]).await.unwrap();
    stream.write_all(&[b'x'; 8_000_000]).await.unwrap();
    let told = answer(stream).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
}

#[tokio::test]
async fn who_waits_for_leave_to_send_too_much_gets_none() {
    let house = House::open().await;
    let head = format!(
        "POST /api/v1/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\nExpect: 100-continue\r\n\r\n",
        secret("all")
    );
    let told = answer(raw(&house, head.as_bytes()).await).await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
    assert!(!told.contains("100 Continue"), "{told}");
}

#[tokio::test]
async fn broken_multipart_and_hostile_audio_are_told_so() {
    let house = House::open().await;
    let all = house.as_token("all");
    let send = async |kind: &str, body: &str| {
        let request = all.request(Method::POST, "/api/v1/prompts");
        let request = request.header("content-type", kind).body(body.to_owned());
        all.done(request).await.reason().0
    };
    let kind = "multipart/form-data; boundary=b";
    assert_eq!(send("application/json", "{}").await, 415);
    assert_eq!(send("multipart/form-data", "--b--").await, 415);
    assert_eq!(send(kind, "--b\r\nContent-Dis").await, 400);
    assert_eq!(send(kind, "--b--\r\n").await, 422);
    let part = |name: &str, content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.wav\"\r\n\r\n{content}\r\n"
        )
    };
    let rubbish = part("file", "RIFF\u{1}\u{2}\u{3}WAVEfmt ") + &part("name", "x") + "--b--\r\n";
    let answer = send(kind, &rubbish).await;
    assert!([415, 422].contains(&answer), "{answer}");
    let other = part("colour", "red") + "--b--\r\n";
    assert_eq!(send(kind, &other).await, 422);
    for name in ["../../etc/passwd", "a/b", ""] {
        let wav = std::fs::read(house.path("prompts/brief.wav")).unwrap();
        let form = Form::new()
            .text("name", name)
            .file("a.wav", "audio/wav", &wav);
        let request = form.of(all.request(Method::POST, "/api/v1/prompts"));
        assert_eq!(
            all.done(request).await.reason(),
            (422, "name".to_owned()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn identifiers_that_are_none_name_nothing() {
    let house = House::open().await;
    let all = house.as_token("all");
    for path in [
        "/api/v1/conversations/1",
        "/api/v1/conversations/%27%20OR%201=1--",
        "/api/v1/voicemails/..%2f..%2fetc%2fpasswd/audio",
        "/api/v1/attachments/x",
        "/api/v1/contacts/%00",
        "/api/v1/prompts/..%2Fringdesk/audio",
    ] {
        assert_eq!(all.get(path).await.reason().0, 404, "{path}");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_run_nothing() {
    let house = House::open().await;
    let all = house.as_token("all");
    for path in ["/health", "/api/v1/conversations", "/api/v1/nothing"] {
        let headers = all.get(path).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(
            !headers.contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
    let headers = all.get("/api/v1/conversations").await.headers;
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn what_comes_from_outside_is_data_in_every_answer() {
    let house = House::open().await;
    let evil = "<script>alert(1)</script>\r\nX-Evil: 1'; DROP TABLE messages;--";
    house.submit("contact", "Kari", "plain").await;
    let url = format!("{}/f/contact", house.url);
    let body = json!({ "name": evil, "email": "evil@example.com", "message": evil });
    let request = house.client.post(url).json(&body);
    let sent = request
        .header("accept", "application/json")
        .send()
        .await
        .unwrap();
    assert!(sent.status().is_success());
    let all = house.as_token("all");
    let listed = crate::house::wait_for("the conversation", async || {
        let listed = all.get("/api/v1/conversations?search=alert").await;
        listed.text.contains("script").then_some(listed)
    })
    .await;
    assert_eq!(listed.headers["content-type"], "application/json");
    assert!(!listed.headers.contains_key("x-evil"));
    let listed = listed.json().await;
    let id = listed["items"][0]["id"].as_str().unwrap();
    let messages = all
        .get(&format!("/api/v1/conversations/{id}/messages"))
        .await;
    assert!(messages.text.contains("DROP TABLE"));
    for search in [
        "'; DROP TABLE messages;--",
        "\"",
        "*",
        "NEAR(a b)",
        "text:x",
    ] {
        let coded: String = search
            .bytes()
            .map(|octet| format!("%{octet:02X}"))
            .collect();
        let found = all
            .get(&format!("/api/v1/conversations?search={coded}"))
            .await;
        assert_eq!(found.status, 200, "{search}: {}", found.text);
    }
    assert_eq!(all.get("/api/v1/conversations").await.status, 200);
}

#[tokio::test]
async fn what_is_done_for_who_hangs_up_stands_in_the_audit_log_all_the_same() {
    let house = House::open().await;
    let all = house.as_token("all");
    let stays = json!({ "name": "Gone, and stays" });
    assert_eq!(all.post("/api/v1/contacts", &stays).await.status, 201);
    for n in 0..20 {
        let body = json!({ "name": format!("Gone {n}") }).to_string();
        let head = format!(
            "POST /api/v1/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            secret("all"),
            body.len()
        );
        let mut stream = raw(&house, format!("{head}{body}").as_bytes()).await;
        // Nothing more comes, and for a server that is a client that went.
        stream.shutdown().await.unwrap();
        answer(stream).await;
    }
    let contacts = all.get("/api/v1/contacts?search=gone&limit=100").await;
    let contacts = contacts.json().await["items"].as_array().unwrap().clone();
    wait_for("the audit log", async || {
        let lines = all.get("/api/v1/audit").await.json().await["items"].clone();
        let lines = lines.as_array()?.iter();
        let audited = lines.filter(|line| line["action"] == "contact.create");
        let audited: Vec<_> = audited.map(|line| line["object"].clone()).collect();
        let all_of_them = contacts.iter().all(|one| audited.contains(&one["id"]));
        all_of_them.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_is_small() {
    let house = House::open().await;
    let long = json!({ "user": "a".repeat(10_000), "password": "x" });
    let answer = house.as_nobody().post("/api/v1/session", &long).await;
    assert!(
        answer.text.contains("larger than the 8192 octets"),
        "{}",
        answer.text
    );
    assert_eq!(answer.reason(), (413, "too-large".to_owned()));
}

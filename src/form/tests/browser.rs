//! The hosted page in a real browser (Debian's chromium), where there is one.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;

use super::house::*;

const CHROMIUM: &str = "/usr/bin/chromium";

/// Chromium starts within this, also on a busy machine.
const STARTS: Duration = Duration::from_secs(90);

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A page of the browser, over the Chrome DevTools Protocol.
struct Page {
    socket: Socket,
    asked: u64,
    _browser: Child,
    _profile: tempfile::TempDir,
}

impl Page {
    async fn open(house: &House) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Command::new(CHROMIUM)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(browser.stderr.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("DevTools listening on ws://") {
                    return url.split('/').next().unwrap().to_owned();
                }
            }
            panic!("chromium ends at once");
        };
        let address = tokio::time::timeout(STARTS, listening).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let new = house
            .client
            .put(format!("http://{address}/json/new?about:blank"));
        let (_, target) = json_answer(new).await;
        let url = target["webSocketDebuggerUrl"].as_str().unwrap();
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut page = Page {
            socket,
            asked: 0,
            _browser: browser,
            _profile: profile,
        };
        for domain in ["Page.enable", "Log.enable"] {
            page.ask(domain, json!({})).await;
        }
        page
    }

    async fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.asked += 1;
        let question = json!({ "id": self.asked, "method": method, "params": parameters });
        let question = Message::text(question.to_string());
        self.socket.send(question).await.unwrap();
        self.asked
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(STARTS, self.socket.next()).await;
            if let Message::Text(text) = message.unwrap().unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, parameters).await;
        loop {
            let said = self.next().await;
            let violation = said["params"]["entry"]["text"].as_str().unwrap_or_default();
            assert!(
                !violation.contains("Content Security Policy"),
                "{violation}"
            );
            if said["id"] == id {
                return said["result"].clone();
            }
        }
    }

    /// Waits until a page has loaded after `method` was asked for.
    async fn load(&mut self, method: &str, parameters: Value) {
        self.send(method, parameters).await;
        while self.next().await["method"] != "Page.loadEventFired" {}
    }

    async fn go(&mut self, url: &str) {
        self.load("Page.navigate", json!({ "url": url })).await;
    }

    /// What an expression is in the page.
    async fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let result = self.ask("Runtime.evaluate", parameters).await;
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].clone()
    }

    /// Presses the button of the form.
    async fn press_send(&mut self) {
        let press = json!({ "expression": "document.querySelector('button').click()" });
        self.load("Runtime.evaluate", press).await;
    }
}

const FILL_IN: &str = "
    document.querySelector('[name=name]').value = 'Kari <b>';
    document.querySelector('[name=email]').value = 'kari@example.com';
    document.querySelector('[name=message]').value = 'Hello\\nfrom a browser';
    document.querySelector('[name=about]').value = 'Something <else>';
    document.querySelector('[name=call_me]').checked = true; 1";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_shown_filled_in_corrected_and_sent_in_a_browser() {
    if !std::path::Path::new(CHROMIUM).exists() {
        eprintln!("no {CHROMIUM}: not checked in a browser");
        return;
    }
    let house = open(|form| form.minimum_fill = Duration::from_secs(1_000)).await;
    let mut page = Page::open(&house).await;
    page.go(&house.url).await;
    assert_eq!(page.value("document.title").await, "Contact");
    // The style is in force, and every field has a label.
    let style = "getComputedStyle(document.querySelector('.away')).position";
    assert_eq!(page.value(style).await, "absolute");
    let labels = "[...document.querySelectorAll('.field input, textarea, select')]
        .every(field => field.labels.length === 1)";
    assert_eq!(page.value(labels).await, true);
    page.value(FILL_IN).await;
    page.press_send().await;
    // A program would have been as fast: it is asked to look once more, and nothing is lost.
    let notice = "document.querySelector('.summary p').textContent";
    let notice = page.value(notice).await;
    assert!(
        notice.as_str().unwrap().contains("press Send again"),
        "{notice}"
    );
    assert_eq!(
        page.value("document.activeElement.className").await,
        "summary"
    );
    let kept = "document.querySelector('[name=message]').value";
    assert_eq!(page.value(kept).await, "Hello\nfrom a browser");
    let token = house.token(Duration::from_secs(1_001));
    page.value(&format!(
        "document.querySelector('[name=_token]').value = '{token}'; 1"
    ))
    .await;
    page.press_send().await;
    let address = page.value("location.pathname").await;
    assert_eq!(address, "/f/contact/thanks");
    let thanks = page
        .value("document.querySelector('[role=status]').textContent")
        .await;
    assert_eq!(thanks, "Thank you.");
    let arrival = house.arrival();
    assert_eq!(arrival.message.text, "Hello\nfrom a browser");
    assert_eq!(arrival.contact.name.as_deref(), Some("Kari <b>"));
    let fields = &arrival.message.fields;
    assert_eq!(fields[2].1, "Something <else>");
    assert_eq!(fields[4].1, "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_can_be_embedded_in_another_page() {
    if !std::path::Path::new(CHROMIUM).exists() {
        eprintln!("no {CHROMIUM}: not checked in a browser");
        return;
    }
    // A site of its own, on another port and so of another origin.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = format!("http://{}", listener.local_addr().unwrap());
    let allowed = site.clone();
    let house = open(|form| form.allowed_origins = vec![allowed]).await;
    let host = house.url.replace("/f/contact", "");
    let shown = format!(
        "<!doctype html><title>Shop</title><p>Ask us:</p><script src=\"{}/embed.js\"></script>",
        house.url
    );
    let policy = format!("default-src 'none'; script-src {host}; frame-src {host}");
    let answer = move || async move {
        let policy = [("content-security-policy", policy)];
        (policy, axum::response::Html(shown))
    };
    let router = axum::Router::new().route("/", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut page = Page::open(&house).await;
    page.go(&site).await;
    assert_eq!(
        page.value("document.querySelector('iframe').title").await,
        "Contact"
    );
    // The frame has told its height, which is not the one that it had at first.
    let told = "new Promise(done => {
        const look = () => document.querySelector('iframe').height === '600'
            ? requestAnimationFrame(look) : done(document.querySelector('iframe').height);
        look();
    })";
    let parameters = json!({ "expression": told, "awaitPromise": true, "returnByValue": true });
    let height = page.ask("Runtime.evaluate", parameters).await;
    let height: f64 = height["result"]["value"].as_str().unwrap().parse().unwrap();
    assert!(height > 200.0, "{height}");
}

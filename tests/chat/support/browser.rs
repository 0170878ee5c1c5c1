//! A real browser: headless Chromium, driven over the DevTools protocol.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long anything in a browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a page is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Chromium from Debian.
const PROGRAM: &str = "/usr/bin/chromium";

/// A browser with a profile of its own; ended when dropped.
pub struct Browser {
    _child: Child,
    profile: TempDir,
}

/// One tab.
pub struct Tab {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    number: u64,
    /// What the page wrote to the console, and what its policy refused.
    pub console: Vec<String>,
}

impl Browser {
    /// Starts one.
    pub async fn start() -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(PROGRAM)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{PROGRAM}: {error}. `make tools` installs Debian's chromium")
            });
        let browser = Browser {
            _child: child,
            profile,
        };
        browser.port().await;
        browser
    }

    async fn port(&self) -> String {
        let file = self.profile.path().join("DevToolsActivePort");
        let read = || {
            fs::read_to_string(&file)
                .ok()?
                .lines()
                .next()
                .map(str::to_owned)
        };
        until("the browser", async || read()).await
    }

    /// Opens a tab at an address.
    pub async fn open(&self, url: &str) -> Tab {
        let port = self.port().await;
        let target = new_tab(&port).await;
        let address = target["webSocketDebuggerUrl"].as_str().unwrap();
        let (socket, _) = connect_async(address).await.unwrap();
        let mut tab = Tab {
            socket,
            number: 0,
            console: Vec::new(),
        };
        for domain in ["Page", "Runtime", "Log", "Accessibility", "DOM"] {
            tab.command(&format!("{domain}.enable"), json!({})).await;
        }
        tab.go(url).await;
        tab
    }
}

/// Asks the browser for a tab, over the HTTP side of its protocol.
async fn new_tab(port: &str) -> Value {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    let request = format!(
        "PUT /json/new?about:blank HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(b"}") && !answer.ends_with(b"}\n") {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

impl Tab {
    /// Goes to an address.
    pub async fn go(&mut self, url: &str) {
        self.command("Page.navigate", json!({ "url": url })).await;
        self.until("the page", "document.readyState === 'complete'")
            .await;
    }

    /// Loads the page again.
    pub async fn reload(&mut self) {
        self.run("window.isOld = true").await;
        self.command("Page.reload", json!({})).await;
        self.until(
            "the page again",
            "!window.isOld && document.readyState === 'complete'",
        )
        .await;
    }

    /// What an expression comes to.
    pub async fn run(&mut self, expression: &str) -> Value {
        let result = self
            .command(
                "Runtime.evaluate",
                json!({ "expression": expression, "returnByValue": true, "awaitPromise": true, "allowUnsafeEvalBlockedByCSP": true }),
            )
            .await;
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true, and says what it is.
    pub async fn until(&mut self, what: &str, expression: &str) -> Value {
        let waiting = async {
            let mut looks = interval(LOOK);
            loop {
                looks.tick().await;
                // While a page is being replaced there is nothing to ask.
                let result = self
                    .command(
                        "Runtime.evaluate",
                        json!({ "expression": expression, "returnByValue": true, "allowUnsafeEvalBlockedByCSP": true }),
                    )
                    .await;
                let value = &result["result"]["value"];
                if !matches!(value, Value::Null | Value::Bool(false))
                    && *value != json!(0)
                    && *value != json!("")
                {
                    return value.clone();
                }
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(value) => value,
            Err(_) => panic!(
                "{what} did not come: {expression}; console: {:?}",
                self.console
            ),
        }
    }

    /// Types a text where the focus is, key by key as a keyboard does.
    pub async fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.command(
                "Input.dispatchKeyEvent",
                json!({ "type": "char", "text": c.to_string() }),
            )
            .await;
        }
    }

    /// Presses a key: `Enter`, `Tab`, `Escape`, `Space`.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, Some("\r")),
            "Tab" => (9, None),
            "Escape" => (27, None),
            "Space" => (32, Some(" ")),
            other => panic!("no key {other}"),
        };
        let name = if key == "Space" { " " } else { key };
        let mut down = json!({ "type": "rawKeyDown", "key": name, "code": key, "windowsVirtualKeyCode": code });
        if let Some(text) = text {
            down["type"] = json!("keyDown");
            down["text"] = json!(text);
        }
        self.command("Input.dispatchKeyEvent", down).await;
        let up =
            json!({ "type": "keyUp", "key": name, "code": key, "windowsVirtualKeyCode": code });
        self.command("Input.dispatchKeyEvent", up).await;
    }

    /// What a screen reader is told: `role name`, in order, without what it skips.
    pub async fn heard(&mut self) -> Vec<String> {
        let tree = self.command("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        nodes
            .iter()
            .filter(|node| node["ignored"] == json!(false))
            .filter_map(|node| {
                let role = node["role"]["value"].as_str()?;
                let name = node["name"]["value"].as_str().unwrap_or_default();
                Some(format!("{role} {name}").trim().to_owned())
            })
            .collect()
    }

    async fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let number = self.number;
        let request = json!({ "id": number, "method": method, "params": parameters });
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .unwrap();
        let answer = async {
            loop {
                let message = self
                    .socket
                    .next()
                    .await
                    .expect("the browser is there")
                    .unwrap();
                let Message::Text(text) = message else {
                    continue;
                };
                let value: Value = serde_json::from_str(&text).unwrap();
                if value["id"] == json!(number) {
                    return value["result"].clone();
                }
                self.note(&value);
            }
        };
        timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| panic!("{method} took too long"))
    }

    fn note(&mut self, event: &Value) {
        match event["method"].as_str() {
            Some("Runtime.consoleAPICalled") => {
                let words = event["params"]["args"].to_string();
                self.console.push(words);
            }
            Some("Log.entryAdded") => {
                let words = event["params"]["entry"]["text"].to_string();
                self.console.push(words);
            }
            Some("Runtime.exceptionThrown") => {
                let words = event["params"]["exceptionDetails"].to_string();
                self.console.push(words);
            }
            Some(_) | None => {}
        }
    }
}

/// Waits until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    match timeout(PATIENCE, waiting).await {
        Ok(found) => found,
        Err(_) => panic!("{what} did not come"),
    }
}

//! A configuration with email channels, the daemon on it, and its API.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringdesk::clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How long anything here may take; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What the API is asked with: in the name of anna.
const TOKEN: &str = "test-token";

/// Waits until `found` finds something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = clock::mono() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(clock::mono() < until, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

pub struct House {
    directory: tempfile::TempDir,
    daemon: Option<Child>,
    http: u16,
    /// Certificates that the daemon's TLS trusts.
    pub trusted: Vec<PathBuf>,
}

impl House {
    /// A house whose configuration ends with this text.
    pub fn new(channels: &str) -> House {
        let directory = tempfile::tempdir().unwrap();
        // The mail server delivers as somebody else.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sip = sip.local_addr().unwrap().port();
        let media = 24_000 + u16::try_from(std::process::id() % 100).unwrap() * 40;
        let http = free_port();
        let digits: String = Sha256::digest(TOKEN)
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let config = format!(
            r#"
[sip]
listen = ["udp://127.0.0.1:{sip}"]
[media]
ports = "{media}-{}"
[store]
url = "sqlite:data/ringdesk.db"
audio = "data/audio"
[prompts]
dir = "."
[http]
listen = "127.0.0.1:{http}"
[[token]]
name = "tests"
sha256 = "{digits}"
scopes = ["read-conversations", "write-conversations"]
user = "anna"
[[user]]
name = "anna"
seat = "service"
[[team]]
name = "support"
members = ["anna"]
{channels}
"#,
            media + 39
        );
        fs::write(directory.path().join("ringdesk.toml"), config).unwrap();
        House {
            directory,
            daemon: None,
            http,
            trusted: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the daemon, and waits until it can be asked.
    pub fn start(&mut self) {
        let certificates: String = self
            .trusted
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        fs::write(self.path("trusted.pem"), certificates).unwrap();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringdesk"));
        command.args(["run", "--config"]).arg(self.directory.path());
        if !self.trusted.is_empty() {
            command.env("SSL_CERT_FILE", self.path("trusted.pem"));
        }
        let daemon = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(daemon);
        wait_for("the daemon", || {
            let port = self.http;
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// The configuration is read again.
    pub fn reload(&self) {
        let pid = self.daemon.as_ref().unwrap().id().to_string();
        let told = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(told.success());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn wait_for_log(&self, words: &str) {
        wait_for(words, || self.log().contains(words).then_some(()));
    }

    /// Asks the API; status and answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|it| it.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let start = body.find('{').unwrap_or_default();
        let end = body.rfind('}').map_or(body.len(), |it| it + 1);
        let value = serde_json::from_str(&body[start..end]).unwrap_or(Value::Null);
        (status, value)
    }

    /// All conversations, the one with the latest message first.
    pub fn conversations(&self) -> Vec<Value> {
        let (status, answer) = self.ask("GET", "/api/v1/conversations?limit=100", None);
        assert_eq!(status, 200, "{answer}");
        answer["items"].as_array().unwrap().clone()
    }

    pub fn wait_for_conversations(&self, number: usize) -> Vec<Value> {
        wait_for("a conversation", || {
            let all = self.conversations();
            (all.len() >= number).then_some(all)
        })
    }

    /// The messages of a conversation of these kinds.
    pub fn messages(&self, conversation: &str, kinds: &[&str]) -> Vec<Value> {
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let (status, answer) = self.ask("GET", &path, None);
        assert_eq!(status, 200, "{answer}");
        let all = answer["items"].as_array().unwrap().iter();
        let wanted = all.filter(|it| kinds.contains(&it["kind"].as_str().unwrap()));
        wanted.cloned().collect()
    }

    pub fn wait_for_messages(&self, conversation: &str, kind: &str, number: usize) -> Vec<Value> {
        wait_for("a message", || {
            let all = self.messages(conversation, &[kind]);
            (all.len() >= number).then_some(all)
        })
    }

    /// Replies in a conversation.
    pub fn reply(&self, conversation: &str, text: &str) {
        let path = format!("/api/v1/conversations/{conversation}/replies");
        let (status, answer) = self.ask("POST", &path, Some(json!({ "text": text })));
        assert_eq!(status, 201, "{answer}");
    }

    /// Waits until the last reply of a conversation has come this far.
    pub fn wait_for_delivery(&self, conversation: &str, delivery: &Value) {
        wait_for("the delivery", || {
            let sent = self.messages(conversation, &["sent"]);
            (sent.last()?["delivery"] == *delivery).then_some(())
        });
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

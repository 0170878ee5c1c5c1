//! A configuration with email channels, the daemon on it, and its API.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ringdesk::core::hex::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::daemon::Daemon;
use super::support::place::Place;
use super::support::plain_http::{Answer, request};
pub use super::support::wait::{PATIENCE, until as wait_for};

/// What the API is asked with: in the name of anna.
const TOKEN: &str = "test-token";

/// What the figures are asked with.
const WATCHER: &str = "watcher-token";

pub struct House {
    daemon: Daemon,
    directory: tempfile::TempDir,
    place: Place,
    /// Certificates that the daemon's TLS trusts.
    pub trusted: Vec<PathBuf>,
}

impl House {
    /// A house whose configuration ends with this text.
    pub fn new(channels: &str) -> House {
        let directory = tempfile::tempdir().unwrap();
        // The mail server delivers as somebody else.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Place::take();
        let [digits, watcher] = [TOKEN, WATCHER].map(|token| hex(&Sha256::digest(token)));
        let config = format!(
            r#"{}
[prompts]
dir = "."
[http]
listen = "127.0.0.1:{}"
[[token]]
name = "tests"
sha256 = "{digits}"
scopes = ["read-conversations", "write-conversations", "read-contacts", "write-contacts", "write-users"]
user = "anna"
[[token]]
name = "watcher"
sha256 = "{watcher}"
scopes = ["read-metrics"]
[[user]]
name = "anna"
email = "anna@example.org"
seat = "service"
[[team]]
name = "support"
members = ["anna"]
{channels}
"#,
            place.configuration(),
            place.http
        );
        fs::write(directory.path().join("ringdesk.toml"), config).unwrap();
        House {
            daemon: Daemon::on(directory.path()),
            directory,
            place,
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
        let trusted = (!self.trusted.is_empty()).then(|| self.path("trusted.pem"));
        self.daemon.start_with(|command| {
            command.envs(trusted.map(|path| ("SSL_CERT_FILE", path)));
        });
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// The configuration is read again.
    pub fn reload(&self) {
        self.daemon.reload();
    }

    pub fn log(&self) -> String {
        self.daemon.log()
    }

    pub fn wait_for_log(&self, words: &str) {
        wait_for(words, || self.log().contains(words).then_some(()));
    }

    /// Asks the API; status and answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|it| it.to_string()).unwrap_or_default();
        let answer = self.request(TOKEN, method, path, &body);
        (answer.status, answer.json())
    }

    /// The figures for Prometheus.
    pub fn figures(&self) -> String {
        let answer = self.request(WATCHER, "GET", "/metrics", "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// A visitor sends the form `contact`: status, the cookie that was set, and the answer.
    pub fn submit(&self, cookie: Option<&str>, answers: &Value) -> (u16, Option<String>, String) {
        let cookie = cookie.map(|it| ("Cookie", it));
        let answer = request(
            self.address(),
            "POST",
            "/f/contact",
            cookie.as_slice(),
            &answers.to_string(),
        );
        let set = answer.field("set-cookie");
        let set = set.map(|value| value.split(';').next().unwrap().to_owned());
        (answer.status, set, answer.body)
    }

    /// Waits until `/health` says that something works, or does not.
    pub fn wait_for_health(&self, name: &str, ok: bool) {
        wait_for(name, || {
            let (_, health) = self.ask("GET", "/health", None);
            let reasons = health["reasons"].as_array()?;
            let troubled = reasons.iter().any(|it| it["name"] == name);
            (troubled != ok).then_some(())
        });
    }

    fn request(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let token = format!("Bearer {token}");
        let fields = [("Authorization", token.as_str())];
        request(self.address(), method, path, &fields, body)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.place.http))
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

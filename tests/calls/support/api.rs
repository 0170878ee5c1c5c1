//! The daemon's API, asked by a program that acts for Anna, who is an admin in these stories.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use ringdesk::core::hex::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::wait;

const TOKEN: &str = "token-of-anna";

/// Where HTTP is taken.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
}

impl Api {
    /// An address that nobody has.
    pub fn choose() -> Api {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        Api { address }
    }

    /// What the configuration says of it.
    pub fn configuration(&self) -> String {
        let digits = hex(&Sha256::digest(TOKEN));
        format!(
            "[http]\nlisten = \"{}\"\n[[token]]\nname = \"stories\"\nsha256 = \"{digits}\"\nuser = \"anna\"\n\
             scopes = [\"read-conversations\", \"write-conversations\", \"read-users\", \"write-users\", \"read-configuration\"]\n",
            self.address
        )
    }

    /// `http://127.0.0.1:8080`
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks, and expects to be answered with a status below 300.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = wait::until("HTTP", || TcpStream::connect(self.address).ok());
        stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(status < 300, "{method} {path}: {answer}");
        // Long answers come in chunks, whose sizes stand between the lines.
        let json = body.find(['{', '[']).map_or("null", |start| {
            let end = body.rfind(['}', ']']).unwrap();
            &body[start..=end]
        });
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// The conversation that arrived in a channel, once it has.
    pub fn conversation_in(&self, channel: &str) -> Value {
        wait::until(channel, || {
            let path = format!("/api/v1/conversations?view=all&channel={channel}");
            let found = self.ask("GET", &path, None);
            found["items"].as_array().unwrap().first().cloned()
        })
    }

    /// Each candidate of the last decision about a conversation: `anna chosen`.
    pub fn trace(&self, conversation: &Value) -> Vec<String> {
        let id = conversation["id"].as_str().unwrap();
        let path = format!("/api/v1/conversations/{id}/explain");
        let explained = self.ask("GET", &path, None);
        let last = explained["decisions"].as_array().unwrap().last().unwrap();
        let steps = last["decision"]["trace"]["steps"].as_array().unwrap();
        let candidates = steps
            .iter()
            .flat_map(|it| it["candidates"].as_array().unwrap());
        candidates
            .map(|it| {
                format!(
                    "{} {}",
                    it["user"].as_str().unwrap(),
                    it["code"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// Anna answers in a conversation.
    pub fn reply(&self, conversation: &Value, text: &str) {
        let id = conversation["id"].as_str().unwrap();
        let path = format!("/api/v1/conversations/{id}/replies");
        self.ask("POST", &path, Some(&serde_json::json!({ "text": text })));
    }

    /// The messages of a conversation of this kind.
    pub fn messages(&self, conversation: &Value, kind: &str) -> Vec<Value> {
        let id = conversation["id"].as_str().unwrap();
        let found = self.ask("GET", &format!("/api/v1/conversations/{id}/messages"), None);
        let all = found["items"].as_array().unwrap().iter();
        all.filter(|it| it["kind"] == kind).cloned().collect()
    }
}

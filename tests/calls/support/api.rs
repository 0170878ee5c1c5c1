//! The daemon's API, asked by a program that acts for Anna, who is an admin in these stories.

use std::net::SocketAddr;

use ringdesk::core::hex::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::place::Place;
use super::plain_http::request;
use super::wait;

const TOKEN: &str = "token-of-anna";

/// Where HTTP is taken.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
}

impl Api {
    /// At the address of that place.
    pub fn at(place: &Place) -> Api {
        Api {
            address: place.http(),
        }
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
        let token = format!("Bearer {TOKEN}");
        let fields = [("Authorization", token.as_str())];
        let answer = request(self.address, method, path, &fields, &body);
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        answer.json()
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

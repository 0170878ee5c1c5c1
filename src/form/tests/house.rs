//! A server with one form, `contact`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::map_request;
use reqwest::{Client, RequestBuilder, Response, redirect};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::clock;
use crate::core::conversation::{
    Arrival, Author, Command, ConversationRecord, Done, MessageKind, MessageRecord, Refusal,
    RefusalKind,
};
use crate::core::id::{ConversationId, MessageId};
use crate::core::sample;
use crate::core::snapshot::{ChannelKind, FieldType, FormChannel, FormField, Kind, Snapshot};
use crate::core::time::Wall;
use crate::form::{Forms, routes};
use crate::inbox::{Asked, Door};

pub struct House {
    /// `http://127.0.0.1:4711/f/contact`
    pub url: String,
    pub client: Client,
    forms: Arc<Forms>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    directory: tempfile::TempDir,
}

/// A name, an address, a choice, a letter, a box, a file.
pub fn fields() -> Vec<FormField> {
    let field = |name: &str, label: &str, field_type, required| FormField {
        name: name.to_owned(),
        label: label.to_owned(),
        field_type,
        required,
        max_length: 200,
        choices: Vec::new(),
    };
    let mut fields = vec![
        field("name", "Your name", FieldType::Name, false),
        field("email", "Mail address", FieldType::Email, true),
        field("about", "About", FieldType::Choice, false),
        field("message", "Message", FieldType::Multiline, true),
        field("call_me", "Call me", FieldType::Checkbox, false),
        field("photo", "Photo", FieldType::File, false),
    ];
    fields[2].choices = vec!["An order".to_owned(), "Something <else>".to_owned()];
    fields[5].max_length = 100_000;
    fields
}

/// The form as `change` makes it, with an engine that takes everything in.
pub async fn open(change: impl FnOnce(&mut FormChannel)) -> House {
    open_with(change, |_| {}).await
}

/// Also with other settings of the whole configuration.
pub async fn open_with(
    change: impl FnOnce(&mut FormChannel),
    settle: impl FnOnce(&mut Snapshot),
) -> House {
    let mut channel = sample::message_channel(Kind::Form, "contact", Vec::new());
    let ChannelKind::Form(form) = &mut channel.kind else {
        panic!("a form");
    };
    form.title = "Contact".to_owned();
    form.fields = fields();
    change(form);
    let mut snapshot = sample::snapshot(Vec::new(), Vec::new(), vec![channel]);
    settle(&mut snapshot);
    let directory = tempfile::tempdir().unwrap();
    let (door, asked) = Door::new(Arc::new(snapshot), directory.path().to_owned());
    let arrivals = Arc::default();
    tokio::spawn(take_in(asked, Arc::clone(&arrivals)));
    let forms = Arc::new(Forms::new(door).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = routes(Arc::clone(&forms)).layer(map_request(read_whole));
    tokio::spawn(async move { axum::serve(listener, router).await });
    // Another test of this process may have done so.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build();
    House {
        url: format!("http://{address}/f/contact"),
        client: client.unwrap(),
        forms,
        arrivals,
        directory,
    }
}

/// As the daemon's HTTP does: a connection that is closed on what a client still sends is reset, and
/// the client may never read why it was refused.
async fn read_whole(request: Request) -> Request {
    let (parts, body) = request.into_parts();
    let octets = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Request::from_parts(parts, Body::from(octets))
}

/// An engine that keeps each message once, and refuses the word `refuse`.
async fn take_in(mut asked: mpsc::Receiver<Asked>, arrivals: Arc<Mutex<Vec<Arrival>>>) {
    let mut known: HashMap<String, (ConversationRecord, MessageRecord)> = HashMap::new();
    while let Some(Asked { command, answer }) = asked.recv().await {
        let Command::Arrived(arrival) = *command else {
            panic!("forms ask for nothing else: {command:?}");
        };
        if arrival.message.text.contains("refuse") {
            let refusal = Refusal {
                kind: RefusalKind::Busy,
                text: "no".to_owned(),
            };
            answer.send(Err(refusal)).unwrap();
            continue;
        }
        let key = arrival.message.external_id.clone();
        let before = key.as_ref().and_then(|key| known.get(key)).cloned();
        let repeated = before.is_some();
        let (conversation, message) = before.unwrap_or_else(|| kept(&arrival));
        if let (Some(key), false) = (key, repeated) {
            known.insert(key, (conversation.clone(), message.clone()));
        }
        if !repeated {
            arrivals.lock().unwrap().push(*arrival);
        }
        let done = Done::Conversation {
            conversation: Box::new(conversation),
            message: Some(Box::new(message)),
            repeated,
        };
        // A test that does not wait for the answer is over.
        let _ = answer.send(Ok(done));
    }
}

fn kept(arrival: &Arrival) -> (ConversationRecord, MessageRecord) {
    let conversation = ConversationRecord::begun(
        ConversationId(uuid::Uuid::from_u128(rand_bits())),
        Kind::Form,
        arrival.channel.clone(),
        Wall::default(),
    );
    let message = MessageRecord {
        subject: arrival.message.subject.clone(),
        text: arrival.message.text.clone(),
        fields: arrival.message.fields.clone(),
        attachments: arrival.message.attachments.clone(),
        external_id: arrival.message.external_id.clone(),
        ..MessageRecord::new(
            MessageId(uuid::Uuid::from_u128(rand_bits())),
            conversation.id,
            Wall::default(),
            MessageKind::Received,
            Author::Contact,
        )
    };
    (conversation, message)
}

fn rand_bits() -> u128 {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).unwrap();
    u128::from_le_bytes(bits)
}

impl House {
    /// What the engine has taken in.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }

    /// The only thing that it has taken in.
    pub fn arrival(&self) -> Arrival {
        let mut arrivals = self.arrivals();
        assert_eq!(arrivals.len(), 1);
        arrivals.remove(0)
    }

    /// A token of a page that was shown that long ago.
    pub fn token(&self, ago: Duration) -> String {
        let millis = i64::try_from(ago.as_millis()).unwrap();
        let shown = Wall::from_millis(clock::wall().as_millis() - millis);
        self.forms.tokens.make("contact", shown)
    }

    /// The stored files.
    pub fn files(&self) -> usize {
        fn count(directory: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .map(|entry| {
                    if entry.path().is_dir() {
                        count(&entry.path())
                    } else {
                        1
                    }
                })
                .sum()
        }
        count(self.directory.path())
    }

    pub fn attachment(&self, arrival: &Arrival) -> Vec<u8> {
        let path = self
            .forms
            .door
            .attachments()
            .path(&arrival.message.attachments[0]);
        std::fs::read(path).unwrap()
    }

    /// A request as a browser's form sends it.
    pub fn urlencoded(&self, pairs: &[(&str, &str)]) -> RequestBuilder {
        self.client
            .post(&self.url)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .form(pairs)
    }

    /// A request as a script sends it.
    pub fn json(&self, value: &serde_json::Value) -> RequestBuilder {
        self.client.post(&self.url).json(value)
    }

    /// A request as a browser's form with a file sends it.
    pub fn multipart(&self, texts: &[(&str, &str)], file: (&str, &str, &[u8])) -> RequestBuilder {
        let mut body = Vec::new();
        for (name, value) in texts {
            let part = format!(
                "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        let (field, file_name, octets) = file;
        let part = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(octets);
        body.extend_from_slice(b"\r\n--XX--\r\n");
        self.client
            .post(&self.url)
            .header("accept", "text/html")
            .header("content-type", "multipart/form-data; boundary=XX")
            .body(body)
    }
}

/// Status and text.
pub async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Status and JSON.
pub async fn json_answer(request: RequestBuilder) -> (u16, serde_json::Value) {
    let (status, text) = answer(request).await;
    (status, serde_json::from_str(&text).unwrap())
}

pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

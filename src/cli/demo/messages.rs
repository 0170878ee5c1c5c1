//! The other three kinds: a mail handed over by a mail server, a form that a browser sends, a chat.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::PATIENCE;
use super::summary::Summary;
use crate::core::conversation::ConversationRecord;
use crate::core::name::ChannelName;
use crate::core::snapshot::Secret;
use crate::outgoing::{Client, Limits, Post};
use crate::store::{ConversationQuery, Readers, Sight};

/// The way in of each of them.
pub(super) const CHANNELS: &str = r#"
[[channel]]
name = "support-mail"
kind = "email"
address = "support@example.com"
[channel.assign]
teams = ["support"]
strategy = "least-busy"

[[channel]]
name = "contact-form"
kind = "form"
minimum_fill_seconds = 0
[channel.assign]
teams = ["support"]
strategy = "least-busy"

[[channel]]
name = "website-chat"
kind = "chat"
[channel.chatflow]
greeting = "Hello! How can we help?"
[channel.assign]
teams = ["support"]
strategy = "least-busy"
"#;

/// What the demonstration needs to know of its daemon.
pub(super) struct Desk {
    /// Where HTTP is taken, `127.0.0.1:8080`.
    pub http: String,
    /// The socket where mail is handed over.
    pub lmtp: PathBuf,
    /// The bearer token of a program that acts for Anna.
    pub token: String,
    /// Where everything is kept.
    pub database: PathBuf,
    /// What is shown, for the end.
    pub summary: Summary,
}

impl Desk {
    /// Shows all three, and an answer that reaches the visitor of the chat.
    pub(super) async fn show(&self) -> anyhow::Result<()> {
        println!(
            "4. A mail to support@example.com, handed over by a mail server (LMTP). Mail, form and chat have no hours\n   here: they are given out now, whatever the clock says."
        );
        self.mail().await?;
        self.explain("support-mail").await?;

        println!("5. A form: a visitor writes to the office on its website.");
        self.form().await?;
        self.explain("contact-form").await?;

        println!("6. A chat: a visitor opens it and writes.");
        let mut chat = self.chat().await?;
        let conversation = self.explain("website-chat").await?;
        self.reply(&conversation).await?;
        let answer = hear(&mut chat, |frame| {
            frame["type"] == "message" && frame["from"] == "person"
        })
        .await?;
        println!(
            "   Anna answers over the API; the visitor reads: {}: {}\n",
            answer["name"].as_str().unwrap_or_default(),
            answer["text"].as_str().unwrap_or_default()
        );
        Ok(())
    }

    async fn mail(&self) -> anyhow::Result<()> {
        let stream = UnixStream::connect(&self.lmtp)
            .await
            .with_context(|| format!("connecting to {}", self.lmtp.display()))?;
        let mut stream = BufReader::new(stream);
        expect(&mut stream, "220").await?;
        for (line, code) in [
            ("LHLO demo", "250"),
            ("MAIL FROM:<kari@example.org>", "250"),
            ("RCPT TO:<support@example.com>", "250"),
            ("DATA", "354"),
            (MAIL, "250"),
            ("QUIT", "221"),
        ] {
            stream.write_all(line.as_bytes()).await?;
            stream.write_all(b"\r\n").await?;
            expect(&mut stream, code).await?;
        }
        Ok(())
    }

    async fn form(&self) -> anyhow::Result<()> {
        let url = format!("http://{}/f/contact-form", self.http);
        let fields = json!({
            "name": "Per Hansen",
            "email": "per@example.org",
            "message": "Please send me an offer for twelve chairs.",
        });
        self.post(&url, None, &fields).await.context("the form")
    }

    async fn chat(&self) -> anyhow::Result<Chat> {
        let stream = TcpStream::connect(&self.http).await?;
        let url = format!("ws://{}/chat/website-chat/socket", self.http);
        let (mut chat, _) = client_async(url, stream).await?;
        say(&mut chat, json!({ "type": "hello", "version": 1 })).await?;
        let welcome = hear(&mut chat, |frame| frame["type"] == "welcome").await?;
        println!(
            "   The visitor reads: {}",
            welcome["greeting"].as_str().unwrap_or_default()
        );
        let text = "Where is my parcel?";
        say(
            &mut chat,
            json!({ "type": "send", "client_id": "1", "text": text }),
        )
        .await?;
        hear(&mut chat, |frame| frame["type"] == "kept").await?;
        println!("   The visitor writes: {text}");
        Ok(chat)
    }

    async fn reply(&self, conversation: &ConversationRecord) -> anyhow::Result<()> {
        let url = format!(
            "http://{}/api/v1/conversations/{}/replies",
            self.http, conversation.id
        );
        let token = Secret(self.token.clone());
        let reply = json!({ "text": "It left our store this morning." });
        self.post(&url, Some(&token), &reply)
            .await
            .context("the reply")
    }

    async fn post(&self, url: &str, bearer: Option<&Secret>, body: &Value) -> anyhow::Result<()> {
        let client = Client::new(Limits::default())?;
        let reply = client
            .post(Post {
                url,
                allow_private: true,
                bearer,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
                within: PATIENCE,
            })
            .await?;
        let text = String::from_utf8_lossy(&reply.body);
        ensure!(reply.status < 300, "refused: {} {text}", reply.status);
        Ok(())
    }

    /// Prints why the latest conversation of a channel was given to whom, once that is stored.
    async fn explain(&self, channel: &str) -> anyhow::Result<ConversationRecord> {
        let readers = Readers::open(&self.database, 1).await?;
        let query = ConversationQuery {
            channel: Some(ChannelName::from(channel)),
            limit: 1,
            ..ConversationQuery::default()
        };
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let wait = async {
            loop {
                tick.tick().await;
                let page = readers.conversations(&Sight::Everything, &query).await?;
                if let Some(listed) = page.items.into_iter().next() {
                    return anyhow::Ok(listed.conversation);
                }
            }
        };
        let conversation = tokio::time::timeout(PATIENCE, wait)
            .await
            .with_context(|| format!("nothing arrives in {channel}"))??;
        println!("   Why (ringdesk explain {}):", conversation.id);
        let decisions = readers
            .decisions(&Sight::Everything, conversation.id)
            .await?;
        for record in decisions {
            self.summary.tell(&record);
        }
        match &conversation.assignee {
            Some(assignee) => println!("   In the inbox of: {assignee}.\n"),
            None => bail!("nobody got what arrived in {channel}"),
        }
        Ok(conversation)
    }
}

/// A mail as servers hand it over; the dot ends it.
const MAIL: &str = "From: Kari Nordmann <kari@example.org>\r\n\
To: support@example.com\r\n\
Subject: An invoice that I do not understand\r\n\
Message-ID: <demo-1@example.org>\r\n\
Date: Tue, 01 Dec 2026 10:00:00 +0100\r\n\
\r\n\
Hello, what is the second line of invoice 4711 for?\r\n\
.";

type Chat = WebSocketStream<TcpStream>;

async fn say(chat: &mut Chat, frame: Value) -> anyhow::Result<()> {
    Ok(chat.send(Message::text(frame.to_string())).await?)
}

async fn hear(chat: &mut Chat, is_wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let hearing = async {
        loop {
            let message = chat.next().await.context("the chat was closed")??;
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text)?;
                if is_wanted(&frame) {
                    return Ok(frame);
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing)
        .await
        .context("the chat says nothing")?
}

/// Reads one answer of LMTP, whose last line has a space after its code.
async fn expect(stream: &mut BufReader<UnixStream>, code: &str) -> anyhow::Result<()> {
    let reading = async {
        loop {
            let mut line = String::new();
            ensure!(stream.read_line(&mut line).await? > 0, "the daemon hung up");
            ensure!(
                line.starts_with(code),
                "the mail was refused: {}",
                line.trim()
            );
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .context("the daemon does not answer")?
}

/// The configuration of the three, and of what they need.
pub(super) fn settings(http: &str, token_sha256: &str, directory: &Path) -> String {
    let lmtp = directory.join("lmtp");
    format!(
        r#"
[http]
listen = "{http}"

[email]
lmtp = "unix:{}"

[smtp]
server = "smtp://127.0.0.1:25"
from = "support@example.com"

[[token]]
name = "demo"
sha256 = "{token_sha256}"
user = "anna"
scopes = ["read-conversations", "write-conversations"]
"#,
        lmtp.display()
    )
}

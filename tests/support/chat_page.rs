//! A visitor's page, frame by frame.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a frame may take; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Its socket.
pub struct Page(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Page {
    /// Opens the chat `channel` of `desk` (`http://127.0.0.1:8080`).
    pub async fn open(desk: &str, channel: &str) -> Page {
        Page::open_with(desk, channel, &[]).await.0
    }

    /// With these headers; the other value is the cookie that was set.
    pub async fn open_with(
        desk: &str,
        channel: &str,
        headers: &[(&'static str, &str)],
    ) -> (Page, Option<String>) {
        let desk = desk.replacen("http", "ws", 1);
        let mut request = format!("{desk}/chat/{channel}/socket")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, answer) = connect_async(request).await.unwrap();
        let cookie = answer.headers().get("set-cookie");
        let cookie = cookie.map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned());
        (Page(socket), cookie)
    }

    pub async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of this type.
    pub async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let frame = timeout(PATIENCE, self.0.next()).await.expect(kind);
            match frame.unwrap().unwrap() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == kind {
                        return frame;
                    }
                }
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// Begins as the visitor with this secret, or as somebody new, who has all messages up to
    /// `after`; what the page is welcomed with.
    pub async fn hello(&mut self, visitor: Option<&str>, after: Option<&str>) -> Value {
        self.say(json!({ "type": "hello", "version": 1, "visitor": visitor, "after": after }))
            .await;
        self.hear("welcome").await
    }

    /// Sends a message, and hears that it is kept.
    pub async fn send(&mut self, client_id: &str, text: &str) -> Value {
        self.say(json!({ "type": "send", "client_id": client_id, "text": text }))
            .await;
        self.hear("kept").await
    }

    /// The next message that is not the visitor's own.
    pub async fn answer(&mut self) -> Value {
        loop {
            let message = self.hear("message").await;
            if message["from"] != "visitor" {
                return message;
            }
        }
    }
}

//! Replies and notes: what people write into a conversation, once however often it is sent.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_axum::routes;

use super::{Answer, recall};
use crate::core::conversation::{Command, Done, MessageKind, NewMessage};
use crate::core::id::ConversationId;
use crate::core::name::ChannelName;
use crate::http::api::compose::{Composed, LARGEST_MESSAGE, Said, Text};
use crate::http::body::At;
use crate::http::routes::Routes;
use crate::http::views::{ConversationView, MessageView};
use crate::http::{App, Asker, HttpError, Needs, Problem};

pub(super) fn add(routes: Routes, write: Needs) -> Routes {
    let write = write.largest(LARGEST_MESSAGE);
    routes.add(write, routes!(reply)).add(write, routes!(note))
}

/// Replies to the other side, as JSON or as multipart/form-data with the parts `text` and `file`
/// (several). A conversation that nobody has becomes yours. With an `Idempotency-Key`, the same reply
/// is sent once.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/replies", tag = "conversations", params(("id" = String, Path)),
    request_body = Text, responses(
    (status = 201, body = Answer), (status = 200, description = "Sent before with this key", body = Answer),
    (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
))]
async fn reply(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    headers: HeaderMap,
    composed: Composed,
) -> Result<Response, HttpError> {
    let command = |message| Command::Replied {
        conversation: id,
        by: asker.actor(),
        message,
    };
    let written = Written {
        action: "conversation.reply",
        kind: MessageKind::Sent,
        conversation: id,
    };
    written.say(&app, &asker, &headers, composed, command).await
}

/// Writes a note for colleagues, as JSON or as multipart/form-data. The other side never sees it.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/notes", tag = "conversations", params(("id" = String, Path)),
    request_body = Text, responses(
    (status = 201, body = Answer), (status = 200, description = "Written before with this key", body = Answer),
    (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn note(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    headers: HeaderMap,
    composed: Composed,
) -> Result<Response, HttpError> {
    let command = |message| Command::Noted {
        conversation: id,
        by: asker.actor(),
        message,
    };
    let written = Written {
        action: "conversation.note",
        kind: MessageKind::Note,
        conversation: id,
    };
    written.say(&app, &asker, &headers, composed, command).await
}

/// A reply or a note.
struct Written {
    action: &'static str,
    kind: MessageKind,
    conversation: ConversationId,
}

impl Written {
    /// Says it once, however often it is asked for with the same key.
    async fn say(
        &self,
        app: &App,
        asker: &Asker,
        headers: &HeaderMap,
        composed: Composed,
        command: impl FnOnce(NewMessage) -> Command,
    ) -> Result<Response, HttpError> {
        let channel = recall(app, asker, self.conversation).await?.channel;
        let name = composed.name(asker, headers)?;
        let asked = composed.asked();
        if let Some(answer) = self
            .said_before(app, &channel, name.as_deref(), &asked)
            .await?
        {
            return Ok(answer);
        }
        let message = composed.store(app, name.clone()).await?;
        let attachments = message.attachments.clone();
        let done = app.services.door.ask(command(message)).await;
        let repeated = matches!(&done, Ok(Done::Conversation { repeated: true, .. }));
        if repeated || done.is_err() {
            // No message names these files.
            let stored = app.services.door.attachments().clone();
            tokio::task::spawn_blocking(move || {
                attachments.iter().for_each(|file| stored.discard(file));
            });
        }
        let answer = Answer::of(done?)?;
        if repeated {
            // Both were sent at the same time; what came of the first can be read by now.
            let first = self.said_before(app, &channel, name.as_deref(), &asked);
            return Ok(first.await?.unwrap_or_else(|| Json(answer).into_response()));
        }
        let message = answer.message.as_ref().map(|message| message.id.clone());
        let object = self.conversation.to_string();
        app.audit(asker, self.action, &object, &message.unwrap_or_default());
        Ok((StatusCode::CREATED, Json(answer)).into_response())
    }

    /// What came of it when it was sent with this key before.
    async fn said_before(
        &self,
        app: &App,
        channel: &ChannelName,
        name: Option<&str>,
        asked: &Said,
    ) -> Result<Option<Response>, HttpError> {
        let Some(name) = name else {
            return Ok(None);
        };
        let found = app.services.readers.message_named(channel, name).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let same = found.conversation.id == self.conversation
            && found.message.kind == self.kind
            && asked.is(&found.message);
        if !same {
            return Err(HttpError::Invalid(
                "This Idempotency-Key was sent with something else before. Make a new one for each request."
                    .to_owned(),
            ));
        }
        let answer = Answer {
            conversation: ConversationView::of(&found.conversation),
            message: Some(MessageView::of(&found.message)),
        };
        Ok(Some(Json(answer).into_response()))
    }
}

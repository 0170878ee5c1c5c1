//! Conversations: lists, what is in them, and what is done with them.

mod changes;
mod lists;
mod replies;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::page::{limit, parse};
use crate::core::conversation::{Command, ConversationRecord, Done, Status};
use crate::core::id::ConversationId;
use crate::core::snapshot::Scope;
use crate::http::body::{Asked, At};
use crate::http::routes::Routes;
use crate::http::views::{ConversationView, MessageView};
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::MessagePlace;
pub(super) use changes::give;

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadConversations);
    let write = Needs::scope(Scope::WriteConversations);
    let routes = lists::add(routes, read);
    let routes = routes.add(read, routes!(show)).add(read, routes!(messages));
    let routes = replies::add(routes, write);
    changes::add(routes, read, write)
}

/// A conversation in a list.
#[derive(Serialize, ToSchema)]
struct Item {
    #[serde(flatten)]
    conversation: ConversationView,
    /// Whether something was added that you have not read.
    unread: bool,
}

/// One conversation.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 200, body = Item), (status = 404, body = Problem),
))]
async fn show(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<Json<Item>, HttpError> {
    let sight = asker.sight(&app.services.door.snapshot());
    let readers = &app.services.readers;
    let found = readers.conversation_for(&sight, id, asker.user.as_ref());
    let found = found.await?.ok_or(HttpError::NotFound("conversation"))?;
    Ok(Json(Item {
        conversation: ConversationView::of(&found.conversation),
        unread: found.unread,
    }))
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those before this message.
    before: Option<String>,
    /// Those after this message.
    after: Option<String>,
    /// How many: 50, up to 100.
    limit: Option<u32>,
}

/// Messages in the order in which they came.
#[derive(Serialize, ToSchema)]
struct Messages {
    /// The messages.
    items: Vec<MessageView>,
    /// Whether there are more in the direction asked for.
    more: bool,
}

/// The messages of a conversation, the latest ones unless `before` or `after` says otherwise.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", tag = "conversations", params(("id" = String, Path), Which), responses(
    (status = 200, body = Messages), (status = 404, body = Problem),
))]
async fn messages(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Messages>, HttpError> {
    let found = seen_conversation(&app, &asker, id).await?;
    let place = match (&which.before, &which.after) {
        (None, None) => MessagePlace::Latest,
        (Some(before), None) => MessagePlace::Before(parse(before)?),
        (None, Some(after)) => MessagePlace::After(parse(after)?),
        (Some(_), Some(_)) => {
            return Err(HttpError::Invalid("Either `before` or `after`.".into()));
        }
    };
    let sight = asker.sight(&app.services.door.snapshot());
    let limit = limit(which.limit);
    let readers = &app.services.readers;
    let page = readers.messages(&sight, found.id, place, limit).await?;
    Ok(Json(Messages {
        items: page.items.iter().map(MessageView::of).collect(),
        more: page.more,
    }))
}

/// What came of it: the conversation as it is now, and the message.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// The conversation.
    conversation: ConversationView,
    /// The message that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageView>,
}

impl Answer {
    fn of(done: Done) -> Result<Answer, HttpError> {
        match done {
            Done::Conversation {
                conversation,
                message,
                ..
            } => Ok(Answer {
                conversation: ConversationView::of(&conversation),
                message: message.as_deref().map(MessageView::of),
            }),
            // It was taken in, and was deleted since.
            Done::Repeated(_) => Err(HttpError::NotFound("conversation")),
            Done::Contact(_) | Done::Nothing => Err(HttpError::Broken(
                "a command of a conversation came to something else".to_owned(),
            )),
        }
    }
}

/// The conversation, if the asker sees it.
pub(super) async fn seen_conversation(
    app: &App,
    asker: &Asker,
    id: ConversationId,
) -> Result<ConversationRecord, HttpError> {
    let sight = asker.sight(&app.services.door.snapshot());
    let found = app.services.readers.conversation(&sight, id).await?;
    found.ok_or(HttpError::NotFound("conversation"))
}

/// The conversation, if the asker sees it; the engine has it in memory afterwards, also where it is
/// closed.
pub(super) async fn recall(
    app: &App,
    asker: &Asker,
    id: ConversationId,
) -> Result<ConversationRecord, HttpError> {
    let found = seen_conversation(app, asker, id).await?;
    if found.status == Status::Closed {
        let command = Command::Recalled(Box::new(found.clone()));
        app.services.door.ask(command).await?;
    }
    Ok(found)
}

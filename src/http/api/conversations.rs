//! Conversations: lists, what is in them, and what is done with them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::compose::{Composed, LARGEST_MESSAGE, Said};
use super::page::{Listed, limit, parse, place};
use crate::clock;
use crate::core::conversation::{
    Assignee, Author, Command, ConversationRecord, Done, MessageKind, NewMessage, Status,
};
use crate::core::id::ConversationId;
use crate::core::name::ChannelName;
use crate::core::snapshot::{Kind, Scope, Snapshot, Team};
use crate::core::time::Wall;
use crate::http::body::{Asked, At, Read};
use crate::http::routes::Routes;
use crate::http::views::{ConversationView, MessageView};
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::{ConversationQuery, MessagePlace, View};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadConversations);
    let write = Needs::scope(Scope::WriteConversations);
    routes
        .add(read, routes!(list))
        .add(read, routes!(counts))
        .add(read, routes!(show))
        .add(read, routes!(messages))
        .add(write.largest(LARGEST_MESSAGE), routes!(reply))
        .add(write.largest(LARGEST_MESSAGE), routes!(note))
        .add(write, routes!(assign))
        .add(write, routes!(set_status))
        .add(write, routes!(delete))
        .add(read.person(), routes!(seen))
        .add(read.person(), routes!(unseen))
        .add(write.person(), routes!(typing))
}

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `all` (not closed; the default), `unassigned`, `mine`, `team`, `waiting`, `missed-calls`,
    /// `closed` or `everything`.
    view: Option<String>,
    /// The team, for `view=team`.
    team: Option<String>,
    /// Only `open`, `waiting` or `closed`.
    status: Option<String>,
    /// Only `call`, `email`, `form` or `chat`.
    kind: Option<String>,
    /// Only of this channel.
    channel: Option<String>,
    /// Only of this inbox.
    inbox: Option<String>,
    /// Only with this contact.
    contact: Option<String>,
    /// Only of this user.
    assignee: Option<String>,
    /// Only what you have not read.
    #[serde(default)]
    unread: bool,
    /// Only with these words in subject, contact or messages.
    search: Option<String>,
    /// Where an earlier answer's `older` goes on.
    older_than: Option<String>,
    /// Where an earlier answer's `newer` goes on.
    newer_than: Option<String>,
    /// How many: 50, up to 100.
    limit: Option<u32>,
}

/// A conversation in a list.
#[derive(Serialize, ToSchema)]
struct Item {
    #[serde(flatten)]
    conversation: ConversationView,
    /// Whether something was added that you have not read.
    unread: bool,
}

/// A word of an enum, as JSON has it.
fn word<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, HttpError> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| {
        HttpError::Invalid(format!("`{name}` is none of those there are: {error}."))
    })
}

fn view(
    name: Option<&str>,
    team: Option<&str>,
    asker: &Asker,
    snapshot: &Snapshot,
) -> Result<View, HttpError> {
    if team.is_some() && name != Some("team") {
        return Err(HttpError::Invalid("`team` goes with `view=team`.".into()));
    }
    Ok(match name.unwrap_or("all") {
        "all" => View::All,
        "unassigned" => View::Unassigned,
        "mine" => View::Mine(asker.person()?.clone()),
        "team" => {
            let team = team.ok_or_else(|| HttpError::Invalid("Say which `team`.".into()))?;
            let team = snapshot
                .team(team)
                .ok_or(HttpError::NotFound("team of that name"))?;
            of_team(team)
        }
        "waiting" => View::Waiting,
        "missed-calls" => View::MissedCalls,
        "closed" => View::Closed,
        "everything" => View::Everything,
        other => {
            return Err(HttpError::Invalid(format!(
                "There is no view {other:?}. There are: all, unassigned, mine, team, waiting, missed-calls, closed, everything."
            )));
        }
    })
}

fn of_team(team: &Team) -> View {
    View::Team(team.name.clone(), team.everybody().cloned().collect())
}

/// Conversations of the inboxes that you see, the latest message first.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "conversations", params(Filter), responses(
    (status = 200, body = Listed<Item>), (status = 422, body = Problem),
))]
async fn list(
    State(app): State<App>,
    asker: Asker,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Listed<Item>>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let view = view(
        filter.view.as_deref(),
        filter.team.as_deref(),
        &asker,
        &snapshot,
    )?;
    let status = filter.status.as_deref();
    let kind = filter.kind.as_deref();
    let query = ConversationQuery {
        view,
        status: status
            .map(|text| word::<Status>("status", text))
            .transpose()?,
        kind: kind.map(|text| word::<Kind>("kind", text)).transpose()?,
        channel: filter.channel.as_deref().map(Into::into),
        inbox: filter.inbox.as_deref().map(Into::into),
        contact: filter.contact.as_deref().map(parse).transpose()?,
        assignee: filter
            .assignee
            .as_deref()
            .map(|user| Assignee::User(user.into())),
        user: asker.user.clone(),
        unread: filter.unread,
        search: filter.search.filter(|text| !text.trim().is_empty()),
        place: place(filter.older_than.as_deref(), filter.newer_than.as_deref())?,
        limit: limit(filter.limit),
    };
    let sight = asker.sight(&snapshot);
    let page = app.services.readers.conversations(&sight, &query).await?;
    Ok(Json(Listed::of(page, |item| Item {
        conversation: ConversationView::of(&item.conversation),
        unread: item.unread,
    })))
}

/// How many conversations a view has that are not closed.
#[derive(Serialize, ToSchema)]
struct CountView {
    /// The view.
    view: String,
    /// All of them.
    total: u64,
    /// Those that you have not read.
    unread: u64,
}

/// How many conversations each view has: unassigned, mine, each of your teams, waiting, missed calls,
/// all.
#[utoipa::path(get, path = "/api/v1/conversation-counts", tag = "conversations", responses((status = 200, body = Vec<CountView>)))]
async fn counts(State(app): State<App>, asker: Asker) -> Result<Json<Vec<CountView>>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let mut names = vec!["all".to_owned(), "unassigned".to_owned()];
    let mut views = vec![View::All, View::Unassigned];
    if let Some(user) = &asker.user {
        names.push("mine".to_owned());
        views.push(View::Mine(user.clone()));
        for team in &snapshot.teams {
            if team.includes(user) {
                names.push(format!("team:{}", team.name));
                views.push(of_team(team));
            }
        }
    }
    names.extend(["waiting".to_owned(), "missed-calls".to_owned()]);
    views.extend([View::Waiting, View::MissedCalls]);
    let sight = asker.sight(&snapshot);
    let user = asker.user.as_ref();
    let counts = app.services.readers.counts(&sight, user, &views).await?;
    let counts = names
        .into_iter()
        .zip(counts)
        .map(|(view, count)| CountView {
            view,
            total: count.total,
            unread: count.unread,
        });
    Ok(Json(counts.collect()))
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

/// Replies to the other side, as JSON or as multipart/form-data with the parts `text` and `file`
/// (several). A conversation that nobody has becomes yours. With an `Idempotency-Key`, the same reply
/// is sent once.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/replies", tag = "conversations", params(("id" = String, Path)),
    request_body = super::compose::Text, responses(
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
    request_body = super::compose::Text, responses(
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

/// To whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct To {
    /// `{"user":"anna"}`, `{"team":"support"}`, or `null` for nobody.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "present")]
    to: Option<Assignee>,
}

/// `null` must be written: leaving it out says nothing.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Assignee>, D::Error> {
    Option::deserialize(from)
}

/// Gives a conversation to a user, a team, or nobody.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/assign", tag = "conversations", params(("id" = String, Path)), request_body = To, responses(
    (status = 200, body = Answer), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem),
))]
async fn assign(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Read(to): Read<To>,
) -> Result<Json<Answer>, HttpError> {
    give(&app, &asker, id, to.to).await.map(Json)
}

/// Gives a conversation to somebody, or to nobody.
pub(super) async fn give(
    app: &App,
    asker: &Asker,
    id: ConversationId,
    to: Option<Assignee>,
) -> Result<Answer, HttpError> {
    recall(app, asker, id).await?;
    let told = to.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let command = Command::Assigned {
        conversation: id,
        by: asker.actor(),
        to,
    };
    let done = app.services.door.ask(command).await?;
    app.audit(asker, "conversation.assign", &id.to_string(), &told);
    Answer::of(done)
}

/// To what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `open`, `waiting` or `closed`.
    #[schema(value_type = String)]
    status: Status,
}

/// Opens a conversation, lets it wait, or closes it.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/status", tag = "conversations", params(("id" = String, Path)), request_body = Change, responses(
    (status = 200, body = Answer), (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn set_status(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Read(change): Read<Change>,
) -> Result<Json<Answer>, HttpError> {
    recall(&app, &asker, id).await?;
    let command = Command::StatusChanged {
        conversation: id,
        by: asker.actor(),
        status: change.status,
    };
    let done = app.services.door.ask(command).await?;
    let status = format!("{:?}", change.status).to_lowercase();
    app.audit(&asker, "conversation.status", &id.to_string(), &status);
    Answer::of(done).map(Json)
}

/// Deletes a conversation with all that is in it.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 204, description = "Deleted"), (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn delete(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<StatusCode, HttpError> {
    let found = recall(&app, &asker, id).await?;
    let command = Command::Deleted {
        conversation: id,
        by: asker.actor(),
    };
    app.services.door.ask(command).await?;
    let channel = format!("of {}", found.channel);
    app.audit(&asker, "conversation.delete", &id.to_string(), &channel);
    Ok(StatusCode::NO_CONTENT)
}

/// Until when.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Until {
    /// RFC 3339; otherwise until now.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    until: Option<Wall>,
}

/// Marks a conversation as read by you.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/seen", tag = "conversations", params(("id" = String, Path)), request_body = Until, responses(
    (status = 204, description = "Marked"), (status = 404, body = Problem),
))]
async fn seen(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
    Read(until): Read<Until>,
) -> Result<StatusCode, HttpError> {
    recall(&app, &asker, id).await?;
    let now = clock::wall();
    let command = Command::Seen {
        conversation: id,
        user: asker.person()?.clone(),
        at: until.until.unwrap_or(now).min(now),
    };
    app.services.door.ask(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Marks a conversation as not read by you.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/seen", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 204, description = "Marked"), (status = 404, body = Problem),
))]
async fn unseen(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<StatusCode, HttpError> {
    recall(&app, &asker, id).await?;
    let command = Command::Unseen {
        conversation: id,
        user: asker.person()?.clone(),
    };
    app.services.door.ask(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells that you are writing just now.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/typing", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 204, description = "Told"), (status = 404, body = Problem),
))]
async fn typing(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ConversationId>,
) -> Result<StatusCode, HttpError> {
    seen_conversation(&app, &asker, id).await?;
    let command = Command::Typing {
        conversation: id,
        author: Author::User(asker.person()?.clone()),
    };
    app.services.door.ask(command).await?;
    Ok(StatusCode::NO_CONTENT)
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

//! Voicemails: listed, listened to, given to somebody, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::conversations::{Answer, give, recall};
use super::page::{Listed, limit, parse, place};
use crate::clock;
use crate::core::conversation::permission::{Act, may};
use crate::core::conversation::{Assignee, Command};
use crate::core::id::{MessageId, VoicemailId};
use crate::core::record::{HeardRecord, Record};
use crate::core::snapshot::Scope;
use crate::core::time::Wall;
use crate::http::body::{Asked, At, Read};
use crate::http::files::{self, Answered};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::{ListedVoicemail, VoicemailQuery};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadConversations);
    let write = Needs::scope(Scope::WriteConversations);
    routes
        .add(read, routes!(list))
        .add(read, routes!(show))
        .add(read, routes!(audio))
        .add(write, routes!(heard))
        .add(write, routes!(assign))
        .add(write, routes!(delete))
}

/// A recorded message.
#[derive(Serialize, ToSchema)]
struct VoicemailView {
    /// Its identifier.
    id: String,
    /// The conversation that it is in.
    conversation: String,
    /// The call.
    call: String,
    /// The channel.
    channel: String,
    /// The caller's number, if shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The caller's name, if shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    /// When the beep sounded.
    #[schema(value_type = String)]
    at: Wall,
    /// Length; absent while it is being recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// Who listened first; absent: it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<Wall>,
}

impl VoicemailView {
    fn of(listed: ListedVoicemail) -> VoicemailView {
        let record = listed.voicemail;
        VoicemailView {
            id: record.id.to_string(),
            conversation: record.conversation.to_string(),
            call: record.call.to_string(),
            channel: record.channel.to_string(),
            from: record.from.as_ref().map(ToString::to_string),
            from_name: record.from_name,
            at: record.began,
            seconds: record.seconds,
            heard: listed.heard.as_ref().map(|heard| heard.at),
            heard_by: listed.heard.map(|heard| heard.by),
        }
    }
}

/// Which voicemails.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this channel.
    channel: Option<String>,
    /// Only of this conversation.
    conversation: Option<String>,
    /// Only those that somebody (`true`) or nobody (`false`) has listened to.
    heard: Option<bool>,
    /// Where an earlier answer's `older` goes on.
    older_than: Option<String>,
    /// Where an earlier answer's `newer` goes on.
    newer_than: Option<String>,
    /// How many: 50, up to 100.
    limit: Option<u32>,
}

/// Voicemails of the inboxes that you see, the latest first.
#[utoipa::path(get, path = "/api/v1/voicemails", tag = "voicemails", params(Filter), responses(
    (status = 200, body = Listed<VoicemailView>), (status = 422, body = Problem),
))]
async fn list(
    State(app): State<App>,
    asker: Asker,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Listed<VoicemailView>>, HttpError> {
    let query = VoicemailQuery {
        channel: filter.channel.as_deref().map(Into::into),
        conversation: filter.conversation.as_deref().map(parse).transpose()?,
        heard: filter.heard,
        place: place(filter.older_than.as_deref(), filter.newer_than.as_deref())?,
        limit: limit(filter.limit),
    };
    let sight = asker.sight(&app.services.door.snapshot());
    let page = app.services.readers.voicemails(&sight, &query).await?;
    Ok(Json(Listed::of(page, VoicemailView::of)))
}

/// One voicemail.
#[utoipa::path(get, path = "/api/v1/voicemails/{id}", tag = "voicemails", params(("id" = String, Path)), responses(
    (status = 200, body = VoicemailView), (status = 404, body = Problem),
))]
async fn show(
    State(app): State<App>,
    asker: Asker,
    At(id): At<VoicemailId>,
) -> Result<Json<VoicemailView>, HttpError> {
    let found = seen(&app, &asker, id).await?;
    Ok(Json(VoicemailView::of(found)))
}

/// The recording as a WAV file: 8 kHz, mono, 16 bit. Takes Range and If-Range.
#[utoipa::path(get, path = "/api/v1/voicemails/{id}/audio", tag = "voicemails", params(("id" = String, Path)), responses(
    (status = 200, description = "audio/wav"), (status = 206, description = "A part of it"),
    (status = 404, body = Problem), (status = 409, description = "It is being recorded", body = Problem),
    (status = 416, body = Problem),
))]
async fn audio(
    State(app): State<App>,
    asker: Asker,
    At(id): At<VoicemailId>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let found = seen(&app, &asker, id).await?.voicemail;
    if found.seconds.is_none() {
        return Err(HttpError::Conflict(
            "The caller is speaking still. Come back when it is recorded.".to_owned(),
        ));
    }
    let audio = &app.services.door.snapshot().settings.store.audio;
    let answered = Answered {
        content_type: "audio/wav",
        save_as: None,
        tag: id.to_string(),
    };
    files::file(&audio.join(&found.file), answered, &headers).await
}

/// Whether it was listened to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct IsHeard {
    /// `false`: it counts as new again.
    heard: bool,
}

/// Marks a voicemail as listened to, or as new again.
#[utoipa::path(post, path = "/api/v1/voicemails/{id}/heard", tag = "voicemails", params(("id" = String, Path)), request_body = IsHeard, responses(
    (status = 200, body = VoicemailView), (status = 404, body = Problem),
))]
async fn heard(
    State(app): State<App>,
    asker: Asker,
    At(id): At<VoicemailId>,
    Read(is): Read<IsHeard>,
) -> Result<Json<VoicemailView>, HttpError> {
    let found = seen(&app, &asker, id).await?;
    if is.heard == found.heard.is_some() {
        return Ok(Json(VoicemailView::of(found)));
    }
    let record = Record::Heard(HeardRecord {
        voicemail: id,
        by: asker.name.clone(),
        at: is.heard.then(clock::wall),
    });
    app.services.keep_and_wait(record).await?;
    let told = if is.heard { "heard" } else { "new" };
    app.audit(&asker, "voicemail.heard", &id.to_string(), told);
    let found = seen(&app, &asker, id).await?;
    Ok(Json(VoicemailView::of(found)))
}

/// To whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct To {
    /// `{"user":"anna"}`, `{"team":"support"}`, or `null` for nobody.
    #[schema(value_type = Option<Object>)]
    to: Option<Assignee>,
}

/// Gives the conversation of a voicemail to a user, a team, or nobody.
#[utoipa::path(post, path = "/api/v1/voicemails/{id}/assign", tag = "voicemails", params(("id" = String, Path)), request_body = To, responses(
    (status = 200, body = Answer), (status = 403, body = Problem), (status = 404, body = Problem),
))]
async fn assign(
    State(app): State<App>,
    asker: Asker,
    At(id): At<VoicemailId>,
    Read(to): Read<To>,
) -> Result<Json<Answer>, HttpError> {
    let found = seen(&app, &asker, id).await?.voicemail;
    give(&app, &asker, found.conversation, to.to)
        .await
        .map(Json)
}

/// Deletes a voicemail with its recording. The call stays in its conversation, which says who did it.
#[utoipa::path(delete, path = "/api/v1/voicemails/{id}", tag = "voicemails", params(("id" = String, Path)), responses(
    (status = 204, description = "Deleted"), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
))]
async fn delete(
    State(app): State<App>,
    asker: Asker,
    At(id): At<VoicemailId>,
) -> Result<StatusCode, HttpError> {
    let found = seen(&app, &asker, id).await?.voicemail;
    let snapshot = app.services.door.snapshot();
    let conversation = recall(&app, &asker, found.conversation).await?;
    may(&snapshot, &asker.actor(), &conversation, Act::Delete)?;
    if found.seconds.is_none() {
        return Err(HttpError::Conflict(
            "The caller is speaking still. Come back when it is recorded.".to_owned(),
        ));
    }
    let sight = asker.sight(&snapshot);
    let message = MessageId(found.call.0);
    let message = app.services.readers.message(&sight, message).await?;
    let command = Command::VoicemailDeleted {
        voicemail: Box::new(found.clone()),
        message: message.map(|found| Box::new(found.message)),
        by: asker.actor(),
    };
    app.services.door.ask(command).await?;
    let audio = snapshot.settings.store.audio.join(&found.file);
    app.blocking(move |_| {
        for file in [audio.with_extension("json"), audio] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let file = file.display();
                    return Err(HttpError::Broken(format!("{file} stays: {error}")));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    })
    .await?;
    app.audit(&asker, "voicemail.delete", &id.to_string(), "");
    Ok(StatusCode::NO_CONTENT)
}

/// The voicemail, if the asker sees it and it is kept.
async fn seen(app: &App, asker: &Asker, id: VoicemailId) -> Result<ListedVoicemail, HttpError> {
    let sight = asker.sight(&app.services.door.snapshot());
    let found = app.services.readers.voicemail(&sight, id).await?;
    found
        .filter(|found| found.voicemail.kept || found.voicemail.seconds.is_none())
        .ok_or(HttpError::NotFound("voicemail"))
}

//! Prompts: uploaded, listened to, replaced, deleted. What has changed is in force for the next call.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::core::hex::hex;
use crate::core::snapshot::Scope;
use crate::http::body::{Asked, At, Parts};
use crate::http::files::{self, Answered};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem, Reloaded};
use crate::media::command::Codec;
use crate::media::prompt::upload::{self, Checked, MOST_UPLOADED};
use crate::media::prompt::{Existing, Library, LibraryError, Prompt, PromptError, Report};

/// A multipart body: the file, and a little around it.
const LARGEST_BODY: usize = MOST_UPLOADED + 64 * 1024;

/// How long an upload waits for its turn to be decoded, each of which takes some seconds.
const TURN: Duration = Duration::from_secs(30);

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadConfiguration);
    let write = Needs::scope(Scope::WriteConfiguration).admin();
    routes
        .add(read, routes!(list))
        .add(read, routes!(show))
        .add(read, routes!(audio))
        .add(read, routes!(preview))
        .add(read, routes!(original))
        .add(write.largest(LARGEST_BODY), routes!(upload_new))
        .add(write.largest(LARGEST_BODY), routes!(check))
        .add(write.largest(LARGEST_BODY), routes!(replace))
        .add(write, routes!(delete))
}

impl From<LibraryError> for HttpError {
    fn from(error: LibraryError) -> HttpError {
        HttpError::Elsewhere {
            status: error.status(),
            reason: error.code(),
            text: error.to_string(),
        }
    }
}

impl From<PromptError> for HttpError {
    fn from(error: PromptError) -> HttpError {
        HttpError::Elsewhere {
            status: error.status(),
            reason: error.code(),
            text: format!("The file {error}."),
        }
    }
}

/// What came of a change.
#[derive(Serialize, ToSchema)]
struct Changed {
    /// The prompt; absent: it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<Prompt>,
    /// The reload that puts the change in force for the next call. Where it has errors, callers go on
    /// hearing what they did.
    reload: Reloaded,
}

/// Every prompt: uploaded, configured, and those that come with the program.
#[utoipa::path(get, path = "/api/v1/prompts", tag = "prompts", responses((status = 200, body = Vec<Prompt>)))]
async fn list(State(app): State<App>) -> Result<Json<Vec<Prompt>>, HttpError> {
    let prompts = app.blocking(|app| {
        let snapshot = app.services.door.snapshot();
        Ok(Library::open(&snapshot).list())
    });
    prompts.await.map(Json)
}

/// One prompt: length, loudness, clipping, silence at both ends, what uses it.
#[utoipa::path(get, path = "/api/v1/prompts/{name}", tag = "prompts", params(("name" = String, Path)), responses(
    (status = 200, body = Prompt), (status = 404, body = Problem),
))]
async fn show(State(app): State<App>, At(name): At<String>) -> Result<Json<Prompt>, HttpError> {
    let prompt = app.blocking(move |app| {
        let snapshot = app.services.door.snapshot();
        Ok(Library::open(&snapshot).show(&name)?)
    });
    prompt.await.map(Json)
}

/// The prompt as a WAV file: 8 kHz, mono, 16 bit. Takes Range.
#[utoipa::path(get, path = "/api/v1/prompts/{name}/audio", tag = "prompts", params(("name" = String, Path)), responses(
    (status = 200, description = "audio/wav"), (status = 206, description = "A part of it"), (status = 404, body = Problem),
))]
async fn audio(
    State(app): State<App>,
    At(name): At<String>,
    asked: HeaderMap,
) -> Result<Response, HttpError> {
    let octets = app.blocking(move |app| {
        let snapshot = app.services.door.snapshot();
        Ok(Library::open(&snapshot).audio(&name)?)
    });
    wav(octets.await?, &asked)
}

/// Which codec a preview goes through.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Through {
    /// `pcma` (Europe) or `pcmu` (North America, Japan); otherwise `pcma`.
    codec: Option<String>,
}

impl Through {
    fn codec(&self) -> Result<Codec, HttpError> {
        match self.codec.as_deref() {
            None | Some("pcma") => Ok(Codec::Pcma),
            Some("pcmu") => Ok(Codec::Pcmu),
            Some(other) => Err(HttpError::Invalid(format!(
                "There is no codec {other:?}: `pcma` or `pcmu`."
            ))),
        }
    }
}

/// The prompt as callers hear it, through G.711, as a WAV file.
#[utoipa::path(get, path = "/api/v1/prompts/{name}/preview", tag = "prompts", params(("name" = String, Path), Through), responses(
    (status = 200, description = "audio/wav"), (status = 206, description = "A part of it"), (status = 404, body = Problem),
))]
async fn preview(
    State(app): State<App>,
    At(name): At<String>,
    Asked(through): Asked<Through>,
    asked: HeaderMap,
) -> Result<Response, HttpError> {
    let codec = through.codec()?;
    let octets = app.blocking(move |app| {
        let snapshot = app.services.door.snapshot();
        Ok(Library::open(&snapshot).preview(&name, codec)?)
    });
    wav(octets.await?, &asked)
}

/// What was uploaded, as it was sent.
#[utoipa::path(get, path = "/api/v1/prompts/{name}/original", tag = "prompts", params(("name" = String, Path)), responses(
    (status = 200, description = "The file"), (status = 404, body = Problem),
))]
async fn original(
    State(app): State<App>,
    At(name): At<String>,
    asked: HeaderMap,
) -> Result<Response, HttpError> {
    let found = app.blocking(move |app| {
        let snapshot = app.services.door.snapshot();
        Ok(Library::open(&snapshot).original(&name)?)
    });
    let (format, file_name, octets) = found.await?;
    let file_name = crate::inbox::clean_file_name(&file_name);
    let answered = Answered {
        content_type: format.media_type(),
        save_as: Some(&file_name),
        tag: tag_of(&octets),
    };
    files::octets(octets, &answered, &asked)
}

/// Uploads a prompt: the parts `name` and `file` (WAV, MP3, FLAC or Ogg Vorbis, up to 10 MB and 5
/// minutes). It is in force for the next call.
#[utoipa::path(post, path = "/api/v1/prompts", tag = "prompts",
    request_body(content = NewPrompt, content_type = "multipart/form-data"), responses(
    (status = 201, body = Changed), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 415, body = Problem), (status = 422, body = Problem),
))]
async fn upload_new(
    State(app): State<App>,
    asker: Asker,
    Parts(form): Parts,
) -> Result<Response, HttpError> {
    let form = Form::read(form).await?;
    let name = form.name.ok_or_else(|| missing("name"))?;
    let changed = store(&app, &asker, name, form.file, Existing::Keep).await?;
    Ok((StatusCode::CREATED, Json(changed)).into_response())
}

/// Puts another file in the place of a prompt: the part `file`. The next call hears it; a call that
/// plays the old one goes on with that.
#[utoipa::path(put, path = "/api/v1/prompts/{name}", tag = "prompts", params(("name" = String, Path)),
    request_body(content = File, content_type = "multipart/form-data"), responses(
    (status = 200, body = Changed), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
))]
async fn replace(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
    Parts(form): Parts,
) -> Result<Json<Changed>, HttpError> {
    let form = Form::read(form).await?;
    let changed = store(&app, &asker, name, form.file, Existing::Replace).await?;
    Ok(Json(changed))
}

/// Looks at a file without storing it: the part `file`.
#[utoipa::path(post, path = "/api/v1/prompt-check", tag = "prompts",
    request_body(content = File, content_type = "multipart/form-data"), responses(
    (status = 200, body = Report), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
))]
async fn check(State(app): State<App>, Parts(form): Parts) -> Result<Json<Report>, HttpError> {
    let form = Form::read(form).await?;
    let checked = checked(&app, form.file).await?;
    Ok(Json(checked.report))
}

/// Deletes a prompt. Refused while a rule uses it.
#[utoipa::path(delete, path = "/api/v1/prompts/{name}", tag = "prompts", params(("name" = String, Path)), responses(
    (status = 200, body = Changed), (status = 404, body = Problem), (status = 409, body = Problem),
))]
async fn delete(
    State(app): State<App>,
    asker: Asker,
    At(name): At<String>,
) -> Result<Json<Changed>, HttpError> {
    let deleted = name.clone();
    app.blocking(move |app| {
        let snapshot = app.services.door.snapshot();
        Ok(Library::open(&snapshot).delete(&deleted)?)
    })
    .await?;
    app.audit(&asker, "prompt.delete", &name, "");
    let reload = app.services.reload().await?;
    Ok(Json(Changed {
        prompt: None,
        reload,
    }))
}

/// The parts of an upload, for the description: they are read one by one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields describe parts")]
struct NewPrompt {
    /// The name that rules use.
    name: String,
    /// WAV, MP3, FLAC or Ogg Vorbis.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// The same without a name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields describe parts")]
struct File {
    /// WAV, MP3, FLAC or Ogg Vorbis.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// A file with the name it was sent with.
struct Sent {
    octets: Bytes,
    file_name: String,
}

/// A multipart form.
struct Form {
    name: Option<String>,
    file: Sent,
}

impl Form {
    async fn read(mut parts: Multipart) -> Result<Form, HttpError> {
        let (mut name, mut file) = (None, None);
        while let Some(field) = parts.next_field().await.map_err(HttpError::of_multipart)? {
            match field.name() {
                Some("name") if name.is_none() => {
                    name = Some(field.text().await.map_err(HttpError::of_multipart)?);
                }
                Some("file") if file.is_none() => {
                    let file_name = field.file_name().unwrap_or_default().to_owned();
                    let octets = field.bytes().await.map_err(HttpError::of_multipart)?;
                    file = Some(Sent { octets, file_name });
                }
                other => {
                    return Err(HttpError::Invalid(format!(
                        "The part {:?} is one too many: `name` and `file` are taken, once each.",
                        other.unwrap_or_default()
                    )));
                }
            }
        }
        let file = file.ok_or_else(|| missing("file"))?;
        Ok(Form { name, file })
    }
}

fn missing(part: &str) -> HttpError {
    HttpError::Invalid(format!("The part `{part}` is missing."))
}

async fn checked(app: &App, file: Sent) -> Result<Checked, HttpError> {
    let busy = || HttpError::Busy("Other uploads are being decoded. Try again.".to_owned());
    let turn = tokio::time::timeout(TURN, app.decoding.acquire()).await;
    let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    app.blocking(move |_| Ok(upload::check(file.octets, &file.file_name)?))
        .await
}

async fn store(
    app: &App,
    asker: &Asker,
    name: String,
    file: Sent,
    existing: Existing,
) -> Result<Changed, HttpError> {
    let checked = checked(app, file).await?;
    let stored = name.clone();
    let prompt = app.blocking(move |app| {
        let snapshot = app.services.door.snapshot();
        let library = Library::open(&snapshot);
        if existing == Existing::Replace {
            library.show(&stored)?;
        }
        Ok(library.add(&stored, &checked, existing)?)
    });
    let prompt = prompt.await?;
    let action = match existing {
        Existing::Keep => "prompt.add",
        Existing::Replace => "prompt.replace",
    };
    let original = prompt.original.clone().unwrap_or_default();
    app.audit(asker, action, &name, &original);
    let reload = app.services.reload().await?;
    Ok(Changed {
        prompt: Some(prompt),
        reload,
    })
}

fn wav(octets: Vec<u8>, asked: &HeaderMap) -> Result<Response, HttpError> {
    let answered = Answered {
        content_type: "audio/wav",
        save_as: None,
        tag: tag_of(&octets),
    };
    files::octets(Bytes::from(octets), &answered, asked)
}

fn tag_of(octets: &[u8]) -> String {
    let digest = hex(&Sha256::digest(octets));
    digest.chars().take(32).collect()
}

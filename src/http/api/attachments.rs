//! Files of messages. They come from outside: offered for saving, never shown or run here.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use utoipa_axum::routes;

use crate::core::id::AttachmentId;
use crate::core::snapshot::Scope;
use crate::http::body::At;
use crate::http::files::{self, Answered};
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};

/// Media types that are told as they came; whatever else came is octets.
const TOLD: [&str; 9] = [
    "application/pdf",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
];

pub(super) fn add(routes: Routes) -> Routes {
    routes.add(Needs::scope(Scope::ReadConversations), routes!(download))
}

/// A file of a message, for saving. Takes Range.
#[utoipa::path(get, path = "/api/v1/attachments/{id}", tag = "conversations", params(("id" = String, Path)), responses(
    (status = 200, description = "The file"), (status = 206, description = "A part of it"), (status = 404, body = Problem),
))]
async fn download(
    State(app): State<App>,
    asker: Asker,
    At(id): At<AttachmentId>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let sight = asker.sight(&app.services.door.snapshot());
    let found = app.services.readers.attachment(&sight, id).await?;
    let file = found.ok_or(HttpError::NotFound("file"))?.attachment;
    let told = TOLD.iter().find(|told| **told == file.content_type);
    let answered = Answered {
        content_type: told.unwrap_or(&"application/octet-stream"),
        save_as: Some(&file.file_name),
        tag: id.to_string(),
    };
    let path = app.services.door.attachments().path(&file);
    files::file(&path, answered, &headers).await
}

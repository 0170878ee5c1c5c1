//! What people write: text, and files with it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::core::conversation::{MessageRecord, NewMessage};
use crate::core::text::{LARGEST_TEXT, clean_text};
use crate::http::body::{Parts, Read};
use crate::http::{App, Asker, HttpError};
use crate::inbox::{AttachmentError, LARGEST_ATTACHMENT};

/// Files of one message.
const FILES: usize = 10;

/// The longest text, in octets: a long letter, many times.
const LONGEST_TEXT: usize = 200_000;

/// The largest message with its files, in octets.
pub(super) const LARGEST_MESSAGE: usize = 2 * LARGEST_ATTACHMENT;

/// The longest idempotency key, in characters.
const LONGEST_KEY: usize = 100;

/// A message as JSON.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    /// The text.
    text: String,
    /// A subject, for mail; otherwise the conversation's.
    #[serde(default)]
    subject: Option<String>,
}

/// A message that somebody has written.
pub(super) struct Composed {
    text: String,
    subject: Option<String>,
    files: Vec<File>,
}

struct File {
    name: String,
    content_type: String,
    octets: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Composed {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Composed, HttpError> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let composed = if kind.starts_with("multipart/form-data") {
            let Parts(parts) = Parts::from_request(request, state).await?;
            Composed::read(parts).await?
        } else {
            let Read(text) = Read::<Text>::from_request(request, state).await?;
            Composed {
                text: text.text,
                subject: text.subject,
                files: Vec::new(),
            }
        };
        if composed.text.trim().is_empty() && composed.files.is_empty() {
            return Err(HttpError::Invalid(
                "The message is empty: write a text, or send a file.".to_owned(),
            ));
        }
        if composed.text.len() > LONGEST_TEXT {
            return Err(HttpError::TooLarge(format!(
                "The text is longer than {LONGEST_TEXT} octets: send it as a file."
            )));
        }
        Ok(composed)
    }
}

impl Composed {
    async fn read(mut parts: Multipart) -> Result<Composed, HttpError> {
        let mut composed = Composed {
            text: String::new(),
            subject: None,
            files: Vec::new(),
        };
        while let Some(field) = parts.next_field().await.map_err(HttpError::of_multipart)? {
            match field.name() {
                Some("text") => {
                    composed.text = field.text().await.map_err(HttpError::of_multipart)?;
                }
                Some("subject") => {
                    let subject = field.text().await.map_err(HttpError::of_multipart)?;
                    composed.subject = Some(subject);
                }
                Some("file") if composed.files.len() < FILES => {
                    let name = field.file_name().unwrap_or_default().to_owned();
                    let content_type = field.content_type().unwrap_or_default().to_owned();
                    let octets = field.bytes().await.map_err(HttpError::of_multipart)?;
                    composed.files.push(File {
                        name,
                        content_type,
                        octets,
                    });
                }
                Some("file") => {
                    return Err(HttpError::Invalid(format!(
                        "A message has {FILES} files at most."
                    )));
                }
                other => {
                    return Err(HttpError::Invalid(format!(
                        "There is no part {:?}: `text`, `subject` and `file` are taken.",
                        other.unwrap_or_default()
                    )));
                }
            }
        }
        Ok(composed)
    }

    /// What is asked for, to be compared with what was said before.
    pub fn asked(&self) -> Said {
        Said {
            text: clean_text(&self.text, LARGEST_TEXT),
            files: self
                .files
                .iter()
                .map(|file| file.octets.len() as u64)
                .collect(),
        }
    }

    /// What the message is called, where the client gave it a key.
    pub fn name(&self, asker: &Asker, headers: &HeaderMap) -> Result<Option<String>, HttpError> {
        Ok(key(headers)?.map(|key| format!("api:{}:{key}", asker.name)))
    }

    /// The message with its files on the disk.
    pub async fn store(self, app: &App, name: Option<String>) -> Result<NewMessage, HttpError> {
        let files = self.files;
        let attachments = app.blocking(move |app| {
            let stored = app.services.door.attachments();
            let mut attachments = Vec::with_capacity(files.len());
            for file in files {
                match stored.store(&file.name, &file.content_type, None, &file.octets) {
                    Ok(attachment) => attachments.push(attachment),
                    Err(error) => {
                        attachments.iter().for_each(|one| stored.discard(one));
                        return Err(error.into());
                    }
                }
            }
            Ok(attachments)
        });
        Ok(NewMessage {
            subject: self.subject,
            text: self.text,
            attachments: attachments.await?,
            external_id: name,
            ..NewMessage::default()
        })
    }
}

/// What somebody has written, as it is kept: its text, and how large its files are.
pub(super) struct Said {
    text: String,
    files: Vec<u64>,
}

impl Said {
    /// Whether a message that is kept says this.
    pub fn is(&self, message: &MessageRecord) -> bool {
        let files = message.attachments.iter().map(|file| file.size);
        self.text == message.text && self.files.iter().copied().eq(files)
    }
}

impl From<AttachmentError> for HttpError {
    fn from(error: AttachmentError) -> HttpError {
        match error {
            AttachmentError::TooLarge { .. } => HttpError::TooLarge(format!("{error}.")),
            AttachmentError::Disk { .. } => HttpError::Broken(error.to_string()),
        }
    }
}

/// The key by which a client repeats a request without doing it twice.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, HttpError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default().trim();
    let fits = (1..=LONGEST_KEY).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic());
    match fits {
        true => Ok(Some(key.to_owned())),
        false => Err(HttpError::Invalid(format!(
            "An Idempotency-Key has 1 to {LONGEST_KEY} visible characters of ASCII."
        ))),
    }
}

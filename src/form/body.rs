//! Reading what was sent: urlencoded (WHATWG URL), multipart (RFC 7578) or JSON (RFC 8259).

use std::fmt;

use axum::body::{Body, to_bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::core::snapshot::{FieldType, FormChannel};

use super::LARGEST_SUBMISSION;
use super::answer::FormError;
use super::fill::{Sent, Upload};

/// The most names that one submission may have, asked for or not: forms have 50 fields at most.
const MOST_NAMES: usize = 200;

/// Octets that a character may take when it is sent: `%F0%9F%98%80`, or `\ud83d\ude00`.
const OCTETS_PER_CHARACTER: usize = 12;

/// Octets for names, boundaries, and fields of ours.
const AROUND: usize = 64 * 1024;

/// Pages in another charset send their forms in it, unless they say otherwise.
const NOT_UTF8: &str =
    "its text is not UTF-8; on the page, write accept-charset=\"utf-8\" into the <form>";

/// How something was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// By a form on a page.
    Form,
    /// By a program or a script.
    Json,
}

/// Reads the body of a request to send `form`.
///
/// # Errors
/// It is too large, of another type, or broken.
pub(super) async fn read(
    request: Request,
    form: &FormChannel,
) -> Result<(Sent, Encoding), FormError> {
    let kind = essence(request.headers());
    match kind.as_str() {
        "multipart/form-data" => Ok((multipart(request, form).await?, Encoding::Form)),
        "application/x-www-form-urlencoded" => {
            let octets = whole(request.into_body(), form).await?;
            if !is_utf8(&octets) {
                return Err(FormError::Unreadable(NOT_UTF8.to_owned()));
            }
            let pairs = url::form_urlencoded::parse(&octets);
            let values: Vec<(String, String)> = pairs
                .take(MOST_NAMES + 1)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            if values.len() > MOST_NAMES {
                return Err(FormError::TooManyNames);
            }
            let files = Vec::new();
            Ok((Sent { values, files }, Encoding::Form))
        }
        "application/json" => {
            let octets = whole(request.into_body(), form).await?;
            Ok((json(&octets)?, Encoding::Json))
        }
        _ => Err(FormError::Unsupported),
    }
}

/// Whether what is escaped there is UTF-8.
fn is_utf8(octets: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(octet.unwrap_or(*first));
        rest = match octet {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    std::str::from_utf8(&decoded).is_ok()
}

/// The media type without its parameters, in lower case.
pub(super) fn essence(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The largest body with texts alone that can be right.
fn largest_text(form: &FormChannel) -> usize {
    let texts = form.fields.iter();
    let characters: usize = texts
        .filter(|field| field.field_type != FieldType::File)
        .map(|field| field.max_length)
        .fold(0, usize::saturating_add);
    characters
        .saturating_mul(OCTETS_PER_CHARACTER)
        .saturating_add(AROUND)
        .min(LARGEST_SUBMISSION)
}

/// The largest body that can be right.
fn largest(form: &FormChannel) -> usize {
    let files = form.fields.iter();
    let files = files
        .filter(|field| field.field_type == FieldType::File)
        .map(|field| field.max_length)
        .fold(0, usize::saturating_add);
    files
        .saturating_add(largest_text(form))
        .min(LARGEST_SUBMISSION)
}

async fn whole(body: Body, form: &FormChannel) -> Result<axum::body::Bytes, FormError> {
    let most = largest_text(form);
    to_bytes(body, most).await.map_err(|error| {
        let is_too_large = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("length limit exceeded"));
        if is_too_large {
            FormError::TooLarge(most)
        } else {
            FormError::Unreadable("the connection broke while it was sent".to_owned())
        }
    })
}

/// The members of an object in their order, each as often as it stands there.
struct Members(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(OfMembers)
    }
}

struct OfMembers;

impl<'de> Visitor<'de> for OfMembers {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"an object like {"email": "kari@example.com"}"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

fn json(octets: &[u8]) -> Result<Sent, FormError> {
    use serde_json::Value;
    let unreadable = |error: serde_json::Error| FormError::Unreadable(error.to_string());
    let Members(members) = serde_json::from_slice(octets).map_err(unreadable)?;
    if members.len() > MOST_NAMES {
        return Err(FormError::TooManyNames);
    }
    let mut sent = Sent::default();
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::Array(_) | Value::Object(_) => {
                return Err(FormError::Unreadable(format!(
                    "the value of {name:?} is neither text, number, true nor false"
                )));
            }
        };
        sent.values.push((name, text));
    }
    Ok(sent)
}

async fn multipart(request: Request, form: &FormChannel) -> Result<Sent, FormError> {
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|error| FormError::Unreadable(error.body_text()))?;
    let mut sent = Sent::default();
    let mut left = largest(form);
    for _ in 0..=MOST_NAMES {
        let Some(part) = parts.next_field().await.map_err(broken)? else {
            return Ok(sent);
        };
        let name = part.name().unwrap_or_default().to_owned();
        let asked = form.fields.iter().find(|field| field.name == name);
        match part.file_name().map(str::to_owned) {
            Some(file_name) => {
                let content_type = part.content_type().unwrap_or_default().to_owned();
                let is_file = |it: &&_| is_file(it);
                // Of what is too large, one octet more than is allowed tells; of what nobody asked for, none.
                let kept = asked
                    .filter(is_file)
                    .map_or(0, |field| field.max_length + 1);
                let octets = octets(part, kept, &mut left, form).await?;
                if !(octets.is_empty() && file_name.is_empty()) {
                    sent.files.push(Upload {
                        field: name,
                        file_name,
                        content_type,
                        octets,
                    });
                }
            }
            None => {
                let octets = octets(part, largest_text(form), &mut left, form).await?;
                let value = String::from_utf8(octets)
                    .map_err(|_| FormError::Unreadable(format!("{name:?} is not UTF-8")))?;
                sent.values.push((name, value));
            }
        }
    }
    Err(FormError::TooManyNames)
}

fn is_file(field: &crate::core::snapshot::FormField) -> bool {
    field.field_type == FieldType::File
}

/// The first `kept` octets of a part. All of it counts against what is `left`.
async fn octets(
    mut part: Field<'_>,
    kept: usize,
    left: &mut usize,
    form: &FormChannel,
) -> Result<Vec<u8>, FormError> {
    let mut octets = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        *left = left
            .checked_sub(chunk.len())
            .ok_or_else(|| FormError::TooLarge(largest(form)))?;
        let room = kept.saturating_sub(octets.len()).min(chunk.len());
        octets.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
    Ok(octets)
}

fn broken(error: MultipartError) -> FormError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        FormError::TooLarge(LARGEST_SUBMISSION)
    } else {
        FormError::Unreadable(error.body_text())
    }
}

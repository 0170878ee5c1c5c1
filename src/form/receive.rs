//! `POST /f/NAME`: a submission on its way to being a conversation.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::core::conversation::{
    Arrival, Attachment, Command, ContactHint, Done, NewMessage, Origin as Sender, RefusalKind,
};
use crate::core::hex::hex;
use crate::core::id::ConversationId;
use crate::core::name::ChannelName;
use crate::core::snapshot::{FormChannel, Snapshot};
use crate::inbox::{ClientAddress, Visitor};

use super::answer::{FormError, Style, html};
use super::body::{self, Encoding};
use super::fill::{Errors, Filled, Sent, Upload, fill, unknown};
use super::limits::Fingerprint;
use super::origin::Origin;
use super::page::{self, KEY, TOKEN, View, trap};
use super::show::is_embedded;
use super::token::{Shown, submission_key};
use super::{Forms, find};

/// The longest key that a client may give a submission, in octets.
const LONGEST_KEY: usize = 200;

/// Says of a submission which one it is; the draft of the HTTP working group names it so.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const CORRECT: &str = "Not sent yet. Please correct this and send it again.";
const LOOK_AGAIN: &str = "Not sent yet. Please look through it and press Send again.";
const PROGRAM_TOKEN: &str =
    "Add `_token`: GET this address with `Accept: application/json` tells one, for 24 hours.";
const TOO_FAST: &str =
    "This was sent sooner after the form was shown than a person can fill it in.";

/// What came of a submission.
struct Received {
    conversation: ConversationId,
    /// To be set, where the visitor is new.
    cookie: Option<String>,
}

/// What a request is about.
struct Context<'a> {
    forms: &'a Forms,
    snapshot: &'a Snapshot,
    name: &'a str,
    form: &'a FormChannel,
    style: Style,
    embedded: bool,
    address: IpAddr,
}

/// `POST /f/NAME`
pub(super) async fn submission(
    State(forms): State<Arc<Forms>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let snapshot = forms.door.snapshot();
    let style = Style::of(request.headers());
    let Some(form) = find(&snapshot, &name) else {
        return match style {
            Style::Json => FormError::NoForm.problem(),
            Style::Page => FormError::NoForm.notice(None),
        };
    };
    let address = request.extensions().get::<ClientAddress>();
    let context = Context {
        forms: &forms,
        snapshot: &snapshot,
        name: &name,
        form,
        style,
        embedded: is_embedded(request.uri().query()),
        address: address.map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.0),
    };
    let origin = Origin::of(request.headers(), form, &snapshot);
    let mut response = match context.receive(&origin, request).await {
        Ok(received) => context.thank(&received),
        Err(error) => context.refuse(&error),
    };
    origin.tell(response.headers_mut());
    response
}

impl Context<'_> {
    async fn receive(&self, origin: &Origin, request: Request) -> Result<Received, FormError> {
        if let Origin::Foreign(origin) = origin {
            return Err(FormError::ForeignOrigin(origin.clone()));
        }
        let limits = &self.forms.limits;
        limits.attempt(self.address).map_err(FormError::TooMany)?;
        let _reading = limits.read(self.address).ok_or(FormError::Busy)?;
        let headers = request.headers().clone();
        let (sent, encoding) = body::read(request, self.form).await?;
        let (visitor, cookie) = self.visitor(&headers);
        let contents = fingerprint(&sent);
        let key = key(&headers, &sent, &contents)?;
        let filled = self.check(sent, encoding)?;
        let channel = ChannelName::from(self.name);
        match key.as_ref().and_then(|key| limits.known(&channel, key)) {
            Some(known) if known != contents => return Err(FormError::KeyReused),
            Some(_) => {}
            None => limits
                .submit(&channel, self.address, self.form.hourly_limit)
                .map_err(FormError::TooMany)?,
        }
        let conversation = self.keep(filled, visitor, key.clone()).await?;
        if let Some(key) = key {
            limits.remember(channel, key, contents);
        }
        Ok(Received {
            conversation,
            cookie,
        })
    }

    /// Who it is, and the cookie for somebody new.
    fn visitor(&self, headers: &HeaderMap) -> (Option<Visitor>, Option<String>) {
        let mut cookies = headers.get_all(header::COOKIE).iter();
        let known = cookies.find_map(|cookie| Visitor::from_cookies(cookie.to_str().ok()?));
        if known.is_some() {
            return (known, None);
        }
        let http = self.snapshot.settings.http.as_ref();
        let is_secure = http.is_some_and(|http| http.public_url.starts_with("https://"));
        let new = Visitor::new();
        let cookie = new.as_ref().map(|visitor| visitor.set_cookie(is_secure));
        (new, cookie)
    }

    /// The submission, if nothing is wrong with it.
    fn check(&self, sent: Sent, encoding: Encoding) -> Result<Filled, FormError> {
        let country = self.snapshot.trunks.iter().find_map(|trunk| trunk.country);
        let (filled, mut errors) = match fill(self.form, &sent, country) {
            Ok(filled) => (Some(filled), Errors::new()),
            Err(errors) => (None, errors),
        };
        if encoding == Encoding::Json {
            for name in unknown(self.form, &sent) {
                if ![TOKEN, KEY].contains(&name) {
                    errors.insert(name.to_owned(), "The form has no such field.".to_owned());
                }
            }
        }
        let hasty = self.is_program(&sent, encoding);
        let wrong = |notice, reason, errors| {
            Err(FormError::Wrong {
                notice,
                reason,
                errors,
                sent: Box::new(sent),
            })
        };
        match (filled, hasty) {
            (Some(filled), None) if errors.is_empty() => Ok(filled),
            (_, Some(reason)) if errors.is_empty() => {
                if self.style == Style::Json {
                    let (name, sentence) = match reason {
                        "trap" => (trap(self.form), "Leave this empty."),
                        "too-fast" => (TOKEN, TOO_FAST),
                        _ => (TOKEN, PROGRAM_TOKEN),
                    };
                    errors.insert(name.to_owned(), sentence.to_owned());
                }
                wrong(LOOK_AGAIN, reason, errors)
            }
            (_, _) => wrong(CORRECT, "invalid", errors),
        }
    }

    /// Why it may not come from a person, in a word. It is asked to be sent again, by which a person
    /// loses nothing: what people cannot see may have been filled in by their browser.
    fn is_program(&self, sent: &Sent, encoding: Encoding) -> Option<&'static str> {
        let trapped = sent.value(trap(self.form));
        if encoding == Encoding::Form && trapped.is_some_and(|it| !it.is_empty()) {
            return Some("trap");
        }
        if self.form.minimum_fill.is_zero() {
            return None;
        }
        let token = sent.value(TOKEN).unwrap_or_default();
        match self.forms.tokens.read(self.name, token, clock::wall()) {
            Shown::Ago(time) if time >= self.form.minimum_fill => None,
            Shown::Ago(_) => Some("too-fast"),
            Shown::Unknown => Some("token"),
        }
    }

    /// Stores the files, then hands all of it to the engine.
    async fn keep(
        &self,
        filled: Filled,
        visitor: Option<Visitor>,
        key: Option<String>,
    ) -> Result<ConversationId, FormError> {
        let attachments = self.store(filled.files).await?;
        let is_first = filled
            .contact
            .address
            .as_ref()
            .is_none_or(|address| self.forms.limits.may_reply(&address.to_lowercase()));
        let arrival = Arrival {
            channel: self.name.into(),
            continues: None,
            contact: ContactHint {
                cookie: visitor.map(|visitor| visitor.key()),
                ..filled.contact
            },
            message: NewMessage {
                subject: filled.subject,
                text: filled.text,
                fields: filled.fields,
                attachments: attachments.clone(),
                external_id: key,
                ..NewMessage::default()
            },
            origin: if is_first {
                Sender::Person
            } else {
                Sender::NoAutomaticReply
            },
            automatic: false,
        };
        let asked = self
            .forms
            .door
            .ask(Command::Arrived(Box::new(arrival)))
            .await;
        let (conversation, repeated) = match asked {
            Ok(Done::Conversation {
                conversation,
                repeated,
                ..
            }) => (conversation.id, repeated),
            Ok(Done::Repeated(message)) => (message.conversation, true),
            Ok(Done::Contact(_) | Done::Nothing) => return Err(FormError::Broken),
            Err(refusal) => {
                self.discard(attachments).await;
                return Err(match refusal.kind {
                    RefusalKind::Busy => FormError::Busy,
                    _ => FormError::Refused(refusal),
                });
            }
        };
        if repeated {
            // The first one's files are kept already.
            self.discard(attachments).await;
        }
        Ok(conversation)
    }

    async fn store(&self, files: Vec<Upload>) -> Result<Vec<Attachment>, FormError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let place = self.forms.door.attachments().clone();
        let storing = tokio::task::spawn_blocking(move || {
            let mut stored = Vec::with_capacity(files.len());
            for file in files {
                match place.store(&file.file_name, &file.content_type, None, &file.octets) {
                    Ok(attachment) => stored.push(attachment),
                    Err(error) => {
                        stored
                            .iter()
                            .for_each(|attachment| place.discard(attachment));
                        return Err(error);
                    }
                }
            }
            Ok(stored)
        });
        match storing.await {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(error)) => {
                tracing::error!(
                    "a submission of the form {:?} is not stored: {error}",
                    self.name
                );
                Err(FormError::Broken)
            }
            Err(_) => Err(FormError::Broken),
        }
    }

    async fn discard(&self, attachments: Vec<Attachment>) {
        if attachments.is_empty() {
            return;
        }
        let place = self.forms.door.attachments().clone();
        let discarding = tokio::task::spawn_blocking(move || {
            attachments
                .iter()
                .for_each(|attachment| place.discard(attachment));
        });
        // A file that stays is in nobody's way.
        let _ = discarding.await;
    }

    fn thank(&self, received: &Received) -> Response {
        let form = self.form;
        let mut response = match self.style {
            Style::Json => {
                let answer = json!({
                    "status": "received",
                    "thanks": form.thanks,
                    "redirect": form.redirect,
                    "reference": received.conversation.to_string(),
                });
                (StatusCode::CREATED, Json(answer)).into_response()
            }
            Style::Page => {
                let embed = if self.embedded { "?embed=1" } else { "" };
                // Relative to the address of the form.
                let thanks = format!("{}/thanks{embed}", encoded(self.name));
                let target = form.redirect.clone().unwrap_or(thanks);
                let mut response = StatusCode::SEE_OTHER.into_response();
                match HeaderValue::from_str(&target) {
                    Ok(target) => {
                        response.headers_mut().insert(header::LOCATION, target);
                        response
                    }
                    Err(_) => html(
                        StatusCode::OK,
                        page::thanks(form, self.embedded),
                        Some(form),
                    ),
                }
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let cookie = received.cookie.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(cookie)) = cookie {
            headers.insert(header::SET_COOKIE, cookie);
        }
        response
    }

    fn refuse(&self, error: &FormError) -> Response {
        match (self.style, error) {
            (Style::Json, error) => error.problem(),
            (
                Style::Page,
                FormError::Wrong {
                    notice,
                    errors,
                    sent,
                    ..
                },
            ) => {
                let key = sent.value(KEY).filter(|key| !key.is_empty());
                let new = submission_key();
                let token = sent.value(TOKEN).unwrap_or_default();
                let now = clock::wall();
                let fresh = self.forms.tokens.make(self.name, now);
                // One that is good stays, so that the visitor need not wait once more.
                let token = match self.forms.tokens.read(self.name, token, now) {
                    Shown::Ago(_) => token,
                    Shown::Unknown => &fresh,
                };
                let view = View {
                    form: self.form,
                    token,
                    key: key.unwrap_or(&new),
                    sent,
                    errors,
                    notice: Some(notice),
                    embedded: self.embedded,
                };
                let page = page::form(&view);
                html(StatusCode::UNPROCESSABLE_ENTITY, page, Some(self.form))
            }
            (Style::Page, error) => error.notice(Some(self.form)),
        }
    }
}

/// What the client calls a submission, as it is kept: a hash, so that it is short and plain. The key of
/// a page names it together with its words: whoever goes back, writes something else and sends that,
/// sends another.
fn key(
    headers: &HeaderMap,
    sent: &Sent,
    contents: &Fingerprint,
) -> Result<Option<String>, FormError> {
    let is_key = |key: &&str| (1..=LONGEST_KEY).contains(&key.len());
    let digest = match headers.get(IDEMPOTENCY_KEY) {
        Some(header) => {
            let key = header.to_str().map(|key| key.trim().trim_matches('"'));
            let Some(key) = key.ok().filter(is_key) else {
                return Err(FormError::Unreadable(format!(
                    "its Idempotency-Key is not 1 to {LONGEST_KEY} characters of ASCII"
                )));
            };
            Sha256::digest(key.as_bytes()).into()
        }
        // It is one of the values of which this is a hash.
        None if sent.value(KEY).filter(is_key).is_some() => *contents,
        None => return Ok(None),
    };
    Ok(Some(format!("form-{}", hex(&digest))))
}

/// A hash of all that was sent but the token, which may be a newer one.
fn fingerprint(sent: &Sent) -> Fingerprint {
    let mut hash = Sha256::new();
    let mut part = |octets: &[u8]| {
        // Lengths, so that no two of them can be taken for others.
        hash.update(octets.len().to_be_bytes());
        hash.update(octets);
    };
    for (name, value) in sent.values.iter().filter(|(name, _)| name != TOKEN) {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    for file in &sent.files {
        part(file.field.as_bytes());
        part(&file.octets);
    }
    hash.finalize().into()
}

/// A name as it stands in a path (RFC 3986 §2.1).
fn encoded(name: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet);
    name.bytes()
        .map(|octet| {
            if is_plain(octet) {
                char::from(octet).to_string()
            } else {
                format!("%{octet:02X}")
            }
        })
        .collect()
}

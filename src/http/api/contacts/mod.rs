//! Contacts: the people on the other side. They belong to no inbox; who may read contacts reads all.

mod bulk;
mod csv;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::compose::key;
use super::page::{limit, parse};
use crate::clock;
use crate::core::conversation::{Command, ContactChange, ContactRecord, Done};
use crate::core::id::ContactId;
use crate::core::number::{PhoneNumber, to_e164};
use crate::core::snapshot::{Scope, Snapshot};
use crate::http::body::{Asked, At, Read};
use crate::http::once::Begun;
use crate::http::routes::Routes;
use crate::http::views::ContactView;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::{ContactKey, ContactQuery};

pub(super) fn add(routes: Routes) -> Routes {
    let read = Needs::scope(Scope::ReadContacts);
    let write = Needs::scope(Scope::WriteContacts);
    let routes = routes
        .add(read, routes!(list))
        .add(read, routes!(show))
        .add(write, routes!(create))
        .add(write, routes!(replace))
        .add(write, routes!(merge))
        .add(write, routes!(delete));
    let routes = csv::add(routes);
    bulk::add(routes)
}

/// Which contacts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only with these words in name, addresses, numbers or note.
    search: Option<String>,
    /// Only of this owner.
    owner: Option<String>,
    /// Only the one of this name in a CRM.
    external_id: Option<String>,
    /// Only the one with this address.
    address: Option<String>,
    /// Only the one with this number.
    number: Option<String>,
    /// Those that come after this one.
    after: Option<String>,
    /// How many: 50, up to 100.
    limit: Option<u32>,
}

/// A part of the list of contacts.
#[derive(Serialize, ToSchema)]
struct Contacts {
    /// By name.
    items: Vec<ContactView>,
    /// Whether there are more: ask again with the last one's `id` as `after`.
    more: bool,
}

/// Contacts by name.
#[utoipa::path(get, path = "/api/v1/contacts", tag = "contacts", params(Filter), responses(
    (status = 200, body = Contacts), (status = 422, body = Problem),
))]
async fn list(
    State(app): State<App>,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Contacts>, HttpError> {
    let snapshot = app.services.door.snapshot();
    let key = match (&filter.external_id, &filter.address, &filter.number) {
        (None, None, None) => None,
        (Some(id), None, None) => Some(ContactKey::ExternalId(id.clone())),
        (None, Some(address), None) => Some(ContactKey::Address(address.trim().to_lowercase())),
        (None, None, Some(text)) => Some(ContactKey::Number(number(&snapshot, text)?.to_string())),
        _ => {
            return Err(HttpError::Invalid(
                "One of `external_id`, `address` and `number`.".to_owned(),
            ));
        }
    };
    let readers = &app.services.readers;
    let (records, more) = match key {
        Some(key) => {
            let found = readers.contacts_by(&key).await?;
            let there = found.into_iter().filter(|one| one.gone.is_none());
            (there.collect(), false)
        }
        None => {
            let query = ContactQuery {
                search: filter.search.filter(|text| !text.trim().is_empty()),
                owner: filter.owner.as_deref().map(Into::into),
                after: filter.after.as_deref().map(parse).transpose()?,
                limit: limit(filter.limit),
            };
            readers.contacts(&query).await?
        }
    };
    Ok(Json(Contacts {
        items: records.iter().map(ContactView::of).collect(),
        more,
    }))
}

/// One contact; its ETag is its revision.
#[utoipa::path(get, path = "/api/v1/contacts/{id}", tag = "contacts", params(("id" = String, Path)), responses(
    (status = 200, body = ContactView), (status = 404, body = Problem),
))]
async fn show(State(app): State<App>, At(id): At<ContactId>) -> Result<Response, HttpError> {
    let found = known(&app, id).await?;
    Ok(with_tag(StatusCode::OK, &found))
}

/// What is known of a contact. Leaving a list out empties it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    /// The revision that was read, where `If-Match` does not say it.
    revision: Option<u64>,
    /// The name.
    name: String,
    /// Mail addresses.
    addresses: Vec<String>,
    /// Phone numbers, `+4790000001`; national ones are read as the trunks read them.
    numbers: Vec<String>,
    /// The user who owns it.
    owner: Option<String>,
    /// Its name in a CRM.
    external_id: Option<String>,
    /// What people write about it.
    note: String,
}

impl Wanted {
    /// The record as it should be: what stands here, in the place of what is known.
    fn onto(self, known: ContactRecord, snapshot: &Snapshot) -> Result<ContactRecord, HttpError> {
        let owner = match self.owner.filter(|owner| !owner.is_empty()) {
            Some(owner) => match snapshot.user(&owner) {
                Some(user) => Some(user.name.clone()),
                None => return Err(HttpError::Invalid(format!("There is no user {owner:?}."))),
            },
            None => None,
        };
        let numbers = self.numbers.iter().map(|text| number(snapshot, text));
        Ok(ContactRecord {
            name: self.name,
            addresses: self.addresses,
            numbers: numbers.collect::<Result<_, _>>()?,
            owner,
            external_id: self.external_id.filter(|id| !id.is_empty()),
            note: self.note,
            ..known
        })
    }
}

/// A number as the trunks read it.
fn number(snapshot: &Snapshot, text: &str) -> Result<PhoneNumber, HttpError> {
    let countries = snapshot.trunks.iter().map(|trunk| trunk.country);
    let mut read = countries
        .chain([None])
        .filter_map(|country| to_e164(text, country));
    read.next().ok_or_else(|| {
        HttpError::Invalid(format!(
            "{text:?} is no phone number: write it with +, like +4722334455."
        ))
    })
}

/// Makes a contact. With an `Idempotency-Key`, the same one is made once.
#[utoipa::path(post, path = "/api/v1/contacts", tag = "contacts", request_body = Wanted, responses(
    (status = 201, body = ContactView), (status = 409, description = "Another has an address, number or external_id of it", body = Problem), (status = 422, body = Problem),
))]
async fn create(
    State(app): State<App>,
    asker: Asker,
    headers: HeaderMap,
    Read(wanted): Read<Wanted>,
) -> Result<Response, HttpError> {
    let asked = serde_json::to_string(&wanted).unwrap_or_default();
    let begun = app
        .once
        .begin(&asker.name, key(&headers)?, &asked, clock::wall())?;
    let first = match begun {
        Begun::Again(response) => return Ok(response),
        Begun::First(first) => first,
    };
    let record = wanted.onto(ContactRecord::default(), &app.services.door.snapshot())?;
    let made = change(&app, &asker, ContactChange::Put(Box::new(record))).await?;
    app.audit(&asker, "contact.create", &made.id.to_string(), "");
    let body = serde_json::to_string(&ContactView::of(&made)).unwrap_or_default();
    Ok(first.answer(StatusCode::CREATED, body))
}

/// Replaces what is known of a contact. `If-Match` (or `revision`) says which revision was read; where
/// it has changed since, nothing is done.
#[utoipa::path(put, path = "/api/v1/contacts/{id}", tag = "contacts", params(("id" = String, Path)), request_body = Wanted, responses(
    (status = 200, body = ContactView), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, description = "It has changed since", body = Problem), (status = 422, body = Problem),
))]
async fn replace(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ContactId>,
    headers: HeaderMap,
    Read(wanted): Read<Wanted>,
) -> Result<Response, HttpError> {
    let found = known(&app, id).await?;
    let read = revision(&headers)?.or(wanted.revision).ok_or_else(|| {
        HttpError::Invalid(
            "Say which revision you have read: its ETag as `If-Match`, or `revision`.".to_owned(),
        )
    })?;
    if read != found.revision {
        return Err(HttpError::Changed(found.revision));
    }
    let record = wanted.onto(found, &app.services.door.snapshot())?;
    let changed = change(&app, &asker, ContactChange::Put(Box::new(record))).await?;
    app.audit(&asker, "contact.change", &id.to_string(), "");
    Ok(with_tag(StatusCode::OK, &changed))
}

/// Which other one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Other {
    /// The contact that is no more afterwards.
    from: String,
}

/// Merges another contact into this one.
#[utoipa::path(post, path = "/api/v1/contacts/{id}/merge", tag = "contacts", params(("id" = String, Path)), request_body = Other, responses(
    (status = 200, body = ContactView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
async fn merge(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ContactId>,
    Read(other): Read<Other>,
) -> Result<Response, HttpError> {
    let from: ContactId = parse(&other.from)?;
    let merged = change(&app, &asker, ContactChange::Merge(id, from)).await?;
    let detail = format!("from {from}");
    app.audit(&asker, "contact.merge", &id.to_string(), &detail);
    Ok(with_tag(StatusCode::OK, &merged))
}

/// Deletes a contact. Its conversations stay.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}", tag = "contacts", params(("id" = String, Path)), responses(
    (status = 204, description = "Deleted"), (status = 404, body = Problem),
))]
async fn delete(
    State(app): State<App>,
    asker: Asker,
    At(id): At<ContactId>,
) -> Result<StatusCode, HttpError> {
    known(&app, id).await?;
    change(&app, &asker, ContactChange::Delete(id)).await?;
    app.audit(&asker, "contact.delete", &id.to_string(), "");
    Ok(StatusCode::NO_CONTENT)
}

/// The contact, unless it is gone.
async fn known(app: &App, id: ContactId) -> Result<ContactRecord, HttpError> {
    let found = app.services.readers.contact(id).await?;
    found
        .filter(|found| found.gone.is_none())
        .ok_or(HttpError::NotFound("contact"))
}

async fn change(
    app: &App,
    asker: &Asker,
    change: ContactChange,
) -> Result<ContactRecord, HttpError> {
    let by = asker.actor();
    let command = Command::ContactChanged { change, by };
    match app.services.door.ask(command).await? {
        Done::Contact(record) => Ok(*record),
        Done::Conversation { .. } | Done::Repeated(_) | Done::Nothing => Err(HttpError::Broken(
            "a change of a contact came to something else".to_owned(),
        )),
    }
}

fn with_tag(status: StatusCode, record: &ContactRecord) -> Response {
    let mut response = (status, Json(ContactView::of(record))).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", record.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The revision that `If-Match` names.
fn revision(headers: &HeaderMap) -> Result<Option<u64>, HttpError> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    let number = tag.trim_matches('"').parse().map_err(|_| {
        HttpError::Invalid(format!("If-Match {tag:?} is no ETag that a contact had."))
    })?;
    Ok(Some(number))
}

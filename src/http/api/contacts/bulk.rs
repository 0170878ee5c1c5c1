//! Many contacts at once, so that a CRM keeps them in step.

use axum::Json;
use axum::extract::State;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Wanted, change};
use crate::core::conversation::{ContactChange, ContactRecord};
use crate::core::snapshot::Scope;
use crate::http::body::Read;
use crate::http::routes::Routes;
use crate::http::{App, Asker, HttpError, Needs, Problem};
use crate::store::ContactKey;

/// Contacts of one request.
const MOST: usize = 1_000;

/// The largest request, in octets.
const LARGEST: usize = 4 * 1024 * 1024;

/// Changes that wait for the disk together: each is answered once it stands there.
const AT_ONCE: usize = 128;

pub(super) fn add(routes: Routes) -> Routes {
    let write = Needs::scope(Scope::WriteContacts).largest(LARGEST);
    routes.add(write, routes!(upsert))
}

/// Contacts as a CRM has them; each has an `external_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Many {
    /// Up to 1,000.
    contacts: Vec<Wanted>,
}

/// What came of many.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// Contacts that were made.
    pub created: usize,
    /// Contacts that were changed.
    pub changed: usize,
    /// Contacts that were as they should be already.
    pub unchanged: usize,
    /// What could not be done, with its place.
    pub errors: Vec<Fault>,
}

/// One that could not be done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fault {
    /// Which: counted from 1 in a list, the line in a file.
    pub place: u64,
    /// Why.
    pub detail: String,
}

/// What became of one.
pub(super) enum Became {
    Created,
    Changed,
    Unchanged,
}

/// Makes or changes contacts by their `external_id`, as a CRM has them: what stands here replaces what
/// is known. One that cannot be done does not keep the others from it.
#[utoipa::path(post, path = "/api/v1/contact-sync", tag = "contacts", request_body = Many, responses(
    (status = 200, body = Outcome), (status = 413, body = Problem), (status = 422, body = Problem),
))]
async fn upsert(
    State(app): State<App>,
    asker: Asker,
    Read(many): Read<Many>,
) -> Result<Json<Outcome>, HttpError> {
    if many.contacts.len() > MOST {
        return Err(HttpError::TooLarge(format!(
            "A request has {MOST} contacts at most: send the rest in others."
        )));
    }
    let wanted = many.contacts.into_iter().enumerate();
    let tasks = wanted.map(|(index, wanted)| {
        let (app, asker) = (&app, &asker);
        async move {
            let place = index as u64 + 1;
            (place, one(app, asker, wanted).await)
        }
    });
    let outcome = gather(tasks).await;
    let told = outcome.told();
    app.audit(&asker, "contact.sync", "contacts", &told);
    Ok(Json(outcome))
}

/// Does many at once, and tells what came of them in their order.
pub(super) async fn gather(
    tasks: impl Iterator<Item = impl Future<Output = (u64, Result<Became, HttpError>)>>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut done = stream::iter(tasks).buffer_unordered(AT_ONCE);
    while let Some((place, result)) = done.next().await {
        match result {
            Ok(Became::Created) => outcome.created += 1,
            Ok(Became::Changed) => outcome.changed += 1,
            Ok(Became::Unchanged) => outcome.unchanged += 1,
            Err(error) => outcome.errors.push(Fault {
                place,
                detail: error.to_string(),
            }),
        }
    }
    outcome.errors.sort_by_key(|fault| fault.place);
    outcome
}

impl Outcome {
    /// In words, for the audit log.
    pub fn told(&self) -> String {
        let errors = self.errors.len();
        let (created, changed) = (self.created, self.changed);
        format!("{created} created, {changed} changed, {errors} refused")
    }
}

async fn one(app: &App, asker: &Asker, wanted: Wanted) -> Result<Became, HttpError> {
    let id = wanted.external_id.clone().filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| HttpError::Invalid("`external_id` is missing.".to_owned()))?;
    let key = ContactKey::ExternalId(id);
    let found = app.services.readers.contacts_by(&key);
    let known = found.await?.into_iter().find(|one| one.gone.is_none());
    put(app, asker, wanted, known).await
}

/// Puts what is wanted in the place of what is known.
pub(super) async fn put(
    app: &App,
    asker: &Asker,
    wanted: Wanted,
    known: Option<ContactRecord>,
) -> Result<Became, HttpError> {
    let is_new = known.is_none();
    let before = known.unwrap_or_default();
    let record = wanted.onto(before.clone(), &app.services.door.snapshot())?;
    if !is_new && record == before {
        return Ok(Became::Unchanged);
    }
    change(app, asker, ContactChange::Put(Box::new(record))).await?;
    Ok(match is_new {
        true => Became::Created,
        false => Became::Changed,
    })
}

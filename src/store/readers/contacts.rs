//! People on the other side. Contacts belong to no inbox: whoever may ask for contacts sees them all.

use sqlx::{QueryBuilder, Sqlite};

use super::Readers;
use super::columns::{self, CONTACT, Columns};
use super::page::{LARGEST_PAGE, rows};
use super::search::Search;
use crate::core::conversation::ContactRecord;
use crate::core::id::ContactId;
use crate::core::name::UserName;
use crate::store::StoreError;

/// What a contact is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactKey {
    /// A mail address, in lower case.
    Address(String),
    /// A phone number, E.164.
    Number(String),
    /// The SHA-256 of a visitor's cookie, in hex.
    Cookie(String),
    /// Its name in a CRM.
    ExternalId(String),
}

/// A question for a list of contacts, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactQuery {
    /// Only those with these words in name, addresses, numbers or note, as somebody typed them.
    pub search: Option<String>,
    /// Only those of this owner.
    pub owner: Option<UserName>,
    /// Those that come after this one.
    pub after: Option<ContactId>,
    /// How many: 1 to [`LARGEST_PAGE`].
    pub limit: u32,
}

impl Readers {
    /// A part of the list, and whether there are more. Deleted and merged ones are left out.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn contacts(
        &self,
        query: &ContactQuery,
    ) -> Result<(Vec<ContactRecord>, bool), StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {CONTACT} FROM contacts WHERE contacts.gone IS NULL"
        ));
        if let Some(search) = &query.search {
            Search::of(search).push_contacts(&mut question);
        }
        if let Some(owner) = &query.owner {
            question.push(" AND contacts.owner = ");
            question.push_bind(owner.to_string());
        }
        if let Some(after) = query.after {
            question.push(
                " AND (contacts.name, contacts.id) >
                     (SELECT before.name, before.id FROM contacts AS before WHERE before.id = ",
            );
            question.push_bind(after.to_string()).push(")");
        }
        question.push(" ORDER BY contacts.name, contacts.id LIMIT ");
        question.push_bind(rows(query.limit));
        let mut contacts = self.known(question).await?;
        let shown = query.limit.clamp(1, LARGEST_PAGE) as usize;
        let more = contacts.len() > shown;
        contacts.truncate(shown);
        Ok((contacts, more))
    }

    /// One contact, also one that is deleted or merged.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn contact(&self, id: ContactId) -> Result<Option<ContactRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {CONTACT} FROM contacts WHERE contacts.id = "
        ));
        question.push_bind(id.to_string());
        Ok(self.known(question).await?.pop())
    }

    /// The contacts that are found by this, the oldest first; at most [`LARGEST_PAGE`].
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn contacts_by(&self, key: &ContactKey) -> Result<Vec<ContactRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!("SELECT {CONTACT} FROM contacts WHERE "));
        let (lookup, value) = match key {
            ContactKey::Address(address) => (
                Some("SELECT contact FROM contact_addresses WHERE address = "),
                address,
            ),
            ContactKey::Number(number) => (
                Some("SELECT contact FROM contact_numbers WHERE phone_number = "),
                number,
            ),
            ContactKey::Cookie(cookie) => (
                Some("SELECT contact FROM contact_cookies WHERE cookie = "),
                cookie,
            ),
            ContactKey::ExternalId(id) => (None, id),
        };
        match lookup {
            Some(lookup) => {
                question.push("contacts.id IN (").push(lookup);
                question.push_bind(value.clone()).push(")");
            }
            None => {
                question.push("contacts.gone IS NULL AND contacts.external_id = ");
                question.push_bind(value.clone());
            }
        }
        question.push(" ORDER BY contacts.number LIMIT ");
        question.push_bind(LARGEST_PAGE);
        self.known(question).await
    }

    async fn known(
        &self,
        mut question: QueryBuilder<Sqlite>,
    ) -> Result<Vec<ContactRecord>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| columns::contact(&mut Columns::of("a contact", row)))
            .collect()
    }
}

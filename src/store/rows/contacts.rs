//! Contacts, and what they are found by.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{ROWS, execute, in_parts, inserting, json, push_list, replacing, signed};
use crate::core::conversation::{ContactRecord, Gone};
use crate::core::id::ContactId;

/// The columns of contacts.
const CONTACT: [&str; 12] = [
    "id",
    "revision",
    "name",
    "addresses",
    "numbers",
    "cookies",
    "owner",
    "external_id",
    "note",
    "gone",
    "created",
    "changed",
];

/// What contacts are found by: table, its column, the list in the contact.
const LOOKUPS: [(&str, &str, &str); 3] = [
    ("contact_addresses", "address", "addresses"),
    ("contact_numbers", "phone_number", "numbers"),
    ("contact_cookies", "cookie", "cookies"),
];

/// Writes contacts, each only where it is newer than the row, and what each is found by as its row
/// has it then.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    rows: &[&ContactRecord],
) -> Result<(), sqlx::Error> {
    in_parts(connection, rows, contacts).await?;
    follow(connection, rows).await?;
    for part in rows.chunks(ROWS) {
        let ids: Vec<_> = part.iter().map(|contact| contact.id).collect();
        for (table, column, list) in LOOKUPS {
            let mut statement = QueryBuilder::new(format!("DELETE FROM {table} WHERE contact IN "));
            push_list(&mut statement, &ids);
            execute(connection, statement, ids.len() == 1).await?;
            let mut statement = QueryBuilder::new(format!(
                "INSERT INTO {table} ({column}, contact)
                 SELECT value, contacts.id FROM contacts, json_each(contacts.{list})
                 WHERE contacts.gone IS NULL AND contacts.id IN "
            ));
            push_list(&mut statement, &ids);
            statement.push(format!(" ON CONFLICT ({column}, contact) DO NOTHING"));
            execute(connection, statement, ids.len() == 1).await?;
        }
    }
    Ok(())
}

/// Conversations follow a contact into the one that it was merged into, and are nobody's where it was
/// deleted. Those in memory say so by themselves; this is for those that are closed.
async fn follow(
    connection: &mut SqliteConnection,
    rows: &[&ContactRecord],
) -> Result<(), sqlx::Error> {
    let merged: HashMap<ContactId, ContactId> = (rows.iter())
        .filter_map(|contact| match contact.gone {
            Some(Gone::Merged(into)) => Some((contact.id, into)),
            Some(Gone::Deleted) | None => None,
        })
        .collect();
    for contact in rows {
        let mut statement = match contact.gone {
            None => continue,
            Some(Gone::Deleted) => {
                QueryBuilder::new("UPDATE conversations SET found_by = NULL, contact = NULL")
            }
            Some(Gone::Merged(mut into)) => {
                // Of several merges in a row, each goes on where the one before it ended.
                for _ in 0..merged.len() {
                    into = merged.get(&into).copied().unwrap_or(into);
                }
                let mut statement = QueryBuilder::new("UPDATE conversations SET contact = ");
                statement.push_bind(into.to_string());
                statement
            }
        };
        statement.push(" WHERE contact = ");
        statement.push_bind(contact.id.to_string());
        execute(connection, statement, true).await?;
    }
    Ok(())
}

fn contacts(rows: &[&ContactRecord]) -> QueryBuilder<Sqlite> {
    let mut statement = inserting("contacts", &CONTACT);
    statement.push_values(rows, |mut row, contact| {
        let gone = contact.gone.as_ref().map(|gone| match gone {
            Gone::Merged(into) => into.to_string(),
            Gone::Deleted => "deleted".to_owned(),
        });
        row.push_bind(contact.id.to_string())
            .push_bind(signed(contact.revision))
            .push_bind(contact.name.clone())
            .push_bind(json(&contact.addresses))
            .push_bind(json(&contact.numbers))
            .push_bind(json(&contact.cookies))
            .push_bind(contact.owner.as_deref().map(str::to_owned))
            .push_bind(contact.external_id.clone())
            .push_bind(contact.note.clone())
            .push_bind(gone)
            .push_bind(contact.created.to_string())
            .push_bind(contact.changed.to_string());
    });
    statement.push(replacing("id", &CONTACT));
    statement.push(" WHERE excluded.revision > contacts.revision");
    statement
}

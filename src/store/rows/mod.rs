//! Records as rows: plain SQL that SQLite and PostgreSQL both take, many rows to a statement.

mod batch;
mod calls;
mod contacts;
mod deletion;
mod inbox;

use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

pub(super) use batch::Batch;
pub(super) use deletion::{AUDIO, deleted_file, files_to_delete};
pub(super) use inbox::assignee;

/// Rows to a statement: SQLite allows 32,766 values in one, and the widest table has 27.
const ROWS: usize = 500;

/// Runs what `statement` makes of each part of `rows`.
async fn in_parts<T>(
    connection: &mut SqliteConnection,
    rows: &[T],
    statement: impl Fn(&[T]) -> QueryBuilder<Sqlite>,
) -> Result<(), sqlx::Error> {
    for part in rows.chunks(ROWS) {
        execute(connection, statement(part), part.len() == 1).await?;
    }
    Ok(())
}

/// Runs a statement; one that is the same again and again stays prepared.
async fn execute(
    connection: &mut SqliteConnection,
    mut statement: QueryBuilder<Sqlite>,
    again: bool,
) -> Result<u64, sqlx::Error> {
    let query = statement.build().persistent(again);
    Ok(query.execute(connection).await?.rows_affected())
}

/// ` ON CONFLICT (key) DO UPDATE SET a = excluded.a, …` of every column but the key.
fn replacing(key: &str, columns: &[&str]) -> String {
    let set: Vec<String> = (columns.iter().filter(|column| **column != key))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "))
}

/// `INSERT INTO table (a, b, …) `
fn inserting(table: &str, columns: &[&str]) -> QueryBuilder<Sqlite> {
    QueryBuilder::new(format!("INSERT INTO {table} ({}) ", columns.join(", ")))
}

/// `(?, ?, …)` of values, for `IN`.
fn push_list<T: ToString>(statement: &mut QueryBuilder<Sqlite>, values: &[T]) {
    statement.push("(");
    let mut list = statement.separated(", ");
    for value in values {
        list.push_bind(value.to_string());
    }
    statement.push(")");
}

/// A value as JSON. What we make ourselves always can be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The word of an enum without data, as JSON has it but without quotes.
pub(super) fn word(value: &impl Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

/// SQL knows signed integers only.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

//! Conversations that are deleted, with all that is in them.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::{QueryBuilder, Row, SqliteConnection};

use super::{ROWS, execute, in_parts, inserting, push_list};
use crate::core::conversation::MessageRecord;
use crate::core::id::ConversationId;
use crate::core::record::VoicemailRecord;

/// A file to remove: of which directory (`attachments` or `audio`), and its path in there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Removal {
    pub directory: &'static str,
    pub path: String,
}

/// The directory of attachments and raw mail, as rows name it.
const ATTACHMENTS: &str = "attachments";

/// The directory of voicemails, as rows name it.
pub(in crate::store) const AUDIO: &str = "audio";

/// The files that a message names.
pub(super) fn files_of_message(message: &MessageRecord) -> Vec<Removal> {
    let files = message.attachments.iter().map(|file| &file.path);
    (files.chain(&message.raw))
        .map(|path| removal(ATTACHMENTS, path))
        .collect()
}

/// The audio of a voicemail.
pub(super) fn file_of_voicemail(voicemail: &VoicemailRecord) -> Removal {
    removal(AUDIO, &voicemail.file)
}

fn removal(directory: &'static str, path: &Path) -> Removal {
    let path = path.to_string_lossy().into_owned();
    Removal { directory, path }
}

/// Those of `ids` that are deleted.
pub(super) async fn deleted_among(
    connection: &mut SqliteConnection,
    ids: &[ConversationId],
) -> Result<BTreeSet<ConversationId>, sqlx::Error> {
    let mut deleted = BTreeSet::new();
    for part in ids.chunks(ROWS) {
        let mut question = QueryBuilder::new("SELECT id FROM deleted_conversations WHERE id IN ");
        push_list(&mut question, part);
        let query = question.build().persistent(part.len() == 1);
        for row in query.fetch_all(&mut *connection).await? {
            let id: String = row.try_get(0)?;
            deleted.extend(id.parse::<ConversationId>());
        }
    }
    Ok(deleted)
}

/// Deletes the rows of a conversation, and remembers its files. Calls and their decisions stay: they
/// are the log of the phone line.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    id: ConversationId,
) -> Result<(), sqlx::Error> {
    const STEPS: [&str; 13] = [
        "INSERT INTO deleted_conversations (id) VALUES ($1) ON CONFLICT (id) DO NOTHING",
        "INSERT INTO removals (directory, path)
         SELECT 'attachments', json_extract(value, '$.path')
         FROM messages, json_each(messages.attachments) WHERE conversation = $1
         ON CONFLICT (directory, path) DO NOTHING",
        "INSERT INTO removals (directory, path)
         SELECT 'attachments', raw FROM messages WHERE conversation = $1 AND raw IS NOT NULL
         ON CONFLICT (directory, path) DO NOTHING",
        "INSERT INTO removals (directory, path)
         SELECT 'audio', file FROM voicemails WHERE conversation = $1
         ON CONFLICT (directory, path) DO NOTHING",
        "DELETE FROM heard WHERE voicemail IN (SELECT id FROM voicemails WHERE conversation = $1)",
        "DELETE FROM voicemails WHERE conversation = $1",
        "DELETE FROM attachments WHERE conversation = $1",
        "DELETE FROM earlier_calls WHERE conversation = $1",
        "DELETE FROM messages WHERE conversation = $1",
        "DELETE FROM assignments WHERE conversation = $1",
        "DELETE FROM seen WHERE conversation = $1",
        "DELETE FROM decisions WHERE conversation = $1 AND call IS NULL",
        "DELETE FROM conversations WHERE id = $1",
    ];
    for step in STEPS {
        sqlx::query(step)
            .bind(id.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Remembers files to remove, in the transaction that forgets what names them.
pub(super) async fn remember(
    connection: &mut SqliteConnection,
    removals: &BTreeSet<Removal>,
) -> Result<(), sqlx::Error> {
    let rows: Vec<&Removal> = removals.iter().collect();
    in_parts(connection, &rows, |rows| {
        let mut statement = inserting("removals", &["directory", "path"]);
        statement.push_values(rows, |mut row, removal| {
            row.push_bind(removal.directory)
                .push_bind(removal.path.clone());
        });
        statement.push(" ON CONFLICT (directory, path) DO NOTHING");
        statement
    })
    .await
}

/// Files that are still to be removed, at most `limit`.
pub(in crate::store) async fn files_to_delete(
    connection: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT directory, path FROM removals ORDER BY directory, path LIMIT $1")
            .bind(limit)
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// A file is gone.
pub(in crate::store) async fn deleted_file(
    connection: &mut SqliteConnection,
    directory: &str,
    path: &str,
) -> Result<(), sqlx::Error> {
    let mut statement = QueryBuilder::new("DELETE FROM removals WHERE directory = ");
    statement.push_bind(directory.to_owned());
    statement.push(" AND path = ").push_bind(path.to_owned());
    execute(connection, statement, true).await?;
    Ok(())
}

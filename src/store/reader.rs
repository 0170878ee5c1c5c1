//! Questions to the store, for the commands and for the start of the daemon.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};

use super::StoreError;
use crate::core::desk::Load;
use crate::core::id::CallId;
use crate::core::name::UserName;
use crate::core::record::{DecisionRecord, RegistrationRecord};
use crate::core::time::Wall;

/// A connection that reads.
pub struct Reader(SqliteConnection);

/// A call or conversation as a person asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub began: String,
    /// Its channel, if the number had one.
    pub channel: Option<String>,
    /// The caller's number, if shown.
    pub from: Option<String>,
    /// What was dialled.
    pub to: String,
    /// How it ended, once it has.
    pub outcome: Option<String>,
    /// The sentence about its end.
    pub detail: String,
}

/// A voicemail as it is listed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Voicemail {
    /// Its key.
    pub id: String,
    /// When the beep sounded, RFC 3339 in UTC.
    pub time: String,
    /// Its channel.
    pub channel: String,
    /// The caller's number, if shown.
    pub caller: Option<String>,
    /// Its length; nothing while it is being recorded.
    pub seconds: Option<f64>,
    /// The audio file.
    pub path: PathBuf,
}

impl Reader {
    /// Opens the database at `path` without changing it.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn open(path: &Path) -> Result<Reader, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let connection = options.connect().await;
        connection.map(Reader).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })
    }

    /// The registrations that have not run out at `now`.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn registrations(
        &mut self,
        now: Wall,
    ) -> Result<Vec<RegistrationRecord>, StoreError> {
        let rows = sqlx::query("SELECT contact, record FROM registrations WHERE expires > $1")
            .bind(now.to_string())
            .fetch_all(&mut self.0)
            .await?;
        rows.iter()
            .map(|row| {
                parse(
                    &format!("registration of {}", text(row, 0)?),
                    &text(row, 1)?,
                )
            })
            .collect()
    }

    /// How busy each user has been.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn loads(&mut self) -> Result<Vec<(UserName, Load)>, StoreError> {
        let rows = sqlx::query(
            "SELECT names.user_name,
                (SELECT COUNT(*) FROM conversations WHERE assignee = names.user_name AND closed IS NULL),
                (SELECT MAX(at) FROM assignments WHERE user_name = names.user_name),
                (SELECT MAX(ended) FROM calls WHERE answered_by = names.user_name)
             FROM (SELECT DISTINCT user_name FROM assignments) AS names",
        )
        .fetch_all(&mut self.0)
        .await?;
        rows.iter()
            .map(|row| {
                let open: i64 = row.try_get(1)?;
                let load = Load {
                    open_conversations: u32::try_from(open).unwrap_or(u32::MAX),
                    last_assigned: instant(row.try_get(2)?),
                    last_call_ended: instant(row.try_get(3)?),
                };
                Ok((UserName::from(text(row, 0)?), load))
            })
            .collect()
    }

    /// The call with this identifier, or whose conversation, voicemail or SIP Call-ID it is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find(&mut self, id: &str) -> Result<Option<Found>, StoreError> {
        let row = sqlx::query(
            "SELECT id, began, channel, from_number, to_number, outcome, detail FROM calls
             WHERE id = $1 OR sip_call_id = $1
                OR id IN (SELECT call FROM conversations WHERE id = $1)
                OR id IN (SELECT call FROM voicemails WHERE id = $1)
             ORDER BY began DESC LIMIT 1",
        )
        .bind(id.to_owned())
        .fetch_optional(&mut self.0)
        .await?;
        row.map(|row| found(&row)).transpose()
    }

    /// The latest call, to this number if one is given.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last(&mut self, to: Option<&str>) -> Result<Option<Found>, StoreError> {
        let row = sqlx::query(
            "SELECT id, began, channel, from_number, to_number, outcome, detail FROM calls
             WHERE $1 IS NULL OR to_number = $1 ORDER BY began DESC, id DESC LIMIT 1",
        )
        .bind(to.map(str::to_owned))
        .fetch_optional(&mut self.0)
        .await?;
        row.map(|row| found(&row)).transpose()
    }

    /// The decisions of a call, in order.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn decisions(&mut self, call: CallId) -> Result<Vec<DecisionRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, at, request, facts, decision, remark FROM decisions WHERE call = $1 ORDER BY id",
        )
        .bind(call.to_string())
        .fetch_all(&mut self.0)
        .await?;
        rows.iter()
            .map(|row| {
                let id = text(row, 0)?;
                let what = format!("decision {id}");
                Ok(DecisionRecord {
                    id: parse(&what, &format!("{id:?}"))?,
                    call: Some(call),
                    at: parse(&what, &format!("{:?}", text(row, 1)?))?,
                    request: parse(&what, &text(row, 2)?)?,
                    facts: parse(&what, &text(row, 3)?)?,
                    decision: parse(&what, &text(row, 4)?)?,
                    remark: row.try_get(5)?,
                })
            })
            .collect()
    }

    /// Voicemails, the latest first; paths under `audio`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn voicemails(&mut self, audio: &Path) -> Result<Vec<Voicemail>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, began, channel, from_number, seconds, file FROM voicemails
             WHERE kept = 1 ORDER BY began DESC, id DESC",
        )
        .fetch_all(&mut self.0)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Voicemail {
                    id: text(row, 0)?,
                    time: text(row, 1)?,
                    channel: text(row, 2)?,
                    caller: row.try_get(3)?,
                    seconds: row.try_get(4)?,
                    path: audio.join(text(row, 5)?),
                })
            })
            .collect()
    }
}

fn found(row: &sqlx::sqlite::SqliteRow) -> Result<Found, StoreError> {
    let id = text(row, 0)?;
    Ok(Found {
        call: parse("a call's identifier", &format!("{id:?}"))?,
        began: text(row, 1)?,
        channel: row.try_get(2)?,
        from: row.try_get(3)?,
        to: text(row, 4)?,
        outcome: row.try_get(5)?,
        detail: text(row, 6)?,
    })
}

fn text(row: &sqlx::sqlite::SqliteRow, column: usize) -> Result<String, sqlx::Error> {
    row.try_get(column)
}

fn parse<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|source| StoreError::Unreadable {
        what: what.to_owned(),
        source,
    })
}

fn instant(text: Option<String>) -> Option<Wall> {
    let text = text?;
    chrono::DateTime::parse_from_rfc3339(&text)
        .ok()
        .map(|at| Wall::from_utc(at.to_utc()))
}

//! Questions to the store, for the commands and for the start of the daemon.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use super::StoreError;
use crate::core::desk::Load;
use crate::core::id::{CallId, ConversationId};
use crate::core::name::UserName;
use crate::core::record::{DecisionRecord, RegistrationRecord};
use crate::core::snapshot::Kind;
use crate::core::time::Wall;

/// A connection that reads.
pub struct Reader(pub(super) SqliteConnection);

/// A call or conversation as a person asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub began: Wall,
    /// Its channel, if the number had one.
    pub channel: Option<String>,
    /// The trunk it came through, if any.
    pub trunk: Option<String>,
    /// The caller's number, if shown.
    pub from: Option<String>,
    /// What was dialled.
    pub to: String,
    /// When it was answered, by somebody or by the voicemail.
    pub answered: Option<Wall>,
    /// When it ended.
    pub ended: Option<Wall>,
    /// How it ended, once it has.
    pub outcome: Option<String>,
    /// The sentence about its end.
    pub detail: String,
    /// The SIP Call-ID of the caller's leg.
    pub sip_call_id: String,
}

/// What a decision was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A call.
    Call(CallId),
    /// A conversation of messages.
    Conversation(ConversationId),
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The user it rang; nobody: the caller.
    pub user: Option<String>,
    /// The remote URI.
    pub uri: String,
    /// When it began.
    pub began: Wall,
    /// When it was answered.
    pub answered: Option<Wall>,
    /// When it ended.
    pub ended: Option<Wall>,
    /// Its final SIP status.
    pub status: Option<i64>,
    /// Why it ended, in words.
    pub reason: String,
}

/// A voicemail as it is listed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Voicemail {
    /// Its key.
    pub id: String,
    /// When the beep sounded, RFC 3339 in UTC.
    pub time: Wall,
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
        let mut loads: BTreeMap<UserName, Load> = BTreeMap::new();
        let open = sqlx::query(
            "SELECT assignee, kind, COUNT(*) FROM conversations
             WHERE assignee_kind = 'user' AND status = 'open' GROUP BY assignee, kind",
        )
        .fetch_all(&mut self.0)
        .await?;
        for row in &open {
            let load = loads.entry(UserName::from(text(row, 0)?)).or_default();
            let count: i64 = row.try_get(2)?;
            *load.open.of_mut(enum_word("a kind", &text(row, 1)?)?) =
                u32::try_from(count).unwrap_or(u32::MAX);
        }
        let assigned = sqlx::query(
            "SELECT assignee, MAX(at) FROM assignments WHERE assignee_kind = 'user' GROUP BY assignee",
        )
        .fetch_all(&mut self.0)
        .await?;
        for row in &assigned {
            let load = loads.entry(UserName::from(text(row, 0)?)).or_default();
            load.last_assigned = instant(row.try_get(1)?);
        }
        let called = sqlx::query(
            "SELECT answered_by, MAX(ended) FROM calls
             WHERE answered_by IS NOT NULL GROUP BY answered_by",
        )
        .fetch_all(&mut self.0)
        .await?;
        for row in &called {
            let load = loads.entry(UserName::from(text(row, 0)?)).or_default();
            load.last_call_ended = instant(row.try_get(1)?);
        }
        Ok(loads.into_iter().collect())
    }

    /// The call with this identifier, or whose conversation, voicemail or SIP Call-ID it is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find(&mut self, id: &str) -> Result<Option<Found>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {CALL} FROM calls
             WHERE id = $1 OR sip_call_id = $1
                OR id IN (SELECT call FROM messages WHERE conversation = $1)
                OR id IN (SELECT call FROM voicemails WHERE id = $1)
             ORDER BY began DESC LIMIT 1"
        )))
        .bind(id.to_owned())
        .fetch_optional(&mut self.0)
        .await?;
        row.map(|row| found(&row)).transpose()
    }

    /// The first few calls, the latest first, whose identifier (or whose conversation's or
    /// voicemail's) begins like this.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_beginning(&mut self, start: &str) -> Result<Vec<Found>, StoreError> {
        // Identifiers are made of digits, small letters and hyphens, which all sort before `~`.
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {CALL} FROM calls
             WHERE id BETWEEN $1 AND $2
                OR id IN (SELECT call FROM messages WHERE conversation BETWEEN $1 AND $2)
                OR id IN (SELECT call FROM voicemails WHERE id BETWEEN $1 AND $2)
             ORDER BY began DESC LIMIT {CANDIDATES}"
        )))
        .bind(start.to_owned())
        .bind(format!("{start}~"))
        .fetch_all(&mut self.0)
        .await?;
        rows.iter().map(found).collect()
    }

    /// The latest call, to this number if one is given.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last(&mut self, to: Option<&str>) -> Result<Option<Found>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {CALL} FROM calls
             WHERE $1 IS NULL OR to_number = $1 ORDER BY began DESC, id DESC LIMIT 1"
        )))
        .bind(to.map(str::to_owned))
        .fetch_optional(&mut self.0)
        .await?;
        row.map(|row| found(&row)).transpose()
    }

    /// What was decided about last, of all kinds or of one: a call, or a conversation.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn decided_last(
        &mut self,
        kind: Option<Kind>,
    ) -> Result<Option<Subject>, StoreError> {
        let row = sqlx::query(
            "SELECT call, conversation FROM decisions
             WHERE ($1 IS NULL OR json_extract(request, '$.kind') = $1)
                 AND (call IS NOT NULL OR conversation IS NOT NULL)
             ORDER BY rowid DESC LIMIT 1",
        )
        .bind(kind.map(Kind::as_str))
        .fetch_optional(&mut self.0)
        .await?;
        row.map(|row| {
            let (call, conversation): (Option<String>, String) = (
                row.try_get(0)?,
                row.try_get::<Option<String>, _>(1)?.unwrap_or_default(),
            );
            match call {
                Some(call) => parse("a decision's call", &format!("{call:?}")).map(Subject::Call),
                None => parse("a decision's conversation", &format!("{conversation:?}"))
                    .map(Subject::Conversation),
            }
        })
        .transpose()
    }

    /// The legs of a call, in the order in which they began.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn legs(&mut self, call: CallId) -> Result<Vec<Leg>, StoreError> {
        let rows = sqlx::query(
            "SELECT user_name, uri, began, answered, ended, status, reason FROM legs
             WHERE call = $1 ORDER BY began, id",
        )
        .bind(call.to_string())
        .fetch_all(&mut self.0)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Leg {
                    user: row.try_get(0)?,
                    uri: text(row, 1)?,
                    began: begun(row, 2)?,
                    answered: instant(row.try_get(3)?),
                    ended: instant(row.try_get(4)?),
                    status: row.try_get(5)?,
                    reason: text(row, 6)?,
                })
            })
            .collect()
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
                    conversation: None,
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
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {VOICEMAIL} FROM voicemails WHERE kept = 1 ORDER BY began DESC, id DESC"
        )))
        .fetch_all(&mut self.0)
        .await?;
        rows.iter().map(|row| voicemail(row, audio)).collect()
    }

    /// The voicemail that a call left, if it did.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn voicemail_of(
        &mut self,
        call: CallId,
        audio: &Path,
    ) -> Result<Option<Voicemail>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {VOICEMAIL} FROM voicemails WHERE kept = 1 AND call = $1"
        )))
        .bind(call.to_string())
        .fetch_optional(&mut self.0)
        .await?;
        row.map(|row| voicemail(&row, audio)).transpose()
    }
}

/// What is read of a call.
const CALL: &str = "id, began, channel, trunk, from_number, to_number, answered, ended, outcome, detail, sip_call_id";

/// What is read of a voicemail.
const VOICEMAIL: &str = "id, began, channel, from_number, seconds, file";

/// Calls that are told of where the beginning of an identifier could mean several.
const CANDIDATES: u32 = 5;

fn found(row: &sqlx::sqlite::SqliteRow) -> Result<Found, StoreError> {
    let id = text(row, 0)?;
    Ok(Found {
        call: parse("a call's identifier", &format!("{id:?}"))?,
        began: begun(row, 1)?,
        channel: row.try_get(2)?,
        trunk: row.try_get(3)?,
        from: row.try_get(4)?,
        to: text(row, 5)?,
        answered: instant(row.try_get(6)?),
        ended: instant(row.try_get(7)?),
        outcome: row.try_get(8)?,
        detail: text(row, 9)?,
        sip_call_id: text(row, 10)?,
    })
}

fn voicemail(row: &sqlx::sqlite::SqliteRow, audio: &Path) -> Result<Voicemail, StoreError> {
    Ok(Voicemail {
        id: text(row, 0)?,
        time: begun(row, 1)?,
        channel: text(row, 2)?,
        caller: row.try_get(3)?,
        seconds: row.try_get(4)?,
        path: audio.join(text(row, 5)?),
    })
}

fn text(row: &sqlx::sqlite::SqliteRow, column: usize) -> Result<String, sqlx::Error> {
    row.try_get(column)
}

/// An instant that every row has.
fn begun(row: &sqlx::sqlite::SqliteRow, column: usize) -> Result<Wall, StoreError> {
    parse("when it began", &format!("{:?}", text(row, column)?))
}

/// An enum without data, of its word.
fn enum_word<T: DeserializeOwned>(what: &str, word: &str) -> Result<T, StoreError> {
    parse(what, &serde_json::Value::from(word).to_string())
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

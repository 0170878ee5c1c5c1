//! Our own people: who has signed in, who is there, who changed what.

use std::fmt;
use std::str::FromStr;

use sqlx::QueryBuilder;

use super::Readers;
use super::columns::{self, Columns, SESSION};
use super::page::{CursorError, LARGEST_PAGE, rows};
use crate::core::conversation::{AuditRecord, PresenceRecord, SessionRecord};
use crate::core::name::UserName;
use crate::store::StoreError;

/// A place in the audit log: before the entry of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPlace {
    segment: i64,
    place: i64,
}

impl fmt::Display for AuditPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.segment, self.place)
    }
}

impl FromStr for AuditPlace {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<AuditPlace, CursorError> {
        let (segment, place) = text.split_once('.').ok_or(CursorError)?;
        Ok(AuditPlace {
            segment: segment.parse().map_err(|_| CursorError)?,
            place: place.parse().map_err(|_| CursorError)?,
        })
    }
}

/// A part of the audit log, the latest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The entries.
    pub items: Vec<AuditRecord>,
    /// Where older ones go on; `None`: there are none.
    pub older: Option<AuditPlace>,
}

impl Readers {
    /// The session of this key, also one that is over.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn session(&self, key: &str) -> Result<Option<SessionRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {SESSION} FROM sessions WHERE session_key = "
        ));
        question.push_bind(key.to_owned());
        let mut connection = self.connection().await?;
        let row = question.build().fetch_optional(&mut *connection).await?;
        row.map(|row| columns::session(&mut Columns::of("a session", &row)))
            .transpose()
    }

    /// The sessions of a user, the latest first; at most [`LARGEST_PAGE`].
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn sessions_of(&self, user: &UserName) -> Result<Vec<SessionRecord>, StoreError> {
        let mut question =
            QueryBuilder::new(format!("SELECT {SESSION} FROM sessions WHERE user_name = "));
        question.push_bind(user.to_string());
        question.push(" ORDER BY began DESC LIMIT ");
        question.push_bind(LARGEST_PAGE);
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| columns::session(&mut Columns::of("a session", row)))
            .collect()
    }

    /// What each user said last of being there, by name.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn presence(&self) -> Result<Vec<PresenceRecord>, StoreError> {
        let mut connection = self.connection().await?;
        super::restore::presence(&mut connection).await
    }

    /// A part of the audit log, the latest first; older than a place, if one is given. For admins:
    /// it belongs to no inbox.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn audit(
        &self,
        older_than: Option<AuditPlace>,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        let mut question = QueryBuilder::new(
            "SELECT segment, place, at, actor, address, action, object, detail FROM audit",
        );
        if let Some(before) = older_than {
            question.push(" WHERE (segment, place) < (");
            question.push_bind(before.segment).push(", ");
            question.push_bind(before.place).push(")");
        }
        question.push(" ORDER BY segment DESC, place DESC LIMIT ");
        question.push_bind(rows(limit));
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        let shown = limit.clamp(1, LARGEST_PAGE) as usize;
        let entries = (rows.iter().take(shown))
            .map(|row| entry(&mut Columns::of("an entry of the audit log", row)))
            .collect::<Result<Vec<_>, _>>()?;
        let last = entries.last().map(|(place, _)| *place);
        Ok(AuditPage {
            older: last.filter(|_| rows.len() > shown),
            items: entries.into_iter().map(|(_, entry)| entry).collect(),
        })
    }
}

fn entry(columns: &mut Columns<'_>) -> Result<(AuditPlace, AuditRecord), StoreError> {
    let place = AuditPlace {
        segment: columns.integer()?,
        place: columns.integer()?,
    };
    let entry = AuditRecord {
        at: columns.wall()?,
        actor: columns.text()?,
        address: columns.text()?,
        action: columns.text()?,
        object: columns.text()?,
        detail: columns.text()?,
    };
    Ok((place, entry))
}

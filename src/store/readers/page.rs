//! Lists in parts: from a place on, in the order of time.

use std::fmt;
use std::str::FromStr;

use sqlx::{QueryBuilder, Sqlite};
use uuid::Uuid;

use crate::core::time::Wall;

/// The most that a part of a list holds.
pub const LARGEST_PAGE: u32 = 100;

/// A place in a list that is ordered by time: after the row of this time and identifier. Clients keep
/// it as text and hand it back; what they make up is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The row's time.
    pub at: Wall,
    /// The row's identifier.
    pub id: Uuid,
}

/// What was handed back is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in a list; hand back what an earlier answer gave")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_millis(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let (millis, id) = text.split_once('.').ok_or(CursorError)?;
        let millis = millis.parse().map_err(|_| CursorError)?;
        Ok(Cursor {
            at: Wall::from_millis(millis),
            id: id.parse().map_err(|_| CursorError)?,
        })
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The latest.
    #[default]
    Latest,
    /// What is older than this, the latest of it first.
    OlderThan(Cursor),
    /// What is newer than this: the oldest of it, still the latest first.
    NewerThan(Cursor),
}

/// A part of a list, the latest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where older ones go on; `None`: there are none.
    pub older: Option<Cursor>,
    /// Where newer ones go on; `None`: there were none when this was asked.
    pub newer: Option<Cursor>,
}

/// How many rows to ask for: one more than to show, so that it is known whether there are more.
pub(super) fn rows(limit: u32) -> u32 {
    limit.clamp(1, LARGEST_PAGE).saturating_add(1)
}

impl Place {
    /// The condition that a row lies beyond the place.
    pub(super) fn push(&self, question: &mut QueryBuilder<Sqlite>, at: &str, id: &str) {
        let (sign, cursor) = match self {
            Place::Latest => return,
            Place::OlderThan(cursor) => ("<", cursor),
            Place::NewerThan(cursor) => (">", cursor),
        };
        question.push(format_args!(" AND ({at}, {id}) {sign} ("));
        question.push_bind(cursor.at.to_string()).push(", ");
        question.push_bind(cursor.id.to_string()).push(")");
    }

    /// The order of rows, and how many.
    pub(super) fn push_order(
        &self,
        question: &mut QueryBuilder<Sqlite>,
        at: &str,
        id: &str,
        limit: u32,
    ) {
        self.push_first(question, at, id, rows(limit));
    }

    /// The order of rows, and exactly how many.
    pub(super) fn push_first(
        &self,
        question: &mut QueryBuilder<Sqlite>,
        at: &str,
        id: &str,
        count: u32,
    ) {
        let order = match self {
            Place::Latest | Place::OlderThan(_) => "DESC",
            Place::NewerThan(_) => "ASC",
        };
        question.push(format_args!(" ORDER BY {at} {order}, {id} {order} LIMIT "));
        question.push_bind(count);
    }

    /// What lies beyond a row, in the same direction.
    pub(super) fn beyond(&self, row: Cursor) -> Place {
        match self {
            Place::Latest | Place::OlderThan(_) => Place::OlderThan(row),
            Place::NewerThan(_) => Place::NewerThan(row),
        }
    }

    /// A part of the list that was looked through until a place, where it goes on.
    pub(super) fn page_until<T>(
        &self,
        items: Vec<T>,
        until: Place,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Page<T> {
        let page = self.page(items, LARGEST_PAGE, cursor);
        match until {
            Place::Latest => page,
            Place::OlderThan(row) => Page {
                older: Some(row),
                ..page
            },
            Place::NewerThan(row) => Page {
                newer: Some(row),
                ..page
            },
        }
    }

    /// The part of the list, of the rows in the order asked for.
    pub(super) fn page<T>(
        &self,
        mut items: Vec<T>,
        limit: u32,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Page<T> {
        let shown = limit.clamp(1, LARGEST_PAGE) as usize;
        let more = items.len() > shown;
        items.truncate(shown);
        let (older, newer) = match self {
            Place::Latest => (more, false),
            Place::OlderThan(_) => (more, true),
            Place::NewerThan(_) => {
                items.reverse();
                (true, more)
            }
        };
        Page {
            older: items.last().filter(|_| older).map(&cursor),
            newer: items.first().filter(|_| newer).map(&cursor),
            items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_was_written_and_nothing_else_does() {
        let cursor = Cursor {
            at: Wall::from_millis(1_796_200_000_123),
            id: Uuid::from_u128(7),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in [
            "",
            "1",
            "1.",
            ".1",
            "1.x",
            "1' OR 1=1 --.00000000000000000000000000000007",
            "1.00000000000000000000000000000007'",
            "99999999999999999999.00000000000000000000000000000007",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }
}

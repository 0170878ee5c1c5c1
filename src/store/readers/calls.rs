//! The log of the phone line: calls, their legs and decisions. A call is within sight where a
//! conversation is that tells of it; what never became a conversation (an unknown number) is seen by
//! those who see everything.

use sqlx::{QueryBuilder, Sqlite};

use super::columns::{self, CALL, Columns, DECISION};
use super::page::{Cursor, Page, Place};
use super::{Readers, Sight};
use crate::core::id::CallId;
use crate::core::name::{ChannelName, UserName};
use crate::core::record::{CallOutcome, CallRecord, DecisionRecord, LegRecord};
use crate::store::StoreError;
use crate::store::rows::word;

/// A question for a list of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Only of this channel.
    pub channel: Option<ChannelName>,
    /// Only those that this user answered.
    pub answered_by: Option<UserName>,
    /// Only those that ended so.
    pub outcome: Option<CallOutcome>,
    /// Only those from this number, E.164.
    pub from: Option<String>,
    /// Only those to this number, as it was dialled.
    pub to: Option<String>,
    /// From where on.
    pub place: Place,
    /// How many: 1 to [`super::LARGEST_PAGE`].
    pub limit: u32,
}

impl Readers {
    /// A part of the list, the latest first.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn calls(
        &self,
        sight: &Sight,
        query: &CallQuery,
    ) -> Result<Page<CallRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!("SELECT {CALL} FROM calls WHERE"));
        sight.push_call(&mut question, "calls.id");
        let outcome = query.outcome.map(|outcome| word(&outcome));
        for (column, wanted) in [
            ("calls.channel", query.channel.as_deref()),
            ("calls.answered_by", query.answered_by.as_deref()),
            ("calls.outcome", outcome.as_deref()),
            ("calls.from_number", query.from.as_deref()),
            ("calls.to_number", query.to.as_deref()),
        ] {
            if let Some(wanted) = wanted {
                question.push(format_args!(" AND {column} = "));
                question.push_bind(wanted.to_owned());
            }
        }
        query.place.push(&mut question, "calls.began", "calls.id");
        query
            .place
            .push_order(&mut question, "calls.began", "calls.id", query.limit);
        let items = self.told_calls(question).await?;
        Ok(query.place.page(items, query.limit, |call| Cursor {
            at: call.began,
            id: call.id.0,
        }))
    }

    /// One call.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn call(&self, sight: &Sight, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!("SELECT {CALL} FROM calls WHERE calls.id = "));
        question.push_bind(id.to_string()).push(" AND");
        sight.push_call(&mut question, "calls.id");
        Ok(self.told_calls(question).await?.pop())
    }

    /// The legs of a call, in the order in which they began.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn legs(&self, sight: &Sight, id: CallId) -> Result<Vec<LegRecord>, StoreError> {
        let mut question = QueryBuilder::new(
            "SELECT id, call, user_name, uri, began, answered, ended, status, reason
             FROM legs WHERE call = ",
        );
        question.push_bind(id.to_string()).push(" AND");
        sight.push_call(&mut question, "legs.call");
        question.push(" ORDER BY began, id");
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of("a leg", row);
                Ok(LegRecord {
                    id: columns.parsed()?,
                    call: columns.parsed()?,
                    user: columns.names()?,
                    uri: columns.text()?,
                    began: columns.wall()?,
                    answered: columns.walls()?,
                    ended: columns.walls()?,
                    status: columns.small()?,
                    reason: columns.text()?,
                })
            })
            .collect()
    }

    /// The decisions about a call, in order.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn decisions_of_call(
        &self,
        sight: &Sight,
        id: CallId,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {DECISION} FROM decisions WHERE decisions.call = "
        ));
        question.push_bind(id.to_string()).push(" AND");
        sight.push_call(&mut question, "decisions.call");
        question.push(" ORDER BY decisions.at, decisions.rowid");
        self.decided(question).await
    }

    pub(super) async fn decided(
        &self,
        mut question: QueryBuilder<Sqlite>,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| columns::decision(&mut Columns::of("a decision", row)))
            .collect()
    }

    async fn told_calls(
        &self,
        mut question: QueryBuilder<Sqlite>,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| columns::call(&mut Columns::of("a call", row)))
            .collect()
    }
}

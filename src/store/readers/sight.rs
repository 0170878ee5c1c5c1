//! What somebody may see.

use std::collections::BTreeSet;

use sqlx::{QueryBuilder, Sqlite};

use crate::core::name::InboxName;

/// The inboxes that somebody has access to. Every question about conversations carries one, and the
/// database answers within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of them: admins, and Ringdesk itself.
    Everything,
    /// These, and what lies in no inbox.
    Inboxes(BTreeSet<InboxName>),
}

impl Sight {
    /// The condition that the inbox in that column is one of them.
    pub(super) fn push(&self, question: &mut QueryBuilder<Sqlite>, column: &str) {
        match self {
            Sight::Everything => {
                question.push(" TRUE");
            }
            Sight::Inboxes(inboxes) => {
                question.push(format_args!(" ({column} IS NULL OR {column} IN ("));
                let mut list = question.separated(", ");
                // The empty name stands for an inbox that is not known.
                for inbox in inboxes.iter().filter(|inbox| !inbox.is_empty()) {
                    list.push_bind(inbox.to_string());
                }
                question.push("))");
            }
        }
    }

    /// The condition that a conversation of that identifier is within sight.
    pub(super) fn push_conversation(&self, question: &mut QueryBuilder<Sqlite>, column: &str) {
        match self {
            Sight::Everything => {
                question.push(" TRUE");
            }
            Sight::Inboxes(_) => {
                question.push(format_args!(
                    " EXISTS (SELECT 1 FROM conversations AS seen_by WHERE seen_by.id = {column} AND"
                ));
                self.push(question, "seen_by.inbox");
                question.push(")");
            }
        }
    }

    /// The condition that a call of that identifier stands in a conversation within sight.
    pub(super) fn push_call(&self, question: &mut QueryBuilder<Sqlite>, column: &str) {
        match self {
            Sight::Everything => {
                question.push(" TRUE");
            }
            Sight::Inboxes(_) => {
                question.push(" (");
                for (place, told) in ["messages", "earlier_calls"].into_iter().enumerate() {
                    let or = if place > 0 { " OR" } else { "" };
                    question.push(format_args!(
                        "{or} EXISTS (SELECT 1 FROM {told} AS told
                         JOIN conversations AS seen_by ON seen_by.id = told.conversation
                         WHERE told.call = {column} AND"
                    ));
                    self.push(question, "seen_by.inbox");
                    question.push(")");
                }
                question.push(")");
            }
        }
    }
}

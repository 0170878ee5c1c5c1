//! Lists of conversations, and one of them.

use sqlx::{QueryBuilder, Sqlite};

use super::columns::{self, CONVERSATION, Columns, DECISION};
use super::page::{Cursor, Page, Place};
use super::{Readers, Sight};
use crate::core::conversation::{Assignee, ConversationRecord, ItemKind, Status};
use crate::core::id::{ContactId, ConversationId};
use crate::core::name::{ChannelName, InboxName, TeamName, UserName};
use crate::core::record::{AssignmentRecord, DecisionRecord};
use crate::core::snapshot::Kind;
use crate::store::StoreError;
use crate::store::rows::{assignee, word};

/// Which conversations are looked at. All views but [`View::Closed`] and [`View::Everything`] leave
/// closed ones out, unless the question names a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Those that are not closed.
    #[default]
    All,
    /// Those that nobody has.
    Unassigned,
    /// Those that this user has.
    Mine(UserName),
    /// Those that the team as a whole has, or one of these, its members.
    Team(TeamName, Vec<UserName>),
    /// Those that wait for the other side.
    Waiting,
    /// Those whose last call nobody took, with or without a voicemail.
    MissedCalls,
    /// Those that are closed.
    Closed,
    /// All there are.
    Everything,
}

/// A question for a list of conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationQuery {
    /// Which.
    pub view: View,
    /// Only of this status.
    pub status: Option<Status>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this channel.
    pub channel: Option<ChannelName>,
    /// Only of this inbox.
    pub inbox: Option<InboxName>,
    /// Only with this contact.
    pub contact: Option<ContactId>,
    /// Only those that this one has.
    pub assignee: Option<Assignee>,
    /// Whose reading counts for what is unread; `None`: nothing is.
    pub user: Option<UserName>,
    /// Only what that user has not read.
    pub unread: bool,
    /// Only those with these words in subject, contact or messages, as somebody typed them.
    pub search: Option<String>,
    /// From where on.
    pub place: Place,
    /// How many: 1 to [`super::LARGEST_PAGE`].
    pub limit: u32,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConversation {
    /// The conversation.
    pub conversation: ConversationRecord,
    /// True if something was added that the user who asks has not read.
    pub unread: bool,
}

/// How many conversations a view has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub total: u64,
    /// Those that the user who asks has not read.
    pub unread: u64,
}

impl Readers {
    /// A part of a list, the latest message first. Where words are searched for that stand in very
    /// many messages, it may hold fewer than asked for, and still go on.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn conversations(
        &self,
        sight: &Sight,
        query: &ConversationQuery,
    ) -> Result<Page<ListedConversation>, StoreError> {
        if let Some(typed) = &query.search {
            return self.searched(sight, query, typed).await;
        }
        let mut question = QueryBuilder::new(format!("SELECT {CONVERSATION}, "));
        push_unread(&mut question, query.user.as_ref());
        question.push(" FROM conversations WHERE");
        sight.push(&mut question, "conversations.inbox");
        query.push(&mut question);
        let (at, id) = ("conversations.last_message", "conversations.id");
        query.place.push(&mut question, at, id);
        query.place.push_order(&mut question, at, id, query.limit);
        let items = self.listed(question).await?;
        Ok(query.place.page(items, query.limit, |item| Cursor {
            at: item.conversation.last_message,
            id: item.conversation.id.0,
        }))
    }

    /// How many conversations each of these views has. Closed ones are not counted: there is no end
    /// to them.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn counts(
        &self,
        sight: &Sight,
        user: Option<&UserName>,
        views: &[View],
    ) -> Result<Vec<Count>, StoreError> {
        let mut question = QueryBuilder::new(
            "SELECT status, assignee_kind, assignee, item, COUNT(*), SUM(unread) FROM
                 (SELECT status, assignee_kind, assignee, item, ",
        );
        push_unread(&mut question, user);
        question.push(" AS unread FROM conversations WHERE");
        sight.push(&mut question, "conversations.inbox");
        question.push(
            " AND conversations.status <> 'closed') AS seen_now
             GROUP BY status, assignee_kind, assignee, item",
        );
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        let mut counts = vec![Count::default(); views.len()];
        for row in &rows {
            let mut columns = Columns::of("counts", row);
            let status: Status = columns.word()?;
            let assignee = columns.assignee()?;
            let item: Option<ItemKind> = columns.words()?;
            let (total, unread) = (columns.count()?, columns.count()?);
            for (view, count) in views.iter().zip(&mut counts) {
                if view.has(status, assignee.as_ref(), item) {
                    count.total = count.total.saturating_add(total);
                    count.unread = count.unread.saturating_add(unread);
                }
            }
        }
        Ok(counts)
    }

    /// One conversation.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn conversation(
        &self,
        sight: &Sight,
        id: ConversationId,
    ) -> Result<Option<ConversationRecord>, StoreError> {
        let listed = self.conversation_for(sight, id, None).await?;
        Ok(listed.map(|listed| listed.conversation))
    }

    /// One conversation, and whether that user has read it.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn conversation_for(
        &self,
        sight: &Sight,
        id: ConversationId,
        user: Option<&UserName>,
    ) -> Result<Option<ListedConversation>, StoreError> {
        let mut question = QueryBuilder::new(format!("SELECT {CONVERSATION}, "));
        push_unread(&mut question, user);
        question.push(" FROM conversations WHERE conversations.id = ");
        question.push_bind(id.to_string()).push(" AND");
        sight.push(&mut question, "conversations.inbox");
        Ok(self.listed(question).await?.pop())
    }

    /// The first few conversations, the latest first, whose identifier begins like this. For the
    /// admin of the machine, who may see all.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn conversations_beginning(
        &self,
        start: &str,
        limit: u32,
    ) -> Result<Vec<ConversationRecord>, StoreError> {
        // Identifiers are made of digits, small letters and hyphens, which all sort before `~`.
        let mut question = QueryBuilder::new(format!(
            "SELECT {CONVERSATION}, 0 FROM conversations WHERE conversations.id BETWEEN "
        ));
        question.push_bind(start.to_owned()).push(" AND ");
        question.push_bind(format!("{start}~"));
        question.push(" ORDER BY last_message DESC, id DESC LIMIT ");
        question.push_bind(limit.clamp(1, super::LARGEST_PAGE));
        let listed = self.listed(question).await?;
        Ok(listed.into_iter().map(|item| item.conversation).collect())
    }

    /// The conversations that a visitor began in a channel, by the SHA-256 of the cookie in hex: those
    /// that are not closed first, then the latest first.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn conversations_of_visitor(
        &self,
        visitor: &str,
        channel: &ChannelName,
        limit: u32,
    ) -> Result<Vec<ConversationRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {CONVERSATION}, 0 FROM conversations WHERE visitor = "
        ));
        question.push_bind(visitor.to_owned());
        question.push(" AND channel = ");
        question.push_bind(channel.to_string());
        question.push(
            " ORDER BY CASE WHEN status = 'closed' THEN 1 ELSE 0 END, last_message DESC, id DESC LIMIT ",
        );
        question.push_bind(limit.clamp(1, super::LARGEST_PAGE));
        let listed = self.listed(question).await?;
        Ok(listed.into_iter().map(|item| item.conversation).collect())
    }

    /// The conversations that customer agents have and that are not closed, in the order in which they
    /// began. For Ringdesk itself.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn conversations_of_customer_agents(
        &self,
    ) -> Result<Vec<ConversationRecord>, StoreError> {
        let question = QueryBuilder::new(format!(
            "SELECT {CONVERSATION}, 0 FROM conversations
             WHERE assignee_kind = 'customer-agent' AND status <> 'closed' ORDER BY number"
        ));
        let listed = self.listed(question).await?;
        Ok(listed.into_iter().map(|item| item.conversation).collect())
    }

    /// Who a conversation was given to, in order.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn assignments(
        &self,
        sight: &Sight,
        id: ConversationId,
    ) -> Result<Vec<AssignmentRecord>, StoreError> {
        let mut question = QueryBuilder::new(
            "SELECT conversation, at, assignee_kind, assignee, assigned_by, decision
             FROM assignments WHERE conversation = ",
        );
        question.push_bind(id.to_string()).push(" AND");
        sight.push_conversation(&mut question, "assignments.conversation");
        question.push(" ORDER BY segment, place");
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of("an assignment", row);
                Ok(AssignmentRecord {
                    conversation: columns.parsed()?,
                    at: columns.wall()?,
                    to: columns.assignee()?,
                    by: columns.text()?,
                    decision: columns.parsed_if()?,
                })
            })
            .collect()
    }

    /// The decisions about a conversation and about the calls in it, in order.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn decisions(
        &self,
        sight: &Sight,
        id: ConversationId,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {DECISION} FROM decisions WHERE (decisions.conversation = "
        ));
        question.push_bind(id.to_string());
        question.push(
            " OR decisions.call IN (SELECT messages.call FROM messages
                 WHERE messages.call IS NOT NULL AND messages.conversation = ",
        );
        question.push_bind(id.to_string());
        question.push(
            " UNION SELECT earlier_calls.call FROM earlier_calls
                 WHERE earlier_calls.conversation = ",
        );
        question.push_bind(id.to_string());
        question.push(")) AND EXISTS (SELECT 1 FROM conversations WHERE conversations.id = ");
        question.push_bind(id.to_string()).push(" AND");
        sight.push(&mut question, "conversations.inbox");
        question.push(") ORDER BY decisions.at, decisions.rowid");
        self.decided(question).await
    }

    async fn listed(
        &self,
        mut question: QueryBuilder<Sqlite>,
    ) -> Result<Vec<ListedConversation>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of("a conversation", row);
                Ok(ListedConversation {
                    conversation: columns::conversation(&mut columns)?,
                    unread: columns.flag()?,
                })
            })
            .collect()
    }
}

/// 1 where the user has not read the conversation to its end.
pub(super) fn push_unread(question: &mut QueryBuilder<Sqlite>, user: Option<&UserName>) {
    let Some(user) = user else {
        question.push("0");
        return;
    };
    question.push("CASE WHEN EXISTS (SELECT 1 FROM seen WHERE seen.user_name = ");
    question.push_bind(user.to_string());
    question.push(
        " AND seen.conversation = conversations.id AND seen.at >= conversations.last_message)
         THEN 0 ELSE 1 END",
    );
}

impl View {
    /// Whether a conversation like this is in the view, of those that are not closed.
    fn has(&self, status: Status, assignee: Option<&Assignee>, item: Option<ItemKind>) -> bool {
        match self {
            View::All | View::Everything => true,
            View::Unassigned => assignee.is_none(),
            View::Mine(user) => assignee.and_then(Assignee::user) == Some(user),
            View::Team(team, members) => match assignee {
                Some(Assignee::User(user)) => members.contains(user),
                Some(Assignee::Team(of)) => of == team,
                Some(Assignee::CustomerAgent(_)) | None => false,
            },
            View::Waiting => status == Status::Waiting,
            View::MissedCalls => matches!(item, Some(ItemKind::MissedCall | ItemKind::Voicemail)),
            View::Closed => false,
        }
    }

    /// Whether closed conversations are left out where the question names no status.
    fn leaves_closed_out(&self) -> bool {
        match self {
            View::All
            | View::Unassigned
            | View::Mine(_)
            | View::Team(..)
            | View::MissedCalls
            | View::Waiting => true,
            View::Closed | View::Everything => false,
        }
    }

    fn push(&self, question: &mut QueryBuilder<Sqlite>) {
        match self {
            View::All | View::Everything => {}
            View::Unassigned => {
                question.push(
                    " AND conversations.assignee_kind IS NULL AND conversations.assignee IS NULL",
                );
            }
            View::Mine(user) => push_assignee(question, &Assignee::User(user.clone())),
            View::Team(team, members) => {
                question.push(
                    " AND ((conversations.assignee_kind = 'team' AND conversations.assignee = ",
                );
                question.push_bind(team.to_string());
                question.push(
                    ") OR (conversations.assignee_kind = 'user' AND conversations.assignee IN (",
                );
                let mut list = question.separated(", ");
                for member in members {
                    list.push_bind(member.to_string());
                }
                question.push(")))");
            }
            View::Waiting => {
                question.push(" AND conversations.status = 'waiting'");
            }
            View::MissedCalls => {
                question.push(" AND conversations.item IN ('missed-call', 'voicemail')");
            }
            View::Closed => {
                question.push(" AND conversations.status = 'closed'");
            }
        }
    }
}

impl ConversationQuery {
    /// The conditions, but for the words that are searched for.
    pub(super) fn push(&self, question: &mut QueryBuilder<Sqlite>) {
        self.view.push(question);
        match self.status {
            Some(status) => {
                question.push(" AND conversations.status = ");
                question.push_bind(word(&status));
            }
            None if self.view.leaves_closed_out() => {
                question.push(" AND conversations.status <> 'closed'");
            }
            None => {}
        }
        if let Some(kind) = self.kind {
            question.push(" AND conversations.kind = ");
            question.push_bind(kind.as_str());
        }
        if let Some(channel) = &self.channel {
            question.push(" AND conversations.channel = ");
            question.push_bind(channel.to_string());
        }
        if let Some(inbox) = &self.inbox {
            question.push(" AND conversations.inbox = ");
            question.push_bind(inbox.to_string());
        }
        if let Some(contact) = self.contact {
            question.push(" AND conversations.contact = ");
            question.push_bind(contact.to_string());
        }
        if let Some(assignee) = &self.assignee {
            push_assignee(question, assignee);
        }
        if let (true, Some(_)) = (self.unread, &self.user) {
            question.push(" AND ");
            push_unread(question, self.user.as_ref());
            question.push(" = 1");
        }
    }
}

fn push_assignee(question: &mut QueryBuilder<Sqlite>, to: &Assignee) {
    let (kind, name) = assignee(Some(to));
    question.push(" AND conversations.assignee_kind = ");
    question.push_bind(kind);
    question.push(" AND conversations.assignee = ");
    question.push_bind(name);
}

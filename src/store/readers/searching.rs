//! Lists of conversations with words in them.
//!
//! A word that stands in few messages is part of the question. One that stands in very many is looked
//! for from conversation to conversation, in the order of the list, until a page is full: it is full
//! soon, because the word stands in so many. Where it is not after [`STEPS`], what was found is
//! answered with the place where the search goes on.

use std::collections::BTreeSet;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::columns::{self, CONVERSATION, Columns};
use super::conversations::{ConversationQuery, ListedConversation, push_unread};
use super::page::{Cursor, Page, Place, rows};
use super::search::{GATHERED, Search};
use super::{Readers, Sight};
use crate::store::StoreError;

/// Conversations that are looked through for a page, in steps: the first fills one for words of
/// everyday, all of them take about half a second where a word stands in a million messages.
const STEPS: [u32; 3] = [200, 800, 3_000];

/// A conversation that may have the words.
struct Candidate {
    number: i64,
    /// Its caller's number is what was searched for.
    called: bool,
    listed: ListedConversation,
}

impl Readers {
    /// A part of a list of conversations that have the words.
    pub(super) async fn searched(
        &self,
        sight: &Sight,
        query: &ConversationQuery,
        typed: &str,
    ) -> Result<Page<ListedConversation>, StoreError> {
        let search = Search::of(typed);
        let mut connection = self.connection().await?;
        let connection = &mut *connection;
        let wanted = rows(query.limit);
        let mut common = Vec::new();
        for phrase in search.phrases() {
            if is_common(connection, phrase).await? {
                common.push(phrase);
            }
        }
        if common.is_empty() {
            let asked = candidates(sight, query, &search, &common, query.place, wanted);
            let found = read(connection, asked).await?;
            let items = found.into_iter().map(|one| one.listed).collect();
            return Ok(query.place.page(items, query.limit, place_of));
        }
        let (mut items, mut place) = (Vec::new(), query.place);
        for step in STEPS {
            let asked = candidates(sight, query, &search, &common, place, step);
            let looked_at = read(connection, asked).await?;
            let ended = looked_at.len() < step as usize;
            if let Some(last) = looked_at.last() {
                place = query.place.beyond(place_of(&last.listed));
            }
            let having = having(connection, &looked_at, &common).await?;
            let found = looked_at.into_iter();
            let found = found.filter(|one| one.called || having.contains(&one.number));
            items.extend(found.map(|one| one.listed));
            if ended || items.len() >= wanted as usize {
                return Ok(query.place.page(items, query.limit, place_of));
            }
        }
        Ok(query.place.page_until(items, place, place_of))
    }
}

fn place_of(item: &ListedConversation) -> Cursor {
    Cursor {
        at: item.conversation.last_message,
        id: item.conversation.id.0,
    }
}

/// Whether a phrase stands in more than can be gathered at once.
async fn is_common(connection: &mut SqliteConnection, phrase: &str) -> Result<bool, StoreError> {
    let mut question = QueryBuilder::new("SELECT MAX(found) FROM (");
    for (place, table) in ["message_search", "conversation_search"]
        .into_iter()
        .enumerate()
    {
        let union = if place > 0 { " UNION ALL " } else { "" };
        question.push(format_args!(
            "{union}SELECT COUNT(*) AS found FROM
                 (SELECT rowid FROM {table} WHERE {table} MATCH "
        ));
        question.push_bind(phrase.to_owned());
        question.push(format_args!(" LIMIT {GATHERED} + 1)"));
    }
    question.push(")");
    let row = question.build().fetch_one(connection).await?;
    let found: i64 = row.try_get(0)?;
    Ok(found > i64::from(GATHERED))
}

/// The question for conversations that may have the words: those that are not common are asked for.
fn candidates(
    sight: &Sight,
    query: &ConversationQuery,
    search: &Search,
    common: &[&String],
    place: Place,
    count: u32,
) -> QueryBuilder<Sqlite> {
    let mut question = QueryBuilder::new("SELECT conversations.number, ");
    search.push_number(&mut question);
    question.push(format_args!(", {CONVERSATION}, "));
    push_unread(&mut question, query.user.as_ref());
    question.push(" FROM conversations WHERE");
    sight.push(&mut question, "conversations.inbox");
    query.push(&mut question);
    search.push_conversations(&mut question, common);
    let (at, id) = ("conversations.last_message", "conversations.id");
    place.push(&mut question, at, id);
    place.push_first(&mut question, at, id, count);
    question
}

async fn read(
    connection: &mut SqliteConnection,
    mut question: QueryBuilder<Sqlite>,
) -> Result<Vec<Candidate>, StoreError> {
    let rows = question.build().fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::of("a conversation", row);
            Ok(Candidate {
                number: columns.integer()?,
                called: columns.truth()?,
                listed: ListedConversation {
                    conversation: columns::conversation(&mut columns)?,
                    unread: columns.flag()?,
                },
            })
        })
        .collect()
}

/// The numbers of those that have every one of the phrases.
async fn having(
    connection: &mut SqliteConnection,
    looked_at: &[Candidate],
    phrases: &[&String],
) -> Result<BTreeSet<i64>, StoreError> {
    let mut having: BTreeSet<i64> = looked_at.iter().map(|one| one.number).collect();
    for phrase in phrases {
        let numbers: Vec<i64> = having.iter().copied().collect();
        let mut question = QueryBuilder::new(
            "WITH looked_at (number, id) AS MATERIALIZED
                 (SELECT number, id FROM conversations WHERE number IN (SELECT value FROM json_each(",
        );
        question.push_bind(serde_json::Value::from(numbers).to_string());
        // The sign before `rowid` keeps SQLite from asking the index once for each message.
        question.push(
            "))), told (number, conversation) AS MATERIALIZED
                 (SELECT messages.number, looked_at.number FROM looked_at
                  JOIN messages ON messages.conversation = looked_at.id)
             SELECT rowid FROM conversation_search WHERE +rowid IN (SELECT number FROM looked_at)
                 AND conversation_search MATCH ",
        );
        question.push_bind((*phrase).clone());
        question.push(
            " UNION SELECT conversation FROM told WHERE number IN
                 (SELECT rowid FROM message_search WHERE +rowid IN (SELECT number FROM told)
                      AND message_search MATCH ",
        );
        question.push_bind((*phrase).clone()).push(")");
        let rows = question.build().fetch_all(&mut *connection).await?;
        let found = rows.iter().map(|row| row.try_get(0));
        having = found.collect::<Result<_, sqlx::Error>>()?;
    }
    Ok(having)
}

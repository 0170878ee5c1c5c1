//! Search. What people type is data: each word becomes a quoted phrase, so that nothing of it is
//! read as the language of the index.

use sqlx::{QueryBuilder, Sqlite};

/// Words that are searched for; more would be no search by a person.
const MOST_WORDS: usize = 8;

/// Characters of what was typed that are looked at.
const LONGEST_SEARCH: usize = 200;

/// Digits from which on a search is taken for a phone number.
const SHORTEST_NUMBER: usize = 4;

/// Messages, or conversations, that have a word, up to which all of them are gathered at once, each in
/// about a microsecond. What stands in more is looked for from conversation to conversation.
pub(super) const GATHERED: u32 = 10_000;

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// Phrases in the language of the index, each of which must be found somewhere.
    phrases: Vec<String>,
    /// The end of a phone number.
    digits: Option<String>,
}

impl Search {
    /// Of what was typed. The last word may go on.
    pub fn of(typed: &str) -> Search {
        let typed: String = typed.chars().take(LONGEST_SEARCH).collect();
        let words: Vec<&str> = typed
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| word.contains(char::is_alphanumeric))
            .take(MOST_WORDS)
            .collect();
        let goes_on = |place: usize, word: &str| {
            let is_last = place.saturating_add(1) == words.len();
            // A single letter goes on to nearly everything.
            is_last && (word.chars().count() > 1 || !word.is_ascii())
        };
        let phrases = (words.iter().enumerate())
            .map(|(place, word)| {
                let star = if goes_on(place, word) { "*" } else { "" };
                format!("\"{}\"{star}", word.replace('"', "\"\""))
            })
            .collect();
        let is_number = typed
            .chars()
            .all(|c| c.is_ascii_digit() || " +-()./".contains(c));
        let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
        let digits = Some(digits).filter(|digits| is_number && digits.len() >= SHORTEST_NUMBER);
        Search { phrases, digits }
    }

    /// The phrases, each of which must be found somewhere.
    pub fn phrases(&self) -> &[String] {
        &self.phrases
    }

    /// Whether the caller's number alone may be what is searched for.
    pub fn push_number(&self, question: &mut QueryBuilder<Sqlite>) {
        match &self.digits {
            Some(digits) => {
                question.push("conversations.from_number LIKE ");
                question.push_bind(format!("%{digits}"));
            }
            None => {
                question.push("FALSE");
            }
        }
    }

    /// The condition that a conversation has every word, in its subject, its contact, or any of its
    /// messages. Words in `common` are not asked for. Nothing is written that does not narrow it, so
    /// that the database can begin with what was found.
    pub fn push_conversations(&self, question: &mut QueryBuilder<Sqlite>, common: &[&String]) {
        let asked = self.phrases.iter().filter(|one| !common.contains(one));
        let asked: Vec<&String> = asked.collect();
        match (&self.digits, asked.is_empty()) {
            (_, true) if !common.is_empty() => return,
            (None, true) => {
                question.push(" AND FALSE");
                return;
            }
            (Some(_), is_all) => {
                question.push(" AND (");
                self.push_number(question);
                question.push(if is_all { "" } else { " OR " });
            }
            (None, false) => {
                question.push(" AND (");
            }
        }
        for (place, phrase) in asked.iter().enumerate() {
            question.push(if place > 0 { " AND " } else { "" });
            push_match(question, phrase);
        }
        question.push(")");
    }

    /// The condition that a contact has every word.
    pub fn push_contacts(&self, question: &mut QueryBuilder<Sqlite>) {
        question.push(" AND (");
        if let Some(digits) = &self.digits {
            question.push(
                "contacts.id IN (SELECT contact FROM contact_numbers WHERE phone_number LIKE ",
            );
            question.push_bind(format!("%{digits}"));
            question.push(") OR ");
        }
        match self.phrases.as_slice() {
            [] => {
                question.push("FALSE");
            }
            phrases => {
                question.push(
                    "contacts.number IN
                         (SELECT rowid FROM contact_search WHERE contact_search MATCH ",
                );
                question.push_bind(phrases.join(" "));
                question.push(")");
            }
        }
        question.push(")");
    }
}

/// The condition that a conversation, or a message in it, has what the index is asked for.
fn push_match(question: &mut QueryBuilder<Sqlite>, asked: &str) {
    question.push(
        "(conversations.number IN
             (SELECT rowid FROM conversation_search WHERE conversation_search MATCH ",
    );
    question.push_bind(asked.to_owned());
    question.push(
        ")
         OR conversations.id IN (SELECT conversation FROM messages WHERE number IN
             (SELECT rowid FROM message_search WHERE message_search MATCH ",
    );
    question.push_bind(asked.to_owned());
    question.push(")))");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_quoted_words_of_which_the_last_may_go_on() {
        for (typed, phrases) in [
            ("parcel", &["\"parcel\"*"][..]),
            ("where parcel", &["\"where\"", "\"parcel\"*"]),
            ("kari@example.com", &["\"kari@example.com\"*"]),
            ("a", &["\"a\""]),
            ("å", &["\"å\"*"]),
            ("\"quoted\" NOT", &["\"\"\"quoted\"\"\"", "\"NOT\"*"]),
            ("text:x* OR (y", &["\"text:x*\"", "\"OR\"", "\"(y\"*"]),
            ("nul\0l", &["\"nul\"", "\"l\""]),
            ("!!! \" ' -- ;", &[]),
            ("", &[]),
        ] {
            assert_eq!(Search::of(typed).phrases, phrases, "{typed:?}");
        }
        assert_eq!(Search::of(&"word ".repeat(1_000)).phrases.len(), MOST_WORDS);
    }

    #[test]
    fn a_number_is_searched_by_its_end_however_it_is_written() {
        for (typed, digits) in [
            ("90 00 00 01", Some("90000001")),
            ("+47 (900) 00-001", Some("4790000001")),
            ("123", None),
            ("1234 parcels", None),
            ("%1234", None),
        ] {
            assert_eq!(Search::of(typed).digits.as_deref(), digits, "{typed:?}");
        }
    }
}

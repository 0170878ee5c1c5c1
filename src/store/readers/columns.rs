//! Rows as records again.

use std::path::PathBuf;
use std::str::FromStr;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error, IntoDeserializer};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::core::conversation::{
    Assignee, Author, ContactRecord, ConversationRecord, Gone, MessageRecord, SessionRecord,
};
use crate::core::id::ContactId;
use crate::core::record::{CallRecord, DecisionRecord, VoicemailRecord};
use crate::core::time::Wall;
use crate::store::StoreError;

/// The columns of a row, from left to right.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
    what: &'static str,
}

impl<'r> Columns<'r> {
    /// Of a row that is called `what` where it cannot be read.
    pub fn of(what: &'static str, row: &'r SqliteRow) -> Columns<'r> {
        Columns { row, next: 0, what }
    }

    fn place(&mut self) -> usize {
        self.next = self.next.saturating_add(1);
        self.next.saturating_sub(1)
    }

    fn unreadable(&self, source: serde_json::Error) -> StoreError {
        StoreError::Unreadable {
            what: format!("column {} of {}", self.next, self.what),
            source,
        }
    }

    fn maybe_text(&mut self) -> Result<Option<&'r str>, StoreError> {
        let place = self.place();
        Ok(self.row.try_get(place)?)
    }

    fn sure_text(&mut self) -> Result<&'r str, StoreError> {
        let place = self.place();
        Ok(self.row.try_get(place)?)
    }

    pub fn text(&mut self) -> Result<String, StoreError> {
        self.sure_text().map(str::to_owned)
    }

    pub fn texts(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.maybe_text()?.map(str::to_owned))
    }

    pub fn name<T: for<'t> From<&'t str>>(&mut self) -> Result<T, StoreError> {
        self.sure_text().map(T::from)
    }

    pub fn names<T: for<'t> From<&'t str>>(&mut self) -> Result<Option<T>, StoreError> {
        Ok(self.maybe_text()?.map(T::from))
    }

    pub fn integer(&mut self) -> Result<i64, StoreError> {
        let place = self.place();
        Ok(self.row.try_get(place)?)
    }

    pub fn count(&mut self) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.integer()?).unwrap_or(0))
    }

    /// A small number, a SIP status.
    pub fn small(&mut self) -> Result<Option<u16>, StoreError> {
        let place = self.place();
        let number: Option<i64> = self.row.try_get(place)?;
        Ok(number.and_then(|number| u16::try_from(number).ok()))
    }

    pub fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.integer()? != 0)
    }

    /// A condition; what it says of nothing is no.
    pub fn truth(&mut self) -> Result<bool, StoreError> {
        let place = self.place();
        let truth: Option<i64> = self.row.try_get(place)?;
        Ok(truth.is_some_and(|truth| truth != 0))
    }

    pub fn real(&mut self) -> Result<Option<f64>, StoreError> {
        let place = self.place();
        Ok(self.row.try_get(place)?)
    }

    /// What has a text of its own: identifiers, numbers.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, StoreError> {
        let text = self.sure_text()?;
        self.read(text)
    }

    pub fn parsed_if<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
    ) -> Result<Option<T>, StoreError> {
        let text = self.maybe_text()?;
        text.map(|text| self.read(text)).transpose()
    }

    fn read<T: FromStr<Err: std::fmt::Display>>(&self, text: &str) -> Result<T, StoreError> {
        text.parse()
            .map_err(|error| self.unreadable(Error::custom(error)))
    }

    pub fn wall(&mut self) -> Result<Wall, StoreError> {
        let text = self.sure_text()?;
        self.as_wall(text)
    }

    pub fn walls(&mut self) -> Result<Option<Wall>, StoreError> {
        let text = self.maybe_text()?;
        text.map(|text| self.as_wall(text)).transpose()
    }

    fn as_wall(&self, text: &str) -> Result<Wall, StoreError> {
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|at| Wall::from_utc(at.to_utc()))
            .map_err(|error| self.unreadable(Error::custom(error)))
    }

    /// An enum without data.
    pub fn word<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let word = self.sure_text()?;
        self.as_word(word)
    }

    pub fn words<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let word = self.maybe_text()?;
        word.map(|word| self.as_word(word)).transpose()
    }

    fn as_word<T: DeserializeOwned>(&self, word: &str) -> Result<T, StoreError> {
        let word: StrDeserializer<'_, serde_json::Error> = word.into_deserializer();
        T::deserialize(word).map_err(|error| self.unreadable(error))
    }

    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let text = self.sure_text()?;
        serde_json::from_str(text).map_err(|error| self.unreadable(error))
    }

    pub fn jsons<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let text = self.maybe_text()?;
        text.map(|text| serde_json::from_str(text).map_err(|error| self.unreadable(error)))
            .transpose()
    }

    pub fn assignee(&mut self) -> Result<Option<Assignee>, StoreError> {
        let kind = self.maybe_text()?;
        let name = self.maybe_text()?.unwrap_or_default();
        kind.map(|kind| match kind {
            "user" => Ok(Assignee::User(name.into())),
            "team" => Ok(Assignee::Team(name.into())),
            "customer-agent" => Ok(Assignee::CustomerAgent(name.into())),
            other => Err(self.unreadable(Error::custom(format!("no assignee is a {other:?}")))),
        })
        .transpose()
    }

    fn author(&mut self) -> Result<Author, StoreError> {
        let kind = self.sure_text()?;
        let name = self.maybe_text()?.unwrap_or_default();
        match kind {
            "contact" => Ok(Author::Contact),
            "user" => Ok(Author::User(name.into())),
            "customer-agent" => Ok(Author::CustomerAgent(name.into())),
            "automatic" => Ok(Author::Automatic),
            other => Err(self.unreadable(Error::custom(format!("no author is a {other:?}")))),
        }
    }
}

/// What is read of a conversation.
pub(super) const CONVERSATION: &str =
    "conversations.id, conversations.revision, conversations.kind, conversations.channel,
 conversations.inbox, conversations.status, conversations.subject, conversations.contact,
 conversations.contact_name, conversations.contact_address, conversations.found_by,
 conversations.visitor, conversations.from_number, conversations.item, conversations.began,
 conversations.last_message, conversations.preview, conversations.awaits_reply_since,
 conversations.replied, conversations.assignee_kind, conversations.assignee,
 conversations.assigned, conversations.unassigned, conversations.decision,
 conversations.progress, conversations.closed";

/// The columns of [`CONVERSATION`].
pub(super) fn conversation(columns: &mut Columns<'_>) -> Result<ConversationRecord, StoreError> {
    Ok(ConversationRecord {
        id: columns.parsed()?,
        revision: columns.count()?,
        kind: columns.word()?,
        channel: columns.name()?,
        inbox: columns.names()?,
        status: columns.word()?,
        subject: columns.text()?,
        contact: columns.parsed_if()?,
        contact_name: columns.text()?,
        contact_address: columns.texts()?,
        found_by: columns.words()?,
        visitor: columns.texts()?,
        from: columns.parsed_if()?,
        item: columns.words()?,
        began: columns.wall()?,
        last_message: columns.wall()?,
        preview: columns.text()?,
        awaits_reply_since: columns.walls()?,
        replied: columns.flag()?,
        assignee: columns.assignee()?,
        assigned: columns.walls()?,
        unassigned: columns.words()?,
        decision: columns.parsed_if()?,
        progress: columns.jsons()?,
        closed: columns.walls()?,
    })
}

/// What is read of a message.
pub(super) const MESSAGE: &str = "messages.id, messages.conversation, messages.at, messages.kind,
 messages.author_kind, messages.author, messages.author_name, messages.subject, messages.text,
 messages.quoted, messages.html, messages.fields, messages.attachments, messages.delivery,
 messages.external_id, messages.raw, messages.call, messages.earlier_calls, messages.voicemail,
 messages.count";

/// The columns of [`MESSAGE`].
pub(super) fn message(columns: &mut Columns<'_>) -> Result<MessageRecord, StoreError> {
    Ok(MessageRecord {
        id: columns.parsed()?,
        conversation: columns.parsed()?,
        at: columns.wall()?,
        kind: columns.word()?,
        author: columns.author()?,
        author_name: columns.text()?,
        subject: columns.texts()?,
        text: columns.text()?,
        quoted: columns.texts()?,
        html: columns.texts()?,
        fields: columns.json()?,
        attachments: columns.json()?,
        delivery: columns.json()?,
        external_id: columns.texts()?,
        raw: columns.texts()?.map(PathBuf::from),
        call: columns.parsed_if()?,
        earlier_calls: columns.json()?,
        voicemail: columns.parsed_if()?,
        count: u32::try_from(columns.count()?).unwrap_or(u32::MAX),
    })
}

/// What is read of a contact.
pub(super) const CONTACT: &str =
    "contacts.id, contacts.revision, contacts.name, contacts.addresses, contacts.numbers,
 contacts.cookies, contacts.owner, contacts.external_id, contacts.note, contacts.gone,
 contacts.created, contacts.changed";

/// The columns of [`CONTACT`].
pub(super) fn contact(columns: &mut Columns<'_>) -> Result<ContactRecord, StoreError> {
    Ok(ContactRecord {
        id: columns.parsed()?,
        revision: columns.count()?,
        name: columns.text()?,
        addresses: columns.json()?,
        numbers: columns.json()?,
        cookies: columns.json()?,
        owner: columns.names()?,
        external_id: columns.texts()?,
        note: columns.text()?,
        gone: match columns.texts()? {
            None => None,
            Some(deleted) if deleted == "deleted" => Some(Gone::Deleted),
            Some(into) => Some(Gone::Merged(columns.read::<ContactId>(&into)?)),
        },
        created: columns.wall()?,
        changed: columns.wall()?,
    })
}

/// What is read of a voicemail.
pub(super) const VOICEMAIL: &str = "voicemails.id, voicemails.call, voicemails.conversation, voicemails.channel,
 voicemails.from_number, voicemails.from_name, voicemails.began, voicemails.seconds, voicemails.kept,
 voicemails.file, voicemails.notify";

/// The columns of [`VOICEMAIL`].
pub(super) fn voicemail(columns: &mut Columns<'_>) -> Result<VoicemailRecord, StoreError> {
    Ok(VoicemailRecord {
        id: columns.parsed()?,
        call: columns.parsed()?,
        conversation: columns.parsed()?,
        channel: columns.name()?,
        from: columns.parsed_if()?,
        from_name: columns.texts()?,
        began: columns.wall()?,
        seconds: columns.real()?,
        kept: columns.flag()?,
        file: PathBuf::from(columns.text()?),
        notify: columns.json()?,
    })
}

/// What is read of a call.
pub(super) const CALL: &str =
    "calls.id, calls.channel, calls.trunk, calls.from_number, calls.from_name, calls.to_number,
 calls.began, calls.answered, calls.ended, calls.answered_by, calls.outcome, calls.detail,
 calls.sip_call_id, calls.snapshot";

/// The columns of [`CALL`].
pub(super) fn call(columns: &mut Columns<'_>) -> Result<CallRecord, StoreError> {
    Ok(CallRecord {
        id: columns.parsed()?,
        channel: columns.names()?,
        trunk: columns.names()?,
        from: columns.parsed_if()?,
        from_name: columns.texts()?,
        to: columns.text()?,
        began: columns.wall()?,
        answered: columns.walls()?,
        ended: columns.walls()?,
        answered_by: columns.names()?,
        outcome: columns.words()?,
        detail: columns.text()?,
        sip_call_id: columns.text()?,
        snapshot: columns.count()?,
    })
}

/// What is read of a decision.
pub(super) const DECISION: &str =
    "decisions.id, decisions.call, decisions.conversation, decisions.at, decisions.request,
 decisions.facts, decisions.decision, decisions.remark";

/// The columns of [`DECISION`].
pub(super) fn decision(columns: &mut Columns<'_>) -> Result<DecisionRecord, StoreError> {
    Ok(DecisionRecord {
        id: columns.parsed()?,
        call: columns.parsed_if()?,
        conversation: columns.parsed_if()?,
        at: columns.wall()?,
        request: columns.json()?,
        facts: columns.json()?,
        decision: columns.json()?,
        remark: columns.texts()?,
    })
}

/// What is read of a session.
pub(super) const SESSION: &str = "session_key, user_name, began, expires";

/// The columns of [`SESSION`].
pub(super) fn session(columns: &mut Columns<'_>) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        key: columns.text()?,
        user: columns.name()?,
        began: columns.wall()?,
        expires: columns.wall()?,
    })
}

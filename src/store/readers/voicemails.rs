//! Recorded messages.

use sqlx::{QueryBuilder, Sqlite};

use super::columns::{self, Columns, VOICEMAIL};
use super::page::{Cursor, Page, Place};
use super::{Readers, Sight};
use crate::core::id::{ConversationId, VoicemailId};
use crate::core::name::ChannelName;
use crate::core::record::VoicemailRecord;
use crate::core::time::Wall;
use crate::store::StoreError;

/// A question for a list of voicemails. Only those are listed that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoicemailQuery {
    /// Only of this channel.
    pub channel: Option<ChannelName>,
    /// Only of this conversation.
    pub conversation: Option<ConversationId>,
    /// Only those that somebody, or nobody, has listened to.
    pub heard: Option<bool>,
    /// From where on.
    pub place: Place,
    /// How many: 1 to [`super::LARGEST_PAGE`].
    pub limit: u32,
}

/// Who listened first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who: `user anna`, `token crm`.
    pub by: String,
    /// When.
    pub at: Wall,
}

/// A voicemail in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedVoicemail {
    /// The voicemail.
    pub voicemail: VoicemailRecord,
    /// Who listened to it first; `None`: it is new.
    pub heard: Option<Heard>,
}

impl Readers {
    /// A part of the list, the latest first.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn voicemails(
        &self,
        sight: &Sight,
        query: &VoicemailQuery,
    ) -> Result<Page<ListedVoicemail>, StoreError> {
        let mut question = listed();
        question.push(" WHERE voicemails.kept = 1 AND");
        sight.push_conversation(&mut question, "voicemails.conversation");
        if let Some(channel) = &query.channel {
            question.push(" AND voicemails.channel = ");
            question.push_bind(channel.to_string());
        }
        if let Some(conversation) = query.conversation {
            question.push(" AND voicemails.conversation = ");
            question.push_bind(conversation.to_string());
        }
        match query.heard {
            Some(true) => question.push(" AND heard.at IS NOT NULL"),
            Some(false) => question.push(" AND heard.at IS NULL"),
            None => &mut question,
        };
        let (at, id) = ("voicemails.began", "voicemails.id");
        query.place.push(&mut question, at, id);
        query.place.push_order(&mut question, at, id, query.limit);
        let items = self.listed_voicemails(question).await?;
        Ok(query.place.page(items, query.limit, |item| Cursor {
            at: item.voicemail.began,
            id: item.voicemail.id.0,
        }))
    }

    /// One voicemail, also one that is still being recorded.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn voicemail(
        &self,
        sight: &Sight,
        id: VoicemailId,
    ) -> Result<Option<ListedVoicemail>, StoreError> {
        let mut question = listed();
        question.push(" WHERE voicemails.id = ");
        question.push_bind(id.to_string()).push(" AND");
        sight.push_conversation(&mut question, "voicemails.conversation");
        Ok(self.listed_voicemails(question).await?.pop())
    }

    async fn listed_voicemails(
        &self,
        mut question: QueryBuilder<Sqlite>,
    ) -> Result<Vec<ListedVoicemail>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of("a voicemail", row);
                let voicemail = columns::voicemail(&mut columns)?;
                let heard = columns.texts()?.zip(columns.walls()?);
                Ok(ListedVoicemail {
                    voicemail,
                    heard: heard.map(|(by, at)| Heard { by, at }),
                })
            })
            .collect()
    }
}

fn listed() -> QueryBuilder<Sqlite> {
    QueryBuilder::new(format!(
        "SELECT {VOICEMAIL}, heard.heard_by, heard.at FROM voicemails
         LEFT JOIN heard ON heard.voicemail = voicemails.id"
    ))
}

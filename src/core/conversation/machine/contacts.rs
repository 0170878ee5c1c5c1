//! Changes of contacts, and of the conversations that follow them.

use super::{Conversations, Reply, invalid};
use crate::core::conversation::command::{ContactChange, Refusal};
use crate::core::conversation::event::Happening;
use crate::core::conversation::record::ContactRecord;
use crate::core::id::{ContactId, ConversationId};
use crate::core::record::Record;
use crate::core::snapshot::Snapshot;
use crate::core::time::Now;

impl Conversations {
    pub(super) fn change_contact(
        &mut self,
        change: ContactChange,
        snapshot: &Snapshot,
        now: Now,
    ) -> Result<Reply, Refusal> {
        match change {
            ContactChange::Put(wanted) => {
                let known = self.contacts.contact(wanted.id);
                let before = known.and_then(|contact| contact.owner.clone());
                if let Some(owner) = &wanted.owner
                    && before.as_ref() != Some(owner)
                    && snapshot.user(owner).is_none()
                {
                    return Err(invalid(&format!("There is no user {owner:?} to own it.")));
                }
                let record = self.contacts.put(*wanted, &mut self.random, now.wall)?;
                self.contact_changed(record.clone(), now);
                self.rename(record.id, record.id, &record, now);
                if before != record.owner {
                    self.seek_anew(record.id);
                }
                Ok(Reply::Contact(Box::new(record)))
            }
            ContactChange::Merge(into, from) => {
                let (kept, lost) = self.contacts.merge(into, from, now.wall)?;
                self.contact_changed(kept.clone(), now);
                self.contact_changed(lost, now);
                self.rename(from, into, &kept, now);
                self.seek_anew(into);
                Ok(Reply::Contact(Box::new(kept)))
            }
            ContactChange::Delete(id) => {
                let record = self.contacts.delete(id, now.wall)?;
                self.contact_changed(record.clone(), now);
                for conversation in self.conversations_of(id) {
                    let row = self.edit(conversation, |row| {
                        row.contact = None;
                        row.found_by = None;
                    });
                    self.wait_anew(conversation);
                    if let Some(row) = row {
                        self.changed(row, now);
                    }
                }
                Ok(Reply::Contact(Box::new(record)))
            }
        }
    }

    /// A contact was made or changed: kept and told.
    pub(super) fn contact_changed(&mut self, record: ContactRecord, now: Now) {
        let record = Box::new(record);
        self.store(Record::Contact(record.clone()));
        self.publish(None, Happening::Contact(record), now.wall);
    }

    /// Conversations of a contact follow its new name, and into the contact that it was merged into.
    fn rename(&mut self, from: ContactId, into: ContactId, contact: &ContactRecord, now: Now) {
        for id in self.conversations_of(from) {
            let Some(row) = self.held.get(&id).map(|held| &held.row) else {
                continue;
            };
            let named = contact.name.is_empty() || row.contact_name == contact.name;
            if named && from == into {
                continue;
            }
            let row = self.edit(id, |row| {
                row.contact = Some(into);
                if !contact.name.is_empty() {
                    row.contact_name.clone_from(&contact.name);
                }
            });
            if let Some(row) = row {
                self.changed(row, now);
            }
        }
    }

    /// Conversations of a contact that wait may be for another owner now.
    fn seek_anew(&mut self, contact: ContactId) {
        for id in self.conversations_of(contact) {
            self.wait_anew(id);
        }
    }

    fn conversations_of(&self, contact: ContactId) -> Vec<ConversationId> {
        let ids = self.by_contact.get(&contact).into_iter().flatten();
        ids.copied().collect()
    }
}

//! The people on the other side: who is known by which address, number and cookie, and who owns them.
//!
//! An address, a number, a cookie or a name in a CRM belongs to one contact only. Whoever wants to
//! give it to a second one is told which contact has it: the two can then be merged.

use std::collections::HashMap;

use crate::core::conversation::{ContactHint, ContactRecord, Gone, Refusal, RefusalKind};
use crate::core::id::{ContactId, RandomSource};
use crate::core::number::PhoneNumber;
use crate::core::routing::{ContactFacts, FoundBy};
use crate::core::snapshot::ContactLookup;
use crate::core::text::{LONGEST_NAME, clean_address, clean_line, clean_text};
use crate::core::time::Wall;

/// Contacts that are kept in memory, about 500 octets each. Beyond it, new senders are nobody's
/// contact.
const CONTACTS: usize = 500_000;

/// Mail addresses, and numbers, of one contact: more than any person has.
const ADDRESSES: usize = 20;

/// Visitor cookies of one contact: one a browser; the oldest goes.
const COOKIES: usize = 20;

/// The largest note about a contact, in octets.
const LARGEST_NOTE: usize = 16 * 1024;

/// Everybody who is known.
#[derive(Debug, Default)]
pub struct Contacts {
    contacts: HashMap<ContactId, ContactRecord>,
    by_address: HashMap<String, ContactId>,
    by_number: HashMap<PhoneNumber, ContactId>,
    by_cookie: HashMap<String, ContactId>,
    by_external: HashMap<String, ContactId>,
    /// Those that were merged, and into which.
    merged: HashMap<ContactId, ContactId>,
}

/// Whom a message is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The contact, and by what it was found. A contact that was just made was found by what it is
    /// made of.
    pub contact: Option<(ContactId, FoundBy)>,
    /// The contact as it is to be kept, where it was made or more is known of it now.
    pub changed: Option<ContactRecord>,
}

impl Contacts {
    /// Takes in a contact from the store.
    pub fn restore(&mut self, record: ContactRecord) {
        match record.gone {
            Some(Gone::Merged(into)) => {
                self.merged.insert(record.id, into);
            }
            Some(Gone::Deleted) => {}
            None => self.index(record),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.contacts.is_empty()
    }

    /// The contact of that key, or the one that it was merged into.
    pub fn contact(&self, id: ContactId) -> Option<&ContactRecord> {
        self.contacts.get(&self.survivor(id))
    }

    /// What a contact was merged into; itself where it was not.
    pub fn survivor(&self, mut id: ContactId) -> ContactId {
        // A chain is as long as there were merges; each goes to one that was there at the time.
        for _ in 0..=self.merged.len() {
            match self.merged.get(&id) {
                Some(into) => id = *into,
                None => break,
            }
        }
        id
    }

    /// What routing is told of a contact.
    pub fn facts(&self, id: ContactId, found_by: FoundBy) -> Option<ContactFacts> {
        let contact = self.contact(id)?;
        Some(ContactFacts {
            contact: contact.id,
            owner: contact.owner.clone(),
            found_by,
        })
    }

    /// Who that is: by cookie, verified address, caller number, or an address or number that somebody
    /// typed. What is switched off counts last, for showing the name.
    pub fn find(&self, hint: &ContactHint, lookup: ContactLookup) -> Option<(ContactId, FoundBy)> {
        let address = hint.address.as_deref().and_then(clean_address);
        let by_address = address.and_then(|address| self.by_address.get(&address));
        let cookie = hint.cookie.as_ref();
        let number = hint.number.as_ref();
        let by_number = number.and_then(|number| self.by_number.get(number));
        let ways = [
            (
                lookup.by_cookie,
                cookie.and_then(|cookie| self.by_cookie.get(cookie)),
                FoundBy::Cookie,
            ),
            (
                lookup.by_sender,
                by_address.filter(|_| hint.verified),
                FoundBy::VerifiedSender,
            ),
            (
                lookup.by_number,
                by_number.filter(|_| hint.called),
                FoundBy::CallerNumber,
            ),
        ];
        let trusted = ways
            .iter()
            .filter(|(on, ..)| *on)
            .find_map(|(_, found, by)| found.map(|id| (*id, *by)));
        trusted.or_else(|| {
            let typed = by_number.filter(|_| !hint.called);
            let unverified = by_address.or(typed);
            let unverified = unverified.map(|id| (*id, FoundBy::UnverifiedSender));
            unverified.or_else(|| {
                ways.iter()
                    .find_map(|(_, found, by)| found.map(|id| (*id, *by)))
            })
        })
    }

    /// The contact whose number that is.
    pub fn of_number(&self, number: &PhoneNumber) -> Option<ContactId> {
        self.by_number.get(number).copied()
    }

    /// Finds who that is, or makes a contact of what is known. What only an unverified address
    /// identifies learns nothing: anybody can write any address.
    pub fn recognise(
        &mut self,
        hint: &ContactHint,
        lookup: ContactLookup,
        random: &mut RandomSource,
        now: Wall,
    ) -> Recognised {
        match self.find(hint, lookup) {
            Some((id, by)) => {
                let changed = match by {
                    FoundBy::Cookie | FoundBy::VerifiedSender | FoundBy::CallerNumber => {
                        self.learn(id, hint, now)
                    }
                    FoundBy::UnverifiedSender => None,
                };
                Recognised {
                    contact: Some((id, by)),
                    changed,
                }
            }
            None => {
                let made = self.make(hint, random, now);
                Recognised {
                    contact: made.as_ref().map(|(record, by)| (record.id, *by)),
                    changed: made.map(|(record, _)| record),
                }
            }
        }
    }

    /// Makes a contact, or replaces what is known of one.
    ///
    /// # Errors
    /// It has changed since it was read, is no more, is not well formed, or has an address, number,
    /// cookie or name in a CRM of another.
    pub fn put(
        &mut self,
        mut wanted: ContactRecord,
        random: &mut RandomSource,
        now: Wall,
    ) -> Result<ContactRecord, Refusal> {
        clean(&mut wanted)?;
        let is_new = wanted.id == ContactId::default();
        match self.contacts.get(&wanted.id) {
            None if is_new || wanted.revision == 0 => {
                if self.contacts.len() >= CONTACTS {
                    return Err(refusal(
                        RefusalKind::Busy,
                        format!("There are {CONTACTS} contacts already, which is the most."),
                    ));
                }
                if is_new {
                    wanted.id = ContactId(random.uuid(now));
                } else if self.merged.contains_key(&wanted.id) {
                    return Err(gone(wanted.id));
                }
                wanted.revision = 0;
                wanted.created = now;
            }
            None => return Err(gone(wanted.id)),
            Some(known) if known.revision != wanted.revision => {
                return Err(refusal(
                    RefusalKind::Conflict,
                    format!(
                        "The contact {} has changed meanwhile (revision {}, not {}). Read it again.",
                        known.id, known.revision, wanted.revision
                    ),
                ));
            }
            Some(known) => wanted.created = known.created,
        }
        self.refuse_others(&wanted)?;
        wanted.revision = wanted.revision.saturating_add(1);
        wanted.changed = now;
        wanted.gone = None;
        self.index(wanted.clone());
        Ok(wanted)
    }

    /// Merges the second into the first: what both are known by is the first's; its name, owner and
    /// note stay, and are the second's where it had none. Answers both as they are to be kept.
    ///
    /// # Errors
    /// One of them is not there, or both are the same.
    pub fn merge(
        &mut self,
        into: ContactId,
        from: ContactId,
        now: Wall,
    ) -> Result<(ContactRecord, ContactRecord), Refusal> {
        if into == from {
            return Err(refusal(
                RefusalKind::Invalid,
                "A contact cannot be merged into itself.".to_owned(),
            ));
        }
        let mut kept = self
            .contacts
            .get(&into)
            .cloned()
            .ok_or_else(|| gone(into))?;
        let mut lost = self
            .contacts
            .get(&from)
            .cloned()
            .ok_or_else(|| gone(from))?;
        let together = kept.addresses.len() + lost.addresses.len();
        if together > ADDRESSES || kept.numbers.len() + lost.numbers.len() > ADDRESSES {
            return Err(refusal(
                RefusalKind::Invalid,
                format!(
                    "Together they have more than {ADDRESSES} addresses or numbers. Remove some first."
                ),
            ));
        }
        self.remove(from);
        kept.addresses.append(&mut lost.addresses.clone());
        kept.numbers.append(&mut lost.numbers.clone());
        kept.cookies.append(&mut lost.cookies.clone());
        let spare = kept.cookies.len().saturating_sub(COOKIES);
        kept.cookies.drain(..spare);
        if kept.name.is_empty() {
            kept.name.clone_from(&lost.name);
        }
        kept.owner = kept.owner.or_else(|| lost.owner.clone());
        kept.external_id = kept.external_id.or_else(|| lost.external_id.clone());
        let notes = [kept.note.as_str(), lost.note.as_str()];
        let notes: Vec<&str> = notes.into_iter().filter(|note| !note.is_empty()).collect();
        kept.note = clean_text(&notes.join("\n"), LARGEST_NOTE);
        kept.revision = kept.revision.saturating_add(1);
        kept.changed = now;
        lost.revision = lost.revision.saturating_add(1);
        lost.changed = now;
        lost.gone = Some(Gone::Merged(into));
        self.merged.insert(from, into);
        self.index(kept.clone());
        Ok((kept, lost))
    }

    /// Deletes a contact. Conversations keep the name that they show.
    ///
    /// # Errors
    /// There is none.
    pub fn delete(&mut self, id: ContactId, now: Wall) -> Result<ContactRecord, Refusal> {
        let mut record = self.remove(id).ok_or_else(|| gone(id))?;
        // What a deleted person was known by is not kept.
        record = ContactRecord {
            id,
            revision: record.revision.saturating_add(1),
            created: record.created,
            changed: now,
            gone: Some(Gone::Deleted),
            ..ContactRecord::default()
        };
        Ok(record)
    }

    /// What a message adds to what is known of a contact, where nobody else has it.
    fn learn(&mut self, id: ContactId, hint: &ContactHint, now: Wall) -> Option<ContactRecord> {
        let known = self.contacts.get(&id)?;
        let mut record = known.clone();
        if record.name.is_empty()
            && let Some(name) = &hint.name
        {
            record.name = clean_line(name, LONGEST_NAME);
        }
        let address = hint.address.as_deref().and_then(clean_address);
        if let Some(address) = address
            && !self.by_address.contains_key(&address)
            && record.addresses.len() < ADDRESSES
        {
            record.addresses.push(address);
        }
        if let Some(number) = &hint.number
            && !self.by_number.contains_key(number)
            && record.numbers.len() < ADDRESSES
        {
            record.numbers.push(number.clone());
        }
        if let Some(cookie) = hint.cookie.as_deref().and_then(clean_cookie)
            && !self.by_cookie.contains_key(&cookie)
        {
            record.cookies.push(cookie);
            let spare = record.cookies.len().saturating_sub(COOKIES);
            record.cookies.drain(..spare);
        }
        if record == *known {
            return None;
        }
        record.revision = record.revision.saturating_add(1);
        record.changed = now;
        self.index(record.clone());
        Some(record)
    }

    fn make(
        &mut self,
        hint: &ContactHint,
        random: &mut RandomSource,
        now: Wall,
    ) -> Option<(ContactRecord, FoundBy)> {
        let address = hint.address.as_deref().and_then(clean_address);
        let cookie = hint.cookie.as_deref().and_then(clean_cookie);
        let by = if cookie.is_some() {
            FoundBy::Cookie
        } else if address.is_some() && hint.verified {
            FoundBy::VerifiedSender
        } else if address.is_some() {
            FoundBy::UnverifiedSender
        } else if hint.number.is_some() && hint.called {
            FoundBy::CallerNumber
        } else if hint.number.is_some() {
            FoundBy::UnverifiedSender
        } else {
            return None;
        };
        if self.contacts.len() >= CONTACTS {
            return None;
        }
        let name = hint.name.as_deref().unwrap_or_default();
        let number = hint.number.clone();
        let free = |number: &PhoneNumber| !self.by_number.contains_key(number);
        let record = ContactRecord {
            id: ContactId(random.uuid(now)),
            revision: 1,
            name: clean_line(name, LONGEST_NAME),
            addresses: address.into_iter().collect(),
            numbers: number.into_iter().filter(free).collect(),
            cookies: cookie.into_iter().collect(),
            created: now,
            changed: now,
            ..ContactRecord::default()
        };
        self.index(record.clone());
        Some((record, by))
    }

    fn refuse_others(&self, wanted: &ContactRecord) -> Result<(), Refusal> {
        let other = |id: Option<&ContactId>| id.copied().filter(|id| *id != wanted.id);
        let taken = |what: &dyn std::fmt::Display, by: ContactId| {
            refusal(
                RefusalKind::Conflict,
                format!("{what} belongs to the contact {by}. Merge the two, or remove it there."),
            )
        };
        for address in &wanted.addresses {
            if let Some(by) = other(self.by_address.get(address)) {
                return Err(taken(address, by));
            }
        }
        for number in &wanted.numbers {
            if let Some(by) = other(self.by_number.get(number)) {
                return Err(taken(number, by));
            }
        }
        for cookie in &wanted.cookies {
            if let Some(by) = other(self.by_cookie.get(cookie)) {
                return Err(taken(&"A cookie", by));
            }
        }
        if let Some(name) = &wanted.external_id
            && let Some(by) = other(self.by_external.get(name))
        {
            return Err(taken(name, by));
        }
        Ok(())
    }

    fn index(&mut self, record: ContactRecord) {
        self.remove(record.id);
        let id = record.id;
        let addresses = record.addresses.iter().cloned();
        self.by_address.extend(addresses.map(|one| (one, id)));
        let numbers = record.numbers.iter().cloned();
        self.by_number.extend(numbers.map(|one| (one, id)));
        let cookies = record.cookies.iter().cloned();
        self.by_cookie.extend(cookies.map(|one| (one, id)));
        let external = record.external_id.iter().cloned();
        self.by_external.extend(external.map(|one| (one, id)));
        self.contacts.insert(id, record);
    }

    fn remove(&mut self, id: ContactId) -> Option<ContactRecord> {
        let record = self.contacts.remove(&id)?;
        for address in &record.addresses {
            self.by_address.remove(address);
        }
        for number in &record.numbers {
            self.by_number.remove(number);
        }
        for cookie in &record.cookies {
            self.by_cookie.remove(cookie);
        }
        if let Some(name) = &record.external_id {
            self.by_external.remove(name);
        }
        Some(record)
    }
}

/// Makes what somebody wrote of a contact safe to keep.
fn clean(contact: &mut ContactRecord) -> Result<(), Refusal> {
    let invalid = |text: String| refusal(RefusalKind::Invalid, text);
    contact.name = clean_line(&contact.name, LONGEST_NAME);
    contact.note = clean_text(&contact.note, LARGEST_NOTE);
    let external = contact.external_id.as_deref();
    contact.external_id = external
        .map(|name| clean_line(name, LONGEST_NAME))
        .filter(|name| !name.is_empty());
    let mut addresses = Vec::new();
    for address in &contact.addresses {
        let clean = clean_address(address)
            .ok_or_else(|| invalid(format!("{address:?} is not a mail address.")))?;
        if !addresses.contains(&clean) {
            addresses.push(clean);
        }
    }
    contact.addresses = addresses;
    let mut numbers = Vec::new();
    for number in std::mem::take(&mut contact.numbers) {
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    contact.numbers = numbers;
    let mut cookies = Vec::new();
    for cookie in &contact.cookies {
        let clean = clean_cookie(cookie)
            .ok_or_else(|| invalid("A cookie is given as its SHA-256 in hex.".to_owned()))?;
        if !cookies.contains(&clean) {
            cookies.push(clean);
        }
    }
    contact.cookies = cookies;
    let most = contact.addresses.len().max(contact.numbers.len());
    if most > ADDRESSES || contact.cookies.len() > COOKIES {
        return Err(invalid(format!(
            "A contact has at most {ADDRESSES} addresses, {ADDRESSES} numbers and {COOKIES} cookies."
        )));
    }
    if contact.name.is_empty() && contact.addresses.is_empty() && contact.numbers.is_empty() {
        return Err(invalid(
            "A contact needs a name, an address or a number.".to_owned(),
        ));
    }
    Ok(())
}

/// The hash of a cookie as it is kept: 64 hexadecimal digits in lower case.
pub fn clean_cookie(cookie: &str) -> Option<String> {
    let whole = cookie.len() == 64 && cookie.bytes().all(|octet| octet.is_ascii_hexdigit());
    whole.then(|| cookie.to_ascii_lowercase())
}

fn gone(id: ContactId) -> Refusal {
    refusal(RefusalKind::NotFound, format!("There is no contact {id}."))
}

fn refusal(kind: RefusalKind, text: String) -> Refusal {
    Refusal { kind, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        contacts: Contacts,
        random: RandomSource,
    }

    impl World {
        fn new() -> World {
            World {
                contacts: Contacts::default(),
                random: RandomSource::from_seed([3; 32]),
            }
        }

        fn recognise(&mut self, hint: &ContactHint) -> Recognised {
            self.contacts.recognise(
                hint,
                ContactLookup::default(),
                &mut self.random,
                Wall::default(),
            )
        }

        fn put(&mut self, record: ContactRecord) -> Result<ContactRecord, Refusal> {
            self.contacts.put(record, &mut self.random, Wall::default())
        }
    }

    fn cookie(letter: char) -> Option<String> {
        Some(letter.to_string().repeat(64))
    }

    fn mail(address: &str, verified: bool) -> ContactHint {
        ContactHint {
            address: Some(address.to_owned()),
            verified,
            ..ContactHint::default()
        }
    }

    fn person(name: &str, addresses: &[&str]) -> ContactRecord {
        ContactRecord {
            name: name.to_owned(),
            addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
            ..ContactRecord::default()
        }
    }

    #[test]
    fn somebody_new_becomes_a_contact_and_is_known_again() {
        let mut world = World::new();
        let first = world.recognise(&mail("Kari@Example.com", true));
        let made = first.changed.unwrap();
        assert_eq!(made.addresses, ["kari@example.com"]);
        let again = world.recognise(&mail("kari@example.COM", true));
        assert_eq!(again.contact, Some((made.id, FoundBy::VerifiedSender)));
        assert_eq!(again.changed, None);
        assert_eq!(world.recognise(&ContactHint::default()).contact, None);
    }

    #[test]
    fn an_address_that_nothing_verifies_teaches_nothing() {
        let mut world = World::new();
        let kari = world.put(person("Kari", &["kari@example.com"])).unwrap();
        let mut hint = mail("kari@example.com", false);
        hint.cookie = cookie('e');
        let found = world.recognise(&hint);
        assert_eq!(found.contact, Some((kari.id, FoundBy::UnverifiedSender)));
        assert_eq!(found.changed, None);
        hint.address = None;
        let (other, by) = world.recognise(&hint).contact.unwrap();
        assert_ne!(other, kari.id, "the cookie is not hers now");
        assert_eq!(by, FoundBy::Cookie);
    }

    #[test]
    fn a_cookie_comes_before_an_address_and_learns_one_that_nobody_has() {
        let mut world = World::new();
        let visitor = ContactHint {
            cookie: cookie('a'),
            ..ContactHint::default()
        };
        let made = world.recognise(&visitor).changed.unwrap();
        let mut later = mail("kari@example.com", false);
        later.cookie = cookie('a');
        later.name = Some("Kari".to_owned());
        let known = world.recognise(&later).changed.unwrap();
        assert_eq!((known.id, known.revision), (made.id, 2));
        assert_eq!(known.addresses, ["kari@example.com"]);
        assert_eq!(known.name, "Kari");
    }

    #[test]
    fn a_number_that_somebody_typed_is_not_a_callers() {
        let mut world = World::new();
        let mut kari = person("Kari", &[]);
        kari.numbers = vec!["+4790000001".parse().unwrap()];
        let kari = world.put(kari).unwrap();
        let mut hint = ContactHint {
            number: kari.numbers.first().cloned(),
            cookie: cookie('e'),
            ..ContactHint::default()
        };
        let found = world.recognise(&hint);
        assert_eq!(found.contact, Some((kari.id, FoundBy::UnverifiedSender)));
        assert_eq!(found.changed, None, "the cookie is not hers");
        hint.cookie = None;
        hint.called = true;
        let found = world.recognise(&hint);
        assert_eq!(found.contact, Some((kari.id, FoundBy::CallerNumber)));
        hint.called = false;
        hint.number = "+4790000002".parse().ok();
        let (_, by) = world.recognise(&hint).contact.unwrap();
        assert_eq!(by, FoundBy::UnverifiedSender);
    }

    #[test]
    fn a_way_that_is_switched_off_finds_last() {
        let mut world = World::new();
        let kari = world.put(person("Kari", &["kari@example.com"])).unwrap();
        let lookup = ContactLookup {
            by_sender: false,
            ..ContactLookup::default()
        };
        let found = world.contacts.find(&mail("kari@example.com", true), lookup);
        assert_eq!(found, Some((kari.id, FoundBy::UnverifiedSender)));
    }

    #[test]
    fn an_address_belongs_to_one_contact() {
        let mut world = World::new();
        let kari = world.put(person("Kari", &["kari@example.com"])).unwrap();
        let refusal = world.put(person("Ola", &["KARI@example.com"])).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Conflict);
        assert!(refusal.text.contains(&kari.id.to_string()));
        assert!(refusal.text.contains("kari@example.com"));
    }

    #[test]
    fn who_read_an_older_one_is_told_so() {
        let mut world = World::new();
        let kari = world.put(person("Kari", &["kari@example.com"])).unwrap();
        let mut mine = kari.clone();
        mine.addresses.clear();
        let newer = world.put(mine).unwrap();
        assert_eq!(newer.revision, 2);
        assert_eq!(world.put(kari).unwrap_err().kind, RefusalKind::Conflict);
        let found = world
            .contacts
            .find(&mail("kari@example.com", true), ContactLookup::default());
        assert_eq!(found, None, "what was removed finds nobody");
    }

    #[test]
    fn two_that_are_one_are_merged() {
        let mut world = World::new();
        let kari = world.put(person("", &["kari@example.com"])).unwrap();
        let mut other = person("Kari N.", &["kn@example.com"]);
        other.owner = Some("anna".into());
        other.numbers = vec!["+4790000001".parse().unwrap()];
        let other = world.put(other).unwrap();
        let (kept, lost) = world
            .contacts
            .merge(kari.id, other.id, Wall::default())
            .unwrap();
        assert_eq!(kept.addresses, ["kari@example.com", "kn@example.com"]);
        assert_eq!(
            (kept.name.as_str(), kept.owner.as_deref()),
            ("Kari N.", Some("anna"))
        );
        assert_eq!(lost.gone, Some(Gone::Merged(kari.id)));
        assert_eq!(world.contacts.contact(other.id).unwrap().id, kari.id);
        let number = "+4790000001".parse().unwrap();
        assert_eq!(world.contacts.of_number(&number), Some(kari.id));
        assert!(world.put(lost).is_err(), "what was merged is no more");
        let itself = world.contacts.merge(kari.id, kari.id, Wall::default());
        assert_eq!(itself.unwrap_err().kind, RefusalKind::Invalid);
    }

    #[test]
    fn a_deleted_contact_leaves_nothing() {
        let mut world = World::new();
        let kari = world.put(person("Kari", &["kari@example.com"])).unwrap();
        let gone = world.contacts.delete(kari.id, Wall::default()).unwrap();
        assert_eq!(gone.gone, Some(Gone::Deleted));
        assert!(gone.name.is_empty() && gone.addresses.is_empty());
        assert!(world.contacts.is_empty());
        assert!(world.put(kari).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut world = World::new();
        let many: Vec<String> = (0..21).map(|n| format!("a{n}@example.com")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for bad in [
            person("", &[]),
            person("Kari", &["no address"]),
            person("Kari", &["a@b\r\nBcc: c@d"]),
            person("Kari", &many),
        ] {
            assert_eq!(world.put(bad).unwrap_err().kind, RefusalKind::Invalid);
        }
    }
}

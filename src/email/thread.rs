//! Which conversation a mail belongs to. Pure.
//!
//! Every mail of ours carries its conversation twice: in its identifier, `<c.TOKEN.MESSAGE@domain>`,
//! and in the address that answers go to, `support+c.TOKEN@example.com`. A token is the conversation's
//! number with a keyed hash, so that nobody can put a mail into a conversation by guessing. What
//! answers a mail of somebody else's is found by the identifiers that it names. The subject decides
//! nothing: two people who both write "Question" are two conversations.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::message::ReceivedMail;
use crate::core::id::{ConversationId, MessageId};

/// Octets of the hash in a token: 2^48 mails to guess one.
const HASH_OCTETS: usize = 6;

/// Octets of a token.
const TOKEN_OCTETS: usize = 16 + HASH_OCTETS;

/// Letters of a token.
const TOKEN_LETTERS: usize = 36;

/// Letters of an address before the `@` (RFC 5321 §4.5.3.1.1).
const LOCAL_PART: usize = 64;

/// Recipients of one mail whose addresses are looked at.
const RECIPIENTS: usize = 50;

/// Letters that survive every mail program: those that look alike in both cases are one.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What makes tokens, and knows them again. One for a house, kept for good.
#[derive(Clone)]
pub struct ThreadKey([u8; 32]);

impl std::fmt::Debug for ThreadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl ThreadKey {
    /// A key of 32 random octets.
    pub fn new(octets: [u8; 32]) -> ThreadKey {
        ThreadKey(octets)
    }

    /// The token of a conversation: 36 small letters and digits.
    pub fn token(&self, conversation: ConversationId) -> String {
        let mut octets = [0u8; TOKEN_OCTETS];
        let (id, hash) = octets.split_at_mut(16);
        id.copy_from_slice(conversation.0.as_bytes());
        hash.copy_from_slice(&self.hash(conversation));
        let mut token = String::with_capacity(TOKEN_LETTERS);
        let (mut held, mut bits) = (0u32, 0u32);
        for octet in octets {
            held = (held << 8) | u32::from(octet);
            bits = bits.saturating_add(8);
            while bits >= 5 {
                bits = bits.saturating_sub(5);
                token.push(letter(held >> bits));
                held &= (1 << bits) - 1;
            }
        }
        if bits > 0 {
            token.push(letter(held << 5u32.saturating_sub(bits)));
        }
        token
    }

    /// The conversation of a token, if we made it.
    pub fn conversation(&self, token: &str) -> Option<ConversationId> {
        if token.len() != TOKEN_LETTERS {
            return None;
        }
        let mut octets = Vec::with_capacity(TOKEN_OCTETS);
        let (mut held, mut bits) = (0u32, 0u32);
        for letter in token.to_ascii_lowercase().bytes() {
            let value = ALPHABET.iter().position(|it| *it == letter)?;
            held = (held << 5) | u32::try_from(value).ok()?;
            bits = bits.saturating_add(5);
            if bits >= 8 {
                bits = bits.saturating_sub(8);
                octets.push(u8::try_from(held >> bits).ok()?);
                held &= (1 << bits) - 1;
            }
        }
        let (id, hash) = octets.split_at_checked(16)?;
        let conversation = ConversationId(Uuid::from_slice(id).ok()?);
        let ours = self.hash(conversation);
        bool::from(ours.as_slice().ct_eq(hash)).then_some(conversation)
    }

    /// The identifier of a mail of ours, without angle brackets: the same each time.
    pub fn message_id(
        &self,
        conversation: ConversationId,
        message: MessageId,
        domain: &str,
    ) -> String {
        let token = self.token(conversation);
        format!("c.{token}.{}@{domain}", message.0.simple())
    }

    /// The conversation and the message of an identifier of ours.
    pub fn message_of(&self, id: &str) -> Option<(ConversationId, MessageId)> {
        let conversation = self.within(id, "c.").filter(|_| id.starts_with("c."))?;
        let (local, _) = id.split_once('@')?;
        let (_, message) = local.rsplit_once('.')?;
        Some((conversation, message.parse().ok()?))
    }

    /// The address that answers go to: `support+c.TOKEN@example.com`. `None` if it would be longer than
    /// mail servers take; answers are then known by what they refer to.
    pub fn answer_address(&self, address: &str, conversation: ConversationId) -> Option<String> {
        let (local, domain) = address.rsplit_once('@')?;
        let local = format!("{local}+c.{}", self.token(conversation));
        (local.len() <= LOCAL_PART).then(|| format!("{local}@{domain}"))
    }

    /// The conversation in an address or an identifier of ours.
    fn within(&self, text: &str, mark: &str) -> Option<ConversationId> {
        let lowered = text.to_ascii_lowercase();
        let (_, rest) = lowered.split_once(mark)?;
        self.conversation(rest.get(..TOKEN_LETTERS)?)
    }

    fn hash(&self, conversation: ConversationId) -> [u8; HASH_OCTETS] {
        let mut hash = [0u8; HASH_OCTETS];
        // A key of any length is taken.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(b"conversation in a mail address\0");
            mac.update(conversation.0.as_bytes());
            for (ours, octet) in hash.iter_mut().zip(mac.finalize().into_bytes()) {
                *ours = octet;
            }
        }
        hash
    }
}

fn letter(bits: u32) -> char {
    let place = usize::try_from(bits & 31).unwrap_or_default();
    char::from(ALPHABET.get(place).copied().unwrap_or(b'a'))
}

/// A way to the conversation of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trail {
    /// We said so ourselves.
    Conversation(ConversationId),
    /// The conversation that holds a mail of this identifier, if there is one.
    MessageId(String),
}

/// The ways to a mail's conversation, the surest first; the first that leads somewhere counts.
/// `recipients` are those that the mail server named, if it did.
pub fn trails(mail: &ReceivedMail, recipients: &[String], key: &ThreadKey) -> Vec<Trail> {
    let mut trails = Vec::new();
    let named = mail.to.iter().chain(&mail.cc).map(|it| it.address.as_str());
    let delivered = mail.fields().all("delivered-to").map(str::trim);
    let original = mail.fields().all("x-original-to").map(str::trim);
    let recipients = recipients.iter().map(String::as_str);
    let all = recipients.chain(named).chain(delivered).chain(original);
    for address in all.take(RECIPIENTS) {
        trails.extend(key.within(address, "+c.").map(Trail::Conversation));
    }
    let bounced = mail.bounce.iter().filter_map(|it| it.message_id.as_ref());
    let before = mail.in_reply_to.iter().chain(mail.references.iter().rev());
    for id in bounced.chain(before) {
        let ours = match id.starts_with("c.") {
            true => key.within(id, "c.").map(Trail::Conversation),
            false => None,
        };
        trails.push(ours.unwrap_or_else(|| Trail::MessageId(id.clone())));
    }
    let mut seen: Vec<Trail> = Vec::new();
    trails.retain(|trail| {
        let new = !seen.contains(trail);
        if new {
            seen.push(trail.clone());
        }
        new
    });
    trails
}

#[cfg(test)]
mod tests {
    use super::super::message::read;
    use super::*;

    fn conversation(number: u128) -> ConversationId {
        ConversationId(Uuid::from_u128(number))
    }

    fn key() -> ThreadKey {
        ThreadKey::new([7; 32])
    }

    #[test]
    fn a_token_leads_back_to_its_conversation_and_no_other_is_taken() {
        for number in [0, 1, u128::MAX, 0x0199_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0000] {
            let token = key().token(conversation(number));
            assert_eq!(token.len(), TOKEN_LETTERS);
            assert_eq!(key().conversation(&token), Some(conversation(number)));
            let shouted = token.to_uppercase();
            assert_eq!(key().conversation(&shouted), Some(conversation(number)));
            assert_eq!(ThreadKey::new([8; 32]).conversation(&token), None);
            for place in 0..TOKEN_LETTERS - 1 {
                let mut other = token.clone().into_bytes();
                other[place] = if other[place] == b'a' { b'b' } else { b'a' };
                let other = String::from_utf8(other).unwrap();
                assert_eq!(key().conversation(&other), None, "{other}");
            }
        }
        for rubbish in ["", "a", "å".repeat(18).as_str(), "1".repeat(36).as_str()] {
            assert_eq!(key().conversation(rubbish), None);
        }
    }

    #[test]
    fn an_answer_comes_back_by_address_or_by_identifier() {
        let key = key();
        let message = MessageId(Uuid::from_u128(77));
        let address = key.answer_address("support@example.com", conversation(5));
        let id = key.message_id(conversation(6), message, "example.com");
        assert_eq!(key.message_of(&id), Some((conversation(6), message)));
        assert_eq!(key.message_of("c.x@example.com"), None);
        let raw = format!(
            "From: a@x.no\nTo: {}\nIn-Reply-To: <{id}>\nReferences: <first@x> <second@x> <{id}>\n\nYes",
            address.unwrap().to_uppercase()
        );
        assert_eq!(
            trails(&read(raw.as_bytes()), &[], &key),
            [
                Trail::Conversation(conversation(5)),
                Trail::Conversation(conversation(6)),
                Trail::MessageId("second@x".to_owned()),
                Trail::MessageId("first@x".to_owned()),
            ]
        );
    }

    #[test]
    fn a_forged_token_is_an_identifier_like_any_other_and_a_subject_leads_nowhere() {
        let forged = ThreadKey::new([9; 32]);
        let token = forged.token(conversation(5));
        let raw = format!(
            "From: a@x.no\nTo: support+c.{token}@example.com\nSubject: Re: lamp\n\
             In-Reply-To: <c.{token}.x@example.com>\n\nYes"
        );
        assert_eq!(
            trails(&read(raw.as_bytes()), &[], &key()),
            [Trail::MessageId(format!("c.{token}.x@example.com"))]
        );
        let alone = read(b"From: a@x.no\nSubject: Re: lamp\n\nYes");
        assert_eq!(
            trails(&alone, &["support@example.com".to_owned()], &key()),
            []
        );
    }

    #[test]
    fn an_address_too_long_for_a_token_has_none() {
        let long = format!("{}@example.com", "x".repeat(30));
        assert_eq!(key().answer_address(&long, conversation(1)), None);
    }
}

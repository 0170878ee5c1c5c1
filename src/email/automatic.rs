//! Loops end here: which mails may be answered by a program (RFC 3834), and how often. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::ReceivedMail;
use crate::core::time::Wall;

/// The field that every mail of ours carries, with the mark of this house.
pub const LOOP_FIELD: &str = "X-Ringdesk-Loop";

/// How long nobody gets a second automatic reply.
const ONCE_IN: Duration = Duration::from_secs(24 * 60 * 60);

/// Senders that are remembered, some 100 octets each: far more than write to a house out of hours in a
/// day. Beyond it, nobody gets an automatic reply until some are forgotten.
const REMEMBERED: usize = 20_000;

/// Why a mail gets no automatic reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is a reply of ours that came back, or one of another Ringdesk's.
    OurOwn,
    /// It came from an address of ours.
    OwnAddress,
    /// Auto-Submitted says that a program wrote it (RFC 3834 §5).
    AutoSubmitted,
    /// Precedence says that it went to many.
    Precedence,
    /// It came over a mailing list (RFC 2919, RFC 2369).
    List,
    /// X-Auto-Response-Suppress asks for none.
    Suppressed,
    /// Its return path is empty: it is a report itself (RFC 5321 §4.5.5).
    EmptyReturnPath,
    /// It is a report about a mail of ours.
    Bounce,
    /// Its sender is a program by name.
    Program,
    /// There is nobody to answer.
    NoSender,
    /// This sender had one within the last day.
    HadOne,
    /// Too many others had one.
    TooMany,
}

impl Reason {
    /// In words that end "no automatic reply: …".
    pub fn words(self) -> &'static str {
        match self {
            Reason::OurOwn => "it is a mail of Ringdesk's itself",
            Reason::OwnAddress => "it comes from an address of ours",
            Reason::AutoSubmitted => "a program wrote it (Auto-Submitted)",
            Reason::Precedence => "it went to many (Precedence)",
            Reason::List => "it came over a mailing list",
            Reason::Suppressed => "it asks for none (X-Auto-Response-Suppress)",
            Reason::EmptyReturnPath => "it is a report (its return path is empty)",
            Reason::Bounce => "it is a report about a mail of ours",
            Reason::Program => "its sender is a program by name",
            Reason::NoSender => "it has no sender",
            Reason::HadOne => "this sender had one within the last day",
            Reason::TooMany => "too many senders had one within the last day",
        }
    }
}

/// Whether a mail may be answered by a program, by what it says of itself. `return_path` is the
/// sender that the mail server named, if it did; `own` are all addresses of our channels.
///
/// # Errors
/// The reason why not.
pub fn may_be_answered(
    mail: &ReceivedMail,
    return_path: Option<&str>,
    own: &[String],
) -> Result<(), Reason> {
    let fields = mail.fields();
    let value = |name: &str| fields.raw(name).map(|it| it.to_ascii_lowercase());
    let has = |name: &str| fields.all(name).next().is_some();
    if has(&LOOP_FIELD.to_ascii_lowercase()) {
        return Err(Reason::OurOwn);
    }
    if mail.bounce.is_some() {
        return Err(Reason::Bounce);
    }
    if value("auto-submitted").is_some_and(|it| it.split(';').next().map(str::trim) != Some("no")) {
        return Err(Reason::AutoSubmitted);
    }
    let autoreply = ["x-autoreply", "x-autorespond", "x-autoresponder"];
    if autoreply.into_iter().any(has) {
        return Err(Reason::AutoSubmitted);
    }
    if value("precedence").is_some_and(|it| ["bulk", "list", "junk", "auto_reply"].contains(&&*it))
    {
        return Err(Reason::Precedence);
    }
    let list = [
        "list-id",
        "list-post",
        "list-unsubscribe",
        "list-help",
        "mailing-list",
        "feedback-id",
    ];
    if list.into_iter().any(has) {
        return Err(Reason::List);
    }
    let asks = ["all", "autoreply", "oof"];
    if value("x-auto-response-suppress")
        .is_some_and(|it| it.split(',').any(|word| asks.contains(&word.trim())))
    {
        return Err(Reason::Suppressed);
    }
    let written = value("return-path");
    if [return_path, written.as_deref()]
        .into_iter()
        .flatten()
        .any(|it| it.trim_matches(['<', '>', ' ']).is_empty())
    {
        return Err(Reason::EmptyReturnPath);
    }
    let Some(receiver) = mail.answer_to() else {
        return Err(Reason::NoSender);
    };
    for party in mail.from.iter().chain([receiver]) {
        if own.iter().any(|it| is_same(it, &party.address)) {
            return Err(Reason::OwnAddress);
        }
        if is_program(&party.address) {
            return Err(Reason::Program);
        }
    }
    Ok(())
}

/// The same mailbox, whatever stands behind its `+`.
pub fn is_same(ours: &str, other: &str) -> bool {
    let plain = |address: &str| {
        let lowered = address.to_lowercase();
        let (local, domain) = lowered.rsplit_once('@').unwrap_or((lowered.as_str(), ""));
        let local = local.split_once('+').map_or(local, |(local, _)| local);
        format!("{local}@{domain}")
    };
    plain(ours) == plain(other)
}

/// Names that only programs have (RFC 2142, RFC 5230 §4.6).
fn is_program(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    let local = local.to_lowercase().replace(['-', '_', '.'], "");
    let names = [
        "mailerdaemon",
        "postmaster",
        "noreply",
        "donotreply",
        "noanswer",
        "bounce",
        "bounces",
        "listserv",
        "majordomo",
        "mdaemon",
        "nobody",
        "autoreply",
        "autoresponder",
    ];
    names.contains(&local.as_str())
        || local.starts_with("noreply+")
        || local.starts_with("bounce+")
        || local.starts_with("bounces+")
        || local.starts_with("owner")
            && address
                .split('@')
                .next()
                .is_some_and(|it| it.to_lowercase().starts_with("owner-"))
}

/// Who had an automatic reply lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AutomaticReplies {
    sent: BTreeMap<String, Sent>,
}

/// An automatic reply that somebody had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    at: Wall,
    /// Which one it was: that very one may be sent again, where it is not known whether it was.
    mark: String,
}

impl AutomaticReplies {
    /// Whether a sender may get one now.
    ///
    /// # Errors
    /// There must be none: [`Reason::HadOne`].
    pub fn may(&self, address: &str, now: Wall) -> Result<(), Reason> {
        let sent = self.sent.get(&address.to_lowercase());
        match sent.is_some_and(|sent| is_recent(sent.at, now)) {
            true => Err(Reason::HadOne),
            false => Ok(()),
        }
    }

    /// Notes that a sender is about to get the one of that mark.
    ///
    /// # Errors
    /// There must be none: [`Reason::HadOne`] or [`Reason::TooMany`].
    pub fn note_once(&mut self, address: &str, mark: &str, now: Wall) -> Result<(), Reason> {
        let address = address.to_lowercase();
        if self
            .sent
            .get(&address)
            .is_some_and(|sent| sent.mark == mark)
        {
            return Ok(());
        }
        self.may(&address, now)?;
        if self.sent.len() >= REMEMBERED {
            self.sent.retain(|_, sent| is_recent(sent.at, now));
        }
        if self.sent.len() >= REMEMBERED {
            return Err(Reason::TooMany);
        }
        let mark = mark.to_owned();
        self.sent.insert(address, Sent { at: now, mark });
        Ok(())
    }
}

/// A clock that was set back keeps nobody from a reply for longer than a day.
fn is_recent(sent: Wall, now: Wall) -> bool {
    now.since(sent) < ONCE_IN && sent.since(now) < ONCE_IN
}

#[cfg(test)]
mod tests {
    use super::super::message::read;
    use super::*;

    fn verdict(fields: &str) -> Result<(), Reason> {
        let raw = format!("{fields}\n\nHello").replace('\n', "\r\n");
        may_be_answered(
            &read(raw.as_bytes()),
            None,
            &["Support@Example.com".to_owned()],
        )
    }

    #[test]
    fn people_are_answered_and_programs_are_not() {
        for (fields, expected) in [
            ("From: a@x.no", Ok(())),
            ("From: a@x.no\nAuto-Submitted: no", Ok(())),
            ("From: a@x.no\nAuto-Submitted: no; x=y", Ok(())),
            ("From: a@x.no\nPrecedence: first-class", Ok(())),
            ("From: a@x.no\nReturn-Path: <a@x.no>", Ok(())),
            ("From: a@x.no\nX-Auto-Response-Suppress: DR, RN", Ok(())),
            ("From: owner@x.no", Ok(())),
            (
                "From: a@x.no\nAuto-Submitted: auto-replied",
                Err(Reason::AutoSubmitted),
            ),
            (
                "From: a@x.no\nAUTO-SUBMITTED:Auto-Generated",
                Err(Reason::AutoSubmitted),
            ),
            ("From: a@x.no\nX-Autoreply: yes", Err(Reason::AutoSubmitted)),
            ("From: a@x.no\nPrecedence: Bulk", Err(Reason::Precedence)),
            (
                "From: a@x.no\nPrecedence: auto_reply",
                Err(Reason::Precedence),
            ),
            ("From: a@x.no\nList-Id: <l.x.no>", Err(Reason::List)),
            (
                "From: a@x.no\nList-Unsubscribe: <mailto:u@x.no>",
                Err(Reason::List),
            ),
            (
                "From: a@x.no\nX-Auto-Response-Suppress: OOF, AutoReply",
                Err(Reason::Suppressed),
            ),
            (
                "From: a@x.no\nX-Auto-Response-Suppress: All",
                Err(Reason::Suppressed),
            ),
            (
                "From: a@x.no\nReturn-Path: <>",
                Err(Reason::EmptyReturnPath),
            ),
            ("From: a@x.no\nX-Ringdesk-Loop: abc", Err(Reason::OurOwn)),
            ("From: support+c.abc@example.com", Err(Reason::OwnAddress)),
            (
                "From: a@x.no\nReply-To: support@example.com",
                Err(Reason::OwnAddress),
            ),
            ("From: no-reply@x.no", Err(Reason::Program)),
            ("From: MAILER-DAEMON@x.no", Err(Reason::Bounce)),
            ("From: owner-list@x.no", Err(Reason::Program)),
            ("From: bounces+123@x.no", Err(Reason::Program)),
            ("Subject: x", Err(Reason::NoSender)),
            ("From: nonsense", Err(Reason::NoSender)),
        ] {
            assert_eq!(verdict(fields), expected, "{fields}");
        }
        let mail = read(b"From: a@x.no\r\n\r\nx");
        assert_eq!(
            may_be_answered(&mail, Some(""), &[]),
            Err(Reason::EmptyReturnPath)
        );
        assert_eq!(may_be_answered(&mail, Some("a@x.no"), &[]), Ok(()));
    }

    #[test]
    fn nobody_gets_two_in_a_day() {
        let mut replies = AutomaticReplies::default();
        let at = |hours: i64| Wall::from_seconds(hours * 3600);
        assert_eq!(replies.note_once("A@x.no", "1", at(100)), Ok(()));
        assert_eq!(
            replies.note_once("a@x.no", "2", at(101)),
            Err(Reason::HadOne)
        );
        assert_eq!(replies.may("a@X.no", at(101)), Err(Reason::HadOne));
        assert_eq!(
            replies.note_once("a@x.no", "1", at(101)),
            Ok(()),
            "the same once more"
        );
        assert_eq!(replies.note_once("b@x.no", "3", at(101)), Ok(()));
        assert_eq!(replies.note_once("a@x.no", "4", at(124)), Ok(()));
        assert_eq!(
            replies.note_once("a@x.no", "5", at(120)),
            Err(Reason::HadOne)
        );
        let set_back = replies.note_once("a@x.no", "6", at(50));
        assert_eq!(set_back, Ok(()), "the clock was set right");
        let text = serde_json::to_string(&replies).unwrap();
        let again: AutomaticReplies = serde_json::from_str(&text).unwrap();
        assert_eq!(again, replies);
    }

    #[test]
    fn a_flood_of_senders_fills_no_memory_and_is_forgotten() {
        let mut replies = AutomaticReplies::default();
        for number in 0..REMEMBERED {
            let address = format!("{number}@x.no");
            replies
                .note_once(&address, "1", Wall::from_seconds(0))
                .unwrap();
        }
        let one_more = |replies: &mut AutomaticReplies, hours: i64| {
            replies.note_once("more@x.no", "2", Wall::from_seconds(hours * 3600))
        };
        assert_eq!(one_more(&mut replies, 1), Err(Reason::TooMany));
        assert_eq!(one_more(&mut replies, 24), Ok(()));
        assert_eq!(replies.sent.len(), 1);
    }
}

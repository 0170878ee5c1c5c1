//! Reports about mail of ours that did not arrive (RFC 3464).

use super::fields::{Fields, ids_of, split};
use super::names::one_line;
use super::{Bounce, Delivery};

/// Characters of a mail server's words that are kept.
const SENTENCE: usize = 500;

/// Recipients of one report that are read.
const RECIPIENTS: usize = 50;

/// Octets of a report in no known form that are searched for an identifier of ours.
const SEARCHED: usize = 200_000;

/// Reads `message/delivery-status`: a block about the message, then one for each recipient. The first
/// recipient that failed is told of, else the first one.
pub(super) fn read_status(bounce: &mut Option<Bounce>, text: &str) {
    let bounce = bounce.get_or_insert_default();
    let text = text.replace('\n', "\r\n");
    let mut rest = text.as_bytes();
    let mut chosen: Option<Fields> = None;
    for _ in 0..RECIPIENTS {
        if rest.is_empty() {
            break;
        }
        let (fields, after) = split(rest);
        rest = after;
        if fields.raw("final-recipient").is_none() && fields.raw("action").is_none() {
            continue;
        }
        let failed = delivery(&fields) == Delivery::Failed;
        let is_better = match &chosen {
            None => true,
            Some(it) => failed && delivery(it) != Delivery::Failed,
        };
        if is_better {
            chosen = Some(fields);
        }
    }
    let Some(fields) = chosen else {
        return;
    };
    bounce.delivery = delivery(&fields);
    bounce.recipient = fields
        .raw("original-recipient")
        .or_else(|| fields.raw("final-recipient"))
        .map(|it| typed(&it, 320));
    bounce.status = fields.raw("status").map(|it| one_line(&it, 20));
    bounce.sentence = fields.raw("diagnostic-code").map(|it| typed(&it, SENTENCE));
}

/// Reads the header of the message that did not arrive.
pub(super) fn read_original(bounce: &mut Option<Bounce>, fields: &Fields) {
    if let Some(bounce) = bounce {
        let id = fields.ids("message-id").into_iter().next();
        bounce.message_id = bounce.message_id.take().or(id);
    }
}

/// A report in no known form, as some servers write it: from the server itself, with an identifier of
/// ours somewhere in its text.
pub(super) fn in_plain_words(fields: &Fields, text: &str, raw: &[u8]) -> Option<Bounce> {
    let from = fields.parties("from").into_iter().next();
    let from = from.map(|it| it.address.to_ascii_lowercase());
    let by_server = from.is_some_and(|it| {
        ["mailer-daemon@", "postmaster@"]
            .iter()
            .any(|name| it.starts_with(name))
    });
    if !by_server || fields.raw("return-path").is_some_and(|it| it != "<>") {
        return None;
    }
    let searched = raw.get(..raw.len().min(SEARCHED)).unwrap_or_default();
    let found = ids_of(&String::from_utf8_lossy(searched));
    let own = fields.ids("message-id");
    let mut others = found.into_iter().filter(|id| !own.contains(id));
    Some(Bounce {
        message_id: others.find(|id| id.starts_with("c.")),
        sentence: Some(one_line(text, SENTENCE)).filter(|it| !it.is_empty()),
        ..Bounce::default()
    })
}

fn delivery(fields: &Fields) -> Delivery {
    match fields.raw("action").map(|it| it.to_ascii_lowercase()) {
        Some(action) if action.starts_with("delayed") => Delivery::Delayed,
        Some(action)
            if ["delivered", "relayed", "expanded"]
                .iter()
                .any(|it| action.starts_with(it)) =>
        {
            Delivery::Arrived
        }
        Some(_) | None => Delivery::Failed,
    }
}

/// `rfc822; anna@example.com` without its type.
fn typed(value: &str, longest: usize) -> String {
    let value = value.split_once(';').map_or(value, |(_, value)| value);
    one_line(value.trim().trim_matches(['<', '>']), longest)
}

//! Answers that need no transaction (RFC 3261 §8.2.7).

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sip::message::{Method, Request, Response};

/// Seconds after which a request that was shed may come again: the longest that a transaction
/// stays, within which the table empties. Never said to an INVITE, where it would silence a trunk.
pub const RETRY_AFTER_SECONDS: u32 = 32;

/// The refusal of a request that is too many: 503, for an INVITE without Retry-After.
pub fn overloaded(request: &Request) -> Response {
    let mut response = request.response(503);
    add_to_tag(&mut response, None);
    if request.method != Method::Invite {
        response.headers.push("Retry-After", RETRY_AFTER_SECONDS);
    }
    response
}

/// Gives To a tag where it has none: `tag`, or one made from the request, so that each answer to its
/// retransmissions has the same (RFC 3261 §8.2.7).
pub(super) fn add_to_tag(response: &mut Response, tag: Option<&str>) {
    let headers = &mut response.headers;
    if headers.to_tag().is_some() {
        return;
    }
    let Some(to) = headers.value("To") else {
        return;
    };
    let tagged = match tag {
        Some(tag) => format!("{to};tag={tag}"),
        None => {
            let mut hasher = DefaultHasher::new();
            headers.value("Call-ID").hash(&mut hasher);
            headers.from_tag().hash(&mut hasher);
            headers.value("Via").hash(&mut hasher);
            format!("{to};tag={:016x}", hasher.finish())
        }
    };
    headers.replace("To", tagged);
}

//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3), and which requests are one
//! that was merged on its way (§8.2.2.2).

use std::sync::Arc;

use crate::sip::message::{Method, Request, Response, Via};

/// What the branch of an element of RFC 3261 begins with.
pub(super) const MAGIC_COOKIE: &str = "z9hG4bK";

/// Finds a client transaction: branch and method.
pub(super) type ClientMatch = (Arc<str>, Method);

/// Finds a server transaction: what its retransmissions, its ACK and its CANCEL have in common, and
/// the method.
pub(super) type ServerMatch = (Arc<str>, Method);

/// The client transaction that a response names. `None` where it has another Via than ours, which
/// no response to a user agent has (RFC 3261 §8.1.3.3).
pub(super) fn of_response(response: &Response) -> Option<ClientMatch> {
    let mut vias = response.headers.list("Via");
    let (top, None) = (vias.next()?, vias.next()) else {
        return None;
    };
    let via: Via = top.parse().ok()?;
    let method = response.headers.cseq().ok()?.method;
    Some((Arc::from(via.branch()?), method))
}

/// What a request's retransmissions, ACK and CANCEL have in common: branch and sent-by; where the
/// branch does not identify (before RFC 3261, or the bare cookie) the Request-URI, From tag, Call-ID, CSeq number and the whole top Via.
///
/// `via` must be as it was received. The To tag, which is another one in an ACK, takes no part.
pub(super) fn common_part(request: &Request, via: &Via) -> Arc<str> {
    match via.branch() {
        Some(branch) if branch.starts_with(MAGIC_COOKIE) && branch != MAGIC_COOKIE => {
            let port = via.port.unwrap_or(0);
            let mut text = format!("{branch} {} {port}", via.host);
            text.make_ascii_lowercase();
            text.into()
        }
        Some(_) | None => {
            let headers = &request.headers;
            let number = headers.cseq().map_or(0, |cseq| cseq.number);
            let from_tag = headers.from_tag().unwrap_or_default();
            let call_id = headers.value("Call-ID").unwrap_or_default();
            let uri = request.uri.as_str();
            format!("{uri}\n{from_tag}\n{call_id}\n{number}\n{via}").into()
        }
    }
}

/// What two copies of one request have in common that took different ways: From tag, Call-ID and
/// CSeq. `None` within a dialog, where nothing is merged.
pub(super) fn merge_key(request: &Request) -> Option<Arc<str>> {
    let headers = &request.headers;
    if headers.to_tag().is_some() {
        return None;
    }
    let cseq = headers.cseq().ok()?;
    let from_tag = headers.from_tag().unwrap_or_default();
    let call_id = headers.value("Call-ID")?;
    Some(format!("{from_tag}\n{call_id}\n{} {}", cseq.number, cseq.method).into())
}

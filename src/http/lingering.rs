//! What a client still sends once its answer is known is read and thrown away, for a while. A
//! connection that were closed on it would be reset, and the client might never read why it was
//! refused (RFC 9112 §9.6).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use futures_util::{Stream, StreamExt};
use tokio::runtime::Handle;

use super::guard::LARGEST_BODY;

/// How long a client may go on: what it sends leaves the connection to nobody else meanwhile.
const WHOLE: Duration = Duration::from_secs(30);

/// How long it may send nothing.
const IDLE: Duration = Duration::from_secs(5);

/// Octets that are thrown away of one body: whoever sends more than twice the largest does not
/// listen.
const OCTETS: usize = 2 * LARGEST_BODY;

/// The body, the rest of which is thrown away once nobody reads it any more.
pub(super) fn lingering(headers: &HeaderMap, body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::from_stream(Lingering {
        rest: Some(body.into_data_stream()),
        // Who waits for leave to send (RFC 9110 §10.1.1) has sent nothing, and gets an answer
        // instead of leave.
        is_sent: !headers.contains_key(header::EXPECT),
    })
}

struct Lingering {
    /// `None` at its end.
    rest: Option<BodyDataStream>,
    is_sent: bool,
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let part = rest.poll_next_unpin(context);
        self.is_sent = true;
        let part = ready!(part);
        if !matches!(part, Some(Ok(_))) {
            self.rest = None;
        }
        Poll::Ready(part)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = self.rest.take().filter(|_| self.is_sent);
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(WHOLE, throw_away(rest)));
        }
    }
}

async fn throw_away(mut rest: BodyDataStream) {
    let mut octets = 0_usize;
    while let Ok(Some(Ok(part))) = tokio::time::timeout(IDLE, rest.next()).await {
        octets = octets.saturating_add(part.len());
        if octets > OCTETS {
            break;
        }
    }
}

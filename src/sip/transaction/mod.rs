//! The transaction layer (RFC 3261 §17 with RFC 6026, §18 for Via): retransmission, matching and
//! routing of responses, for a user agent.
//!
//! [`Transactions`] is one table for all of them. Messages come in by
//! [`Transactions::handle_message`]; what is to be sent and what concerns the transaction user comes
//! out of [`Transactions::poll_action`]. The four state machines of the RFC are a file each.

mod client_invite;
mod client_non_invite;
mod machine;
mod matching;
#[cfg(test)]
mod network;
mod output;
mod server_invite;
mod server_non_invite;
mod stateless;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod via;

use bytes::Bytes;

pub use stateless::{RETRY_AFTER_SECONDS, overloaded};
pub use table::{
    CLIENT_TRANSACTIONS_MAX, SERVER_TRANSACTIONS_FOR_NEW_CALLS, SERVER_TRANSACTIONS_MAX,
    Transactions,
};
pub use timers::{Timer, Timers};
pub use via::route_response;

use crate::sip::flow::Flow;
use crate::sip::message::{Request, Response};

/// Names a client transaction: a request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(pub(super) u64);

/// Names a server transaction: a request of theirs. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(pub(super) u64);

/// What the layer asks of those around it.
///
/// Each client transaction leads to exactly one final action: the first [`Action::Response`] with a
/// status of 200 or more, [`Action::TimedOut`], or [`Action::TransportFailed`]. After it, only further
/// 2xx responses to an INVITE may come.
#[derive(Debug)]
pub enum Action {
    /// Send these octets.
    Transmit {
        /// Where to.
        flow: Flow,
        /// A whole message.
        bytes: Bytes,
    },
    /// A new request: a server transaction was made. Answer it with [`Transactions::respond`].
    /// Never an ACK or a CANCEL.
    Request {
        /// Its server transaction.
        key: ServerKey,
        /// The request, its top Via with `received` and `rport` filled in.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// An ACK that the layer did not absorb: one for a 2xx, or for nothing we know.
    Ack {
        /// The ACK.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// The caller cancelled this INVITE, which had no final response yet. The CANCEL has been
    /// answered; the INVITE itself still wants its 487.
    Cancelled {
        /// The server transaction of the INVITE.
        key: ServerKey,
    },
    /// A response to a request of ours: each provisional one, the final one, and every 2xx to an
    /// INVITE (retransmissions and forks) for 64×T1 after the first.
    Response {
        /// The client transaction.
        key: ClientKey,
        /// The response.
        response: Response,
        /// Where it came from.
        flow: Flow,
    },
    /// No final response came in time.
    TimedOut {
        /// The client transaction, now gone.
        key: ClientKey,
    },
    /// The request could not be sent, or its connection closed before an answer.
    TransportFailed {
        /// The client transaction, now gone.
        key: ClientKey,
    },
}

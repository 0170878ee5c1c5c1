//! What the user agent is told to do and what it reports.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::core::id::LegId;
use crate::sip::flow::Flow;
use crate::sip::message::{ACCEPT, Method, NameAddr, Request, Response, Uri};
use crate::sip::transaction::{ServerKey, Timers};

/// What all legs have in common.
#[derive(Clone, Debug)]
pub struct UserAgentConfig {
    /// The value of User-Agent in requests and of Server in responses.
    pub user_agent_header: String,
    /// T1, T2 and T4 (RFC 3261 §17.1.1.1).
    pub timers: Timers,
}

/// A session description as a message carried it or shall carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The value of Content-Type.
    pub content_type: String,
    /// The octets.
    pub bytes: Bytes,
}

impl Body {
    /// A body of type `application/sdp`.
    pub fn sdp(bytes: impl Into<Bytes>) -> Body {
        Body {
            content_type: ACCEPT.to_owned(),
            bytes: bytes.into(),
        }
    }
}

/// A user name and password for digest (RFC 3261 §22), answered once to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The digest user name.
    pub username: String,
    /// The password in clear.
    pub password: String,
    /// The only realm that is answered. `None`: whichever realm the called side names.
    pub realm: Option<String>,
}

/// How requests inside a dialog find their way, once the dialog exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHop {
    /// Over the flow of the leg, whatever Contact says: a registered device, perhaps behind a NAT.
    #[default]
    Flow,
    /// To the first Route, else the remote target (RFC 3261 §12.2.1.1), where that is an IP
    /// address; a host name, which nothing here resolves, leaves the request on the leg's flow.
    Target,
}

/// An INVITE to be sent.
#[derive(Clone, Debug)]
pub struct OutgoingInvite {
    /// The Request-URI.
    pub target_uri: Uri,
    /// Where the INVITE goes.
    pub flow: Flow,
    /// Our address as that destination sees it: Via and Contact carry it.
    pub sent_by: SocketAddr,
    /// The user part of our Contact.
    pub contact_user: String,
    /// From; its tag is made here.
    pub from: NameAddr,
    /// To, without a tag.
    pub to: NameAddr,
    /// Further headers, in this order. Dialog, body and capability headers are made here; Max-Forwards
    /// is 70 unless it stands here.
    pub headers: Vec<(String, String)>,
    /// The offer. An INVITE without one gets its ACK without an answer.
    pub body: Option<Body>,
    /// The preloaded route set (RFC 3261 §8.1.1.1), usually empty.
    pub route: Vec<NameAddr>,
    /// How requests inside the dialog travel.
    pub next_hop: NextHop,
    /// For a 401 or 407, on this leg alone.
    pub credentials: Option<Credentials>,
}

/// A request sent outside dialogs with [`UserAgent::send`](super::UserAgent::send).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Why a leg is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// BYE came, with this Reason header (RFC 3326) if it had one.
    HungUpThere {
        /// The value of Reason, as written.
        reason: Option<String>,
    },
    /// [`hang_up`](super::UserAgent::hang_up), [`cancel`](super::UserAgent::cancel) or
    /// [`reject`](super::UserAgent::reject) was called.
    HungUpHere,
    /// Our 200 was never acknowledged within 64×T1; BYE was sent.
    NoAck,
    /// A request of ours inside the dialog failed in a way that ends the dialog (481, 408, no
    /// answer, no transport; RFC 3261 §12.2.1.2); BYE was sent.
    Failed {
        /// That answer; 408 and 503 also where none came.
        status: u16,
    },
}

/// What happened. Of each leg the last event is exactly one of `Rejected`, `Cancelled`, `Ended`.
#[derive(Debug)]
pub enum Event {
    /// Octets to be sent.
    Transmit {
        /// Where to.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
    },
    /// An INVITE outside dialogs, already checked. To be answered in the same turn with
    /// [`accept_leg`](super::UserAgent::accept_leg) or [`refuse`](super::UserAgent::refuse).
    Incoming {
        /// Names the INVITE until it is a leg.
        key: ServerKey,
        /// The INVITE.
        request: Request,
        /// Its offer; `None` asks for ours in the 200.
        offer: Option<Body>,
        /// Where it came from.
        flow: Flow,
    },
    /// The caller gave up before our answer; 487 was sent. Last event of the leg.
    Cancelled {
        /// The leg.
        leg: LegId,
        /// The Reason of the BYE, if the caller ended the early dialog that way.
        reason: Option<String>,
    },
    /// The ACK to our 200 came: the first one to `answer`, or to a 200 of `answer_offer`.
    Acknowledged {
        /// The leg.
        leg: LegId,
        /// The answer, where our 200 held the offer.
        body: Option<Body>,
    },
    /// A provisional response came; 100 is one.
    Progressed {
        /// The leg.
        leg: LegId,
        /// 100 to 199.
        status: u16,
    },
    /// The called side answered; ACK was sent.
    Answered {
        /// The leg.
        leg: LegId,
        /// The answer to our offer; `None` where the 200 had no session description.
        body: Option<Body>,
        /// The 2xx.
        response: Box<Response>,
    },
    /// The called side will not be reached. Last event of the leg.
    Rejected {
        /// The leg.
        leg: LegId,
        /// 300 to 699.
        status: u16,
        /// The reason phrase.
        phrase: String,
        /// Seconds of Retry-After.
        retry_after: Option<u32>,
        /// No response came: 408 stands for silence, 503 for a failed transport.
        local: bool,
    },
    /// The other side offers another session (re-INVITE or UPDATE): to be answered with
    /// [`answer_offer`](super::UserAgent::answer_offer).
    Offered {
        /// The leg.
        leg: LegId,
        /// The offer. `None`: a re-INVITE that asks for ours; its answer comes in `Acknowledged`.
        body: Option<Body>,
        /// INVITE or UPDATE.
        method: Method,
    },
    /// The other side answered the offer of [`offer`](super::UserAgent::offer).
    OfferAnswered {
        /// The leg.
        leg: LegId,
        /// The answer; `None` where the 200 had no session description.
        body: Option<Body>,
    },
    /// The other side refused our offer; the session stays as it was.
    OfferRejected {
        /// The leg.
        leg: LegId,
        /// 300 to 699.
        status: u16,
    },
    /// What became of [`ping`](super::UserAgent::ping).
    Pinged {
        /// The leg.
        leg: LegId,
        /// False after 481, 408, no answer, no transport.
        alive: bool,
    },
    /// The leg is over. Last event of the leg.
    Ended {
        /// The leg.
        leg: LegId,
        /// Why.
        why: EndReason,
    },
    /// A request outside dialogs, not INVITE: OPTIONS, REGISTER. To be answered with
    /// [`respond`](super::UserAgent::respond).
    Request {
        /// Names the transaction.
        key: ServerKey,
        /// The request, already checked.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// The final response to a request of [`send`](super::UserAgent::send).
    Response {
        /// That request.
        id: RequestId,
        /// `None`: no answer came, or the transport failed.
        response: Option<Box<Response>>,
    },
}

impl Event {
    /// The leg that the event is about.
    pub fn leg(&self) -> Option<LegId> {
        match self {
            Event::Cancelled { leg, .. }
            | Event::Acknowledged { leg, .. }
            | Event::Progressed { leg, .. }
            | Event::Answered { leg, .. }
            | Event::Rejected { leg, .. }
            | Event::Offered { leg, .. }
            | Event::OfferAnswered { leg, .. }
            | Event::OfferRejected { leg, .. }
            | Event::Pinged { leg, .. }
            | Event::Ended { leg, .. } => Some(*leg),
            Event::Transmit { .. }
            | Event::Incoming { .. }
            | Event::Request { .. }
            | Event::Response { .. } => None,
        }
    }
}

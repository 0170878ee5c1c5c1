//! What the scripted peer says: messages by hand, so that a user agent never tests itself.

use crate::sip::message::{Method, Request, Response, Uri};
use crate::sip::user_agent::tests::world::address;

/// The peer's place among the ends of the world.
pub const PEER: usize = 2;

/// One dialog as the peer keeps it.
#[derive(Clone)]
pub struct PeerDialog {
    pub call_id: String,
    pub local: String,
    pub remote: String,
    pub cseq: u32,
    target: usize,
}

impl PeerDialog {
    /// Before the INVITE that the peer sends to `target`.
    pub fn calling(target: usize) -> PeerDialog {
        PeerDialog {
            call_id: "peer-call".to_owned(),
            local: "<sip:peer@10.0.0.3>;tag=peer-tag".to_owned(),
            remote: "<sip:main-line@ringdesk.example>".to_owned(),
            cseq: 0,
            target,
        }
    }

    /// What a response of the peer with `tag` makes of an INVITE that `target` sent.
    pub fn called(invite: &Request, tag: &str, target: usize) -> PeerDialog {
        let value = |name: &str| invite.headers.value(name).unwrap().to_owned();
        PeerDialog {
            call_id: value("Call-ID"),
            local: format!("{};tag={tag}", value("To")),
            remote: value("From"),
            cseq: 0,
            target,
        }
    }

    /// Takes over the tag of a response to the peer's INVITE.
    pub fn learn(&mut self, response: &Response) {
        self.remote = response.headers.value("To").unwrap().to_owned();
    }

    /// The next request, with a branch of its own.
    pub fn request(&mut self, method: Method) -> Request {
        self.cseq += 1;
        self.request_of(method, self.cseq)
    }

    /// A request with this CSeq number.
    pub fn request_of(&self, method: Method, cseq: u32) -> Request {
        let uri = Uri::of_address(Some("ringdesk"), address(self.target));
        let via = format!(
            "SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bK-{}-{cseq}-{method};rport",
            self.call_id
        );
        Request::new(method.clone(), uri)
            .with_header("Via", via)
            .with_header("Max-Forwards", 70)
            .with_header("From", &self.local)
            .with_header("To", &self.remote)
            .with_header("Call-ID", &self.call_id)
            .with_header("CSeq", format!("{cseq} {method}"))
            .with_header("Contact", "<sip:peer@10.0.0.3:5060>")
    }

    /// The INVITE that begins it, with an offer.
    pub fn invite(&mut self) -> Request {
        self.request(Method::Invite)
            .with_body("application/sdp", "v=0 peer offer")
    }

    /// The ACK to a 2xx to the INVITE of that CSeq.
    pub fn ack(&self, cseq: u32) -> Request {
        self.request_of(Method::Ack, cseq)
    }
}

/// A response of the peer with its tag and Contact.
pub fn reply(request: &Request, status: u16, tag: &str) -> Response {
    let mut response = request.response(status);
    if request.headers.to_tag().is_none() && status > 100 {
        let to = request.headers.value("To").unwrap().to_owned();
        response.headers.replace("To", format!("{to};tag={tag}"));
    }
    response.with_header("Contact", "<sip:peer@10.0.0.3:5060>")
}

/// A 200 of the peer with a session description.
pub fn accept(request: &Request, tag: &str) -> Response {
    reply(request, 200, tag).with_body("application/sdp", "v=0 peer answer")
}

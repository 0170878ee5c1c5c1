//! Steps that many calls share.

use super::party::Manner;
use super::world::{World, sdp_text, seconds, tagged};
use crate::core::id::LegId;
use crate::core::sample;
use crate::core::snapshot::{CallerShown, External, Outbound, Protocol, Snapshot};
use crate::sip::message::{Request, Response};

/// A caller's INVITE that was written by hand, and its answer.
pub struct ByHand {
    /// Who called.
    pub caller: usize,
    pub invite: Request,
    pub ok: Response,
}

impl World {
    /// Somebody calls, and this user answers after a second: they talk.
    pub fn talks_to(&mut self, user: &str) -> LegId {
        self.manner(user, Manner::Answers(seconds(1)));
        let caller = self.call();
        self.run(seconds(3));
        assert!(self.is_talking(user));
        caller
    }

    /// Somebody calls by hand, with an offer or without, and gets a 200, which is still to be
    /// acknowledged.
    pub fn answered_by_hand(&mut self, with_offer: bool) -> ByHand {
        let caller = self.stranger("caller", "198.51.100.7:5060");
        let invite = self.invite_text(caller, "by-hand", with_offer);
        self.sends(caller, invite.clone());
        let ok = self.gets_response(caller, 200);
        ByHand { caller, invite, ok }
    }

    /// … is acknowledged with the answer to our offer.
    pub fn answers_our_offer(&mut self, call: &ByHand) {
        let sdp = sdp_text(self.parties[call.caller].address);
        self.acknowledge(call.caller, &call.invite, &call.ok, Some(&sdp));
    }

    /// A stranger answers an INVITE with this session description, under that tag.
    pub fn stranger_answers(&mut self, stranger: usize, invite: &Request, tag: &str, sdp: String) {
        let address = self.parties[stranger].address;
        let ok = invite
            .response(200)
            .with_header("Contact", format!("<sip:{tag}@{}>", address.ip()))
            .with_body("application/sdp", sdp);
        self.sends(stranger, tagged(ok, tag));
    }

    /// A stranger gets this BYE and agrees.
    pub fn takes_bye(&mut self, stranger: usize) -> Request {
        let bye = self.gets_request(stranger, "BYE");
        self.sends(stranger, bye.response(200));
        bye
    }
}

/// A session description of nothing that we speak.
pub fn foreign_sdp(host: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 9\r\n"
    )
}

/// That user has a mobile besides, which is reached through the carrier.
pub fn with_mobile(mut snapshot: Snapshot, user: usize, shown: CallerShown) -> Snapshot {
    let mut users = snapshot.users.to_vec();
    users[user].external = Some(External {
        number: "+4791111111".parse().unwrap(),
        trunk: None,
    });
    snapshot.users = users.into();
    let mut trunk = sample::trunk();
    trunk.caller = shown;
    trunk.outbound = Some(Outbound {
        uri: "sip:198.51.100.1".to_owned(),
        user: None,
        host: "198.51.100.1".to_owned(),
        port: 5060,
        protocol: Protocol::Udp,
    });
    snapshot.trunks = vec![trunk].into();
    let prompt = snapshot.prompts.values().next().unwrap().clone();
    for name in ["accept", "hold"] {
        snapshot.prompts.insert(name.into(), prompt.clone());
    }
    snapshot
}

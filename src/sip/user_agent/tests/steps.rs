//! Steps that many flows share.

use super::peer::{PEER, PeerDialog, accept, reply};
use super::world::{ANNA, World, leg};
use crate::sip::message::{Method, Request};
use crate::sip::user_agent::{Body, EndReason, Event};

impl World {
    /// Anna calls the peer, who gets this INVITE.
    pub fn call_peer(&mut self) -> Request {
        self.invite(ANNA, leg(1), PEER);
        self.peer_gets_request("INVITE")
    }

    /// … and rings, as Anna hears.
    pub fn ring_peer(&mut self) -> Request {
        let invite = self.call_peer();
        self.peer_sends(ANNA, reply(&invite, 180, "p"));
        let event = self.next(ANNA);
        assert!(
            matches!(event, Event::Progressed { status: 180, .. }),
            "{event:?}"
        );
        invite
    }

    /// The peer answers Anna's INVITE with that tag, as she hears at once.
    pub fn peer_answers(&mut self, invite: &Request, tag: &str) {
        self.peer_sends(ANNA, accept(invite, tag));
        let event = self.next(ANNA);
        assert!(matches!(event, Event::Answered { .. }), "{event:?}");
    }

    /// The peer gets this BYE and agrees.
    pub fn peer_takes_bye(&mut self) -> Request {
        let bye = self.peer_gets_request("BYE");
        self.peer_sends(ANNA, reply(&bye, 200, "p"));
        bye
    }

    /// Why the leg of the next event of `end` is over, which that event must say.
    pub fn end_of_leg(&mut self, end: usize) -> EndReason {
        let event = self.next(end);
        let Event::Ended { why, .. } = event else {
            panic!("{event:?}")
        };
        why
    }
}

/// The peer calls Anna, who has made a leg of it.
pub fn called(world: &mut World) -> PeerDialog {
    let mut dialog = PeerDialog::calling(ANNA);
    world.peer_sends(ANNA, dialog.invite());
    world.take_call(ANNA, leg(1));
    dialog
}

/// … and has answered, which the peer has acknowledged.
pub fn answered(world: &mut World) -> PeerDialog {
    let mut dialog = called(world);
    world.answer(ANNA, leg(1));
    let ok = world.peer_gets_response(200, "INVITE");
    dialog.learn(&ok);
    world.peer_sends(ANNA, dialog.ack(1));
    world.wait(ANNA, "Acknowledged");
    dialog
}

/// The peer acknowledges the 200 to its INVITE of that CSeq with an answer; what Anna hears of it.
pub fn answers_in_the_ack(
    world: &mut World,
    dialog: &PeerDialog,
    cseq: u32,
    answer: &'static str,
) -> Option<Body> {
    let ack = dialog.ack(cseq).with_body("application/sdp", answer);
    world.peer_sends(ANNA, ack);
    let event = world.next(ANNA);
    let Event::Acknowledged { body, .. } = event else {
        panic!("{event:?}")
    };
    body
}

/// The peer says BYE, and nothing is left.
pub fn part(mut world: World, mut dialog: PeerDialog) {
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(200, "BYE");
    world.finish();
}

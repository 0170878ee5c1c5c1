//! Legs: answering callers, ending legs, and what the user agent reports of each.

use bytes::Bytes;

use super::Engine;
use super::ongoing::OngoingCall;
use crate::core::call::{self, CancelReason, Side};
use crate::core::id::{CallId, LegId};
use crate::core::name::{TrunkName, UserName};
use crate::core::record::{LegRecord, Record};
use crate::core::time::Now;
use crate::media::command::{Agreement, Codec, Direction, MediaCommand, MediaId};
use crate::media::sdp::SdpSession;
use crate::sip::flow::Flow;
use crate::sip::user_agent::{Body, EndReason, Event};

/// Told to phones that lose the race, so that they show no missed call (RFC 3326).
const ANSWERED_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// Told to the other phones of a user who declined on one.
const DECLINED_ELSEWHERE: &str = "SIP;cause=603;text=\"Declined on another phone\"";

/// Why a number in the phone network that answered is hung up on: nobody there can press 1.
const NO_DTMF: &str =
    "no-dtmf: its side agreed on no way to send digits (RFC 4733), so nobody could press 1";

/// One side of a call, as SIP sees it.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) call: CallId,
    /// The user whose phone it is; `None`: the caller's leg.
    pub(super) user: Option<UserName>,
    /// The trunk it runs over, if it does.
    pub(super) trunk: Option<TrunkName>,
    pub(super) flow: Flow,
    pub(super) media: Option<MediaId>,
    /// Its offers and answers.
    pub(super) session: SdpSession,
    /// The other side was told to wait.
    pub(super) holds: bool,
    /// A 200 with our offer is out, and the answer comes with its ACK.
    pub(super) answer_awaited: bool,
    /// It was told to end; only its last event is awaited.
    pub(super) ending: bool,
    pub(super) record: LegRecord,
}

impl Leg {
    /// Which side of its call it is.
    pub(super) fn side(&self) -> Side {
        match self.user {
            None => Side::Caller,
            Some(_) => Side::Leg(self.record.id),
        }
    }
}

impl Engine {
    /// Cancels a leg that has not been answered.
    pub(super) fn cancel_leg(&mut self, leg: LegId, why: CancelReason, now: Now) {
        let reason = match why {
            CancelReason::AnsweredElsewhere => Some(ANSWERED_ELSEWHERE),
            CancelReason::Declined => Some(DECLINED_ELSEWHERE),
            CancelReason::TimedOut | CancelReason::Unreachable | CancelReason::CallerLeft => None,
        };
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        entry.record.reason = match why {
            CancelReason::AnsweredElsewhere => "answered elsewhere",
            CancelReason::Declined => "declined on another phone",
            CancelReason::TimedOut => "not answered in time",
            CancelReason::Unreachable => "no answer from the phone",
            CancelReason::CallerLeft => "the caller hung up",
        }
        .to_owned();
        entry.ending = true;
        self.user_agent.cancel(leg, reason, now.mono);
        self.leg_media_over(leg);
    }

    /// Ends a leg in whatever state it is.
    pub(super) fn hang_up_leg(&mut self, leg: LegId, elsewhere: bool, now: Now) {
        self.end_leg_saying(leg, elsewhere.then_some(ANSWERED_ELSEWHERE), None, now);
    }

    /// Ends a leg in whatever state it is; a caller that was not answered gets `status`.
    pub(super) fn end_leg(&mut self, leg: LegId, status: Option<u16>, now: Now) {
        self.end_leg_saying(leg, None, status, now);
    }

    fn end_leg_saying(&mut self, leg: LegId, reason: Option<&str>, status: Option<u16>, now: Now) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        if std::mem::replace(&mut entry.ending, true) {
            return;
        }
        let unanswered_caller = entry.user.is_none() && entry.record.answered.is_none();
        match status {
            Some(status) if unanswered_caller => {
                self.user_agent.reject(leg, status, &[], now.mono);
            }
            _ => self.user_agent.hang_up(leg, reason, now.mono),
        }
        self.leg_media_over(leg);
    }

    /// Closes the media of a leg that ends, unless other devices were offered it too.
    fn leg_media_over(&mut self, leg: LegId) {
        let Some(media) = self.legs.get(&leg).and_then(|leg| leg.media) else {
            return;
        };
        if self
            .media
            .get(&media)
            .is_some_and(|used| used.leg == Some(leg))
        {
            self.close_media(media);
        }
    }

    /// The codec that the caller should get, so that nothing need be converted.
    pub(super) fn codec_of(&self, leg: LegId) -> Option<Codec> {
        self.legs
            .get(&leg)
            .and_then(|leg| leg.session.agreed())
            .map(|agreed| agreed.codec)
    }

    /// Answers the caller's INVITE, once.
    pub(super) fn answer_caller(
        &mut self,
        call: &mut OngoingCall,
        prefer: Option<Codec>,
        now: Now,
    ) {
        let leg = call.caller_leg;
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        if entry.record.answered.is_some() {
            return;
        }
        let (body, agreement) = match &call.offer {
            None => (entry.session.offer(Direction::SendRecv), None),
            Some(offer) => match entry.session.answer(offer, prefer, Direction::SendRecv) {
                Ok((body, agreement)) => (body, Some(agreement)),
                Err(error) => {
                    let detail = format!("the caller's offer could not be answered: {error}");
                    self.end_leg(leg, Some(error.status()), now);
                    call.machine
                        .handle(call::Event::CallerFailed { detail }, now);
                    return;
                }
            },
        };
        entry.record.answered = Some(now.wall);
        entry.record.status = Some(200);
        entry.answer_awaited = agreement.is_none();
        let record = entry.record.clone();
        self.store(Record::Leg(record));
        self.user_agent.answer(leg, &[], &Body::sdp(body), now.mono);
        call.record.answered = Some(now.wall);
        if let Some(agreement) = agreement {
            self.agree(leg, agreement);
        }
    }

    fn agree(&mut self, leg: LegId, agreement: Agreement) {
        let Some(media) = self.legs.get(&leg).and_then(|leg| leg.media) else {
            return;
        };
        self.send_media(MediaCommand::Agree { media, agreement });
        let waiting = self
            .media
            .get_mut(&media)
            .and_then(|used| used.waiting.take());
        if let Some((audio, repeat)) = waiting {
            self.send_media(MediaCommand::Play {
                media,
                audio,
                repeat,
            });
        }
    }

    /// What the user agent reports of a leg.
    pub(super) fn leg_event(&mut self, leg: LegId, event: Event, now: Now) {
        let Some(entry) = self.legs.get(&leg) else {
            return;
        };
        let (call, is_caller) = (entry.call, entry.user.is_none());
        match event {
            Event::Cancelled { .. } => {
                self.leg_over(leg, 487, "the caller gave up", now);
                self.call_event(call, call::Event::CallerGaveUp, now);
            }
            Event::Acknowledged { body, .. } => {
                self.acknowledged(leg, body, now);
            }
            Event::Progressed { .. } => {
                if !entry.ending {
                    self.call_event(call, call::Event::LegProgressed { leg }, now);
                }
            }
            Event::Answered { body, .. } => self.leg_answered(leg, body, now),
            Event::Rejected { status, phrase, .. } => {
                let ending = entry.ending;
                self.leg_over(leg, status, &phrase, now);
                if is_caller {
                    let detail = format!("refused with {status} {phrase}");
                    self.call_event(call, call::Event::CallerFailed { detail }, now);
                } else if !ending {
                    self.call_event(call, call::Event::LegRejected { leg, status }, now);
                }
            }
            Event::Offered { body, .. } => self.offered(leg, body, now),
            Event::OfferAnswered { .. } | Event::OfferRejected { .. } => {}
            Event::Pinged { alive, .. } => {
                let side = entry.side();
                self.call_event(call, call::Event::Pinged { side, alive }, now);
            }
            Event::Ended { why, .. } => self.leg_ended(leg, call, is_caller, &why, now),
            Event::Transmit { .. }
            | Event::Incoming { .. }
            | Event::Request { .. }
            | Event::Response { .. } => {}
        }
    }

    fn leg_ended(&mut self, leg: LegId, call: CallId, is_caller: bool, why: &EndReason, now: Now) {
        let ending = self.legs.get(&leg).is_some_and(|leg| leg.ending);
        let reason = match why {
            EndReason::HungUpThere { .. } => "hung up there".to_owned(),
            EndReason::HungUpHere => String::new(),
            EndReason::NoAck => "our 200 was never acknowledged".to_owned(),
            EndReason::Failed { status } => format!("broke off: {status} to a request of ours"),
        };
        self.leg_over(leg, 0, &reason, now);
        match (is_caller, why) {
            (true, EndReason::HungUpThere { .. }) => {
                self.call_event(call, call::Event::CallerHungUp, now);
            }
            (true, _) if ending => {}
            (true, _) => {
                let detail = format!("the caller's leg {reason}");
                self.call_event(call, call::Event::CallerFailed { detail }, now);
            }
            (false, _) if ending => {}
            (false, _) => self.call_event(call, call::Event::LegEnded { leg }, now),
        }
    }

    /// Takes a leg whose last event has come out of the tables, and keeps its row.
    fn leg_over(&mut self, leg: LegId, status: u16, reason: &str, now: Now) {
        self.leg_media_over(leg);
        let Some(mut entry) = self.legs.remove(&leg) else {
            return;
        };
        entry.record.ended = Some(now.wall);
        if status != 0 && entry.record.status.is_none() {
            entry.record.status = Some(status);
        }
        if entry.record.reason.is_empty() {
            reason.clone_into(&mut entry.record.reason);
        }
        self.store(Record::Leg(entry.record));
    }

    /// A phone answered: its answer is read before anyone else is told to stop ringing.
    fn leg_answered(&mut self, leg: LegId, body: Option<Body>, now: Now) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        if entry.ending {
            return;
        }
        let call = entry.call;
        let agreed = match &body {
            Some(body) => entry
                .session
                .accept(&body.bytes)
                .map_err(|error| error.to_string()),
            None => Err("its 200 had no session description".to_owned()),
        };
        match agreed {
            Ok(agreement) => {
                let digits = agreement.events.is_some();
                entry.record.answered = Some(now.wall);
                entry.record.status = Some(200);
                if entry.trunk.is_some() && !digits {
                    NO_DTMF.clone_into(&mut entry.record.reason);
                }
                let (record, media) = (entry.record.clone(), entry.media);
                self.store(Record::Leg(record));
                if let Some(media) = media
                    && let Some(used) = self.media.get_mut(&media)
                {
                    if used.leg.is_some_and(|other| other != leg) {
                        // Another device that was offered the same ports has already answered.
                        self.end_leg(leg, None, now);
                        return;
                    }
                    used.leg = Some(leg);
                }
                let direction = agreement.direction;
                self.agree(leg, agreement);
                self.call_event(call, call::Event::LegAnswered { leg, digits }, now);
                self.hold_changed(leg, direction, now);
            }
            Err(error) => {
                if let Some(user) = entry.user.clone() {
                    self.warn(now, format!("{user}'s phone answered, but {error}"));
                }
                self.end_leg(leg, None, now);
                self.call_event(call, call::Event::LegRejected { leg, status: 488 }, now);
            }
        }
    }

    /// The ACK to a 200 came: with the answer, where that 200 held our offer (RFC 3261 §13.2.1).
    fn acknowledged(&mut self, leg: LegId, body: Option<Body>, now: Now) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        match body {
            Some(body) => self.late_answer(leg, &body, now),
            // Without an answer to the first offer there will never be audio.
            None if entry.answer_awaited && entry.session.agreed().is_none() => {
                self.break_off(leg, "the ACK held no answer to our offer".to_owned(), now);
            }
            None => entry.answer_awaited = false,
        }
    }

    /// The answer to an offer of ours came with an ACK.
    fn late_answer(&mut self, leg: LegId, body: &Body, now: Now) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        if !std::mem::replace(&mut entry.answer_awaited, false) {
            return;
        }
        match entry.session.accept(&body.bytes) {
            Ok(agreement) => {
                self.agree(leg, agreement.clone());
                self.hold_changed(leg, agreement.direction, now);
            }
            Err(error) => {
                let detail = format!("the answer in ACK could not be used: {error}");
                self.break_off(leg, detail, now);
            }
        }
    }

    /// Ends a leg on which there can be no audio, and tells its call.
    fn break_off(&mut self, leg: LegId, detail: String, now: Now) {
        let Some(entry) = self.legs.get(&leg) else {
            return;
        };
        let call = entry.call;
        let event = match entry.user {
            None => call::Event::CallerFailed { detail },
            Some(_) => call::Event::LegEnded { leg },
        };
        self.end_leg(leg, None, now);
        self.call_event(call, event, now);
    }

    /// One side wants another session: answered here, on its own leg, never carried to the other.
    fn offered(&mut self, leg: LegId, body: Option<Body>, now: Now) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        let result = match &body {
            None => {
                entry.answer_awaited = true;
                Ok((entry.session.offer(Direction::SendRecv), None))
            }
            Some(body) => {
                let prefer = entry.session.agreed().map(|agreed| agreed.codec);
                entry
                    .session
                    .answer(&body.bytes, prefer, Direction::SendRecv)
                    .map(|(answer, agreement)| (answer, Some(agreement)))
            }
        };
        match result {
            Ok((answer, agreement)) => {
                self.user_agent
                    .answer_offer(leg, Ok(Body::sdp(answer)), now.mono);
                if let Some(agreement) = agreement {
                    let direction = agreement.direction;
                    self.agree(leg, agreement);
                    self.hold_changed(leg, direction, now);
                }
            }
            Err(error) => self
                .user_agent
                .answer_offer(leg, Err(error.status()), now.mono),
        }
    }

    /// A side that no longer takes our audio holds the other, who hears the hold prompt.
    fn hold_changed(&mut self, leg: LegId, direction: Direction, now: Now) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        let holds = match direction {
            Direction::SendRecv | Direction::SendOnly => false,
            Direction::RecvOnly | Direction::Inactive => true,
        };
        if std::mem::replace(&mut entry.holds, holds) == holds {
            return;
        }
        let (call, side) = (entry.call, entry.side());
        let event = if holds {
            call::Event::Held(side)
        } else {
            call::Event::Resumed(side)
        };
        self.call_event(call, event, now);
    }

    /// The media leg of one side of a call.
    pub(super) fn media_of(&self, call: &OngoingCall, side: Side) -> Option<MediaId> {
        match side {
            Side::Caller => Some(call.caller_media),
            Side::Leg(leg) => self.legs.get(&leg).and_then(|leg| leg.media),
        }
    }
}

/// The octets of a body that a request came with.
pub(super) fn octets(body: Option<Body>) -> Option<Bytes> {
    body.map(|body| body.bytes)
}

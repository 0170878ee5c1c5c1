//! A call arrives: who sends it, what was dialled, who calls; then it is decided.

use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use super::caller::{
    asked_time, caller_from_phone, caller_through_trunk, dialled_number, dialled_texts, trunk_of,
};
use super::legs::{Leg, octets};
use super::ongoing::{OngoingCall, Shift};
use crate::core::call::Call;
use crate::core::conversation::IncomingCall;
use crate::core::id::{CallId, DecisionId, LegId};
use crate::core::name::{TrunkName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::record::{CallOutcome, CallRecord, DecisionRecord, LegRecord, Record};
use crate::core::routing::refusal::{self, Dialled};
use crate::core::routing::{
    Decision, Facts, Kind, Outcome, Request as Asked, Selection, To, words,
};
use crate::core::snapshot::{Snapshot, Trunk};
use crate::core::time::Now;
use crate::media::sdp;
use crate::sip::flow::Flow;
use crate::sip::message::Request;
use crate::sip::transaction::ServerKey;
use crate::sip::user_agent::Body;

/// Hops a request may still make where the caller's did not say (RFC 3261 §8.1.1.6).
const DEFAULT_HOPS: u32 = 70;

/// Who sends a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A carrier.
    Trunk(TrunkName),
    /// One of our own phones.
    User(UserName),
}

/// Longest dialled text that is kept where it is no number of ours; a number has 16 characters.
const UNREAD_CHARACTERS: usize = 64;

impl Engine {
    /// An INVITE outside dialogs.
    pub(super) fn invite_arrived(
        &mut self,
        key: ServerKey,
        request: &Request,
        offer: Option<Body>,
        flow: Flow,
        now: Now,
    ) {
        if self.draining.is_some() {
            self.user_agent.refuse(key, 503, &[], now.mono);
            return;
        }
        let snapshot = Arc::clone(&self.snapshot);
        let origin = match trunk_of(&snapshot, &flow) {
            Some(trunk) => Origin::Trunk(trunk.name.clone()),
            None => match self.registrar.authenticate(request, &snapshot, now) {
                Ok(user) => Origin::User(user),
                Err(challenge) => {
                    self.count_refused(request, flow, now);
                    let headers: Vec<(String, String)> = challenge
                        .headers
                        .values("WWW-Authenticate")
                        .map(|value| ("WWW-Authenticate".to_owned(), value.to_owned()))
                        .collect();
                    self.user_agent
                        .refuse(key, challenge.status, &headers, now.mono);
                    return;
                }
            },
        };
        let trunk = match &origin {
            Origin::Trunk(name) => snapshot.trunk(name),
            Origin::User(_) => None,
        };
        let dialled = dialled_texts(request);
        let number = dialled_number(&snapshot, trunk, &dialled);
        let known = number
            .as_ref()
            .filter(|number| snapshot.numbers.contains_key(*number));
        let Some(number) = known else {
            self.refuse_unknown(
                key,
                request,
                &snapshot,
                &origin,
                &dialled,
                number.as_ref(),
                now,
            );
            return;
        };
        let codecs = match &offer {
            None => sdp::CODECS.to_vec(),
            Some(body) => match sdp::codecs_offered(&body.bytes, flow.local.ip()) {
                Ok(codecs) => codecs,
                Err(error) => {
                    self.warn(
                        now,
                        format!(
                            "{} call for {number} from {}: {error}",
                            error.status(),
                            flow.remote.ip()
                        ),
                    );
                    self.user_agent.refuse(key, error.status(), &[], now.mono);
                    return;
                }
            },
        };
        self.begin_call(
            Beginning {
                key,
                request,
                offer: octets(offer),
                flow,
                origin,
                codecs,
                number: number.clone(),
                snapshot,
            },
            now,
        );
    }

    fn begin_call(&mut self, beginning: Beginning<'_>, now: Now) {
        let Beginning {
            key,
            request,
            offer,
            flow,
            origin,
            codecs,
            number,
            snapshot,
        } = beginning;
        let id = CallId(self.random.uuid(now.wall));
        let leg = LegId(self.random.uuid(now.wall));
        let Some(called) = snapshot.channel_of_number(&number) else {
            self.user_agent.refuse(key, 404, &[], now.mono);
            return;
        };
        let channel = called.name.clone();
        let Some((caller_media, session)) =
            self.open_media(id, Some(leg), &flow, &sdp::CODECS, now)
        else {
            let range = &snapshot.settings.media.ports;
            self.warn(
                now,
                format!(
                    "503 call for {number} refused: all UDP ports {}-{} for audio are in use. Widen [media] ports.",
                    range.start(),
                    range.end()
                ),
            );
            self.user_agent.refuse(key, 503, &[], now.mono);
            return;
        };
        let trunk = match &origin {
            Origin::Trunk(name) => snapshot.trunk(name),
            Origin::User(_) => None,
        };
        let caller = match &origin {
            Origin::Trunk(_) => caller_through_trunk(request, trunk),
            Origin::User(user) => caller_from_phone(&snapshot, user),
        };
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        let record = CallRecord {
            id,
            channel: Some(channel.clone()),
            trunk: trunk.map(|trunk| trunk.name.clone()),
            from: caller.number.clone(),
            from_name: caller.name.clone(),
            to: number.to_string(),
            began: now.wall,
            answered: None,
            ended: None,
            answered_by: None,
            outcome: None,
            detail: String::new(),
            sip_call_id: call_id,
            snapshot: snapshot.version,
        };
        self.user_agent
            .accept_leg(key, leg, self.sent_by(&flow), "ringdesk", now.mono);
        self.legs.insert(
            leg,
            Leg {
                call: id,
                user: None,
                trunk: trunk.map(|trunk| trunk.name.clone()),
                flow,
                media: Some(caller_media),
                session,
                holds: false,
                answer_awaited: false,
                ending: false,
                record: LegRecord {
                    id: leg,
                    call: id,
                    user: None,
                    uri: request
                        .headers
                        .from()
                        .map(|from| from.uri.to_string())
                        .unwrap_or_default(),
                    began: now.wall,
                    answered: None,
                    ended: None,
                    status: None,
                    reason: String::new(),
                },
            },
        );
        self.store(Record::Call(record.clone()));
        // The item in the inbox stands before anyone rings: whatever happens next, a call that
        // nobody took is there to be seen.
        let incoming = IncomingCall {
            call: id,
            channel: called,
            from: caller.number.as_ref(),
            from_name: caller.name.as_deref(),
        };
        let (conversation, contact) = self.conversations.call_arrived(&incoming, &snapshot, now);
        self.carry_out_conversations(now);
        if let Some(contact) = contact {
            self.desk.caller_known(id, contact);
        }
        if let Origin::User(user) = &origin {
            self.desk.placed(id, user);
        }
        let call = OngoingCall {
            id,
            machine: Call::new(),
            channel,
            request: Asked {
                kind: Kind::Call,
                to: To::Number(number),
                from: caller.number,
                sender: None,
                trunk: trunk.map(|trunk| trunk.name.clone()),
                selection: Selection::First,
            },
            snapshot: Arc::clone(&snapshot),
            caller_leg: leg,
            anonymous: caller.anonymous,
            hops: request
                .headers
                .max_forwards()
                .ok()
                .flatten()
                .unwrap_or(DEFAULT_HOPS)
                .saturating_sub(1),
            offer,
            codecs,
            device_media: Vec::new(),
            caller_media,
            record,
            conversation,
            voicemail: None,
            last_decision: None,
            shift: asked_time(request, &flow)
                .map_or_else(Shift::default, |at| Shift::between(now.wall, at)),
            deadline: None,
        };
        self.calls_taken = self.calls_taken.saturating_add(1);
        self.calls.insert(id, call);
        self.with_call(id, now, |_, _| {});
    }

    /// A number that no channel has: refused, with the sentence that tells why, kept like any decision.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different part of one INVITE"
    )]
    fn refuse_unknown(
        &mut self,
        key: ServerKey,
        request: &Request,
        snapshot: &Arc<Snapshot>,
        origin: &Origin,
        dialled: &Dialled,
        number: Option<&PhoneNumber>,
        now: Now,
    ) {
        let trunk = match origin {
            Origin::Trunk(name) => snapshot.trunk(name),
            Origin::User(_) => None,
        };
        let decision = match origin {
            Origin::Trunk(_) => {
                let text = refusal::unknown_number(snapshot, trunk, dialled);
                refusal::refuse(snapshot, 404, "unknown-number", text)
            }
            Origin::User(user) => {
                let wanted = dialled.request_uri.clone().unwrap_or_default();
                let text = format!(
                    "{user} dialled {wanted:?}. Phones reach our own numbers only; calls to the outside, 112 and 911 among them, are not possible."
                );
                refusal::refuse(snapshot, 403, "outside-call", text)
            }
        };
        let status = match &decision.outcome {
            Outcome::Refuse { status, .. } => *status,
            Outcome::Ring(_)
            | Outcome::Wait { .. }
            | Outcome::Voicemail { .. }
            | Outcome::Assign { .. }
            | Outcome::CustomerAgent { .. }
            | Outcome::Unassigned { .. } => 404,
        };
        self.keep_refusal(request, snapshot, trunk, dialled, number, &decision, now);
        self.user_agent.refuse(key, status, &[], now.mono);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different part of one INVITE"
    )]
    fn keep_refusal(
        &mut self,
        request: &Request,
        snapshot: &Snapshot,
        trunk: Option<&Trunk>,
        dialled: &Dialled,
        number: Option<&PhoneNumber>,
        decision: &Decision,
        now: Now,
    ) {
        let id = CallId(self.random.uuid(now.wall));
        let caller = caller_through_trunk(request, trunk);
        let to = match number {
            Some(number) => number.to_string(),
            None => {
                let text = dialled.request_uri.as_deref().unwrap_or_default();
                text.chars().take(UNREAD_CHARACTERS).collect()
            }
        };
        let asked = Asked {
            kind: Kind::Call,
            to: match number {
                Some(number) => To::Number(number.clone()),
                None => To::Unread(to.clone()),
            },
            from: caller.number.clone(),
            sender: None,
            trunk: trunk.map(|trunk| trunk.name.clone()),
            selection: Selection::First,
        };
        let line = words::line(&asked, decision);
        self.tell(now, format!("{id} {line}"));
        self.store(Record::Call(CallRecord {
            id,
            channel: None,
            trunk: trunk.map(|trunk| trunk.name.clone()),
            from: caller.number,
            from_name: caller.name,
            to,
            began: now.wall,
            answered: None,
            ended: Some(now.wall),
            answered_by: None,
            outcome: Some(CallOutcome::Refused),
            detail: line,
            sip_call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            snapshot: snapshot.version,
        }));
        let decided = DecisionId(self.random.uuid(now.wall));
        let record = DecisionRecord {
            id: decided,
            call: Some(id),
            conversation: None,
            at: now.wall,
            request: asked,
            facts: Facts::default(),
            decision: decision.clone(),
            remark: self.remark(),
        };
        self.store(Record::Decision(Box::new(record)));
    }

    /// Counts an INVITE from somewhere that is no trunk and showed no password. A phone's first
    /// INVITE is never authenticated, so those that are registered from there are not counted.
    fn count_refused(&mut self, request: &Request, flow: Flow, now: Now) {
        if self.registrar.knows_source(flow.remote.ip()) {
            return;
        }
        let Some(turned) = self.refused.count(flow.remote.ip(), now.wall) else {
            return;
        };
        let dialled = dialled_texts(request);
        let text = refusal::not_a_trunk(
            &self.snapshot,
            "INVITE",
            flow.remote,
            dialled.request_uri.as_deref(),
            turned.times,
            turned.since,
            now.wall,
        );
        self.warn(now, text);
    }
}

/// All that a call begins with.
struct Beginning<'a> {
    key: ServerKey,
    request: &'a Request,
    offer: Option<Bytes>,
    flow: Flow,
    origin: Origin,
    codecs: Vec<crate::media::command::Codec>,
    number: PhoneNumber,
    snapshot: Arc<Snapshot>,
}

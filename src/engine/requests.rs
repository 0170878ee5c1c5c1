//! What comes and goes outside calls: registrations, OPTIONS, the pings of trunks and of phones
//! behind a NAT.

use super::{Engine, Output};
use crate::core::name::{TrunkName, UserName};
use crate::core::number::Country;
use crate::core::routing::DeviceFacts;
use crate::core::snapshot::{Snapshot, Trunk};
use crate::core::time::Now;
use crate::sip::flow::Flow;
use crate::sip::message::{ACCEPT, ALLOW, Host, Method, NameAddr, Request, Uri};
use crate::sip::registrar::{self, Registrar};
use crate::sip::transaction::ServerKey;
use crate::sip::user_agent::Event;

/// A request of ours outside calls whose answer is awaited.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    /// Does this trunk answer?
    Trunk(TrunkName),
    /// Keeps a NAT open; the answer is of no interest.
    KeepAlive,
}

impl Engine {
    /// What the user agent reports.
    pub(super) fn user_agent_event(&mut self, event: Event, now: Now) {
        match event {
            Event::Transmit { flow, bytes } => self.outputs.push_back(Output::Send { flow, bytes }),
            Event::Incoming {
                key,
                request,
                offer,
                flow,
            } => {
                self.invite_arrived(key, &request, offer, flow, now);
            }
            Event::Request { key, request, flow } => self.request_arrived(key, &request, flow, now),
            Event::Response { id, response } => {
                if let Some(Pending::Trunk(name)) = self.pending.remove(&id) {
                    let status = response.map(|response| response.status);
                    self.trunk_answered(&name, status, now);
                }
            }
            Event::Cancelled { leg, .. }
            | Event::Acknowledged { leg, .. }
            | Event::Progressed { leg, .. }
            | Event::Answered { leg, .. }
            | Event::Rejected { leg, .. }
            | Event::Offered { leg, .. }
            | Event::OfferAnswered { leg, .. }
            | Event::OfferRejected { leg, .. }
            | Event::Pinged { leg, .. }
            | Event::Ended { leg, .. } => self.leg_event(leg, event, now),
        }
    }

    fn request_arrived(&mut self, key: ServerKey, request: &Request, flow: Flow, now: Now) {
        let response = match request.method {
            Method::Register => {
                let snapshot = std::sync::Arc::clone(&self.snapshot);
                self.registrar
                    .handle_register(request, flow, &snapshot, now)
            }
            Method::Options => request
                .response(if self.draining.is_some() { 503 } else { 200 })
                .with_header("Allow", ALLOW)
                .with_header("Accept", ACCEPT),
            _ => request.response(405).with_header("Allow", ALLOW),
        };
        self.user_agent.respond(key, response, now.mono);
    }

    /// What the registrar asks for.
    pub(super) fn registrar_action(&mut self, action: registrar::Action, now: Now) {
        match action {
            registrar::Action::Store(record) => self.store(record),
            registrar::Action::Ping { flow, uri } => {
                let request = self.options(uri, &flow);
                let id = self
                    .user_agent
                    .send(request, flow, self.sent_by(&flow), now.mono);
                self.pending.insert(id, Pending::KeepAlive);
            }
            registrar::Action::ReachabilityChanged { user } => {
                self.desk.reachability_changed(&user);
            }
            registrar::Action::Tell { text } => self.tell(now, text),
        }
    }

    pub(super) fn ping_trunk(&mut self, trunk: &Trunk, flow: Flow, now: Now) {
        let Some(outbound) = &trunk.outbound else {
            return;
        };
        let Ok(uri) = outbound.uri.parse::<Uri>() else {
            return;
        };
        let request = self.options(uri, &flow);
        let id = self
            .user_agent
            .send(request, flow, self.sent_by(&flow), now.mono);
        self.pending.insert(id, Pending::Trunk(trunk.name.clone()));
    }

    /// Any answer shows that somebody is there, but for one that says it cannot serve (RFC 3261 §21.5.4).
    fn trunk_answered(&mut self, name: &TrunkName, status: Option<u16>, now: Now) {
        let (answers, detail) = match status {
            None => (false, "no answer to OPTIONS".to_owned()),
            Some(status @ (408 | 503)) => (false, format!("answers OPTIONS with {status}")),
            Some(_) => (true, String::new()),
        };
        if self
            .targets
            .set_trunk(name, answers, detail.clone(), now.wall)
        {
            if answers {
                self.tell(now, format!("trunk {:?} answers", &**name));
            } else {
                self.warn(
                    now,
                    format!("trunk {:?} is not reachable: {detail}", &**name),
                );
            }
        }
    }

    /// An OPTIONS of ours outside dialogs (RFC 3261 §11).
    fn options(&mut self, uri: Uri, flow: &Flow) -> Request {
        let own = Uri::sip(Some("ringdesk"), Host::from(self.media_address(flow)), None);
        Request::new(Method::Options, &uri)
            .with_header("From", NameAddr::new(own).with_tag(&self.random.token()))
            .with_header("To", NameAddr::new(uri))
            .with_header("Call-ID", self.random.token())
            .with_header("CSeq", "1 OPTIONS")
            .with_header("Max-Forwards", 70)
            .with_header("Accept", ACCEPT)
    }
}

/// What routing knows of a user's phones: those registered, those with a fixed address, and a
/// number in the phone network.
pub(super) fn device_facts(
    registrar: &Registrar,
    targets: &super::targets::Targets,
    snapshot: &Snapshot,
    trunk: Option<&TrunkName>,
    user: &UserName,
) -> DeviceFacts {
    let mut facts = registrar.device_facts(user);
    let Some(person) = snapshot.user(user) else {
        return facts;
    };
    let fixed = person
        .sip_contacts
        .iter()
        .filter(|contact| targets.flow(contact).is_ok())
        .count();
    let external = person.external.as_ref().is_some_and(|external| {
        external
            .trunk
            .as_ref()
            .or(trunk)
            .and_then(|name| snapshot.trunk(name))
            .and_then(|trunk| trunk.outbound.as_ref())
            .is_some_and(|outbound| targets.flow(outbound).is_ok())
    });
    facts.reachable = facts
        .reachable
        .saturating_add(u32::try_from(fixed).unwrap_or(u32::MAX))
        .saturating_add(u32::from(external));
    facts
}

/// The countries of all trunks: how our own phones' national numbers may be meant.
pub(super) fn countries(snapshot: &Snapshot) -> impl Iterator<Item = Country> {
    snapshot.trunks.iter().filter_map(|trunk| trunk.country)
}

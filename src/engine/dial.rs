//! Dialling: every phone that rings for a user, over which flow, and what it is shown of the caller.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use super::legs::Leg;
use super::media::SharedMedia;
use super::ongoing::OngoingCall;
use crate::core::call::LegKind;
use crate::core::id::LegId;
use crate::core::name::{TrunkName, UserName};
use crate::core::record::LegRecord;
use crate::core::snapshot::{CallerShown, Outbound, Trunk, User};
use crate::core::time::Now;
use crate::media::command::{Direction, MediaId};
use crate::media::sdp::SdpSession;
use crate::sip::flow::Flow;
use crate::sip::message::{Host, NameAddr, Uri};
use crate::sip::user_agent::{Body, Credentials, NextHop, OutgoingInvite};

/// Where and how one device is dialled.
struct Dial {
    kind: LegKind,
    target: Uri,
    to: NameAddr,
    from: NameAddr,
    flow: Flow,
    next_hop: NextHop,
    headers: Vec<(String, String)>,
    trunk: Option<TrunkName>,
    credentials: Option<Credentials>,
}

impl Engine {
    /// Dials everything that rings for `user`; answers the legs that began.
    pub(super) fn dial(
        &mut self,
        call: &mut OngoingCall,
        user: &UserName,
        now: Now,
    ) -> Vec<(LegId, LegKind)> {
        let snapshot = Arc::clone(&call.snapshot);
        let Some(person) = snapshot.user(user) else {
            return Vec::new();
        };
        let mut legs = Vec::new();
        for dial in self.devices_to_dial(call, person) {
            if let Some(leg) = self.dial_one(call, user, dial, now) {
                legs.push(leg);
            }
        }
        legs
    }

    fn devices_to_dial(&self, call: &OngoingCall, person: &User) -> Vec<Dial> {
        let mut dials = Vec::new();
        for binding in self.registrar.devices_of(&person.name) {
            dials.push(self.dial_device(
                call,
                binding.contact.clone(),
                binding.flow,
                NextHop::Flow,
            ));
        }
        for contact in &person.sip_contacts {
            if let (Ok(flow), Ok(uri)) = (self.targets.flow(contact), contact.uri.parse()) {
                dials.push(self.dial_device(call, uri, flow, NextHop::Target));
            }
        }
        if let Some(dial) = self.dial_external(call, person) {
            dials.push(dial);
        }
        dials
    }

    /// A phone of ours sees the caller's number and name, and through which channel the call came.
    fn dial_device(&self, call: &OngoingCall, uri: Uri, flow: Flow, next_hop: NextHop) -> Dial {
        let channel = &*call.channel;
        let host = Host::from(self.media_address(&flow));
        let shown = match (&call.record.from_name, &call.record.from) {
            _ if call.anonymous => format!("Anonymous ({channel})"),
            (Some(name), _) => format!("{name} ({channel})"),
            (None, Some(number)) => format!("{number} ({channel})"),
            (None, None) => format!("Unknown ({channel})"),
        };
        let from = match &call.record.from {
            Some(number) if !call.anonymous => Uri::sip(Some(number.as_str()), host, None),
            _ => Uri::sip(
                Some("anonymous"),
                Host::Name("anonymous.invalid".to_owned()),
                None,
            ),
        };
        Dial {
            kind: LegKind::Device,
            to: NameAddr::new(uri.clone()),
            target: uri,
            from: NameAddr::new(from).with_display_name(Some(&shown)),
            flow,
            next_hop,
            headers: Vec::new(),
            trunk: None,
            credentials: None,
        }
    }

    fn dial_external(&self, call: &OngoingCall, person: &User) -> Option<Dial> {
        let external = person.external.as_ref()?;
        let name = external.trunk.as_ref().or(call.request.trunk.as_ref())?;
        let trunk = call.snapshot.trunk(name)?;
        let outbound = trunk.outbound.as_ref()?;
        let flow = self.targets.flow(outbound).ok()?;
        let host = outbound_host(outbound);
        let target = Uri::sip(
            Some(external.number.as_str()),
            host.clone(),
            outbound_port(outbound),
        );
        let (from, headers) = self.shown_to_network(call, trunk, &flow);
        let credentials = trunk
            .credentials
            .as_ref()
            .map(|(username, password)| Credentials {
                username: username.clone(),
                password: password.0.clone(),
                realm: trunk.realm.clone(),
            });
        Some(Dial {
            kind: LegKind::External,
            to: NameAddr::new(Uri::sip(Some(external.number.as_str()), host, None)),
            target,
            from,
            flow,
            next_hop: NextHop::Flow,
            headers,
            trunk: Some(name.clone()),
            credentials,
        })
    }

    /// From and P-Asserted-Identity (RFC 3325) of a call into the phone network.
    fn shown_to_network(
        &self,
        call: &OngoingCall,
        trunk: &Trunk,
        flow: &Flow,
    ) -> (NameAddr, Vec<(String, String)>) {
        let host = Host::from(self.media_address(flow));
        let own = call
            .snapshot
            .channel(&call.channel)
            .and_then(|channel| channel.numbers().first());
        let mut headers = vec![("Max-Forwards".to_owned(), call.hops.to_string())];
        let number = match trunk.caller {
            CallerShown::Pass if call.anonymous => {
                headers.push(("Privacy".to_owned(), "id".to_owned()));
                None
            }
            CallerShown::Pass => call.record.from.as_ref().or(own),
            CallerShown::Channel => own,
        };
        match number {
            Some(number) => {
                let uri = Uri::sip(Some(number.as_str()), host, None);
                let asserted = NameAddr::new(uri.clone());
                headers.push(("P-Asserted-Identity".to_owned(), asserted.to_string()));
                (NameAddr::new(uri), headers)
            }
            None => {
                let nobody = Host::Name("anonymous.invalid".to_owned());
                let uri = Uri::sip(Some("anonymous"), nobody, None);
                (
                    NameAddr::new(uri).with_display_name(Some("Anonymous")),
                    headers,
                )
            }
        }
    }

    fn dial_one(
        &mut self,
        call: &mut OngoingCall,
        user: &UserName,
        dial: Dial,
        now: Now,
    ) -> Option<(LegId, LegKind)> {
        let leg = LegId(self.random.uuid(now.wall));
        let (media, session, offer) = match dial.kind {
            LegKind::Device => self.shared_media(call, &dial.flow, now)?,
            LegKind::External => {
                let (media, mut session) =
                    self.open_media(call.id, Some(leg), &dial.flow, &call.codecs, now)?;
                let offer = session.offer(Direction::SendRecv);
                (media, session, offer)
            }
        };
        let record = LegRecord {
            id: leg,
            call: call.id,
            user: Some(user.clone()),
            uri: dial.target.to_string(),
            began: now.wall,
            answered: None,
            ended: None,
            status: None,
            reason: String::new(),
        };
        self.legs.insert(
            leg,
            Leg {
                call: call.id,
                user: Some(user.clone()),
                trunk: dial.trunk,
                flow: dial.flow,
                media: Some(media),
                session,
                holds: false,
                answer_awaited: false,
                ending: false,
                record,
            },
        );
        let invite = OutgoingInvite {
            target_uri: dial.target,
            flow: dial.flow,
            sent_by: self.sent_by(&dial.flow),
            contact_user: "ringdesk".to_owned(),
            from: dial.from,
            to: dial.to,
            headers: dial.headers,
            body: Some(Body::sdp(offer)),
            route: Vec::new(),
            next_hop: dial.next_hop,
            credentials: dial.credentials,
        };
        self.user_agent.invite(leg, invite, now.mono);
        Some((leg, dial.kind))
    }

    /// The media leg that devices reached over the address of `flow` are offered.
    fn shared_media(
        &mut self,
        call: &mut OngoingCall,
        flow: &Flow,
        now: Now,
    ) -> Option<(MediaId, SdpSession, Bytes)> {
        let bound = flow.local.ip();
        let advertised = self.media_address(flow);
        let known = |shared: &&SharedMedia| {
            shared.bound == bound
                && shared.advertised == advertised
                && shared.signalling == flow.remote.ip()
        };
        if let Some(shared) = call.device_media.iter().find(known) {
            return Some((shared.media, shared.session.clone(), shared.offer.clone()));
        }
        let open = call
            .device_media
            .iter()
            .find(|shared| shared.bound == bound && shared.advertised == advertised)
            .map(|shared| (shared.media, shared.session.towards(flow.remote.ip())));
        let (media, mut session) = match open {
            Some(open) => open,
            None => self.open_media(call.id, None, flow, &call.codecs, now)?,
        };
        let offer = session.offer(Direction::SendRecv);
        call.device_media.push(SharedMedia {
            bound,
            advertised,
            signalling: flow.remote.ip(),
            media,
            session: session.clone(),
            offer: offer.clone(),
        });
        Some((media, session, offer))
    }
}

fn outbound_host(outbound: &Outbound) -> Host {
    match outbound.host.parse::<IpAddr>() {
        Ok(ip) => Host::from(ip),
        Err(_) => Host::Name(outbound.host.clone()),
    }
}

fn outbound_port(outbound: &Outbound) -> Option<u16> {
    (outbound.port != 5060).then_some(outbound.port)
}

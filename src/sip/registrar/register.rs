//! A REGISTER: what it asks for, what is done of it, and what is answered (RFC 3261 §10.3).

use std::time::Duration;

use super::binding::{Binding, is_behind_nat};
use super::{
    DEFAULT_EXPIRES, MAX_BINDINGS_PER_USER, MAX_EXPIRES, MAX_KEPT_OCTETS, MIN_EXPIRES,
    PING_INTERVAL, Registrar,
};
use crate::core::name::UserName;
use crate::core::snapshot::Snapshot;
use crate::core::time::Now;
use crate::sip::flow::Flow;
use crate::sip::message::{Contacts, NameAddr, Request, Response, Scheme, Uri};

/// What one Contact of a REGISTER asks for.
struct Wanted {
    contact: Uri,
    instance: Option<(String, u32)>,
    /// Seconds; 0 takes the binding away.
    expires: u32,
}

impl Registrar {
    /// Handles a REGISTER that came over `flow`, and says what to answer.
    pub fn handle_register(
        &mut self,
        request: &Request,
        flow: Flow,
        snapshot: &Snapshot,
        now: Now,
    ) -> Response {
        let user = match self.authenticate(request, snapshot, now) {
            Ok(user) => user,
            Err(challenge) => return *challenge,
        };
        match self.update(&user, request, flow, now) {
            Ok(()) => self.accepted(&user, request, now),
            Err(refusal) => *refusal,
        }
    }

    /// All or nothing: every Contact is looked at before any binding changes (RFC 3261 §10.3 step 7).
    fn update(
        &mut self,
        user: &UserName,
        request: &Request,
        flow: Flow,
        now: Now,
    ) -> Result<(), Box<Response>> {
        let refuse = |registrar: &mut Registrar, status: u16, reason: &str| {
            Box::new(registrar.response(request, status).with_reason(reason))
        };
        let headers = &request.headers;
        let (Ok(to), Ok(cseq), Ok(call_id)) = (headers.to(), headers.cseq(), headers.call_id())
        else {
            return Err(refuse(self, 400, "Bad Request - To, CSeq or Call-ID"));
        };
        if to.uri.user.as_deref() != Some(&**user) {
            let reason = "Forbidden - To names another user than the credentials";
            return Err(refuse(self, 403, reason));
        }
        let contacts = match headers.contacts() {
            Ok(contacts) => contacts,
            Err(problem) => {
                return Err(refuse(self, 400, &format!("Bad Request - {problem}")));
            }
        };
        let in_order = |binding: &Binding| binding.call_id != call_id || binding.cseq < cseq.number;
        let out_of_order = "Server Internal Error - CSeq is not higher than before";
        let list = match contacts {
            Contacts::Star => {
                if headers.expires() != Ok(Some(0)) {
                    return Err(refuse(
                        self,
                        400,
                        "Bad Request - Contact * without Expires 0",
                    ));
                }
                if !self.devices_of(user).all(in_order) {
                    return Err(refuse(self, 500, out_of_order));
                }
                self.unbind_all(user, now);
                return Ok(());
            }
            Contacts::List(list) => list,
        };
        if list.len() > MAX_BINDINGS_PER_USER {
            return Err(refuse(self, 400, "Bad Request - too many Contacts"));
        }
        let too_long = |text: &str| text.len() > MAX_KEPT_OCTETS;
        if too_long(call_id) || headers.list("Contact").any(too_long) {
            return Err(refuse(
                self,
                400,
                "Bad Request - Contact or Call-ID too long",
            ));
        }
        let default = match headers.expires() {
            Ok(Some(seconds)) => seconds,
            // What cannot be read is as good as not there (RFC 3261 §10.2.1.1).
            Ok(None) | Err(_) => DEFAULT_EXPIRES,
        };
        let wanted: Vec<Wanted> = list
            .into_iter()
            .map(|contact| Wanted::of(contact, default))
            .collect();
        for one in &wanted {
            if one.contact.scheme != Scheme::Sip {
                return Err(refuse(self, 400, "Bad Request - Contact is not a sip: URI"));
            }
            if (1..MIN_EXPIRES).contains(&one.expires) {
                let response = self.response(request, 423);
                return Err(Box::new(response.with_header("Min-Expires", MIN_EXPIRES)));
            }
            if let Some(binding) = self.bound(user, one).and_then(|id| self.bindings.get(&id))
                && !in_order(binding)
            {
                return Err(refuse(self, 500, out_of_order));
            }
        }
        let user_agent = headers.value("User-Agent").map(short);
        for one in wanted {
            let earlier = self.bound(user, &one);
            if one.expires == 0 {
                if let Some(id) = earlier {
                    self.unbind(id, now, "it was signed off");
                }
                continue;
            }
            let lifetime = Duration::from_secs(u64::from(one.expires.min(MAX_EXPIRES)));
            let ping_at = is_behind_nat(&one.contact, &flow).then(|| now.mono + PING_INTERVAL);
            self.renew(
                earlier,
                Binding {
                    user: user.clone(),
                    contact: one.contact,
                    flow,
                    user_agent: user_agent.clone(),
                    registered: now.wall,
                    expires: now.wall + lifetime,
                    instance: one.instance,
                    call_id: call_id.to_owned(),
                    cseq: cseq.number,
                    ends: now.mono + lifetime,
                    ping_at,
                },
                now,
            );
        }
        Ok(())
    }

    /// The binding that a Contact is about: the same instance and registration (RFC 5626 §6), else the
    /// same address.
    fn bound(&self, user: &UserName, wanted: &Wanted) -> Option<u64> {
        let ids = &self.users.get(user)?.bindings;
        let find = |is_it: &dyn Fn(&Binding) -> bool| {
            ids.iter()
                .copied()
                .find(|id| self.bindings.get(id).is_some_and(is_it))
        };
        let by_instance = wanted
            .instance
            .as_ref()
            .and_then(|instance| find(&|binding| binding.instance.as_ref() == Some(instance)));
        by_instance.or_else(|| find(&|binding| binding.contact.equivalent(&wanted.contact)))
    }

    /// 200 with all bindings of the user (RFC 3261 §10.3 step 8). Phones set their clocks by Date.
    fn accepted(&mut self, user: &UserName, request: &Request, now: Now) -> Response {
        let mut response = self.response(request, 200);
        for binding in self.devices_of(user) {
            let mut contact = NameAddr::new(binding.contact.clone());
            let seconds = binding.ends.since(now.mono).as_secs().to_string();
            contact.params.set("expires", Some(&seconds));
            if let Some((instance, reg_id)) = &binding.instance {
                contact.params.set("+sip.instance", Some(instance));
                contact.params.set("reg-id", Some(&reg_id.to_string()));
            }
            response.headers.push("Contact", contact);
        }
        let date = now.wall.to_utc().format("%a, %d %b %Y %H:%M:%S GMT");
        response.headers.push("Date", date);
        response
    }
}

impl Wanted {
    fn of(contact: NameAddr, default_expires: u32) -> Wanted {
        let expires = match contact.params.value("expires") {
            None => default_expires,
            Some(text) => text.parse().unwrap_or(DEFAULT_EXPIRES),
        };
        let reg_id = contact
            .params
            .value("reg-id")
            .and_then(|id| id.parse().ok());
        let instance = contact
            .params
            .value("+sip.instance")
            .map(str::to_owned)
            .zip(reg_id);
        let mut uri = contact.uri;
        // Headers of a URI cannot stand in a Request-URI, which is what the URI becomes.
        uri.headers.clear();
        Wanted {
            contact: uri,
            instance,
            expires,
        }
    }
}

/// What phones say of themselves is shown and stored, so not at any length.
fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    text.chars()
        .filter(|character| !character.is_control())
        .take(LONGEST)
        .collect()
}

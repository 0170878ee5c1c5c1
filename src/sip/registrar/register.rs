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
use crate::sip::message::{Contacts, Headers, NameAddr, Request, Response, Scheme, Uri};

/// What a REGISTER asks for.
struct Asked<'a> {
    call_id: &'a str,
    cseq: u32,
    user_agent: Option<String>,
    contacts: Wish,
}

enum Wish {
    /// `Contact: *` with `Expires: 0`: every binding is taken away.
    SignOff,
    /// Each of these is added, renewed or taken away.
    Contacts(Vec<Wanted>),
}

/// What one Contact of a REGISTER asks for.
struct Wanted {
    contact: Uri,
    instance: Option<(String, u32)>,
    /// Seconds; 0 takes the binding away.
    expires: u32,
}

/// Why a REGISTER changes nothing.
enum Refusal {
    /// This status and reason phrase.
    Said(u16, String),
    /// 423: a binding would be too short.
    TooBrief,
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
        let asked = Asked::read(request, &user);
        match asked.and_then(|asked| self.update(&user, &asked, flow, now)) {
            Ok(()) => self.accepted(&user, request, now),
            Err(Refusal::Said(status, reason)) => {
                self.response(request, status).with_reason(&reason)
            }
            Err(Refusal::TooBrief) => {
                let response = self.response(request, 423);
                response.with_header("Min-Expires", MIN_EXPIRES)
            }
        }
    }

    /// All or nothing: every Contact is looked at before any binding changes (RFC 3261 §10.3 step 7).
    fn update(
        &mut self,
        user: &UserName,
        asked: &Asked<'_>,
        flow: Flow,
        now: Now,
    ) -> Result<(), Refusal> {
        let wanted = match &asked.contacts {
            Wish::Contacts(wanted) => wanted,
            Wish::SignOff => {
                for binding in self.devices_of(user) {
                    asked.check_order(binding)?;
                }
                self.unbind_all(user, now);
                return Ok(());
            }
        };
        for one in wanted {
            one.check()?;
            if let Some(binding) = self.bound(user, one).and_then(|id| self.bindings.get(&id)) {
                asked.check_order(binding)?;
            }
        }
        for one in wanted {
            let earlier = self.bound(user, one);
            if one.expires > 0 {
                let binding = asked.binding(user, one, flow, now);
                self.renew(earlier, binding, now);
            } else if let Some(id) = earlier {
                self.unbind(id, now, "it was signed off");
            }
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

impl<'a> Asked<'a> {
    /// Reads a REGISTER of this user.
    fn read(request: &'a Request, user: &UserName) -> Result<Asked<'a>, Refusal> {
        let headers = &request.headers;
        let (Ok(to), Ok(cseq), Ok(call_id)) = (headers.to(), headers.cseq(), headers.call_id())
        else {
            return Err(bad("To, CSeq or Call-ID"));
        };
        if to.uri.user.as_deref() != Some(&**user) {
            let reason = "Forbidden - To names another user than the credentials";
            return Err(Refusal::Said(403, reason.to_owned()));
        }
        let contacts = match headers.contacts() {
            Ok(Contacts::List(list)) => Wish::Contacts(Wanted::read(list, headers, call_id)?),
            Ok(Contacts::Star) if headers.expires() == Ok(Some(0)) => Wish::SignOff,
            Ok(Contacts::Star) => return Err(bad("Contact * without Expires 0")),
            Err(problem) => return Err(bad(&problem.to_string())),
        };
        Ok(Asked {
            call_id,
            cseq: cseq.number,
            user_agent: headers.value("User-Agent").map(short),
            contacts,
        })
    }

    /// What comes late, after a newer REGISTER of the same phone, changes nothing.
    fn check_order(&self, binding: &Binding) -> Result<(), Refusal> {
        if binding.call_id != self.call_id || binding.cseq < self.cseq {
            return Ok(());
        }
        let reason = "Server Internal Error - CSeq is not higher than before";
        Err(Refusal::Said(500, reason.to_owned()))
    }

    fn binding(&self, user: &UserName, wanted: &Wanted, flow: Flow, now: Now) -> Binding {
        let lifetime = Duration::from_secs(u64::from(wanted.expires.min(MAX_EXPIRES)));
        let is_behind_nat = is_behind_nat(&wanted.contact, &flow);
        Binding {
            user: user.clone(),
            contact: wanted.contact.clone(),
            flow,
            user_agent: self.user_agent.clone(),
            registered: now.wall,
            expires: now.wall + lifetime,
            instance: wanted.instance.clone(),
            call_id: self.call_id.to_owned(),
            cseq: self.cseq,
            ends: now.mono + lifetime,
            ping_at: is_behind_nat.then(|| now.mono + PING_INTERVAL),
        }
    }
}

fn bad(problem: &str) -> Refusal {
    Refusal::Said(400, format!("Bad Request - {problem}"))
}

impl Wanted {
    fn read(list: Vec<NameAddr>, headers: &Headers, call_id: &str) -> Result<Vec<Wanted>, Refusal> {
        if list.len() > MAX_BINDINGS_PER_USER {
            return Err(bad("too many Contacts"));
        }
        let too_long = |text: &str| text.len() > MAX_KEPT_OCTETS;
        if too_long(call_id) || headers.list("Contact").any(too_long) {
            return Err(bad("Contact or Call-ID too long"));
        }
        let default = match headers.expires() {
            Ok(Some(seconds)) => seconds,
            // What cannot be read is as good as not there (RFC 3261 §10.2.1.1).
            Ok(None) | Err(_) => DEFAULT_EXPIRES,
        };
        let wanted = list.into_iter().map(|contact| Wanted::of(contact, default));
        Ok(wanted.collect())
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.contact.scheme != Scheme::Sip {
            return Err(bad("Contact is not a sip: URI"));
        }
        if (1..MIN_EXPIRES).contains(&self.expires) {
            return Err(Refusal::TooBrief);
        }
        Ok(())
    }

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

//! Dialogs (RFC 3261 §12): the relation between two user agents that an INVITE begins. Early until
//! a 2xx, then confirmed; a forked INVITE makes several with one Call-ID and one tag of the caller.

use bytes::Bytes;

use crate::sip::message::{
    Contacts, Headers, Method, NameAddr, Request, RequestUri, Response, Scheme, Uri,
};

/// What names a dialog (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// Their tag; empty where they set none, as RFC 2543 allowed.
    pub remote_tag: String,
}

/// The INVITE of ours that dialogs come from: what each of them takes over.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Call-ID.
    pub call_id: String,
    /// The tag in From.
    pub local_tag: String,
    /// From, with its tag.
    pub from: String,
    /// To, without a tag.
    pub to: String,
    /// The Request-URI before any routing.
    pub target: Uri,
    /// The number in CSeq.
    pub cseq: u32,
}

/// Why an INVITE cannot begin a dialog. The text is fit for the reason phrase of a 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// No Contact, `*`, or one that is not a SIP URI.
    #[error("Missing or Invalid Contact")]
    Contact,
    /// A Record-Route that is no list of addresses.
    #[error("Invalid Record-Route")]
    RecordRoute,
    /// From, To, Call-ID or CSeq unreadable, or From without a tag.
    #[error("Invalid From, To, Call-ID or CSeq")]
    Identity,
}

/// A request whose CSeq number is lower than one that came before: 500 (RFC 3261 §12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

/// One element of a route set.
#[derive(Clone, Debug)]
pub struct Route {
    /// As it was written; copied unchanged into Route.
    text: String,
    uri: Uri,
}

impl From<&NameAddr> for Route {
    fn from(address: &NameAddr) -> Route {
        Route {
            text: address.to_string(),
            uri: address.uri.clone(),
        }
    }
}

/// One dialog as one of its two ends keeps it.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    /// From of our requests.
    local: String,
    /// To of our requests.
    remote: String,
    remote_target: Uri,
    routes: Vec<Route>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog that a response above 100 to our INVITE makes (RFC 3261 §12.1.2). A response
    /// without a usable Contact or Record-Route still makes one, so that a 2xx can always be
    /// acknowledged: the Request-URI stands in for Contact.
    pub fn of_caller(origin: &Origin, response: &Response) -> Dialog {
        let remote_tag = response.headers.to_tag().unwrap_or_default();
        let remote = response.headers.value("To").unwrap_or(&origin.to);
        let mut routes = record_route(&response.headers).unwrap_or_default();
        routes.reverse();
        Dialog {
            id: DialogId {
                call_id: origin.call_id.clone(),
                local_tag: origin.local_tag.clone(),
                remote_tag: remote_tag.to_owned(),
            },
            local: origin.from.clone(),
            remote: remote.to_owned(),
            remote_target: contact(&response.headers).unwrap_or_else(|| origin.target.clone()),
            routes,
            local_cseq: origin.cseq,
            remote_cseq: None,
        }
    }

    /// The dialog that a response of ours with `local_tag` to this INVITE makes (RFC 3261 §12.1.1).
    pub fn of_callee(invite: &Request, local_tag: String) -> Result<Dialog, DialogError> {
        let headers = &invite.headers;
        let identity = |value: Option<&str>| value.map(str::to_owned).ok_or(DialogError::Identity);
        let cseq = headers.cseq().map_err(|_| DialogError::Identity)?;
        Ok(Dialog {
            local: format!("{};tag={local_tag}", identity(headers.value("To"))?),
            remote: identity(headers.value("From"))?,
            remote_target: contact(headers).ok_or(DialogError::Contact)?,
            routes: record_route(headers)?,
            local_cseq: 0,
            remote_cseq: Some(cseq.number),
            id: DialogId {
                call_id: identity(headers.value("Call-ID"))?,
                local_tag,
                remote_tag: identity(headers.from_tag())?,
            },
        })
    }

    /// What names it.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// From and To of our requests, tags included.
    pub fn identities(&self) -> (&str, &str) {
        (&self.local, &self.remote)
    }

    /// Where the other side wants its requests.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The URI whose host the next request is sent to (RFC 3261 §12.2.1.1 with §8.1.2).
    pub fn next_hop(&self) -> &Uri {
        self.routes
            .first()
            .map_or(&self.remote_target, |route| &route.uri)
    }

    /// Whether a request or response of the other side belongs to this dialog, by these of its parts.
    pub fn is(&self, call_id: &str, remote_tag: &str) -> bool {
        self.id.remote_tag == remote_tag && self.id.call_id == call_id
    }

    /// A request inside the dialog, without Via, with the next CSeq (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.build(method, self.local_cseq)
    }

    /// The ACK to a 2xx to the INVITE of that CSeq, without Via (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Request {
        self.build(Method::Ack, cseq)
    }

    /// The CSeq number of the last request of [`request`](Dialog::request).
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// Takes note of a request's CSeq number (not of an ACK's, which repeats its INVITE's).
    pub fn receive(&mut self, cseq: u32) -> Result<(), OutOfOrder> {
        if self.remote_cseq.is_some_and(|last| cseq < last) {
            return Err(OutOfOrder);
        }
        self.remote_cseq = Some(cseq);
        Ok(())
    }

    /// Continues the count of an early dialog of the same tags, which this one confirms.
    pub fn continue_from(&mut self, early: &Dialog) {
        self.remote_cseq = early.remote_cseq;
        self.local_cseq = self.local_cseq.max(early.local_cseq);
    }

    /// Takes the Contact of a target refresh request or of its 2xx (RFC 3261 §12.2); without a
    /// usable one the target stays.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(contact) = contact(headers) {
            self.remote_target = contact;
        }
    }

    fn build(&self, method: Method, cseq: u32) -> Request {
        let mut headers = Headers::default();
        let uri = push_routes(&mut headers, &self.routes, &self.remote_target);
        headers.push("Max-Forwards", "70");
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.id.call_id);
        headers.push("CSeq", format_args!("{cseq} {method}"));
        Request {
            method,
            uri,
            headers,
            body: Bytes::new(),
        }
    }
}

/// Writes the Route headers of a request to `target` and gives its Request-URI. A first router
/// that is strict (no `lr`) is itself the Request-URI, and the target goes last into Route
/// (RFC 3261 §12.2.1.1).
pub fn push_routes(headers: &mut Headers, routes: &[Route], target: &Uri) -> RequestUri {
    match routes.split_first() {
        Some((first, rest)) if !first.uri.params.contains("lr") => {
            for route in rest {
                headers.push("Route", &route.text);
            }
            headers.push("Route", format_args!("<{target}>"));
            request_uri(&first.uri)
        }
        _ => {
            for route in routes {
                headers.push("Route", &route.text);
            }
            request_uri(target)
        }
    }
}

/// Without what no Request-URI may hold (RFC 3261 §19.1.1).
fn request_uri(uri: &Uri) -> RequestUri {
    if uri.headers.is_empty() && !uri.params.contains("method") {
        return RequestUri::from(uri);
    }
    let mut uri = uri.clone();
    uri.headers.clear();
    uri.params.remove("method");
    RequestUri::from(uri)
}

fn contact(headers: &Headers) -> Option<Uri> {
    let Ok(Contacts::List(contacts)) = headers.contacts() else {
        return None;
    };
    let contact = contacts.into_iter().next()?;
    matches!(contact.uri.scheme, Scheme::Sip | Scheme::Sips).then_some(contact.uri)
}

fn record_route(headers: &Headers) -> Result<Vec<Route>, DialogError> {
    headers
        .list("Record-Route")
        .map(|text| {
            let address: NameAddr = text.parse().map_err(|_| DialogError::RecordRoute)?;
            Ok(Route {
                text: text.to_owned(),
                uri: address.uri,
            })
        })
        .collect()
}

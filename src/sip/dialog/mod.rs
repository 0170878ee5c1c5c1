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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Message;

    fn invite(headers: &str) -> Request {
        let text = format!(
            "INVITE sip:main-line@192.0.2.1 SIP/2.0\n\
             Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1\n\
             From: \"Kari; Nordmann\" <sip:kari@example.com>;tag=theirs\n\
             To: <sip:main-line@example.com>\n\
             Call-ID: call@198.51.100.1\n\
             CSeq: 314 INVITE\n{headers}\n"
        );
        match Message::parse(text.replace('\n', "\r\n").as_bytes()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request was written"),
        }
    }

    fn callee(headers: &str) -> Result<Dialog, DialogError> {
        Dialog::of_callee(&invite(headers), "ours".to_owned())
    }

    fn caller(headers: &[(&str, &str)]) -> Dialog {
        let origin = Origin {
            call_id: "call@192.0.2.1".to_owned(),
            local_tag: "ours".to_owned(),
            from: "<sip:ringdesk@192.0.2.1>;tag=ours".to_owned(),
            to: "<sip:anna@example.com>".to_owned(),
            target: "sip:anna@203.0.113.7".parse().unwrap(),
            cseq: 7,
        };
        let mut response = Response::new(200).with_header("To", "<sip:anna@example.com>;tag=hers");
        for (name, value) in headers {
            response.headers.push(name, value);
        }
        Dialog::of_caller(&origin, &response)
    }

    fn text(request: &Request) -> String {
        String::from_utf8(request.to_bytes().to_vec())
            .unwrap()
            .replace('\r', "")
    }

    #[test]
    fn a_request_of_the_called_side_turns_from_and_to_around() {
        let mut dialog = callee(
            "Contact: <sip:kari@198.51.100.1:5080;x=1>\n\
             Record-Route: <sip:near.example;lr>, <sip:far.example;lr;y=2>\n",
        )
        .unwrap();
        insta::assert_snapshot!(text(&dialog.request(Method::Bye)), @r#"
        BYE sip:kari@198.51.100.1:5080;x=1 SIP/2.0
        Route: <sip:near.example;lr>
        Route: <sip:far.example;lr;y=2>
        Max-Forwards: 70
        From: <sip:main-line@example.com>;tag=ours
        To: "Kari; Nordmann" <sip:kari@example.com>;tag=theirs
        Call-ID: call@198.51.100.1
        CSeq: 1 BYE
        Content-Length: 0
        "#);
    }

    #[test]
    fn a_request_of_the_calling_side_goes_the_recorded_way_backwards() {
        let mut dialog = caller(&[
            ("Contact", "<sip:anna@10.0.0.4>"),
            ("Record-Route", "<sip:far.example;lr>,<sip:near.example;lr>"),
        ]);
        insta::assert_snapshot!(text(&dialog.request(Method::Bye)), @r"
        BYE sip:anna@10.0.0.4 SIP/2.0
        Route: <sip:near.example;lr>
        Route: <sip:far.example;lr>
        Max-Forwards: 70
        From: <sip:ringdesk@192.0.2.1>;tag=ours
        To: <sip:anna@example.com>;tag=hers
        Call-ID: call@192.0.2.1
        CSeq: 8 BYE
        Content-Length: 0
        ");
        assert_eq!(dialog.next_hop().to_string(), "sip:near.example;lr");
        assert_eq!(dialog.ack(7).headers.value("CSeq"), Some("7 ACK"));
        assert_eq!(
            dialog.request(Method::Info).headers.value("CSeq"),
            Some("9 INFO")
        );
    }

    #[test]
    fn a_strict_router_is_the_request_uri_and_the_target_goes_last() {
        let mut dialog = callee(
            "Contact: sip:kari@198.51.100.1\n\
             Record-Route: <sip:strict.example;method=INVITE?a=b>, <sip:far.example;lr>\n",
        )
        .unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.as_str(), "sip:strict.example");
        let routes: Vec<&str> = bye.headers.list("Route").collect();
        assert_eq!(routes, ["<sip:far.example;lr>", "<sip:kari@198.51.100.1>"]);
    }

    #[test]
    fn an_invite_that_cannot_begin_a_dialog_says_why() {
        for (headers, problem) in [
            ("", DialogError::Contact),
            ("Contact: *\n", DialogError::Contact),
            ("Contact: <tel:+4722000001>\n", DialogError::Contact),
            (
                "Contact: <sip:a@b>\nRecord-Route: nonsense\n",
                DialogError::RecordRoute,
            ),
        ] {
            assert_eq!(callee(headers).unwrap_err(), problem, "{headers}");
        }
        let mut without_tag = invite("Contact: <sip:a@b>\n");
        without_tag
            .headers
            .replace("From", "<sip:kari@example.com>");
        let problem = Dialog::of_callee(&without_tag, "ours".to_owned()).unwrap_err();
        assert_eq!(problem, DialogError::Identity);
    }

    #[test]
    fn an_answer_without_contact_is_acknowledged_where_the_invite_went() {
        let dialog = caller(&[("Record-Route", "nonsense")]);
        assert_eq!(dialog.ack(7).uri.as_str(), "sip:anna@203.0.113.7");
        assert!(!dialog.ack(7).headers.contains("Route"));
    }

    #[test]
    fn an_answer_without_a_tag_is_a_dialog_too() {
        let origin_dialog = caller(&[]);
        assert!(origin_dialog.is("call@192.0.2.1", "hers"));
        assert!(!origin_dialog.is("call@192.0.2.1", ""));
        let origin = Origin {
            call_id: "c".to_owned(),
            local_tag: "ours".to_owned(),
            from: "<sip:a@b>;tag=ours".to_owned(),
            to: "<sip:c@d>".to_owned(),
            target: "sip:c@d".parse().unwrap(),
            cseq: 1,
        };
        let untagged = Dialog::of_caller(&origin, &Response::new(200));
        assert!(untagged.is("c", ""));
        assert_eq!(untagged.ack(1).headers.value("To"), Some("<sip:c@d>"));
    }

    #[test]
    fn cseq_may_repeat_or_skip_but_never_fall() {
        let mut dialog = callee("Contact: <sip:a@b>\n").unwrap();
        assert_eq!(dialog.receive(313), Err(OutOfOrder));
        assert_eq!(dialog.receive(314), Ok(()));
        assert_eq!(dialog.receive(400), Ok(()));
        assert_eq!(dialog.receive(399), Err(OutOfOrder));
        let mut dialog = caller(&[]);
        assert_eq!(dialog.receive(5), Ok(()));
        assert_eq!(dialog.receive(4), Err(OutOfOrder));
    }

    #[test]
    fn a_target_refresh_without_a_usable_contact_keeps_the_target() {
        let mut dialog = callee("Contact: <sip:first@198.51.100.1>\n").unwrap();
        dialog.refresh_target(&Headers::new());
        assert_eq!(dialog.remote_target().to_string(), "sip:first@198.51.100.1");
        let moved = Response::new(200).with_header("m", "<sip:second@198.51.100.1>");
        dialog.refresh_target(&moved.headers);
        assert_eq!(
            dialog.remote_target().to_string(),
            "sip:second@198.51.100.1"
        );
    }
}

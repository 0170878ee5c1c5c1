//! SIP as text: enough to read what a well-behaved daemon sends, and to answer it.

use std::fmt::Write;
use std::net::SocketAddr;

/// A message, cut into its parts.
pub struct Text<'a> {
    /// The first line.
    pub first: &'a str,
    lines: &'a str,
    /// What follows the empty line.
    pub body: &'a str,
}

impl<'a> Text<'a> {
    pub fn read(datagram: &'a [u8]) -> Option<Text<'a>> {
        let (head, body) = std::str::from_utf8(datagram).ok()?.split_once("\r\n\r\n")?;
        let (first, lines) = head.split_once("\r\n")?;
        Some(Text { first, lines, body })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        let rest = self.first.strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> &'a str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// The user part of a Request-URI.
    pub fn user(&self) -> &'a str {
        let uri = self.first.split(' ').nth(1).unwrap_or_default();
        let user = uri.strip_prefix("sip:").and_then(|uri| uri.split_once('@'));
        user.map_or("", |(user, _)| user)
    }

    /// The value of the first line of this name.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.lines.split("\r\n").filter_map(move |line| {
            let (written, value) = line.split_once(':')?;
            written
                .trim()
                .eq_ignore_ascii_case(name)
                .then_some(value.trim())
        })
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.value("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method))
    }

    /// The URI of Contact.
    pub fn contact(&self) -> Option<&'a str> {
        let contact = self.value("Contact")?;
        contact.split_once('<')?.1.split('>').next()
    }

    /// Where the body, an offer or an answer, says that audio is taken.
    pub fn audio_address(&self) -> Option<SocketAddr> {
        let line = |name| self.body.lines().find_map(|line| line.strip_prefix(name));
        let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }

    /// The answer to this request: Via, From, To, Call-ID and CSeq are taken from it.
    pub fn answer(&self, status: &str, tag: &str, further: &str, body: &str) -> String {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for via in self.values("Via") {
            let _ = write!(answer, "Via: {via}\r\n");
        }
        for name in ["From", "Call-ID", "CSeq"] {
            let value = self.value(name).unwrap_or_default();
            let _ = write!(answer, "{name}: {value}\r\n");
        }
        let to = self.value("To").unwrap_or_default();
        let tag = match to.contains(";tag=") {
            true => String::new(),
            false => format!(";tag={tag}"),
        };
        let _ = write!(
            answer,
            "To: {to}{tag}\r\n{further}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        answer
    }
}

/// An offer or an answer as phones write them.
pub fn sdp(address: SocketAddr, payloads: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "v=0\r\no=- 3930 3930 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payloads}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

//! SIP as text on a socket, for what SIPp cannot do: a stream cut at every byte, a request in the
//! middle of another story.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use ringdesk::core::id::RandomSource;
use ringdesk::sip::digest::Challenge;
use ringdesk::sip::message::Method;
use socket2::{Domain, Protocol, Socket, Type};

use super::daemon::{NUMBER, password};
use super::sipp::header;
use super::wait;

/// Between two bytes of a stream: long enough that most are read one by one.
const BETWEEN_BYTES: Duration = Duration::from_micros(200);

/// One side of a SIP conversation, spoken by the story itself.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    local: SocketAddr,
    remote: SocketAddr,
    kind: Kind,
    /// Requests and final responses that came.
    seen: Vec<String>,
}

#[derive(Debug)]
enum Kind {
    Udp,
    /// What came and was not yet taken.
    Tcp {
        unread: Vec<u8>,
    },
}

impl Wire {
    /// Datagrams between a free port of `ip` and `remote`.
    pub fn udp(ip: IpAddr, remote: SocketAddr) -> Wire {
        Wire::udp_at(SocketAddr::new(ip, 0), remote)
    }

    /// From a port of its own choice.
    pub fn udp_at(local: SocketAddr, remote: SocketAddr) -> Wire {
        let socket = UdpSocket::bind(local).unwrap();
        socket.connect(remote).unwrap();
        Wire::new(socket.into(), remote, Kind::Udp)
    }

    /// A connection from `ip` to `remote` on which each byte is sent by itself.
    pub fn tcp_byte_by_byte(ip: IpAddr, remote: SocketAddr) -> Wire {
        let socket = Socket::new(
            Domain::for_address(remote),
            Type::STREAM,
            Some(Protocol::TCP),
        )
        .unwrap();
        socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
        socket.connect(&remote.into()).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        let unread = Vec::new();
        Wire::new(socket, remote, Kind::Tcp { unread })
    }

    fn new(socket: Socket, remote: SocketAddr, kind: Kind) -> Wire {
        socket.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        let local = socket.local_addr().unwrap().as_socket().unwrap();
        Wire {
            socket,
            local,
            remote,
            kind,
            seen: Vec::new(),
        }
    }

    /// Our side.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The daemon's side.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    fn transport(&self) -> &'static str {
        match self.kind {
            Kind::Udp => "UDP",
            Kind::Tcp { .. } => "TCP",
        }
    }

    /// A Via line of ours.
    pub fn via(&self, branch: &str) -> String {
        let transport = self.transport();
        format!(
            "SIP/2.0/{transport} {};branch=z9hG4bK{branch};rport",
            self.local
        )
    }

    /// Sends a message: `head` with its lines, which end as the story's text does, and the body with
    /// its length.
    pub fn send_with_body(&mut self, head: &str, body: &str) {
        let lines: String = head
            .trim()
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect();
        let body: String = body
            .trim()
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect();
        let message = format!("{lines}Content-Length: {}\r\n\r\n{body}", body.len());
        match self.kind {
            Kind::Udp => drop(self.socket.send(message.as_bytes()).unwrap()),
            Kind::Tcp { .. } => {
                for byte in message.as_bytes() {
                    (&self.socket).write_all(&[*byte]).unwrap();
                    wait::pause(BETWEEN_BYTES);
                }
            }
        }
    }

    /// Sends a message without a body.
    pub fn send(&mut self, head: &str) {
        self.send_with_body(head, "");
    }

    /// The next message.
    pub fn receive(&mut self) -> String {
        let mut buffer = [0; 65_536];
        match &mut self.kind {
            Kind::Udp => {
                let length = (&self.socket).read(&mut buffer).unwrap();
                String::from_utf8(buffer[..length].to_vec()).unwrap()
            }
            Kind::Tcp { unread } => loop {
                if let Some(message) = take_message(unread) {
                    return message;
                }
                let length = (&self.socket).read(&mut buffer).unwrap();
                assert!(length > 0, "the daemon closed the connection");
                unread.extend_from_slice(&buffer[..length]);
            },
        }
    }

    /// Waits for a response with `status`; others before it are provisional. One that is sent again,
    /// as a 2xx to INVITE until its ACK has come, counts once.
    pub fn response(&mut self, status: &str) -> String {
        loop {
            let message = self.receive();
            if self.seen.contains(&message) {
                continue;
            }
            if message.starts_with(&format!("SIP/2.0 {status} ")) {
                self.seen.push(message.clone());
                return message;
            }
            assert!(message.starts_with("SIP/2.0 1"), "{message}");
        }
    }

    /// The next request; one that is sent again over UDP counts once.
    pub fn new_request(&mut self) -> String {
        loop {
            let message = self.receive();
            assert!(!message.starts_with("SIP/2.0"), "{message}");
            if !self.seen.contains(&message) {
                self.seen.push(message.clone());
                return message;
            }
        }
    }

    /// Waits for a request of `method`.
    pub fn request(&mut self, method: &str) -> String {
        let message = self.new_request();
        assert!(message.starts_with(&format!("{method} ")), "{message}");
        let cseq = header(&message, "CSeq").unwrap();
        assert!(cseq.ends_with(&format!(" {method}")), "{cseq}");
        message
    }

    /// Answers `request` with a status line, `to_tag` and further header lines.
    pub fn respond(&mut self, request: &str, status: &str, to_tag: &str, more: &str, body: &str) {
        let copied: String = request
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default();
                ["Via", "From", "Call-ID", "CSeq", "Record-Route"].contains(&name)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let to = header(request, "To").unwrap();
        let tag = if to.contains("tag=") {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        let head = format!("SIP/2.0 {status}\n{copied}To: {to}{tag}\n{more}");
        self.send_with_body(&head, body);
    }
}

/// The first whole message, CRLF between messages left out.
fn take_message(unread: &mut Vec<u8>) -> Option<String> {
    while unread.starts_with(b"\r\n") {
        unread.drain(..2);
    }
    let head = unread.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&unread[..head]).unwrap();
    let length: usize = header(text, "Content-Length").unwrap().parse().unwrap();
    (unread.len() >= head + length).then(|| {
        let message = unread.drain(..head + length).collect();
        String::from_utf8(message).unwrap()
    })
}

/// The lines of an INVITE for our number with the Call-ID `id`.
pub fn invite(wire: &Wire, id: &str) -> String {
    let (local, remote) = (wire.local(), wire.remote());
    let via = wire.via(&format!("{id}-1"));
    format!(
        "INVITE sip:{NUMBER}@{remote} SIP/2.0
        Via: {via}
        From: <sip:+4790000099@{local}>;tag={id}
        To: <sip:{NUMBER}@{remote}>
        Call-ID: {id}
        CSeq: 1 INVITE
        Contact: <sip:carrier@{local}>
        Max-Forwards: 70
        Content-Type: application/sdp"
    )
}

/// The ACK or BYE of the caller whose INVITE was answered with `response`.
pub fn in_dialog(wire: &Wire, response: &str, cseq: &str) -> String {
    let (number, method) = cseq.split_once(' ').unwrap();
    let contact = header(response, "Contact").unwrap();
    let target = contact.trim_start_matches('<').split('>').next().unwrap();
    let id = header(response, "Call-ID").unwrap();
    let via = wire.via(&format!("{id}-{number}-{method}"));
    let (from, to) = (header(response, "From"), header(response, "To"));
    format!(
        "{method} {target} SIP/2.0
        Via: {via}
        From: {}
        To: {}
        Call-ID: {id}
        CSeq: {cseq}
        Max-Forwards: 70",
        from.unwrap(),
        to.unwrap()
    )
}

/// What we say about our audio at `line`.
pub fn sdp(line: SocketAddr) -> String {
    let (ip, port) = (line.ip(), line.port());
    let family = if ip.is_ipv6() { 6 } else { 4 };
    format!(
        "v=0
        o=- 1 1 IN IP{family} {ip}
        s=-
        c=IN IP{family} {ip}
        t=0 0
        m=audio {port} RTP/AVP 0 101
        a=rtpmap:101 telephone-event/8000
        a=ptime:20"
    )
}

/// The address of the other side's audio.
pub fn audio(message: &str, ip: IpAddr) -> SocketAddr {
    let line = message.lines().find(|line| line.starts_with("m=audio "));
    let port = line.and_then(|line| line.split(' ').nth(1)).unwrap();
    SocketAddr::new(ip, port.parse().unwrap())
}

/// Registers a phone of `user`, with digest; returns the 200.
pub fn register(wire: &mut Wire, user: &str) -> String {
    let (local, remote) = (wire.local(), wire.remote());
    let uri = format!("sip:{remote}");
    let transport = wire.transport().to_lowercase();
    let lines = |wire: &Wire, number: u32| {
        let via = wire.via(&format!("register-{number}"));
        format!(
            "REGISTER {uri} SIP/2.0
            Via: {via}
            From: <sip:{user}@{remote}>;tag={user}
            To: <sip:{user}@{remote}>
            Call-ID: registration
            CSeq: {number} REGISTER
            Contact: <sip:{user}@{local};transport={transport}>
            Expires: 3600
            Max-Forwards: 70"
        )
    };
    wire.send(&lines(wire, 1));
    let asked = wire.response("401");
    let challenge = header(&asked, "WWW-Authenticate").into_iter();
    let challenge = Challenge::choose(challenge, None).unwrap();
    let mut random = RandomSource::from_seed([7; 32]);
    let (secret, asked) = (password(user), (&Method::Register, uri.as_str()));
    let shown = challenge.answer((user, &secret), asked, 1, &mut random);
    wire.send(&format!("{}\nAuthorization: {shown}", lines(wire, 2)));
    wire.response("200")
}

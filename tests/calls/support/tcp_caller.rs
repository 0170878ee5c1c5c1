//! A caller over TCP whose network hands on a single byte at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::sipp::header;
use super::wait;

/// A connection and the dialog on it.
#[derive(Debug)]
pub struct TcpCaller {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    received: Vec<u8>,
    /// `To` as the daemon completed it.
    to: String,
    /// Where requests inside the dialog go.
    target: String,
}

impl TcpCaller {
    /// Connects from `local`.
    pub fn connect(local: SocketAddr, remote: SocketAddr, number: &str) -> TcpCaller {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(local.ip(), 0).into()).unwrap();
        socket.connect(&remote.into()).unwrap();
        // Each byte in a segment of its own.
        socket.set_tcp_nodelay(true).unwrap();
        socket.set_read_timeout(Some(wait::LIMIT)).unwrap();
        let stream = TcpStream::from(socket);
        TcpCaller {
            local: stream.local_addr().unwrap(),
            stream,
            remote,
            received: Vec::new(),
            to: format!("<sip:{number}@{remote}>"),
            target: format!("sip:{number}@{remote};transport=tcp"),
        }
    }

    /// Calls, waits for the answer, acknowledges it; returns where the daemon takes audio.
    pub fn call(&mut self, rtp_port: u16) -> SocketAddr {
        let family = if self.local.is_ipv6() { "IP6" } else { "IP4" };
        let ip = self.local.ip();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {rtp_port} RTP/AVP 0\r\n"
        );
        self.send("INVITE", 1, &sdp);
        let answer = loop {
            let response = self.receive();
            assert_eq!(header(&response, "CSeq"), Some("1 INVITE"));
            if response.starts_with("SIP/2.0 200") {
                break response;
            }
            assert!(response.starts_with("SIP/2.0 1"), "{response}");
        };
        self.to = header(&answer, "To").unwrap().to_owned();
        let contact = header(&answer, "Contact").unwrap();
        self.target = contact.trim_matches(['<', '>']).to_owned();
        self.send("ACK", 1, "");
        let media = answer.split_once("m=audio ").expect("audio").1;
        let port = media.split(' ').next().unwrap().parse().unwrap();
        SocketAddr::new(self.remote.ip(), port)
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.send("BYE", 2, "");
        let response = self.receive();
        assert!(response.starts_with("SIP/2.0 200"), "{response}");
        assert_eq!(header(&response, "CSeq"), Some("2 BYE"));
    }

    fn send(&mut self, method: &str, number: u32, body: &str) {
        let local = self.local;
        let request = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {local};branch=z9hG4bK-{method}-{number};rport\r\n\
             From: <sip:+4790000099@{local}>;tag=tcp\r\nTo: {to}\r\n\
             Call-ID: byte-by-byte@{local}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:caller@{local};transport=tcp>\r\nMax-Forwards: 70\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
            target = self.target,
            to = self.to,
            length = body.len(),
        );
        for octet in request.as_bytes() {
            self.stream.write_all(&[*octet]).unwrap();
        }
    }

    /// The next message.
    fn receive(&mut self) -> String {
        loop {
            if let Some(message) = self.take_message() {
                return message;
            }
            let mut octet = [0];
            self.stream.read_exact(&mut octet).unwrap();
            self.received.push(octet[0]);
        }
    }

    fn take_message(&mut self) -> Option<String> {
        let text = String::from_utf8(self.received.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length: usize = header(head, "Content-Length").unwrap().parse().unwrap();
        if body.len() < length {
            return None;
        }
        self.received.clear();
        Some(text)
    }
}

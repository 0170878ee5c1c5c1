use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::*;
use crate::core::snapshot::Secret;
use crate::core::time::Wall;

#[test]
fn only_public_addresses_are_reached_without_leave() {
    for (address, public) in [
        ("93.184.216.34", true),
        ("8.8.8.8", true),
        ("100.63.255.255", true),
        ("100.128.0.0", true),
        ("172.15.0.1", true),
        ("172.32.0.1", true),
        ("192.0.1.1", true),
        ("198.17.0.1", true),
        ("2606:2800:220:1::1", true),
        ("2a00:1450::1", true),
        ("::ffff:8.8.8.8", true),
        ("64:ff9b::8.8.8.8", true),
        ("2002:0808:0808::1", true),
        ("0.0.0.0", false),
        ("0.1.2.3", false),
        ("10.0.0.1", false),
        ("100.64.0.1", false),
        ("127.0.0.1", false),
        ("127.255.255.254", false),
        ("169.254.169.254", false),
        ("172.16.0.1", false),
        ("172.31.255.255", false),
        ("192.0.0.1", false),
        ("192.0.2.1", false),
        ("192.88.99.1", false),
        ("192.168.1.1", false),
        ("198.18.0.1", false),
        ("198.19.255.255", false),
        ("198.51.100.1", false),
        ("203.0.113.1", false),
        ("224.0.0.1", false),
        ("239.255.255.255", false),
        ("240.0.0.1", false),
        ("255.255.255.255", false),
        ("::", false),
        ("::1", false),
        ("::7f00:1", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:10.0.0.1", false),
        ("::ffff:0:10.0.0.1", false),
        ("64:ff9b::10.0.0.1", false),
        ("64:ff9b::7f00:1", false),
        ("64:ff9b:1::1", false),
        ("2002:7f00:1::", false),
        ("2002:0a00:0001::1", false),
        ("2001::1", false),
        ("2001:db8::1", false),
        ("3fff::1", false),
        ("100::1", false),
        ("5f00::1", false),
        ("fc00::1", false),
        ("fd12:3456::1", false),
        ("fe80::1", false),
        ("fec0::1", false),
        ("ff02::1", false),
    ] {
        let is = standing(address.parse().unwrap());
        assert_eq!(is == Standing::Public, public, "{address}: {is:?}");
    }
}

#[test]
fn what_answers_to_nothing_is_not_reached_even_with_leave() {
    for address in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
        let is = standing(address.parse().unwrap());
        assert!(matches!(is, Standing::Never(_)), "{address}: {is:?}");
    }
}

#[test]
fn a_wait_is_read_as_seconds_and_as_a_date() {
    let now = Wall::from_seconds(784_111_770);
    for (value, seconds) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
        ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
    ] {
        let read = read_retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(read, seconds, "{value}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn limits() -> Limits {
    Limits {
        answer: 1000,
        at_once: 2,
        ..Limits::default()
    }
}

fn post(url: &str) -> Post<'_> {
    Post {
        url,
        allow_private: false,
        bearer: None,
        headers: Vec::new(),
        body: b"{}".to_vec(),
        within: Duration::from_secs(30),
    }
}

fn outcome(post: Post<'_>) -> Result<Reply, OutgoingError> {
    let client = Client::new(limits()).unwrap();
    runtime().block_on(client.post(post))
}

/// A server that answers every connection with these octets and remembers how many it had.
struct Server {
    port: u16,
    thread: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Server {
    fn answering(answer: &str) -> Server {
        let answer = answer.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut part = [0; 4096];
                // The body of each request; a connection without a request is the end.
                while !request.ends_with(b"\r\n\r\n{}") {
                    match stream.read(&mut part).unwrap() {
                        0 => return requests,
                        length => request.extend_from_slice(&part[..length]),
                    }
                }
                requests.push(String::from_utf8_lossy(&request).into_owned());
                // Whoever reads no further than its limit closes early.
                let _ = stream.write_all(answer.as_bytes());
            }
            requests
        });
        Server {
            port,
            thread: Some(thread),
        }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/hook", self.port)
    }

    /// The requests that came.
    fn requests(mut self) -> Vec<String> {
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        self.thread.take().unwrap().join().unwrap()
    }
}

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

#[test]
fn this_machine_is_not_reached_however_it_is_spelled() {
    let server = Server::answering(FINE);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0x7f000001",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "LOCALHOST",
    ] {
        let error = outcome(post(&server.url(host))).unwrap_err();
        assert_eq!(error.code(), "address-refused", "{host}: {error}");
        assert!(error.to_string().contains("allow_private"), "{error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn with_leave_it_is() {
    let server = Server::answering(FINE);
    for host in ["127.0.0.1", "localhost"] {
        let url = server.url(host);
        let mut post = post(&url);
        post.allow_private = true;
        assert_eq!(outcome(post).unwrap().status, 200);
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_name_that_leads_elsewhere_each_time_does_not_help() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let server = Server::answering(FINE);
    let client = Client::with_lookup(limits(), |name| {
        assert_eq!(name, "rebind.example");
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let address = match asked {
            0 => "fd00::1",
            _ => "127.0.0.1",
        };
        let address: IpAddr = address.parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    })
    .unwrap();
    let url = server.url("rebind.example");
    for _ in 0..3 {
        let error = runtime().block_on(client.post(post(&url))).unwrap_err();
        assert_eq!(error.code(), "address-refused", "{error}");
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn the_refusal_names_the_address_that_a_name_leads_to() {
    let client = Client::with_lookup(limits(), |_| {
        let addresses = ["10.0.0.1", "224.0.0.1"].map(|text| text.parse().unwrap());
        Box::pin(async move { Ok(addresses.to_vec()) })
    })
    .unwrap();
    let mut guarded = post("http://both.example/");
    guarded.within = Duration::from_secs(5);
    let error = runtime().block_on(client.post(guarded)).unwrap_err();
    let OutgoingError::Refused { address, what, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(address.to_string(), "10.0.0.1");
    assert_eq!(what, "a private address");
}

#[test]
fn what_is_no_url_for_a_request_is_refused_with_the_reason() {
    for (url, reason) in [
        ("", "relative URL"),
        ("ftp://example.com/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("https://anna:secret@example.com/", "a password"),
        ("http://", "empty host"),
        ("not a url", "relative URL"),
    ] {
        let error = outcome(post(url)).unwrap_err().to_string();
        assert!(error.contains(reason), "{url}: {error}");
    }
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::answering(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let url = server.url("127.0.0.1");
    let mut post = post(&url);
    post.allow_private = true;
    assert_eq!(outcome(post).unwrap().status, 302);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_answer_that_is_too_long_is_cut_off_whether_or_not_it_says_so() {
    let chunk = format!("258\r\n{}\r\n", "x".repeat(0x258));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\nConnection: close\r\n\r\nx".to_owned(),
        format!("{chunked}{chunk}{chunk}0\r\n\r\n"),
    ] {
        let server = Server::answering(&answer);
        let url = server.url("127.0.0.1");
        let mut post = post(&url);
        post.allow_private = true;
        let error = outcome(post).unwrap_err();
        assert_eq!(error.code(), "answer-too-long", "{error}");
        server.requests();
    }
}

#[test]
fn who_never_answers_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut post = post(&url);
    post.allow_private = true;
    post.within = Duration::from_millis(50);
    let error = outcome(post).unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 did not answer within 0.05 s");
}

#[test]
fn nobody_there_and_no_http_are_told_apart() {
    // Bound, so that nobody else has it, and not listening.
    let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    nobody.bind(&any.into()).unwrap();
    let address = nobody.local_addr().unwrap().as_socket().unwrap();
    let closed = format!("http://{address}/?key=hidden");
    let mut there = post(&closed);
    there.allow_private = true;
    let error = outcome(there).unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error}");
    assert!(!error.to_string().contains("hidden"), "{error}");

    let server = Server::answering("220 mail.example.com ESMTP\r\n");
    let url = server.url("127.0.0.1");
    let mut wrong = post(&url);
    wrong.allow_private = true;
    let error = outcome(wrong).unwrap_err();
    assert_eq!(error.code(), "answer-unreadable", "{error}");
}

#[test]
fn a_token_and_a_header_are_one_line_or_nothing_is_sent() {
    let url = "http://203.0.114.1/";
    for token in ["a\r\nX-Evil: 1", "a\nb", "a\0b"] {
        let secret = Secret(token.to_owned());
        let mut post = post(url);
        post.bearer = Some(&secret);
        assert_eq!(outcome(post).unwrap_err().code(), "header-unusable");
    }
    let mut post = post(url);
    post.headers = vec![("Ringdesk-Event", "x\r\nX-Evil: 1".to_owned())];
    assert_eq!(outcome(post).unwrap_err().code(), "header-unusable");
}

#[test]
fn what_is_sent_carries_the_token_and_no_more_than_was_asked() {
    let server = Server::answering(FINE);
    let url = server.url("127.0.0.1");
    let secret = Secret("s3cret".to_owned());
    let mut post = post(&url);
    post.allow_private = true;
    post.bearer = Some(&secret);
    post.headers = vec![("Ringdesk-Event", "conversation.created".to_owned())];
    outcome(post).unwrap();
    let requests = server.requests();
    let request = requests[0].to_ascii_lowercase();
    assert!(request.starts_with("post /hook http/1.1\r\n"), "{request}");
    for header in [
        "authorization: bearer s3cret",
        "content-type: application/json",
        "ringdesk-event: conversation.created",
        "user-agent: ringdesk/",
    ] {
        assert!(request.contains(header), "{request}");
    }
    for header in ["referer", "cookie", "accept-encoding"] {
        assert!(!request.contains(header), "{request}");
    }
}

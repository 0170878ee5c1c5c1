//! Real sockets on loopback, ports chosen by the kernel. Every wait is for an event.

use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::*;
use crate::sip::flow::ConnectionId;
use crate::sip::message::Response;

/// When a test is stuck.
const STUCK: Duration = Duration::from_secs(90);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(STUCK, what).await.expect("it never happened")
}

async fn bind(listen: &[(Protocol, &str)], limits: Limits) -> (Transport, Receiver<Incoming>) {
    let listen: Vec<Listen> = listen
        .iter()
        .map(|(protocol, address)| Listen {
            protocol: *protocol,
            address: address.parse().expect("an address"),
        })
        .collect();
    Transport::bind(&listen, limits).await.expect("bound")
}

async fn bind_one(
    protocol: Protocol,
    address: &str,
) -> (Transport, Receiver<Incoming>, SocketAddr) {
    let (transport, incoming) = bind(&[(protocol, address)], Limits::default()).await;
    let address = transport.listening()[0].address;
    (transport, incoming, address)
}

async fn tcp_with(limits: Limits) -> (Transport, Receiver<Incoming>, SocketAddr) {
    let (transport, incoming) = bind(&[(Protocol::Tcp, "127.0.0.1:0")], limits).await;
    let address = transport.listening()[0].address;
    (transport, incoming, address)
}

fn text(method: &str, number: usize) -> String {
    format!(
        "{method} sip:anna@192.0.2.2 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:b@192.0.2.1>;tag=f\r\nTo: <sip:anna@192.0.2.2>\r\n\
         Call-ID: {number}\r\nCSeq: {number} {method}\r\nContent-Length: 4\r\n\r\nbody"
    )
}

async fn next_message(incoming: &mut Receiver<Incoming>) -> (Message, Flow) {
    match soon(incoming.recv()).await {
        Some(Incoming::Message { message, flow, .. }) => (message, flow),
        other => panic!("not a message: {other:?}"),
    }
}

fn number_of(message: &Message) -> u32 {
    message.headers().cseq().expect("CSeq").number
}

fn ok(message: &Message) -> Bytes {
    match message {
        Message::Request(request) => request.response(200).to_bytes(),
        Message::Response(_) => panic!("a response"),
    }
}

async fn datagram(socket: &UdpSocket) -> (Response, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = soon(socket.recv_from(&mut buffer))
        .await
        .expect("a datagram");
    match Message::parse(&buffer[..length]) {
        Ok(Message::Response(response)) => (response, from),
        other => panic!("not a response: {other:?}"),
    }
}

/// Reads until `wanted` responses have come.
async fn responses(stream: &mut TcpStream, wanted: usize) -> Vec<Response> {
    let mut reader = crate::sip::message::StreamReader::new();
    let mut found = Vec::new();
    let mut buffer = vec![0; 4096];
    while found.len() < wanted {
        let length = soon(stream.read(&mut buffer)).await.expect("readable");
        assert!(length > 0, "closed after {found:?}");
        reader.push(&buffer[..length]);
        while let Some(frame) = reader.next_frame().expect("messages") {
            match frame {
                crate::sip::message::Frame::Message(Ok(Message::Response(it))) => found.push(it),
                other => panic!("not a response: {other:?}"),
            }
        }
    }
    found
}

async fn assert_closed(stream: &mut TcpStream) {
    let mut buffer = Vec::new();
    // A reset is as good an end as any.
    let _ = soon(stream.read_to_end(&mut buffer)).await;
    assert_eq!(buffer, b"");
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connected")
}

async fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("written");
}

/// Somebody who is connected and has sent OPTIONS 1.
async fn phone(address: SocketAddr) -> TcpStream {
    let mut phone = connect(address).await;
    write(&mut phone, &text("OPTIONS", 1)).await;
    phone
}

/// The connection that is closed, which must be what is told next.
async fn next_close(incoming: &mut Receiver<Incoming>) -> Flow {
    match soon(incoming.recv()).await {
        Some(Incoming::ConnectionClosed { flow }) => flow,
        other => panic!("not told of the end: {other:?}"),
    }
}

/// The flow that carried nothing, which must be what is told next.
async fn next_failure(incoming: &mut Receiver<Incoming>) -> Flow {
    match soon(incoming.recv()).await {
        Some(Incoming::SendFailed { flow }) => flow,
        other => panic!("not told of the failure: {other:?}"),
    }
}

#[tokio::test]
async fn a_request_over_udp_is_answered_over_ipv4_and_ipv6() {
    for any in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let (transport, mut incoming, address) = bind_one(Protocol::Udp, any).await;
        let loopback: IpAddr = if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        };
        let asked = SocketAddr::new(loopback, address.port());
        let phone = UdpSocket::bind((loopback, 0)).await.expect("bound");
        phone
            .send_to(text("OPTIONS", 1).as_bytes(), asked)
            .await
            .expect("sent");
        let (message, flow) = next_message(&mut incoming).await;
        let phone_address = phone.local_addr().expect("an address");
        let expected = Flow {
            protocol: Protocol::Udp,
            local: asked,
            remote: phone_address,
            connection: None,
        };
        assert_eq!(flow, expected);
        transport.send(flow, ok(&message));
        let (response, from) = datagram(&phone).await;
        assert_eq!((response.status, from), (200, asked));
    }
}

#[tokio::test]
async fn an_answer_leaves_from_the_address_that_was_asked() {
    let (transport, mut incoming, address) = bind_one(Protocol::Udp, "0.0.0.0:0").await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    for asked in ["127.0.0.2", "127.0.0.3", "127.0.0.1"] {
        let asked = SocketAddr::new(asked.parse().expect("an address"), address.port());
        phone
            .send_to(text("OPTIONS", 1).as_bytes(), asked)
            .await
            .expect("sent");
        let (message, flow) = next_message(&mut incoming).await;
        assert_eq!(flow.local, asked);
        transport.send(flow, ok(&message));
        assert_eq!(datagram(&phone).await.1, asked);
    }
}

#[tokio::test]
async fn both_families_may_have_one_port_each() {
    // Somebody else may have the one port or the other, but not all of them.
    for _ in 0..100 {
        let (_transport, _incoming, address) = bind_one(Protocol::Udp, "[::]:0").await;
        let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        if std::net::UdpSocket::bind(v4).is_ok() {
            return;
        }
    }
    panic!("the IPv6 socket takes IPv4 too");
}

#[tokio::test]
async fn a_request_of_ours_leaves_from_the_listener_of_its_family() {
    let listen = [(Protocol::Udp, "127.0.0.1:0"), (Protocol::Udp, "[::1]:0")];
    let (transport, mut incoming) = bind(&listen, Limits::default()).await;
    for (number, any) in ["0.0.0.0:0", "[::]:0"].into_iter().enumerate() {
        let local: SocketAddr = any.parse().expect("an address");
        let listener = transport.listening()[number].address;
        let phone = UdpSocket::bind((listener.ip(), 0)).await.expect("bound");
        let remote = phone.local_addr().expect("an address");
        let flow = Flow {
            protocol: Protocol::Udp,
            local,
            remote,
            connection: None,
        };
        transport.send(flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"));
        let mut buffer = [0; 100];
        let (_, from) = soon(phone.recv_from(&mut buffer))
            .await
            .expect("a datagram");
        assert_eq!(from, listener);
    }
    let nowhere = Flow {
        protocol: Protocol::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "127.0.0.1:9".parse().expect("an address"),
        connection: None,
    };
    transport.send(nowhere, Bytes::from_static(b"x"));
    assert_eq!(next_failure(&mut incoming).await, nowhere);
    assert_eq!(transport.counts().unsent, 1);
}

#[tokio::test]
async fn keep_alives_over_udp_are_no_messages() {
    let (_transport, mut incoming, address) = bind_one(Protocol::Udp, "127.0.0.1:0").await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    for octets in [
        &b"\r\n\r\n"[..],
        b"",
        b"\0\0\0\0",
        text("OPTIONS", 7).as_bytes(),
    ] {
        phone.send_to(octets, address).await.expect("sent");
    }
    assert_eq!(number_of(&next_message(&mut incoming).await.0), 7);
}

#[tokio::test]
async fn what_is_malformed_is_answered_and_told() {
    let wrong = text("OPTIONS", 1).replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE");
    let (transport, mut incoming, address) = bind_one(Protocol::Udp, "127.0.0.1:0").await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    phone.send_to(b"hello", address).await.expect("sent");
    phone
        .send_to(wrong.as_bytes(), address)
        .await
        .expect("sent");
    let (response, _) = datagram(&phone).await;
    assert_eq!(response.status, 400);
    let via = response.headers.top_via().expect("Via");
    assert_eq!(
        via.rport(),
        Some(Some(phone.local_addr().expect("an address").port()))
    );
    for _ in 0..2 {
        let told = soon(incoming.recv()).await;
        assert!(matches!(told, Some(Incoming::Malformed { .. })), "{told:?}");
    }
    assert_eq!(
        (transport.counts().received, transport.counts().malformed),
        (2, 2)
    );

    let (_transport, mut incoming, address) = bind_one(Protocol::Tcp, "127.0.0.1:0").await;
    let mut phone = connect(address).await;
    write(&mut phone, &(wrong + &text("OPTIONS", 2))).await;
    assert_eq!(responses(&mut phone, 1).await[0].status, 400);
    let told = soon(incoming.recv()).await;
    assert!(matches!(told, Some(Incoming::Malformed { .. })), "{told:?}");
    assert_eq!(
        number_of(&next_message(&mut incoming).await.0),
        2,
        "the connection goes on"
    );
}

#[tokio::test]
async fn a_stream_may_be_cut_anywhere() {
    let (transport, mut incoming, address) = bind_one(Protocol::Tcp, "127.0.0.1:0").await;
    let mut phone = connect(address).await;
    phone.set_nodelay(true).expect("set");
    let octets = text("OPTIONS", 1);
    for octet in octets.as_bytes() {
        phone.write_all(&[*octet]).await.expect("written");
    }
    let (whole, flow) = next_message(&mut incoming).await;
    assert_eq!(whole.to_bytes(), octets.as_bytes());
    let phone_address = phone.local_addr().expect("an address");
    assert_eq!((flow.local, flow.remote), (address, phone_address));
    for cut in 1..octets.len() {
        let (first, second) = octets.as_bytes().split_at(cut);
        phone.write_all(first).await.expect("written");
        phone.write_all(second).await.expect("written");
        let (message, again) = next_message(&mut incoming).await;
        assert_eq!((message, again), (whole.clone(), flow), "cut at {cut}");
    }
    transport.send(flow, ok(&whole));
    assert_eq!(responses(&mut phone, 1).await[0].status, 200);
}

#[tokio::test]
async fn several_messages_and_keep_alives_in_one_segment() {
    let (transport, mut incoming, address) = bind_one(Protocol::Tcp, "127.0.0.1:0").await;
    let mut phone = connect(address).await;
    let all = format!(
        "{}\r\n\r\n{}{}\r\n\r\n",
        text("OPTIONS", 1),
        text("REGISTER", 2),
        text("INVITE", 3)
    );
    write(&mut phone, &all).await;
    for expected in 1..=3 {
        assert_eq!(number_of(&next_message(&mut incoming).await.0), expected);
    }
    let mut pongs = [0; 4];
    soon(phone.read_exact(&mut pongs)).await.expect("read");
    assert_eq!(&pongs, b"\r\n\r\n", "one CRLF for each keep-alive");
    assert_eq!(transport.counts().received, 3);
}

#[tokio::test]
async fn a_closed_connection_is_told_after_its_messages_and_can_carry_nothing() {
    let (transport, mut incoming, address) = bind_one(Protocol::Tcp, "127.0.0.1:0").await;
    let phone = phone(address).await;
    drop(phone);
    let (message, flow) = next_message(&mut incoming).await;
    assert_eq!(next_close(&mut incoming).await, flow);
    transport.send(flow, ok(&message));
    assert_eq!(next_failure(&mut incoming).await, flow);
    assert_eq!(transport.counts().connections, 0);
}

fn to(remote: SocketAddr) -> Flow {
    let local = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    Flow {
        protocol: Protocol::Tcp,
        local,
        remote,
        connection: None,
    }
}

#[tokio::test]
async fn a_connection_is_opened_when_needed_and_used_again() {
    let (transport, mut incoming) = bind(&[], Limits::default()).await;
    let device = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let flow = to(device.local_addr().expect("an address"));
    for number in 1..=3 {
        transport.send(flow, Bytes::from(text("INVITE", number)));
    }
    let (mut stream, from) = soon(device.accept()).await.expect("accepted");
    let all = text("INVITE", 1) + &text("INVITE", 2) + &text("INVITE", 3);
    let mut octets = vec![0; all.len()];
    soon(stream.read_exact(&mut octets)).await.expect("read");
    assert_eq!(octets, all.as_bytes());
    write(&mut stream, &text("BYE", 4)).await;
    let (_, back) = next_message(&mut incoming).await;
    assert_eq!((back.local, back.remote), (from, flow.remote));
    assert!(back.connection.is_some());
    assert_eq!(transport.counts().connections, 1);
}

#[tokio::test]
async fn a_thread_outside_the_runtime_may_send() {
    let (transport, _incoming) = bind(&[], Limits::default()).await;
    let device = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let flow = to(device.local_addr().expect("an address"));
    let sending = std::thread::spawn(move || {
        transport.send(flow, Bytes::from_static(b"x"));
        transport
    });
    let (mut stream, _) = soon(device.accept()).await.expect("accepted");
    let mut octets = [0];
    soon(stream.read_exact(&mut octets)).await.expect("read");
    drop(sending.join().expect("sent"));
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_is_told() {
    let (transport, mut incoming) = bind(&[], Limits::default()).await;
    // Bound, so that nobody else has it, and not listening.
    let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
    nobody
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("bound");
    let flow = to(nobody.local_addr().expect("an address"));
    transport.send(flow, Bytes::from(text("INVITE", 1)));
    assert_eq!(next_failure(&mut incoming).await, flow);
    assert_eq!(transport.counts().connections, 0);
    let unknown = Flow {
        connection: Some(ConnectionId(77)),
        ..flow
    };
    transport.send(unknown, Bytes::from_static(b"x"));
    assert_eq!(next_failure(&mut incoming).await, unknown);
}

#[tokio::test]
async fn somebody_who_stops_reading_is_cut_off() {
    let (transport, mut incoming, address) = bind_one(Protocol::Tcp, "127.0.0.1:0").await;
    let _phone = phone(address).await;
    let (_, flow) = next_message(&mut incoming).await;
    let long = Bytes::from(vec![b'x'; 60_000]);
    // Far more than the sockets' buffers and the queue hold, each time after others could run.
    for _ in 0..10_000 {
        transport.send(flow, long.clone());
        tokio::task::yield_now().await;
        if transport.counts().connections == 0 {
            break;
        }
    }
    assert_eq!(transport.counts().connections, 0);
    loop {
        match soon(incoming.recv()).await {
            Some(Incoming::ConnectionClosed { flow: closed }) => break assert_eq!(closed, flow),
            Some(Incoming::SendFailed { .. }) => {}
            other => panic!("not told: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_never_ends_a_message_is_closed() {
    let limits = Limits {
        unproven: Duration::from_millis(50),
        ..Limits::default()
    };
    let (transport, mut incoming, address) = tcp_with(limits).await;
    let mut silent = connect(address).await;
    assert_closed(&mut silent).await;
    next_close(&mut incoming).await;

    let mut slow = connect(address).await;
    let all = text("OPTIONS", 1) + "OPTIONS sip:anna";
    write(&mut slow, &all).await;
    assert_eq!(number_of(&next_message(&mut incoming).await.0), 1);
    next_close(&mut incoming).await;
    assert_eq!(transport.counts().connections, 0);
}

#[tokio::test]
async fn a_connection_is_closed_after_long_silence() {
    let limits = Limits {
        idle: Duration::from_millis(50),
        ..Limits::default()
    };
    let (_transport, mut incoming, address) = tcp_with(limits).await;
    let mut phone = phone(address).await;
    next_message(&mut incoming).await;
    next_close(&mut incoming).await;
    assert_closed(&mut phone).await;
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let limits = Limits {
        connections_per_source: 1,
        ..Limits::default()
    };
    let (transport, mut incoming, address) = tcp_with(limits).await;
    let first = phone(address).await;
    next_message(&mut incoming).await;
    let mut second = connect(address).await;
    assert_closed(&mut second).await;
    assert_eq!(transport.counts().connections_refused, 1);
    drop(first);
    next_close(&mut incoming).await;
    let mut third = connect(address).await;
    write(&mut third, &text("OPTIONS", 3)).await;
    assert_eq!(number_of(&next_message(&mut incoming).await.0), 3);
}

#[tokio::test]
async fn a_flood_fills_the_queue_and_no_more_and_calls_are_refused_without_retry_after() {
    let limits = Limits {
        queue: 16,
        ..Limits::default()
    };
    let (transport, mut incoming) = bind(&[(Protocol::Udp, "127.0.0.1:0")], limits).await;
    let address = transport.listening()[0].address;
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let send = async |method: &str, number: usize| {
        phone
            .send_to(text(method, number).as_bytes(), address)
            .await
            .expect("sent");
    };
    for number in 1..=100 {
        send("INVITE", number).await;
    }
    // Nine are taken: then less than half is free.
    for number in 10..=100 {
        let (response, _) = datagram(&phone).await;
        assert_eq!(
            (response.status, response.headers.value("Retry-After")),
            (503, None)
        );
        let cseq = response.headers.cseq().expect("CSeq");
        assert_eq!(cseq.number, number);
    }
    send("REGISTER", 101).await;
    let (response, _) = datagram(&phone).await;
    assert_eq!(
        (response.status, response.headers.value("Retry-After")),
        (503, Some("32"))
    );
    send("INVITE", 1).await;
    for number in 0..20 {
        send("ACK", 200 + number).await;
    }
    send("REGISTER", 102).await;
    assert_eq!(
        datagram(&phone)
            .await
            .0
            .headers
            .cseq()
            .expect("CSeq")
            .number,
        102
    );
    let mut taken = Vec::new();
    while let Ok(Incoming::Message { message, .. }) = incoming.try_recv() {
        taken.push(number_of(&message));
    }
    assert_eq!(taken, (1..=9).chain(200..=206).collect::<Vec<u32>>());
    assert_eq!(
        (transport.counts().refused, transport.counts().dropped),
        (93, 14)
    );
}

#[tokio::test]
async fn over_tcp_what_is_not_refused_waits_and_nothing_is_lost() {
    let limits = Limits {
        queue: 4,
        ..Limits::default()
    };
    let (_transport, mut incoming, address) = tcp_with(limits).await;
    let mut phone = connect(address).await;
    let all: String = (1..=50).map(|number| text("ACK", number)).collect();
    write(&mut phone, &all).await;
    for number in 1..=50 {
        assert_eq!(number_of(&next_message(&mut incoming).await.0), number);
    }
}

#[tokio::test]
async fn dropping_it_closes_every_socket() {
    let listen = [
        (Protocol::Udp, "127.0.0.1:0"),
        (Protocol::Tcp, "127.0.0.1:0"),
    ];
    let (transport, mut incoming) = bind(&listen, Limits::default()).await;
    let address = transport.listening()[1].address;
    let mut phone = phone(address).await;
    next_message(&mut incoming).await;
    drop(transport);
    assert_closed(&mut phone).await;
    // The queue ends when nobody is left who could put something in.
    while soon(incoming.recv()).await.is_some() {}
    TcpStream::connect(address)
        .await
        .expect_err("nobody listens");
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_what_to_do() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = taken.local_addr().expect("an address");
    let listen = Listen {
        protocol: Protocol::Udp,
        address,
    };
    let Err(error) = Transport::bind(&[listen], Limits::default()).await else {
        panic!("bound twice")
    };
    let expected = format!(
        "cannot listen on udp://{address}: Address already in use (os error 98). Another program \
         has this port (`ss -lnp` says which). Stop it, or change [sip] listen."
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_kernel_says_which_address_of_ours_a_destination_sees() {
    for (remote, local) in [("127.0.0.1:5060", "127.0.0.1"), ("[::1]:5060", "::1")] {
        let found = local_address_for(remote.parse().expect("an address")).expect("a route");
        assert_eq!(found.to_string(), local);
    }
}

//! What holds of every message: nothing panics, what is printed reads the same again, and a stream
//! gives the same messages however it was cut.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const INVITE: &str = "INVITE sip:+4722334455@10.0.0.5 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776asdhds;rport\r\n\
    v: SIP/2.0/TCP [2001:db8::9:1]:5061;branch=z9hG4bKx, SIP/2.0/UDP h.example;branch=z9hG4bKy\r\n\
    Max-Forwards: 70\r\n\
    f: \"Berg, Anna; <x>\" <sip:anna@example.com;user=phone>;tag=1928301774\r\n\
    To: <sip:+4722334455@10.0.0.5>\r\n\
    Call-ID: a84b4c76e66710@198.51.100.7\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:anna@198.51.100.7>\r\n\
    Route: <sip:a.example;lr>,\r\n <sip:b.example;lr>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 5\r\n\r\nv=0\r\n";

fn request_of(octets: &[u8]) -> Request {
    match Message::parse(octets) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

/// Asks a message all that it can be asked.
fn ask_everything(message: &Message) {
    let headers = message.headers();
    let _ = (
        headers.vias(),
        headers.from(),
        headers.to(),
        headers.contacts(),
    );
    let _ = (
        headers.cseq(),
        headers.max_forwards(),
        headers.expires(),
        headers.retry_after(),
    );
    let _ = (
        headers.route(),
        headers.record_route(),
        headers.from_tag(),
        headers.to_tag(),
    );
    if let Message::Request(request) = message {
        let _ = request.uri.parsed();
        if let Err(answer) = check_request(request) {
            answer.to_bytes();
        }
        request.response(180).to_bytes();
    }
}

/// Lines that count: Content-Length is made anew each time.
fn lines(headers: &Headers) -> Vec<(String, Vec<u8>)> {
    let is_length = |name: &str| ["content-length", "l"].contains(&&*name.to_ascii_lowercase());
    headers
        .lines()
        .filter(|(name, _)| !is_length(name))
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect()
}

fn assert_prints_the_same(message: &Message) {
    let again = Message::parse(&message.to_bytes()).expect("what we print can be read");
    assert_eq!(lines(message.headers()), lines(again.headers()));
    match (message, &again) {
        (Message::Request(a), Message::Request(b)) => {
            assert_eq!((&a.method, &a.uri, &a.body), (&b.method, &b.uri, &b.body));
        }
        (Message::Response(a), Message::Response(b)) => {
            assert_eq!(
                (a.status, &a.reason, &a.body),
                (b.status, &b.reason, &b.body)
            );
        }
        _ => panic!("a request became a response"),
    }
}

/// One change to some octets.
#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8),
    Insert(usize, Vec<u8>),
    Cut(usize, usize),
    Double(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let telling = prop::sample::select(b"\r\n \t:;,<>\"\\@/?=%*[]0\x00\xff".to_vec());
    let octet = prop_oneof![telling, any::<u8>()];
    prop_oneof![
        (any::<usize>(), octet.clone()).prop_map(|(at, octet)| Change::Put(at, octet)),
        (any::<usize>(), prop::collection::vec(octet, 1..6))
            .prop_map(|(at, octets)| Change::Insert(at, octets)),
        (any::<usize>(), 1usize..40).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<usize>(), 1usize..80).prop_map(|(at, length)| Change::Double(at, length)),
    ]
}

fn apply(octets: &mut Vec<u8>, change: Change) {
    if octets.is_empty() {
        return;
    }
    match change {
        Change::Put(at, octet) => {
            let at = at % octets.len();
            octets[at] = octet;
        }
        Change::Insert(at, inserted) => {
            let at = at % octets.len();
            octets.splice(at..at, inserted);
        }
        Change::Cut(at, length) => {
            let at = at % octets.len();
            octets.drain(at..(at + length).min(octets.len()));
        }
        Change::Double(at, length) => {
            let at = at % octets.len();
            let copy = octets[at..(at + length).min(octets.len())].to_vec();
            octets.splice(at..at, copy);
        }
    }
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,5})?".prop_map(Host::Name),
        any::<std::net::Ipv4Addr>().prop_map(|address| Host::Ip(address.into())),
        any::<std::net::Ipv6Addr>().prop_map(|address| Host::Ip(address.into())),
    ]
}

fn params() -> impl Strategy<Value = Params> {
    prop::collection::vec(
        (
            "[a-z+][a-z0-9.-]{0,8}",
            prop::option::of("[a-zA-Z0-9%.-]{1,10}"),
        ),
        0..4,
    )
    .prop_map(|list| {
        let mut params = Params::new();
        for (name, value) in list {
            params.set(&name, value.as_deref());
        }
        params
    })
}

fn uri() -> impl Strategy<Value = Uri> {
    (
        prop::option::of("\\PC{1,12}"),
        host(),
        prop::option::of(any::<u16>()),
        params(),
    )
        .prop_map(|(user, host, port, params)| {
            let mut uri = Uri::sip(user.as_deref(), host, port);
            uri.params = params;
            uri
        })
}

proptest! {
    #[test]
    fn a_uri_prints_and_reads_the_same(uri in uri()) {
        let text = uri.to_string();
        let again: Uri = text.parse().expect("what we print can be read");
        prop_assert_eq!(&again.user, &uri.user);
        prop_assert_eq!((&again.host, again.port, &again.params), (&uri.host, uri.port, &uri.params));
        prop_assert_eq!(again.to_string(), text);
        prop_assert!(again.equivalent(&uri));
    }

    #[test]
    fn an_address_prints_and_reads_the_same(
        name in prop::option::of("\\PC{1,16}"),
        uri in uri(),
        params in params(),
        quoted in prop::option::of("\\PC{0,12}"),
    ) {
        let mut address = NameAddr::new(uri).with_display_name(name.as_deref());
        address.params = params;
        address.params.set("said", quoted.as_deref());
        let again: NameAddr = address.to_string().parse().expect("what we print can be read");
        prop_assert_eq!(&again.display_name, &address.display_name);
        prop_assert_eq!(&again.params, &address.params);
        prop_assert!(again.uri.equivalent(&address.uri));
        prop_assert_eq!(again.to_string(), address.to_string());
    }

    #[test]
    fn a_via_prints_and_reads_the_same(host in host(), port in prop::option::of(any::<u16>()), branch in "[a-zA-Z0-9]{1,20}") {
        let mut via = Via::new("TCP", host, port, &branch);
        via.params.set("received", Some("2001:db8::1"));
        via.params.set("rport", None);
        let again: Via = via.to_string().parse().expect("what we print can be read");
        prop_assert_eq!(again.rport(), Some(None));
        prop_assert_eq!(again.received(), "2001:db8::1".parse().ok());
        prop_assert_eq!(again, via);
    }

    #[test]
    fn any_lines_and_any_body_print_and_read_the_same(
        extra in prop::collection::vec(("[A-Za-z0-9!%*_+~-]{1,14}", "\\PC{0,40}"), 0..12),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut request = request_of(INVITE.as_bytes());
        for (name, value) in &extra {
            let is_identity = ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "max-forwards", "content-length", "l"]
                .contains(&&*name.to_ascii_lowercase());
            if !is_identity {
                request.headers.push(name, value.trim_matches([' ', '\t']));
            }
        }
        request.body = Bytes::from(body);
        assert_prints_the_same(&Message::Request(request));
    }

    #[test]
    fn octets_never_panic_and_what_is_taken_prints_the_same(
        octets in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(message) = Message::parse(&octets) {
            ask_everything(&message);
            assert_prints_the_same(&message);
        }
    }

    #[test]
    fn broken_messages_never_panic_and_what_is_taken_prints_the_same(
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let mut octets = INVITE.as_bytes().to_vec();
        for change in changes {
            apply(&mut octets, change);
        }
        match Message::parse(&octets) {
            Ok(message) => {
                ask_everything(&message);
                assert_prints_the_same(&message);
            }
            Err(error) => {
                if let Some(answer) = error.answer {
                    prop_assert!(answer.headers.top_via().is_ok());
                    prop_assert!((400..600).contains(&answer.status));
                }
            }
        }
    }

    #[test]
    fn values_never_panic(text in "\\PC{0,40}", telling in "[ :;,<>\"\\\\@/?=%*\\[\\]a0.-]{0,24}") {
        for text in [&text, &telling] {
            let _ = (text.parse::<Uri>(), text.parse::<NameAddr>(), text.parse::<Via>(), text.parse::<Host>());
            let _ = auth_params(text);
            for scheme in ["sip:", "sips:", "tel:", "x:"] {
                if let Ok(uri) = format!("{scheme}{text}").parse::<Uri>() {
                    let again: Uri = uri.to_string().parse().expect("what we print can be read");
                    prop_assert!(again.equivalent(&uri), "{uri}");
                }
            }
            if let Ok(address) = text.parse::<NameAddr>() {
                let again: NameAddr = address.to_string().parse().expect("what we print can be read");
                prop_assert_eq!(again.to_string(), address.to_string());
            }
        }
    }

    #[test]
    fn a_stream_gives_the_same_messages_wherever_it_is_cut(
        pieces in prop::collection::vec(0usize..6, 1..8),
        changes in prop::collection::vec(change(), 0..3),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut octets = stream_of(&pieces);
        for change in changes {
            apply(&mut octets, change);
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        at.extend([0, octets.len()]);
        at.sort_unstable();
        let whole = read(&[&octets]);
        let parts: Vec<&[u8]> = at.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&parts), whole.clone());
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        prop_assert_eq!(read(&single), whole);
    }
}

fn stream_of(pieces: &[usize]) -> Vec<u8> {
    let mut octets = Vec::new();
    for piece in pieces {
        match piece {
            0 => octets.extend_from_slice(b"\r\n\r\n"),
            1 => octets.extend_from_slice(b"\r\n"),
            2 => octets.extend_from_slice(
                b"OPTIONS sip:a SIP/7.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 3\r\n\r\nabc",
            ),
            3 => octets.extend_from_slice(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            _ => octets.extend_from_slice(INVITE.as_bytes()),
        }
    }
    octets
}

/// All frames, and whether the stream was given up.
fn read(parts: &[&[u8]]) -> (Vec<Frame>, bool) {
    let mut reader = StreamReader::new();
    let mut frames = Vec::new();
    for part in parts {
        reader.push(part);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fn kinds(octets: &[u8]) -> (Vec<String>, bool) {
    let (frames, given_up) = read(&[octets]);
    let kinds = frames
        .into_iter()
        .map(|frame| match frame {
            Frame::KeepAlive => "keep-alive".to_owned(),
            Frame::Message(Ok(Message::Request(request))) => request.method.to_string(),
            Frame::Message(Ok(Message::Response(response))) => response.status.to_string(),
            Frame::Message(Err(ParseError {
                answer: Some(answer),
                ..
            })) => {
                format!("refused {}", answer.status)
            }
            Frame::Message(Err(_)) => "dropped".to_owned(),
        })
        .collect();
    (kinds, given_up)
}

#[test]
fn a_bad_message_whose_end_is_found_does_not_cost_the_connection() {
    let octets = stream_of(&[5, 2, 1, 3, 0, 5]);
    let expected = ["INVITE", "refused 505", "dropped", "keep-alive", "INVITE"];
    assert_eq!(
        kinds(&octets),
        (expected.map(str::to_owned).to_vec(), false)
    );
}

#[test]
fn a_message_that_is_too_large_is_refused_and_skipped() {
    let large = INVITE.replace("Content-Length: 5", "Content-Length: 70000");
    let mut octets = large.trim_end_matches("v=0\r\n").as_bytes().to_vec();
    octets.extend(vec![b'x'; 70_000]);
    octets.extend_from_slice(INVITE.as_bytes());
    let expected = ["refused 513", "INVITE"].map(str::to_owned).to_vec();
    assert_eq!(kinds(&octets), (expected, false));
}

#[test]
fn a_stream_without_ends_is_given_up() {
    let endless = [
        b"INVITE sip:a SIP/2.0\r\nX: ".to_vec(),
        vec![b'x'; MAX_MESSAGE_OCTETS],
    ]
    .concat();
    assert_eq!(kinds(&endless), (vec![], true));
    for (from, to, answer) in [
        (
            "Content-Length: 5",
            "Content-Length: -5",
            Some("refused 400"),
        ),
        (
            "Content-Length: 5",
            "Content-Length: 5\r\nl: 6",
            Some("refused 400"),
        ),
        (
            "Content-Length: 5",
            "Content-Length: 18446744073709551616",
            Some("refused 400"),
        ),
        (
            "Content-Length: 5",
            "Content-Length: 4000000000",
            Some("refused 513"),
        ),
        ("Content-Length: 5", "X: y", Some("refused 400")),
    ] {
        let octets = INVITE.replace(from, to);
        let expected: Vec<String> = answer.into_iter().map(str::to_owned).collect();
        assert_eq!(kinds(octets.as_bytes()), (expected, true), "{to}");
    }
}

#[test]
fn an_octet_that_is_not_text_costs_its_value_alone() {
    let mut octets = INVITE
        .replace("Max-Forwards", "Subject: caf\u{1}\r\nMax-Forwards")
        .into_bytes();
    let at = octets
        .iter()
        .position(|octet| *octet == 1)
        .expect("is there");
    octets[at] = 0xe9;
    let request = request_of(&octets);
    assert_eq!(request.headers.value("Subject"), None);
    assert_eq!(check_request(&request), Ok(()));
    let kept: Vec<&[u8]> = request
        .headers
        .lines()
        .filter(|(name, _)| *name == "Subject")
        .map(|(_, value)| value)
        .collect();
    assert_eq!(kept, [b"caf\xe9"]);
    assert_prints_the_same(&Message::Request(request));
}

#[test]
fn a_body_is_kept_octet_by_octet() {
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\nINVITE").collect();
    let request = request_of(INVITE.as_bytes()).with_body("application/octet-stream", body.clone());
    let again = request_of(&request.to_bytes());
    assert_eq!(again.body, body);
}

#[test]
fn without_content_length_a_datagram_is_all_body() {
    let octets = INVITE.replace("Content-Length: 5\r\n", "");
    assert_eq!(request_of(octets.as_bytes()).body, "v=0\r\n");
    let longer = format!("{INVITE}and what follows");
    assert_eq!(request_of(longer.as_bytes()).body, "v=0\r\n");
}

#[test]
fn line_feeds_alone_and_a_missing_last_line_are_read() {
    let octets = INVITE
        .replace("\r\n", "\n")
        .replace("Content-Length: 5", "l:4");
    assert_eq!(request_of(octets.as_bytes()).body, "v=0\n");
    let cut = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS";
    assert_eq!(request_of(cut.as_bytes()).method, Method::Options);
}

#[test]
fn an_answer_without_a_transaction_has_a_tag_that_stays_the_same() {
    let octets = INVITE.replace("CSeq: 314159 INVITE", "CSeq: 314159 BYE");
    let tag = || match Message::parse(octets.as_bytes()) {
        Err(ParseError {
            answer: Some(answer),
            ..
        }) => answer.headers.to_tag().map(str::to_owned),
        other => panic!("not refused: {other:?}"),
    };
    assert!(tag().is_some_and(|tag| tag.len() == 16));
    assert_eq!(tag(), tag());
}

#[test]
fn an_empty_user_part_is_none() {
    let uri: Uri = "sip:@192.0.2.1".parse().expect("carriers send it");
    assert_eq!(
        (uri.user.as_deref(), uri.to_string()),
        (None, "sip:192.0.2.1".to_owned())
    );
}

/// A form feed is no white space of SIP.
#[test]
fn folded_values_end_where_their_text_ends() {
    let octets = INVITE.replace(
        "Max-Forwards",
        "Subject: a \r\n\t b\r \x0c\r\r\r\nMax-Forwards",
    );
    let request = request_of(octets.as_bytes());
    assert_eq!(request.headers.value("Subject"), Some("a b \u{c}"));
    assert_prints_the_same(&Message::Request(request));
}

#[test]
fn no_value_begins_another_line() {
    let request = request_of(INVITE.as_bytes())
        .with_header("Reason", "x\r\nInjected: yes\r\n\r\nbody")
        .with_header(
            "Subject",
            NameAddr::new(Uri::sip(Some("a\r\nb"), Host::Name("h".to_owned()), None)),
        );
    let again = request_of(&request.to_bytes());
    assert!(!again.headers.contains("Injected"));
    assert_eq!(again.headers.value("Subject"), Some("<sip:a%0D%0Ab@h>"));
    assert_eq!(again.body, "v=0\r\n");
}

#[test]
fn lines_are_added_taken_away_and_put_in_place() {
    let mut headers = request_of(INVITE.as_bytes()).headers;
    headers.push_first("Via", "SIP/2.0/UDP new;branch=z9hG4bKnew");
    let branches: Vec<Option<String>> = headers
        .vias()
        .expect("well-formed")
        .iter()
        .map(|via| via.branch().map(str::to_owned))
        .collect();
    assert_eq!(branches.len(), 4);
    assert_eq!(branches[0].as_deref(), Some("z9hG4bKnew"));
    let mut third = headers.vias().expect("well-formed")[2].clone();
    headers.remove("via");
    assert!(!headers.contains("v"));
    headers.push("v", format!("{third}, SIP/2.0/UDP last"));
    third.params.set("received", Some("192.0.2.9"));
    headers.replace_top_via(&third);
    let vias = headers.vias().expect("well-formed");
    assert_eq!(
        (vias[0].received(), vias[1].host.to_string()),
        ("192.0.2.9".parse().ok(), "last".to_owned())
    );
    headers.replace("cseq", "7 BYE");
    assert_eq!(headers.cseq().map(|cseq| cseq.number), Ok(7));
    assert_eq!(headers.count("CSeq"), 1);
    assert_eq!(
        headers.list("Route").collect::<Vec<_>>(),
        ["<sip:a.example;lr>", "<sip:b.example;lr>"]
    );
}

#[test]
fn a_response_copies_what_it_must_and_nothing_else() {
    let octets = INVITE.replace("Max-Forwards", "Timestamp: 54\r\nMax-Forwards");
    let mut request = request_of(octets.as_bytes());
    let mut top = request.headers.top_via().expect("well-formed");
    top.params.set("rport", Some("5099"));
    request.headers.replace_top_via(&top);
    let text =
        |status| String::from_utf8(request.response(status).to_bytes().to_vec()).expect("text");
    assert_eq!(
        text(486),
        "SIP/2.0 486 Busy Here\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776asdhds;rport=5099\r\n\
         v: SIP/2.0/TCP [2001:db8::9:1]:5061;branch=z9hG4bKx, SIP/2.0/UDP h.example;branch=z9hG4bKy\r\n\
         f: \"Berg, Anna; <x>\" <sip:anna@example.com;user=phone>;tag=1928301774\r\n\
         To: <sip:+4722334455@10.0.0.5>\r\n\
         Call-ID: a84b4c76e66710@198.51.100.7\r\n\
         CSeq: 314159 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert!(text(100).contains("Timestamp: 54\r\n"));
}

#[test]
fn uris_are_the_same_where_the_rfc_says_so() {
    let same = |a: &str, b: &str| {
        let (a, b): (Uri, Uri) = (a.parse().expect("a URI"), b.parse().expect("a URI"));
        assert_eq!(a.equivalent(&b), b.equivalent(&a));
        a.equivalent(&b)
    };
    // RFC 3261 §19.1.4
    assert!(same(
        "sip:%61lice@atlanta.com;transport=TCP",
        "sip:alice@AtLanTa.CoM;Transport=tcp"
    ));
    assert!(same(
        "sip:carol@chicago.com",
        "sip:carol@chicago.com;newparam=5"
    ));
    assert!(same(
        "sip:carol@chicago.com;security=on",
        "sip:carol@chicago.com;newparam=5"
    ));
    assert!(same(
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"
    ));
    assert!(same(
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x"
    ));
    assert!(!same(
        "SIP:ALICE@AtLanTa.CoM;Transport=udp",
        "sip:alice@AtLanTa.CoM;Transport=UDP"
    ));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
    assert!(!same(
        "sip:bob@biloxi.com",
        "sip:bob@biloxi.com;transport=udp"
    ));
    assert!(!same(
        "sip:carol@chicago.com",
        "sip:carol@chicago.com?Subject=next%20meeting"
    ));
    assert!(!same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
    assert!(!same(
        "sip:carol@chicago.com;security=on",
        "sip:carol@chicago.com;security=off"
    ));
    assert!(!same("sip:user%3Bpar@h", "sip:user;par@h"));
    assert!(!same("sips:a@h", "sip:a@h"));
    assert!(same("tel:+47-22-33-44-55", "tel:+4722334455"));
}

/// Where rsip reads a message, it says the same as we do.
#[test]
fn rsip_agrees_on_well_formed_messages() {
    use rsip::prelude::{HeadersExt, UntypedHeader};
    let octets = INVITE
        .replace("v: SIP/2.0/TCP [2001:db8::9:1]:5061;branch=z9hG4bKx, SIP/2.0/UDP h.example;branch=z9hG4bKy\r\n", "")
        .replace("f: \"Berg, Anna; <x>\"", "From: Anna")
        .replace(",\r\n ", ", ");
    let ours = request_of(octets.as_bytes());
    let theirs = rsip::Request::try_from(octets.as_bytes()).expect("rsip reads it");
    assert_eq!(theirs.method.to_string(), ours.method.as_str());
    assert_eq!(theirs.uri.to_string(), ours.uri.as_str());
    assert_eq!(theirs.body, ours.body);
    assert_eq!(
        theirs.call_id_header().expect("is there").value(),
        ours.headers.call_id().expect("is there")
    );
    let from = theirs.from_header().expect("is there").typed_value();
    let our_from = ours.headers.from().expect("is there");
    assert_eq!(from.0, our_from.display_name);
    assert_eq!(from.1, our_from.uri.to_string());
    assert_eq!(Some(&*from.2), our_from.tag());
}

trait TypedValue {
    fn typed_value(&self) -> (Option<String>, String, String);
}

impl TypedValue for rsip::headers::From {
    fn typed_value(&self) -> (Option<String>, String, String) {
        use rsip::headers::ToTypedHeader;
        let typed = self.typed().expect("rsip reads it");
        let tag = typed.tag().map(|tag| tag.to_string()).unwrap_or_default();
        (typed.display_name.clone(), typed.uri.to_string(), tag)
    }
}

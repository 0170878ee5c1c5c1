use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn ours() -> LocalMedia {
    LocalMedia {
        address: "10.0.0.5".parse().unwrap(),
        port: 16_384,
        codecs: CODECS.to_vec(),
        signalling: "10.0.3.4".parse().unwrap(),
    }
}

fn leg() -> SdpSession {
    SdpSession::new(ours(), 0x1234)
}

fn sdp(lines: &str) -> Vec<u8> {
    let head = "v=0\no=x 1 1 IN IP4 10.0.3.4\ns=-\nc=IN IP4 10.0.3.4\nt=0 0\n";
    format!("{head}{lines}").replace('\n', "\r\n").into_bytes()
}

fn answered(lines: &str) -> Result<(String, Agreement), SdpError> {
    leg()
        .answer(&sdp(lines), None, Direction::SendRecv)
        .map(|(body, agreement)| (text(&body), agreement))
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec())
        .unwrap()
        .replace("\r\n", "\n")
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn our_offer() {
    let body = leg().offer(Direction::SendRecv);
    assert!(body.ends_with(b"a=sendrecv\r\n"));
    insta::assert_snapshot!(text(&body), @"
    v=0
    o=- 1165 1 IN IP4 10.0.0.5
    s=-
    c=IN IP4 10.0.0.5
    t=0 0
    m=audio 16384 RTP/AVP 0 8 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=ptime:20
    a=maxptime:60
    a=sendrecv
    ");
}

#[test]
fn our_answer_to_a_desk_phone() {
    let (body, agreement) = answered(
        "m=audio 11800 RTP/AVP 9 8 0 18 96\na=rtpmap:9 G722/8000\na=rtpmap:8 PCMA/8000\n\
         a=rtpmap:0 PCMU/8000\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\n\
         a=rtpmap:96 telephone-event/8000\na=fmtp:96 0-15\na=ptime:30\na=sendrecv\n",
    )
    .unwrap();
    insta::assert_snapshot!(body, @"
    v=0
    o=- 1165 1 IN IP4 10.0.0.5
    s=-
    c=IN IP4 10.0.0.5
    t=0 0
    m=audio 16384 RTP/AVP 8 96
    a=rtpmap:8 PCMA/8000
    a=rtpmap:96 telephone-event/8000
    a=fmtp:96 0-15
    a=ptime:30
    a=maxptime:60
    a=sendrecv
    ");
    let expected = Agreement {
        codec: Codec::Pcma,
        send_payload_type: 8,
        receive_payload_types: vec![(8, Codec::Pcma)],
        events: Some((96, 96)),
        ptime: millis(30),
        direction: Direction::SendRecv,
        remote: "10.0.3.4:11800".parse().unwrap(),
        remote_rtcp: "10.0.3.4:11801".parse().unwrap(),
        signalling: "10.0.3.4".parse().unwrap(),
        remote_is_private: true,
    };
    assert_eq!(agreement, expected);
}

#[test]
fn the_other_legs_codec_is_taken_where_the_offer_has_it() {
    let offer = sdp("m=audio 4000 RTP/AVP 8 0\n");
    let codec = |preferred| {
        let answer = leg().answer(&offer, preferred, Direction::SendRecv);
        answer.unwrap().1.codec
    };
    assert_eq!(codec(None), Codec::Pcma);
    assert_eq!(codec(Some(Codec::Pcmu)), Codec::Pcmu);
    assert_eq!(codec(Some(Codec::Pcma)), Codec::Pcma);

    let only_pcmu = sdp("m=audio 4000 RTP/AVP 0\n");
    let answer = leg().answer(&only_pcmu, Some(Codec::Pcma), Direction::SendRecv);
    assert_eq!(answer.unwrap().1.codec, Codec::Pcmu);
}

#[test]
fn a_codec_in_use_is_kept() {
    let mut leg = leg();
    let offer = sdp("m=audio 4000 RTP/AVP 8 0\n");
    let first = leg.answer(&offer, Some(Codec::Pcmu), Direction::SendRecv);
    assert_eq!(first.unwrap().1.codec, Codec::Pcmu);
    let again = leg.answer(&offer, None, Direction::SendRecv);
    assert_eq!(again.unwrap().1.codec, Codec::Pcmu);
    let without = sdp("m=audio 4000 RTP/AVP 8\n");
    let changed = leg.answer(&without, None, Direction::SendRecv);
    assert_eq!(changed.unwrap().1.codec, Codec::Pcma);
}

#[test]
fn the_callers_favourite_is_offered_first() {
    let address = ours().address;
    for (formats, expected) in [
        ("8 0", [Codec::Pcma, Codec::Pcmu]),
        ("0 8", [Codec::Pcmu, Codec::Pcma]),
        ("18 8", [Codec::Pcma, Codec::Pcmu]),
        ("0", [Codec::Pcmu, Codec::Pcma]),
    ] {
        let offer = sdp(&format!("m=audio 4000 RTP/AVP {formats}\n"));
        assert_eq!(codecs_offered(&offer, address).unwrap(), expected);
    }
    let mut local = ours();
    local.codecs = vec![Codec::Pcma, Codec::Pcmu];
    let body = SdpSession::new(local, 1).offer(Direction::SendRecv);
    assert!(text(&body).contains("m=audio 16384 RTP/AVP 8 0 101\n"));
}

#[test]
fn g711_under_a_dynamic_number_is_known_by_its_name() {
    let (body, agreement) =
        answered("m=audio 4000 RTP/AVP 97 98\na=rtpmap:97 opus/48000/2\na=rtpmap:98 pcmu/8000/1\n")
            .unwrap();
    assert!(body.contains("m=audio 16384 RTP/AVP 98\na=rtpmap:98 PCMU/8000\n"));
    assert_eq!(agreement.send_payload_type, 98);
    assert_eq!(agreement.receive_payload_types, [(98, Codec::Pcmu)]);
}

#[test]
fn a_name_wins_over_the_static_number() {
    let offered = answered("m=audio 4000 RTP/AVP 0 8\na=rtpmap:0 PCMU/16000\n");
    assert_eq!(offered.unwrap().1.codec, Codec::Pcma);
}

#[test]
fn key_presses_need_the_audio_clock() {
    let offered =
        answered("m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/48000\n").unwrap();
    assert_eq!(offered.1.events, None);
    assert!(!offered.0.contains("telephone-event"));
}

#[test]
fn packet_lengths_are_those_that_we_can_send() {
    for (lines, expected) in [
        ("", 20),
        ("a=ptime:10\n", 10),
        ("a=ptime:60\n", 60),
        ("a=ptime:120\n", 60),
        ("a=ptime:5\n", 10),
        ("a=ptime:0\n", 20),
        ("a=ptime:25\n", 20),
        ("a=ptime:20.0\n", 20),
        ("a=ptime:soon\n", 20),
        ("a=maxptime:10\n", 10),
        ("a=ptime:40\na=maxptime:30\n", 30),
        ("a=maxptime:150\n", 20),
    ] {
        let offer = format!("m=audio 4000 RTP/AVP 0\n{lines}");
        assert_eq!(
            answered(&offer).unwrap().1.ptime,
            millis(expected),
            "{lines:?}"
        );
    }
}

#[test]
fn hold_and_resume() {
    let mut leg = leg();
    let mut ask = |lines: &str| {
        let (body, agreement) = leg.answer(&sdp(lines), None, Direction::SendRecv).unwrap();
        let origin = text(&body).lines().nth(1).unwrap().to_owned();
        let said = text(&body).lines().last().unwrap().to_owned();
        (origin, said, agreement.direction, agreement.is_held())
    };
    let origin = |version| format!("o=- 1165 {version} IN IP4 10.0.0.5");
    assert_eq!(
        ask("m=audio 4000 RTP/AVP 0\n"),
        (origin(1), "a=sendrecv".into(), Direction::SendRecv, false)
    );
    assert_eq!(
        ask("m=audio 4000 RTP/AVP 0\na=sendonly\n"),
        (origin(2), "a=recvonly".into(), Direction::RecvOnly, true)
    );
    assert_eq!(
        ask("m=audio 4000 RTP/AVP 0\na=sendonly\n").0,
        origin(2),
        "nothing changed"
    );
    assert_eq!(
        ask("m=audio 4000 RTP/AVP 0\na=inactive\n"),
        (origin(3), "a=inactive".into(), Direction::Inactive, true)
    );
    assert_eq!(
        ask("m=audio 4000 RTP/AVP 0\na=recvonly\n"),
        (origin(4), "a=sendonly".into(), Direction::SendOnly, false)
    );
    assert_eq!(
        ask("c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\n"),
        (origin(5), "a=recvonly".into(), Direction::RecvOnly, true)
    );
    assert_eq!(
        ask("m=audio 4000 RTP/AVP 0\na=sendrecv\n"),
        (origin(6), "a=sendrecv".into(), Direction::SendRecv, false)
    );
}

#[test]
fn direction_and_address_hold_for_all_media_unless_one_says_otherwise() {
    let agreement = answered("a=sendonly\nm=audio 4000 RTP/AVP 0\n").unwrap().1;
    assert_eq!(agreement.direction, Direction::RecvOnly);

    let own = "a=inactive\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.9\na=sendrecv\n";
    let agreement = answered(own).unwrap().1;
    assert_eq!(agreement.direction, Direction::SendRecv);
    assert_eq!(agreement.remote, "192.0.2.9:4000".parse().unwrap());
    assert!(!agreement.remote_is_private);
}

#[test]
fn our_own_wish_limits_the_direction() {
    let offer = sdp("m=audio 4000 RTP/AVP 0\n");
    let (body, agreement) = leg().answer(&offer, None, Direction::SendOnly).unwrap();
    assert!(text(&body).ends_with("a=sendonly\n"));
    assert_eq!(agreement.direction, Direction::SendOnly);

    let held = sdp("m=audio 4000 RTP/AVP 0\na=sendonly\n");
    let (body, agreement) = leg().answer(&held, None, Direction::SendOnly).unwrap();
    assert!(text(&body).ends_with("a=inactive\n"));
    assert_eq!(agreement.direction, Direction::Inactive);
}

#[test]
fn of_several_media_lines_the_first_usable_audio_is_taken() {
    let (body, agreement) = answered(
        "m=video 5000 RTP/AVP 96\na=rtpmap:96 VP8/90000\nm=audio 0 RTP/AVP 0\n\
         m=audio 5002 RTP/SAVP 0\nm=audio 5004 RTP/AVP 18\nm=audio 5006 RTP/AVPF 8 0\n\
         m=audio 5008 RTP/AVP 0\nm=application 5010 UDP/DTLS/SCTP webrtc-datachannel\n",
    )
    .unwrap();
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with("m=")).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    m=video 0 RTP/AVP 96
    m=audio 0 RTP/AVP 0
    m=audio 0 RTP/SAVP 0
    m=audio 0 RTP/AVP 18
    m=audio 16384 RTP/AVPF 8
    m=audio 0 RTP/AVP 0
    m=application 0 UDP/DTLS/SCTP webrtc-datachannel
    ");
    assert_eq!(agreement.remote.port(), 5006);
}

#[test]
fn a_later_offer_of_ours_repeats_every_media_line() {
    let mut leg = leg();
    let offer = sdp(
        "m=video 5000 RTP/AVP 96\nm=audio 5002 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\n",
    );
    leg.answer(&offer, None, Direction::SendRecv).unwrap();
    let body = leg.offer(Direction::SendOnly);
    insta::assert_snapshot!(text(&body), @"
    v=0
    o=- 1165 2 IN IP4 10.0.0.5
    s=-
    c=IN IP4 10.0.0.5
    t=0 0
    m=video 0 RTP/AVP 96
    m=audio 16384 RTP/AVP 0 8 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=ptime:20
    a=maxptime:60
    a=sendonly
    ");
    let answer = sdp("m=video 0 RTP/AVP 96\nm=audio 5002 RTP/AVP 8\na=recvonly\n");
    let agreement = leg.accept(&answer).unwrap();
    assert_eq!(agreement.direction, Direction::SendOnly);
    assert_eq!(agreement.events, None);
}

#[test]
fn a_number_keeps_its_meaning_within_a_call() {
    let mut leg = leg();
    let offer = sdp(
        "m=audio 5002 RTP/AVP 101 97\na=rtpmap:101 PCMA/8000\na=rtpmap:97 telephone-event/8000\n",
    );
    leg.answer(&offer, None, Direction::SendRecv).unwrap();
    let body = text(&leg.offer(Direction::SendRecv));
    assert!(body.contains("m=audio 16384 RTP/AVP 0 101 97\n"), "{body}");
}

#[test]
fn an_answer_says_which_numbers_to_send() {
    let mut leg = leg();
    leg.offer(Direction::SendRecv);
    let agreement = leg
        .accept(&sdp(
            "m=audio 7000 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000\na=ptime:20\na=rtcp:7009\n",
        ))
        .unwrap();
    assert_eq!(agreement.codec, Codec::Pcma);
    assert_eq!(agreement.send_payload_type, 8);
    assert_eq!(
        agreement.receive_payload_types,
        [(0, Codec::Pcmu), (8, Codec::Pcma)]
    );
    assert_eq!(agreement.events, Some((96, 101)));
    assert_eq!(agreement.remote_rtcp, "10.0.3.4:7009".parse().unwrap());
    assert_eq!(leg.agreed(), Some(&agreement));
}

#[test]
fn an_answer_may_repeat_our_number_without_its_meaning() {
    let mut leg = leg();
    leg.offer(Direction::SendRecv);
    let agreement = leg.accept(&sdp("m=audio 7000 RTP/AVP 0 101\n")).unwrap();
    assert_eq!(agreement.events, Some((101, 101)));
}

#[test]
fn answers_that_agree_on_nothing() {
    for (lines, expected) in [
        (
            "m=audio 0 RTP/AVP 0\n",
            "the SDP has no audio (media lines: audio 0 RTP/AVP)",
        ),
        ("", "the answer has no media line 1 as our offer has"),
        (
            "m=audio 7000 RTP/AVP 18\n",
            "no codec in common: they have payload type 18; we have PCMU and PCMA",
        ),
    ] {
        let mut leg = leg();
        leg.offer(Direction::SendRecv);
        let error = leg.accept(&sdp(lines)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(leg.agreed(), None);
    }
}

#[test]
fn media_that_is_disabled_and_enabled_again() {
    let mut leg = leg();
    let offer = sdp("m=audio 4000 RTP/AVP 0\n");
    leg.answer(&offer, None, Direction::SendRecv).unwrap();

    let disabled = sdp("m=audio 0 RTP/AVP 0\n");
    let (body, agreement) = leg.answer(&disabled, None, Direction::SendRecv).unwrap();
    assert!(text(&body).ends_with("m=audio 0 RTP/AVP 0\n"));
    assert_eq!(agreement.direction, Direction::Inactive);
    assert_eq!(agreement.remote.port(), 4000);

    let (body, agreement) = leg.answer(&offer, None, Direction::SendRecv).unwrap();
    assert!(text(&body).contains("m=audio 16384 RTP/AVP 0\n"));
    assert!(text(&body).contains("o=- 1165 3 "));
    assert_eq!(agreement.direction, Direction::SendRecv);
}

#[test]
fn what_rtcp_says() {
    for (lines, expected) in [
        ("", "10.0.3.4:4001"),
        ("a=rtcp:5055\n", "10.0.3.4:5055"),
        ("a=rtcp:5055 IN IP4 192.0.2.1\n", "192.0.2.1:5055"),
        ("a=rtcp:5055 IN IP6 2001:db8::1\n", "10.0.3.4:5055"),
        ("a=rtcp-mux\na=rtcp:4000\n", "10.0.3.4:4001"),
        ("a=rtcp:0\n", "10.0.3.4:4001"),
        ("a=rtcp\n", "10.0.3.4:4001"),
    ] {
        let offer = format!("m=audio 4000 RTP/AVP 0\n{lines}");
        let agreement = answered(&offer).unwrap().1;
        assert_eq!(
            agreement.remote_rtcp,
            expected.parse().unwrap(),
            "{lines:?}"
        );
    }
    let highest = answered("m=audio 65535 RTP/AVP 0\n").unwrap().1;
    assert_eq!(highest.remote_rtcp.port(), 65_535);
}

#[test]
fn a_call_over_ipv6() {
    let mut local = ours();
    local.address = "2001:db8::5".parse().unwrap();
    let mut leg = SdpSession::new(local, 8);
    let offer = "v=0\r\no=- 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 0\r\n";
    let (body, agreement) = leg
        .answer(offer.as_bytes(), None, Direction::SendRecv)
        .unwrap();
    assert!(text(&body).contains("o=- 2 1 IN IP6 2001:db8::5\ns=-\nc=IN IP6 2001:db8::5\n"));
    assert_eq!(agreement.remote, "[2001:db8::9]:4000".parse().unwrap());
    assert_eq!(agreement.remote_rtcp, "[2001:db8::9]:4001".parse().unwrap());

    let error = leg
        .answer(&sdp("m=audio 4000 RTP/AVP 0\n"), None, Direction::SendRecv)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "media address 10.0.3.4 is IPv4, and our side of this leg IPv6"
    );
}

#[test]
fn refused_offers_say_why_and_with_which_status() {
    let cases: [(&[u8], u16, &str); 12] = [
        (b"", 400, "the SDP cannot be read: No version line"),
        (b"hello", 400, "the SDP cannot be read: No version line"),
        (b"v=0\r\n", 488, "the SDP has no audio (media lines: none)"),
        (
            b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
            400,
            "the SDP cannot be read: audio without a c= line",
        ),
        (
            b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 99999 RTP/AVP 0\r\n",
            400,
            "the SDP cannot be read: Invalid field formatting in line 3 at Media port",
        ),
        (
            b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/SAVP 0\r\n",
            488,
            "the SDP has audio over RTP/SAVP only; this version speaks RTP/AVP: turn SRTP off, or to optional",
        ),
        (
            b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 18 96\r\na=rtpmap:96 opus/48000/2\r\n",
            488,
            "no codec in common: they have payload type 18, opus/48000; we have PCMU and PCMA",
        ),
        (
            b"v=0\r\nc=IN IP4 phone.example.com\r\nm=audio 4000 RTP/AVP 0\r\n",
            488,
            "media address phone.example.com is no IP address; names are not looked up for media",
        ),
        (
            b"v=0\r\nc=IN IP4 224.2.1.1/127\r\nm=audio 4000 RTP/AVP 0\r\n",
            488,
            "media address 224.2.1.1/127 is an address of many; we talk to one",
        ),
        (
            b"v=0\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n",
            488,
            "media address 2001:db8::1 is IPv6, and our side of this leg IPv4",
        ),
        (
            b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=video 4000 RTP/AVP 31\r\nm=audio 0 RTP/AVP 0\r\n",
            488,
            "the SDP has no audio (media lines: video 4000 RTP/AVP, audio 0 RTP/AVP)",
        ),
        (&[b'v'; 70_000], 413, "the SDP has 70000 octets, more than 65536"),
    ];
    for (offer, status, sentence) in cases {
        let error = leg().answer(offer, None, Direction::SendRecv).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.status()),
            (sentence, status)
        );
        assert_eq!(codecs_offered(offer, ours().address), Err(error));
    }
}

#[test]
fn too_many_media_lines_are_refused() {
    let offer = sdp(&"m=video 1 RTP/AVP 31\n".repeat(40));
    let error = leg().answer(&offer, None, Direction::SendRecv).unwrap_err();
    assert_eq!(error.status(), 400);
}

#[test]
fn a_refused_offer_leaves_the_leg_as_it_was() {
    let mut leg = leg();
    let offer = sdp("m=audio 4000 RTP/AVP 8\n");
    let (first, agreement) = leg.answer(&offer, None, Direction::SendRecv).unwrap();
    let wrong = sdp("m=audio 4000 RTP/AVP 18\n");
    leg.answer(&wrong, None, Direction::SendRecv).unwrap_err();
    assert_eq!(leg.agreed(), Some(&agreement));
    let again = leg.answer(&offer, None, Direction::SendRecv).unwrap();
    assert_eq!(again, (first, agreement));
}

#[test]
fn bodies_as_real_phones_write_them() {
    let bodies: [&[u8]; 7] = [
        // Line feeds only, no end of the last line, no t=.
        b"v=0\no=- 1 1 IN IP4 10.1.1.1\ns=-\nc=IN IP4 10.1.1.1\nm=audio 4000 RTP/AVP 0 8",
        // A space in the user name of o=, an empty s=, a t= that is none.
        b"v=0\r\no=My Phone 1 1 IN IP4 10.1.1.1\r\ns=\r\nt=now\r\nc=IN IP4 10.1.1.1\r\nm=audio 4000 RTP/AVP 0\r\n",
        // Spaces at ends and doubled, blank lines, a NUL at the end.
        b"\r\nv=0 \r\nc=IN  IP4 10.1.1.1 \r\n\r\nm=audio  4000  RTP/AVP  0  8 \r\n\0",
        // c= twice, b= without a value, an octet that is not UTF-8.
        b"v=0\r\ns=caf\xe9\r\nc=IN IP4 10.1.1.1\r\nc=IN IP4 10.1.1.1\r\nb=\r\nm=audio 4000 RTP/AVP 0\r\na=x:\xff\r\n",
        // Lines that are not lines.
        b"v=0\r\nwhat\r\nc=IN IP4 10.1.1.1\r\n=\r\nm=audio 4000 RTP/AVP 0\r\nxy=z\r\n",
        // A number of ports, a TTL on a unicast address, rtpmap with spaces.
        b"v=0\r\nc=IN IP4 10.1.1.1/127\r\nm=audio 4000/2 RTP/AVP 0\r\na=rtpmap: 0 PCMU/8000\r\n",
        // BUNDLE, mid, ICE, DTLS, as a browser's gateway leaves them.
        b"v=0\r\na=group:BUNDLE 0\r\nc=IN IP4 10.1.1.1\r\nm=audio 4000 RTP/AVP 0\r\na=mid:0\r\na=ice-ufrag:x\r\na=candidate:1 1 UDP 1 10.1.1.1 4000 typ host\r\na=rtcp-mux\r\n",
    ];
    for body in bodies {
        let result = leg().answer(body, None, Direction::SendRecv);
        let (_, agreement) = result.unwrap_or_else(|error| {
            panic!("{error} in {:?}", String::from_utf8_lossy(body));
        });
        assert_eq!(agreement.remote, "10.1.1.1:4000".parse().unwrap());
        assert_eq!(agreement.codec, Codec::Pcmu);
    }
}

#[test]
fn private_addresses_are_known() {
    for (address, private) in [
        ("10.1.2.3", true),
        ("172.31.0.1", true),
        ("172.32.0.1", false),
        ("192.168.1.1", true),
        ("100.64.0.1", true),
        ("100.128.0.1", false),
        ("169.254.1.1", true),
        ("127.0.0.1", true),
        ("203.0.113.7", false),
        ("::1", true),
        ("fd00::1", true),
        ("fe80::1", true),
        ("2001:db8::1", false),
        ("::ffff:10.0.0.1", true),
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(is_private(address), private, "{address}");
    }
}

proptest! {
    #[test]
    fn no_octets_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = leg().answer(&body, None, Direction::SendRecv);
        let mut offering = leg();
        offering.offer(Direction::SendRecv);
        let _ = offering.accept(&body);
    }

    #[test]
    fn no_lines_panic_and_every_answer_has_as_many_media_lines_as_its_offer(
        lines in prop::collection::vec(
            prop_oneof![
                Just("c=IN IP4 10.0.0.9".to_owned()),
                Just("c=IN IP4 0.0.0.0".to_owned()),
                Just("a=sendonly".to_owned()),
                "m=(audio|video) (0|4000|70000|1/2) (RTP/AVP|RTP/SAVP|x) ([0-9]{1,3} ){0,3}[0-9]",
                "a=rtpmap:[0-9]{1,3} (PCMU|PCMA|telephone-event|G729)/(8000|16000)(/[12])?",
                "a=(ptime|maxptime|rtcp):[0-9]{0,12}",
                "[a-z]=[ -~]{0,20}",
            ],
            0..14,
        ),
    ) {
        let offer = format!("v=0\r\n{}\r\n", lines.join("\r\n")).into_bytes();
        let mut answering = leg();
        if let Ok((body, agreement)) = answering.answer(&offer, None, Direction::SendRecv) {
            let count = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(count(&text(&body)), count(&String::from_utf8_lossy(&offer)));
            prop_assert!(agreement.ptime >= millis(10) && agreement.ptime <= millis(60));
            prop_assert!(agreement.remote.port() > 0);
        }
        let mut offering = leg();
        offering.offer(Direction::SendRecv);
        let _ = offering.accept(&offer);
    }

    #[test]
    fn both_sides_agree_on_the_same(
        offered in prop_oneof![
            Just(vec![Codec::Pcmu, Codec::Pcma]),
            Just(vec![Codec::Pcma, Codec::Pcmu]),
            Just(vec![Codec::Pcma]),
            Just(vec![Codec::Pcmu]),
        ],
        preferred in prop_oneof![Just(None), Just(Some(Codec::Pcmu)), Just(Some(Codec::Pcma))],
        (wish_a, wish_b) in (directions(), directions()),
        again in any::<bool>(),
    ) {
        let address: IpAddr = "192.0.2.77".parse().unwrap();
        let remote = LocalMedia { address, port: 20_000, codecs: offered, signalling: address };
        let mut a = SdpSession::new(remote, 5);
        let mut b = leg();
        let offer = a.offer(wish_a);
        let (answer, at_b) = b.answer(&offer, preferred, wish_b).unwrap();
        let mut at_a = a.accept(&answer).unwrap();
        let mut at_b = at_b;
        if again {
            let offer = b.offer(wish_b);
            let (answer, agreement) = a.answer(&offer, preferred, wish_a).unwrap();
            at_a = agreement;
            at_b = b.accept(&answer).unwrap();
        }
        prop_assert_eq!(at_a.codec, at_b.codec);
        prop_assert_eq!(at_a.direction, at_b.direction.reversed());
        prop_assert_eq!(at_a.direction, wish_a.and(wish_b.reversed()));
        prop_assert!(at_a.receive_payload_types.contains(&(at_b.send_payload_type, at_b.codec)));
        prop_assert!(at_b.receive_payload_types.contains(&(at_a.send_payload_type, at_a.codec)));
        prop_assert_eq!(at_a.events.map(|(send, receive)| (receive, send)), at_b.events);
        prop_assert_eq!(at_a.remote.port(), 16_384);
        prop_assert_eq!(at_b.remote.port(), 20_000);
    }
}

fn directions() -> impl Strategy<Value = Direction> {
    (any::<bool>(), any::<bool>()).prop_map(|(sends, receives)| Direction::new(sends, receives))
}

//! The torture tests of RFC 4475 (all 49, by the names it gives them) and RFC 5118, in messages of
//! our own that have what those are about.

use super::*;

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// A request that nothing general speaks against.
    Taken,
    /// A request that is answered with this status.
    Refused(u16),
    /// A response that is read.
    Response(u16),
    /// Dropped without an answer.
    Silence,
}
use Fate::{Refused, Silence, Taken};

fn fate(octets: &[u8]) -> Fate {
    match Message::parse(octets) {
        Ok(Message::Response(response)) => Fate::Response(response.status),
        Ok(Message::Request(request)) => match check_request(&request) {
            Ok(()) => Taken,
            Err(answer) => Refused(answer.status),
        },
        Err(ParseError {
            answer: Some(answer),
            ..
        }) => Refused(answer.status),
        Err(_) => Silence,
    }
}

/// First line and header lines, with their line ends, and a body.
fn message(head: &str, body: &str) -> Vec<u8> {
    let head = head.trim_start().replace('\n', "\r\n");
    format!("{head}\r\n{body}").into_bytes()
}

/// A request that has all it must have, but for what `lines` hold instead.
fn request(first_line: &str, lines: &str) -> Vec<u8> {
    let method = first_line.split(' ').next().unwrap_or_default();
    let mut head = format!("{first_line}\n{lines}");
    let lower = lines.to_ascii_lowercase();
    for (name, line) in [
        (
            "via",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx".to_owned(),
        ),
        ("from", "From: <sip:a@example.com>;tag=1".to_owned()),
        ("to", "To: <sip:b@example.com>".to_owned()),
        ("call-id", "Call-ID: one@192.0.2.1".to_owned()),
        ("cseq", format!("CSeq: 7 {method}")),
        ("contact", "Contact: <sip:a@192.0.2.1>".to_owned()),
    ] {
        let compact = match name {
            "call-id" => "i:".to_owned(),
            "contact" => "m:".to_owned(),
            name => format!("{}:", &name[..1]),
        };
        if !lower
            .lines()
            .any(|other| other.starts_with(name) || other.starts_with(&compact))
        {
            head.push_str(&line);
            head.push('\n');
        }
    }
    message(&head, "")
}

fn parsed(octets: &[u8]) -> Request {
    match Message::parse(octets) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

const SDP: &str = "v=0\r\no=m 1 1 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0\r\n";

fn wsinv() -> Vec<u8> {
    let head = r#"
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : LENGTH
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
"#;
    message(&head.replace("LENGTH", &SDP.len().to_string()), SDP)
}

const INTMETH: &str = "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0";

fn table() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let long = "long".repeat(300);
    vec![
        // 3.1.1 Valid messages
        ("wsinv", wsinv(), Taken),
        (
            "intmeth",
            request(
                INTMETH,
                "To: \"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\n\
                 From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.\n\
                 Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\n\
                 extensionHeader-!.%*+_`'~:大停電\n",
            ),
            Refused(501),
        ),
        (
            "esc01",
            request(
                "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
                "To: sip:%75se%72@example.com\nFrom: <sip:I%20have%20spaces@example.net>;tag=938\n\
                 Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\n",
            ),
            Taken,
        ),
        (
            "escnull",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "To: sip:null-%00-null@example.com\nFrom: sip:null-%00-null@example.com;tag=839923423\n\
                 Contact: <sip:%00@host5.example.com>\nContact: <sip:%00%00@host5.example.com>\nL:0\n",
            ),
            Taken,
        ),
        // An escaped method is another method.
        (
            "esc02",
            request(
                "RE%47IST%45R sip:registrar.example.com SIP/2.0",
                "To: \"%Z%45\" <sip:resource@example.com>\nContact: <sip:alias1@host1.example.com>\n",
            ),
            Refused(501),
        ),
        (
            "lwsdisp",
            request(
                "OPTIONS sip:user@example.com SIP/2.0",
                "From: caller<sip:caller@example.com>;tag=323\n",
            ),
            Taken,
        ),
        (
            "longreq",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                &format!(
                    "To: \"I have a user name of extreme {long} proportion\" <sip:user@example.com:6000;unknownparam1={long};{long}=value>\n\
                     F: sip:{long}@example.net;tag=12982982982{long};unknownheaderparamname{long}=v\n\
                     Call-ID: longreq.one{long}call\nUnknown{long}Name: {long}\n\
                     Contact: <sip:amazing{long}name@host5.example.net>\n{}",
                    "v: SIP/2.0/TCP sip33.example.com;branch=z9hG4bKx\n".repeat(100)
                ),
            ),
            Taken,
        ),
        (
            "dblreq",
            [
                request("REGISTER sip:example.com SIP/2.0", "l: 0\n"),
                request("INVITE sip:joe@example.com SIP/2.0", ""),
            ]
            .concat(),
            Taken,
        ),
        (
            "semiuri",
            request(
                "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0",
                "",
            ),
            Taken,
        ),
        (
            "transports",
            request(
                "OPTIONS sip:user@example.com SIP/2.0",
                "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\nVia: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n\
                 Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\nVia: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\n\
                 Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee\n",
            ),
            Taken,
        ),
        // A well-formed MESSAGE with a multipart body: a method that is known and not taken.
        (
            "mpart01",
            request(
                "MESSAGE sip:kumiko@example.org SIP/2.0",
                "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\n",
            ),
            Refused(405),
        ),
        (
            "unreason",
            response("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое"),
            Fate::Response(200),
        ),
        ("noreason", response("SIP/2.0 100 "), Fate::Response(100)),
        // 3.1.2 Invalid messages
        (
            "badinv01",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\nContact: \"Joe\" <sip:joe@example.org>;;;;\n",
            ),
            Refused(400),
        ),
        (
            "clerr",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                "Content-Length: 9999\n",
            ),
            Refused(400),
        ),
        (
            "ncl",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                "Content-Length: -999\n",
            ),
            Refused(400),
        ),
        (
            "scalar02",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "CSeq: 36893488147419103232 REGISTER\nMax-Forwards: 300\nExpires: 10000000000\n",
            ),
            Refused(400),
        ),
        (
            "scalarlg",
            message(
                "SIP/2.0 503 Service Unavailable\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw\n\
                 To: <sip:user@example.com>\nFrom: <sip:other@example.net>;tag=2easdjfejw\nCSeq: 9292394834772304023312 OPTIONS\n\
                 Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\nRetry-After: 949302838503028349304023988\n",
                "",
            ),
            Silence,
        ),
        (
            "quotbal",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                "To: \"Mr. J. User <sip:j.user@example.com>\n",
            ),
            Refused(400),
        ),
        (
            "ltgtruri",
            request("INVITE <sip:user@example.com> SIP/2.0", ""),
            Refused(400),
        ),
        (
            "lwsruri",
            request("INVITE sip:user@example.com; lr SIP/2.0", ""),
            Refused(400),
        ),
        (
            "lwsstart",
            request("INVITE  sip:user@example.com  SIP/2.0", ""),
            Refused(400),
        ),
        (
            "trws",
            request("OPTIONS sip:remote-target@example.com SIP/2.0  ", ""),
            Refused(400),
        ),
        (
            "escruri",
            request(
                "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",
                "",
            ),
            Refused(400),
        ),
        // What nobody needs is not looked at.
        (
            "baddate",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                "Date: Fri, 01 Jan 2010 16:00:00 EST\n",
            ),
            Taken,
        ),
        (
            "regbadct",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\n",
            ),
            Refused(400),
        ),
        // The next two are malformed, but what is meant is plain: the RFC leaves it to us.
        (
            "badaspec",
            request(
                "OPTIONS sip:user@example.org SIP/2.0",
                "From: \"Bell, Alexander\" <sip:a.g.bell@example.com>;tag=433423\nTo: \"Watson, Thomas\" < sip:t.watson@example.org >\n",
            ),
            Taken,
        ),
        (
            "baddn",
            request(
                "OPTIONS sip:t.watson@example.org SIP/2.0",
                "From:    Bell, Alexander <sip:a.g.bell@example.com>;tag=43\n",
            ),
            Taken,
        ),
        (
            "badvers",
            request(
                "OPTIONS sip:t.watson@example.org SIP/7.0",
                "Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw\n",
            ),
            Refused(505),
        ),
        (
            "mismatch01",
            request("OPTIONS sip:user@example.com SIP/2.0", "CSeq: 8 INVITE\n"),
            Refused(400),
        ),
        (
            "mismatch02",
            request("NEWMETHOD sip:user@example.com SIP/2.0", "CSeq: 8 INVITE\n"),
            Refused(400),
        ),
        (
            "bigcode",
            response("SIP/2.0 4294967301 better not break the receiver"),
            Silence,
        ),
        // 3.2 Transaction layer: an empty branch is one of RFC 2543, which is not for the parser to say.
        (
            "badbranch",
            request(
                "OPTIONS sip:user@example.com SIP/2.0",
                "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\n",
            ),
            Taken,
        ),
        // 3.3 Application layer
        (
            "insuf",
            message(
                "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\nContent-Type: application/sdp\n",
                SDP,
            ),
            Refused(400),
        ),
        (
            "unkscm",
            request(
                "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0",
                "",
            ),
            Refused(416),
        ),
        (
            "novelsc",
            request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", ""),
            Refused(416),
        ),
        // Well-formed; it is the registrar that knows nobody of that name.
        (
            "unksm2",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "To: isbn:2983792873\nFrom: <http://www.example.com>;tag=3234233\nContact: <name:John_Smith>\n",
            ),
            Taken,
        ),
        (
            "bext01",
            request(
                "OPTIONS sip:user@example.com SIP/2.0",
                "Require: nothingSupportsThis, nothingSupportsThisEither\nProxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis\n",
            ),
            Refused(420),
        ),
        (
            "invut",
            message(
                "INVITE sip:user@example.com SIP/2.0\nContact: <sip:caller@host5.example.net>\nTo: sip:j.user@example.com\n\
                 From: sip:caller@example.net;tag=8392034\nMax-Forwards: 70\nCall-ID: invut.0ha0isndaksdjadsfij34n23d\nCSeq: 235448 INVITE\n\
                 Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw\nContent-Type: application/unknownformat\n",
                "<audio>\r\n <pcmu port=\"443\"/>\r\n</audio>\r\n",
            ),
            Refused(415),
        ),
        // A scheme that nobody knows is as good as no credentials: the registrar challenges.
        (
            "regaut01",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "Authorization: NoOneKnowsThisScheme opaque-data=here\n",
            ),
            Taken,
        ),
        (
            "multi01",
            message(
                "INVITE sip:user@company.com SIP/2.0\nContact: <sip:caller@host25.example.net>\nVia: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\n\
                 Max-Forwards: 70\nCSeq: 5 INVITE\nCall-ID: multi01.98asdh@192.0.2.1\nCSeq: 59 INVITE\nCall-ID: multi01.98asdh@192.0.2.2\n\
                 From: sip:caller@example.com;tag=3413415\nTo: sip:user@example.com\nTo: sip:other@example.net\nFrom: sip:caller@example.net;tag=2923420123\n",
                "",
            ),
            Refused(400),
        ),
        (
            "mcl01",
            request(
                "OPTIONS sip:user@example.com SIP/2.0",
                "Content-Length: 0\nContent-Length: 5\n",
            ),
            Refused(400),
        ),
        // Read; the transaction layer finds no transaction of ours for it.
        ("bcast", response("SIP/2.0 200 OK"), Fate::Response(200)),
        // It ends here, so the last hop may be used up.
        (
            "zeromf",
            request("OPTIONS sip:user@example.com SIP/2.0", "Max-Forwards: 0\n"),
            Taken,
        ),
        (
            "cparam01",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "Contact: sip:+19725552222@gw1.example.net;unknownparam\n",
            ),
            Taken,
        ),
        (
            "cparam02",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "Contact: <sip:+19725552222@gw1.example.net;unknownparam>\n",
            ),
            Taken,
        ),
        (
            "regescrt",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>\n",
            ),
            Taken,
        ),
        (
            "sdp01",
            request(
                "INVITE sip:user@example.com SIP/2.0",
                "Accept: text/nobodyKnowsThis\n",
            ),
            Refused(406),
        ),
        // 3.4 Backward compatibility: no branch, no tags, no Contact, no Max-Forwards.
        (
            "inv2543",
            message(
                "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.example.net;user=phone>\n\
                 Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\nTo: sip:+16505552222@ss1.example.net;user=phone\n\
                 Call-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\nContent-Type: application/sdp\n",
                SDP,
            ),
            Taken,
        ),
    ]
}

fn response(first_line: &str) -> Vec<u8> {
    message(
        &format!(
            "{first_line}\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\nCall-ID: unreason.1234ksdfak3j2erwedfsASdf\n\
             CSeq: 35 INVITE\nFrom: sip:user@example.com;tag=11141343\nTo: sip:user@example.edu;tag=2229\nContact: <sip:user@host198.example.com>\n"
        ),
        "",
    )
}

#[test]
fn every_torture_message_gets_what_the_rfc_wants() {
    let table = table();
    assert_eq!(table.len(), 49);
    for (name, octets, expected) in table {
        assert_eq!(fate(&octets), expected, "{name}");
    }
}

#[test]
fn a_tortuous_invite_says_what_it_means() {
    let invite = parsed(&wsinv());
    let headers = &invite.headers;
    assert_eq!(headers.to_tag(), Some("1918181833n"));
    let from = headers.from().expect("From is well-formed");
    assert_eq!(from.display_name.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    let cseq = headers.cseq().expect("CSeq is well-formed");
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    assert_eq!(headers.value("Subject"), Some(""));
    assert_eq!(
        headers.value("newfangledheader"),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(
        headers.value("UnknownHeaderWithUnusualValue"),
        Some(";;,,;;,;")
    );
    let vias = headers.vias().expect("Vias are well-formed");
    let hops: Vec<(&str, String, Option<&str>)> = vias
        .iter()
        .map(|via| (&*via.protocol, via.host.to_string(), via.branch()))
        .collect();
    assert_eq!(
        hops,
        [
            ("UDP", "192.0.2.2".to_owned(), Some("390skdjuw")),
            (
                "TCP",
                "spindle.example.com".to_owned(),
                Some("z9hG4bK9ikj8")
            ),
            ("UDP", "192.168.255.111".to_owned(), Some("z9hG4bK30239")),
        ]
    );
    let Ok(Contacts::List(contacts)) = headers.contacts() else {
        panic!("one Contact")
    };
    assert_eq!(
        contacts[0].display_name.as_deref(),
        Some("Quoted string \"\"")
    );
    assert_eq!(contacts[0].params.value("newparam"), Some("newvalue"));
    assert_eq!(contacts[0].params.get("secondparam"), Some(None));
    assert_eq!(contacts[0].params.value("q"), Some("0.33"));
    let route = headers.route().expect("Route is well-formed");
    assert_eq!(route[0].uri.params.get("lr"), Some(None));
    assert_eq!(invite.body, SDP.as_bytes());
}

#[test]
fn a_method_of_odd_characters_keeps_its_parts() {
    let table = table();
    let (_, octets, _) = table
        .iter()
        .find(|(name, ..)| *name == "intmeth")
        .expect("is there");
    let request = parsed(octets);
    assert_eq!(
        request.method.as_str(),
        "!interesting-Method0123456789_*+`.%indeed'~"
    );
    let uri = request.uri.parsed().expect("an odd URI, but one");
    assert_eq!(
        uri.user.as_deref(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(
        uri.password.as_deref(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
    let to = request.headers.to().expect("odd, but an address");
    assert_eq!(
        to.display_name.as_deref(),
        Some("BEL:\u{7} NUL:\u{0} DEL:\u{7f}")
    );
    let from = request.headers.from().expect("odd, but an address");
    assert_eq!(from.params.value("fromParam''~+*_!.-%"), Some("работающий"));
}

#[test]
fn required_extensions_are_named_in_the_refusal() {
    let octets = request(
        "INVITE sip:user@example.com SIP/2.0",
        "Require: 100rel,timer\nProxy-Require: x\n",
    );
    let answer = check_request(&parsed(&octets)).expect_err("nothing required is supported");
    assert_eq!(
        answer.headers.value("Unsupported"),
        Some("100rel, timer, x")
    );
}

/// RFC 5118: the messages of IPv6.
#[test]
fn ipv6_is_read_where_it_has_brackets() {
    let register = |uri: &str, via: &str| {
        request(
            &format!("REGISTER {uri} SIP/2.0"),
            &format!("Via: {via}\nContact: <sip:caller@[2001:db8::1]>\n"),
        )
    };
    let via = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111";
    assert_eq!(fate(&register("sip:[2001:db8::10]", via)), Taken);
    assert_eq!(fate(&register("sip:2001:db8::10", via)), Refused(400));
    assert_eq!(fate(&register("sip:user@[2001:db8::10]:5070", via)), Taken);
    // Without brackets nobody can say where the port begins.
    let bare = "SIP/2.0/UDP 2001:db8::9:1;branch=z9hG4bKas3-111";
    assert_eq!(fate(&register("sip:[2001:db8::10]", bare)), Silence);
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!("SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3");
        let request = parsed(&register("sip:[2001:db8::10]:5061", &via));
        let top = request.headers.top_via().expect("well-formed");
        assert_eq!(top.received(), "2001:db8::9:255".parse().ok());
        let uri = request.uri.parsed().expect("well-formed");
        assert_eq!(uri.socket_address(), "[2001:db8::10]:5061".parse().ok());
    }
    let mapped = parsed(&register("sip:[::ffff:192.0.2.10]", via));
    let uri = mapped.uri.parsed().expect("an IPv4-mapped address is one");
    assert_eq!(
        uri.host,
        Host::Ip("::ffff:192.0.2.10".parse().expect("an address"))
    );
}

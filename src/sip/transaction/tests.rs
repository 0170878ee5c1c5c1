//! The layer as two of them see each other over a network that loses, doubles and delays.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::network::{DELAY, Fate, Network, Side, describe, request};
use super::table::Room;
use super::{Action, ClientKey, ServerKey, Timers, Transactions};
use crate::core::id::RandomSource;
use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::message::{Message, Method, Request, Response};

use Side::{Called, Caller};

const SECOND: Duration = Duration::from_secs(1);

/// Everything is lost.
fn silence() -> Fate {
    Box::new(|_, _, _| Vec::new())
}

/// Everything of that side is lost that `is_lost` says.
fn losing(side: Side, is_lost: impl Fn(&Message) -> bool + 'static) -> Fate {
    Box::new(move |_, from, message| {
        if from == side && is_lost(message) {
            Vec::new()
        } else {
            vec![DELAY]
        }
    })
}

fn udp() -> Network {
    Network::new(Protocol::Udp)
}

fn tcp() -> Network {
    Network::new(Protocol::Tcp)
}

/// The server transaction and the request that the called side was told of last.
fn incoming(network: &Network) -> (ServerKey, Request) {
    let found = network
        .actions
        .iter()
        .rev()
        .find_map(|(_, _, action)| match action {
            Action::Request { key, request, .. } => Some((*key, request.clone())),
            _ => None,
        });
    found.expect("a request came")
}

fn with_tag(mut response: Response) -> Response {
    let to = response.headers.value("To").expect("To").to_owned();
    response.headers.replace("To", format!("{to};tag=called"));
    response
}

fn respond(network: &mut Network, status: u16) {
    let (key, request) = incoming(network);
    let response = with_tag(request.response(status));
    network.at(Called, |layer, now| layer.respond(&key, response, now));
}

/// An INVITE that has reached the other side.
fn call(network: &mut Network) -> ClientKey {
    let key = network.send(request("INVITE", "call"));
    network.run_for(Duration::from_millis(100));
    key
}

/// How many transactions the caller and the called side still have.
fn kept(network: &mut Network) -> (usize, usize) {
    (network.layer(Caller).len(), network.layer(Called).len())
}

fn assert_empty(network: &mut Network) {
    assert_eq!(kept(network), (0, 0));
}

mod timers_to_the_millisecond {
    use super::*;

    #[test]
    fn an_invite_over_udp_is_repeated_with_doubling_intervals_for_32_seconds() {
        let mut network = udp().with_fate(silence());
        network.send(request("INVITE", "call"));
        network.run_out();
        let sent = network.times(Caller, "INVITE");
        assert_eq!(sent, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(network.now, Mono::from_millis(33_000));
        assert_eq!(network.told(Caller), ["TimedOut"]);
        assert_empty(&mut network);
    }

    #[test]
    fn another_request_over_udp_is_repeated_at_most_every_4_seconds() {
        let mut network = udp().with_fate(silence());
        network.send(request("OPTIONS", "call"));
        network.run_out();
        let expected = [
            0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
        ];
        assert_eq!(network.times(Caller, "OPTIONS"), expected);
        assert_eq!(network.now, Mono::from_millis(33_000));
        assert_eq!(network.told(Caller), ["TimedOut"]);
        assert_empty(&mut network);
    }

    #[test]
    fn over_tcp_nothing_is_repeated() {
        for method in ["INVITE", "OPTIONS"] {
            let mut network = tcp().with_fate(silence());
            network.send(request(method, "call"));
            network.run_out();
            assert_eq!(network.times(Caller, method), [0]);
            assert_eq!(network.now, Mono::from_millis(33_000));
            assert_eq!(network.told(Caller), ["TimedOut"]);
        }
    }

    #[test]
    fn a_provisional_response_slows_a_request_down_and_ends_the_repetition_of_an_invite() {
        let mut network = udp();
        network.send(request("OPTIONS", "call"));
        network.run_for(Duration::from_millis(100));
        respond(&mut network, 100);
        network.run_for(Duration::from_secs(12));
        assert_eq!(network.times(Caller, "OPTIONS"), [0, 500, 4_500, 8_500]);

        let mut network = udp();
        call(&mut network);
        network.run_for(Duration::from_secs(200));
        assert_eq!(network.times(Caller, "INVITE"), [0]);
        assert_eq!(network.told(Caller), ["100 INVITE"]);
    }

    #[test]
    fn a_refusal_is_repeated_until_its_ack_or_for_32_seconds() {
        let mut network = udp().with_fate(losing(
            Caller,
            |message| matches!(message, Message::Request(it) if it.method == Method::Ack),
        ));
        call(&mut network);
        respond(&mut network, 486);
        network.run_out();
        let expected = [
            100, 600, 1_600, 3_600, 7_600, 11_600, 15_600, 19_600, 23_600, 27_600, 31_600,
        ];
        assert_eq!(network.times(Called, "486 INVITE"), expected);
        assert_eq!(
            network.times(Caller, "ACK").len(),
            expected.len(),
            "one for each"
        );
        assert_eq!(network.told(Caller), ["100 INVITE", "486 INVITE"]);
        assert_empty(&mut network);
    }

    #[test]
    fn an_acknowledged_refusal_is_kept_5_seconds_there_and_32_here() {
        let mut network = udp();
        call(&mut network);
        respond(&mut network, 486);
        let refused = network.now;
        network.run_for(Duration::from_millis(5_019));
        assert_eq!(
            network.layer(Called).len(),
            1,
            "timer I runs from the ACK's arrival"
        );
        network.run_for(Duration::from_millis(1));
        assert_eq!(kept(&mut network), (1, 0));
        network.run_out();
        assert_eq!(
            network.now,
            refused + DELAY + Duration::from_secs(32),
            "timer D"
        );
        assert_eq!(network.times(Called, "486 INVITE"), [100]);
        assert_eq!(network.told(Called), ["INVITE"], "the ACK is the layer's");
        assert_empty(&mut network);
    }

    #[test]
    fn an_accepted_invite_is_kept_32_seconds_on_both_sides() {
        for mut network in [udp(), tcp()] {
            call(&mut network);
            respond(&mut network, 200);
            let accepted = network.now;
            network.run_for(Duration::from_millis(31_999));
            assert_eq!(kept(&mut network), (1, 1));
            network.run_for(Duration::from_millis(1));
            assert_eq!(kept(&mut network), (1, 0), "L");
            network.run_out();
            assert_eq!(network.now, accepted + DELAY + 32 * SECOND, "M");
            assert_eq!(
                network.times(Called, "200 INVITE"),
                [100],
                "repeating it is the user's"
            );
            assert_empty(&mut network);
        }
    }

    #[test]
    fn an_answered_request_is_kept_5_seconds_here_and_32_there_and_over_tcp_not_at_all() {
        let mut network = udp();
        network.send(request("OPTIONS", "call"));
        network.run_for(Duration::from_millis(100));
        respond(&mut network, 200);
        let answered = network.now;
        network.run_for(DELAY + 5 * SECOND);
        assert_eq!(kept(&mut network), (0, 1), "K");
        network.run_out();
        assert_eq!(network.now, answered + 32 * SECOND, "J");
        assert_empty(&mut network);

        let mut network = tcp();
        network.send(request("OPTIONS", "call"));
        network.run_for(Duration::from_millis(100));
        respond(&mut network, 200);
        network.run_for(DELAY);
        assert_empty(&mut network);
    }

    #[test]
    fn a_request_that_nobody_answers_is_forgotten_in_silence_when_its_sender_gives_up() {
        for mut network in [udp(), tcp()] {
            network.send(request("OPTIONS", "call"));
            network.run_out();
            assert_eq!(network.now, Mono::from_millis(1_000 + 32_010));
            assert_eq!(network.told(Caller), ["TimedOut"]);
            assert!(network.log.iter().all(|(_, side, _)| *side == Caller));
            assert_empty(&mut network);
        }
    }

    #[test]
    fn a_refusal_over_tcp_is_sent_once_and_forgotten_with_its_ack() {
        let mut network = tcp();
        call(&mut network);
        respond(&mut network, 486);
        network.run_for(SECOND);
        assert_eq!(network.times(Called, "486 INVITE"), [100]);
        assert_eq!(network.times(Caller, "ACK").len(), 1);
        assert_empty(&mut network);
    }
}

mod lost_and_doubled {
    use super::*;

    #[test]
    fn a_repeated_request_gets_the_last_response_again_and_is_told_once() {
        let mut network = udp().with_fate(losing(
            Called,
            |message| matches!(message, Message::Response(it) if it.status == 200),
        ));
        network.send(request("OPTIONS", "call"));
        network.run_for(Duration::from_millis(100));
        respond(&mut network, 200);
        network.run_for(Duration::from_secs(4));
        assert_eq!(
            network.times(Called, "200 OPTIONS"),
            [100, 510, 1_510, 3_510]
        );
        assert_eq!(network.told(Called), ["OPTIONS"]);
    }

    #[test]
    fn a_doubled_invite_rings_once() {
        let mut network = udp().with_fate(Box::new(|_, _, _| vec![DELAY, DELAY, 3 * DELAY]));
        call(&mut network);
        respond(&mut network, 180);
        network.run_for(SECOND);
        assert_eq!(network.told(Called), ["INVITE"]);
        assert_eq!(network.told(Caller)[..1], ["100 INVITE"]);
        assert_eq!(network.times(Caller, "INVITE"), [0]);
    }

    #[test]
    fn a_repeated_invite_gets_the_last_provisional_response() {
        let mut network = udp().with_fate(losing(Called, |_| true));
        call(&mut network);
        respond(&mut network, 180);
        network.run_for(SECOND);
        assert_eq!(network.times(Called, "100 INVITE"), [10]);
        assert_eq!(network.times(Called, "180 INVITE"), [100, 510]);
    }

    #[test]
    fn a_doubled_final_response_is_told_once() {
        let mut network = udp().with_fate(Box::new(|_, _, _| vec![DELAY, 2 * DELAY]));
        network.send(request("OPTIONS", "call"));
        network.run_for(Duration::from_millis(100));
        respond(&mut network, 200);
        network.run_out();
        assert_eq!(network.told(Caller), ["200 OPTIONS"]);
    }

    #[test]
    fn every_2xx_to_an_invite_is_told_and_no_refusal_after_one() {
        let mut network = udp();
        call(&mut network);
        respond(&mut network, 200);
        network.run_for(SECOND);
        respond(&mut network, 200);
        respond(&mut network, 486);
        network.run_for(SECOND);
        assert_eq!(
            network.told(Caller),
            ["100 INVITE", "200 INVITE", "200 INVITE"]
        );
        assert_eq!(network.times(Called, "486 INVITE"), Vec::<u64>::new());
    }

    #[test]
    fn the_ack_to_a_2xx_reaches_the_user_whatever_its_branch() {
        let mut network = udp();
        call(&mut network);
        let (_, invite) = incoming(&network);
        respond(&mut network, 200);
        network.run_for(SECOND);
        network.told(Called);
        let first = network.send_ack(request("ACK", "call"));
        network.run_for(SECOND);
        assert_eq!(network.told(Called), ["ACK"]);
        network.inject(Called, &first);
        assert_eq!(
            network.told(Called),
            ["ACK"],
            "each copy: dialogs know what to do with it"
        );
        let mut ack = request("ACK", "call");
        ack.headers
            .push_first("Via", invite.headers.value("Via").expect("Via"));
        network.inject(Called, &ack.to_bytes());
        assert_eq!(
            network.told(Called),
            ["ACK"],
            "the INVITE's branch, as some phones have it"
        );
    }
}

mod cancelling {
    use super::*;

    fn cancel(network: &mut Network, key: ClientKey) {
        network.at(Caller, |layer, now| {
            layer.cancel(
                &key,
                Some("SIP;cause=200;text=\"Call completed elsewhere\""),
                now,
            );
        });
    }

    #[test]
    fn a_ringing_invite_is_cancelled_and_ends_with_487() {
        for mut network in [udp(), tcp()] {
            let key = call(&mut network);
            respond(&mut network, 180);
            network.run_for(SECOND);
            cancel(&mut network, key);
            network.run_for(SECOND);
            assert_eq!(network.told(Called), ["INVITE", "Cancelled"]);
            network.log.clear();
            cancel(&mut network, key);
            assert_eq!(
                network.times(Caller, "CANCEL"),
                Vec::<u64>::new(),
                "only once"
            );
        }
    }

    #[test]
    fn a_doubled_cancel_is_answered_twice_and_told_once() {
        let mut network = udp();
        let key = call(&mut network);
        network = network.with_fate(Box::new(|_, _, _| vec![DELAY, DELAY]));
        cancel(&mut network, key);
        network.run_for(SECOND);
        assert_eq!(network.times(Called, "200 CANCEL"), [110, 110]);
        assert_eq!(network.told(Called), ["INVITE", "Cancelled"]);
    }

    #[test]
    fn the_487_after_a_cancel_ends_the_invite() {
        let mut network = udp();
        let key = call(&mut network);
        cancel(&mut network, key);
        network.run_for(DELAY);
        respond(&mut network, 487);
        network.run_out();
        assert_eq!(network.told(Caller), ["100 INVITE", "487 INVITE"]);
        assert_eq!(network.times(Caller, "CANCEL").len(), 1);
        assert_eq!(network.times(Called, "200 CANCEL").len(), 1);
        assert_empty(&mut network);
    }

    #[test]
    fn a_cancel_repeats_what_identifies_the_invite() {
        let mut network = udp();
        let key = network.send(request("INVITE", "call"));
        network.run_for(SECOND);
        let (_, invite) = incoming(&network);
        let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let copy = std::rc::Rc::clone(&seen);
        let mut network = network.with_fate(Box::new(move |_, _, message| {
            copy.borrow_mut().push(message.clone());
            vec![DELAY]
        }));
        cancel(&mut network, key);
        let Some(Message::Request(cancel)) = seen.borrow().first().cloned() else {
            panic!("a CANCEL")
        };
        assert_eq!(
            (&cancel.method, &cancel.uri),
            (&Method::Cancel, &invite.uri)
        );
        for name in ["From", "To", "Call-ID", "Route"] {
            assert_eq!(
                cancel.headers.value(name),
                invite.headers.value(name),
                "{name}"
            );
        }
        let via = |request: &Request| {
            request
                .headers
                .top_via()
                .map(|via| via.branch().map(str::to_owned))
        };
        assert_eq!(via(&cancel), via(&invite));
        assert_eq!(cancel.headers.value("CSeq"), Some("1 CANCEL"));
        assert_eq!(cancel.headers.value("Max-Forwards"), Some("70"));
        let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
        assert_eq!(cancel.headers.value("Reason"), Some(reason));
    }

    #[test]
    fn before_any_provisional_response_a_cancel_waits_for_the_first() {
        let mut network = udp().with_fate(losing(Called, {
            let lost = std::cell::Cell::new(1);
            move |_| lost.replace(lost.get() - 1) > 0
        }));
        let key = network.send(request("INVITE", "call"));
        cancel(&mut network, key);
        network.run_for(Duration::from_millis(519));
        assert_eq!(network.times(Caller, "CANCEL"), Vec::<u64>::new());
        network.run_for(Duration::from_millis(1));
        assert_eq!(network.times(Caller, "INVITE"), [0, 500]);
        assert_eq!(network.times(Caller, "CANCEL"), [520]);
        network.run_for(SECOND);
        assert_eq!(network.told(Called), ["INVITE", "Cancelled"]);
    }

    #[test]
    fn a_cancel_that_waits_is_never_sent_after_a_final_response() {
        let mut network = udp().with_fate(losing(
            Called,
            |message| matches!(message, Message::Response(it) if it.status == 100),
        ));
        let key = call(&mut network);
        cancel(&mut network, key);
        respond(&mut network, 200);
        network.run_for(SECOND);
        cancel(&mut network, key);
        network.run_out();
        assert_eq!(network.times(Caller, "CANCEL"), Vec::<u64>::new());
        assert_eq!(network.told(Caller), ["200 INVITE"]);
        assert_empty(&mut network);
    }

    #[test]
    fn a_cancel_that_crosses_a_200_changes_nothing() {
        let mut network = udp();
        let key = call(&mut network);
        respond(&mut network, 200);
        cancel(&mut network, key);
        network.run_out();
        assert_eq!(network.times(Caller, "CANCEL"), [100]);
        assert_eq!(
            network.times(Called, "200 CANCEL"),
            [110],
            "found, and too late"
        );
        assert_eq!(network.told(Called), ["INVITE"]);
        assert_eq!(network.told(Caller), ["100 INVITE", "200 INVITE"]);
        assert_empty(&mut network);
    }

    #[test]
    fn a_cancelled_invite_whose_other_side_vanished_is_given_up_after_32_seconds() {
        let mut network = udp();
        let key = call(&mut network);
        network = network.with_fate(silence());
        cancel(&mut network, key);
        network.run_out();
        assert_eq!(network.told(Caller), ["100 INVITE", "TimedOut"]);
        assert_eq!(network.now, Mono::from_millis(1_100 + 32_000));
        assert_eq!(
            network.times(Caller, "CANCEL").len(),
            11,
            "repeated as any request is"
        );
        assert_eq!(network.layer(Caller).len(), 0);
    }

    #[test]
    fn a_cancel_for_nothing_gets_481() {
        let mut network = udp();
        let mut cancel = request("CANCEL", "call");
        cancel
            .headers
            .push_first("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnothing");
        network.inject(Called, &cancel.to_bytes());
        network.inject(Called, &cancel.to_bytes());
        assert_eq!(network.times(Called, "481 CANCEL"), [0, 0]);
        assert_eq!(network.told(Called), Vec::<String>::new());
        assert_empty(&mut network);
    }

    #[test]
    fn the_answer_to_a_cancel_has_the_tag_of_the_responses_to_the_invite() {
        let mut network = udp();
        let key = call(&mut network);
        respond(&mut network, 180);
        network.run_for(SECOND);
        let tags = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let copy = std::rc::Rc::clone(&tags);
        network = network.with_fate(Box::new(move |_, from, message| {
            if from == Called {
                copy.borrow_mut()
                    .push(message.headers().to_tag().map(str::to_owned));
            }
            vec![DELAY]
        }));
        cancel(&mut network, key);
        network.run_for(SECOND);
        assert_eq!(*tags.borrow(), [Some("called".to_owned())]);
    }
}

mod matching {
    use super::*;

    fn raw(method: &str, via: &str, to_tag: &str) -> Vec<u8> {
        let to_tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        format!(
            "{method} sip:anna@192.0.2.2 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
             From: <sip:bjorn@192.0.2.1>;tag=a\r\nTo: <sip:anna@192.0.2.2>{to_tag}\r\n\
             Call-ID: raw\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn branch_sent_by_and_method_tell_transactions_apart() {
        let first = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsame";
        let cases = [
            ("OPTIONS", first, false),
            (
                "OPTIONS",
                "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKSAME;rport",
                false,
            ),
            (
                "OPTIONS",
                "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKsame",
                true,
            ),
            (
                "OPTIONS",
                "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKsame",
                true,
            ),
            ("INFO", first, true),
        ];
        for (method, via, is_new) in cases {
            let mut network = udp();
            network.inject(Called, &raw("OPTIONS", first, "in-dialog"));
            network.told(Called);
            network.inject(Called, &raw(method, via, "in-dialog"));
            assert_eq!(!network.told(Called).is_empty(), is_new, "{method} {via}");
        }
    }

    #[test]
    fn elements_of_rfc_2543_are_matched_by_their_headers() {
        for branch in ["1", "z9hG4bK"] {
            by_headers(&format!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch}"));
        }
    }

    fn by_headers(via: &str) {
        let mut network = udp();
        network.inject(Called, &raw("INVITE", via, ""));
        network.inject(Called, &raw("INVITE", via, ""));
        assert_eq!(network.times(Called, "100 INVITE"), [0, 0]);
        network.inject(Called, &raw("CANCEL", via, ""));
        respond(&mut network, 487);
        network.inject(Called, &raw("ACK", via, "called"));
        assert_eq!(network.told(Called), ["INVITE", "Cancelled"]);
        network.run_out();
        assert_eq!(
            network.times(Called, "487 INVITE"),
            [0],
            "the ACK was found"
        );
        assert_empty(&mut network);
    }

    #[test]
    fn one_request_that_came_two_ways_is_refused_the_second_time() {
        let mut network = udp();
        let via = |branch| format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}");
        network.inject(Called, &raw("INVITE", &via("one"), ""));
        network.inject(Called, &raw("INVITE", &via("two"), ""));
        network.inject(Called, &raw("INVITE", &via("two"), ""));
        assert_eq!(network.told(Called), ["INVITE"]);
        assert_eq!(network.times(Called, "482 INVITE"), [0, 0]);
        network.inject(Called, &raw("ACK", &via("two"), "x"));
        assert_eq!(
            network.told(Called),
            Vec::<String>::new(),
            "the ACK to 482 is the layer's"
        );
        assert_eq!(network.layer(Called).len(), 2);
    }

    #[test]
    fn the_same_request_within_a_dialog_is_not_merged() {
        let mut network = udp();
        let via = |branch| format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}");
        network.inject(Called, &raw("INFO", &via("one"), "t"));
        network.inject(Called, &raw("INFO", &via("two"), "t"));
        assert_eq!(network.told(Called), ["INFO", "INFO"]);
    }

    #[test]
    fn a_response_must_have_our_branch_the_method_and_no_other_via() {
        let mut network = udp();
        let key = call(&mut network);
        let (_, invite) = incoming(&network);
        network.told(Caller);
        let mut of_cancel = invite.response(200);
        of_cancel.headers.replace("CSeq", "1 CANCEL");
        let mut through_another = invite.response(200);
        through_another
            .headers
            .push("Via", "SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKx");
        let mut of_somebody = invite.response(200);
        of_somebody
            .headers
            .replace("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx");
        for response in [of_cancel, through_another, of_somebody] {
            network.inject(Caller, &response.to_bytes());
        }
        assert_eq!(network.told(Caller), Vec::<String>::new());
        network.actions.clear();
        network.inject(Caller, &invite.response(200).to_bytes());
        let [(_, _, Action::Response { key: found, .. })] = network.actions.as_slice() else {
            panic!("not one response: {:?}", network.actions)
        };
        assert_eq!(*found, key);
    }
}

mod routing_of_responses {
    use super::*;

    fn first_transmission(layer: &mut Transactions) -> Option<(Flow, Message)> {
        std::iter::from_fn(|| layer.poll_action()).find_map(|action| match action {
            Action::Transmit { flow, bytes } => {
                Some((flow, Message::parse(&bytes).expect("a message")))
            }
            _ => None,
        })
    }

    /// The response to what `invite_with` makes, its Via left as it was.
    fn response_with(via: &str, status: u16) -> Response {
        let Message::Request(invite) = invite_with(via) else {
            panic!("a request")
        };
        invite.response(status)
    }

    fn invite_with(via: &str) -> Message {
        let mut invite = request("INVITE", "call");
        invite.headers.push_first("Via", via);
        Message::Request(invite)
    }

    fn flow(protocol: Protocol, remote: &str) -> Flow {
        let connection = match protocol {
            Protocol::Udp => None,
            Protocol::Tcp => Some(ConnectionId(3)),
        };
        let local = "192.0.2.2:5060".parse().expect("an address");
        Flow {
            protocol,
            local,
            remote: remote.parse().expect("an address"),
            connection,
        }
    }

    #[test]
    fn over_udp_the_via_and_its_rport_say_where_to() {
        let cases = [
            // Via, source, Via of the response, destination
            (
                "192.0.2.1:5062;branch=z9hG4bKa",
                "192.0.2.1:5060",
                "192.0.2.1:5062;branch=z9hG4bKa",
                "192.0.2.1:5062",
            ),
            (
                "192.0.2.1;branch=z9hG4bKa",
                "192.0.2.1:9",
                "192.0.2.1;branch=z9hG4bKa",
                "192.0.2.1:5060",
            ),
            (
                "10.0.0.5:5060;branch=z9hG4bKa",
                "192.0.2.1:4000",
                "10.0.0.5:5060;branch=z9hG4bKa;received=192.0.2.1",
                "192.0.2.1:5060",
            ),
            (
                "10.0.0.5:5060;rport;branch=z9hG4bKa",
                "192.0.2.1:4000",
                "10.0.0.5:5060;rport=4000;branch=z9hG4bKa;received=192.0.2.1",
                "192.0.2.1:4000",
            ),
            (
                "phone.example;branch=z9hG4bKa",
                "[2001:db8::1]:4000",
                "phone.example;branch=z9hG4bKa;received=2001:db8::1",
                "[2001:db8::1]:5060",
            ),
            (
                "192.0.2.1:5060;branch=z9hG4bKa;received=203.0.113.9",
                "192.0.2.1:5060",
                "192.0.2.1:5060;branch=z9hG4bKa;received=192.0.2.1",
                "192.0.2.1:5060",
            ),
        ];
        for (via, source, stamped, destination) in cases {
            let mut layer = Transactions::new(Timers::default());
            let message = invite_with(&format!("SIP/2.0/UDP {via}"));
            layer.handle_message(message, flow(Protocol::Udp, source), Mono::ZERO);
            let (to, response) = first_transmission(&mut layer).expect("100");
            let expected = format!("SIP/2.0/UDP {stamped}");
            assert_eq!(response.headers().value("Via"), Some(expected.as_str()));
            assert_eq!(to, flow(Protocol::Udp, destination), "{via}");
        }
    }

    #[test]
    fn over_tcp_the_connection_and_when_it_is_gone_the_port_of_the_via() {
        let mut layer = Transactions::new(Timers::default());
        let via = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKa;rport";
        let message = invite_with(via);
        let here = flow(Protocol::Tcp, "192.0.2.1:4000");
        layer.handle_message(message, here, Mono::ZERO);
        assert_eq!(first_transmission(&mut layer).expect("100").0, here);
        let other = Flow {
            connection: Some(ConnectionId(9)),
            ..here
        };
        while layer.poll_action().is_some() {}
        layer.handle_transport_error(other, Mono::ZERO);
        layer.handle_transport_error(here, Mono::ZERO);
        assert!(layer.poll_action().is_none(), "nothing to repeat");
        layer.respond(&ServerKey(1), response_with(via, 486), Mono::ZERO);
        let elsewhere = Flow {
            connection: None,
            ..flow(Protocol::Tcp, "192.0.2.1:5070")
        };
        assert_eq!(first_transmission(&mut layer).expect("486").0, elsewhere);
    }

    #[test]
    fn a_refusal_whose_connection_closes_before_its_ack_goes_out_again() {
        let mut layer = Transactions::new(Timers::default());
        let via = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKa;rport";
        let message = invite_with(via);
        let here = flow(Protocol::Tcp, "192.0.2.1:4000");
        layer.handle_message(message, here, Mono::ZERO);
        layer.respond(&ServerKey(1), response_with(via, 486), Mono::ZERO);
        while layer.poll_action().is_some() {}
        layer.handle_transport_error(here, Mono::ZERO);
        let (to, message) = first_transmission(&mut layer).expect("486 again");
        assert_eq!((to.remote.port(), to.connection), (5070, None));
        let Message::Response(response) = message else {
            panic!("a response")
        };
        assert_eq!(response.status, 486);
        layer.handle_transport_error(to, Mono::ZERO);
        assert!(layer.poll_action().is_none(), "once");
    }
}

mod failing_transport {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_sent_fails_at_once() {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            for method in ["INVITE", "OPTIONS"] {
                let mut network = Network::new(protocol).with_fate(silence());
                network.send(request(method, "call"));
                let flow = Caller.flow(protocol);
                network.at(Caller, |layer, now| layer.handle_transport_error(flow, now));
                assert_eq!(
                    network.told(Caller),
                    ["TransportFailed"],
                    "{protocol:?} {method}"
                );
                assert_empty(&mut network);
                assert_eq!(network.next(), None);
            }
        }
    }

    #[test]
    fn a_ringing_invite_outlives_its_connection() {
        let mut network = tcp();
        call(&mut network);
        let flow = Flow {
            connection: Some(ConnectionId(1)),
            ..Caller.flow(Protocol::Tcp)
        };
        network.at(Caller, |layer, now| layer.handle_transport_error(flow, now));
        respond(&mut network, 486);
        network.run_out();
        assert_eq!(network.told(Caller), ["100 INVITE", "486 INVITE"]);
        assert_empty(&mut network);
    }

    #[test]
    fn what_goes_elsewhere_is_left_alone() {
        let mut network = udp().with_fate(silence());
        network.send(request("OPTIONS", "call"));
        let mut elsewhere = Caller.flow(Protocol::Udp);
        elsewhere.remote.set_port(5061);
        let mut from_elsewhere = Caller.flow(Protocol::Udp);
        from_elsewhere.local.set_port(5061);
        for flow in [elsewhere, from_elsewhere, Caller.flow(Protocol::Tcp)] {
            network.at(Caller, |layer, now| layer.handle_transport_error(flow, now));
        }
        assert_eq!(network.told(Caller), Vec::<String>::new());
    }
}

mod too_many {
    use super::*;

    #[test]
    fn new_calls_are_refused_before_the_rest_and_an_invite_gets_no_retry_after() {
        let answers = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let copy = std::rc::Rc::clone(&answers);
        let mut network = udp().with_fate(Box::new(move |_, from, message| {
            if from == Called {
                let headers = message.headers();
                let retry_after = headers.value("Retry-After").map(str::to_owned);
                copy.borrow_mut().push((
                    super::super::network::describe_message(message),
                    retry_after,
                ));
                assert!(headers.to_tag().is_some() || headers.cseq().unwrap().number == 9);
            }
            vec![DELAY]
        }));
        let room = Room {
            clients: 100,
            servers: 2,
            servers_for_new_calls: 1,
        };
        network.at(Called, |layer, _| layer.room = room);
        for (method, call_id) in [
            ("OPTIONS", "1"),
            ("INVITE", "2"),
            ("REGISTER", "3"),
            ("REGISTER", "4"),
        ] {
            network.send(request(method, call_id));
            network.run_for(2 * DELAY);
        }
        assert_eq!(network.told(Called), ["OPTIONS", "ACK", "REGISTER"]);
        let refused = ("503 INVITE".to_owned(), None);
        let refused_for_now = ("503 REGISTER".to_owned(), Some("32".to_owned()));
        assert_eq!(*answers.borrow(), [refused, refused_for_now]);
        assert_eq!(network.layer(Called).len(), 2);
    }

    #[test]
    fn one_request_too_many_of_ours_fails() {
        let mut network = udp();
        let room = Room {
            clients: 1,
            servers: 9,
            servers_for_new_calls: 9,
        };
        network.at(Caller, |layer, _| layer.room = room);
        network.send(request("OPTIONS", "1"));
        network.send(request("OPTIONS", "2"));
        assert_eq!(network.told(Caller), ["TransportFailed"]);
        assert_eq!(network.times(Caller, "OPTIONS"), [0]);
    }
}

/// What the users of one exchange do.
#[derive(Clone, Debug)]
struct Plan {
    method: &'static str,
    ringing_after: Option<u64>,
    answer_after: u64,
    status: u16,
    cancel_after: Option<u64>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let method = prop_oneof![3 => Just("INVITE"), 1 => Just("OPTIONS"), 1 => Just("BYE")];
    let status = prop_oneof![Just(200), Just(486), Just(302), Just(603)];
    let cancel = proptest::option::weighted(0.4, 0_u64..12_000);
    let ringing = proptest::option::of(0_u64..3_000);
    (method, ringing, 0_u64..10_000, status, cancel).prop_map(
        |(method, ringing_after, answer_after, status, cancel_after)| Plan {
            method,
            ringing_after,
            answer_after,
            status,
            cancel_after,
        },
    )
}

/// What a user has to do at some time.
enum Duty {
    Cancel(ClientKey),
    Respond(ServerKey, Response),
    /// The user's own repetition of a 2xx.
    Accept(ServerKey, Response, u64),
}

struct Users {
    network: Network,
    plans: BTreeMap<String, Plan>,
    duties: BTreeMap<(Mono, u64), Duty>,
    last_duty: u64,
    acknowledged: std::collections::BTreeSet<String>,
    answered: std::collections::BTreeSet<ServerKey>,
    final_events: BTreeMap<ClientKey, u32>,
    /// The requests that were told, by Call-ID, and when each got its final response.
    told: BTreeMap<String, Option<Mono>>,
}

impl Users {
    fn plan(&mut self, delay_millis: u64, duty: Duty) {
        self.last_duty += 1;
        let at = self.network.now + Duration::from_millis(delay_millis);
        self.duties.insert((at, self.last_duty), duty);
    }

    fn run(&mut self) {
        for _ in 0..1_000_000 {
            self.react();
            let duty = self.duties.keys().next().map(|(at, _)| *at);
            match (duty, self.network.next()) {
                (Some(at), next) if next.is_none_or(|next| at <= next) => {
                    self.network.now = at;
                    if let Some((_, duty)) = self.duties.pop_first() {
                        self.perform(duty);
                    }
                }
                (_, Some(_)) => {
                    self.network.step();
                }
                (_, None) => return,
            }
        }
        panic!("it never ends");
    }

    fn perform(&mut self, duty: Duty) {
        match duty {
            Duty::Cancel(key) => {
                self.network
                    .at(Caller, |layer, now| layer.cancel(&key, None, now));
            }
            Duty::Respond(key, response) => {
                if response.status >= 200 {
                    if !self.answered.insert(key) {
                        return;
                    }
                    let call_id = response.headers.value("Call-ID").unwrap().to_owned();
                    self.told.insert(call_id, Some(self.network.now));
                }
                if response.status / 100 == 2
                    && response.headers.cseq().unwrap().method == Method::Invite
                {
                    self.plan(500, Duty::Accept(key, response.clone(), 500));
                }
                self.network
                    .at(Called, |layer, now| layer.respond(&key, response, now));
            }
            Duty::Accept(key, response, interval) => {
                let call_id = response.headers.value("Call-ID").unwrap().to_owned();
                if self.acknowledged.contains(&call_id) || interval > 20_000 {
                    return;
                }
                self.plan(
                    interval * 2,
                    Duty::Accept(key, response.clone(), interval * 2),
                );
                self.network
                    .at(Called, |layer, now| layer.respond(&key, response, now));
            }
        }
    }

    fn react(&mut self) {
        for (told_at, side, action) in std::mem::take(&mut self.network.actions) {
            let what = describe(&action);
            match action {
                Action::Request { key, request, .. } => {
                    let call_id = request.headers.value("Call-ID").unwrap().to_owned();
                    // RFC 3261 §17.2.2 forgets an answered request after 64*T1. What is sent again
                    // just before the client gives up and is slow on its way comes later than that.
                    if let Some(before) = self.told.insert(call_id.clone(), None) {
                        let forgotten = before.map(|at| at + Timers::default().give_up());
                        assert!(
                            forgotten.is_some_and(|at| at <= told_at),
                            "{what} was told twice"
                        );
                    }
                    let plan = self.plans[&call_id].clone();
                    if let Some(after) = plan.ringing_after {
                        let ringing = with_tag(request.response(180));
                        self.plan(after.min(plan.answer_after), Duty::Respond(key, ringing));
                    }
                    let response = with_tag(request.response(plan.status));
                    self.plan(plan.answer_after, Duty::Respond(key, response));
                }
                Action::Ack { request, .. } => {
                    assert_eq!(side, Called);
                    self.acknowledged
                        .insert(request.headers.value("Call-ID").unwrap().to_owned());
                }
                Action::Cancelled { key } => {
                    assert!(
                        !self.answered.contains(&key),
                        "cancelled after a final response"
                    );
                    self.cancelled(key);
                }
                Action::Response { key, response, .. } => {
                    let is_invite = response.headers.cseq().unwrap().method == Method::Invite;
                    let is_final = response.status >= 200;
                    if is_final && is_invite && response.status < 300 {
                        let call_id = response.headers.value("Call-ID").unwrap();
                        let ack = request("ACK", call_id);
                        self.final_events.entry(key).or_insert(1);
                        self.network.send_ack(ack);
                    } else if is_final {
                        *self.final_events.entry(key).or_default() += 1;
                    } else {
                        assert!(
                            !self.final_events.contains_key(&key),
                            "{what} after the end"
                        );
                    }
                }
                Action::TimedOut { key } => *self.final_events.entry(key).or_default() += 1,
                Action::TransportFailed { .. } | Action::Transmit { .. } => panic!("{what}"),
            }
        }
    }

    /// The called user answers a cancelled INVITE with 487, in place of what was planned.
    fn cancelled(&mut self, key: ServerKey) {
        let planned = self.duties.iter().find_map(|(at, duty)| match duty {
            Duty::Respond(of, response) if *of == key && response.status >= 200 => {
                Some((*at, response.clone()))
            }
            _ => None,
        });
        let (at, mut response) = planned.expect("an answer was planned");
        self.duties.remove(&at);
        response.status = 487;
        self.plan(0, Duty::Respond(key, response));
    }
}

/// Loses, doubles and delays by a seed; nothing takes longer than 2 s (T4 is 5 s).
fn storm(seed: u64, lost_percent: u64, doubled_percent: u64) -> Fate {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = RandomSource::from_seed(bytes);
    Box::new(move |_, _, _| {
        let mut copies = Vec::new();
        if random.next_u64() % 100 >= lost_percent {
            copies.push(Duration::from_micros(random.next_u64() % 2_000_000));
        }
        if random.next_u64() % 100 < doubled_percent {
            copies.push(Duration::from_micros(random.next_u64() % 2_000_000));
        }
        copies
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_network_does_everything_ends_once_and_nothing_is_left(
        seed: u64,
        lost in 0_u64..96,
        doubled in 0_u64..50,
        plans in proptest::collection::vec(plan(), 1..8),
    ) {
        let network = udp().with_fate(storm(seed, lost, doubled));
        let mut users = Users {
            network,
            plans: BTreeMap::new(),
            duties: BTreeMap::new(),
            last_duty: 0,
            acknowledged: Default::default(),
            answered: Default::default(),
            final_events: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        let mut keys = Vec::new();
        for (number, plan) in plans.iter().enumerate() {
            let call_id = format!("call-{number}");
            users.plans.insert(call_id.clone(), plan.clone());
            let key = users.network.send(request(plan.method, &call_id));
            if let Some(after) = plan.cancel_after {
                users.plan(after, Duty::Cancel(key));
            }
            keys.push(key);
        }
        users.run();
        // Where every final response to a ringing INVITE was lost, its user ends it.
        for key in &keys {
            if !users.final_events.contains_key(key) {
                users.plan(0, Duty::Cancel(*key));
            }
        }
        users.run();
        assert_empty(&mut users.network);
        for key in keys {
            prop_assert_eq!(users.final_events.get(&key), Some(&1));
        }
    }
}

#[test]
fn the_clock_is_asked_for_nothing_when_nothing_lives() {
    let mut layer = Transactions::new(Timers::default());
    assert!(layer.is_empty());
    assert_eq!(layer.next_timeout(), None);
    layer.handle_timeout(Mono::from_millis(1_000_000));
    layer.respond(&ServerKey(5), Response::new(200), Mono::ZERO);
    layer.cancel(&ClientKey(5), None, Mono::ZERO);
    assert!(layer.poll_action().is_none());
}

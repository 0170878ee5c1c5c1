//! A call that somebody answers.

use super::party::{Manner, Standing};
use super::steps::{foreign_sdp, with_mobile};
use super::world::*;
use crate::core::conversation::{Assignee, ItemKind};
use crate::core::id::LegId;
use crate::core::record::CallOutcome;
use crate::core::snapshot::{CallerShown, Outbound, Protocol, Snapshot, Strategy};
use crate::media::command::{Codec, Direction, MediaCommand, MediaEvent};
use crate::sip::flow::ConnectionId;
use crate::sip::message::{Message, NameAddr, Uri};

const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// Anna talks to a caller.
fn conversation() -> (World, LegId) {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.manner("anna", Manner::Answers(seconds(3)));
    let caller = world.call();
    world.run_until("a conversation", |world| {
        *world.caller(caller) == Standing::Talking
    });
    world.run(seconds(1));
    (world, caller)
}

#[test]
fn the_first_phone_to_answer_has_the_call_and_the_other_stops_ringing_without_a_missed_call() {
    let (mut world, caller) = conversation();
    assert!(world.is_talking("anna"));
    assert!(!world.is_ringing("bjorn"));
    let cancel = world.first("daemon", "bjorn", "CANCEL").expect("a CANCEL");
    assert_eq!(cancel.message.headers().value("Reason"), Some(ELSEWHERE));
    let (a, b) = world.bridged();
    assert_ne!(a, b);
    world.run(seconds(60));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
    assert_eq!(world.call_row().answered_by, Some("anna".into()));
    assert!(world.notices.is_empty(), "nobody missed anything");
}

#[test]
fn who_answers_is_the_assignee_and_the_item_is_closed_with_the_call() {
    let (mut world, _) = conversation();
    let item = world.item();
    assert_eq!(item.item, Some(ItemKind::Call));
    assert_eq!(item.assignee, Some(Assignee::User("anna".into())));
    assert_eq!(item.closed, None);
    world.hang_up("anna");
    assert_eq!(world.outcome(), CallOutcome::Answered);
    assert!(world.item().closed.is_some());
}

#[test]
fn a_second_phone_of_the_one_who_answers_stops_ringing_too() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.register("anna");
    world.manner("anna-2", Manner::Answers(seconds(2)));
    let caller = world.call();
    world.run(seconds(3));
    assert!(world.is_talking("anna-2"));
    let cancel = world.first("daemon", "anna", "CANCEL").expect("a CANCEL");
    assert_eq!(cancel.message.headers().value("Reason"), Some(ELSEWHERE));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn one_pair_of_ports_serves_all_ringing_phones() {
    let names = ["anna", "bjorn", "carl", "dora"];
    let mut world = World::with_phones(Strategy::RingAll, &names);
    let caller = world.call();
    world.run(seconds(2));
    assert_eq!(world.who_rings(), names);
    assert_eq!(world.opened(), 2, "the caller's and that of the phones");
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Missed);
}

#[test]
fn the_caller_gets_the_codec_that_the_phone_took() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.manner("anna", Manner::Answers(seconds(1)));
    // The phone prefers PCMU, as it is offered first there; the caller would rather have PCMA.
    let call = world.answered_by_hand(true);
    let codecs = world.commands(|command| match command {
        MediaCommand::Agree { agreement, .. } => Some(agreement.codec),
        _ => None,
    });
    assert_eq!(codecs.len(), 2);
    assert_eq!(codecs[0], codecs[1], "nothing needs converting");
    assert_eq!(codecs[0], Codec::Pcma, "the caller's order is kept");
    world.acknowledge(call.caller, &call.invite, &call.ok, None);
    world.run(seconds(1));
    world.hang_up("anna");
    world.takes_bye(call.caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_caller_who_sends_no_offer_gets_ours_and_talks() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.manner("anna", Manner::Answers(seconds(1)));
    let call = world.answered_by_hand(false);
    assert!(!call.ok.body.is_empty(), "our offer");
    world.answers_our_offer(&call);
    world.run(seconds(1));
    let agreed = world.commands(|command| match command {
        MediaCommand::Agree { agreement, .. } => Some(agreement.remote.ip()),
        _ => None,
    });
    assert!(agreed.contains(&"198.51.100.7".parse().unwrap()));
    world.hang_up("anna");
    world.takes_bye(call.caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_caller_who_never_answers_our_offer_is_hung_up_on() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    world.manner("anna", Manner::Answers(seconds(1)));
    let call = world.answered_by_hand(false);
    world.acknowledge(call.caller, &call.invite, &call.ok, None);
    world.takes_bye(call.caller);
    world.finish();
    assert!(!world.is_talking("anna"));
}

#[test]
fn a_held_side_hears_the_hold_prompt_until_it_is_taken_back() {
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    let prompt = snapshot.prompts.values().next().unwrap().clone();
    snapshot.prompts.insert("hold".into(), prompt);
    let mut world = World::new(snapshot);
    let anna = world.register("anna");
    let caller = world.talks_to("anna");
    let (callers_media, _) = world.bridged();
    let leg = world.leg_of("anna");
    let invites = world.messages("daemon", "carrier", "INVITE").len();

    world.offers(anna, leg, Direction::SendOnly);
    world.run(seconds(2));
    let played = world.commands(|command| match command {
        MediaCommand::Play { media, repeat, .. } => Some((*media, *repeat)),
        _ => None,
    });
    assert_eq!(played, [(callers_media, true)]);

    world.offers(anna, leg, Direction::SendRecv);
    world.run(seconds(2));
    let stopped = world.commands(|command| match command {
        MediaCommand::StopPlaying { media } => Some(*media),
        _ => None,
    });
    assert_eq!(stopped.last(), Some(&callers_media));
    let after = world.messages("daemon", "carrier", "INVITE").len();
    assert_eq!(invites, after, "nothing of it reaches the other leg");

    world.offers(CARRIER, caller, Direction::Inactive);
    world.run(seconds(2));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn both_sides_may_hold_and_offer_at_once() {
    let (mut world, caller) = conversation();
    let anna = world.party("anna");
    let leg = world.leg_of("anna");
    world.offers(anna, leg, Direction::SendOnly);
    world.offers(CARRIER, caller, Direction::SendOnly);
    world.run(seconds(5));
    world.offers(CARRIER, caller, Direction::SendRecv);
    world.offers(anna, leg, Direction::SendRecv);
    world.run(seconds(5));
    assert!(world.is_talking("anna"));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn both_sides_hang_up_at_once() {
    let (mut world, caller) = conversation();
    world.hang_up("anna");
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn two_phones_answer_at_once_and_one_of_them_is_hung_up() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.manner("anna", Manner::Answers(seconds(3)));
    world.manner("bjorn", Manner::Answers(seconds(3)));
    let caller = world.call();
    world.run(seconds(5));
    assert_ne!(world.is_talking("anna"), world.is_talking("bjorn"));
    let byes = world.messages("daemon", "anna", "BYE").len()
        + world.messages("daemon", "bjorn", "BYE").len();
    assert_eq!(byes, 1, "ACK, then BYE for the late one");
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_phone_that_answers_with_nothing_we_speak_does_not_take_the_call() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna", "bjorn"]));
    let bjorn = world.stranger("bjorn", "10.0.1.9:5060");
    world.register("anna");
    world.register_by_hand(bjorn, "bjorn");
    let caller = world.call();
    let invite = world.gets_request(bjorn, "INVITE");
    world.stranger_answers(bjorn, &invite, "b", foreign_sdp("10.0.1.9"));
    world.takes_bye(bjorn);
    world.run(seconds(1));
    assert_eq!(
        world.who_rings(),
        ["anna"],
        "the other phone goes on ringing"
    );
    assert_eq!(*world.caller(caller), Standing::Ringing);
    world.answer("anna");
    world.run(seconds(1));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_phone_behind_a_forking_proxy_that_answers_twice_keeps_one_dialog() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna"]));
    let anna = world.stranger("anna", "10.0.1.9:5060");
    world.register_by_hand(anna, "anna");
    let caller = world.call();
    let invite = world.gets_request(anna, "INVITE");
    let sdp = sdp_text("10.0.1.9:5060".parse().unwrap());
    for tag in ["one", "two"] {
        world.stranger_answers(anna, &invite, tag, sdp.clone());
    }
    let bye = world.takes_bye(anna);
    assert_eq!(bye.headers.to_tag(), Some("two"), "the second is refused");
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Talking);
    world.caller_hangs_up(caller);
    let bye = world.takes_bye(anna);
    assert_eq!(bye.headers.to_tag(), Some("one"));
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

#[test]
fn a_fault_in_a_media_thread_ends_the_conversation_and_frees_the_user() {
    for of_caller in [true, false] {
        let (mut world, caller) = conversation();
        let (callers, annas) = world.bridged();
        let error = "internal fault".to_owned();
        let media = if of_caller { callers } else { annas };
        world.media_says(MediaEvent::OpenFailed { media, error });
        world.run(seconds(1));
        assert!(world.is_over(caller) && !world.is_talking("anna"));
        assert_eq!(world.outcome(), CallOutcome::Answered);
    }
}

#[test]
fn a_whole_call_over_tcp() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna", "bjorn"]));
    world.register_over_tcp("anna");
    world.register_over_tcp("bjorn");
    world.parties[CARRIER].connection = Some(ConnectionId(99));
    world.manner("anna", Manner::Answers(seconds(2)));
    let caller = world.call();
    world.run(seconds(30));
    assert!(world.is_talking("anna") && !world.is_ringing("bjorn"));
    assert_eq!(world.messages("daemon", "anna", "INVITE").len(), 1);
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
    for party in ["carrier", "anna", "bjorn"] {
        for sent in world.messages("daemon", party, "") {
            if let Message::Request(request) = &sent.message {
                let via = request.headers.top_via().unwrap();
                assert_eq!(via.protocol, "TCP", "{}", title(&sent.message));
            }
        }
    }
}

#[test]
fn a_phone_over_tcp_whose_connection_closes_in_the_course_of_a_call_is_noticed() {
    let mut world = World::new(ringing(Strategy::RingAll, &["anna", "bjorn"]));
    world.register_over_tcp("anna");
    world.register("bjorn");
    world.manner("anna", Manner::Answers(seconds(2)));
    let caller = world.call();
    world.run(seconds(3));
    assert!(world.is_talking("anna"));
    world.disconnect("anna");
    world.run(seconds(1));
    let second = world.call();
    world.run(seconds(1));
    assert_eq!(world.who_rings(), ["bjorn"], "her phone is gone");
    world.caller_hangs_up(second);
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_phone_over_tcp_whose_connection_closes_while_it_rings_holds_the_call_up_for_its_turn_at_most()
{
    let mut world = World::new(ringing(Strategy::Sequential, &["anna", "bjorn"]));
    world.register_over_tcp("anna");
    world.register("bjorn");
    let caller = world.call();
    world.run(seconds(3));
    assert_eq!(world.messages("daemon", "bjorn", "INVITE").len(), 0);
    world.disconnect("anna");
    world.run(seconds(13));
    assert_eq!(world.messages("daemon", "bjorn", "INVITE").len(), 1);
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_phone_with_a_fixed_address_rings_without_registering() {
    let mut snapshot = ringing(Strategy::RingAll, &["anna"]);
    let mut users = people(&["anna"]);
    users[0].sip_contacts = vec![Outbound {
        uri: "sip:anna@10.0.1.1".to_owned(),
        user: Some("anna".to_owned()),
        host: "10.0.1.1".to_owned(),
        port: 5060,
        protocol: Protocol::Udp,
    }];
    snapshot.users = users.into();
    let mut world = World::new(snapshot);
    world.add_phone("anna");
    world.run(seconds(1));
    let caller = world.talks_to("anna");
    world.hang_up("anna");
    world.run(seconds(1));
    assert!(world.is_over(caller));
    assert_eq!(world.outcome(), CallOutcome::Answered);
}

// ---- numbers in the phone network ----

/// Björn has a mobile.
fn with_external(shown: CallerShown) -> Snapshot {
    with_mobile(ringing(Strategy::RingAll, &["anna", "bjorn"]), 1, shown)
}

/// … which answers after two seconds, and is asked to press 1 by now.
fn a_mobile_is_asked() -> (World, LegId) {
    let mut world = World::new(with_external(CallerShown::Channel));
    world.register("anna");
    world.run(seconds(1));
    world.manner("carrier", Manner::Answers(seconds(2)));
    let caller = world.call();
    world.run(seconds(6));
    (world, caller)
}

/// The media leg that hears "press 1 to accept".
fn asked(world: &World) -> Option<crate::media::command::MediaId> {
    let asked = world.commands(|command| match command {
        MediaCommand::Play {
            media,
            repeat: true,
            ..
        } => Some(*media),
        _ => None,
    });
    asked.last().copied()
}

#[test]
fn a_mobile_must_press_1_so_that_its_own_voicemail_never_wins() {
    let (mut world, caller) = a_mobile_is_asked();
    assert_eq!(
        *world.caller(caller),
        Standing::Ringing,
        "nobody has it yet"
    );
    assert!(world.is_ringing("anna"));
    let media = asked(&world).expect("asked to press 1");

    world.media_says(MediaEvent::Digit { media, digit: '2' });
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Ringing, "2 is not 1");

    world.answer("anna");
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Talking);
    let bye = world
        .first("daemon", "carrier", "BYE")
        .expect("a BYE to the mobile");
    assert_eq!(bye.message.headers().value("Reason"), Some(ELSEWHERE));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
    assert_eq!(world.call_row().answered_by, Some("anna".into()));
}

#[test]
fn a_mobile_that_presses_1_has_the_call() {
    let (mut world, caller) = a_mobile_is_asked();
    let media = asked(&world).expect("asked to press 1");
    world.media_says(MediaEvent::Digit { media, digit: '1' });
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Talking);
    assert!(!world.is_ringing("anna"));
    assert_eq!(world.bridged().1, media);
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
    assert_eq!(world.call_row().answered_by, Some("bjorn".into()));
}

#[test]
fn a_mobile_that_cannot_send_digits_is_hung_up_and_its_leg_says_why() {
    let mut world = World::new(with_external(CallerShown::Channel));
    world.register("anna");
    let gateway = world.stranger("gateway", "198.51.100.9:5060");
    let mut snapshot = (*world.snapshot).clone();
    let mut trunk = snapshot.trunks[0].clone();
    trunk.outbound.as_mut().unwrap().uri = "sip:198.51.100.9".to_owned();
    trunk.outbound.as_mut().unwrap().host = "198.51.100.9".to_owned();
    snapshot.trunks = vec![trunk].into();
    world.tell(crate::engine::Input::Loaded(snapshot.into()));
    let ping = world.gets_request(gateway, "OPTIONS");
    world.sends(gateway, ping.response(200));
    world.run(seconds(1));
    let caller = world.call();
    let invite = world.gets_request(gateway, "INVITE");
    let without_digits = "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    world.stranger_answers(gateway, &invite, "g", without_digits.to_owned());
    world.takes_bye(gateway);
    world.run(seconds(1));
    assert_eq!(*world.caller(caller), Standing::Ringing);
    assert_eq!(world.who_rings(), ["anna"]);
    let rows = world.leg_rows();
    assert!(rows.values().any(|leg| leg.reason.starts_with("no-dtmf")));
    world.caller_hangs_up(caller);
    world.run(seconds(40));
    assert!(world.is_over(caller));
}

#[test]
fn a_mobile_sees_the_channels_number_and_no_header_of_the_caller() {
    let mut world = World::new(with_external(CallerShown::Channel));
    world.run(seconds(1));
    let caller = world.call_with(|invite| {
        invite.headers.push(("X-Secret".to_owned(), "1".to_owned()));
        invite
            .headers
            .push(("Max-Forwards".to_owned(), "9".to_owned()));
    });
    world.run(seconds(1));
    let invite = world
        .first("daemon", "carrier", "INVITE")
        .expect("an INVITE");
    let headers = invite.message.headers();
    assert_eq!(user_of(headers.value("From")), "+4722334455");
    assert_eq!(user_of(headers.value("P-Asserted-Identity")), "+4722334455");
    assert_eq!(headers.value("X-Secret"), None);
    assert_eq!(headers.max_forwards(), Ok(Some(8)), "one hop less");
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Missed);
}

#[test]
fn a_trunk_may_pass_the_callers_number_on_but_not_that_of_a_caller_who_hides_it() {
    let mut world = World::new(with_external(CallerShown::Pass));
    world.run(seconds(1));
    let caller = world.call();
    world.run(seconds(1));
    world.caller_hangs_up(caller);
    world.run(seconds(40));
    let hidden = world.call_with(hide);
    world.run(seconds(1));
    let invites = world.messages("daemon", "carrier", "INVITE");
    let (shown, anonymous) = (&invites[0].message, &invites[1].message);
    assert_eq!(user_of(shown.headers().value("From")), CALLER);
    assert_eq!(user_of(anonymous.headers().value("From")), "anonymous");
    assert_eq!(anonymous.headers().value("Privacy"), Some("id"));
    assert!(!text_of(anonymous).contains(CALLER));
    world.caller_hangs_up(hidden);
    world.finish();
}

fn hide(invite: &mut crate::sip::user_agent::OutgoingInvite) {
    let address = "198.51.100.1:5060".parse().unwrap();
    let asserted = NameAddr::new(Uri::of_address(Some(CALLER), address));
    invite
        .headers
        .push(("P-Asserted-Identity".to_owned(), asserted.to_string()));
    invite.headers.push(("Privacy".to_owned(), "id".to_owned()));
}

#[test]
fn a_phone_shows_the_caller_and_the_channel() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.call_with(|invite| {
        invite.from = invite.from.clone().with_display_name(Some("Kari Nordmann"));
        invite.headers.push(("X-Secret".to_owned(), "1".to_owned()));
    });
    world.run(seconds(1));
    let invite = world.first("daemon", "anna", "INVITE").expect("an INVITE");
    let from = invite.message.headers().from().unwrap();
    assert_eq!(
        from.display_name.as_deref(),
        Some("Kari Nordmann (main-line)")
    );
    assert_eq!(from.uri.user.as_deref(), Some(CALLER));
    assert_eq!(invite.message.headers().value("X-Secret"), None);
    world.caller_hangs_up(caller);
    world.finish();
}

#[test]
fn a_phone_shows_nothing_of_a_caller_who_asks_for_privacy() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna"]);
    let caller = world.call_with(|invite| {
        hide(invite);
        invite.from = invite.from.clone().with_display_name(Some("Kari Nordmann"));
    });
    world.run(seconds(1));
    let invite = world.first("daemon", "anna", "INVITE").expect("an INVITE");
    let text = text_of(&invite.message);
    assert!(!text.contains(CALLER) && !text.contains("Kari"), "{text}");
    let from = invite.message.headers().from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("Anonymous (main-line)"));
    world.caller_hangs_up(caller);
    world.finish();
    assert_eq!(world.call_row().from, None);
}

fn text_of(message: &Message) -> String {
    String::from_utf8_lossy(&message.to_bytes()).into_owned()
}

fn user_of(value: Option<&str>) -> String {
    let address: NameAddr = value.expect("a header").parse().unwrap();
    address.uri.user.unwrap_or_default()
}

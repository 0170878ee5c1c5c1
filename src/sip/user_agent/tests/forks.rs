//! One INVITE that several answer.

use std::time::Duration;

use super::peer::{PeerDialog, accept, reply};
use super::world::{ANNA, World, leg, title};
use crate::sip::message::{Message, Method, Request};

/// The next request of that method in the dialog with that tag of the peer.
fn gets(world: &mut World, method: &str, tag: &str) -> Request {
    let message = world.peer_gets(&format!("{method} to {tag}"), |message| {
        matches!(message, Message::Request(request) if request.method.as_str() == method
            && request.headers.to_tag() == Some(tag))
    });
    let Message::Request(request) = message else {
        unreachable!()
    };
    request
}

/// The one with that tag gets BYE and agrees.
fn takes_bye(world: &mut World, tag: &str) {
    let bye = gets(world, "BYE", tag);
    world.peer_sends(ANNA, reply(&bye, 200, tag));
}

/// The one with that tag answers too late: it gets its ACK, and then BYE.
fn answers_in_vain(world: &mut World, invite: &Request, tag: &str) {
    world.peer_sends(ANNA, accept(invite, tag));
    gets(world, "ACK", tag);
    takes_bye(world, tag);
}

#[test]
fn the_first_answer_wins_and_the_others_get_ack_and_bye() {
    let mut world = World::new();
    let invite = world.call_peer();
    for tag in ["a", "b", "c"] {
        world.peer_sends(ANNA, reply(&invite, 180, tag));
    }
    world.peer_sends(ANNA, accept(&invite, "b"));
    world.wait(ANNA, "Answered");
    gets(&mut world, "ACK", "b");
    for tag in ["a", "new"] {
        answers_in_vain(&mut world, &invite, tag);
    }
    world.run(Duration::from_secs(1));
    assert!(world.heard(ANNA).is_empty());
    assert_eq!(
        world
            .agent(ANNA)
            .remote_identity(leg(1))
            .unwrap()
            .tag()
            .map(str::to_owned),
        Some("b".to_owned())
    );
    world.hang_up(ANNA, leg(1));
    takes_bye(&mut world, "b");
    world.finish();
}

#[test]
fn the_answer_of_a_lost_fork_that_comes_again_gets_ack_but_no_second_bye() {
    let mut world = World::new();
    let invite = world.call_peer();
    world.peer_answers(&invite, "a");
    answers_in_vain(&mut world, &invite, "b");
    world.run(Duration::from_secs(1));
    world.peer_inbox();
    world.peer_sends(ANNA, accept(&invite, "b"));
    world.run(Duration::from_secs(1));
    assert_eq!(world.peer_inbox(), ["ACK (1 ACK)"]);
    world.hang_up(ANNA, leg(1));
    takes_bye(&mut world, "a");
    world.finish();
}

#[test]
fn a_fork_that_answers_after_the_call_is_over_is_sent_away() {
    let mut world = World::new();
    let invite = world.call_peer();
    world.peer_answers(&invite, "a");
    world.hang_up(ANNA, leg(1));
    takes_bye(&mut world, "a");
    world.run(Duration::from_secs(5));
    answers_in_vain(&mut world, &invite, "b");
    world.finish();
}

#[test]
fn the_bye_of_a_lost_fork_that_crosses_ours_gets_200() {
    let mut world = World::new();
    let invite = world.call_peer();
    world.peer_answers(&invite, "a");
    world.peer_sends(ANNA, accept(&invite, "b"));
    let our_bye = gets(&mut world, "BYE", "b");
    let mut dialog = PeerDialog::called(&invite, "b", ANNA);
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(200, "BYE");
    world.peer_sends(ANNA, reply(&our_bye, 481, "b"));
    assert!(world.heard(ANNA).is_empty());
    world.run(Duration::from_secs(33));
    world.peer_sends(ANNA, dialog.request(Method::Bye));
    world.peer_gets_response(481, "BYE");
    world.hang_up(ANNA, leg(1));
    takes_bye(&mut world, "a");
    world.finish();
}

#[test]
fn forks_that_answer_a_cancelled_call_all_get_ack_and_bye() {
    let mut world = World::new();
    let invite = world.call_peer();
    world.peer_sends(ANNA, reply(&invite, 180, "a"));
    world.next(ANNA);
    world.command(ANNA, "cancels", |agent, now| {
        agent.cancel(leg(1), None, now)
    });
    for tag in ["a", "b"] {
        answers_in_vain(&mut world, &invite, tag);
    }
    world.finish();
}

#[test]
fn more_forks_than_anybody_has_phones_do_not_fill_the_table() {
    let mut world = World::new();
    let invite = world.call_peer();
    for number in 0..100 {
        let tag = format!("fork-{number}");
        world.peer_sends(ANNA, reply(&invite, 180, &tag));
        world.peer_sends(ANNA, accept(&invite, &tag));
    }
    world.run(Duration::from_millis(100));
    let acks = world.peer_inbox();
    let acks = acks.iter().filter(|title| *title == "ACK (1 ACK)").count();
    assert_eq!(acks, 17);
    world.hang_up(ANNA, leg(1));
    world.finish();
}

#[test]
fn early_dialogs_keep_their_own_cseq() {
    let mut world = World::new();
    let invite = world.call_peer();
    let mut dialogs: Vec<PeerDialog> = ["a", "b"]
        .into_iter()
        .map(|tag| PeerDialog::called(&invite, tag, ANNA))
        .collect();
    for (dialog, cseq) in dialogs.iter_mut().zip([100, 5]) {
        let tag = dialog.local.rsplit('=').next().unwrap().to_owned();
        world.peer_sends(ANNA, reply(&invite, 180, &tag));
        dialog.cseq = cseq;
        let options = dialog.request(Method::Options);
        world.peer_sends(ANNA, options);
        world.peer_gets_response(200, "OPTIONS");
    }
    world.peer_sends(ANNA, accept(&invite, "a"));
    world.wait(ANNA, "Answered");
    world.peer_sends(ANNA, dialogs[0].request_of(Method::Options, 50));
    world.peer_gets("500", |message| title(message) == "500 (50 OPTIONS)");
    world.peer_sends(ANNA, dialogs[0].request(Method::Bye));
    world.peer_gets_response(200, "BYE");
    world.finish();
}

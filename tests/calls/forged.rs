//! RTP from somebody who is no part of the call.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::cast::Conversation;
use crate::support::daemon::{ALWAYS_OPEN, Daemon};
use crate::support::line::Line;
use crate::support::place::{Place, Who};
use crate::support::sound::{FRAME, Law, speech};

#[test]
fn forged_audio_during_a_call_changes_nothing() {
    let place = Place::take();
    let daemon = Daemon::start(&place, ALWAYS_OPEN);
    let mut conversation = Conversation::begin(&place);
    let (to_caller, to_anna) = (conversation.to_caller, conversation.to_anna);

    // One from elsewhere; one from the machine of each side, but from a port that it never named.
    let mut strangers = [
        Line::open(place.ip(Who::Stranger)),
        Line::open(place.ip(Who::Carrier)),
        Line::open(place.ip(Who::Anna)),
    ];
    conversation.talk(61);
    let rubbish = UdpSocket::bind((place.ip(Who::Stranger), 0)).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for stranger in &mut strangers {
            scope.spawn(|| {
                let noise = speech(69, 1);
                while !over.load(Ordering::Relaxed) {
                    stranger.say(to_caller, Law::Pcmu, &noise);
                    stranger.say(to_anna, Law::Pcmu, &noise[..FRAME]);
                    stranger.press(to_anna, 101, 11);
                }
            });
        }
        for to in [to_caller, to_anna] {
            rubbish.send_to(b"not RTP at all", to).unwrap();
        }
        conversation.talk(63);
        over.store(true, Ordering::Relaxed);
    });
    conversation.talk(65);
    for stranger in &strangers {
        assert!(
            stranger.packets().is_empty(),
            "nothing is sent to strangers"
        );
    }

    conversation.end();
    let calls = daemon.wait_for_calls(1);
    assert_eq!(calls[0].outcome.as_deref(), Some("answered"));
    daemon.stop();
}

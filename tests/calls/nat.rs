//! A phone that is not on the same network.

use crate::support::cast::{caller, registered_phone, talk};
use crate::support::daemon::{ALWAYS_OPEN, Daemon};
use crate::support::line::Line;
use crate::support::namespaces::Side;
use crate::support::place::{Place, Who};
use crate::support::sipp::requests;
use crate::support::sound::{Law, speech};

#[test]
fn a_phone_behind_a_nat_rings_and_both_hear_each_other() {
    let (place, networks) = match Place::take_nat() {
        Ok(made) => made,
        Err(why) => {
            eprintln!("skipped: no network namespaces here, which need root: {why}");
            return;
        }
    };
    let place = &place;
    let (outside, home) = (Side::Outside, Side::Home);
    let daemon = networks.within(outside, || Daemon::start(place, ALWAYS_OPEN));
    let mut caller_line = networks.within(outside, || Line::open(place.ip(Who::Carrier)));
    let mut anna_line = networks.within(home, || Line::open(place.ip(Who::Anna)));
    let mut anna = networks.within(home, || {
        registered_phone(place, Who::Anna, "phone", &anna_line)
    });
    let mut carrier = networks.within(outside, || caller(place, &caller_line).start());

    let to_anna = anna.wait_for_audio("answered", place);
    let to_caller = carrier.wait_for_audio("answered", place);
    // Until Anna's phone has sent something, the router lets nothing in.
    let first_words = speech(191, 10);
    anna_line.say(to_anna, Law::Pcmu, &first_words);
    caller_line.wait_for(first_words.len());
    talk(
        192,
        (&mut caller_line, to_caller),
        (&mut anna_line, to_anna),
    );
    networks.within(outside, || carrier.cue());
    carrier.finish();
    assert_eq!(requests(&anna.finish(), false, "BYE").len(), 1);
    daemon.stop();
}

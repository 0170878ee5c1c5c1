//! Who takes part in most stories, in few words.

use std::net::SocketAddr;

use super::daemon::{NUMBER, password};
use super::line::Line;
use super::place::{Place, Who};
use super::sipp::{Scenario, Sipp};
use super::sound::{Law, assert_same, speech};

/// A caller at the carrier, whose audio is `line`.
pub fn caller<'a>(place: &'a Place, line: &Line) -> Scenario<'a> {
    calling(place, Who::Carrier, "caller", line)
}

/// A caller of `who` with the scenario `file`.
pub fn calling<'a>(place: &'a Place, who: Who, file: &'a str, line: &Line) -> Scenario<'a> {
    Scenario::new(place, who, file)
        .with(["-s", NUMBER])
        .key("rtp_port", &line.port().to_string())
}

/// A phone of `who` with the scenario `file`, whose audio is `line`.
pub fn phone<'a>(place: &'a Place, who: Who, file: &'a str, line: &Line) -> Scenario<'a> {
    Scenario::new(place, who, file).key("rtp_port", &line.port().to_string())
}

/// Registers the phone of `who`, with digest.
pub fn register(place: &Place, who: Who) {
    let user = user(who);
    registering(place, who, user).start().finish();
}

/// A phone that registers as `user`.
pub fn registering<'a>(place: &'a Place, who: Who, user: &str) -> Scenario<'a> {
    Scenario::new(place, who, "register")
        .key("user", user)
        .with(["-au", user, "-ap", &password(user)])
}

/// The phone of `who` is registered and waits for a call.
pub fn registered_phone(place: &Place, who: Who, file: &str, line: &Line) -> Sipp {
    register(place, who);
    phone(place, who, file, line).listen()
}

fn user(who: Who) -> &'static str {
    match who {
        Who::Anna | Who::AnnaAtHome => "anna",
        Who::Bjorn => "bjorn",
        Who::Ringdesk | Who::Carrier | Who::OtherCarrier | Who::Stranger => "nobody",
    }
}

/// Both say two seconds of noise of their own at once, and hear what the other said and nothing else.
pub fn talk(seed: u64, a: (&mut Line, SocketAddr), b: (&mut Line, SocketAddr)) {
    let (from_a, from_b) = (speech(seed, 100), speech(seed + 1, 100));
    let before = (a.0.heard().len(), b.0.heard().len());
    std::thread::scope(|scope| {
        scope.spawn(|| a.0.say(a.1, Law::Pcmu, &from_a));
        scope.spawn(|| b.0.say(b.1, Law::Pcmu, &from_b));
    });
    a.0.wait_for(before.0 + from_b.len());
    b.0.wait_for(before.1 + from_a.len());
    assert_same("one side", &a.0.heard()[before.0..], &from_b);
    assert_same("the other side", &b.0.heard()[before.1..], &from_a);
}

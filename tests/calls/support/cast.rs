//! Who takes part in most stories, in few words.

use std::net::SocketAddr;

use super::daemon::{NUMBER, password, prompt};
use super::line::Line;
use super::place::{Place, Who};
use super::sipp::{Scenario, Sipp, requests};
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

/// Somebody outside talks with Anna.
pub struct Conversation {
    caller: Sipp,
    anna: Sipp,
    pub caller_line: Line,
    pub anna_line: Line,
    /// Where the caller's audio goes.
    pub to_caller: SocketAddr,
    /// Where Anna's audio goes.
    pub to_anna: SocketAddr,
}

impl Conversation {
    /// Anna's phone registers, somebody calls, and she answers.
    pub fn begin(place: &Place) -> Conversation {
        register(place, Who::Anna);
        Conversation::begin_registered(place)
    }

    /// The same where her phone is registered.
    pub fn begin_registered(place: &Place) -> Conversation {
        let caller_line = Line::open(place.ip(Who::Carrier));
        let anna_line = Line::open(place.ip(Who::Anna));
        let mut anna = phone(place, Who::Anna, "phone", &anna_line).listen();
        let mut caller = caller(place, &caller_line).start();
        let to_anna = anna.wait_for_audio("answered", place);
        let to_caller = caller.wait_for_audio("answered", place);
        Conversation {
            caller,
            anna,
            caller_line,
            anna_line,
            to_caller,
            to_anna,
        }
    }

    /// Each hears what the other says.
    pub fn talk(&mut self, seed: u64) {
        talk(
            seed,
            (&mut self.caller_line, self.to_caller),
            (&mut self.anna_line, self.to_anna),
        );
    }

    /// The caller hangs up, which is said once on each side.
    pub fn end(self) {
        self.caller.cue();
        let at_carrier = self.caller.finish();
        let at_anna = self.anna.finish();
        assert_eq!(requests(&at_carrier, true, "BYE").len(), 1);
        assert_eq!(requests(&at_anna, false, "BYE").len(), 1);
    }
}

/// The caller's line hears this prompt, which is the first that comes.
#[track_caller]
pub fn hears_prompt(line: &Line, name: &str) {
    let expected = prompt(name);
    line.wait_for(expected.len());
    assert_same("the caller", &line.heard()[..expected.len()], &expected);
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

//! Who takes part in most stories, in few words.

use super::daemon::{NUMBER, password};
use super::line::Line;
use super::place::{Place, Who};
use super::sipp::{Scenario, Sipp};

/// A caller at the carrier, whose audio is `line`.
pub fn caller<'a>(place: &'a Place, line: &Line) -> Scenario<'a> {
    Scenario::new(place, Who::Carrier, "caller")
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
        Who::Anna => "anna",
        Who::Bjorn => "bjorn",
        Who::Ringdesk | Who::Carrier | Who::OtherCarrier | Who::Stranger => "nobody",
    }
}

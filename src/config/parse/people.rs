//! `[[user]]`

use std::ops::RangeInclusive;

use crate::config::diagnostic::Findings;
use crate::config::schema;
use crate::config::section::Section;
use crate::config::tree::{AbsenceEntry, UserEntry};
use crate::core::snapshot::{Kind, Role, Seat};

/// Up to a day after a call.
const WRAP_UP_SECONDS: RangeInclusive<i64> = 0..=86_400;

/// Open conversations of one kind: nobody answers a thousand.
const CAPACITY: RangeInclusive<i64> = 0..=1000;

const ROLES: [(&str, Role); 2] = [("agent", Role::Agent), ("admin", Role::Admin)];

pub(super) fn user(section: &Section<'_>, findings: &mut Findings) -> Option<UserEntry> {
    let seats = [("sales", Seat::Sales), ("service", Seat::Service)];
    let name = section.required_text("name", findings);
    let seat = section
        .choice("seat", &seats, findings)
        .map(|seat| seat.value);
    // A seat that was written wrong is one error; that rules name a user without a seat is not another.
    let seat = seat.or(section.has("seat").then_some(Seat::Service));
    let display_name = section.text("display_name", findings);
    let email = section.text("email", findings);
    let sip_password_file = section.text("sip_password_file", findings);
    let sip_contacts = section.texts("sip_contacts", findings).unwrap_or_default();
    let external_number = section.text("external_number", findings);
    let external_trunk = section.text("external_trunk", findings);
    let schedule = section.text("schedule", findings);
    let timezone = section.text("timezone", findings);
    let wrap_up = section.seconds("wrap_up_seconds", WRAP_UP_SECONDS, findings);
    let role = section.choice("role", &ROLES, findings);
    let password_file = section.text("password_file", findings);
    let messages = [Kind::Chat, Kind::Email, Kind::Form];
    let capacity = section.numbers_by_kind("capacity", &messages, CAPACITY, findings);
    let capacity_on_call =
        section.numbers_by_kind("capacity_on_call", &messages, CAPACITY, findings);
    let presence_by_hours = section.truth("presence_by_hours", findings);
    let out_of_office = section
        .sections("out_of_office", &schema::ABSENCE, findings)
        .iter()
        .filter_map(|absence| self::absence(absence, findings))
        .collect();
    Some(UserEntry {
        name: name?,
        display_name,
        email,
        seat,
        sip_password_file,
        sip_contacts,
        external_number,
        external_trunk,
        schedule,
        timezone,
        wrap_up,
        role: role.map(|role| role.value).unwrap_or_default(),
        password_file,
        capacity,
        capacity_on_call,
        presence_by_hours,
        out_of_office,
    })
}

fn absence(section: &Section<'_>, findings: &mut Findings) -> Option<AbsenceEntry> {
    let from = section.required_text("from", findings);
    let to = section.required_text("to", findings);
    Some(AbsenceEntry {
        from: from?,
        to: to?,
    })
}

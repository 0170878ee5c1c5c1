//! Who is there: by hand, by own hours, by absences, by missed offers.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::core::id::RandomSource;
use crate::core::routing::{DeviceFacts, Kind, Presence, Request};
use crate::core::sample::{add, at, channel, hours, oslo, snapshot, step, user};
use crate::core::snapshot::{Absence, Snapshot, Strategy, User};
use crate::core::time::Wall;

/// A desk with its clock, and Anna.
struct Office {
    desk: Desk,
    snapshot: Snapshot,
    now: Now,
}

/// Wednesday; Oslo is an hour ahead of UTC. Anna's hours are 08:00-11:30 and 12:00-16:00, Monday to
/// Friday, and set her presence.
fn office(from: &str, change: impl Fn(&mut User)) -> Office {
    let mut anna = user("anna");
    anna.schedule = Some("oslo".into());
    anna.presence_by_hours = true;
    change(&mut anna);
    let main = channel(vec![step(Strategy::RingAll, &["anna"], &[])]);
    let mut snapshot = snapshot(vec![anna], vec![], vec![main]);
    add(&mut snapshot.schedules, Arc::new(oslo(vec![])));
    add(
        &mut snapshot.schedules,
        Arc::new(hours("night", &["22:00-06:00"], vec![])),
    );
    let mut desk = Desk::new();
    desk.snapshot_changed(&snapshot, at(from));
    Office {
        desk,
        snapshot,
        now: at(from),
    }
}

impl Office {
    /// What the desk tells until then, a line each, in Oslo's time.
    fn until(&mut self, text: &str) -> String {
        let end = at(text);
        let mut told = self.told();
        while let Some(next) = self.desk.next_timeout().filter(|next| *next <= end.mono) {
            let span = next.since(self.now.mono);
            assert!(
                span <= Duration::from_secs(3600),
                "clocks are looked at hourly"
            );
            self.now = Now::new(self.now.mono + span, self.now.wall + span);
            self.desk.handle_timeout(self.now);
            told.extend(self.told());
        }
        self.now = end;
        told.join("\n")
    }

    fn says(&mut self, presence: Presence) {
        self.desk.presence_said(&"anna".into(), presence, self.now);
    }

    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(action) = self.desk.poll_action() {
            if let Action::StorePresence(record) = action {
                assert_eq!(self.desk.presence(&record.user), record);
                told.push(self.line(&record));
            }
        }
        told
    }

    fn line(&self, record: &PresenceRecord) -> String {
        let schedule = self.snapshot.schedule("oslo").unwrap();
        let local = |at: Wall| schedule.zone().local(at).format("%a %H:%M").to_string();
        let until = record
            .until
            .map_or_else(String::new, |until| format!(" until {}", local(until)));
        let since = local(record.since);
        format!("{since} {:?}, {}{until}", record.presence, record.reason)
    }
}

#[test]
fn own_hours_set_presence_for_those_who_leave_it_to_them() {
    let mut office = office("2026-12-02T06:00:00Z", |_| {});
    assert_snapshot!(office.until("2026-12-03T08:00:00Z"), @r"
    Wed 07:00 Away, own hours
    Wed 08:00 Available, own hours
    Wed 11:30 Away, own hours
    Wed 12:00 Available, own hours
    Wed 16:00 Away, own hours
    Thu 08:00 Available, own hours
    ");
    let mut office = self::office("2026-12-02T06:00:00Z", |anna| {
        anna.presence_by_hours = false
    });
    assert_eq!(office.until("2026-12-03T08:00:00Z"), "");
}

#[test]
fn what_is_said_by_hand_holds_for_that_day() {
    let mut office = office("2026-12-02T09:00:00Z", |_| {});
    office.told();
    office.says(Presence::Away);
    assert_snapshot!(office.until("2026-12-03T08:00:00Z"), @r"
    Wed 10:00 Away, by hand until Thu 08:00
    Thu 08:00 Available, own hours
    ");
    let mut office = self::office("2026-12-02T19:00:00Z", |_| {});
    office.told();
    office.says(Presence::Available);
    assert_snapshot!(office.until("2026-12-03T08:00:00Z"), @r"
    Wed 20:00 Available, by hand until Thu 08:00
    Thu 08:00 Available, own hours
    ");
    // Before the hours of the day begin it is that day already.
    let mut office = self::office("2026-12-03T05:00:00Z", |_| {});
    office.told();
    office.says(Presence::Away);
    assert_snapshot!(office.until("2026-12-04T08:00:00Z"), @r"
    Thu 06:00 Away, by hand until Fri 08:00
    Fri 08:00 Available, own hours
    ");
}

#[test]
fn a_shift_over_midnight_is_of_the_day_it_began_on() {
    let mut office = office("2026-12-02T22:30:00Z", |anna| {
        anna.schedule = Some("night".into())
    });
    office.told();
    office.until("2026-12-03T00:30:00Z");
    office.says(Presence::Away);
    assert_snapshot!(office.until("2026-12-03T22:00:00Z"), @r"
    Thu 01:30 Away, by hand until Thu 22:00
    Thu 22:00 Available, own hours
    ");
}

#[test]
fn without_hours_what_is_said_holds_until_something_else_is() {
    let mut office = office("2026-12-02T09:00:00Z", |anna| anna.schedule = None);
    office.says(Presence::Away);
    assert_snapshot!(office.until("2026-12-09T09:00:00Z"), @r"Wed 10:00 Away, by hand");
    office.says(Presence::Available);
    assert_snapshot!(office.until("2026-12-10T09:00:00Z"), @r"Wed 10:00 Available, by hand");
}

#[test]
fn an_absence_comes_before_everything_else() {
    let mut office = office("2026-12-02T09:00:00Z", |anna| {
        anna.schedule = None;
        anna.out_of_office = vec![Absence {
            from: at("2026-12-02T10:00:00Z").wall,
            until: at("2026-12-02T14:00:00Z").wall,
        }];
    });
    assert_snapshot!(office.until("2026-12-02T12:00:00Z"), @r"Wed 11:00 Away, out of office until Wed 15:00");
    office.says(Presence::Available);
    assert_snapshot!(office.until("2026-12-02T15:00:00Z"), @r"Wed 15:00 Available, by hand");
}

#[test]
fn who_misses_offers_in_a_row_is_set_away() {
    let mut office = office("2026-12-02T09:00:00Z", |_| {});
    office.snapshot.settings.routing.away_after_missed = Some(3);
    office.desk.snapshot_changed(&office.snapshot, office.now);
    office.told();
    let mut random = RandomSource::from_seed([1; 32]);
    let mut number = 0;
    let mut offer = |office: &mut Office, end: Option<OfferEnd>| {
        number += 1;
        let call = CallId(uuid::Uuid::from_u128(number));
        let request = Request::message(Kind::Call, &"main-line".into(), None);
        let phones = |_: &UserName| DeviceFacts::default();
        office.desk.select(
            &office.snapshot,
            &request,
            call,
            &phones,
            &mut random,
            office.now,
        );
        match end {
            Some(end) => office
                .desk
                .offer_ended(call, &"anna".into(), end, office.now),
            None => office.desk.accepted(call, &"anna".into(), office.now),
        }
        office.desk.call_ended(call, office.now);
        office.told().join("\n")
    };
    let missed = Some(OfferEnd::Failed(Attempt::TimedOut));
    let ends = [
        missed,
        missed,
        None,
        missed,
        missed,
        Some(OfferEnd::Failed(Attempt::Declined)),
        missed,
        Some(OfferEnd::Withdrawn),
        missed,
    ];
    for end in ends {
        assert_eq!(offer(&mut office, end), "");
    }
    assert_snapshot!(offer(&mut office, missed), @r"Wed 10:00 Away, missed offers until Thu 08:00");
    office.says(Presence::Available);
    assert_eq!(office.told().len(), 1);
    assert_eq!(offer(&mut office, missed), "", "it counts anew");
}

#[test]
fn a_clock_that_is_set_is_noticed_within_the_hour() {
    let mut office = office("2026-12-02T09:00:00Z", |_| {});
    office.told();
    // Somebody sets the clock to the evening; no timer had been armed for that.
    let hour = Duration::from_secs(3600);
    office.now = Now::new(office.now.mono + hour, office.now.wall + 10 * hour);
    assert!(
        office
            .desk
            .next_timeout()
            .is_some_and(|next| next <= office.now.mono)
    );
    office.desk.handle_timeout(office.now);
    assert_snapshot!(office.told().join("\n"), @r"Wed 20:00 Away, own hours");
}

#[test]
fn a_restart_remembers_what_was_said() {
    let mut before = office("2026-12-02T09:00:00Z", |_| {});
    before.told();
    before.says(Presence::Away);
    let record = before.desk.presence(&"anna".into());
    let mut after = office("2026-12-02T09:00:00Z", |_| {});
    after.desk = Desk::new();
    after.desk.restore_presence(&record);
    after.desk.snapshot_changed(&after.snapshot, after.now);
    assert_eq!(after.told(), [""; 0], "nothing has changed");
    assert_eq!(after.desk.presence(&"anna".into()), record);
    assert_snapshot!(after.until("2026-12-03T08:00:00Z"), @r"Thu 08:00 Available, own hours");
}

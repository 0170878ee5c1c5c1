//! A call that somebody answers.

use super::party::{Manner, Standing};
use super::world::*;
use crate::core::record::{CallOutcome, ConversationItem};
use crate::core::snapshot::Strategy;

#[test]
fn the_first_phone_to_answer_has_the_call_and_the_other_stops_ringing() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.manner("anna", Manner::Answers(seconds(3)));
    let caller = world.call();
    world.run_until("a conversation", |world| {
        *world.caller(caller) == Standing::Talking
    });
    world.run(seconds(1));
    assert!(world.is_talking("anna"));
    assert!(!world.is_ringing("bjorn"));
    world.run(seconds(60));
    world.caller_hangs_up(caller);
    assert_eq!(world.outcome(), CallOutcome::Answered);
    let item = world.item();
    assert_eq!(item.item, ConversationItem::Call);
    assert_eq!(item.assignee, Some("anna".into()));
    assert!(item.closed.is_some());
}

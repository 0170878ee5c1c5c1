//! What was decided, side by side: that it was one router for all four kinds is to be seen at a glance.

use std::cell::RefCell;
use std::rc::Rc;

use crate::core::record::DecisionRecord;
use crate::core::routing::{Code, Decision, Outcome, words};
use crate::core::snapshot::Kind;

/// Every decision that was shown.
#[derive(Clone, Default)]
pub(super) struct Summary {
    shown: Rc<RefCell<Vec<DecisionRecord>>>,
}

impl Summary {
    /// Shows a decision, and remembers it.
    pub fn tell(&self, record: &DecisionRecord) {
        let words = words::paragraph(&record.request, &record.decision);
        println!("{}", super::indented(&words));
        if let Some(because) = because(record.request.kind, &record.decision) {
            println!("      That is: {because}.");
        }
        self.shown.borrow_mut().push(record.clone());
    }

    /// All of them, a line each.
    pub fn print(&self) {
        println!(
            "One router decided all of this, in the same way for each kind: the channel's hours choose a rule,"
        );
        println!("its steps look at people in turn, and each who is passed over gets a reason.\n");
        for record in self.shown.borrow().iter() {
            println!("   {}", line(record));
        }
        println!();
    }
}

/// `email  support-mail  rule assign         assigned to bjorn`
fn line(record: &DecisionRecord) -> String {
    let trace = &record.decision.trace;
    let channel = trace.channel.as_ref().map_or("", |name| name);
    let rule = trace.rule.map(words::rule).unwrap_or_default();
    let outcome = words::outcome(&record.decision.outcome);
    let kind = record.request.kind.as_str();
    format!("{kind:<6} {channel:<13} rule {rule:<14} {outcome}")
}

/// Why one of several got it, in plain words.
fn because(kind: Kind, decision: &Decision) -> Option<String> {
    let Outcome::Assign { step, user } = &decision.outcome else {
        return None;
    };
    let trace = decision.trace.steps.iter().find(|it| it.step == *step)?;
    let of = |code| {
        let candidates = trace.candidates.iter();
        let names = candidates.filter(move |it| it.code == code);
        names.map(|it| it.user.to_string()).collect::<Vec<_>>()
    };
    let tied = of(Code::LostTie);
    if tied.is_empty() {
        let others = of(Code::NotNeeded);
        return (!others.is_empty()).then(|| {
            let others = others.join(" and ");
            format!("{user} has less to do than {others}")
        });
    }
    let tied = tied.join(" and ");
    let first = match kind {
        Kind::Chat => "of equals, a chat goes to who was given something last",
        Kind::Call | Kind::Email | Kind::Form => {
            "of equals, it goes to who was given nothing for longest"
        }
    };
    Some(format!(
        "{user} and {tied} have as much to do as each other; {first} (tie_break)"
    ))
}

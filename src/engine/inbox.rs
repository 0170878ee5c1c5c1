//! Commands of the inbox: what edges ask for, and what comes of it.

use super::{Engine, Output};
use crate::core::conversation::{Command, Refusal, RefusalKind};
use crate::core::time::Now;

impl Engine {
    pub(super) fn command(&mut self, number: u64, _command: Command, _now: Now) {
        let result = Box::new(Err(Refusal {
            kind: RefusalKind::Busy,
            text: "the inbox is not open".to_owned(),
        }));
        self.outputs.push_back(Output::Answered { number, result });
    }
}

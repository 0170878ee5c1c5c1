//! The audit log: who changed what over the API, from where.

use super::{App, Asker};
use crate::clock;
use crate::core::conversation::AuditRecord;
use crate::core::record::Record;

/// The longest text of a field, in characters: what is told of a change, never its content.
const LONGEST: usize = 500;

impl App {
    /// Appends a line: `action` names what was done (`prompt.replace`), `object` what to, `detail` how.
    pub(super) fn audit(&self, asker: &Asker, action: &str, object: &str, detail: &str) {
        self.audit_of(&asker.name, asker.address, action, object, detail);
    }

    /// The same, for whoever is not known (yet).
    pub(super) fn audit_of(
        &self,
        actor: &str,
        address: std::net::IpAddr,
        action: &str,
        object: &str,
        detail: &str,
    ) {
        self.services.keep(Record::Audit(Box::new(AuditRecord {
            at: clock::wall(),
            actor: shortened(actor),
            address: address.to_string(),
            action: action.to_owned(),
            object: shortened(object),
            detail: shortened(detail),
        })));
    }
}

/// One line without control characters, which a client may have sent.
fn shortened(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control());
    kept.take(LONGEST).collect()
}

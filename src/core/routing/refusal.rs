//! What an admin reads about a request that was refused: what came, and what to change if it should
//! have been taken.

use std::net::SocketAddr;

use super::Decision;
use crate::core::snapshot::{Snapshot, Trunk};
use crate::core::time::{Now, Wall};

/// What an INVITE said about the number that was dialled, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialled {
    /// The user part of the Request-URI.
    pub request_uri: Option<String>,
    /// The user part of To.
    pub to: Option<String>,
    /// The user part of P-Called-Party-ID.
    pub p_called_party_id: Option<String>,
    /// The user part of the topmost Diversion.
    pub diversion: Option<String>,
}

/// The text of `404 unknown-number`, without status and code: `trunk "no" sent Request-URI
/// "acct4711", To "22000001" (+4722000001, channel oslo-line). Set number_from = "to".` Every place
/// where the number could have stood is looked at. `trunk` is `None` for one of our own phones.
pub fn unknown_number(snapshot: &Snapshot, trunk: Option<&Trunk>, dialled: &Dialled) -> String {
    let _ = (snapshot, trunk, dialled);
    todo!("owner: routing")
}

/// A refusal that is made before anything is routed, as a decision.
pub fn refuse(snapshot: &Snapshot, status: u16, code: &str, text: String) -> Decision {
    let _ = (snapshot, status, code, text);
    todo!("owner: routing")
}

/// `refused not-a-trunk: INVITE from 198.51.101.9 for +4722000001, 14 times since 09:02. Nearest:
/// trunk "no", 198.51.100.0/24. If this is your carrier, add it to peers.`
pub fn not_a_trunk(
    snapshot: &Snapshot,
    method: &str,
    source: SocketAddr,
    dialled: Option<&str>,
    times: u64,
    since: Wall,
    now: Now,
) -> String {
    let _ = (snapshot, method, source, dialled, times, since, now);
    todo!("owner: routing")
}

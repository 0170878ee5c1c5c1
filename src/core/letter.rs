//! A mail that goes out, between those who compose it and those who send it.

use uuid::Uuid;

/// A mail as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The name under which it is sent once.
    pub key: Uuid,
    /// The sender in the envelope: an address.
    pub from: String,
    /// The receivers in the envelope: addresses.
    pub to: Vec<String>,
    /// The mail, header and body.
    pub octets: Vec<u8>,
}

/// How far a letter has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits in the queue.
    Waiting,
    /// The next server has it.
    Sent,
    /// It was refused or given up, with the server's words.
    Failed(String),
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its key.
    pub key: Uuid,
    /// The server's words, where it did not reach everybody.
    pub result: Result<(), String>,
}

//! Whole calls in a simulated world: a carrier, phones, media threads and a disk around the engine,
//! on an in-memory network under a virtual clock. Named as a user would say them; one that fails
//! prints its ladder of messages and what the daemon told meanwhile.

mod addresses;
mod answering;
mod arriving;
mod call_items;
mod day;
mod giving_up;
mod inbox;
mod network;
mod party;
mod reloading;
mod ringing;
mod silence;
mod steps;
mod storms;
mod voicemail;
mod waiting;
mod world;

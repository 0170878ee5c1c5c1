//! Whole calls against the real program: SIPp plays carrier and phones, lines of our own send and
//! record the audio.

mod answered;
mod baresip;
mod external;
mod forged;
mod hours;
mod ipv6;
mod load;
mod media;
mod nat;
mod operations;
mod ringing;
mod support;
mod tcp;
mod unanswered;

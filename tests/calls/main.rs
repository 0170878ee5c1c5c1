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
mod networks;
mod operations;
mod ringing;
#[expect(
    dead_code,
    reason = "stories of ringing, hold and networks use the rest"
)]
mod support;
mod tcp;
mod unanswered;

//! Media: RTP, prompts, recordings. `sdp`, `g711`, `level`, `tone`, `rtp`, `leg`, `jitter`, `dtmf`
//! and `ports` are pure; `worker`, `prompt` and `recording` are edges.

pub mod command;
pub mod dtmf;
pub mod g711;
pub mod jitter;
pub mod leg;
pub mod level;
pub mod ports;
pub mod prompt;
pub mod recording;
pub mod rtp;
pub mod sdp;
pub mod tone;
pub mod worker;

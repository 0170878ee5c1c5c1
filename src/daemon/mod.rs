//! The daemon: wiring, signals, supervision. The only place that sees everything.

mod load;

pub use load::load;

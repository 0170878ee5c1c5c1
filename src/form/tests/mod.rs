//! Forms over real connections, with an engine that takes in what comes.

mod browser;
mod house;
mod limits;
mod sending;
mod showing;

//! Flows in a simulated world, named as a user would say them. When one fails, its ladder of
//! messages is printed.

mod answering;
mod calling;
mod ending;
mod forks;
mod network;
mod offers;
mod peer;
mod refusing;
mod steps;
mod world;

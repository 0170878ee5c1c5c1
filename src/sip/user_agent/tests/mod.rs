//! Flows in a simulated world.

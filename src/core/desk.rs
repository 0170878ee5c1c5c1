//! The desk (owner: routing).

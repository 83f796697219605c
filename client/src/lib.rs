//! Hobnail.

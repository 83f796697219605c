//! End-to-end tests over loopback.


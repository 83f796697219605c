//! No log ever holds a secret.

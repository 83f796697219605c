//! The benchmarks are all there is.

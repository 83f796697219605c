//! Many messages.

use crate::script::units::{Size, Span};

/// Many messages; see [`storm`](crate::script::act::storm).
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// The destination they are published to.
    pub dest: String,
    /// Messages per second.
    pub rate: f64,
    /// For how long.
    pub span: Span,
    /// Octets per body.
    pub size: Size,
    /// So many at a time.
    pub burst: u32,
}

impl Storm {
    /// So many at a time (default 1), at the same rate.
    #[must_use]
    pub fn burst(mut self, n: u32) -> Self {
        self.burst = n;
        self
    }
}

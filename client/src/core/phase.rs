//! Where a session stands, and every move that it may make.

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not asked to connect yet.
    Idle,
    /// A token is fetched or a link is being opened.
    Dialing,
    /// CONNECT has left; CONNECTED has not come.
    Handshaking,
    /// Frames flow.
    Online,
    /// The token was refused on a live link; only a new CONNECT may leave.
    Suspended,
    /// No link; the back-off runs.
    Waiting,
    /// The application asked to end, or the link is being given up.
    Closing,
    /// The end.
    Closed,
}

impl Phase {
    /// Whether the session may move from here to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match next {
            Self::Idle => false,
            Self::Dialing => matches!(
                self,
                Self::Idle
                    | Self::Waiting
                    | Self::Online
                    | Self::Handshaking
                    | Self::Suspended
                    | Self::Closing
            ),
            Self::Handshaking => matches!(self, Self::Dialing),
            Self::Online => matches!(self, Self::Handshaking | Self::Suspended),
            Self::Suspended => matches!(self, Self::Online),
            Self::Waiting => matches!(
                self,
                Self::Dialing | Self::Handshaking | Self::Online | Self::Suspended | Self::Closing
            ),
            Self::Closing => !matches!(self, Self::Idle | Self::Closed | Self::Closing),
            Self::Closed => self != Self::Closed,
        }
    }

    /// Moves to `next`.
    ///
    /// # Panics
    /// In debug builds, if the move is not legal.
    pub(super) fn advance(&mut self, next: Self) {
        debug_assert!(self.may_become(next), "{self:?} may not become {next:?}");
        log::debug!("phase {self:?} -> {next:?}");
        *self = next;
    }
}

#[cfg(test)]
mod tests {
    use super::Phase;

    #[test]
    fn closed_is_the_end_and_idle_the_beginning() {
        for next in [
            Phase::Idle,
            Phase::Dialing,
            Phase::Handshaking,
            Phase::Online,
            Phase::Suspended,
            Phase::Waiting,
            Phase::Closing,
            Phase::Closed,
        ] {
            assert!(!Phase::Closed.may_become(next));
            assert!(!next.may_become(Phase::Idle));
        }
    }
}

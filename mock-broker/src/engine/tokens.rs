//! Tokens, their lives and their owners.

use std::collections::BTreeMap;
use std::time::Duration;

/// Past this many tokens new ones are not remembered, and thus not accepted.
const MOST: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) identity: Option<String>,
    pub(super) ends: Duration,
    dead: bool,
}

/// Every token that was ever issued or seen. A dead one is never forgotten,
/// so that it stays dead.
#[derive(Default)]
pub(super) struct Tokens(BTreeMap<String, Token>);

impl Tokens {
    pub(super) fn issue(&mut self, token: &str, identity: Option<&str>, ends: Duration) {
        if self.0.len() < MOST {
            let identity = identity.map(str::to_owned);
            self.0.entry(token.to_owned()).or_insert(Token {
                identity,
                ends,
                dead: false,
            });
        }
    }

    pub(super) fn get(&self, token: &str) -> Option<&Token> {
        self.0.get(token)
    }

    /// Whether the token is known and alive at `now`; it dies by being asked
    /// too late.
    pub(super) fn is_live(&mut self, token: &str, now: Duration, leeway: Duration) -> bool {
        let Some(token) = self.0.get_mut(token) else {
            return false;
        };
        token.dead |= token.ends.saturating_add(leeway) <= now;
        !token.dead
    }

    /// How many live tokens a name stands for, see [`Tokens::expire`].
    pub(super) fn live(&self, name: &str, now: Duration) -> usize {
        let meant = |key: &str, token: &Token| {
            name == "all" || key == name || token.identity.as_deref() == Some(name)
        };
        let live = |token: &Token| !token.dead && token.ends > now;
        let all = self.0.iter();
        all.filter(|(key, token)| meant(key, token) && live(token))
            .count()
    }

    /// Ends tokens by their own name, by their identity, or `"all"`.
    pub(super) fn expire(&mut self, name: &str) {
        for (key, token) in &mut self.0 {
            token.dead |= name == "all" || key == name || token.identity.as_deref() == Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_token_stays_dead() {
        let s = Duration::from_secs;
        let mut tokens = Tokens::default();
        tokens.issue("t", Some("alice"), s(10));
        assert!(tokens.is_live("t", s(9), s(0)));
        assert!(tokens.is_live("t", s(11), s(2)), "leeway");
        assert!(!tokens.is_live("t", s(12), s(2)));
        assert!(
            !tokens.is_live("t", s(1), s(2)),
            "time does not bring it back"
        );
        tokens.issue("t", Some("alice"), s(100));
        assert!(
            !tokens.is_live("t", s(1), s(0)),
            "nor does issuing it again"
        );
        assert!(!tokens.is_live("other", s(1), s(0)));
    }

    #[test]
    fn tokens_end_by_name_or_by_owner() {
        let s = Duration::from_secs;
        for name in ["t", "alice", "all"] {
            let mut tokens = Tokens::default();
            tokens.issue("t", Some("alice"), s(10));
            tokens.issue("u", Some("bob"), s(10));
            tokens.expire(name);
            assert!(!tokens.is_live("t", s(1), s(0)));
            assert_eq!(tokens.is_live("u", s(1), s(0)), name != "all");
        }
    }
}

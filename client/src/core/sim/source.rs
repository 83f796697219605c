//! The token source: how long it takes, how long its tokens live, how it fails.

use std::{collections::VecDeque, time::Duration};

use super::{ms, pair::Pair, secs, wire::Flight};
use crate::{
    auth::{Token, TokenReason},
    core::{Input, Ticket},
    error::AuthError,
};

/// The owner of all tokens.
pub(super) const IDENTITY: &str = "agent";

/// One answer.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// A token, how long it lives at the broker, and how long it says it does.
    Token {
        lives: Duration,
        says: Option<Duration>,
    },
    /// A token that the broker does not know.
    Forged,
    Fails {
        fatal: bool,
    },
    /// Nothing comes.
    Silence,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) latency: Duration,
    /// Answers for the next questions; then the usual one.
    pub(super) next: VecDeque<Answer>,
    pub(super) usual: Answer,
    pub(super) asked: Vec<(Duration, TokenReason)>,
    pub(super) given: Vec<String>,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            latency: ms(300),
            next: VecDeque::new(),
            usual: Answer::lives(secs(3600)),
            asked: Vec::new(),
            given: Vec::new(),
        }
    }
}

impl Answer {
    pub(super) fn lives(lives: Duration) -> Self {
        Self::Token {
            lives,
            says: Some(lives),
        }
    }
}

impl Pair {
    pub(super) fn need_token(&mut self, ticket: Ticket, reason: TokenReason) {
        self.source.asked.push((self.now, reason));
        let answer = self.source.next.pop_front();
        let answer = answer.unwrap_or_else(|| self.source.usual.clone());
        if !matches!(answer, Answer::Silence) {
            self.fly(
                self.now + self.source.latency,
                Flight::Token(ticket, answer),
            );
        }
    }

    pub(super) fn token_answer(&mut self, ticket: Ticket, answer: Answer) {
        let result = match answer {
            Answer::Token { lives, says } => {
                let text = self.engine.issue_token(self.now, IDENTITY, lives);
                self.source.given.push(text.clone());
                let token = Token::new(text);
                Ok(match says {
                    Some(says) => token.expires_in(says),
                    None => token,
                })
            }
            Answer::Forged => Ok(Token::new("forged")),
            Answer::Fails { fatal } => Err(AuthError {
                text: "the identity service says no".into(),
                fatal,
            }),
            Answer::Silence => return,
        };
        self.input(Input::Token(ticket, result));
    }

    /// The tokens that left the client in CONNECTs, in order.
    pub(super) fn presented(&self) -> Vec<&str> {
        let connects = self.sent("CONNECT");
        connects
            .into_iter()
            .filter_map(|c| c.header("passcode"))
            .collect()
    }
}

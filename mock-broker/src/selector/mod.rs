//! Selectors: which messages a subscription wants.
//!
//! Two ways of writing make one language: SQL-92 as JMS brokers take it
//! (`= <> < <= > >= AND OR NOT LIKE IN BETWEEN IS NULL`, arithmetic), and the
//! words `eq ne gt ge lt le in and or not`. Strings stand in single or double
//! quotes, a doubled quote is one of the string. A name is a header's or, if
//! there is no such header, that of a top-level field of a JSON body; it may
//! hold `-` and `.` (a minus is written with blanks around it). What is not
//! there is NULL, and what NULL touches is neither true nor false.

mod eval;
mod lex;
mod parse;

pub(crate) use eval::{Fields, Source, Value};

use std::fmt;
use thiserror::Error;

/// Most octets of a selector.
const LENGTH: usize = 8 << 10;
/// How deep parentheses may be nested, and how long an arithmetic chain may be.
const DEPTH: usize = 64;

/// A selector that cannot be read. It never shows the selector itself, only
/// where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("selector, position {at}: {what}")]
pub(crate) struct SelectorError {
    /// In characters, from 1.
    pub(crate) at: usize,
    /// What was expected there.
    pub(crate) what: String,
}

/// A parsed selector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector(Expr);

impl Selector {
    /// Reads a selector.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > LENGTH {
            let what = format!("expected at most {LENGTH} octets, there are {}", text.len());
            return Err(SelectorError { at: 1, what });
        }
        parse::selector(text).map(Self)
    }

    /// Whether a message is wanted: unknown is no.
    pub(crate) fn wants(&self, source: &dyn Source) -> bool {
        self.0.truth(source) == Some(true)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Expr {
    Name(String),
    Literal(Value),
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Compare(Compare, Box<Self>, Box<Self>),
    Arith(Arith, Box<Self>, Box<Self>),
    Minus(Box<Self>),
    IsNull(Box<Self>),
    In(Box<Self>, Vec<Value>),
    Between(Box<Self>, Box<Self>, Box<Self>),
    Like(Box<Self>, Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arith {
    Add,
    Sub,
    Mul,
    Div,
}

/// What stands behind LIKE: `%` is any text, `_` any character.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    escape: Option<char>,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Every operand that is not a single word stands in parentheses.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                write!(f, "{}", Operand(part))?;
            }
            Ok(())
        };
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(value) => value.fmt(f),
            Self::Or(parts) => chain(f, parts, "OR"),
            Self::And(parts) => chain(f, parts, "AND"),
            Self::Not(inner) => write!(f, "NOT {}", Operand(inner)),
            Self::Compare(op, a, b) => {
                let op = match op {
                    Compare::Eq => "=",
                    Compare::Ne => "<>",
                    Compare::Gt => ">",
                    Compare::Ge => ">=",
                    Compare::Lt => "<",
                    Compare::Le => "<=",
                };
                write!(f, "{} {op} {}", Operand(a), Operand(b))
            }
            Self::Arith(op, a, b) => {
                let op = match op {
                    Arith::Add => '+',
                    Arith::Sub => '-',
                    Arith::Mul => '*',
                    Arith::Div => '/',
                };
                write!(f, "{} {op} {}", Operand(a), Operand(b))
            }
            Self::Minus(inner) => write!(f, "-({inner})"),
            Self::IsNull(inner) => write!(f, "{} IS NULL", Operand(inner)),
            Self::In(inner, values) => {
                write!(f, "{} IN (", Operand(inner))?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Self::Between(x, low, high) => write!(
                f,
                "{} BETWEEN {} AND {}",
                Operand(x),
                Operand(low),
                Operand(high)
            ),
            Self::Like(inner, pattern) => {
                write!(f, "{} LIKE {}", Operand(inner), Quoted(&pattern.text))?;
                match pattern.escape {
                    Some(c) => write!(f, " ESCAPE {}", Quoted(c.encode_utf8(&mut [0; 4]))),
                    None => Ok(()),
                }
            }
        }
    }
}

struct Operand<'a>(&'a Expr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.0, Expr::Name(_) | Expr::Literal(_)) {
            self.0.fmt(f)
        } else {
            write!(f, "({})", self.0)
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests;

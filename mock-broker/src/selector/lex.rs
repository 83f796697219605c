//! From characters to words.

use super::{SelectorError, Value};
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Word(Word),
    Text(String),
    Number(Value),
    Sign(&'static str),
    End,
}

macro_rules! keywords {
    ($($name:ident $text:literal),+ $(,)?) => {
        /// Words that cannot be names; upper and lower case are the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Word { $($name),+ }

        impl Word {
            fn parse(text: &str) -> Option<Self> {
                [$(($text, Self::$name)),+]
                    .into_iter()
                    .find(|(word, _)| word.eq_ignore_ascii_case(text))
                    .map(|(_, word)| word)
            }

            fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

keywords!(
    And "AND", Or "OR", Not "NOT", Like "LIKE", Escape "ESCAPE", In "IN", Between "BETWEEN",
    Is "IS", Null "NULL", True "TRUE", False "FALSE",
    Eq "eq", Ne "ne", Gt "gt", Ge "ge", Lt "lt", Le "le",
);

/// What may stand alone in a text; the longer ones first.
const SIGNS: [&str; 14] = [
    "<>", "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "+", "*", "/",
];

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "the name `{}`", name.escape_debug()),
            Self::Word(word) => write!(f, "`{}`", word.text()),
            Self::Text(_) => f.write_str("a string"),
            Self::Number(value) => write!(f, "the number {value}"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// All words of a text with their places (in characters, from 1); the last
/// one is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SelectorError> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut at = 1;
    loop {
        let blank = rest.len() - rest.trim_start().len();
        at += rest[..blank].chars().count();
        rest = &rest[blank..];
        let Some(first) = rest.chars().next() else {
            out.push((at, Token::End));
            return Ok(out);
        };
        let (length, token) = match first {
            '\'' | '"' => string(rest, first).ok_or_else(|| SelectorError {
                at,
                what: format!("expected a closing {first}"),
            })?,
            '0'..='9' => number(rest).ok_or_else(|| SelectorError {
                at,
                what: "expected a number that can be written down".to_owned(),
            })?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                number(rest).ok_or_else(|| SelectorError {
                    at,
                    what: "expected a number that can be written down".to_owned(),
                })?
            }
            c if begins_name(c) => name(rest),
            '-' => (1, Token::Sign("-")),
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| SelectorError {
                    at,
                    what: format!(
                        "expected a name, a value or an operator, found `{}`",
                        first.escape_debug()
                    ),
                })?;
                (sign.len(), Token::Sign(sign))
            }
        };
        out.push((at, token));
        at += rest[..length].chars().count();
        rest = &rest[length..];
    }
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// A name, or a keyword. A `-` or `.` belongs to a name only if the name goes
/// on behind it.
fn name(text: &str) -> (usize, Token) {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let joins = matches!(c, '-' | '.') && chars.peek().is_some_and(|(_, next)| inside(*next));
        if !inside(c) && !joins {
            break;
        }
        end = i + c.len_utf8();
    }
    let text = &text[..end];
    let token = Word::parse(text).map_or_else(|| Token::Name(text.to_owned()), Token::Word);
    (end, token)
}

fn string(text: &str, quote: char) -> Option<(usize, Token)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if c != quote {
            out.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            out.push(quote);
        } else {
            return Some((i + 1, Token::Text(out)));
        }
    }
    None
}

/// `12`, `1.5`, `.5`, `1e9`, `0x1f`, and the suffixes `L`, `F`, `D` of JMS.
fn number(text: &str) -> Option<(usize, Token)> {
    let octets = text.as_bytes();
    let digits = |from: usize| {
        from + octets[from..]
            .iter()
            .take_while(|o| o.is_ascii_digit())
            .count()
    };
    if octets.len() > 2 && octets[0] == b'0' && matches!(octets[1], b'x' | b'X') {
        let end = 2 + octets[2..]
            .iter()
            .take_while(|o| o.is_ascii_hexdigit())
            .count();
        let value = i64::from_str_radix(&text[2..end], 16).ok()?;
        return Some((end, Token::Number(Value::Int(value))));
    }
    let mut end = digits(0);
    let mut whole = true;
    if octets.get(end) == Some(&b'.') {
        whole = false;
        end = digits(end + 1);
    }
    if matches!(octets.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(octets.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            whole = false;
            end = exponent;
        }
    }
    let text = &text[..end];
    let value = match text.parse::<i64>() {
        Ok(n) if whole => Value::Int(n),
        Ok(_) | Err(_) => Value::Float(text.parse().ok().filter(|x: &f64| x.is_finite())?),
    };
    let suffix = usize::from(matches!(
        octets.get(end),
        Some(b'L' | b'l' | b'F' | b'f' | b'D' | b'd')
    ));
    Some((end + suffix, Token::Number(value)))
}

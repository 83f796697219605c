//! What an expression makes of a message.

use super::{Arith, Compare, Expr, Pattern, Quoted};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A value of a message or of a selector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// Where a selector finds what its names stand for.
pub(crate) trait Source {
    fn value(&self, name: &str) -> Cow<'_, Value>;
}

impl Value {
    pub(super) fn minus(&self) -> Self {
        match self {
            Self::Int(n) => n.checked_neg().map_or(Self::Float(-(*n as f64)), Self::Int),
            Self::Float(x) => Self::Float(-x),
            Self::Null | Self::Bool(_) | Self::Text(_) => Self::Null,
        }
    }

    /// A number, or a text that is one: headers are always texts.
    fn number(&self) -> Option<Self> {
        match self {
            Self::Int(_) | Self::Float(_) => Some(self.clone()),
            Self::Text(text) => {
                let text = text.trim();
                let float = || text.parse().ok().filter(|x: &f64| x.is_finite());
                let int = text.parse().ok().map(Self::Int);
                int.or_else(|| float().map(Self::Float))
            }
            Self::Null | Self::Bool(_) => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self.number()? {
            Self::Int(n) => Some(n as f64),
            Self::Float(x) => Some(x),
            Self::Null | Self::Bool(_) | Self::Text(_) => None,
        }
    }

    fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Self::Null | Self::Int(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(true) => f.write_str("TRUE"),
            Self::Bool(false) => f.write_str("FALSE"),
            Self::Int(n) => n.fmt(f),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Text(text) => Quoted(text).fmt(f),
        }
    }
}

impl Expr {
    /// True, false, or unknown.
    pub(super) fn truth(&self, source: &dyn Source) -> Option<bool> {
        match self {
            Self::Or(parts) => parts
                .iter()
                .map(|part| part.truth(source))
                .reduce(|a, b| match (a, b) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    (None, _) | (_, None) => None,
                })
                .flatten(),
            Self::And(parts) => parts
                .iter()
                .map(|part| part.truth(source))
                .reduce(|a, b| match (a, b) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    (None, _) | (_, None) => None,
                })
                .flatten(),
            Self::Not(inner) => inner.truth(source).map(|t| !t),
            Self::Compare(op, a, b) => compare(*op, &a.value(source), &b.value(source)),
            Self::IsNull(inner) => Some(*inner.value(source) == Value::Null),
            Self::In(inner, values) => {
                let value = inner.value(source);
                let is = |v: &Value| compare(Compare::Eq, &value, v) == Some(true);
                (*value != Value::Null).then(|| values.iter().any(is))
            }
            Self::Between(x, low, high) => {
                let x = x.value(source);
                let above = compare(Compare::Ge, &x, &low.value(source));
                let below = compare(Compare::Le, &x, &high.value(source));
                match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    (None, _) | (_, None) => None,
                }
            }
            Self::Like(inner, pattern) => match &*inner.value(source) {
                Value::Null => None,
                Value::Text(text) => Some(pattern.fits(text)),
                Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(false),
            },
            Self::Name(_) | Self::Literal(_) | Self::Arith(..) | Self::Minus(_) => {
                self.value(source).bool()
            }
        }
    }

    fn value<'a>(&'a self, source: &'a dyn Source) -> Cow<'a, Value> {
        match self {
            Self::Name(name) => source.value(name),
            Self::Literal(value) => Cow::Borrowed(value),
            Self::Arith(op, a, b) => Cow::Owned(arith(*op, &a.value(source), &b.value(source))),
            Self::Minus(inner) => {
                let number = inner.value(source).number();
                Cow::Owned(number.map_or(Value::Null, |n| n.minus()))
            }
            Self::Or(_)
            | Self::And(_)
            | Self::Not(_)
            | Self::Compare(..)
            | Self::IsNull(_)
            | Self::In(..)
            | Self::Between(..)
            | Self::Like(..) => Cow::Owned(self.truth(source).map_or(Value::Null, Value::Bool)),
        }
    }
}

/// Values of different kinds are never equal, nor unequal, nor in any order
/// (JMS, message selectors); but a text that is a number is one.
fn compare(op: Compare, a: &Value, b: &Value) -> Option<bool> {
    let order = match (a, b) {
        (Value::Null, _) | (_, Value::Null) => return None,
        (Value::Text(x), Value::Text(y)) => {
            let equality = matches!(op, Compare::Eq | Compare::Ne);
            let numbers = a.number().zip(b.number()).filter(|_| !equality);
            numbers.map_or_else(|| Some(x.cmp(y)), |(x, y)| order(&x, &y))
        }
        (Value::Bool(_), _) | (_, Value::Bool(_)) => {
            if !matches!(op, Compare::Eq | Compare::Ne) {
                return Some(false);
            }
            a.bool().zip(b.bool()).map(|(x, y)| x.cmp(&y))
        }
        (Value::Int(_) | Value::Float(_), _) | (_, Value::Int(_) | Value::Float(_)) => {
            a.number().zip(b.number()).and_then(|(x, y)| order(&x, &y))
        }
    };
    let Some(order) = order else {
        return Some(false);
    };
    Some(match op {
        Compare::Eq => order.is_eq(),
        Compare::Ne => order.is_ne(),
        Compare::Gt => order.is_gt(),
        Compare::Ge => order.is_ge(),
        Compare::Lt => order.is_lt(),
        Compare::Le => order.is_le(),
    })
}

/// The order of two numbers; whole ones are compared exactly.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        return Some(a.cmp(b));
    }
    a.float()?.partial_cmp(&b.float()?)
}

/// What is no number, or cannot be computed, is NULL.
fn arith(op: Arith, a: &Value, b: &Value) -> Value {
    let Some((a, b)) = a.number().zip(b.number()) else {
        return Value::Null;
    };
    if let (Value::Int(a), Value::Int(b)) = (&a, &b) {
        let whole = match op {
            Arith::Add => a.checked_add(*b),
            Arith::Sub => a.checked_sub(*b),
            Arith::Mul => a.checked_mul(*b),
            Arith::Div => a.checked_div(*b),
        };
        if whole.is_some() || (op == Arith::Div && *b == 0) {
            return whole.map_or(Value::Null, Value::Int);
        }
    }
    let result = a.float().zip(b.float()).map(|(a, b)| match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div => a / b,
    });
    result
        .filter(|x| x.is_finite())
        .map_or(Value::Null, Value::Float)
}

impl Pattern {
    /// Steps back to the last `%` at most: no pattern takes more than the
    /// product of both lengths.
    fn fits(&self, text: &str) -> bool {
        enum Part {
            Any,
            One,
            Exactly(char),
        }
        let mut parts = Vec::new();
        let mut chars = self.text.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                c if Some(c) == self.escape => Part::Exactly(chars.next().unwrap_or(c)),
                '%' => Part::Any,
                '_' => Part::One,
                c => Part::Exactly(c),
            });
        }
        let text: Vec<char> = text.chars().collect();
        let (mut i, mut j) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while j < text.len() {
            match parts.get(i) {
                Some(Part::Any) => {
                    retry = Some((i, j));
                    i += 1;
                }
                Some(Part::One) => (i, j) = (i + 1, j + 1),
                Some(Part::Exactly(c)) if *c == text[j] => (i, j) = (i + 1, j + 1),
                Some(Part::Exactly(_)) | None => {
                    let Some((from, eaten)) = retry else {
                        return false;
                    };
                    retry = Some((from, eaten + 1));
                    (i, j) = (from + 1, eaten + 1);
                }
            }
        }
        parts[i..].iter().all(|part| matches!(part, Part::Any))
    }
}

/// The top-level fields of a JSON object; what is nested is passed over
/// without being kept.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// No fields if the octets are no JSON object.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        BTreeMap::<String, Value>::deserialize(d).map(Self)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }
    fn visit_f64<E: Error>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float(x))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }
}

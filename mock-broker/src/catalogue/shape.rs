//! What may stand behind a word.

use super::key::Key;
use super::notation::Notation;

/// What may stand behind a word.
#[derive(Debug)]
#[non_exhaustive]
pub enum Shape {
    /// Nothing: the word stands alone.
    Nothing,
    /// `true` and nothing else.
    True,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// Any JSON.
    Any,
    /// A string.
    Text,
    /// A string; the words say what it is.
    Named(&'static str),
    /// A string or a whole number.
    Scalar,
    /// A whole number in a range.
    Whole(u64, u64),
    /// A whole number that may be negative.
    Signed,
    /// A number in a range.
    Real(f64, f64),
    /// One of these words, with what each means.
    Choice(&'static [(&'static str, &'static str)]),
    /// A string in a notation of its own.
    Written(&'static Notation),
    /// An object of names and strings or whole numbers.
    Pairs,
    /// An object of names and strings; the word says what the strings are.
    Table(&'static str),
    /// A list.
    List(&'static Self),
    /// An object.
    Object(&'static Object),
    /// A bare word of an object, or that object.
    Word(&'static Object),
    /// One of these; no two of them are the same type of JSON.
    Either(&'static [Self]),
}

/// An object of JSON and the words that it may have.
#[derive(Debug)]
#[non_exhaustive]
pub struct Object {
    /// What it is, with its article.
    pub what: &'static str,
    /// Its name in the schema; without one it is written out where it stands.
    pub name: &'static str,
    /// What to know about the whole of it.
    pub about: &'static str,
    /// The words.
    pub keys: &'static [&'static [Key]],
    /// How many of its words are verbs.
    pub verbs: Verbs,
}

/// How many verbs an object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// There are none.
    None,
    /// Exactly one.
    One,
    /// At least one.
    Some,
}

impl Object {
    /// An object without verbs.
    pub(super) const fn new(what: &'static str, keys: &'static [&'static [Key]]) -> Self {
        Self {
            what,
            name: "",
            about: "",
            keys,
            verbs: Verbs::None,
        }
    }

    pub(super) const fn named(mut self, name: &'static str, about: &'static str) -> Self {
        self.name = name;
        self.about = about;
        self
    }

    pub(super) const fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    /// All words.
    pub fn words(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        self.keys.iter().copied().flatten()
    }

    /// One word.
    pub fn key(&self, word: &str) -> Option<&'static Key> {
        self.words().find(|key| key.word == word)
    }

    /// The words that may stand alone.
    pub(super) fn bare(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        self.words().filter(|key| key.bare)
    }

    /// The words that may stand in the object.
    pub(super) fn inside(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        let stands = |key: &&Key| !matches!(key.shape, Shape::Nothing);
        self.words().filter(stands)
    }
}

impl Shape {
    /// The words that stand behind this one, if they belong to it alone.
    pub(super) fn inner(&'static self) -> Vec<&'static Key> {
        match self {
            Self::Object(object) if object.name.is_empty() => object.words().collect(),
            Self::List(shape) => shape.inner(),
            Self::Either(shapes) => shapes.iter().flat_map(Self::inner).collect(),
            Self::Nothing
            | Self::True
            | Self::Bool
            | Self::Null
            | Self::Any
            | Self::Text
            | Self::Named(_)
            | Self::Scalar
            | Self::Whole(..)
            | Self::Signed
            | Self::Real(..)
            | Self::Choice(_)
            | Self::Written(_)
            | Self::Pairs
            | Self::Table(_)
            | Self::Object(_)
            | Self::Word(_) => Vec::new(),
        }
    }

    /// What it is, in words: `a duration such as "2s"`.
    pub fn words(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::True => "`true`".to_owned(),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Null => "`null`".to_owned(),
            Self::Any => "any JSON".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Named(what) => (*what).to_owned(),
            Self::Scalar => "a string or a whole number".to_owned(),
            Self::Whole(min, u64::MAX) if *min == 0 => "a whole number".to_owned(),
            Self::Whole(min, u64::MAX) => format!("a whole number from {min} on"),
            Self::Whole(min, max) if min == max => min.to_string(),
            Self::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Self::Signed => "a whole number, which may be negative".to_owned(),
            Self::Real(min, max) => format!("a number from {min} to {max}"),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
                either(&words)
            }
            Self::Written(notation) => format!("{} such as {}", notation.what, notation.such_as),
            Self::Pairs => "an object of names and strings".to_owned(),
            Self::Table(what) => format!("an object of names, each with its {what}"),
            Self::List(shape) => format!("a list (each item: {})", shape.words()),
            Self::Object(object) | Self::Word(object) => object.what.to_owned(),
            Self::Either(shapes) => {
                let words: Vec<String> = shapes.iter().map(Self::words).collect();
                either(&words)
            }
        }
    }
}

fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

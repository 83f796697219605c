//! One word, and the groups of words.

use super::shape::Shape;

/// One word of the vocabulary: a key of a JSON object, or a word that stands
/// alone.
#[derive(Debug)]
#[non_exhaustive]
pub struct Key {
    /// The word.
    pub word: &'static str,
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
    /// What stands behind it.
    pub shape: Shape,
    /// What holds without it; empty if there is nothing to say.
    pub default: &'static str,
    /// Whether its object must have it.
    pub needed: bool,
    /// Whether it is what its object is about, and no modifier.
    pub verb: bool,
    /// Whether it stands alone, as a bare word, too.
    pub bare: bool,
    /// It stands beside one of these. A verb with such words is a modifier
    /// beside them.
    pub beside: &'static [&'static str],
    /// It never stands beside these.
    pub without: &'static [&'static str],
    /// A whole scenario that uses it; empty for what stands behind a word.
    pub example: &'static str,
}

impl Key {
    /// A key that may be left out.
    pub(super) const fn new(word: &'static str, shape: Shape, meaning: &'static str) -> Self {
        Self {
            word,
            meaning,
            shape,
            default: "",
            needed: false,
            verb: false,
            bare: false,
            beside: &[],
            without: &[],
            example: "",
        }
    }

    /// What its object is about.
    pub(super) const fn verb(word: &'static str, shape: Shape, meaning: &'static str) -> Self {
        let mut key = Self::new(word, shape, meaning);
        key.verb = true;
        key
    }

    /// A verb that is said in one word.
    pub(super) const fn bare(word: &'static str, meaning: &'static str) -> Self {
        Self::verb(word, Shape::Nothing, meaning).alone()
    }

    /// It stands alone, too.
    pub(super) const fn alone(mut self) -> Self {
        self.bare = true;
        self
    }

    pub(super) const fn needed(mut self) -> Self {
        self.needed = true;
        self
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    pub(super) const fn beside(mut self, words: &'static [&'static str]) -> Self {
        self.beside = words;
        self
    }

    pub(super) const fn without(mut self, words: &'static [&'static str]) -> Self {
        self.without = words;
        self
    }

    pub(super) const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }
}

impl Key {
    /// What stands behind the word, in words.
    pub fn behind(&self) -> String {
        match (&self.shape, self.bare) {
            (Shape::Nothing, _) => "nothing: it stands alone".to_owned(),
            (shape, true) => format!("{}, or it stands alone", shape.words()),
            (shape, false) => shape.words(),
        }
    }
}

/// Words that belong together.
#[derive(Debug)]
#[non_exhaustive]
pub struct Group {
    /// What they are.
    pub kind: Kind,
    /// Its name among those of its kind.
    pub name: &'static str,
    /// What they have in common.
    pub about: &'static str,
    /// The words.
    pub words: &'static [Key],
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A key of the file itself.
    File,
    /// A key of a rule.
    Rule,
    /// When a rule fires.
    Trigger,
    /// What a rule does.
    Action,
    /// What is asserted.
    Assertion,
    /// How the broker is set up.
    Broker,
    /// A key of a rule for plain HTTP.
    Http,
}

impl Kind {
    /// The word for it, in the singular.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Rule => "rule",
            Self::Trigger => "trigger",
            Self::Action => "action",
            Self::Assertion => "assertion",
            Self::Broker => "broker",
            Self::Http => "http",
        }
    }
}

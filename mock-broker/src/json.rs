//! JSON that knows where each part of it stands.

use serde_json::Error;
use std::borrow::Cow;

/// A value and where it stands in the text.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// The offset of its first octet.
    pub(crate) from: usize,
    /// The offset behind its last octet.
    pub(crate) to: usize,
    pub(crate) value: Value<'a>,
}

#[derive(Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
}

/// One key of an object and what stands behind it.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    /// Where the key stands.
    pub(crate) at: usize,
    pub(crate) node: Node<'a>,
}

impl<'a> Node<'a> {
    /// Reads JSON.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        // It finds what is wrong, and bounds the depth.
        let _sound: serde_json::Value = serde_json::from_str(text)?;
        let mut reader = Reader { text, at: 0 };
        Ok(reader.node())
    }

    /// What stands behind a key; the last one if it stands several times.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Object(members) = &self.value else {
            return None;
        };
        let mut members = members.iter().rev();
        members.find(|m| m.key == key).map(|m| &m.node)
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value {
            items
        } else {
            &[]
        }
    }

    /// The innermost value around an offset.
    pub(crate) fn around(&self, at: usize) -> &Self {
        let inner = match &self.value {
            Value::List(items) => items.iter().find(|n| n.has(at)),
            Value::Object(members) => members.iter().map(|m| &m.node).find(|n| n.has(at)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
        };
        inner.map_or(self, |node| node.around(at))
    }

    fn has(&self, at: usize) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// The line and the column of an offset, both from 1; columns are characters.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    (line, before[start..].chars().count() + 1)
}

/// The offset of a place that serde_json tells: its columns are octets, and
/// the octet is the last that it read.
pub(crate) fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = lines.map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// Reads what is known to be JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self) -> Node<'a> {
        let from = self.skip();
        let value = match self.peek() {
            b'{' => Value::Object(self.members()),
            b'[' => Value::List(self.list()),
            b'"' => Value::Text(self.string()),
            _ => self.scalar(),
        };
        let to = self.at;
        Node { from, to, value }
    }

    /// The octet that comes next; at the end one that closes everything.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(b'}')
    }

    /// Past blanks and separators.
    fn skip(&mut self) -> usize {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n' | b',' | b':') {
            self.at += 1;
        }
        self.at
    }

    fn ends(&mut self) -> bool {
        self.skip();
        let end = matches!(self.peek(), b'}' | b']');
        if end {
            self.at = (self.at + 1).min(self.text.len());
        }
        end
    }

    fn members(&mut self) -> Vec<Member<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        while !self.ends() {
            let at = self.at;
            let key = self.string();
            let node = self.node();
            members.push(Member { key, at, node });
        }
        members
    }

    fn list(&mut self) -> Vec<Node<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.ends() {
            items.push(self.node());
        }
        items
    }

    fn string(&mut self) -> Cow<'a, str> {
        let from = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            match self.text.as_bytes().get(self.at) {
                None | Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(self.text.len());
        let quoted = &self.text[from..self.at];
        if escaped {
            serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned)
        } else {
            Cow::Borrowed(quoted.trim_matches('"'))
        }
    }

    fn scalar(&mut self) -> Value<'a> {
        let rest = &self.text[self.at..];
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
        let word = &rest[..length.unwrap_or(rest.len())];
        self.at += word.len().max(1);
        match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => Value::Number(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same value as serde_json reads it.
    fn plain(node: &Node<'_>) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(yes) => (*yes).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::Text(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(plain).collect::<Vec<_>>().into(),
            Value::Object(members) => {
                let pairs = members.iter().map(|m| (m.key.to_string(), plain(&m.node)));
                serde_json::Value::Object(pairs.collect())
            }
        }
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [
            "{}",
            " [ ] ",
            "-1.5e+3",
            "\"\"",
            r#"{"a":[1,-2.5,1e9,true,false,null,"x\n\"\u00e9]}"], "" : {"ü":"\\"}}"#,
            "[[],{},[{}],\"[\",\"{\"]",
        ] {
            let node = Node::parse(text).unwrap();
            let same: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(plain(&node), same, "{text}");
            assert_eq!(&text[node.from..node.to], text.trim(), "{text}");
        }
        assert!(Node::parse(&"[".repeat(100_000)).is_err());
        assert!(Node::parse(&("[".repeat(100_000) + &"]".repeat(100_000))).is_err());
        assert!(Node::parse("{\"a\":1,}").is_err());
    }

    #[test]
    fn places_are_lines_and_characters() {
        let text = "{\n \"ü\": 5}";
        let node = Node::parse(text).unwrap();
        let five = node.get("ü").unwrap();
        assert_eq!(place(text, five.from), (2, 7));
        assert_eq!(place(text, 10_000), (2, 9));
        let told = serde_json::from_str::<std::collections::BTreeMap<String, bool>>(text);
        let told = told.unwrap_err();
        let at = offset(text, told.line(), told.column());
        assert_eq!(&text[at..=at], "5");
        assert_eq!(node.around(at).from, five.from);
    }
}

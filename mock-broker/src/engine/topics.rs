//! Which subscriptions a topic reaches: exact names by lookup, patterns by a
//! tree of segments.

use crate::dialect::Wildcards;
use std::collections::{BTreeMap, BTreeSet};

/// Patterns with more segments are refused.
pub(super) const DEEPEST: usize = 64;

/// Subscriptions by the names and patterns they are for.
#[derive(Debug)]
pub(super) struct Topics {
    wildcards: Wildcards,
    exact: BTreeMap<String, BTreeSet<u64>>,
    /// Nodes by number; 0 is the root, freed ones are used again.
    nodes: Vec<Node>,
    free: Vec<usize>,
    patterns: usize,
}

#[derive(Debug, Default)]
struct Node {
    segments: BTreeMap<String, usize>,
    one: Option<usize>,
    many: Option<usize>,
    /// It stands for any number of segments, so it stays where it is.
    stays: bool,
    here: BTreeSet<u64>,
}

/// One segment of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Exactly(&'a str),
    One,
    Many,
}

impl Topics {
    pub(super) fn new(wildcards: Wildcards) -> Self {
        Self {
            wildcards,
            exact: BTreeMap::new(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            patterns: 0,
        }
    }

    /// The parts of a pattern; `None` for a plain name.
    fn parts<'a>(&self, name: &'a str) -> Option<Vec<Part<'a>>> {
        let w = &self.wildcards;
        let segments: Vec<&str> = name.split(w.separators).collect();
        let last = segments.len() - 1;
        let mut parts = Vec::with_capacity(segments.len() + 1);
        for (i, segment) in segments.into_iter().enumerate() {
            if segment == w.one {
                parts.push(Part::One);
            } else if w.many.contains(&segment) {
                parts.push(Part::Many);
            } else if i == last && w.rest == Some(segment) {
                parts.extend([Part::One, Part::Many]);
            } else {
                parts.push(Part::Exactly(segment));
            }
        }
        let wild = parts.iter().any(|p| !matches!(p, Part::Exactly(_)));
        wild.then_some(parts)
    }

    pub(super) fn is_pattern(&self, name: &str) -> bool {
        self.parts(name).is_some()
    }

    pub(super) fn is_too_deep(&self, name: &str) -> bool {
        self.parts(name).is_some_and(|parts| parts.len() > DEEPEST)
    }

    pub(super) fn insert(&mut self, name: &str, no: u64) {
        let Some(parts) = self.parts(name) else {
            self.exact.entry(name.to_owned()).or_default().insert(no);
            return;
        };
        let mut at = 0;
        for part in parts {
            at = match self.child(at, part) {
                Some(next) => next,
                None => self.grow(at, part),
            };
        }
        if self.nodes[at].here.insert(no) {
            self.patterns += 1;
        }
    }

    fn child(&self, at: usize, part: Part<'_>) -> Option<usize> {
        let node = &self.nodes[at];
        match part {
            Part::Exactly(segment) => node.segments.get(segment).copied(),
            Part::One => node.one,
            Part::Many => node.many,
        }
    }

    fn grow(&mut self, at: usize, part: Part<'_>) -> usize {
        let node = Node {
            stays: part == Part::Many,
            ..Node::default()
        };
        let new = match self.free.pop() {
            Some(new) => {
                self.nodes[new] = node;
                new
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        let parent = &mut self.nodes[at];
        match part {
            Part::Exactly(segment) => {
                parent.segments.insert(segment.to_owned(), new);
            }
            Part::One => parent.one = Some(new),
            Part::Many => parent.many = Some(new),
        }
        new
    }

    pub(super) fn remove(&mut self, name: &str, no: u64) {
        let Some(parts) = self.parts(name) else {
            if let Some(subs) = self.exact.get_mut(name) {
                subs.remove(&no);
                if subs.is_empty() {
                    self.exact.remove(name);
                }
            }
            return;
        };
        let mut path = vec![0];
        for part in &parts {
            let at = path[path.len() - 1];
            let Some(next) = self.child(at, *part) else {
                return;
            };
            path.push(next);
        }
        if self.nodes[path[parts.len()]].here.remove(&no) {
            self.patterns -= 1;
        }
        // Branches that bear nothing any more are cut off.
        for (part, pair) in parts.iter().zip(path.windows(2)).rev() {
            let (parent, child) = (pair[0], pair[1]);
            let node = &self.nodes[child];
            let bare = node.segments.is_empty() && node.one.is_none() && node.many.is_none();
            if !bare || !node.here.is_empty() {
                return;
            }
            self.free.push(child);
            let parent = &mut self.nodes[parent];
            match part {
                Part::Exactly(segment) => {
                    parent.segments.remove(*segment);
                }
                Part::One => parent.one = None,
                Part::Many => parent.many = None,
            }
        }
    }

    /// All subscriptions for a topic, in the order in which they were made.
    pub(super) fn audience(&self, topic: &str) -> Vec<u64> {
        let exact = self.exact.get(topic);
        if self.patterns == 0 {
            return exact.map_or_else(Vec::new, |subs| subs.iter().copied().collect());
        }
        let mut found: BTreeSet<u64> = exact.cloned().unwrap_or_default();
        // A walk with all places at once: no pattern costs more than its nodes.
        let mut places = self.closed(BTreeSet::from([0]));
        for segment in topic.split(self.wildcards.separators) {
            let mut next = BTreeSet::new();
            for place in &places {
                let node = &self.nodes[*place];
                next.extend(node.segments.get(segment));
                next.extend(node.one);
                if node.stays {
                    next.insert(*place);
                }
            }
            if next.is_empty() {
                return found.into_iter().collect();
            }
            places = self.closed(next);
        }
        for place in places {
            found.extend(&self.nodes[place].here);
        }
        found.into_iter().collect()
    }

    /// Adds the places that are reached without any segment.
    fn closed(&self, mut places: BTreeSet<usize>) -> BTreeSet<usize> {
        let mut new: Vec<usize> = places.iter().copied().collect();
        while let Some(place) = new.pop() {
            if let Some(many) = self.nodes[place].many {
                if places.insert(many) {
                    new.push(many);
                }
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use proptest::prelude::*;

    fn reaches(dialect: Dialect, pattern: &str, topic: &str) -> bool {
        let mut topics = Topics::new(dialect.wildcards);
        topics.insert(pattern, 1);
        let found = !topics.audience(topic).is_empty();
        topics.remove(pattern, 1);
        assert!(topics.audience(topic).is_empty());
        assert_eq!(topics.nodes.len() - topics.free.len(), 1, "nothing is left");
        found
    }

    #[test]
    fn patterns_reach_topics() {
        let table = [
            (Dialect::STOMP, "/topic/a", "/topic/a", true),
            (Dialect::STOMP, "/topic/a", "/topic/b", false),
            (Dialect::STOMP, "/topic/*", "/topic/a", true),
            (Dialect::STOMP, "/topic/*", "/topic/a/b", false),
            (Dialect::STOMP, "/topic/*", "/topic", false),
            (Dialect::STOMP, "/topic/*/c", "/topic/b/c", true),
            (Dialect::STOMP, "/topic/a*", "/topic/ab", false),
            (Dialect::STOMP, "/events/**", "/events/queue/q1", true),
            (Dialect::STOMP, "/events/**", "/events", true),
            (Dialect::STOMP, "/events/**", "/voice/1", false),
            (Dialect::STOMP, "/events/**/end", "/events/a/b/end", true),
            (Dialect::STOMP, "/events/**/end", "/events/end", true),
            (Dialect::STOMP, "/events/**/end", "/events/end/x", false),
            (Dialect::STOMP, "/**/a/**/b", "/x/a/y/a/b", true),
            (Dialect::STOMP, "/topic/>", "/topic/a/b", true),
            (Dialect::STOMP, "/topic/>", "/topic", false),
            (Dialect::STOMP, "/topic/>/a", "/topic/x/a", false),
            (Dialect::STOMP, "**", "/anything/at/all", true),
            (Dialect::STOMP, "/topic/a.*", "/topic/a.b", false),
            (Dialect::RABBITMQ, "/topic/a.*", "/topic/a.b", true),
            (Dialect::RABBITMQ, "/topic/a.#", "/topic/a.b.c", true),
            (Dialect::RABBITMQ, "/topic/#.c", "/topic/a.b.c", true),
            (Dialect::RABBITMQ, "/topic/a.**", "/topic/a.b.c", false),
            (Dialect::ACTIVEMQ, "/topic/a.>", "/topic/a.b.c", true),
            (Dialect::ACTIVEMQ, "/topic/*.b", "/topic/a.b", true),
            (Dialect::SPRING_SIMPLE, "/topic/**", "/topic/a/b", true),
            (Dialect::EMQX, "a/+/c", "a/b/c", true),
            (Dialect::EMQX, "a/#", "a/b/c", true),
            (Dialect::EMQX, "a/*", "a/b", false),
        ];
        for (dialect, pattern, topic, reached) in table {
            assert_eq!(
                reaches(dialect, pattern, topic),
                reached,
                "{dialect} {pattern} {topic}"
            );
        }
    }

    #[test]
    fn many_patterns_cost_no_more_than_their_nodes() {
        let mut topics = Topics::new(Dialect::STOMP.wildcards);
        for no in 0..5000 {
            topics.insert(&format!("/events/queue/q-{no}/**"), no);
            topics.insert(&format!("/topic/t-{no}"), no);
        }
        topics.insert(&"/**".repeat(30), 9999);
        assert_eq!(topics.audience("/events/queue/q-17/waiting"), [17, 9999]);
        assert_eq!(topics.audience("/topic/t-4"), [4, 9999]);
        let long = "/a".repeat(1000);
        assert_eq!(topics.audience(&long), [9999]);
    }

    proptest! {
        /// The tree against a plain recursive reading of one pattern.
        #[test]
        fn the_tree_agrees_with_the_definition(
            patterns in prop::collection::vec("(/(a|b|\\*|\\*\\*)){1,5}", 1..8),
            topic in "(/(a|b)){1,6}",
        ) {
            fn fits(pattern: &[&str], topic: &[&str]) -> bool {
                match pattern.split_first() {
                    None => topic.is_empty(),
                    Some((&"**", rest)) => (0..=topic.len()).any(|n| fits(rest, &topic[n..])),
                    Some((first, rest)) => topic.split_first().is_some_and(|(segment, left)| {
                        (*first == "*" || first == segment) && fits(rest, left)
                    }),
                }
            }
            let mut topics = Topics::new(Dialect::STOMP.wildcards);
            for (no, pattern) in (0..).zip(&patterns) {
                topics.insert(pattern, no);
            }
            let segments: Vec<&str> = topic.split('/').collect();
            let expected: Vec<u64> = (0..)
                .zip(&patterns)
                .filter(|(_, p)| fits(&p.split('/').collect::<Vec<_>>(), &segments))
                .map(|(no, _)| no)
                .collect();
            prop_assert_eq!(topics.audience(&topic), expected);
        }
    }
}

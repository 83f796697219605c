//! What a fix looks like, in a sentence for each rule that can be broken.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static FIXES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../fixes.json")).expect("a test parses the list")
});

/// Of a requirement, by its id.
pub(crate) fn of(id: &str) -> Option<&'static str> {
    // What a close code leads to is told by its rule.
    let close = "Expose the code and the reason of the Close, and do what the rule says next.";
    let fix = FIXES.get(id).map(String::as_str);
    fix.or_else(|| id.starts_with("WS-CLS-").then_some(close))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::{self, Cost};

    #[test]
    fn whatever_can_cost_something_has_a_fix() {
        for requirement in requirement::all() {
            if requirement.grade_if_violated != Cost::Info {
                assert!(of(&requirement.id).is_some(), "{}", requirement.id);
            }
        }
        for (id, fix) in FIXES.iter() {
            assert!(requirement::by_id(id).is_some(), "{id} is no requirement");
            assert!(fix.ends_with('.'), "{id}");
        }
    }
}

//! Rules for plain HTTP: health endpoints, token endpoints that fail.

use super::action::Action;
use super::units::glob;

/// What answers a plain HTTP request.
///
/// The first rule that fits and has firings left is taken. A list without an
/// answer (`http`, `redirect`, `hang`, `fin`, `rst`) ends in what the broker
/// says by itself, for example at its token endpoint: `[{"delay":"5s"}]` makes
/// that one slow.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HttpRule {
    /// A name for reports.
    pub id: Option<String>,
    /// The method; `*` is any.
    pub method: String,
    /// The path without query; `*` stands for any text, `?` for one character.
    pub path: String,
    /// How often at most; `None` means without end.
    pub times: Option<u64>,
    /// What is done.
    pub actions: Vec<Action>,
}

impl HttpRule {
    /// A rule for a method and a path.
    pub fn on(method: &str, path: &str) -> Self {
        Self {
            id: None,
            method: method.to_owned(),
            path: path.to_owned(),
            times: None,
            actions: Vec::new(),
        }
    }

    /// A rule for GET.
    pub fn get(path: &str) -> Self {
        Self::on("GET", path)
    }

    /// A rule for POST.
    pub fn post(path: &str) -> Self {
        Self::on("POST", path)
    }

    /// A name for reports.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// At most so often.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// One more thing to do.
    #[must_use]
    pub fn then(mut self, action: impl Into<Action>) -> Self {
        self.actions.push(action.into());
        self
    }

    /// The n-th request gets the n-th list; when they are used up the rule is,
    /// too.
    #[must_use]
    pub fn seq(mut self, lists: Vec<Vec<Action>>) -> Self {
        self.times = Some(lists.len() as u64);
        self.actions.push(Action::Seq(lists));
        self
    }

    pub(crate) fn fits(&self, method: &str, route: &str) -> bool {
        // HEAD is GET without the body (RFC 9110, 9.3.2).
        let same = self.method == method || (self.method == "GET" && method == "HEAD");
        (same || self.method == "*") && glob(&self.path, route)
    }

    /// Reads `"GET /health/eu"`.
    pub(crate) fn parse_on(text: &str) -> Option<(String, String)> {
        let (method, path) = text.split_once(' ')?;
        let known =
            method == "*" || (!method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase()));
        let sound = (path.starts_with('/') || path.starts_with('*'))
            && path.bytes().all(|b| b.is_ascii_graphic())
            && !path.contains('?');
        (known && sound).then(|| (method.to_owned(), path.to_owned()))
    }
}

/// Refuses what has no meaning for a request.
pub(super) fn check(actions: &[Action]) -> Result<(), String> {
    for action in actions {
        if let Action::Seq(lists) | Action::Pick(lists) = action {
            lists.iter().try_for_each(|list| check(list))?;
        } else if !has_meaning(action) {
            return Err(
                "this action has no meaning for a plain request; known are `http`, \
                 `redirect`, `delay`, `hang`, `drip`, `fin`, `rst`, `pass`, `mark`, `log`, \
                 `expire`, `refuse`, `seq` and `pick`"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

fn has_meaning(action: &Action) -> bool {
    use super::action::{Shape, ShapeAction};
    matches!(
        action,
        Action::Http(_)
            | Action::Redirect(_)
            | Action::Delay(_)
            | Action::Hang
            | Action::Fin { .. }
            | Action::Rst
            | Action::Pass
            | Action::Mark(_)
            | Action::Log(_)
            | Action::Expire(_)
            | Action::Refuse(_)
            | Action::Shape(ShapeAction {
                shape: Shape::Drip { .. },
                ..
            })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_paths_fit() {
        let rule = HttpRule::get("/health/*");
        assert!(rule.fits("GET", "/health/eu"));
        assert!(rule.fits("HEAD", "/health/eu"));
        assert!(!rule.fits("POST", "/health/eu"));
        assert!(!rule.fits("GET", "/health"));
        assert!(HttpRule::on("*", "/x").fits("PUT", "/x"));
    }

    #[test]
    fn on_is_a_method_and_a_path() {
        let ok = HttpRule::parse_on("GET /health/eu");
        assert_eq!(ok, Some(("GET".to_owned(), "/health/eu".to_owned())));
        assert!(HttpRule::parse_on("* /x*").is_some());
        for bad in ["", "GET", "/x", "get /x", "GET x", "GET /x y", "GET /x?y=1"] {
            assert_eq!(HttpRule::parse_on(bad), None, "{bad:?}");
        }
    }
}

//! Scenario files: JSON in, [`Scenario`] or an error with its place out.

use super::action::Action;
use super::expect::Assertion;
use super::raw::{RawBroker, RawScenario, ReceiptWord};
use super::rule::Rule;
use super::trigger::{Stage, Trigger};
use super::{Bounds, HttpRule, Scenario};
use crate::catalogue::{self, SCENARIO, Wrong};
use crate::json::{Node, offset, place};
use crate::wire::Limits;
use thiserror::Error;

/// A scenario file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
#[non_exhaustive]
pub struct ScenarioError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong, with the nearest known word for a misspelt one.
    pub message: String,
}

impl ScenarioError {
    fn at(text: &str, offset: usize, message: &str) -> Self {
        let (line, column) = place(text, offset);
        Self {
            line,
            column,
            message: message.to_owned(),
        }
    }

    /// What serde says, and where it noticed it.
    fn told(text: &str, error: &serde_json::Error) -> (usize, String) {
        let words = error.to_string();
        let end = format!(" at line {} column {}", error.line(), error.column());
        let words = words.strip_suffix(&end).unwrap_or(&words);
        (offset(text, error.line(), error.column()), words.to_owned())
    }
}

/// Reads JSON.
pub(crate) fn json(text: &str) -> Result<Node<'_>, ScenarioError> {
    Node::parse(text).map_err(|error| {
        let (at, words) = ScenarioError::told(text, &error);
        let words = if text.trim().is_empty() {
            "the file is empty; `{}` is a correct broker".to_owned()
        } else {
            format!("this is no JSON: {words}")
        };
        ScenarioError::at(text, at, &words)
    })
}

/// Everything that is wrong with a file; what has no meaning is told only if
/// all words are right.
pub(crate) fn errors(text: &str, root: &Node<'_>) -> Vec<ScenarioError> {
    let wrong = catalogue::check(&SCENARIO, root);
    if !wrong.is_empty() {
        let tell = |w: &Wrong| ScenarioError::at(text, w.at, &w.message);
        return wrong.iter().map(tell).collect();
    }
    let mut all: Vec<(usize, String)> = Vec::new();
    fn part<'a, T: serde::Deserialize<'a>>(
        text: &'a str,
        node: &Node<'_>,
    ) -> Option<(usize, String)> {
        let source = &text[node.from..node.to];
        let error = serde_json::from_str::<T>(source).err()?;
        let (at, words) = ScenarioError::told(source, &error);
        Some((node.around(node.from + at).from, words))
    }
    let items = |key| root.get(key).map_or(&[][..], Node::items);
    all.extend(root.get("broker").and_then(|n| part::<RawBroker>(text, n)));
    all.extend(items("rules").iter().filter_map(|n| part::<Rule>(text, n)));
    all.extend(
        items("http")
            .iter()
            .filter_map(|n| part::<HttpRule>(text, n)),
    );
    all.extend(
        items("expect")
            .iter()
            .filter_map(|n| part::<Assertion>(text, n)),
    );
    if all.is_empty() {
        all.extend(part::<RawScenario>(text, root));
    }
    all.sort();
    let tell = |(at, words): &(usize, String)| ScenarioError::at(text, *at, words);
    all.iter().map(tell).collect()
}

pub(super) fn scenario(text: &str) -> Result<Scenario, ScenarioError> {
    let root = json(text)?;
    if let Some(first) = errors(text, &root).into_iter().next() {
        return Err(first);
    }
    let raw: RawScenario = serde_json::from_str(text).map_err(|error| {
        let (at, words) = ScenarioError::told(text, &error);
        ScenarioError::at(text, at, &words)
    })?;
    Ok(build(raw))
}

fn build(raw: RawScenario) -> Scenario {
    let broker = raw.broker;
    let mut dialect = broker.dialect.unwrap_or_default();
    if broker.websockify {
        dialect = dialect.behind_websockify();
    }
    let default = Scenario::builder().dialect(dialect).build();
    let mut limits = Limits::default();
    broker.limits.apply(&mut limits);
    let mut bounds = Bounds::default();
    broker.bounds.apply(&mut bounds);
    Scenario {
        name: raw.name.unwrap_or_default(),
        about: raw.about.unwrap_or_default(),
        seed: raw.seed.unwrap_or_default(),
        dialect,
        error_codes: broker.error_codes.unwrap_or(default.error_codes),
        forbidden: broker.forbidden.build(),
        versions: broker.versions.unwrap_or(default.versions),
        subprotocols: broker.subprotocols,
        heart_beat: broker.heart_beat.map_or(default.heart_beat, |b| (b.0, b.1)),
        path: broker.path,
        tls: broker.tls,
        auth: broker.auth.build(),
        single_session: broker.single_session.unwrap_or(default.single_session),
        on_expiry: broker.on_expiry.unwrap_or(default.on_expiry),
        suspend_grace: broker.suspend_grace.map_or(default.suspend_grace, |g| g.0),
        receipt_id_header: broker
            .receipt_headers
            .map_or(default.receipt_id_header, |words| {
                words.contains(&ReceiptWord::ReceiptId)
            }),
        require_host: broker.require_host.unwrap_or(default.require_host),
        max_deliveries: broker.max_deliveries.unwrap_or(default.max_deliveries),
        limits,
        bounds,
        rules: raw.rules,
        http: raw.http,
        expect: raw.expect,
    }
}

/// Refuses what could never take effect.
pub(super) fn check(rule: &Rule) -> Result<(), String> {
    rule.actions
        .iter()
        .try_for_each(|action| fits(action, &rule.trigger))
}

fn fits(action: &Action, trigger: &Trigger) -> Result<(), String> {
    let has = |f: fn(&Trigger) -> bool| trigger.parts().iter().any(f);
    let frame = has(|t| matches!(t, Trigger::Recv(_) | Trigger::Send(_)));
    let leaving = has(|t| matches!(t, Trigger::Send(_)));
    let upgrade = has(|t| *t == Trigger::Stage(Stage::Upgrade));
    let tcp = has(|t| *t == Trigger::Stage(Stage::Tcp));
    let overlap = has(|t| *t == Trigger::Overlap);
    let (fine, message) = match action {
        Action::Http(_) | Action::Redirect(_) | Action::Subprotocol(_) | Action::BadAccept => (
            upgrade,
            "`http`, `redirect`, `subprotocol` and `bad-accept` need \"on\":\"upgrade\"",
        ),
        Action::Hang => (
            upgrade || tcp,
            "`hang` needs \"on\":\"upgrade\" or \"on\":\"tcp\"",
        ),
        Action::Tls(_) => (tcp, "`tls` needs \"on\":\"tcp\""),
        Action::Dup(_) | Action::Set(_) | Action::Unset(_) => (
            frame,
            "`dup`, `set` and `unset` need a frame: \"on\":{\"recv\":..} or {\"send\":..}",
        ),
        Action::Hold(_) | Action::Corrupt(_) | Action::Pad { .. } => (
            leaving,
            "`hold`, `corrupt` and `pad` need a leaving frame: \"on\":{\"send\":..}",
        ),
        Action::Rebind => (
            frame || overlap,
            "`rebind` needs \"on\":{\"recv\":\"CONNECT\"} or \"overlap\"",
        ),
        Action::Drop => (
            frame || overlap || has(|t| matches!(t, Trigger::TokenExpired | Trigger::BeatDue)),
            "`drop` needs a frame, \"token-expired\", \"overlap\" or \"hb-due\"",
        ),
        Action::Seq(lists) | Action::Pick(lists) => {
            return lists
                .iter()
                .flatten()
                .try_for_each(|inner| fits(inner, trigger));
        }
        Action::Pass
        | Action::Send(_)
        | Action::Error(_)
        | Action::Delay(_)
        | Action::Release { .. }
        | Action::Raw { .. }
        | Action::Shape(_)
        | Action::Plain
        | Action::Close { .. }
        | Action::Fin { .. }
        | Action::Rst
        | Action::Blackhole { .. }
        | Action::Ping(_)
        | Action::MutePong
        | Action::Refuse(_)
        | Action::Beat(_)
        | Action::Kick
        | Action::Expire(_)
        | Action::Storm(_)
        | Action::Silence { .. }
        | Action::Garbage(_)
        | Action::Goto(_)
        | Action::Fail(_)
        | Action::Mark(_)
        | Action::Log(_) => return Ok(()),
    };
    if fine {
        Ok(())
    } else {
        Err(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Direction, act, on};
    use std::time::Duration;

    fn error(text: &str) -> ScenarioError {
        Scenario::from_json(text).unwrap_err()
    }

    #[test]
    fn an_empty_file_is_the_correct_broker() {
        assert_eq!(Scenario::from_json("{}").unwrap(), Scenario::default());
    }

    #[test]
    fn json_and_rust_say_the_same() {
        let json = r#"{"v":1,"name":"x","seed":7,
            "broker":{"versions":["1.2"],"heart-beat":"5000,0","single-session":true,
                      "auth":{"bearer":{"ttl":"60s"},"basic":{"u":"p"}}},
            "rules":[
              {"id":"a","conn":1,"on":{"recv":"SUBSCRIBE","nth":2,"match":{"destination":"/t*"}},"times":1,
               "do":[{"error":{"code":401,"message":"m","close":false}},{"mark":"x"}]},
              {"conn":"2+","on":"connected","do":[{"frag":[3,-1],"ping":"between","next":2},
                {"split":{"every":1}},{"blackhole":"in","for":"1s"},{"fin":{"after-bytes":5}}]},
              {"on":"upgrade","p":0.5,"do":[{"seq":[[{"http":{"status":503,"body":"no"}}],["hang"]]},{"subprotocol":null}]}
            ]}"#;
        let second = Duration::from_secs(1);
        let mut http = act::http(503, "no");
        if let Action::Http(response) = &mut http {
            response.headers.clear();
        }
        let built = Scenario::builder()
            .name("x")
            .seed(7)
            .versions(&["1.2"])
            .heart_beat(5000, 0)
            .single_session(true)
            .auth_bearer(60 * second)
            .auth_basic("u", "p")
            .rule(
                Rule::on(on::recv("SUBSCRIBE").nth(2).matching("destination", "/t*"))
                    .id("a")
                    .conn(1)
                    .times(1)
                    .then(act::error(401).message("m").keep_open())
                    .then(act::mark("x")),
            )
            .rule(
                Rule::on(on::connected())
                    .conns(2..=u64::MAX)
                    .then(act::frag_at(&[3, -1]).ping_between().next(2))
                    .then(act::split_every(1))
                    .then(act::blackhole_for(Direction::In, second))
                    .then(act::fin_after(5)),
            )
            .rule(
                Rule::on(on::upgrade())
                    .p(0.5)
                    .then(act::seq(vec![vec![http], vec![act::hang()]]))
                    .then(act::subprotocol(None)),
            )
            .build();
        assert_eq!(Scenario::from_json(json).unwrap(), built);
    }

    #[test]
    fn errors_name_place_and_nearest_word() {
        let e = error("{\"rules\":[\n {\"on\":\"conected\",\"do\":[]}]}");
        assert_eq!(e.line, 2);
        assert!(e.to_string().contains("did you mean `connected`?"), "{e}");

        let e = error("{\"broker\":{\n\n\"hart-beat\":\"1,1\"}}");
        assert_eq!((e.line, e.column), (3, 1));
        assert!(e.message.contains("did you mean `heart-beat`?"), "{e}");

        let e = error(r#"{"rules":[{"on":"tcp","do":[{"eror":{"code":1}}]}]}"#);
        assert!(e.message.contains("did you mean `error`?"), "{e}");

        let e = error(r#"{"rules":[{"on":{"recv":"SEND"},"do":["dorp"]}]}"#);
        assert!(e.message.contains("did you mean `drop`?"), "{e}");

        let e = error(r#"{"rules":[{"on":{"recv":"SEND"},"do":[{"delay":"soon"}]}]}"#);
        assert!(e.message.contains("is a duration or a range"), "{e}");

        let e = error(r#"{"rules":[{"on":{"recv":"SEND"},"#);
        assert!(e.message.contains("EOF"), "{e}");
    }

    #[test]
    fn what_does_nothing_yet_or_here_is_refused() {
        for (text, words) in [
            (r#"{"v":2}"#, "`v` is 1, not the number 2"),
            (
                r#"{"rules":[{"on":"open","do":[{"http":{"status":401}}]}]}"#,
                "upgrade",
            ),
            (r#"{"rules":[{"on":"open","do":["hang"]}]}"#, "`hang` needs"),
            (
                r#"{"rules":[{"on":"open","do":[{"dup":2}]}]}"#,
                "need a frame",
            ),
            (
                r#"{"rules":[{"on":{"recv":"SEND"},"do":[{"hold":"x"}]}]}"#,
                "leaving frame",
            ),
            (
                r#"{"rules":[{"on":"open","do":[{"mark":"x","log":"y"}]}]}"#,
                "one thing",
            ),
            (r#"{"rules":[{"on":"open","do":[{}]}]}"#, "empty"),
            (
                r#"{"rules":[{"on":"open","do":[{"mark":"x","next":2}]}]}"#,
                "`next` needs",
            ),
            (
                r#"{"rules":[{"on":{"recv":"A","send":"B"},"do":[]}]}"#,
                "exclude",
            ),
            (
                r#"{"rules":[{"on":{"recv":"A","idle":"1s"},"do":[]}]}"#,
                "two events",
            ),
            (r#"{"rules":[{"on":"open","p":2,"do":[]}]}"#, "from 0 to 1"),
        ] {
            let e = error(text);
            assert!(e.message.contains(words), "{text}: {e}");
        }
    }
}

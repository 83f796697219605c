//! Tables, and two properties.

use super::*;
use proptest::prelude::*;
use std::borrow::Cow;

/// A message: headers, and a JSON body.
struct Sample {
    headers: Vec<(&'static str, &'static str)>,
    fields: Fields,
}

impl Source for Sample {
    fn value(&self, name: &str) -> Cow<'_, Value> {
        match self.headers.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => Cow::Owned(Value::Text((*value).to_owned())),
            None => self
                .fields
                .get(name)
                .map_or(Cow::Owned(Value::Null), Cow::Borrowed),
        }
    }
}

fn sample() -> Sample {
    Sample {
        headers: vec![
            ("color", "red"),
            ("n", "7"),
            ("content-type", "application/json"),
            ("flag", "true"),
            ("rate", "100%"),
        ],
        fields: Fields::read(
            br#"{"queueId":"q-1","waiting":12,"level":0.83,"open":true,"owner":null,
                "color":"green","name":"O'Hara","deep":{"queueId":"x"},"list":[1,2],
                "big":9007199254740993,"at":"2025-03-01T10:00:00Z"}"#,
        ),
    }
}

#[test]
fn selectors_choose() {
    for (text, wanted) in [
        // The words of the guide.
        (r#"queueId eq "q-1""#, true),
        (r#"queueId ne "q-1""#, false),
        (r#"queueId EQ 'q-1' AND waiting GT 10"#, true),
        ("waiting ge 12 and waiting le 12", true),
        ("waiting lt 12 or waiting gt 12", false),
        (r#"queueId in ("q-0", "q-1")"#, true),
        (r#"not queueId in ("q-0", "q-1")"#, false),
        (r#"not (queueId eq "q-2")"#, true),
        // SQL-92.
        ("color = 'red' AND n > 5", true),
        ("color <> 'red'", false),
        ("color != 'blue'", true),
        ("n = 7", true),
        ("n = '7'", true),
        ("n = 7.0", true),
        ("n BETWEEN 5 AND 10", true),
        ("n NOT BETWEEN 5 AND 10", false),
        ("color LIKE 'r%'", true),
        ("color LIKE 'r_d'", true),
        ("color LIKE 'r_'", false),
        ("color NOT LIKE '%e%'", false),
        ("rate LIKE '100!%' ESCAPE '!'", true),
        ("color LIKE 're!%' ESCAPE '!'", false),
        ("color IN ('red', 'green')", true),
        ("color NOT IN ('red', 'green')", false),
        ("n IN (1, 7)", true),
        ("name = 'O''Hara'", true),
        ("content-type = 'application/json'", true),
        ("TRUE", true),
        ("FALSE OR open", true),
        ("flag = TRUE", true),
        ("flag", true),
        ("open <> FALSE", true),
        ("at > '2025-02-28'", true),
        ("level > .8", true),
        ("level < 8.4e-1", true),
        ("waiting = 0xC", true),
        ("waiting = 12L", true),
        // Headers come before fields.
        ("color = 'green'", false),
        // Arithmetic.
        ("waiting + 2 * 3 = 18", true),
        ("(waiting + 2) * 3 = 42", true),
        ("waiting - n = 5", true),
        ("waiting / 5 = 2", true),
        ("level * 100 >= 83", true),
        ("-n = -7", true),
        ("- - n = 7", true),
        ("waiting / 0 = 0", false),
        ("waiting / 0 IS NULL", true),
        ("color + 1 IS NULL", true),
        ("big = 9007199254740993", true),
        ("big = 9007199254740992", false),
        // Precedence: NOT, AND, OR.
        ("NOT FALSE AND FALSE OR TRUE", true),
        ("TRUE OR TRUE AND FALSE", true),
        // Kinds that do not match are neither equal nor unequal.
        ("color = 5", false),
        ("color <> 5", false),
        ("open > FALSE", false),
        ("waiting LIKE '1%'", false),
        // NULL.
        ("missing = 1", false),
        ("missing <> 1", false),
        ("NOT missing = 1", false),
        ("missing = 1 OR TRUE", true),
        ("missing = 1 AND FALSE", false),
        ("NOT (missing = 1 AND FALSE)", true),
        ("NOT (missing = 1 AND TRUE)", false),
        ("missing IS NULL", true),
        ("missing IS NOT NULL", false),
        ("owner IS NULL", true),
        ("deep IS NULL AND list IS NULL", true),
        ("queueId IS NOT NULL", true),
        ("missing IN ('a')", false),
        ("missing NOT IN ('a')", false),
        ("missing LIKE '%'", false),
        ("missing NOT BETWEEN 1 AND 2", false),
        ("n BETWEEN missing AND 3", false),
        ("n NOT BETWEEN missing AND 3", true),
        ("missing", false),
        ("missing + 1 = 1", false),
    ] {
        let selector = Selector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(selector.wants(&sample()), wanted, "{text}");
        let again = Selector::parse(&selector.to_string());
        assert_eq!(again.as_ref(), Ok(&selector), "{selector}");
    }
}

#[test]
fn a_bad_selector_is_told_by_place_and_expectation() {
    for (text, at, what) in [
        ("", 1, "expected a name, a value or `(`, found the end"),
        (
            "color =",
            8,
            "expected a name, a value or `(`, found the end",
        ),
        ("color = 'red", 9, "expected a closing '"),
        ("é = \"red", 5, "expected a closing \""),
        ("(color = 'red'", 15, "expected `)`, found the end"),
        (
            "color 'red'",
            7,
            "expected an operator or the end, found a string",
        ),
        (
            "color = 'red' banana",
            15,
            "expected an operator or the end, found the name `banana`",
        ),
        ("n BETWEEN 1 OR 2", 13, "expected `AND`, found `OR`"),
        ("n IN 1", 6, "expected `(`, found the number 1"),
        ("n IN ()", 7, "expected a value, found `)`"),
        ("n IN (1 2)", 9, "expected `,` or `)`, found the number 2"),
        (
            "n IS 5",
            6,
            "expected `NULL` or `NOT NULL`, found the number 5",
        ),
        (
            "n NOT = 5",
            7,
            "expected `IN`, `BETWEEN` or `LIKE`, found `=`",
        ),
        ("n LIKE 5", 8, "expected a string, found the number 5"),
        (
            "n LIKE 'a' ESCAPE 'ab'",
            19,
            "expected a string of one character, found a string",
        ),
        (
            "n = #",
            5,
            "expected a name, a value or an operator, found `#`",
        ),
        ("n = 1e999", 5, "expected a number that can be written down"),
        (
            "n = NULL",
            5,
            "expected a name, a value or `(`, found `NULL`",
        ),
        ("AND", 1, "expected a name, a value or `(`, found `AND`"),
    ] {
        let error = Selector::parse(text).expect_err(text);
        assert_eq!((error.at, error.what.as_str()), (at, what), "{text}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |n: usize| format!("{}TRUE{}", "(".repeat(n), ")".repeat(n));
    assert!(Selector::parse(&deep(DEPTH)).is_ok());
    for bad in [
        deep(DEPTH + 1),
        "(".repeat(LENGTH),
        "NOT ".repeat(LENGTH / 4),
        "- ".repeat(LENGTH / 2),
        format!("1{} = 1", " + 1".repeat(DEPTH + 1)),
        format!("a = '{}'", "x".repeat(LENGTH)),
    ] {
        assert!(Selector::parse(&bad).is_err(), "{} octets", bad.len());
    }
    // A long chain of the flat kind is fine.
    let chain = format!("a{}", " or a".repeat(1500));
    assert!(!Selector::parse(&chain).unwrap().wants(&sample()));
}

#[test]
fn like_takes_no_exponential_time() {
    let pattern = "%a".repeat(1000);
    let selector = Selector::parse(&format!("x LIKE '{pattern}'")).unwrap();
    let sample = Sample {
        headers: Vec::new(),
        fields: Fields::read(format!("{{\"x\":\"{}b\"}}", "a".repeat(5000)).as_bytes()),
    };
    assert!(!selector.wants(&sample));
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-i64::MAX..=i64::MAX).prop_map(Value::Int),
        any::<f64>()
            .prop_filter("finite", |x| x.is_finite())
            .prop_map(Value::Float),
        ".{0,8}".prop_map(Value::Text),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let name = "x[a-z0-9]{0,4}([-.][a-z0-9]{1,3})?".prop_map(Expr::Name);
    let leaf = prop_oneof![name, value().prop_map(Expr::Literal)];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let parts = || prop::collection::vec(inner.clone(), 2..4);
        let compare = prop::sample::select(vec![
            Compare::Eq,
            Compare::Ne,
            Compare::Gt,
            Compare::Ge,
            Compare::Lt,
            Compare::Le,
        ]);
        let arith = prop::sample::select(vec![Arith::Add, Arith::Sub, Arith::Mul, Arith::Div]);
        let pattern = (".{0,6}", prop::option::of(any::<char>()))
            .prop_map(|(text, escape)| Pattern { text, escape });
        prop_oneof![
            parts().prop_map(Expr::Or),
            parts().prop_map(Expr::And),
            boxed().prop_map(Expr::Not),
            boxed().prop_map(Expr::Minus),
            boxed().prop_map(Expr::IsNull),
            (compare, boxed(), boxed()).prop_map(|(op, a, b)| Expr::Compare(op, a, b)),
            (arith, boxed(), boxed()).prop_map(|(op, a, b)| Expr::Arith(op, a, b)),
            (boxed(), prop::collection::vec(value(), 1..4)).prop_map(|(x, v)| Expr::In(x, v)),
            (boxed(), boxed(), boxed()).prop_map(|(x, a, b)| Expr::Between(x, a, b)),
            (boxed(), pattern).prop_map(|(x, p)| Expr::Like(x, p)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(expr in expr()) {
        let selector = Selector(expr);
        let text = selector.to_string();
        prop_assume!(text.len() <= LENGTH);
        prop_assert_eq!(Selector::parse(&text), Ok(selector));
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        if let Ok(selector) = Selector::parse(&text) {
            selector.wants(&sample());
        }
    }

    #[test]
    fn no_row_of_words_makes_it_panic(words in prop::collection::vec(
        prop::sample::select(vec![
            "a", "color", "'x'", "\"y\"", "1", "-", "+", "*", "/", "(", ")", ",", "and", "or",
            "not", "like", "escape", "in", "between", "is", "null", "true", "eq", "=", "<", "é", "'",
        ]), 0..30)) {
        if let Ok(selector) = Selector::parse(&words.join(" ")) {
            selector.wants(&sample());
        }
    }
}

//! Rules for plain HTTP, and the token endpoint.

use super::*;
use hobnail_mock_broker::http::Request;

pub(super) const SHOWN: &[Shown] = &[
    (
        &[
            "http rule: on",
            "http rule: do",
            "http rule: id",
            "http rule: about",
            "scenario: http",
        ],
        a_rule_answers_its_method_and_path,
    ),
    (
        &["http rule: seq", "http rule: times"],
        answers_come_in_turn_and_end,
    ),
    (
        &[
            "auth: oauth",
            "oauth: path",
            "oauth: clients",
            "client: id",
            "client: secret",
            "client: scopes",
            "client: ttl",
        ],
        the_token_endpoint_knows_its_clients,
    ),
    (
        &[
            "client: refresh",
            "refresh: none",
            "refresh: keep",
            "refresh: rotate",
        ],
        refresh_tokens_are_of_three_kinds,
    ),
];

fn ask(world: &mut World, request: &Request) -> Response {
    let conn = 1000 + responses(world).len() as u64;
    world.tell(Input::Tcp { conn });
    world.tell(Input::Request { conn, request });
    responses(world).pop().expect("an answer")
}

fn get(world: &mut World, path: &str) -> u16 {
    ask(world, &Request::plain("GET", path)).status
}

fn form(world: &mut World, path: &str, form: &str) -> (u16, serde_json::Value) {
    let request = Request::plain("POST", path)
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = ask(world, &request);
    let json = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, json)
}

#[test]
fn a_rule_answers_its_method_and_path() {
    let mut world = world(
        r#"{"http":[{"id":"h","about":"words","on":"GET /health/*","do":[{"http":{"status":200,"json":{"status":"UP"}}}]}]}"#,
    );
    let answer = ask(&mut world, &Request::plain("GET", "/health/eu"));
    assert_eq!(
        (answer.status, &answer.body[..]),
        (200, &br#"{"status":"UP"}"#[..])
    );
    assert_eq!(get(&mut world, "/elsewhere"), 426);
    let post = ask(&mut world, &Request::plain("POST", "/health/eu"));
    assert_ne!(post.status, 200);
}

#[test]
fn answers_come_in_turn_and_end() {
    let mut world = world(
        r#"{"http":[{"on":"GET /a","seq":[[{"http":{"status":500}}],[{"http":{"status":503}}]]},
            {"on":"GET /a","times":1,"do":[{"http":{"status":204}}]}]}"#,
    );
    let statuses: Vec<u16> = (0..4).map(|_| get(&mut world, "/a")).collect();
    assert_eq!(statuses, [500, 503, 204, 426]);
}

#[test]
fn the_token_endpoint_knows_its_clients() {
    let mut world = world(
        r#"{"broker":{"heart-beat":"0,0","auth":{"oauth":{"path":"/token","clients":[
            {"id":"desk","secret":"s","scopes":["stomp"],"ttl":"90s"}]}}}}"#,
    );
    let good = "grant_type=client_credentials&client_id=desk&client_secret=s";
    let (status, json) = form(&mut world, "/token", good);
    assert_eq!((status, &json["expires_in"]), (200, &90.into()));
    let token = json["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(
        form(&mut world, "/token", &good.replace("desk", "else")).0,
        401
    );
    assert_eq!(form(&mut world, "/token", &good.replace("=s", "=t")).0, 401);
    let (status, json) = form(&mut world, "/token", &format!("{good}&scope=other"));
    assert_eq!((status, &json["error"]), (400, &"invalid_scope".into()));
    assert_ne!(form(&mut world, "/oauth/token", good).0, 200);
    world.connect(1, &format!("passcode:{token}\n"));
    assert_eq!(world.commands(1), ["CONNECTED"]);
    world.pass(91 * SECOND);
    assert_eq!(code(&world, 1).as_deref(), Some("401"), "its life is over");
}

#[test]
fn refresh_tokens_are_of_three_kinds() {
    for (kind, there, reusable) in [
        ("none", false, false),
        ("keep", true, true),
        ("rotate", true, false),
    ] {
        let mut world = world(&format!(
            r#"{{"broker":{{"auth":{{"oauth":{{"clients":[{{"id":"c","secret":"s","refresh":"{kind}"}}]}}}}}}}}"#
        ));
        let who = "client_id=c&client_secret=s";
        let (_, json) = form(
            &mut world,
            "/oauth/token",
            &format!("grant_type=client_credentials&{who}"),
        );
        let Some(refresh) = json["refresh_token"].as_str() else {
            assert!(!there, "{kind}: {json}");
            continue;
        };
        assert!(there, "{kind}");
        let again = format!("grant_type=refresh_token&refresh_token={refresh}&{who}");
        assert_eq!(form(&mut world, "/oauth/token", &again).0, 200, "{kind}");
        let second = form(&mut world, "/oauth/token", &again).0;
        assert_eq!(second == 200, reusable, "{kind}: {second}");
    }
}

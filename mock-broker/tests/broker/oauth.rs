//! The token endpoint on the broker's port.

use crate::plain::{Answer, ask, get};
use crate::support::{Client, start};
use hobnail_mock_broker::{MockBroker, OAuthClient, Refresh, Scenario};
use serde_json::{Value, json};
use std::time::Duration;

fn token(broker: &MockBroker, headers: &str, form: &str) -> Answer {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
    ask(broker, "POST", "/oauth/token", &headers, form)
}

/// `desk:s3cret`, and one with characters that are encoded first.
pub(crate) const DESK: &str = "Authorization: Basic ZGVzazpzM2NyZXQ=\r\n";

pub(crate) fn desk() -> OAuthClient {
    OAuthClient::new("desk", "s3cret")
        .ttl(Duration::from_secs(600))
        .scopes(&["events", "voice"])
}

#[test]
fn a_client_gets_a_token_that_the_broker_takes() {
    let broker = start(Scenario::builder().oauth_client(desk()).build());
    let answer = token(&broker, DESK, "grant_type=client_credentials&scope=events");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.head.contains("Cache-Control: no-store"),
        "{}",
        answer.head
    );
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 600);
    assert_eq!(body["scope"], "events");
    assert_eq!(body["refresh_token"], Value::Null);
    let access = body["access_token"].as_str().unwrap().to_owned();

    let mut client = Client::open(&broker);
    client.send(&format!(
        "CONNECT\naccept-version:1.2\nhost:h\npasscode:{access}\n\n"
    ));
    client.expect("CONNECTED");
    broker.expire_token("desk");
    assert_eq!(client.expect("ERROR").header("code"), Some("401"));

    let mut stranger = Client::open(&broker);
    stranger.send("CONNECT\naccept-version:1.2\nhost:h\npasscode:made-up\n\n");
    assert_eq!(
        stranger.expect("ERROR").header("message"),
        Some("401 token unknown")
    );
    for entry in broker.transcript() {
        let shown = format!("{entry:?}");
        for secret in [&access, "s3cret", "ZGVzazpzM2NyZXQ"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn refresh_tokens_rotate_or_stay_and_belong_to_one_client() {
    let other = OAuthClient::new("other", "o").refresh(Refresh::Keep);
    let broker = start(
        Scenario::builder()
            .oauth_client(desk().refresh(Refresh::Rotate))
            .oauth_client(other)
            .oauth_client(OAuthClient::new("bare", "b"))
            .build(),
    );
    let refresh = |headers: &str, token_text: &str, more: &str| {
        let form = format!("grant_type=refresh_token&refresh_token={token_text}{more}");
        token(&broker, headers, &form)
    };
    let text = |v: &Value| v["refresh_token"].as_str().map(str::to_owned);
    let first = token(&broker, DESK, "grant_type=client_credentials").json();
    assert_eq!(first["scope"], "events voice");
    let first = text(&first).expect("a refresh token");
    let wider = refresh(DESK, &first, "&scope=admin");
    assert_eq!(wider.json()["error"], "invalid_scope");
    let second = refresh(DESK, &first, "&scope=voice").json();
    assert_eq!(second["scope"], "voice");
    let second = text(&second).expect("the next one");
    assert_eq!(
        refresh(DESK, &first, "").json()["error"],
        "invalid_grant",
        "used up"
    );
    assert_eq!(
        refresh(DESK, &second, "&scope=events").json()["error"],
        "invalid_scope"
    );
    let thief = refresh("", &second, "&client_id=other&client_secret=o");
    assert_eq!(thief.json()["error"], "invalid_grant");
    broker.expire_token(&second);
    assert_eq!(
        refresh(DESK, &second, "").json()["error"],
        "invalid_grant",
        "revoked"
    );

    let body = "client_id=other&client_secret=o";
    let kept = token(
        &broker,
        "",
        &format!("grant_type=client_credentials&{body}"),
    )
    .json();
    let kept = text(&kept).expect("a refresh token");
    for _ in 0..2 {
        let again = refresh("", &kept, &format!("&{body}"));
        assert_eq!((again.status, text(&again.json())), (200, None));
    }
    let bare = refresh("", &kept, "&client_id=bare&client_secret=b");
    assert_eq!(bare.json()["error"], "unauthorized_client");
}

#[test]
fn the_token_endpoint_refuses_as_the_rfc_says() {
    let broker = start(Scenario::builder().oauth_client(desk()).build());
    let grant = "grant_type=client_credentials";
    for (headers, form, status, error) in [
        ("", grant, 401, "invalid_client"),
        ("Authorization: Bearer x\r\n", grant, 401, "invalid_client"),
        (
            "Authorization: Basic ZGVzazp3cm9uZw==\r\n",
            grant,
            401,
            "invalid_client",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=desk&client_secret=no",
            401,
            "invalid_client",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=desk",
            401,
            "invalid_client",
        ),
        (
            DESK,
            "grant_type=client_credentials&client_secret=s3cret",
            400,
            "invalid_request",
        ),
        (
            DESK,
            "grant_type=client_credentials&client_id=other",
            400,
            "invalid_request",
        ),
        (DESK, "", 400, "invalid_request"),
        (DESK, "grant_type=", 400, "invalid_request"),
        (
            DESK,
            "grant_type=client_credentials&grant_type=x",
            400,
            "invalid_request",
        ),
        (DESK, "grant_type=refresh_token", 400, "invalid_request"),
        (
            DESK,
            "grant_type=password&username=u&password=p",
            400,
            "unsupported_grant_type",
        ),
        (
            DESK,
            "grant_type=client_credentials&scope=admin",
            400,
            "invalid_scope",
        ),
        (
            DESK,
            "grant_type=refresh_token&refresh_token=x",
            400,
            "unauthorized_client",
        ),
    ] {
        let answer = token(&broker, headers, form);
        assert_eq!(answer.status, status, "{headers}{form}: {}", answer.body);
        assert_eq!(answer.json()["error"], error, "{headers}{form}");
        assert_eq!(
            answer.head.contains("WWW-Authenticate: Basic"),
            status == 401
        );
    }
    let json = ask(
        &broker,
        "POST",
        "/oauth/token",
        "Content-Type: application/json\r\n",
        "{}",
    );
    assert_eq!(
        (json.status, &json.json()["error"]),
        (400, &json!("invalid_request"))
    );
    let read = get(&broker, "/oauth/token");
    assert_eq!(read.status, 405);
    assert!(read.head.contains("Allow: POST"), "{}", read.head);
}

#[test]
fn rules_stand_above_the_token_endpoint() {
    let scenario = Scenario::from_json(
        r#"{"broker":{"auth":{"oauth":{"clients":[
               {"id":"desk","secret":"s3cret","scopes":["a"],"ttl":"60s","refresh":"keep"}]}}},
            "http":[{"on":"POST /oauth/token","seq":[
               [{"http":{"status":500}}],
               [{"http":{"status":200,"body":"not json"}}],
               [{"http":{"status":200,"json":{"access_token":"{token}","expires_in":60}}}],
               [{"delay":"20ms"},"pass"]]}]}"#,
    )
    .expect("good");
    let broker = start(scenario);
    let ask = || token(&broker, DESK, "grant_type=client_credentials");
    assert_eq!(ask().status, 500);
    assert_eq!(ask().body, "not json");
    let scripted = ask().json()["access_token"].as_str().unwrap().to_owned();
    let real = ask().json();
    assert_eq!(
        (&real["scope"], &real["expires_in"]),
        (&json!("a"), &json!(60))
    );
    for token in [scripted.as_str(), real["access_token"].as_str().unwrap()] {
        let mut client = Client::open(&broker);
        client.send(&format!(
            "CONNECT\naccept-version:1.2\nhost:h\npasscode:{token}\n\n"
        ));
        client.expect("CONNECTED");
    }
}

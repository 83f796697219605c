//! Rules for plain HTTP, and the token endpoint.

use super::words::{Fixed, choice, word, words};
use crate::script::{Action, HttpRule, OAuth, OAuthClient, Refresh, http};
use serde::de::{Deserialize, Deserializer, Error};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttpRule {
    /// For readers only.
    #[serde(rename = "about")]
    _about: Option<String>,
    id: Option<String>,
    on: On,
    times: Option<u64>,
    #[serde(rename = "do")]
    actions: Option<Vec<Action>>,
    seq: Option<Vec<Vec<Action>>>,
}

struct On(String, String);

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(
            d,
            "a method and a path without query, such as \"GET /health/eu\"",
            |text| HttpRule::parse_on(text).map(|(method, path)| Self(method, path)),
        )
    }
}

impl<'de> Deserialize<'de> for HttpRule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = RawHttpRule::deserialize(d)?;
        let mut rule = Self::on(&raw.on.0, &raw.on.1);
        rule = match (raw.actions, raw.seq) {
            (Some(actions), None) => Self { actions, ..rule },
            (None, Some(lists)) => rule.seq(lists),
            (Some(_), Some(_)) => {
                return Err(D::Error::custom("`do` and `seq` exclude each other"));
            }
            (None, None) => return Err(D::Error::custom("an http rule needs `do` or `seq`")),
        };
        rule.id = raw.id;
        rule.times = [rule.times, raw.times].into_iter().flatten().min();
        http::check(&rule.actions).map_err(D::Error::custom)?;
        Ok(rule)
    }
}

words!(
    Refresh, "kind of refresh token",
    "none" => Refresh::None,
    "keep" => Refresh::Keep,
    "rotate" => Refresh::Rotate,
);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::script) struct RawOAuth {
    path: Option<String>,
    #[serde(default)]
    clients: Vec<RawClient>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClient {
    id: String,
    secret: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    ttl: Option<Fixed>,
    refresh: Option<Refresh>,
}

impl From<RawOAuth> for OAuth {
    fn from(raw: RawOAuth) -> Self {
        let clients = raw.clients.into_iter().map(Into::into).collect();
        let default = Self::default();
        Self {
            path: raw.path.unwrap_or(default.path),
            clients,
        }
    }
}

impl From<RawClient> for OAuthClient {
    fn from(raw: RawClient) -> Self {
        let mut client = Self::new(&raw.id, "");
        client.secret = raw.secret;
        client.scopes = raw.scopes.into_iter().collect();
        if let Some(Fixed(ttl)) = raw.ttl {
            client.ttl = ttl;
        }
        client.refresh = raw.refresh.unwrap_or_default();
        client
    }
}

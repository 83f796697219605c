//! The token endpoint (RFC 6749, 4.4, 5 and 6).

use super::Engine;
use crate::http::{Request, Response, decode, pairs};
use crate::rng::Rng;
use crate::script::{OAuthClient, Refresh};
use data_encoding::BASE64;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Past this many refresh tokens no more are given.
const MOST: usize = 1 << 16;
/// The life of a token if nothing else is said.
const HOUR: Duration = Duration::from_secs(3600);

/// What was given to clients. It holds tokens: no `Debug`.
#[derive(Default)]
pub(super) struct Grants {
    /// Refresh tokens by their text.
    refresh: BTreeMap<String, Grant>,
    issued: u64,
}

struct Grant {
    client: String,
    scopes: BTreeSet<String>,
}

/// An error of RFC 6749, 5.2.
struct Refused {
    status: u16,
    error: &'static str,
    words: String,
}

impl Refused {
    fn new(error: &'static str, words: impl Into<String>) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        let words = words.into();
        Self {
            status,
            error,
            words,
        }
    }

    fn response(self) -> Response {
        let body = json!({"error": self.error, "error_description": self.words});
        let response = Response::json(self.status, &body).with("Pragma", "no-cache");
        match self.status {
            401 => response.with("WWW-Authenticate", "Basic realm=\"mock-broker\""),
            405 => response.with("Allow", "POST"),
            _ => response,
        }
    }
}

impl Engine {
    /// The answer of the token endpoint.
    pub(super) fn grant(&mut self, request: &Request) -> Response {
        self.try_grant(request).unwrap_or_else(Refused::response)
    }

    fn try_grant(&mut self, request: &Request) -> Result<Response, Refused> {
        let invalid = |words: &str| Refused::new("invalid_request", words);
        if request.method != "POST" {
            return Err(Refused {
                status: 405,
                ..invalid("the token endpoint takes POST")
            });
        }
        let form = form(request).map_err(|words| invalid(&words))?;
        let client = self.client(request, &form)?;
        let scopes: BTreeSet<String> = form
            .get("scope")
            .map(|s| s.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        let (scopes, old) = match form.get("grant_type").map(String::as_str) {
            Some("client_credentials") => (self.allowed(&client, &client.scopes, scopes)?, None),
            Some("refresh_token") => {
                let token = form.get("refresh_token");
                let token = token.ok_or_else(|| invalid("`refresh_token` is missing"))?;
                if client.refresh == Refresh::None {
                    let words = "this client gets no refresh tokens";
                    return Err(Refused::new("unauthorized_client", words));
                }
                let grant = self.web.grants.refresh.get(token);
                let Some(grant) = grant.filter(|g| g.client == client.id) else {
                    let words = "the refresh token is unknown, used up, or another client's";
                    return Err(Refused::new("invalid_grant", words));
                };
                let scopes = self.allowed(&client, &grant.scopes, scopes)?;
                (scopes, Some(token.clone()))
            }
            Some(_) => {
                let words = "known are client_credentials and refresh_token";
                return Err(Refused::new("unsupported_grant_type", words));
            }
            None => return Err(invalid("`grant_type` is missing")),
        };
        Ok(self.tokens_for(&client, scopes, old))
    }

    /// The asked scopes, or all of them; more than there are is refused.
    fn allowed(
        &self,
        client: &OAuthClient,
        most: &BTreeSet<String>,
        asked: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Refused> {
        if asked.is_empty() {
            return Ok(most.clone());
        }
        let anybody = self.scenario.auth.oauth.clients.is_empty() && most == &client.scopes;
        if !anybody && !asked.is_subset(most) {
            let words = "the scope exceeds what the client has";
            return Err(Refused::new("invalid_scope", words));
        }
        Ok(asked)
    }

    /// Who asks, by one of the two ways of RFC 6749, 2.3.1.
    fn client(
        &self,
        request: &Request,
        form: &BTreeMap<String, String>,
    ) -> Result<OAuthClient, Refused> {
        let basic = match request.headers.get("Authorization") {
            Some(value) => Some(basic(value).ok_or_else(|| {
                Refused::new("invalid_client", "Authorization is no Basic credential")
            })?),
            None => None,
        };
        let named = form.get("client_id");
        let (id, secret) = match (basic, named, form.get("client_secret")) {
            (Some(_), _, Some(_)) => {
                let words = "the client authenticates in more than one way";
                return Err(Refused::new("invalid_request", words));
            }
            (Some((id, _)), Some(other), None) if id != *other => {
                let words = "`client_id` and Authorization name different clients";
                return Err(Refused::new("invalid_request", words));
            }
            (Some((id, secret)), _, None) => (id, Some(secret)),
            (None, Some(id), secret) => (id.clone(), secret.cloned()),
            (None, None, _) => {
                return Err(Refused::new("invalid_client", "no client is named"));
            }
        };
        let clients = &self.scenario.auth.oauth.clients;
        if clients.is_empty() {
            let ttl = self.scenario.auth.bearer.as_ref().map_or(HOUR, |b| b.ttl);
            let anybody = OAuthClient::new(&id, "").ttl(ttl).refresh(Refresh::Keep);
            return Ok(anybody);
        }
        let known = clients.iter().find(|c| c.id == id && c.secret == secret);
        known
            .cloned()
            .ok_or_else(|| Refused::new("invalid_client", "unknown client or wrong secret"))
    }

    fn tokens_for(
        &mut self,
        client: &OAuthClient,
        scopes: BTreeSet<String>,
        old: Option<String>,
    ) -> Response {
        let access = self.access_token(&client.id, client.ttl);
        let mut body = json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": client.ttl.as_secs(),
        });
        if !scopes.is_empty() {
            let list: Vec<&str> = scopes.iter().map(String::as_str).collect();
            body["scope"] = json!(list.join(" "));
        }
        if client.refresh == Refresh::Rotate {
            old.as_ref().map(|old| self.web.grants.refresh.remove(old));
        }
        let fresh = old.is_none() || client.refresh == Refresh::Rotate;
        let full = self.web.grants.refresh.len() >= MOST;
        if client.refresh != Refresh::None && fresh && !full {
            let token = self.token_name("rt");
            body["refresh_token"] = json!(token);
            let client = client.id.clone();
            let grant = Grant { client, scopes };
            self.web.grants.refresh.insert(token, grant);
        }
        Response::json(200, &body).with("Pragma", "no-cache")
    }

    /// A token that is accepted from now on.
    fn access_token(&mut self, identity: &str, ttl: Duration) -> String {
        let token = self.token_name("at");
        let ends = self.now.saturating_add(ttl);
        self.tokens.issue(&token, Some(identity), ends);
        token
    }

    fn token_name(&mut self, kind: &str) -> String {
        let grants = &mut self.web.grants;
        grants.issued += 1;
        let mut rng = Rng::new(self.scenario.seed ^ grants.issued.rotate_left(24) ^ 0x6f61_7574);
        format!("{kind}-{}-{:016x}", grants.issued, rng.next())
    }

    /// The token for `{token}` in an answer of the script: that of the client
    /// who asks, if it says who it is.
    pub(super) fn issue_for(&mut self, conn: u64, text: &str) -> String {
        let request = self.conns.get(&conn).and_then(|c| c.request.as_ref());
        let named = request.and_then(|request| {
            let authorization = request.headers.get("Authorization");
            let basic = authorization.and_then(basic).map(|(id, _)| id);
            basic.or_else(|| form(request).ok()?.remove("client_id"))
        });
        let life = serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .and_then(|json| json["expires_in"].as_u64())
            .map(Duration::from_secs);
        let default = self.scenario.auth.bearer.as_ref().map_or(HOUR, |b| b.ttl);
        self.access_token(
            named.as_deref().unwrap_or("bearer"),
            life.unwrap_or(default),
        )
    }

    /// Ends a refresh token, by its own name only: that all access tokens end
    /// is what refresh tokens are for.
    pub(in crate::engine) fn expire_refresh(&mut self, token: &str) {
        self.web.grants.refresh.remove(token);
    }
}

/// The form of a request; no name may come twice (RFC 6749, 3.2).
fn form(request: &Request) -> Result<BTreeMap<String, String>, String> {
    let kind = request.headers.get("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err("Content-Type must be application/x-www-form-urlencoded".to_owned());
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| "the form is not UTF-8")?;
    let mut form = BTreeMap::new();
    for (name, value) in pairs(text) {
        // The name came from outside: the answer repeats nothing of it.
        if form.insert(name, value).is_some() {
            return Err("a parameter comes twice".to_owned());
        }
    }
    // A parameter without a value counts as left out (RFC 6749, 3.2).
    form.retain(|_, value| !value.is_empty());
    Ok(form)
}

/// The id and the secret of a Basic credential, which are form-encoded before
/// they are joined (RFC 6749, 2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credential) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let octets = BASE64.decode(credential.trim().as_bytes()).ok()?;
    let text = String::from_utf8(octets).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |text: &str| decode(&text.replace('+', " "));
    Some((plain(id), plain(secret)))
}

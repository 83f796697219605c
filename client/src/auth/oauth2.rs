//! Tokens from an OAuth2 server (RFC 6749).

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::{Token, TokenReason, TokenSource};
use crate::{
    clock::FOREVER,
    error::{AuthError, Misuse},
    http::{Answer, Http, Settings, Via},
    secret::Secret,
};

/// A token source that asks an OAuth2 server, with the client-credentials grant
/// or with a refresh token.
///
/// ```
/// # fn main() -> Result<(), hobnail::Error> {
/// use hobnail::{Client, auth::OAuth2};
///
/// let tokens = OAuth2::client_credentials("https://id.example/oauth/token", "desk-7", "secret")
///     .scope("stomp")
///     .field("audience", "broker")
///     .build()?;
/// let client = Client::builder("wss://broker.example/stomp").token_source(tokens);
/// # drop(client);
/// # Ok(())
/// # }
/// ```
///
/// The client asks when it connects, at 80 % of a token's life (`expires_in`;
/// a token without it is not renewed), and when the broker refuses a token;
/// never twice at once. An answer that is no token is told as
/// [`Event::TokenFailed`](crate::Event::TokenFailed) and asked for again after a
/// back-off, except for the errors that the server itself calls
/// [fatal](OAuth2Builder::fatal_errors).
///
/// Neither the secrets nor anything the server said beyond its status and its
/// error code is ever printed by this library. The library below it does so at
/// one level: at `trace` the log targets `ureq` and `ureq_proto` dump every octet
/// of question and answer. Loggers that go down to `trace` must leave them out.
pub struct OAuth2 {
    http: Http,
    client: String,
    secret: Option<Secret>,
    in_body: bool,
    scope: String,
    fields: Vec<(String, Secret)>,
    fatal: Vec<String>,
    /// With the refresh grant: the token that stands for the user. Servers may
    /// replace it with every answer.
    refresh: Option<Mutex<Secret>>,
}

/// Collects what an [`OAuth2`] source needs to know.
#[must_use]
pub struct OAuth2Builder {
    url: String,
    client: String,
    secret: Option<Secret>,
    refresh: Option<Secret>,
    in_body: bool,
    plain: bool,
    scopes: Vec<String>,
    fields: Vec<(String, Secret)>,
    fatal: Vec<String>,
    settings: Settings,
}

impl OAuth2 {
    /// The client acts for itself (RFC 6749 §4.4). `url` is the token endpoint;
    /// no secret belongs into it, not even into its query: use
    /// [`OAuth2Builder::field`].
    pub fn client_credentials(
        url: impl Into<String>,
        client: impl Into<String>,
        secret: impl Into<String>,
    ) -> OAuth2Builder {
        OAuth2Builder::new(url.into(), client.into(), Some(Secret::new(secret)), None)
    }

    /// The client acts for a user who has granted it a refresh token (RFC 6749
    /// §6). If the server answers with a new refresh token, that is used from
    /// then on. Public clients have no secret: see [`OAuth2Builder::secret`].
    pub fn refresh(
        url: impl Into<String>,
        client: impl Into<String>,
        refresh_token: impl Into<String>,
    ) -> OAuth2Builder {
        let refresh = Some(Secret::new(refresh_token));
        OAuth2Builder::new(url.into(), client.into(), None, refresh)
    }

    fn ask(&self) -> Result<Token, AuthError> {
        // Held until the answer is there: two at once would both spend it.
        let mut refresh = self.refresh.as_ref().map(lock);
        let mut form = Vec::new();
        match &refresh {
            Some(token) => form.extend([
                ("grant_type", "refresh_token"),
                ("refresh_token", token.reveal()),
            ]),
            None => form.push(("grant_type", "client_credentials")),
        }
        if !self.scope.is_empty() {
            form.push(("scope", &self.scope));
        }
        let mut authorization = None;
        match &self.secret {
            Some(secret) if self.in_body => {
                form.push(("client_id", &self.client));
                form.push(("client_secret", secret.reveal()));
            }
            Some(secret) => authorization = Some(basic(&self.client, secret.reveal())),
            // RFC 6749 §3.2.1: a client without secret names itself.
            None => form.push(("client_id", &self.client)),
        }
        let fields = self.fields.iter();
        form.extend(fields.map(|(name, value)| (name.as_str(), value.reveal())));
        let answer = self.http.post_form(authorization.as_deref(), &form);
        let answer = answer.map_err(|text| AuthError { text, fatal: false })?;
        let (token, renewed) = self.read(&answer)?;
        if let (Some(held), Some(renewed)) = (&mut refresh, renewed) {
            **held = renewed;
        }
        Ok(token)
    }

    fn read(&self, answer: &Answer) -> Result<(Token, Option<Secret>), AuthError> {
        if let Some(complaint) = answer.complaint() {
            return Err(self.refused(answer, &complaint));
        }
        let fail = |text: String| AuthError {
            text: format!("{}: {text}", self.http),
            fatal: false,
        };
        let object = answer.object().map_err(fail)?;
        let token = token(&object).map_err(fail)?;
        let token = match lifetime(&object).map_err(fail)? {
            Some(lifetime) => token.expires_in(lifetime),
            None => token,
        };
        let renewed = object.get("refresh_token").and_then(Value::as_str);
        Ok((token, renewed.map(Secret::new)))
    }

    /// RFC 6749 §5.2.
    fn refused(&self, answer: &Answer, complaint: &str) -> AuthError {
        let object = answer.object().ok();
        let code = object.as_ref().and_then(|o| o.get("error")?.as_str());
        // What else the server says might repeat what was sent.
        let code = code.filter(|code| {
            let is_word = |c: u8| c.is_ascii_lowercase() || c == b'_';
            code.len() <= 40 && code.bytes().all(is_word)
        });
        let fatal = matches!(answer.status, 400 | 401)
            && code.is_some_and(|code| self.fatal.iter().any(|f| f == code));
        let text = match code {
            Some(code) => format!("{}: {complaint}, {code}", self.http),
            None => format!("{}: {complaint}", self.http),
        };
        AuthError { text, fatal }
    }
}

impl TokenSource for OAuth2 {
    fn token(&self, _: TokenReason) -> Result<Token, AuthError> {
        self.ask()
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("url", &self.http.to_string())
            .field("client", &self.client)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl OAuth2Builder {
    fn new(url: String, client: String, secret: Option<Secret>, refresh: Option<Secret>) -> Self {
        Self {
            url,
            client,
            secret,
            refresh,
            in_body: false,
            plain: false,
            scopes: Vec::new(),
            fields: Vec::new(),
            fatal: vec!["invalid_client".into(), "invalid_grant".into()],
            settings: Settings::default(),
        }
    }

    /// The client's secret.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// One more scope to ask for. Default: none is named, the server decides.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// One more field of the form, such as `audience`. The value is never printed.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), Secret::new(value)));
        self
    }

    /// Sends the client's name and secret as fields of the form. Default: as HTTP
    /// Basic authentication, which RFC 6749 §2.3.1 prefers.
    pub fn credentials_in_body(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// How long one question may take, from resolving the name to the end of the
    /// answer. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout.min(FOREVER);
        self
    }

    /// Root certificates to trust, as PEM, *instead* of the system's.
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.settings.roots.push(pem.into());
        self
    }

    /// The HTTP proxy to go through; `None` for a direct connection. Default:
    /// what `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    pub fn proxy(mut self, url: Option<&str>) -> Self {
        self.settings.via = url.map_or(Via::Direct, |url| Via::Proxy(url.to_owned()));
        self
    }

    /// The error codes (RFC 6749 §5.2) of a 400 or 401 answer after which asking
    /// again is pointless: the client then ends instead of connecting again.
    /// Default: `invalid_client` and `invalid_grant`.
    pub fn fatal_errors<S: Into<String>>(mut self, codes: impl IntoIterator<Item = S>) -> Self {
        self.fatal = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Allows a token endpoint without TLS on another host, which shows the
    /// secret to everybody between. Never in production.
    pub fn danger_allow_plain_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Misuse::Url`], [`Misuse::Certificate`] or [`Misuse::Config`], saying what
    /// is unusable and why.
    pub fn build(self) -> Result<OAuth2, Misuse> {
        let fail = |text: &str| Err(Misuse::Config(text.to_owned()));
        if self.client.is_empty() {
            return fail("an OAuth2 client needs a name");
        }
        if self.settings.timeout.is_zero() {
            return fail("an OAuth2 source without time can never answer");
        }
        Ok(OAuth2 {
            http: Http::new(&self.url, self.plain, &self.settings)?,
            client: self.client,
            secret: self.secret,
            in_body: self.in_body,
            scope: self.scopes.join(" "),
            fields: self.fields,
            fatal: self.fatal,
            refresh: self.refresh.map(Mutex::new),
        })
    }
}

impl fmt::Debug for OAuth2Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Builder")
            .field("client", &self.client)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// RFC 6749 §5.1.
fn token(object: &Map<String, Value>) -> Result<Token, String> {
    let text = match object.get("access_token") {
        Some(Value::String(text)) if !text.is_empty() => text,
        Some(Value::String(_)) => return Err("access_token is empty".into()),
        Some(_) => return Err("access_token is not a string".into()),
        None => return Err("the answer holds no access_token".into()),
    };
    if text.chars().any(char::is_control) {
        return Err("access_token holds control characters".into());
    }
    match object.get("token_type") {
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Err("token_type is not Bearer".into()),
    }
    Ok(Token::new(text))
}

/// Seconds, which some servers write as a string. More than ten years are ten years.
fn lifetime(object: &Map<String, Value>) -> Result<Option<Duration>, String> {
    let seconds = match object.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(n)) => n.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    let seconds = seconds
        .filter(|s| !s.is_nan())
        .ok_or("expires_in is not a number")?;
    if seconds <= 0.0 {
        return Err("expires_in is not above zero: the token has ended already".into());
    }
    Ok(Some(
        Duration::try_from_secs_f64(seconds).map_or(FOREVER, |life| life.min(FOREVER)),
    ))
}

/// RFC 6749 §2.3.1: both are form-encoded before they are joined.
fn basic(client: &str, secret: &str) -> String {
    let pair = format!("{}:{}", encoded(client), encoded(secret));
    format!("Basic {}", BASE64.encode(pair.as_bytes()))
}

fn encoded(text: &str) -> String {
    use fmt::Write as _;
    text.bytes().fold(String::new(), |mut text, octet| {
        if octet.is_ascii_alphanumeric() || b"*-._".contains(&octet) {
            text.push(char::from(octet));
        } else if octet == b' ' {
            text.push('+');
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{octet:02X}");
        }
        text
    })
}

fn lock(secret: &Mutex<Secret>) -> MutexGuard<'_, Secret> {
    secret.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded_first() {
        let expected = BASE64.encode(b"a+b%3Ac:%25+%C3%A4");
        assert_eq!(basic("a b:c", "% ä"), format!("Basic {expected}"));
    }

    #[test]
    fn a_lifetime_is_a_positive_number_of_seconds() {
        let read = |json: &str| lifetime(&serde_json::from_str(json).unwrap());
        let secs = |s: f64| Ok(Some(Duration::from_secs_f64(s)));
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"expires_in":null}"#), Ok(None));
        assert_eq!(read(r#"{"expires_in":3600}"#), secs(3600.0));
        assert_eq!(read(r#"{"expires_in":59.5}"#), secs(59.5));
        assert_eq!(read(r#"{"expires_in":" 60 "}"#), secs(60.0));
        for absurd in ["1e300", "99999999999999999999", "\"inf\""] {
            let json = format!(r#"{{"expires_in":{absurd}}}"#);
            assert_eq!(read(&json), Ok(Some(FOREVER)), "{absurd}");
        }
        for wrong in [
            "0", "-1", "-1e300", "true", "[]", "\"soon\"", "\"nan\"", "{}",
        ] {
            let json = format!(r#"{{"expires_in":{wrong}}}"#);
            assert!(read(&json).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_need_tls_unless_they_stay_on_this_host() {
        let build = |url: &str| OAuth2::client_credentials(url, "c", "hush").build();
        for url in [
            "https://id.example/t",
            "http://127.0.0.1:1/t",
            "http://[::1]/t",
        ] {
            build(url).unwrap();
        }
        for url in [
            "http://id.example/t",
            "ftp://id.example",
            "nonsense",
            "",
            "https://",
        ] {
            let text = build(url).unwrap_err().to_string();
            assert!(text.contains("unusable URL"), "{text}");
        }
        let text = build("https://joe:hush@id.example/?x=hush").unwrap_err();
        assert!(!text.to_string().contains("hush"), "{text}");
        let plain = OAuth2::client_credentials("http://id.example/t", "c", "s");
        plain.danger_allow_plain_http().build().unwrap();
    }
}

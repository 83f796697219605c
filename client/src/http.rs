//! Small HTTP questions with small answers, each bounded in time and size.
//!
//! They block: they belong on a helper thread.

use std::{fmt, time::Duration};

use ureq::{
    Agent, Body, Error, Proxy,
    config::AutoHeaderValue,
    http::{Response, Uri},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem},
};

use crate::error::Misuse;

/// No answer that is waited for here is longer.
const LONGEST: u64 = 256 << 10;

/// How an HTTP server is reached.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Resolving, connecting, asking and reading the answer, all together.
    pub(crate) timeout: Duration,
    /// The certificates to trust instead of the system's, as PEM.
    pub(crate) roots: Vec<String>,
    pub(crate) via: Via,
}

/// The way to an HTTP server.
#[derive(Clone)]
pub(crate) enum Via {
    /// What the environment says.
    Environment,
    Direct,
    /// The URL of a proxy.
    Proxy(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            roots: Vec::new(),
            via: Via::Environment,
        }
    }
}

/// Asks one server.
#[derive(Clone)]
pub(crate) struct Http {
    agent: Agent,
    uri: Uri,
    timeout: Duration,
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// For a URL with the scheme `https`; `http` is for the loopback interface only,
    /// unless `plain` allows it.
    pub(crate) fn new(url: &str, plain: bool, settings: &Settings) -> Result<Self, Misuse> {
        let uri = check(url, plain)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // An answer that sends us elsewhere is told, never followed: what is
            // asked may hold a secret.
            .max_redirects(0)
            .timeout_global(Some(settings.timeout))
            .tls_config(tls(&settings.roots)?)
            .user_agent(AutoHeaderValue::from(USER_AGENT))
            .accept("application/json")
            .max_idle_connections(0);
        let config = match &settings.via {
            Via::Environment => config,
            Via::Direct => config.proxy(None),
            Via::Proxy(url) => {
                let proxy = Proxy::new(url);
                // The text may hold a password.
                let proxy = proxy
                    .map_err(|_| Misuse::Config("the proxy's URL cannot be used".to_owned()))?;
                config.proxy(Some(proxy))
            }
        };
        Ok(Self {
            agent: config.build().new_agent(),
            uri,
            timeout: settings.timeout,
        })
    }

    pub(crate) fn get(&self) -> Result<Answer, String> {
        self.read(self.agent.get(&self.uri).call())
    }

    pub(crate) fn post_form(
        &self,
        authorization: Option<&str>,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let mut request = self.agent.post(&self.uri);
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        self.read(request.send_form(form.iter().copied()))
    }

    fn read(&self, response: Result<Response<Body>, Error>) -> Result<Answer, String> {
        let mut response = response.map_err(|e| self.words(&e))?;
        let body = response.body_mut().with_config().limit(LONGEST);
        let body = body.read_to_vec().map_err(|e| self.words(&e))?;
        Ok(Answer {
            status: response.status().as_u16(),
            body,
        })
    }

    /// What went wrong, without anything of what was sent.
    fn words(&self, e: &Error) -> String {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the enum may grow, and its own words are good enough"
        )]
        let text = match e {
            Error::Timeout(_) => format!("no whole answer within {:?}", self.timeout),
            Error::HostNotFound => "the host name has no address".to_owned(),
            Error::BodyExceedsLimit(_) => format!("the answer is longer than {LONGEST} octets"),
            Error::Io(e) => e.to_string(),
            other => other.to_string(),
        };
        format!("{self}: {text}")
    }
}

/// Without the query, which may hold a secret.
impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        let scheme = self.uri.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{authority}{}", self.uri.path())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({self})")
    }
}

impl Answer {
    /// What the status says, if it is not success.
    pub(crate) fn complaint(&self) -> Option<String> {
        match self.status {
            200..=299 => None,
            300..=399 => Some(format!(
                "HTTP {}: redirected, which is not followed",
                self.status
            )),
            status => Some(format!("HTTP {status}")),
        }
    }

    /// The body as a JSON object.
    pub(crate) fn object(&self) -> Result<serde_json::Map<String, serde_json::Value>, String> {
        let html = self.body.trim_ascii_start().starts_with(b"<");
        serde_json::from_slice(&self.body).map_err(|e| {
            let what = if html {
                "a web page answered"
            } else {
                "the answer"
            };
            format!(
                "{what}, not a JSON object (line {}, column {})",
                e.line(),
                e.column()
            )
        })
    }
}

fn check(url: &str, plain: bool) -> Result<Uri, Misuse> {
    let fail = |why| Misuse::Url {
        url: printable(url),
        why,
    };
    let uri: Uri = url.parse().map_err(|_| fail("not a URL"))?;
    let authority = uri.authority().ok_or_else(|| fail("no host"))?;
    if authority.as_str().contains('@') {
        return Err(fail("credentials do not belong into the URL"));
    }
    let host = authority.host().trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(fail("no host"));
    }
    let here = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if plain || here => Ok(uri),
        Some("http") => Err(fail("secrets need https; plain http is for this host only")),
        Some(_) | None => Err(fail("the scheme must be https")),
    }
}

/// Without what may be secret.
fn printable(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.rfind('@') {
        Some(at) => format!("***{}", &url[at..]),
        None => url.to_owned(),
    }
}

fn tls(roots: &[String]) -> Result<TlsConfig, Misuse> {
    let fail = |text: &str| Err(Misuse::Certificate(text.to_owned()));
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for pem in roots {
        let before = certificates.len();
        for item in parse_pem(pem.as_bytes()) {
            match item {
                Ok(item) => {
                    if let PemItem::Certificate(certificate) = item {
                        certificates.push(certificate);
                    }
                }
                Err(_) => return fail("a root certificate cannot be read"),
            }
        }
        if certificates.len() == before {
            return fail("a text of root certificates holds none");
        }
    }
    let roots = if certificates.is_empty() {
        RootCerts::PlatformVerifier
    } else {
        RootCerts::new_with_certs(&certificates)
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .root_certs(roots)
        .build())
}

const USER_AGENT: &str = concat!("hobnail/", env!("CARGO_PKG_VERSION"));

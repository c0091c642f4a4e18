//! `[[ice]]`: the servers by which viewer and camera find a way to each other.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::ice_url::IceUrl;

/// URLs of one `[[ice]]`.
const MOST_URLS: usize = 8;
/// `[[ice]]` tables.
const MOST: usize = 8;
/// Where a token goes in an address.
const TOKEN: &str = "{token}";

/// One `[[ice]]`. In it, keys that do not fit each other cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub enum Ice {
    /// Servers that the config names.
    Servers {
        /// 1 to 8; they share the credentials.
        urls: Vec<IceUrl>,
        /// How they let us in.
        login: IceLogin,
        /// PEM file with the CA certificates to trust instead of the system's, for `turns:`.
        ca_file: Option<PathBuf>,
    },
    /// Servers and credentials that a web service hands out.
    Fetched(IceFetch),
    /// Servers and credentials that the fleet publishes on the camera's own topic `ice`.
    Broker {
        /// PEM file with the CA certificates to trust instead of the system's, for `turns:`.
        ca_file: Option<PathBuf>,
    },
}

/// How a server lets us in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceLogin {
    /// It wants nothing: STUN.
    None,
    /// A user name and a password, which viewers get to know.
    Static {
        /// User name.
        user: String,
        /// A file whose first line is the password.
        password_file: PathBuf,
    },
    /// Names and passwords that end by themselves, made from a secret that the server knows too: coturn's
    /// `use-auth-secret` (draft-uberti-behave-turn-rest-00).
    Rest {
        /// A file whose first line is the secret.
        secret_file: PathBuf,
        /// How long they are good.
        ttl: Ttl,
    },
}

/// A web service that hands out servers and credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceFetch {
    /// Where it is; `{token}` in it stands for the token.
    pub url: HttpsUrl,
    /// How we are known to it.
    pub login: FetchLogin,
    /// What is posted; `{ttl}` in it stands for the seconds in `ttl`. `None`: nothing, it is a GET.
    pub body: Option<String>,
    /// How long its credentials are good, where the answer does not say.
    pub ttl: Ttl,
    /// PEM file with the CA certificates to trust instead of the system's, for the service and for `turns:`.
    pub ca_file: Option<PathBuf>,
}

/// How we are known to a web service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchLogin {
    /// Not at all.
    None,
    /// `Authorization: Bearer`, or in the address where that has a `{token}`.
    Token {
        /// A file whose first line is the token.
        token_file: PathBuf,
    },
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// User name.
        user: String,
        /// A file whose first line is the password.
        password_file: PathBuf,
    },
}

/// How long credentials are good: 1 minute to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(Duration);

/// The address of a web service: `https:`, or `http:` on this machine. What comes after a `?` is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsUrl(Url);

/// What is wrong with a value of `[[ice]]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IceError {
    /// Not a time.
    #[error("“{0}” is not how long credentials are good; write for example \"10 min\" or \"1 h\" (1 min to 24 h)")]
    Ttl(String),
    /// Not a web service's address. It is not repeated: it may have a token in it.
    #[error("this is not a web service's address; it begins with https:// and has no user name or password in it")]
    Https,
    /// Keys that do not fit each other.
    #[error("[[ice]]: {0}")]
    Misfit(String),
}

impl Ttl {
    /// What is taken unless something is written: for credentials that we make.
    pub const MINTED: Self = Self(Duration::from_secs(600));
    /// For those that are fetched.
    pub const FETCHED: Self = Self(Duration::from_secs(3600));

    /// The time itself.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Ttl {
    type Err = IceError;

    fn from_str(text: &str) -> Result<Self, IceError> {
        let bad = || IceError::Ttl(text.chars().take(32).collect());
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| bad())?;
        let unit = match text[digits..].trim() {
            "s" => 1,
            "min" | "m" => 60,
            "h" => 3600,
            _ => return Err(bad()),
        };
        let seconds = number.saturating_mul(unit);
        if (60..=86_400).contains(&seconds) { Ok(Self(Duration::from_secs(seconds))) } else { Err(bad()) }
    }
}

impl HttpsUrl {
    /// The whole of it, with the token where it belongs.
    pub fn with_token(&self, token: Option<&str>) -> Url {
        let Some(token) = token else { return self.0.clone() };
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        // In a URL braces are escaped, but for those in a query.
        let text = self.0.as_str().replace(TOKEN, &token).replace("%7Btoken%7D", &token);
        Url::parse(&text).unwrap_or_else(|_| self.0.clone())
    }

    /// Whether there is a place for a token in it.
    pub fn wants_token(&self) -> bool {
        self.0.as_str().contains(TOKEN) || self.0.as_str().contains("%7Btoken%7D")
    }
}

impl FromStr for HttpsUrl {
    type Err = IceError;

    fn from_str(text: &str) -> Result<Self, IceError> {
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(IceError::Https);
        }
        let url = Url::parse(text).map_err(|_| IceError::Https)?;
        let here = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => return Err(IceError::Https),
        };
        let legal = url.scheme() == "https" || (url.scheme() == "http" && here);
        let plain = url.username().is_empty() && url.password().is_none() && url.port() != Some(0);
        if legal && plain { Ok(Self(url)) } else { Err(IceError::Https) }
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str().split_once('?') {
            Some((shown, _)) => write!(f, "{shown}?…"),
            None => f.write_str(self.0.as_str()),
        }
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for HttpsUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    urls: Vec<IceUrl>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    ttl: Option<Ttl>,
    url: Option<HttpsUrl>,
    token_file: Option<PathBuf>,
    body: Option<String>,
    from: Option<From>,
    ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Broker,
}

impl TryFrom<Raw> for Ice {
    type Error = IceError;

    fn try_from(mut raw: Raw) -> Result<Self, IceError> {
        let ca_file = raw.ca_file.take();
        match (raw.urls.is_empty(), raw.url.take(), raw.from) {
            (false, None, None) => raw.servers(ca_file),
            (true, Some(url), None) => raw.fetched(url, ca_file),
            (true, None, Some(From::Broker)) => {
                raw.belongs(&[], "servers from the broker come with their credentials")?;
                Ok(Self::Broker { ca_file })
            }
            (true, None, None) => misfit(
                "say which servers: `urls = [\"stun:…\", \"turn:…\"]`, or where they are asked for: `url = \"https://…\"`, \
                 or `from = \"broker\"`",
            ),
            _ => misfit("one of `urls`, `url` and `from`, not several: write several [[ice]]"),
        }
    }
}

impl Raw {
    fn servers(self, ca_file: Option<PathBuf>) -> Result<Ice, IceError> {
        let ours = ["user", "password_file", "secret_file", "ttl"];
        self.belongs(&ours, "it belongs to `url`, and the servers are named in `urls`")?;
        if self.urls.len() > MOST_URLS {
            return misfit(&format!("{} urls are too many: {MOST_URLS} at most", self.urls.len()));
        }
        let login = match (self.user, self.password_file, self.secret_file, self.ttl) {
            (None, None, None, None) => IceLogin::None,
            (Some(user), Some(password_file), None, None) => IceLogin::Static { user: name(user)?, password_file },
            (None, None, Some(secret_file), ttl) => IceLogin::Rest { secret_file, ttl: ttl.unwrap_or(Ttl::MINTED) },
            (_, _, Some(_), _) => {
                return misfit("either `user` and `password_file`, or `secret_file`, from which both are made");
            }
            (Some(_), None, ..) => return misfit("`user` needs `password_file` beside it"),
            (None, Some(_), ..) => return misfit("`password_file` needs `user` beside it"),
            (.., Some(_)) => return misfit("`ttl` belongs to `secret_file`: what is in a file does not end by itself"),
        };
        let turn = self.urls.iter().find(|url| url.scheme.is_turn());
        match (turn, &login) {
            (Some(url), IceLogin::None) => misfit(&format!(
                "{url} needs credentials: `user` and `password_file`, or `secret_file` (coturn's use-auth-secret)"
            )),
            (None, login) if *login != IceLogin::None => misfit("stun: servers want no credentials; remove them"),
            _ => Ok(Ice::Servers { urls: self.urls, login, ca_file }),
        }
    }

    fn fetched(self, url: HttpsUrl, ca_file: Option<PathBuf>) -> Result<Ice, IceError> {
        self.belongs(&["user", "password_file", "token_file", "body", "ttl"], "it belongs to `urls`, not to `url`")?;
        let login = match (self.user, self.password_file, self.token_file) {
            (None, None, None) => FetchLogin::None,
            (None, None, Some(token_file)) => FetchLogin::Token { token_file },
            (Some(user), Some(password_file), None) => FetchLogin::Basic { user: name(user)?, password_file },
            (.., Some(_)) => return misfit("either `token_file`, or `user` and `password_file`"),
            _ => return misfit("`user` and `password_file` belong together"),
        };
        if url.wants_token() && !matches!(login, FetchLogin::Token { .. }) {
            return misfit("`{token}` in `url` needs `token_file = \"…\"` beside it");
        }
        if self.body.as_ref().is_some_and(|body| body.len() > 4096) {
            return misfit("`body` has more than 4096 bytes");
        }
        Ok(Ice::Fetched(IceFetch { url, login, body: self.body, ttl: self.ttl.unwrap_or(Ttl::FETCHED), ca_file }))
    }

    /// Whether nothing is given but these.
    fn belongs(&self, ours: &[&str], why: &str) -> Result<(), IceError> {
        let given = [
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("ttl", self.ttl.is_some()),
            ("token_file", self.token_file.is_some()),
            ("body", self.body.is_some()),
        ];
        match given.into_iter().find(|(key, given)| *given && !ours.contains(key)) {
            Some((key, _)) => misfit(&format!("remove `{key}`: {why}")),
            None => Ok(()),
        }
    }
}

/// A user's name: what STUN carries (RFC 8489, section 14.3), and no more than a line.
fn name(user: String) -> Result<String, IceError> {
    if user.is_empty() || user.len() > 508 || user.chars().any(char::is_control) {
        return misfit("`user` has 1 to 508 bytes, all printable");
    }
    Ok(user)
}

fn misfit<T>(why: &str) -> Result<T, IceError> {
    Err(IceError::Misfit(why.to_owned()))
}

/// For people: which servers there are.
pub fn describe_ice(all: &[Ice]) -> String {
    let one = |ice: &Ice| match ice {
        Ice::Servers { urls, .. } => urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Ice::Fetched(fetch) => format!("from {}", fetch.url),
        Ice::Broker { .. } => "from the broker".to_owned(),
    };
    match all {
        [] => "none: only viewers on the same network get a picture".to_owned(),
        all => all.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// All of them.
pub(super) fn some<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Ice>, D::Error> {
    let all = Vec::<Ice>::deserialize(d)?;
    let brokers = all.iter().filter(|ice| matches!(ice, Ice::Broker { .. })).count();
    if all.len() > MOST {
        return Err(serde::de::Error::custom(format!("{} [[ice]] are too many: {MOST} at most", all.len())));
    }
    if brokers > 1 {
        return Err(serde::de::Error::custom("one [[ice]] with `from = \"broker\"` is all there can be"));
    }
    Ok(all)
}

#[cfg(test)]
#[path = "ice_tests.rs"]
mod tests;

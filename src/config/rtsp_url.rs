//! A network camera's address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::Url;

/// A network camera's address. Never with a password in front of the host; what comes after a `?` is not shown, since
/// some cameras want a password there.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspUrl(Url);

/// What is wrong with a camera's address. The address itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtspUrlError {
    /// Not a URL.
    #[error("this is not a camera's address; write for example \"rtsp://camera.example.net/stream1\"")]
    Malformed,
    /// Another scheme.
    #[error("a camera's address begins with rtsp:// or rtsps://")]
    Scheme,
    /// User name or password in it.
    #[error("an address has no user name or password in it; write `user = \"…\"` and `password_file = \"…\"` instead")]
    Login,
}

impl RtspUrl {
    /// The whole of it, for the connection.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// Name or address of the camera.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "rtsps"
    }
}

impl FromStr for RtspUrl {
    type Err = RtspUrlError;

    fn from_str(text: &str) -> Result<Self, RtspUrlError> {
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(RtspUrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| RtspUrlError::Malformed)?;
        if !matches!(url.scheme(), "rtsp" | "rtsps") {
            return Err(RtspUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RtspUrlError::Login);
        }
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return Err(RtspUrlError::Malformed);
        }
        Ok(Self(url))
    }
}

impl<'de> Deserialize<'de> for RtspUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, hidden) = match self.0.as_str().split_once('?') {
            Some((shown, _)) => (shown, "?…"),
            None => (self.0.as_str(), ""),
        };
        write!(f, "{shown}{hidden}")
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_keep_their_secrets() {
        let url: RtspUrl = "rtsp://camera.example.net:8554/live?password=geheim".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "rtsp://camera.example.net:8554/live?… rtsp://camera.example.net:8554/live?…"
        );
        assert_eq!((url.host(), url.is_tls()), ("camera.example.net", false));
        assert!(url.expose().ends_with("geheim"));
        for (text, error) in [
            ("", RtspUrlError::Malformed),
            ("camera", RtspUrlError::Malformed),
            ("rtsp:///x", RtspUrlError::Malformed),
            ("rtsp://h:0/", RtspUrlError::Malformed),
            ("rtsp://h/a b", RtspUrlError::Malformed),
            ("http://h/", RtspUrlError::Scheme),
            ("rtsp://u:geheim@h/", RtspUrlError::Login),
            ("rtsp://u@h/", RtspUrlError::Login),
        ] {
            assert_eq!(text.parse::<RtspUrl>(), Err(error), "{text}");
        }
    }
}

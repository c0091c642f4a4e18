//! Where the viewer page is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::Url;

/// The address of a viewer page, to which what a camera wants known is added after a `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl(Url);

/// What is wrong with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a page's address begins with https:// (http:// on this machine), and has no user name, password or # in it")]
pub struct PageUrlError;

impl FromStr for PageUrl {
    type Err = PageUrlError;

    fn from_str(text: &str) -> Result<Self, PageUrlError> {
        if text.len() > 1024 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(PageUrlError);
        }
        let url = Url::parse(text).map_err(|_| PageUrlError)?;
        // Without TLS a browser has no cryptography for a page, but on its own machine.
        let here = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => return Err(PageUrlError),
        };
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && here);
        if plain && scheme { Ok(Self(url)) } else { Err(PageUrlError) }
    }
}

impl fmt::Display for PageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for PageUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_https_or_on_this_machine() {
        for (text, good) in [
            ("https://page.example.net", true),
            ("https://page.example.net/cameras/?x=1", true),
            ("http://127.0.0.1:8080/", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://page.example.net", false),
            ("https://page.example.net/#c=x", false),
            ("https://user@page.example.net/", false),
            ("page.example.net", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<PageUrl>().is_ok(), good, "{text}");
        }
    }
}

//! A broker's address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::Url;

/// A broker's address: scheme, host, port, path; never with a password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// How it is reached.
    pub scheme: BrokerScheme,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Port; the scheme's own when the URL has none (1883, 8883, 80, 443).
    pub port: u16,
    /// For WebSocket: the path, `/mqtt` when the URL has none. Else empty.
    pub path: String,
}

/// How a broker is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerScheme {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket over TLS.
    Wss,
}

impl BrokerScheme {
    /// As in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port when the URL has none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether it is encrypted.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether it is WebSocket.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// What is wrong with a broker's address. The address itself is never repeated: it may have a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerUrlError {
    /// Not a URL.
    #[error("this is not a broker's address; write for example \"mqtts://broker.example.net:8883\"")]
    Malformed,
    /// Another scheme.
    #[error("a broker's address begins with mqtt://, mqtts://, ws:// or wss://")]
    Scheme,
    /// User name or password in it.
    #[error("an address has no user name or password in it; write `user = \"…\"` and `password_file = \"…\"` instead")]
    Login,
    /// A path where none can be.
    #[error("only ws:// and wss:// addresses have a path")]
    Path,
    /// Query or fragment.
    #[error("a broker's address ends with its path: no `?` or `#`")]
    Tail,
    /// Port 0.
    #[error("0 is not a port")]
    Port,
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, BrokerUrlError> {
        use BrokerUrlError as E;
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(E::Malformed);
        }
        let (scheme, rest) = text.split_once("://").ok_or(E::Malformed)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => BrokerScheme::Mqtt,
            "mqtts" | "ssl" => BrokerScheme::Mqtts,
            "ws" => BrokerScheme::Ws,
            "wss" => BrokerScheme::Wss,
            _ => return Err(E::Scheme),
        };
        // As http, whose hosts are checked. Only that scheme's own port is lost in it, so the port is read from an unknown one.
        let url = Url::parse(&format!("http://{rest}")).map_err(|_| E::Malformed)?;
        let port = Url::parse(&format!("x://{rest}")).map_err(|_| E::Malformed)?.port();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(E::Login);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(E::Tail);
        }
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or(E::Malformed)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = match (scheme.is_websocket(), url.path()) {
            (true, "/") if !rest.ends_with('/') => "/mqtt".to_owned(),
            (true, path) => path.to_owned(),
            (false, "" | "/") => String::new(),
            (false, _) => return Err(E::Path),
        };
        match port.unwrap_or(scheme.default_port()) {
            0 => Err(E::Port),
            port => Ok(Self { scheme, host, port, path }),
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, path } = self;
        let scheme = scheme.as_str();
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}{path}")
        } else {
            write!(f, "{scheme}://{host}:{port}{path}")
        }
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_addresses() {
        for (text, full) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker.example.net", "mqtts://broker.example.net:8883"),
            ("mqtt://10.0.0.1:80", "mqtt://10.0.0.1:80"),
            ("mqtt://[::1]:1884", "mqtt://[::1]:1884"),
            ("MQTT://Broker/", "mqtt://broker:1883"),
            ("ws://broker", "ws://broker:80/mqtt"),
            ("wss://broker:8443/a/b", "wss://broker:8443/a/b"),
            ("wss://broker/", "wss://broker:443/"),
            ("ws://broker:443", "ws://broker:443/mqtt"),
        ] {
            let url: BrokerUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), full);
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn bad_addresses() {
        use BrokerUrlError as E;
        for (text, error) in [
            ("", E::Malformed),
            ("broker:1883", E::Malformed),
            ("mqtt://", E::Malformed),
            ("mqtt://a b", E::Malformed),
            ("mqtt://h:99999", E::Malformed),
            ("mqtt://h:0", E::Port),
            ("http://broker", E::Scheme),
            ("mqtt://u:p@broker", E::Login),
            ("mqtt://u@broker", E::Login),
            ("mqtt://broker/x", E::Path),
            ("wss://broker/x?y", E::Tail),
            ("wss://broker/x#y", E::Tail),
        ] {
            assert_eq!(text.parse::<BrokerUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}", scheme in "(mqtt|ws|wss|mqtts)://") {
            let _ = text.parse::<BrokerUrl>();
            if let Ok(url) = format!("{scheme}{text}").parse::<BrokerUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}

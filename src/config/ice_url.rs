//! The address of a STUN or TURN server (RFC 7064, RFC 7065).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::Host;

/// The address of a STUN or TURN server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IceUrl {
    /// What the server is asked for, and over what.
    pub scheme: IceScheme,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Port; the scheme's own when the URL has none (3478, 5349).
    pub port: u16,
}

/// What a server is asked for, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IceScheme {
    /// `stun:` – our own address as seen from outside, over UDP.
    Stun,
    /// `turn:` – relaying, over UDP.
    TurnUdp,
    /// `turn:…?transport=tcp` – relaying; we reach the relay over TCP.
    TurnTcp,
    /// `turns:` – relaying; we reach the relay over TLS.
    TurnTls,
}

impl IceScheme {
    /// Whether the server relays, which needs credentials.
    pub const fn is_turn(self) -> bool {
        !matches!(self, Self::Stun)
    }

    /// For people: `UDP`, `TCP`, `TLS`.
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Stun | Self::TurnUdp => "UDP",
            Self::TurnTcp => "TCP",
            Self::TurnTls => "TLS",
        }
    }

    /// The port when the URL has none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::TurnTls => 5349,
            _ => 3478,
        }
    }
}

/// What is wrong with a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IceUrlError {
    /// Another scheme.
    #[error("a server's address begins with stun:, turn: or turns:; for example \"turn:turn.example.net:3478\"")]
    Scheme,
    /// STUN over TLS.
    #[error("stuns: is not spoken by browsers: write stun:")]
    Stuns,
    /// Slashes, as in other URLs.
    #[error("a server's address has no slashes: write for example \"turn:turn.example.net:3478\"")]
    Slashes,
    /// User name or password in it.
    #[error(
        "a server's address has no user name or password in it; write `user = \"…\"` and `password_file = \"…\"`, or \
         `secret_file = \"…\"`, instead"
    )]
    Login,
    /// No host.
    #[error("this is no host name or address; an IPv6 address stands in brackets, as in \"turn:[2001:db8::1]:3478\"")]
    Host,
    /// No port.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// Something else than `?transport=`.
    #[error("an address ends with its port, or with ?transport=udp or ?transport=tcp")]
    Tail,
    /// `stun:` with a transport.
    #[error("a stun: address has no ?transport=; it is always UDP")]
    StunTransport,
    /// TURN over DTLS.
    #[error("turns: over UDP is not spoken by browsers: leave ?transport=udp out, and it goes over TLS")]
    Dtls,
}

impl FromStr for IceUrl {
    type Err = IceUrlError;

    fn from_str(text: &str) -> Result<Self, IceUrlError> {
        use IceUrlError as E;
        let (scheme, rest) = text.split_once(':').ok_or(E::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !["stun", "turn", "turns", "stuns"].contains(&scheme.as_str()) {
            return Err(E::Scheme);
        }
        if rest.starts_with("//") {
            return Err(E::Slashes);
        }
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        if place.contains('@') {
            return Err(E::Login);
        }
        let transport = match query {
            None => None,
            Some(query) => Some(query.strip_prefix("transport=").ok_or(E::Tail)?.to_ascii_lowercase()),
        };
        let scheme = match (scheme.as_str(), transport.as_deref()) {
            ("stuns", _) => return Err(E::Stuns),
            ("stun", None) => IceScheme::Stun,
            ("stun", Some(_)) => return Err(E::StunTransport),
            ("turn", None | Some("udp")) => IceScheme::TurnUdp,
            ("turn", Some("tcp")) => IceScheme::TurnTcp,
            ("turns", None | Some("tcp")) => IceScheme::TurnTls,
            ("turns", Some("udp")) => return Err(E::Dtls),
            _ => return Err(E::Tail),
        };
        let (host, port) = host_and_port(place)?;
        let port = match port {
            None => scheme.default_port(),
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port != 0).ok_or(E::Port)?
            }
            Some(_) => return Err(E::Port),
        };
        Ok(Self { scheme, host, port })
    }
}

/// The host as it is asked for, and what stands behind its colon.
fn host_and_port(place: &str) -> Result<(String, Option<&str>), IceUrlError> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(IceUrlError::Host)?;
        let address: std::net::Ipv6Addr = address.parse().map_err(|_| IceUrlError::Host)?;
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':').ok_or(IceUrlError::Host)?),
        };
        return Ok((address.to_string(), port));
    }
    let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
    if host.is_empty() || host.len() > 253 || port.is_some_and(|port| port.contains(':')) {
        return Err(IceUrlError::Host);
    }
    // As browsers read it: `0x7f.1` is an address, and `Ü.example` has another name.
    match Host::parse(host) {
        Ok(Host::Domain(name)) => Ok((name, port)),
        Ok(Host::Ipv4(address)) => Ok((address.to_string(), port)),
        _ => Err(IceUrlError::Host),
    }
}

impl IceUrl {
    /// The host's address, when it is written as one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        let (scheme, tail) = match scheme {
            IceScheme::Stun => ("stun", ""),
            IceScheme::TurnUdp => ("turn", "?transport=udp"),
            IceScheme::TurnTcp => ("turn", "?transport=tcp"),
            IceScheme::TurnTls => ("turns", "?transport=tcp"),
        };
        if host.contains(':') {
            write!(f, "{scheme}:[{host}]:{port}{tail}")
        } else {
            write!(f, "{scheme}:{host}:{port}{tail}")
        }
    }
}

impl<'de> Deserialize<'de> for IceUrl {
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
            ("stun:stun.example.net", "stun:stun.example.net:3478"),
            ("stun:192.0.2.1:19302", "stun:192.0.2.1:19302"),
            ("turn:turn.example.net", "turn:turn.example.net:3478?transport=udp"),
            ("turn:turn.example.net?transport=udp", "turn:turn.example.net:3478?transport=udp"),
            ("TURN:Turn.Example.net:80?transport=TCP", "turn:turn.example.net:80?transport=tcp"),
            ("turns:turn.example.net", "turns:turn.example.net:5349?transport=tcp"),
            ("turns:turn.example.net:443?transport=tcp", "turns:turn.example.net:443?transport=tcp"),
            ("turn:[2001:db8::1]", "turn:[2001:db8::1]:3478?transport=udp"),
            ("turns:[2001:DB8:0::1]:443", "turns:[2001:db8::1]:443?transport=tcp"),
        ] {
            let url: IceUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), full);
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn bad_addresses() {
        use IceUrlError as E;
        for (text, error) in [
            ("", E::Scheme),
            ("turn.example.net", E::Scheme),
            ("https:turn.example.net", E::Scheme),
            ("stuns:stun.example.net", E::Stuns),
            ("turn://turn.example.net", E::Slashes),
            ("turn:u:p@turn.example.net", E::Login),
            ("turn:", E::Host),
            ("turn:a b", E::Host),
            ("turn:2001:db8::1", E::Host),
            ("turn:[2001:db8::1", E::Host),
            ("turn:[turn.example.net]", E::Host),
            ("turn:[::1]3478", E::Host),
            ("turn:host:0", E::Port),
            ("turn:host:", E::Port),
            ("turn:host:+1", E::Port),
            ("turn:host:65536", E::Port),
            ("turn:host/path", E::Host),
            ("turn:host?transport=sctp", E::Tail),
            ("turn:host?ttl=3", E::Tail),
            ("stun:host?transport=udp", E::StunTransport),
            ("turns:host?transport=udp", E::Dtls),
        ] {
            assert_eq!(text.parse::<IceUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}", scheme in "(stun|turn|turns|stuns|x)") {
            let _ = text.parse::<IceUrl>();
            if let Ok(url) = format!("{scheme}:{text}").parse::<IceUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}

//! STUN and TURN servers as the library is told them: by addresses that stand for them.
//!
//! The library knows TURN over UDP only, looks up names one after the other while its connection waits, and would ask
//! from each of its sockets. So each server gets an address out of a block that is in no network (240.0.0.0/4, RFC 1112,
//! section 4), always of IPv4; what is sent there finds its way in [`super::port`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use webrtc::peer_connection::RTCIceServer;

use crate::config::{IceScheme, IceUrl};
use crate::turn::{self, Login, Minted, Tls};

/// How a server is reached, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// UDP; it says how we are seen from outside.
    Stun,
    /// UDP; it relays.
    Udp,
    /// TCP; it relays.
    Tcp,
    /// TLS; it relays.
    Tls,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    /// How it is reached.
    pub via: Via,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How it lets us in.
    pub login: Option<Login>,
    /// How its certificate is judged.
    pub tls: Option<Tls>,
}

impl Server {
    /// The servers one by one, each by one of its URLs.
    pub fn each(minted: &Minted) -> Vec<Self> {
        let servers = minted.servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
        let one = |(server, url): (&turn::Server, &IceUrl)| Self {
            via: match url.scheme {
                IceScheme::Stun => Via::Stun,
                IceScheme::TurnUdp => Via::Udp,
                IceScheme::TurnTcp => Via::Tcp,
                IceScheme::TurnTls => Via::Tls,
            },
            host: url.host.clone(),
            port: url.port,
            login: server.login.clone().filter(|_| url.scheme.is_turn()),
            tls: server.tls.clone(),
        };
        servers.map(one).take(MOST).collect()
    }

    /// For people; without its address, if it has no name.
    pub(super) fn name(&self) -> String {
        let host = if self.host.parse::<IpAddr>().is_ok() { "(address)" } else { &self.host };
        let (scheme, by) = match self.via {
            Via::Stun => ("stun", "UDP"),
            Via::Udp => ("turn", "UDP"),
            Via::Tcp => ("turn", "TCP"),
            Via::Tls => ("turns", "TLS"),
        };
        format!("{scheme}:{host}:{} over {by}", self.port)
    }
}

/// The last address has a number of 16 bits.
const MOST: usize = 64;
const PORT: u16 = 3478;

/// The address that stands for a server.
fn stand_in(index: usize) -> SocketAddr {
    (Ipv4Addr::new(240, 0, 0, 1 + index.min(MOST) as u8), PORT).into()
}

/// Which server an address stands for.
pub(super) fn of(address: SocketAddr, servers: &[Server]) -> Option<&Server> {
    let SocketAddr::V4(v4) = address else { return None };
    let [240, 0, 0, number] = v4.ip().octets() else { return None };
    servers.get(usize::from(number).checked_sub(1)?).filter(|_| v4.port() == PORT)
}

/// As the library takes them.
pub(super) fn for_library(servers: &[Server]) -> Vec<RTCIceServer> {
    let one = |(index, server): (usize, &Server)| {
        let at = stand_in(index);
        let login = server.login.as_ref().map(|login| (login.user.clone(), login.password.expose().to_owned()));
        let (username, credential) = login.unwrap_or_default();
        let url = match server.via {
            Via::Stun => format!("stun:{at}"),
            Via::Udp | Via::Tcp | Via::Tls => format!("turn:{at}?transport=udp"),
        };
        RTCIceServer { urls: vec![url], username, credential }
    };
    servers.iter().enumerate().take(MOST).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_its_server() {
        let server = |via, host: &str| Server { via, host: host.into(), port: 3478, login: None, tls: None };
        let servers = [server(Via::Stun, "stun.example.net"), server(Via::Tls, "turn.example.net")];
        let told = for_library(&servers);
        assert_eq!(told[1].urls, ["turn:240.0.0.2:3478?transport=udp"]);
        assert_eq!(of(stand_in(1), &servers).unwrap().host, "turn.example.net");
        for other in ["240.0.0.0:3478", "240.0.0.3:3478", "240.0.0.1:1", "10.0.0.1:3478", "[2001:db8::1]:3478"] {
            assert!(of(other.parse().unwrap(), &servers).is_none(), "{other}");
        }
    }
}

//! Which way pictures go to a viewer. Pure.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::candidates::{Kind, Parsed, parse};
use super::servers::{self, Server, Via};
use crate::interfaces::Own;

/// Candidates of one viewer that are remembered.
const MOST: usize = 256;

/// Which way pictures go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// From address to address.
    Direct,
    /// Through a NAT, or several.
    Nat,
    /// By the camera's relay, which is reached over UDP.
    RelayUdp,
    /// By the camera's relay, over TCP.
    RelayTcp,
    /// By the camera's relay, over TLS.
    RelayTls,
    /// By the viewer's relay; how that is reached only the viewer knows.
    Relay,
}

/// A path, and what it carried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathReport {
    /// Which.
    pub path: Path,
    /// Bytes of pictures and of what goes with them, since the start, that went by a relay.
    pub relayed: u64,
}

impl Path {
    /// Whether a relay is on it.
    pub const fn is_relayed(self) -> bool {
        !matches!(self, Self::Direct | Self::Nat)
    }

    /// As in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nat => "nat",
            Self::RelayUdp => "relay-udp",
            Self::RelayTcp => "relay-tcp",
            Self::RelayTls => "relay-tls",
            Self::Relay => "relay",
        }
    }

    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nat => "through NAT",
            Self::RelayUdp => "relayed by UDP",
            Self::RelayTcp => "relayed by TCP",
            Self::RelayTls => "relayed by TLS",
            Self::Relay => "relayed by the viewer's server",
        }
    }
}

/// What a viewer said of its own addresses.
#[derive(Debug, Default)]
pub(super) struct Viewer(HashMap<SocketAddr, Kind>);

impl Viewer {
    /// Takes a candidate, or an offer with some.
    pub(super) fn hear(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(Parsed { kind, address: Some(address), .. }) = parse(line)
                && self.0.len() < MOST
            {
                self.0.insert(address, kind);
            }
        }
    }

    /// The path by which packets to this address go.
    pub(super) fn path(&self, to: SocketAddr, servers: &[Server], own: &[Own]) -> Path {
        if let Some(server) = servers::of(to, servers) {
            return match server.via {
                Via::Tcp => Path::RelayTcp,
                Via::Tls => Path::RelayTls,
                Via::Stun | Via::Udp => Path::RelayUdp,
            };
        }
        let near = |ip| own.iter().any(|own| own.is_near(ip));
        let private = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_loopback(),
            // Addresses are not translated there.
            IpAddr::V6(_) => true,
        };
        let public = own.iter().any(|own| own.ip.is_ipv4() && !private(own.ip));
        match self.0.get(&to) {
            Some(Kind::Relay) => Path::Relay,
            Some(Kind::Reflexive) => Path::Nat,
            // A browser may keep its addresses to itself; then it is only seen where packets come from.
            Some(Kind::Host) | None if near(to.ip()) || private(to.ip()) => Path::Direct,
            Some(Kind::Host) if public => Path::Direct,
            Some(Kind::Host) | None => Path::Nat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_where_packets_go() {
        let mut viewer = Viewer::default();
        viewer.hear(
            "v=0\r\na=candidate:1 1 udp 1 192.168.1.7 5000 typ host\r\n\
             a=candidate:2 1 udp 1 203.0.113.7 5001 typ srflx raddr 0.0.0.0 rport 0\r\n",
        );
        viewer.hear("candidate:3 1 udp 1 198.51.100.9 6000 typ relay raddr 0.0.0.0 rport 0");
        viewer.hear("candidate:4 1 udp 1 198.51.100.10 6000 typ host");
        let own = |ip: &str| Own { name: "eth0".into(), ip: ip.parse().unwrap(), prefix: 24 };
        let server = |via| Server { via, host: "turn.example.net".into(), port: 3478, login: None, tls: None };
        let servers = [server(Via::Udp), server(Via::Tls)];
        let home = [own("192.168.1.5")];
        let cases = [
            ("192.168.1.7:5000", Path::Direct),
            ("192.168.1.8:5000", Path::Direct),
            ("10.9.9.9:5000", Path::Direct),
            ("203.0.113.7:5001", Path::Nat),
            ("203.0.113.7:9999", Path::Nat),
            ("198.51.100.10:6000", Path::Nat),
            ("198.51.100.9:6000", Path::Relay),
            ("240.0.0.1:3478", Path::RelayUdp),
            ("240.0.0.2:3478", Path::RelayTls),
            ("[2001:db8::7]:5000", Path::Direct),
            ("127.0.0.1:5000", Path::Direct),
        ];
        for (to, path) in cases {
            assert_eq!(viewer.path(to.parse().unwrap(), &servers, &home), path, "{to}");
        }
        let public = [own("203.0.113.50")];
        assert_eq!(viewer.path("198.51.100.10:6000".parse().unwrap(), &servers, &public), Path::Direct);
    }
}

//! Which addresses may be contacted because a viewer's candidate says so. Pure.
//!
//! A candidate is a wish of somebody far away: "send packets there". So it leads to no service of this machine, to
//! nothing that answers only to neighbours on the wire, and to no cloud's metadata service. The same holds for a relay:
//! no permission is asked there for such an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Metadata services (AWS, GCP, Azure and others; AWS and OpenStack over IPv6) that are not link-local anyway.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Alibaba Cloud; it lies in the block of carriers' NATs (RFC 6598), where viewers may be.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Oracle Cloud.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Whether packets may be sent to an address. `loopback`: viewers on this machine are expected.
pub(super) fn may_contact(to: SocketAddr, loopback: bool) -> bool {
    to.port() != 0 && may_contact_ip(to.ip().to_canonical(), loopback)
}

fn may_contact_ip(ip: IpAddr, loopback: bool) -> bool {
    let ordinary = match ip {
        IpAddr::V4(ip) => {
            let [a, ..] = ip.octets();
            // “This network” (RFC 791), link-local (RFC 3927), multicast, and what is reserved, broadcast included.
            a != 0 && a < 224 && !ip.is_link_local()
        }
        IpAddr::V6(ip) => {
            let [a, ..] = ip.segments();
            // An IPv6 link-local address says nothing without the name of its link, which no candidate has.
            let local = a & 0xffc0 == 0xfe80;
            !ip.is_unspecified()
                && !ip.is_multicast()
                && !local
                && inner(ip).is_none_or(|ip| may_contact_ip(ip, loopback))
        }
    };
    ordinary && (loopback || !ip.is_loopback()) && !METADATA.contains(&ip)
}

/// The IPv4 address to which a gateway would send: NAT64 (RFC 6052), 6to4 (RFC 3056), or one mapped (RFC 4291).
fn inner(ip: Ipv6Addr) -> Option<IpAddr> {
    let v4 = |high: u16, low: u16| Some(IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()));
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        // IPv4-compatible, long gone; not `::` and `::1`.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_addresses_are_contacted() {
        let never = [
            "0.0.0.0:1",
            "0.1.2.3:1",
            "169.254.1.1:1",
            "169.254.169.254:80",
            "224.0.0.251:5353",
            "239.1.2.3:1",
            "240.0.0.1:3478",
            "255.255.255.255:1",
            "100.100.100.200:80",
            "192.0.0.192:80",
            "[::]:1",
            "[fe80::1]:1",
            "[febf::1]:1",
            "[ff02::1]:1",
            "[fd00:ec2::254]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[::ffff:169.254.169.254]:80",
            "[2002:a9fe:a9fe::1]:80",
            "[::ffff:224.0.0.1]:1",
            "[::a9fe:a9fe]:80",
            "192.0.2.1:0",
        ];
        for address in never {
            assert!(!may_contact(address.parse().unwrap(), true), "{address}");
        }
        let always = [
            "192.168.1.7:5000",
            "10.0.0.1:1",
            "100.64.0.1:9",
            "203.0.113.9:65535",
            "[2001:db8::1]:5000",
            "[fd12::1]:5000",
            "[64:ff9b::cb00:7109]:5000",
            "[::ffff:192.168.1.7]:5000",
        ];
        for address in always {
            assert!(may_contact(address.parse().unwrap(), false), "{address}");
        }
        for address in ["127.0.0.1:5000", "127.9.9.9:1", "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
            let address = address.parse().unwrap();
            assert!(!may_contact(address, false) && may_contact(address, true), "{address}");
        }
        assert!(!may_contact("[64:ff9b::7f00:1]:80".parse().unwrap(), false));
    }
}

//! The addresses that this machine has, and when they change.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use if_addrs::{IfAddr, get_if_addrs};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink, socket_with};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tracing::{debug, warn};

/// A change comes as a burst of messages: the link, its addresses one by one, routes.
const SETTLE: Duration = Duration::from_millis(300);
/// Where the kernel cannot be listened to, so often it is asked.
const ASK: Duration = Duration::from_secs(5);
/// Multicast groups of rtnetlink(7): RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Addresses that are looked at; a machine with more has them for something else.
const MOST: usize = 64;

/// Which interfaces count, by name; a `*` at the end stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these; empty: all.
    pub only: Vec<String>,
    /// But not these.
    pub except: Vec<String>,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Own {
    /// The interface.
    pub name: String,
    /// The address.
    pub ip: IpAddr,
    /// Bits of it that its network shares.
    pub prefix: u8,
}

impl Choice {
    /// Whether every interface counts.
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// Whether an interface counts.
    pub fn allows(&self, name: &str) -> bool {
        let names = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => pattern == name,
        };
        (self.only.is_empty() || self.only.iter().any(names)) && !self.except.iter().any(names)
    }
}

impl Own {
    /// Whether the other address is in the same network.
    pub fn is_near(&self, other: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let same = (bits(self.ip) ^ bits(other)).leading_zeros();
        self.ip.is_ipv4() == other.is_ipv4() && same >= u32::from(self.prefix)
    }
}

/// The addresses of the chosen interfaces that are up, in order: no two times the same, and none of loopback.
pub fn own(choice: &Choice) -> Vec<Own> {
    let found = get_if_addrs().unwrap_or_else(|e| {
        warn!("cannot list this machine's network interfaces: {e}");
        Vec::new()
    });
    let up = found.into_iter().filter(|found| found.is_oper_up() && !found.is_loopback() && choice.allows(&found.name));
    let mut own: Vec<_> = up
        .map(|found| {
            let (ip, prefix) = match found.addr {
                IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
                IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
            };
            Own { name: found.name, ip, prefix }
        })
        .take(MOST)
        .collect();
    own.sort();
    own.dedup_by_key(|own| own.ip);
    own
}

/// Follows the addresses of the chosen interfaces until nobody looks any more. Needs a tokio runtime.
pub fn follow(choice: Choice) -> watch::Receiver<Vec<Own>> {
    let (sender, receiver) = watch::channel(own(&choice));
    tokio::spawn(async move {
        let kernel = listen().inspect_err(|e| {
            warn!("cannot listen for changes of the network ({e}); looking each {} s instead", ASK.as_secs());
        });
        let kernel = kernel.ok();
        loop {
            tokio::select! {
                () = sender.closed() => break,
                () = heard(kernel.as_ref()) => {}
            }
            tokio::time::sleep(SETTLE).await;
            let now = own(&choice);
            sender.send_if_modified(|before| {
                let changed = *before != now;
                if changed {
                    debug!("this machine's addresses changed: {before:?} → {now:?}");
                    *before = now;
                }
                changed
            });
        }
    });
    receiver
}

/// A socket that becomes readable when links or addresses change. What it says is not read: the addresses are listed
/// anew. To tokio it is a datagram socket as any other.
fn listen() -> io::Result<UdpSocket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &netlink::SocketAddrNetlink::new(0, GROUPS))?;
    UdpSocket::from_std(socket.into())
}

async fn heard(kernel: Option<&UdpSocket>) {
    let readable = match kernel {
        Some(kernel) => kernel.readable().await.is_ok(),
        None => false,
    };
    if !readable {
        return tokio::time::sleep(ASK).await;
    }
    let mut buffer = [0; 4096];
    // All that is there; a message that was lost (ENOBUFS) is news too.
    while kernel.is_some_and(|kernel| kernel.try_recv(&mut buffer).is_ok()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_chosen_by_name() {
        let choice = |only: &[&str], except: &[&str]| Choice {
            only: only.iter().map(ToString::to_string).collect(),
            except: except.iter().map(ToString::to_string).collect(),
        };
        let cases = [
            (choice(&[], &[]), "eth0", true),
            (choice(&["eth0"], &[]), "eth0", true),
            (choice(&["eth0"], &[]), "eth01", false),
            (choice(&["wl*"], &[]), "wlan0", true),
            (choice(&[], &["docker*", "veth*"]), "docker0", false),
            (choice(&["eth*"], &["eth1"]), "eth1", false),
        ];
        for (choice, name, allowed) in cases {
            assert_eq!(choice.allows(name), allowed, "{choice:?} {name}");
        }
    }

    #[test]
    fn near_is_the_same_network() {
        let own = |ip: &str, prefix| Own { name: "eth0".into(), ip: ip.parse().unwrap(), prefix };
        let cases = [
            (own("192.168.1.5", 24), "192.168.1.77", true),
            (own("192.168.1.5", 24), "192.168.2.77", false),
            (own("192.168.1.5", 24), "::ffff:192.168.1.77", false),
            (own("2001:db8::5", 64), "2001:db8::77", true),
            (own("2001:db8::5", 64), "2001:db8:0:1::77", false),
            (own("10.0.0.1", 0), "8.8.8.8", true),
            (own("10.0.0.1", 32), "10.0.0.2", false),
        ];
        for (own, other, near) in cases {
            assert_eq!(own.is_near(other.parse().unwrap()), near, "{own:?} {other}");
        }
    }
}

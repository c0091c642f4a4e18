//! Candidates (RFC 8839, section 5.1) on their way in and out. Pure.
//!
//! The library sees one socket a family; the viewer is told every address at which the one port can be reached. So its
//! host candidates are ours to write. What a viewer says is let through only when it leads to an address that may be
//! contacted.

use std::net::{IpAddr, SocketAddr};

use super::reach::may_contact;

/// Kinds of candidates, as the line spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address of the machine itself.
    Host,
    /// As others see it, through a NAT.
    Reflexive,
    /// At a relay.
    Relay,
}

/// What counts of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) kind: Kind,
    /// `None`: a name.
    pub(super) address: Option<SocketAddr>,
    pub(super) udp: bool,
}

/// Reads a candidate, with or without `a=`.
pub(super) fn parse(line: &str) -> Option<Parsed> {
    let line = line.strip_prefix("a=").unwrap_or(line);
    let words: Vec<_> = line.strip_prefix("candidate:").unwrap_or(line).split_ascii_whitespace().collect();
    let [_, _, transport, _, address, port, "typ", typ, ..] = words.as_slice() else { return None };
    let kind = match *typ {
        "host" => Kind::Host,
        "srflx" | "prflx" => Kind::Reflexive,
        "relay" => Kind::Relay,
        _ => return None,
    };
    let port = port.parse().ok()?;
    let address = address.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
    Some(Parsed { kind, address, udp: transport.eq_ignore_ascii_case("udp") })
}

/// Whether a viewer's candidate is of use: UDP, and to an address, not a name, that may be contacted.
pub(super) fn is_welcome(line: &str, loopback: bool) -> bool {
    let parsed = parse(line);
    parsed.is_some_and(|c| c.udp && c.address.is_some_and(|address| may_contact(address, loopback)))
}

/// An offer with the welcome ones of its candidates only.
pub(super) fn filter_offer(sdp: &str, loopback: bool) -> String {
    lines(sdp).filter(|line| !line.starts_with("a=candidate:") || is_welcome(line, loopback)).map(end).collect()
}

/// The user name fragment of a description.
pub(super) fn ufrag(sdp: &str) -> Option<&str> {
    lines(sdp).find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
}

/// The host candidates of the one port, best first.
pub(super) fn hosts(addresses: &[SocketAddr]) -> impl Iterator<Item = String> {
    addresses.iter().zip(0u32..).map(|(address, i)| {
        // RFC 8445, section 5.1.2.1: host, then our preference, then the component.
        let priority = (126 << 24) + ((65_535 - i) << 8) + 255;
        format!("candidate:{} 1 udp {priority} {} {} typ host", i + 1, address.ip(), address.port())
    })
}

/// An answer with the addresses of the one port in the place of the library's own socket.
pub(super) fn rewrite_answer(sdp: &str, hosts: &[String]) -> String {
    let mut answer = String::with_capacity(sdp.len() + hosts.len() * 80);
    let (mut section, mut written) = (false, false);
    for line in lines(sdp) {
        section |= line.starts_with("m=");
        if line.starts_with("a=end-of-candidates") {
            continue;
        }
        if line.starts_with("a=candidate:") {
            if let Some(told) = tell(line) {
                answer += &end(&told);
            }
            continue;
        }
        answer += &end(line);
        // All is bundled into the first section (RFC 9143); a candidate belongs beside its credentials.
        if section && !written && line.starts_with("a=ice-pwd:") {
            hosts.iter().for_each(|host| answer += &end(format!("a={host}")));
            written = true;
        }
    }
    answer
}

/// One of the library's candidates as the viewer is told it; `None`: not at all. Where it was seen from is nobody's
/// business (RFC 8828, section 3.2 does so for browsers).
pub(super) fn tell(line: &str) -> Option<String> {
    let parsed = parse(line).filter(|parsed| parsed.kind != Kind::Host)?;
    let nowhere = if parsed.address?.is_ipv4() { "0.0.0.0" } else { "::" };
    let mut words: Vec<_> = line.split_ascii_whitespace().collect();
    for i in 0..words.len().saturating_sub(1) {
        match words[i] {
            "raddr" => words[i + 1] = nowhere,
            "rport" => words[i + 1] = "0",
            _ => {}
        }
    }
    Some(words.join(" "))
}

fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().map(str::trim_end)
}

fn end(line: impl AsRef<str>) -> String {
    format!("{}\r\n", line.as_ref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "v=0\r\na=ice-ufrag:session\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:secret\r\na=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host\r\n\
        a=candidate:2 1 udp 1694498815 203.0.113.5 7000 typ srflx raddr 127.0.0.1 rport 40000\r\n\
        a=end-of-candidates\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-pwd:secret\r\n";

    #[test]
    fn an_answer_tells_the_one_port() {
        let addresses = ["192.168.1.5:7000".parse().unwrap(), "[2001:db8::5]:7000".parse().unwrap()];
        let hosts: Vec<_> = hosts(&addresses).collect();
        let answer = rewrite_answer(ANSWER, &hosts);
        let expected = "v=0\r\na=ice-ufrag:session\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-ufrag:abcd\r\n\
            a=ice-pwd:secret\r\na=candidate:1 1 udp 2130706431 192.168.1.5 7000 typ host\r\n\
            a=candidate:2 1 udp 2130706175 2001:db8::5 7000 typ host\r\n\
            a=candidate:2 1 udp 1694498815 203.0.113.5 7000 typ srflx raddr 0.0.0.0 rport 0\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-pwd:secret\r\n";
        assert_eq!(answer, expected);
        assert_eq!(ufrag(&answer), Some("session"));
    }

    #[test]
    fn a_viewers_candidates_are_looked_at() {
        let line = |address: &str, more: &str| format!("candidate:1 1 udp 2122260223 {address} 5000 {more}");
        let cases = [
            (line("192.168.1.7", "typ host generation 0"), true),
            (line("203.0.113.7", "typ srflx raddr 0.0.0.0 rport 0"), true),
            (line("203.0.113.7", "typ relay"), true),
            (line("169.254.169.254", "typ host"), false),
            (line("127.0.0.1", "typ host"), false),
            (line("metadata.google.internal", "typ host"), false),
            (line("0b4c.local", "typ host"), false),
            (line("192.168.1.7", "typ host").replace("udp", "tcp"), false),
            (line("192.168.1.7", "typ other"), false),
            (line("192.168.1.7", ""), false),
        ];
        for (line, welcome) in &cases {
            assert_eq!(is_welcome(line, false), *welcome, "{line}");
        }
        let offer: String = cases.iter().map(|(line, _)| format!("a={line}\r\n")).collect();
        let filtered = filter_offer(&format!("v=0\r\n{offer}a=mid:0\r\n"), false);
        assert_eq!(filtered.lines().count(), 2 + 3, "{filtered}");
    }

    proptest! {
        #[test]
        fn junk_is_read_calmly(junk in "\\PC{0,200}", spaced in "(candidate:)?([a-z0-9.:]{1,9} ){0,12}") {
            for text in [junk, spaced] {
                let _ = (parse(&text), tell(&text), filter_offer(&text, false), rewrite_answer(&text, &[]), ufrag(&text));
            }
        }
    }
}

//! Which ways each side had told of, when none of them worked: said in the log and to the viewer. Pure.
//!
//! No address is kept: the kinds of candidates (RFC 8445, section 5.1.1) say enough.

/// What both sides told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) ours: Kinds,
    pub(super) theirs: Kinds,
}

/// The kinds of candidates that one side told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    /// An address of its own.
    host: bool,
    /// An address that a NAT gave it, learned from a STUN server.
    mapped: bool,
    /// An address at a TURN server.
    relay: bool,
}

impl Kinds {
    /// Takes candidate lines: one, or all of a session description.
    pub(super) fn told(&mut self, text: &str) {
        let typ =
            |line: &str| line.split(" typ ").nth(1).and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
        for line in text.lines().filter(|line| line.trim_start_matches("a=").starts_with("candidate:")) {
            match typ(line).as_deref() {
                Some("host") => self.host = true,
                Some("srflx" | "prflx") => self.mapped = true,
                Some("relay") => self.relay = true,
                _ => {}
            }
        }
    }

    fn words(self) -> String {
        let kinds = [
            (self.host, "its own addresses"),
            (self.mapped, "one through its NAT"),
            (self.relay, "one at a TURN server"),
        ];
        let kinds: Vec<_> = kinds.into_iter().filter_map(|(there, words)| there.then_some(words)).collect();
        match kinds.split_last() {
            None => "nothing".into(),
            Some((last, [])) => (*last).into(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }
}

impl Ways {
    /// Why no connection came about, as far as it can be told from here, and what helps.
    pub(super) fn why(&self) -> String {
        let advice = match (self.ours.relay, self.theirs.relay) {
            _ if self.theirs == Kinds::default() => "The viewer told no way to reach it.",
            (false, false) => {
                "Neither side has a TURN server that works; where there is no direct way, one is needed: see [[ice]] in \
                 the camera's config."
            }
            (true, false) => "The viewer reached no TURN server, and could not reach the camera's.",
            (false, true) => "The camera reached no TURN server, and could not reach the viewer's.",
            (true, true) => "Both sides have a TURN server, but could not reach each other through it.",
        };
        let (ours, theirs) = (self.ours.words(), self.theirs.words());
        format!("No connection came about: the camera had {ours}, the viewer {theirs}. {advice}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host";
    const RELAY: &str = "a=candidate:2 1 udp 41885439 203.0.113.7 61000 typ relay raddr 0.0.0.0 rport 0";

    #[test]
    fn it_says_what_each_side_had_and_what_helps() {
        let mut ways = Ways::default();
        ways.ours.told(HOST);
        assert!(
            ways.why()
                .ends_with("the camera had its own addresses, the viewer nothing. The viewer told no way to reach it.")
        );
        ways.theirs.told(&format!("v=0\r\n{RELAY}\r\na=mid:0\r\n"));
        ways.theirs.told(&HOST.replace("typ host", "typ srflx raddr 10.0.0.2 rport 9"));
        let why = ways.why();
        assert!(
            why.contains("the viewer one through its NAT and one at a TURN server. The camera reached no"),
            "{why}"
        );
        assert!(!why.contains("192.0.2") && !why.contains("203.0.113"), "no addresses: {why}");
        ways = Ways { ours: ways.ours, theirs: ways.ours };
        assert!(ways.why().contains("[[ice]]"));
    }

    #[test]
    fn junk_tells_nothing() {
        let mut kinds = Kinds::default();
        for line in ["", "candidate:", "candidate:1 typ ", "typ host", "candidate:x typ moon", "a=mid: typ host"] {
            kinds.told(line);
        }
        assert_eq!(kinds, Kinds::default());
    }
}

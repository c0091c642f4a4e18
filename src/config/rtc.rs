//! `[rtc]`: how pictures reach viewers.

use serde::{Deserialize, Deserializer};

use crate::interfaces::Choice;

/// The longest name of an interface, in bytes (IFNAMSIZ, netdevice(7)).
const NAME: usize = 15;

/// `[rtc]`: how pictures reach viewers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rtc {
    /// The UDP port for all viewers; `None`: the system chooses, anew at each start.
    #[serde(deserialize_with = "port")]
    pub port: Option<u16>,
    /// Which ways may be taken.
    pub policy: Policy,
    /// Names of the only network interfaces to use; empty: all. A `*` at the end stands for anything.
    #[serde(deserialize_with = "names")]
    pub interfaces: Vec<String>,
    /// Names of interfaces not to use.
    #[serde(deserialize_with = "names")]
    pub exclude_interfaces: Vec<String>,
    /// Whether this machine's own addresses stay unsaid. Viewers in the same network then need a STUN or TURN server to
    /// find it.
    pub hide_host: bool,
}

/// Which ways pictures may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Any; the best that works.
    #[default]
    All,
    /// Only by a TURN server.
    Relay,
}

impl Rtc {
    /// Which interfaces are used.
    pub fn choice(&self) -> Choice {
        Choice { only: self.interfaces.clone(), except: self.exclude_interfaces.clone() }
    }
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let port = u16::deserialize(deserializer).map_err(|_| serde::de::Error::custom(PORT))?;
    if port == 0 { Err(serde::de::Error::custom(PORT)) } else { Ok(Some(port)) }
}

const PORT: &str = "a UDP port is a number from 1 to 65535; leave it out to have the system choose one";

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let legal = |name: &String| {
        (1..=NAME).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
            && !name.trim_end_matches('*').contains('*')
    };
    match names.iter().find(|name| !legal(name)) {
        None => Ok(names),
        Some(name) => Err(serde::de::Error::custom(format!(
            "“{name}” is not the name of a network interface; `ip link` lists them (eth0, wlan0); a * may stand at the end"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    #[test]
    fn ways_are_chosen() {
        let rtc = |text: &str| Config::parse(&format!("[rtc]\n{text}")).map(|config| config.rtc);
        assert_eq!(rtc("").unwrap(), Rtc::default());
        let chosen =
            rtc("port = 50000\npolicy = \"relay\"\ninterfaces = [\"eth0\", \"wl*\"]\nhide_host = true").unwrap();
        assert_eq!((chosen.port, chosen.policy, chosen.hide_host), (Some(50_000), Policy::Relay, true));
        assert!(chosen.choice().allows("wlan0") && !chosen.choice().allows("docker0"));
        for (wrong, says) in [
            ("port = 0", "1 to 65535"),
            ("port = 70000", "1 to 65535"),
            ("policy = \"some\"", "relay"),
            ("interfaces = [\"\"]", "ip link"),
            ("interfaces = [\"a*b\"]", "ip link"),
            ("exclude_interfaces = [\"averyveryverylongname\"]", "ip link"),
            ("hide = true", "hide_host"),
        ] {
            let said = rtc(wrong).unwrap_err().to_string();
            assert!(said.contains(says), "{wrong}: {said}");
        }
    }
}

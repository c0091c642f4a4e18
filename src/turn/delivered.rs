//! The JSON in which services and fleets hand out servers. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Login, rest};
use crate::config::{IceUrl, Secret};

/// More than this is no list of servers.
pub const MAX_JSON: usize = 64 << 10;
/// Servers, and URLs of each, that are taken; the rest is left out.
const MOST: usize = 8;
/// What STUN carries as a user name (RFC 8489, section 14.3); a longer password is no password either.
const LONGEST: usize = 763;

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Each with at least one URL.
    pub servers: Vec<(Vec<IceUrl>, Option<Login>)>,
    /// So long they are good, where that is said.
    pub ttl: Option<Duration>,
    /// When they end, in Unix seconds, where that is said: in `expires`, or in a user name.
    pub expires: Option<u64>,
}

/// Why a list of servers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Too long.
    #[error("{0} bytes are no list of servers: {MAX_JSON} at most")]
    TooLong(usize),
    /// Not JSON.
    #[error("this is not JSON: {0}")]
    NotJson(String),
    /// JSON of another shape.
    #[error(
        "there is no list of servers in it; wanted is {{\"iceServers\":[{{\"urls\":[…],\"username\":…,\"credential\":…}}]}}"
    )]
    NoList,
    /// No server with an address that can be used.
    #[error("none of its servers has an address that begins with stun:, turn: or turns:")]
    NoServer,
}

/// Reads the shapes that are in use: `{"iceServers": [..]}` or `{..}` (Cloudflare), `{"ice_servers": [..], "ttl": ".."}`
/// (Twilio), `[..]` (Metered), `{"username", "password", "ttl", "uris"}` (draft-uberti-behave-turn-rest-00); and ours,
/// which is the first, with `expires`.
///
/// # Errors
/// See [`DeliveryError`]. Addresses that cannot be used are left out as long as there are others.
pub fn parse(json: &[u8]) -> Result<Delivered, DeliveryError> {
    if json.len() > MAX_JSON {
        return Err(DeliveryError::TooLong(json.len()));
    }
    let value: Value = serde_json::from_slice(json).map_err(|e| DeliveryError::NotJson(e.to_string()))?;
    let list = value.get("iceServers").or_else(|| value.get("ice_servers")).unwrap_or(&value);
    let entries = match list {
        Value::Array(list) => list.as_slice(),
        Value::Object(_) if URLS.iter().any(|key| list.get(key).is_some()) => std::slice::from_ref(list),
        _ => return Err(DeliveryError::NoList),
    };
    let servers: Vec<_> = entries.iter().take(MOST).filter_map(server).collect();
    if servers.is_empty() {
        return Err(DeliveryError::NoServer);
    }
    let named = servers.iter().filter_map(|(_, login)| rest::expires(&login.as_ref()?.user)).min();
    let said = value.get("expires").and_then(seconds);
    let expires = said.into_iter().chain(named).min();
    Ok(Delivered { servers, ttl: value.get("ttl").and_then(seconds).map(Duration::from_secs), expires })
}

const URLS: [&str; 3] = ["urls", "url", "uris"];

/// One server, if there is something in it that can be used.
fn server(entry: &Value) -> Option<(Vec<IceUrl>, Option<Login>)> {
    let mut urls: Vec<IceUrl> = Vec::new();
    for value in URLS.iter().filter_map(|key| entry.get(key)) {
        let texts = match value {
            Value::Array(texts) => texts.as_slice(),
            one => std::slice::from_ref(one),
        };
        for url in texts.iter().filter_map(|text| text.as_str()?.parse().ok()) {
            if urls.len() < MOST && !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    let text = |keys: [&str; 2]| {
        let value = keys.iter().find_map(|key| entry.get(key)?.as_str());
        value.filter(|text| !text.is_empty() && text.len() <= LONGEST).map(str::to_owned)
    };
    let user = text(["username", "user"]);
    let login = user.zip(text(["credential", "password"])).map(|(user, p)| Login { user, password: Secret::new(p) });
    if login.is_none() {
        // A browser takes no TURN server without credentials, and says so by refusing all servers.
        urls.retain(|url| !url.scheme.is_turn());
    }
    (!urls.is_empty()).then_some((urls, login))
}

/// A number, which some write as text.
fn seconds(value: &Value) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Seconds::deserialize(value).ok()? {
        Seconds::Number(seconds) => Some(seconds),
        Seconds::Text(text) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Delivered, DeliveryError> {
        parse(value.to_string().as_bytes())
    }

    fn shown(delivered: &Delivered) -> Vec<String> {
        let one = |(urls, login): &(Vec<IceUrl>, Option<Login>)| {
            let urls: Vec<_> = urls.iter().map(ToString::to_string).collect();
            let login = login.as_ref().map(|l| format!(" {} {}", l.user, l.password.expose())).unwrap_or_default();
            format!("{}{login}", urls.join(" "))
        };
        delivered.servers.iter().map(one).collect()
    }

    /// As Cloudflare's `generate-ice-servers` answers, and its older `generate` (developers.cloudflare.com/realtime/turn).
    #[test]
    fn cloudflare() {
        let urls = ["turn:turn.cloudflare.com:3478?transport=udp", "turns:turn.cloudflare.com:443?transport=tcp"];
        let new = json!({"iceServers": [
            {"urls": ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"]},
            {"urls": urls, "username": "u", "credential": "c"}]});
        let delivered = read(&new).unwrap();
        assert_eq!(
            shown(&delivered),
            [
                "stun:stun.cloudflare.com:3478 stun:stun.cloudflare.com:53",
                "turn:turn.cloudflare.com:3478?transport=udp turns:turn.cloudflare.com:443?transport=tcp u c"
            ]
        );
        assert_eq!((delivered.ttl, delivered.expires), (None, None));
        let old = read(&json!({"iceServers": {"urls": urls, "username": "u", "credential": "c"}})).unwrap();
        assert_eq!(old.servers, delivered.servers[1..]);
    }

    /// As Twilio's Network Traversal Service answers: each URL twice, and the TTL as text.
    #[test]
    fn twilio() {
        let answer = json!({"username": "u", "password": "c", "ttl": "86400", "account_sid": "AC…", "ice_servers": [
            {"url": "stun:global.stun.twilio.com:3478", "urls": "stun:global.stun.twilio.com:3478"},
            {"url": "turn:global.turn.twilio.com:443?transport=tcp", "urls": "turn:global.turn.twilio.com:443?transport=tcp",
             "username": "u", "credential": "c"}]});
        let delivered = read(&answer).unwrap();
        assert_eq!(
            shown(&delivered),
            ["stun:global.stun.twilio.com:3478", "turn:global.turn.twilio.com:443?transport=tcp u c"]
        );
        assert_eq!(delivered.ttl, Some(Duration::from_secs(86_400)));
    }

    /// As Metered's `/api/v1/turn/credentials` answers.
    #[test]
    fn metered() {
        let answer = json!([
            {"urls": "stun:stun.relay.metered.ca:80"},
            {"urls": "turn:global.relay.metered.ca:80", "username": "u", "credential": "c"},
            {"urls": "turns:global.relay.metered.ca:443?transport=tcp", "username": "u", "credential": "c"}]);
        assert_eq!(shown(&read(&answer).unwrap()).len(), 3);
    }

    #[test]
    fn ours_and_the_draft() {
        let ours = json!({"iceServers": [{"urls": "turn:t", "username": "1763870400:x", "credential": "c"}], "expires": 1_763_870_000});
        assert_eq!(read(&ours).unwrap().expires, Some(1_763_870_000));
        let draft = json!({"username": "1763870400:x", "password": "c", "ttl": 60, "uris": ["turn:t"]});
        let delivered = read(&draft).unwrap();
        assert_eq!((delivered.expires, delivered.ttl), (Some(1_763_870_400), Some(Duration::from_secs(60))));
        assert_eq!(shown(&delivered), ["turn:t:3478?transport=udp 1763870400:x c"]);
    }

    #[test]
    fn what_cannot_be_used_is_left_out_or_refused() {
        let mixed = json!([{"urls": ["stuns:a", 7, "turn:t", "https://x"], "username": "u", "credential": "c"}, 3, {"urls": []}]);
        assert_eq!(shown(&read(&mixed).unwrap()), ["turn:t:3478?transport=udp u c"]);
        let unlogged = json!([{"urls": ["turn:t", "stun:s"]}]);
        assert_eq!(shown(&read(&unlogged).unwrap()), ["stun:s:3478"]);
        assert_eq!(read(&json!({"error": "unauthorized"})), Err(DeliveryError::NoList));
        assert_eq!(read(&json!([{"urls": "turn:t"}])), Err(DeliveryError::NoServer));
        assert_eq!(read(&json!(7)), Err(DeliveryError::NoList));
        assert!(matches!(parse(b"<html>"), Err(DeliveryError::NotJson(_))));
        assert_eq!(parse(&vec![b' '; MAX_JSON + 1]), Err(DeliveryError::TooLong(MAX_JSON + 1)));
        let many = Value::Array(vec![json!({"urls": vec!["stun:a"; 20]}); 100]);
        assert_eq!(read(&many).unwrap().servers.len(), MOST);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,40}") {
            let _ = parse(&bytes);
            let _ = read(&json!({"iceServers": [{"urls": text.clone(), "username": text.clone(), "credential": text.clone()}], "ttl": text}));
        }
    }
}

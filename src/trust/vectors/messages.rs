//! One of each message.

use super::*;

pub(super) fn pairing(secret: &Secret, grant: Option<&Grant>) -> Vec<u8> {
    let mut plain = json!({"v": 1, "type": "pair", "secret": &*secret.text(), "label": "Anna's phone"});
    if let Some(grant) = grant {
        plain["grant"] = grant.text().into();
    }
    plain.to_string().into_bytes()
}

pub(super) fn all(cast: &Cast, secret: &Secret) -> Value {
    let request = |name: &str, kind, by: &str, key: &SigningKey, nonce: u8, plain: &[u8]| {
        let (open, mut asked) = cast.ask(kind, key, nonce, plain);
        let (exchange, request_key) = cast.accept(&open);
        let mut responses = vec![];
        for plain in [WELCOME, BYE, b"{}"] {
            responses.push(json!({"plain": String::from_utf8_lossy(plain), "envelope": b64(&exchange.seal(plain).expect("sealed"))}));
        }
        let more: Vec<_> = [BYE, b""].iter().map(|plain| {
            json!({"plain": String::from_utf8_lossy(plain), "envelope": b64(&asked.more(plain).expect("sealed"))})
        }).collect();
        let (viewer, camera) = ([0x11; 32], [0x22; 32]);
        json!({
            "name": name, "kind": if kind == Kind::Pair { "pair" } else { "open" }, "by": by, "nonce": b64(&[nonce; 16]),
            "plain": String::from_utf8_lossy(plain), "envelope": b64(&open), "t": b64(&sha256(&[&open])),
            "request_key": b64(&request_key), "response_key": b64(exchange.response_key()), "more": more, "responses": responses,
            "binding": {"viewer": b64(&viewer), "camera": b64(&camera),
                "viewer_mac": exchange.binding().mac(Side::Viewer, &viewer, &camera),
                "camera_mac": exchange.binding().mac(Side::Camera, &viewer, &camera)},
        })
    };
    let mut status = Broadcast::new(cast.camera(), boot(), broadcast_key());
    let statuses: Vec<_> = (0..2).map(|_| {
        json!({"plain": String::from_utf8_lossy(STATUS), "envelope": b64(&status.seal(&cast.operational(), STATUS).expect("sealed"))})
    }).collect();
    let refusals: Vec<_> = (1..=6)
        .map(|code| {
            let reason = Reason::of_code(code).expect("a reason").to_string();
            json!({"reason": reason, "envelope": b64(&cast.refusal(code, 0, &cast.signing))})
        })
        .collect();
    json!({
        "challenge": b64(&cast.challenge()),
        "exchanges": [
            request("hello", Kind::Open, "viewer", &cast.viewer, 1, HELLO),
            request("pair", Kind::Pair, "guest", &cast.guest, 2, &pairing(secret, None)),
            request("nothing in it", Kind::Open, "viewer", &cast.viewer, 3, b""),
        ],
        "status": statuses,
        "refusals": refusals,
    })
}

pub(super) fn boot() -> BootId {
    BootId::from_bytes([0x33; 16])
}

pub(super) fn broadcast_key() -> BroadcastKey {
    BroadcastKey::from_bytes([0x44; 32])
}

//! What is done to a viewer.

use super::messages::{boot, broadcast_key};
use super::*;

/// What is done to a viewer that said `hello`: envelopes on `challenge`, `res/<viewer>` and `status`.
pub(super) fn attacks(cast: &Cast) -> Vec<Value> {
    let mut found = vec![];
    let good = cast.challenge();
    let other_camera = CameraId::of_key(cast.other_identity.point().bytes());
    let encode = |camera: &CameraId, operational: &Operational, number| {
        challenge::encode(camera, operational, number, &cast.random).expect("signed")
    };
    let theirs = cast.certified(&cast.other_identity, GENERATION, &cast.other_signing, &cast.other_dh);
    let mixed =
        [&cast.challenge()[..162], cast.identity.point().bytes(), &encode(&other_camera, &theirs, NUMBER)[227..]]
            .concat();
    let renamed = encode(&cast.camera(), &theirs, NUMBER);
    let own_keys = [&renamed[..162], &good[162..291], &renamed[291..]].concat();
    let old = cast.certified(&cast.identity, GENERATION - 1, &cast.signing, &cast.dh);
    let mut challenge = |name: &str, envelope: Vec<u8>, reason: &str| {
        found.push(json!({"name": name, "on": "challenge", "before": [b64(&good)], "envelope": b64(&envelope), "reason": reason}));
    };
    challenge("a challenge, one byte short", cut(&good, 378), "length");
    challenge("a challenge, one byte long", [&good[..], &[0]].concat(), "length");
    challenge("a challenge of version 2", with(&good, 3, |_| 2), "version");
    challenge("a challenge of another suite", with(&good, 5, |_| 2), "suite");
    challenge("a status in the place of a challenge", with(&good, 4, |_| 0x21), "kind");
    challenge("another camera's challenge", encode(&other_camera, &theirs, NUMBER), "camera");
    challenge("another camera's challenge under this one's id", renamed.clone(), "camera");
    challenge("another camera's keys beside this one's identity", mixed, "signature");
    challenge(
        "keys that the identity key did not sign",
        signed(&own_keys, &cast.other_signing, Purpose::Challenge, b""),
        "signature",
    );
    challenge("an altered challenge", with(&good, 300, |b| b ^ 1), "signature");
    challenge("a higher number, unsigned", put(&good, 291, &9u64.to_be_bytes()), "signature");
    challenge("a higher generation, unsigned", put(&good, 24, &(GENERATION + 9).to_be_bytes()), "signature");
    challenge("signed for another purpose", signed(&good, &cast.signing, Purpose::Broadcast, b""), "signature");
    challenge("a lower number", encode(&cast.camera(), &cast.operational(), NUMBER - 1), "stale");
    challenge("a generation of before", encode(&cast.camera(), &old, 1000), "stale");

    let (open, mut asked) = cast.ask(Kind::Open, &cast.viewer, 1, HELLO);
    let (again, _) = cast.ask(Kind::Open, &cast.viewer, 1, BYE);
    let (other, _) = cast.ask(Kind::Open, &cast.viewer, 9, HELLO);
    let t = sha256(&[&open]);
    let exchange = cast.accept(&open).0;
    let [first, next, third] = [WELCOME, BYE, BYE].map(|plain| exchange.seal(plain).expect("sealed"));
    let others = cast.accept(&other).0.seal(WELCOME).expect("sealed");
    let spliced = cast.accept(&again).0.seal(WELCOME).expect("sealed");
    let more = asked.more(BYE).expect("sealed");
    let response = |bytes: &[u8], key| signed(bytes, key, Purpose::Response, &t);
    let refusal = cast.refusal(1, 0, &cast.signing);
    let to_other = put(&refusal, 40, &[9; 16]);
    let mut said = |name: &str, before: &[&[u8]], envelope: Vec<u8>, reason: &str| {
        let before: Vec<_> = before.iter().map(|b| b64(b)).collect();
        found.push(json!({"name": name, "on": "res", "asked": b64(&open), "before": before, "envelope": b64(&envelope), "reason": reason}));
    };
    said("a response, cut short", &[], cut(&first, 200), "length");
    said("a response of version 2", &[], with(&first, 3, |_| 2), "version");
    said("a response of another suite", &[], with(&first, 5, |_| 2), "suite");
    said("a response of another camera", &[], put(&first, 8, &other_camera.bytes()), "camera");
    said("its own request, sent back", &[], open.clone(), "kind");
    said("a response to another request", &[], others.clone(), "exchange");
    said("a response to another request, renamed", &[], put(&others, 40, &[1; 16]), "signature");
    said("a response to another viewer", &[], put(&first, 24, &[7; 16]), "exchange");
    said("a response to another request of the same nonce", &[], spliced.clone(), "signature");
    said(
        "a response to another request of the same nonce, signed anew",
        &[],
        response(&spliced, &cast.signing),
        "sealed",
    );
    said("a response by somebody else", &[], response(&first, &cast.other_signing), "signature");
    said("a response by the identity key", &[], response(&first, &cast.identity), "signature");
    said(
        "a response signed for another purpose",
        &[],
        signed(&first, &cast.signing, Purpose::Refusal, &t),
        "signature",
    );
    said(
        "a response signed without its request",
        &[],
        signed(&first, &cast.signing, Purpose::Response, b""),
        "signature",
    );
    said("an altered response", &[], with(&first, 125, |b| b ^ 1), "signature");
    said("an altered response, signed", &[], response(&with(&first, 125, |b| b ^ 1), &cast.signing), "sealed");
    let swapped = put(&first, 56, cast.other_dh.point().bytes());
    said("a response with another key", &[], swapped.clone(), "signature");
    said("a response with another key, signed", &[], response(&swapped, &cast.signing), "sealed");
    said(
        "a response with a key off the curve, signed",
        &[],
        response(&with(&first, 100, |b| b ^ 1), &cast.signing),
        "sealed",
    );
    said("a response twice", &[&first], first.clone(), "exchange");
    said("next before first", &[], next.clone(), "exchange");
    said("next twice", &[&first, &next], next.clone(), "replay");
    said("next, late", &[&first, &third], next.clone(), "replay");
    said("next with another number", &[&first], put(&next, 56, &9u64.to_be_bytes()), "sealed");
    said("next, altered", &[&first], with(&next, 66, |b| b ^ 1), "sealed");
    said("next of another exchange", &[&first], put(&next, 40, &[9; 16]), "exchange");
    said("its own more, sent back", &[&first], more.clone(), "kind");
    said("its own more, as next", &[&first], with(&more, 4, |_| 0x12), "sealed");
    said("a refusal by somebody else", &[], cast.refusal(1, 0, &cast.other_signing), "signature");
    said("a refusal with another reason", &[], with(&refusal, 56, |_| 5), "signature");
    said("a refusal of another request", &[], signed(&to_other, &cast.signing, Purpose::Refusal, b""), "exchange");
    said(
        "a refusal of another request, renamed",
        &[],
        put(&signed(&to_other, &cast.signing, Purpose::Refusal, b""), 40, &[1; 16]),
        "signature",
    );
    said("a refusal that is not zero where it should be", &[], cast.refusal(1, 1, &cast.signing), "version");
    said("a refusal without a reason", &[], cast.refusal(0, 0, &cast.signing), "version");
    said("a refusal, one byte long", &[], [&refusal[..], &[0]].concat(), "length");

    let mut broadcast = Broadcast::new(cast.camera(), boot(), broadcast_key());
    let [one, two] = [(); 2].map(|()| broadcast.seal(&cast.operational(), STATUS).expect("sealed"));
    broadcast.renew(BroadcastKey::from_bytes([0x55; 32]));
    let renewed = broadcast.seal(&cast.operational(), STATUS).expect("sealed");
    let by = |signing: &SigningKey, generation| {
        let operational = cast.certified(&cast.identity, generation, signing, &cast.dh);
        Broadcast::new(cast.camera(), boot(), broadcast_key()).seal(&operational, STATUS).expect("sealed")
    };
    let insider = signed(&with(&two, 70, |b| b ^ 1), &cast.signing, Purpose::Broadcast, b"");
    let mut status = |name: &str, before: &[&[u8]], envelope: Vec<u8>, reason: &str| {
        let before: Vec<_> = before.iter().map(|b| b64(b)).collect();
        found.push(
            json!({"name": name, "on": "status", "before": before, "envelope": b64(&envelope), "reason": reason}),
        );
    };
    status("a status, cut short", &[], cut(&one, 143), "length");
    status("a status in the clear", &[], STATUS.repeat(3), "version");
    status("a status of another camera", &[], put(&one, 8, &other_camera.bytes()), "camera");
    status("a status by one who knows the key", &[], by(&cast.viewer, GENERATION), "signature");
    status("a status of other operational keys", &[], by(&cast.other_signing, GENERATION + 1), "stale");
    status("an altered status", &[], with(&one, 70, |b| b ^ 1), "signature");
    status("an altered status, signed", &[], insider, "sealed");
    status("a status with a higher number", &[], put(&one, 48, &9u64.to_be_bytes()), "signature");
    status("a status of before", &[&two], one, "replay");
    status("a status under another key", &[&two], renewed, "sealed");
    found
}

//! What is done to the camera.

use super::messages::pairing;
use super::*;

/// What is done to the camera: envelopes on `req`.
pub(super) fn attacks(cast: &Cast, secret: &Secret) -> Vec<Value> {
    let (open, mut asked) = cast.ask(Kind::Open, &cast.viewer, 1, HELLO);
    let (same_nonce, _) = cast.ask(Kind::Open, &cast.viewer, 1, BYE);
    let (other, mut other_asked) = cast.ask(Kind::Open, &cast.viewer, 9, BYE);
    let (impostor, _) = cast.ask(Kind::Open, &cast.guest, 1, HELLO);
    let pairs: Vec<_> = (20..25).map(|n| cast.ask(Kind::Pair, &cast.guest, n, &pairing(secret, None)).0).collect();
    let (more, second) = (asked.more(BYE).expect("sealed"), asked.more(BYE).expect("sealed"));
    let other_more = other_asked.more(BYE).expect("sealed");
    let exchange = cast.accept(&open).0;
    let (first, next) = (exchange.seal(WELCOME).expect("sealed"), exchange.seal(BYE).expect("sealed"));
    let me = ViewerId::of_key(cast.viewer.point().bytes()).bytes();
    let end = open.len() - 64;
    let request = |bytes: &[u8]| signed(bytes, &cast.viewer, Purpose::Request, b"");
    let elsewhere = CameraId::of_key(cast.other_identity.point().bytes()).bytes();
    let spliced = [&open[..137], &other[137..]].concat();
    let wrong_dh = {
        let taken = Challenge { dh: cast.other_dh.point(), ..cast.taken() };
        let asked = cast.asker(&cast.viewer).ask(Kind::Open, &taken, [1; 16], dh(&cast.ephemeral_viewer), HELLO);
        asked.expect("sealed").0
    };
    let mut found = vec![];
    let mut add = |name: &str, viewer: &str, before: &[&[u8]], envelope: Vec<u8>, reason: &str| {
        let before: Vec<_> = before.iter().map(|b| b64(b)).collect();
        found.push(
            json!({"name": name, "viewer": viewer, "before": before, "envelope": b64(&envelope), "reason": reason}),
        );
    };
    add("nothing", "known", &[], vec![], "length");
    add("JSON", "known", &[], HELLO.repeat(8), "version");
    add("one byte less than any open", "known", &[], cut(&open, 216), "length");
    add("one byte more than any message", "known", &[], [&open[..], &vec![0; 16_385 - open.len()]].concat(), "length");
    add("another magic", "known", &[], with(&open, 0, |b| b ^ 0x20), "version");
    add("version 0", "known", &[], with(&open, 3, |_| 0), "version");
    add("version 2", "known", &[], with(&open, 3, |_| 2), "version");
    add("suite 0", "known", &[], with(&open, 5, |_| 0), "suite");
    add("suite 2", "known", &[], with(&open, 5, |_| 2), "suite");
    add("what should be zero is not", "known", &[], with(&open, 7, |_| 1), "version");
    add("an unknown kind", "known", &[], with(&open, 4, |_| 9), "kind");
    add("a camera's response, sent back", "known", &[&open], first, "kind");
    add("a camera's next, sent back", "known", &[&open], next.clone(), "kind");
    add("a challenge", "known", &[], cast.challenge(), "kind");
    add("for another camera", "known", &[], put(&open, 8, &elsewhere), "camera");
    add("for another camera, signed", "known", &[], request(&put(&open, 8, &elsewhere)), "camera");
    add("a challenge that never was", "known", &[], request(&put(&open, 24, &[5; 16])), "stale");
    add("a challenge of long ago", "long ago", &[], open.clone(), "stale");
    add("a viewer that is not known", "unknown", &[], open.clone(), "not_paired");
    add("a viewer that was revoked", "revoked", &[], open.clone(), "revoked");
    add("a viewer whose access has ended", "ended", &[], open.clone(), "expired");
    add("a viewer with an end, and no clock", "no clock", &[], open.clone(), "clock");
    add("the same again", "known", &[&open], open.clone(), "replay");
    add("another request with the same nonce", "known", &[&open], same_nonce, "replay");
    add("an altered signature", "known", &[], with(&open, open.len() - 1, |b| b ^ 1), "signature");
    add("no signature", "known", &[], put(&open, end, &[0; 64]), "signature");
    add("signed by another", "known", &[], put(&impostor, 40, &me), "signature");
    let forged = signed(&open, &cast.guest, Purpose::Request, b"");
    add("in another's name, signed anew", "known", &[], forged, "signature");
    let forged = signed(&open, &cast.viewer, Purpose::Pair, b"");
    add("signed for another purpose", "known", &[], forged, "signature");
    add("another nonce", "known", &[], with(&open, 56, |b| b ^ 1), "signature");
    let forged = put(&open, 72, cast.other_dh.point().bytes());
    add("another ephemeral key", "known", &[], forged.clone(), "signature");
    add("another ephemeral key, signed", "known", &[], request(&forged), "sealed");
    add("the request of another envelope", "known", &[], spliced.clone(), "signature");
    add("the request of another envelope, signed", "known", &[], request(&spliced), "sealed");
    add("an altered request", "known", &[], with(&open, 140, |b| b ^ 1), "signature");
    add("an altered request, signed", "known", &[], request(&with(&open, 140, |b| b ^ 1)), "sealed");
    add("a key off the curve, signed", "known", &[], request(&with(&open, 100, |b| b ^ 1)), "sealed");
    add("the point at infinity, signed", "known", &[], request(&put(&open, 72, &[0; 65])), "sealed");
    add("encrypted to another camera's key, signed", "known", &[], wrong_dh, "sealed");
    add("more of nothing", "known", &[], more.clone(), "exchange");
    add("more of another's exchange", "known", &[&open], put(&more, 24, &elsewhere), "exchange");
    add("more twice", "known", &[&open, &more], more.clone(), "replay");
    add("more, late", "known", &[&open, &second], more.clone(), "replay");
    add("more numbered 0", "known", &[&open], put(&more, 56, &[0; 8]), "replay");
    add("more with another number", "known", &[&open], put(&more, 56, &9u64.to_be_bytes()), "sealed");
    add("more, altered", "known", &[&open], with(&more, 66, |b| b ^ 1), "sealed");
    add("more of another exchange", "known", &[&open], put(&other_more, 40, &[1; 16]), "sealed");
    add("what the camera said, as more", "known", &[&open], with(&next, 4, |_| 2), "sealed");
    add("more, one byte short", "known", &[&open], cut(&more, 79), "length");
    let four: Vec<_> = pairs[..4].iter().map(Vec::as_slice).collect();
    add("pairing, a fifth time in a second", "unknown", &four, pairs[4].clone(), "busy");
    add("pairing, twice", "unknown", &[&pairs[0]], pairs[0].clone(), "replay");
    add("pairing, too long", "unknown", &[], [&pairs[0][..], &vec![0; 2_049 - pairs[0].len()]].concat(), "length");
    add("pairing, a challenge that never was", "unknown", &[], put(&pairs[0], 24, &[5; 16]), "stale");
    let stolen = put(&pairs[0], 40, cast.viewer.point().bytes());
    add("pairing, with another's key", "unknown", &[], stolen, "signature");
    add("pairing, a key off the curve", "unknown", &[], with(&pairs[0], 60, |b| b ^ 1), "signature");
    add(
        "pairing, signed as a request",
        "unknown",
        &[],
        signed(&pairs[0], &cast.guest, Purpose::Request, b""),
        "signature",
    );
    let altered = signed(&with(&pairs[0], 190, |b| b ^ 1), &cast.guest, Purpose::Pair, b"");
    add("pairing, altered and signed", "unknown", &[], altered, "sealed");
    found
}

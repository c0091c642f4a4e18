//! Grants.

use super::*;

/// Grants, good and bad, as the camera judges them.
pub(super) fn all(cast: &Cast) -> Vec<Value> {
    let secret = Secret::random().expect("random");
    let sign = |key: &SigningKey, camera, role, before, ends: Option<u64>| {
        Grant::sign(key, camera, role, &secret, UnixSeconds(before), ends.map(UnixSeconds)).expect("signed")
    };
    let here = cast.camera();
    let good = sign(&cast.viewer, here, Role::View, WALL + 3600, None);
    let text = |bytes: &[u8]| b64(bytes);
    let case = |name: &str, giver: &str, wall: Option<u64>, grant: String, result: &str| json!({"name": name, "giver": giver, "wall": wall, "secret": &*secret.text(), "grant": grant, "result": result});
    let elsewhere = CameraId::of_key(cast.other_identity.point().bytes());
    let now = Some(WALL);
    let owner = sign(&cast.viewer, here, Role::Owner, WALL + 3600, None);
    let mut cases = vec![
        case("good", "owner", now, good.text(), "view"),
        case("good, of an admin", "admin", now, good.text(), "view"),
        case(
            "an admin's, of an owner",
            "owner",
            now,
            sign(&cast.viewer, here, Role::Admin, WALL + 1, Some(WALL + 2)).text(),
            "admin",
        ),
        case(
            "an admin's, of an admin",
            "admin",
            now,
            sign(&cast.viewer, here, Role::Admin, WALL + 1, None).text(),
            "grant_invalid",
        ),
        case("of one who may talk", "talk", now, good.text(), "grant_invalid"),
        case("of nobody", "nobody", now, good.text(), "grant_invalid"),
        case("of one who was revoked", "revoked", now, good.text(), "grant_invalid"),
        case("of one whose access has ended", "ended", now, good.text(), "grant_invalid"),
        case("an owner's", "owner", now, owner.text(), "grant_invalid"),
        case("an owner's role put in", "owner", now, text(&with(good.bytes(), 4, |_| 4)), "grant_invalid"),
        case("an admin's role put in", "owner", now, text(&with(good.bytes(), 4, |_| 3)), "grant_invalid"),
        case(
            "for another camera",
            "owner",
            now,
            sign(&cast.viewer, elsewhere, Role::View, WALL + 3600, None).text(),
            "grant_invalid",
        ),
        case("of another version", "owner", now, text(&with(good.bytes(), 3, |_| 2)), "grant_invalid"),
        case("not zero where it should be", "owner", now, text(&with(good.bytes(), 6, |_| 1)), "grant_invalid"),
        case("a later time put in", "owner", now, text(&with(good.bytes(), 79, |b| b ^ 0x80)), "grant_invalid"),
        case(
            "signed by another in the giver's name",
            "owner",
            now,
            text(&{
                let forged = sign(&cast.guest, here, Role::View, WALL + 3600, None);
                put(forged.bytes(), 24, &good.bytes()[24..40])
            }),
            "grant_invalid",
        ),
        case("cut short", "owner", now, text(&good.bytes()[..151]), "grant_invalid"),
        case("not base64url", "owner", now, "a+b/".into(), "grant_invalid"),
        case("too late", "owner", Some(WALL + 3600), good.text(), "grant_expired"),
        case(
            "for access that is over",
            "owner",
            now,
            sign(&cast.viewer, here, Role::View, WALL + 1, Some(WALL)).text(),
            "grant_expired",
        ),
        case("without a clock", "owner", None, good.text(), "clock"),
    ];
    let wrong = Secret::random().expect("random");
    cases.push(json!({"name": "with another secret", "giver": "owner", "wall": WALL, "secret": &*wrong.text(), "grant": good.text(), "result": "pairing_wrong"}));
    cases
}

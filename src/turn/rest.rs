//! Credentials that end by themselves, from a secret shared with the TURN server. Pure.

use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::Login;
use crate::config::Secret;

/// A login that is good until `expires` (Unix seconds): user `<expires>:<name>`, password
/// base64(HMAC-SHA1(secret, user)); draft-uberti-behave-turn-rest-00, section 2.2, and coturn's `use-auth-secret`.
pub(super) fn login(secret: &Secret, name: &str, expires: u64) -> Login {
    let user = format!("{expires}:{name}");
    // HMAC takes keys of any length, so there is a code in any case.
    let code = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).map(|mut mac| {
        mac.update(user.as_bytes());
        mac.finalize().into_bytes()
    });
    let password = Secret::new(code.map(|code| BASE64.encode(&code)).unwrap_or_default());
    Login { user, password }
}

/// When a user name of this form ends, in Unix seconds.
pub(super) fn expires(user: &str) -> Option<u64> {
    let (seconds, _) = user.split_once(':').unwrap_or((user, ""));
    // Ten digits: from 2001 to 2286. Other numbers are names.
    (seconds.len() == 10 && seconds.bytes().all(|b| b.is_ascii_digit())).then(|| seconds.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_openssl_makes_it() {
        // printf %s 1763870400:viewer | openssl dgst -sha1 -hmac geheim -binary | base64
        let login = login(&Secret::new("geheim"), "viewer", 1_763_870_400);
        assert_eq!(login.user, "1763870400:viewer");
        assert_eq!(login.password.expose(), "SI+N279N4gYmUJRAGJQeG30n+AY=");
        assert_eq!(expires(&login.user), Some(1_763_870_400));
    }

    #[test]
    fn names_are_no_times() {
        for user in ["", "viewer", "12:x", "17638704001:x", "+763870400:x"] {
            assert_eq!(expires(user), None, "{user}");
        }
        assert_eq!(expires("1763870400"), Some(1_763_870_400));
    }
}

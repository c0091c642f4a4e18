//! What a stranger shows to be paired: bytes as a grant, then JSON as the rest of `pair`. Nobody comes in.
#![no_main]

use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzz_target;
use lunette::trust::key::SigningKey;
use lunette::trust::{Asking, CameraId, Grant, Role, Roll, Secret, UnixSeconds};

fuzz_target!(|data: &[u8]| {
    if let Ok(grant) = Grant::from_bytes(data) {
        assert_eq!(grant.text().parse().as_ref(), Ok(&grant));
        assert_ne!(grant.terms().role, Role::Owner);
    }
    let key = |d: u8| SigningKey::from_scalar(&[d; 32]).expect("a key").point();
    let (mut roll, now, camera) = (Roll::default(), Instant::now(), CameraId::from_bytes([1; 16]));
    let secret = Secret::from_bytes([2; 16]);
    roll.open_window(&secret, Role::Owner, now);
    let asking = Asking { secret: secret.clone(), label: String::new(), grant: None };
    roll.pair(&camera, &key(3), &asking, now, None).expect("paired");
    let wall = Some(UnixSeconds(2_000_000_000));
    let asking = serde_json::from_slice(data)
        .unwrap_or(Asking { secret, label: String::new(), grant: Some(BASE64URL_NOPAD.encode(data)) });
    assert!(roll.pair(&camera, &key(4), &asking, now, wall).is_err());
});

use super::*;

#[test]
fn a_key_is_read_as_it_was_written() {
    let key = SigningKey::generate().expect("a key");
    let der = key.to_pkcs8();
    let read = SigningKey::from_pkcs8(&der).expect("its own form");
    assert_eq!((read.point(), read.scalar()), (key.point(), key.scalar()));
    let theirs = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new());
    assert!(theirs.is_ok(), "ring reads it too");
}

/// Written by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkcs8 -topk8 -nocrypt -outform DER`.
#[test]
fn what_openssl_writes_is_read() {
    let der = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b020101042091ba02f5ad6a39581749c1a71aa7\
28ae6e9544b89689271d7e3190328e8eda96a144034200048d25f0fb72f8917e33e78ae3e58eb87581b85953db4e1713cc3d\
3e9e9cc7f4eae7f639a8fe066b4bfba4fb958e50a9afb80ca940a72375723483b0b59282c577";
    let der = data_encoding::HEXLOWER.decode(der.as_bytes()).expect("hex");
    let key = SigningKey::from_pkcs8(&der).expect("a key");
    let signature = key.sign(Purpose::Grant, &[b"x"]).expect("signed");
    assert!(key.point().verify(Purpose::Grant, &[b"x"], &signature));
}

#[test]
fn a_damaged_key_is_refused() {
    let der = SigningKey::generate().expect("a key").to_pkcs8();
    for i in 0..der.len() {
        let mut bad = der.clone();
        bad[i] ^= 1;
        assert!(SigningKey::from_pkcs8(&bad).is_err(), "byte {i}");
        assert!(SigningKey::from_pkcs8(&der[..i]).is_err(), "{i} bytes");
    }
    assert!(SigningKey::from_scalar(&[0; 32]).is_err());
    assert!(SigningKey::from_scalar(&[0xff; 32]).is_err());
}

#[test]
fn a_signature_is_for_one_purpose_and_one_text() {
    let key = SigningKey::generate().expect("a key");
    let signature = key.sign(Purpose::Request, &[b"a", b"bc"]).expect("signed");
    assert!(key.point().verify(Purpose::Request, &[b"ab", b"c"], &signature));
    assert!(!key.point().verify(Purpose::Pair, &[b"abc"], &signature), "another purpose");
    assert!(!key.point().verify(Purpose::Request, &[b"abd"], &signature), "another text");
    let other = SigningKey::generate().expect("a key");
    assert!(!other.point().verify(Purpose::Request, &[b"abc"], &signature), "another key");
    let mut off = *key.point().bytes();
    off[64] ^= 1;
    assert!(!Point::from_bytes(&off).expect("65 bytes").verify(Purpose::Request, &[b"abc"], &signature));
}

#[test]
fn both_sides_agree_and_a_point_off_the_curve_is_refused() {
    let (a, b) = (DhKey::generate().expect("a key"), DhKey::generate().expect("a key"));
    assert_eq!(a.agree(&b.point()), b.agree(&a.point()));
    let mut off = *b.point().bytes();
    off[40] ^= 1;
    assert_eq!(a.agree(&Point::from_bytes(&off).expect("65 bytes")), Err(KeyError::Point));
    let mut origin = [0; POINT];
    origin[0] = 4;
    assert_eq!(a.agree(&Point::from_bytes(&origin).expect("65 bytes")), Err(KeyError::Point));
}

/// NIST CAVS 14.1, ECC CDH, P-256, COUNT = 0.
#[test]
fn agreement_is_that_of_the_standard() {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex");
    let d = hex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
    let theirs = hex("04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287\
db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac");
    let shared = hex("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
    let key = DhKey::from_scalar(&d.try_into().expect("32 bytes")).expect("a key");
    let agreed = key.agree(&Point::from_bytes(&theirs).expect("65 bytes")).expect("on the curve");
    assert_eq!(agreed[..], shared[..]);
}

#[test]
fn debug_shows_no_secret() {
    let key = SigningKey::generate().expect("a key");
    let shown = format!("{key:?} {:?}", IdentityKey::new(SigningKey::from_scalar(key.scalar()).expect("a key")));
    assert!(shown.len() < 80, "{shown}");
}

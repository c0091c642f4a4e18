//! What can be seen of a datagram without keys: is it STUN (RFC 8489), and whose? Pure; nothing here is trusted further
//! than to find the connection that will check it.

/// Identifies a request and its response (RFC 8489, section 5).
pub(super) type Transaction = [u8; 12];

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const ERROR_CODE: u16 = 0x0009;
const USE_CANDIDATE: u16 = 0x0025;
/// Attributes that are looked at before giving up.
const ATTRIBUTES: usize = 32;

/// A datagram by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A connectivity check: of whom (the part of USERNAME before the colon, RFC 8445, section 7.2.2).
    Check(&'a str),
    /// A request of another kind, or without a name.
    Request(Transaction),
    /// A response, and its error code if it is one.
    Response(Transaction, Option<u16>),
    /// Anything else: DTLS, RTP, RTCP, ChannelData, an indication.
    Other,
}

/// Looks at a datagram.
pub(super) fn look(datagram: &[u8]) -> Kind<'_> {
    let Some((typ, transaction)) = header(datagram) else { return Kind::Other };
    // The class is in the bits 4 and 8 of the type (RFC 8489, section 5).
    match (typ & 0x0110, typ & 0x3eef) {
        (0x0000, 1) => match attribute(datagram, USERNAME).and_then(ufrag) {
            Some(ufrag) => Kind::Check(ufrag),
            None => Kind::Request(transaction),
        },
        (0x0000, _) => Kind::Request(transaction),
        (0x0100, _) => Kind::Response(transaction, None),
        (0x0110, _) => Kind::Response(transaction, Some(error_code(datagram))),
        _ => Kind::Other,
    }
}

/// The transaction of a request that we send.
pub(super) fn request(datagram: &[u8]) -> Option<Transaction> {
    header(datagram).filter(|(typ, _)| typ & 0x0110 == 0).map(|(_, transaction)| transaction)
}

/// The transaction of a connectivity check, and whether it nominates its way (RFC 8445, section 7.1.2).
pub(super) fn check(datagram: &[u8]) -> Option<(Transaction, bool)> {
    let (_, transaction) = header(datagram).filter(|(typ, _)| *typ == 0x0001)?;
    Some((transaction, attribute(datagram, USE_CANDIDATE).is_some()))
}

/// The transaction of a check that is answered with success.
pub(super) fn answer(datagram: &[u8]) -> Option<Transaction> {
    header(datagram).filter(|(typ, _)| *typ == 0x0101).map(|(_, transaction)| transaction)
}

fn header(datagram: &[u8]) -> Option<(u16, Transaction)> {
    let (typ, length) = (word(datagram, 0)?, usize::from(word(datagram, 2)?));
    let fits = datagram.len() == HEADER + length && typ < 0x4000 && datagram.get(4..8)? == COOKIE;
    Some((typ, datagram.get(8..HEADER)?.try_into().ok()?)).filter(|_| fits)
}

fn attribute(datagram: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut at = HEADER;
    for _ in 0..ATTRIBUTES {
        let (typ, length) = (word(datagram, at)?, usize::from(word(datagram, at + 2)?));
        if typ == wanted {
            return datagram.get(at + 4..at + 4 + length);
        }
        at += 4 + length.next_multiple_of(4);
    }
    None
}

/// 300 to 699; 0: unreadable.
fn error_code(datagram: &[u8]) -> u16 {
    match attribute(datagram, ERROR_CODE) {
        Some([_, _, class, number, ..]) => u16::from(class & 7) * 100 + u16::from(*number),
        _ => 0,
    }
}

fn ufrag(name: &[u8]) -> Option<&str> {
    let (ufrag, _) = std::str::from_utf8(name).ok()?.split_once(':')?;
    // RFC 8839, section 5.4.
    Some(ufrag).filter(|ufrag| (4..=256).contains(&ufrag.len()))
}

fn word(datagram: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(datagram.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with one attribute.
    pub(in super::super) fn message(typ: u16, transaction: Transaction, attribute: u16, value: &[u8]) -> Vec<u8> {
        let mut message = typ.to_be_bytes().to_vec();
        let padded = value.len().next_multiple_of(4);
        message.extend(((4 + padded) as u16).to_be_bytes());
        message.extend(COOKIE);
        message.extend(transaction);
        message.extend(attribute.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(value);
        message.resize(HEADER + 4 + padded, 0);
        message
    }

    #[test]
    fn kinds_are_told_apart() {
        let id = [7; 12];
        let cases = [
            (message(0x0001, id, USERNAME, b"camera:viewer"), Kind::Check("camera")),
            (message(0x0001, id, USERNAME, b"nocolon"), Kind::Request(id)),
            (message(0x0001, id, 0x8022, b"software"), Kind::Request(id)),
            (message(0x0003, id, USERNAME, b"camera:viewer"), Kind::Request(id)),
            (message(0x0101, id, 0x0020, &[0; 8]), Kind::Response(id, None)),
            (message(0x0111, id, ERROR_CODE, &[0, 0, 4, 1]), Kind::Response(id, Some(401))),
            (message(0x0113, id, 0x8022, b"x"), Kind::Response(id, Some(0))),
            (message(0x0017, id, 0x0013, b"data"), Kind::Other),
            (vec![128, 96, 0, 1], Kind::Other),
            (vec![], Kind::Other),
            (message(0x0001, id, USERNAME, b"camera:viewer")[..30].to_vec(), Kind::Other),
        ];
        for (datagram, kind) in cases {
            assert_eq!(look(&datagram), kind, "{datagram:?}");
        }
        assert_eq!(request(&message(0x0001, id, USERNAME, b"a:b")), Some(id));
        assert_eq!(request(&message(0x0101, id, USERNAME, b"a:b")), None);
        assert_eq!(check(&message(0x0001, id, USE_CANDIDATE, b"")), Some((id, true)));
        assert_eq!(check(&message(0x0001, id, USERNAME, b"a:b")), Some((id, false)));
        assert_eq!(answer(&message(0x0101, id, USERNAME, b"a:b")), Some(id));
    }

    proptest! {
        #[test]
        fn junk_is_looked_at_calmly(mut junk in prop::collection::vec(any::<u8>(), 0..200), like_stun in any::<bool>()) {
            if like_stun && junk.len() >= HEADER {
                let length = (junk.len() - HEADER) as u16;
                junk[0] &= 0x3f;
                junk[2..4].copy_from_slice(&length.to_be_bytes());
                junk[4..8].copy_from_slice(&COOKIE);
            }
            let _ = (look(&junk), request(&junk), check(&junk), answer(&junk));
        }
    }
}

//! STUN messages as far as asking a server needs them (RFC 8489, RFC 8656). Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

/// Method and class in one (RFC 8489, section 5; RFC 8656, section 17).
pub(super) const BINDING: u16 = 0x0001;
pub(super) const ALLOCATE: u16 = 0x0003;
pub(super) const REFRESH: u16 = 0x0004;
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;

const COOKIE: u32 = 0x2112_a442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const LIFETIME: u16 = 0x000d;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const MAPPED_ADDRESS: u16 = 0x0001;

/// A transaction's number.
pub(super) type Id = [u8; 12];

/// A long-term credential (RFC 8489, section 9.2), for the realm and with the nonce that the server named.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
}

/// A request. `lifetime`: of an allocation, in seconds; 0 frees it.
pub(super) fn request(method: u16, id: &Id, lifetime: Option<u32>, key: Option<&Key>) -> Vec<u8> {
    let mut message = method.to_be_bytes().to_vec();
    message.extend([0, 0]);
    message.extend(COOKIE.to_be_bytes());
    message.extend(id);
    if method == ALLOCATE {
        // UDP, the only one there is.
        put(&mut message, REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    }
    if let Some(seconds) = lifetime {
        put(&mut message, LIFETIME, &seconds.to_be_bytes());
    }
    if let Some(Key { user, password, realm, nonce }) = key {
        put(&mut message, USERNAME, user.as_bytes());
        put(&mut message, REALM, realm);
        put(&mut message, NONCE, nonce);
        // The length counts the integrity itself (RFC 8489, section 14.5).
        set_length(&mut message, 24);
        let secret = Md5::digest([user.as_bytes(), b":", realm, b":", password.as_bytes()].concat());
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&secret) {
            mac.update(&message);
            let code = mac.finalize().into_bytes();
            put(&mut message, MESSAGE_INTEGRITY, &code);
        }
    }
    set_length(&mut message, 0);
    message
}

fn set_length(message: &mut [u8], more: usize) {
    let length = (message.len() + more).saturating_sub(20) as u16;
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn put(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// A server's answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0: a success. Else the error (RFC 8489, section 14.8).
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    /// How the server sees us.
    pub(super) mapped: Option<SocketAddr>,
    /// The relay's address.
    pub(super) relayed: Option<SocketAddr>,
}

/// Reads the answer to a request; `None`: it is something else.
pub(super) fn answer(message: &[u8], method: u16, id: &Id) -> Option<Answer> {
    let word = |at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
    let kind = word(0)?;
    let body = message.get(20..)?;
    if (kind != method | SUCCESS && kind != method | ERROR)
        || message.get(4..8)? != COOKIE.to_be_bytes()
        || message.get(8..20)? != id
        || usize::from(word(2)?) != body.len()
    {
        return None;
    }
    let mut answer = Answer::default();
    let mut rest = body;
    while let Some((&[a, b, c, d], tail)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([c, d]));
        let value = tail.get(..length)?;
        match u16::from_be_bytes([a, b]) {
            ERROR_CODE => {
                let [_, _, class, number, reason @ ..] = value else { return None };
                answer.code = u16::from(class & 7) * 100 + u16::from(*number);
                answer.reason = String::from_utf8_lossy(reason).chars().filter(|c| !c.is_control()).take(64).collect();
            }
            REALM => answer.realm = value.to_vec(),
            NONCE => answer.nonce = value.to_vec(),
            XOR_MAPPED_ADDRESS => answer.mapped = address(value, Some(id)),
            MAPPED_ADDRESS => answer.mapped = answer.mapped.or(address(value, None)),
            XOR_RELAYED_ADDRESS => answer.relayed = address(value, Some(id)),
            _ => {}
        }
        rest = tail.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    // An error without a code is none that could be told from success.
    (kind == method | SUCCESS || answer.code != 0).then_some(answer)
}

/// An address, masked by the transaction (RFC 8489, section 14.2) or plain.
fn address(value: &[u8], id: Option<&Id>) -> Option<SocketAddr> {
    let mut mask = [0; 16];
    if let Some(id) = id {
        mask[..4].copy_from_slice(&COOKIE.to_be_bytes());
        mask[4..].copy_from_slice(id);
    }
    let (&[_, family, high, low], bytes) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
    let plain: Vec<u8> = bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip: IpAddr = match family {
        1 => Ipv4Addr::from(*plain.first_chunk::<4>()?).into(),
        2 => Ipv6Addr::from(*plain.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some((ip, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read() {
        let id: Id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        // RFC 5769, section 2.2, without what stands behind the address.
        let mut response = vec![0x01, 0x01, 0x00, 0x1c, 0x21, 0x12, 0xa4, 0x42];
        response.extend(id);
        response.extend([0x80, 0x22, 0x00, 0x0b]);
        response.extend(b"test vector ");
        response.extend([0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let read = answer(&response, BINDING, &id).unwrap();
        assert_eq!(read.mapped, Some("192.0.2.1:32853".parse().unwrap()));
        assert_eq!(answer(&response, ALLOCATE, &id), None);
        assert_eq!(answer(&response, BINDING, &[0; 12]), None);
        assert_eq!(answer(&response[..40], BINDING, &id), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let id = [7; 12];
            let mut message = [&[1, 3][..], &(bytes.len() as u16).to_be_bytes(), &COOKIE.to_be_bytes(), &id].concat();
            message.extend(&bytes);
            let _ = answer(&message, ALLOCATE, &id);
            let _ = answer(&bytes, ALLOCATE, &id);
        }
    }
}

//! RTP payloads → NAL units: the other end of [`rtp`](super::rtp), for tests and fuzzing only.

use bytes::Bytes;

use super::rtp::{Burst, FU_A, STAP_A};

/// Why payloads are not what RFC 6184 says.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The NAL units in the payloads of one access unit, strictly: whatever a receiver could stumble over is an error.
pub fn depacketize(payloads: &[Bytes]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for payload in payloads {
        if payload.len() > Burst::MAX_PAYLOAD {
            return Err(Malformed("too large"));
        }
        let Some((header, rest)) = payload.split_first() else { return Err(Malformed("empty")) };
        match (header & 0x1f, rest) {
            (FU_A, [fu, fragment @ ..]) => {
                let (start, end) = (fu & 0x80 != 0, fu & 0x40 != 0);
                if start == open || start && end || fu & 0x20 != 0 || fragment.is_empty() {
                    return Err(Malformed("fragment out of order"));
                }
                open = !end;
                if start {
                    units.push(vec![header & 0xe0 | fu & 0x1f]);
                }
                units.last_mut().ok_or(Malformed("fragment of nothing"))?.extend_from_slice(fragment);
            }
            _ if open => return Err(Malformed("unfinished fragments")),
            (STAP_A, mut rest) => {
                while let Some((len, tail)) = rest.split_first_chunk() {
                    let (unit, tail) = tail
                        .split_at_checked(u16::from_be_bytes(*len).into())
                        .ok_or(Malformed("aggregate cut short"))?;
                    units.push(unit.to_vec());
                    rest = tail;
                }
                if !rest.is_empty() {
                    return Err(Malformed("aggregate with a tail"));
                }
            }
            (1..=23, _) => units.push(payload.to_vec()),
            _ => return Err(Malformed("unknown type")),
        }
    }
    if open { Err(Malformed("unfinished fragments")) } else { Ok(units) }
}

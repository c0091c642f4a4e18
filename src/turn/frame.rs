//! Messages of TURN on a stream: each says how long it is (RFC 8656, sections 3.1 and 12.5; RFC 8489, section 5). Pure.

use bytes::{Bytes, BytesMut};

/// Nobody sends a longer message, so what says that it is longer is something else. All text is: two letters are a length
/// of 8224 at least.
pub const MAX_MESSAGE: usize = 8 << 10;

/// What came is neither STUN nor channel data, or too long; where the next message begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it says is not TURN")]
pub struct Garbage;

/// Finds the messages in a stream.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    /// Where the stream's bytes go. It never holds more than one message that is not whole, and what one reading gave.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(MAX_MESSAGE);
        &mut self.buffer
    }

    /// The next message, without padding; `None`: it has not come yet, not all of it.
    ///
    /// # Errors
    /// When the stream is of something else; nothing can follow.
    pub fn message(&mut self) -> Result<Option<Bytes>, Garbage> {
        let Some(&[a, b, c, d]) = self.buffer.first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([c, d]));
        let (whole, padded) = match u16::from_be_bytes([a, b]) {
            0..0x4000 if !length.is_multiple_of(4) => return Err(Garbage),
            0..0x4000 => (20 + length, 20 + length),
            // Channel numbers (RFC 8656, section 12).
            0x4000..0x5000 => (4 + length, (4 + length).next_multiple_of(4)),
            _ => return Err(Garbage),
        };
        if a < 0x40 && self.buffer.get(4..8).is_some_and(|cookie| cookie != COOKIE) {
            return Err(Garbage);
        }
        if padded > MAX_MESSAGE {
            return Err(Garbage);
        }
        if self.buffer.len() < padded {
            return Ok(None);
        }
        let mut message = self.buffer.split_to(padded);
        message.truncate(whole);
        Ok(Some(message.freeze()))
    }
}

/// In every STUN message (RFC 8489, section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Appends a message as it stands on a stream: channel data is filled up to a multiple of four. `false`: it is neither
/// STUN nor channel data of one piece, which would spoil all that follows.
pub fn put(message: &[u8], stream: &mut BytesMut) -> bool {
    let Some(&[a, _, c, d]) = message.first_chunk() else { return false };
    let length = usize::from(u16::from_be_bytes([c, d]));
    let fits = match a {
        0..0x40 => message.len() == 20 + length,
        // A datagram may come filled up already.
        0x40..0x50 => (4 + length..8 + length).contains(&message.len()),
        _ => false,
    };
    if fits {
        stream.extend_from_slice(message);
        let odd = message.len() % 4;
        stream.extend_from_slice(&[0; 3][..(4 - odd) % 4]);
    }
    fits
}

/// Whether a message is somebody's data, and not something that is asked of the server: channel data, or a Send
/// indication (RFC 8656, section 18.3).
pub fn is_data(message: &[u8]) -> bool {
    matches!(message, [0x40..0x50, ..] | [0x00, 0x16, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stun(kind: u16, body: usize) -> Vec<u8> {
        let mut message = kind.to_be_bytes().to_vec();
        message.extend((body as u16).to_be_bytes());
        message.extend(COOKIE);
        message.extend([7; 12]);
        message.extend(vec![3; body]);
        message
    }

    fn channel(length: usize) -> Vec<u8> {
        let mut message = vec![0x40, 0x01];
        message.extend((length as u16).to_be_bytes());
        message.extend(vec![9; length]);
        message
    }

    fn read(stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, Garbage> {
        let (mut deframer, mut messages) = (Deframer::default(), Vec::new());
        for piece in stream.chunks(step.max(1)) {
            deframer.buffer().extend_from_slice(piece);
            while let Some(message) = deframer.message()? {
                messages.push(message.to_vec());
            }
            assert!(deframer.buffer.len() < MAX_MESSAGE + step, "{}", deframer.buffer.len());
        }
        Ok(messages)
    }

    #[test]
    fn what_is_no_turn_is_told() {
        for junk in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-x\r\n", &[0x16, 3, 1, 2], &[0xff; 20]] {
            assert_eq!(read(junk, 1), Err(Garbage), "{junk:?}");
        }
        let mut cookie = stun(1, 4);
        cookie[5] ^= 1;
        assert_eq!(read(&cookie, 3), Err(Garbage));
        let mut stream = BytesMut::new();
        assert!(!put(&[0x80, 0x60, 0, 0, 1, 2], &mut stream) && !put(&[], &mut stream) && stream.is_empty());
        assert!(!put(&stun(1, 8)[..24], &mut stream) && stream.is_empty());
    }

    #[test]
    fn what_is_too_long_is_never_held() {
        for long in [channel(65_535), channel(MAX_MESSAGE - 3), stun(1, 65_532)] {
            for step in [4, 1000, 70_000] {
                assert_eq!(read(&long, step), Err(Garbage), "{step}");
            }
        }
        assert_eq!(read(&channel(MAX_MESSAGE - 4), 1000).unwrap().len(), 1);
    }

    #[test]
    fn data_is_told_from_requests() {
        assert!(is_data(&channel(4)) && is_data(&stun(0x0016, 0)));
        assert!(!is_data(&stun(0x0003, 0)) && !is_data(&[]));
    }

    proptest! {
        #[test]
        fn messages_come_as_they_were_put(
            messages in proptest::collection::vec((any::<bool>(), 0usize..600), 0..8), step in 1usize..50,
        ) {
            let messages: Vec<_> = messages.into_iter()
                .map(|(is_stun, n)| if is_stun { stun(0x0003, n * 4) } else { channel(n) }).collect();
            let mut stream = BytesMut::new();
            for message in &messages {
                prop_assert!(put(message, &mut stream));
            }
            prop_assert_eq!(read(&stream, step).unwrap(), messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), step in 1usize..20) {
            let _ = read(&bytes, step);
            let _ = put(&bytes, &mut BytesMut::new());
        }
    }
}

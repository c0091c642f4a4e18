//! Reading bits and Exp-Golomb codes (ITU-T H.264, 7.2 and 9.1).

/// What is wrong with a string of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BitError {
    /// The data ends too early.
    #[error("the data ends at bit {0}, in the middle of a value")]
    End(usize),
    /// More leading zeros than any 32-bit value has.
    #[error("the Exp-Golomb code at bit {0} is longer than 63 bits")]
    Code(usize),
}

/// Reads an RBSP, most significant bit first.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Begins at the first bit.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// One bit: `u(1)`.
    pub fn flag(&mut self) -> Result<bool, BitError> {
        let byte = self.bytes.get(self.at / 8).ok_or(BitError::End(self.at))?;
        let bit = byte & 0x80 >> (self.at % 8) != 0;
        self.at += 1;
        Ok(bit)
    }

    /// `n` bits, 32 at most: `u(n)`.
    pub fn bits(&mut self, n: u32) -> Result<u32, BitError> {
        debug_assert!(n <= 32);
        (0..n).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    /// An unsigned Exp-Golomb code, 2³² − 2 at most: `ue(v)`.
    pub fn ue(&mut self) -> Result<u32, BitError> {
        let start = self.at;
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(BitError::Code(start));
            }
        }
        Ok((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// A signed Exp-Golomb code: `se(v)`.
    pub fn se(&mut self) -> Result<i32, BitError> {
        let code = self.ue()?;
        let half = (code / 2) as i32;
        Ok(if code % 2 == 1 { half + 1 } else { -half })
    }
}

/// Writes what [`BitReader`] reads.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct BitWriter {
    bits: Vec<bool>,
}

#[cfg(test)]
impl BitWriter {
    pub(super) fn bits(&mut self, n: u32, value: u32) -> &mut Self {
        self.bits.extend((0..n).rev().map(|i| value >> i & 1 == 1));
        self
    }

    pub(super) fn flag(&mut self, value: bool) -> &mut Self {
        self.bits(1, u32::from(value))
    }

    pub(super) fn ue(&mut self, value: u32) -> &mut Self {
        let zeros = (value + 1).ilog2();
        self.bits(zeros, 0).bits(zeros + 1, value + 1)
    }

    pub(super) fn se(&mut self, value: i32) -> &mut Self {
        self.ue(if value > 0 { 2 * value as u32 - 1 } else { 2 * value.unsigned_abs() })
    }

    /// The bytes, ended by `rbsp_trailing_bits` (7.3.2.11).
    pub(super) fn rbsp(&self) -> Vec<u8> {
        let mut all = self.bits.clone();
        all.push(true);
        all.resize(all.len().next_multiple_of(8), false);
        all.chunks(8).map(|byte| byte.iter().fold(0, |b, bit| b << 1 | u8::from(*bit))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_follow_table_9_2() {
        // 1 010 011 00100 00101 00110 00111 0001000, then padding.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0b0000_0000];
        let mut reader = BitReader::new(&bytes);
        for value in 0..8 {
            assert_eq!(reader.ue(), Ok(value));
        }
        let mut reader = BitReader::new(&bytes);
        for value in [0, 1, -1, 2, -2, 3, -3, 4] {
            assert_eq!(reader.se(), Ok(value));
        }
    }

    #[test]
    fn the_end_is_an_error() {
        assert_eq!(BitReader::new(&[]).flag(), Err(BitError::End(0)));
        assert_eq!(BitReader::new(&[0xff]).bits(9), Err(BitError::End(8)));
        assert_eq!(BitReader::new(&[0, 0]).ue(), Err(BitError::End(16)));
        assert_eq!(BitReader::new(&[0; 5]).ue(), Err(BitError::Code(0)));
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(BitReader::new(&longest).ue(), Ok(u32::MAX - 1));
        assert_eq!(BitReader::new(&longest).se(), Ok(-(i32::MAX)));
    }
    proptest! {
        #[test]
        fn what_is_written_is_read(values: Vec<(u32, i32, bool, u32, u32)>) {
            let values: Vec<_> = values
                .into_iter()
                .map(|(ue, se, flag, n, value)| (ue.min(u32::MAX - 1), se.max(-i32::MAX), flag, n % 33, value))
                .collect();
            let mut writer = BitWriter::default();
            for &(ue, se, flag, n, value) in &values {
                writer.ue(ue).se(se).flag(flag).bits(n, value);
            }
            let bytes = writer.rbsp();
            let mut reader = BitReader::new(&bytes);
            for (ue, se, flag, n, value) in values {
                prop_assert_eq!((reader.ue(), reader.se(), reader.flag()), (Ok(ue), Ok(se), Ok(flag)));
                prop_assert_eq!(reader.bits(n), Ok(if n == 32 { value } else { value & ((1 << n) - 1) }));
            }
            prop_assert_eq!(reader.flag(), Ok(true), "the stop bit");
            prop_assert!(bytes.len() * 8 - reader.position() < 8);
        }

        #[test]
        fn anything_can_be_read(bytes: Vec<u8>) {
            let mut reader = BitReader::new(&bytes);
            while reader.ue().is_ok() {}
            prop_assert!(reader.position() <= bytes.len() * 8);
        }
    }
}

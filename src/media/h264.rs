//! H.264 byte streams: NAL units in Annex B form, and what their headers say.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;

use super::bits::BitReader;
pub use super::profile::{Match, Profile, ProfileLevelId, ProfileLevelIdError, nearest};

/// The four-byte start code (ITU-T H.264, B.1.1: `zero_byte`, `start_code_prefix_one_3bytes`).
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A NAL unit without its start code: header byte, then payload with emulation prevention bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a>(pub &'a [u8]);

/// The beginning of a slice header (7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceHeader {
    /// `first_mb_in_slice`; 0 in the first slice of a picture.
    pub first_mb: u32,
    /// `slice_type`, 0 to 9: P, B, I, SP, SI, and the same again where all slices of the picture are of that type.
    pub slice_type: u32,
    /// The picture parameter set that the slice refers to.
    pub pps_id: u8,
}

impl<'a> Nal<'a> {
    /// `nal_unit_type` of a slice of a picture that is not IDR.
    pub const SLICE: u8 = 1;
    /// `nal_unit_type` of a slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// `nal_unit_type` of supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// `nal_unit_type` of a sequence parameter set.
    pub const SPS: u8 = 7;
    /// `nal_unit_type` of a picture parameter set.
    pub const PPS: u8 = 8;
    /// `nal_unit_type` of an access unit delimiter.
    pub const AUD: u8 = 9;
    /// `nal_unit_type` of an end of sequence.
    pub const END_OF_SEQUENCE: u8 = 10;
    /// `nal_unit_type` of an end of stream.
    pub const END_OF_STREAM: u8 = 11;
    /// `nal_unit_type` of filler data.
    pub const FILLER: u8 = 12;

    fn header(self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    /// `nal_unit_type` (table 7-1); 0, which is unspecified, for an empty NAL unit.
    pub fn unit_type(self) -> u8 {
        self.header() & 0x1f
    }

    /// `nal_ref_idc`: 0 when no other picture needs this one.
    pub fn ref_idc(self) -> u8 {
        self.header() >> 5 & 3
    }

    /// `forbidden_zero_bit`: set only in what is damaged, or no H.264.
    pub fn is_forbidden(self) -> bool {
        self.header() & 0x80 != 0
    }

    /// Whether this is a part of the picture itself: a slice or a slice data partition.
    pub fn is_vcl(self) -> bool {
        matches!(self.unit_type(), 1..=5)
    }

    /// Whether a receiver loses nothing without it: delimiters, ends and filler, which RTP has other means for, and the
    /// unspecified types, whose numbers RTP uses for itself (RFC 6184, table 1).
    pub fn is_dispensable(self) -> bool {
        matches!(self.unit_type(), Self::AUD..=Self::FILLER | 0 | 24..)
    }

    /// Whether a picture begins here: a slice with `first_mb_in_slice` 0, which is coded as a single 1 bit.
    pub fn begins_picture(self) -> bool {
        matches!(self.unit_type(), 1 | 2 | 5) && self.0.get(1).is_some_and(|b| b & 0x80 != 0)
    }

    /// The beginning of the slice header; `None` when this is no slice, or a damaged one.
    pub fn slice_header(self) -> Option<SliceHeader> {
        if !matches!(self.unit_type(), 1 | 2 | 5) {
            return None;
        }
        // Three Exp-Golomb codes of legal values fit in nine bytes.
        let start = self.0.get(1..self.0.len().min(16))?;
        let start = unescape(start);
        let mut bits = BitReader::new(&start);
        let first_mb = bits.ue().ok()?;
        let slice_type = bits.ue().ok().filter(|t| *t <= 9)?;
        let pps_id = u8::try_from(bits.ue().ok()?).ok()?;
        Some(SliceHeader { first_mb, slice_type, pps_id })
    }

    /// The payload after the header byte, without emulation prevention bytes: the RBSP (7.3.1).
    pub fn rbsp(self) -> Cow<'a, [u8]> {
        unescape(self.0.get(1..).unwrap_or_default())
    }
}

impl fmt::Debug for Nal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nal(type {}, {} bytes)", self.unit_type(), self.0.len())
    }
}

/// The NAL units of an Annex B byte stream, in order; start codes, leading zeros and trailing zeros are left out, and so
/// is whatever stands before the first start code. Two start codes with nothing between them give an empty NAL unit.
pub fn nal_units(stream: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let mut prefixes = memmem::find_iter(stream, &START_CODE[1..]).peekable();
    std::iter::from_fn(move || {
        let start = prefixes.next()? + 3;
        let end = prefixes.peek().copied().unwrap_or(stream.len());
        let unit = stream.get(start..end)?;
        // A NAL unit never ends with a zero byte (7.4.1); those here are padding or part of the next start code.
        let len = unit.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        Some(Nal(unit.get(..len)?))
    })
}

/// Removes emulation prevention: the 3 in each 0, 0, 3 (7.4.1). Nothing is copied where there is none.
pub fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPED: [u8; 3] = [0, 0, 3];
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = memmem::find(rest, &ESCAPED) {
        let (before, after) = rest.split_at(at + 2);
        out.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
    }
    if rest.len() == bytes.len() {
        return Cow::Borrowed(bytes);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Adds emulation prevention to an RBSP; encoders do this, here only tests do.
#[cfg(test)]
pub(super) fn escape(rbsp: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rbsp.len() + 8);
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(stream: &[u8]) -> Vec<&[u8]> {
        nal_units(stream).map(|n| n.0).collect()
    }

    #[test]
    fn start_codes_of_both_lengths_split_a_stream() {
        assert_eq!(units(&[0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65, 1, 0, 0, 0, 1, 6]), [&[9, 16][..], &[0x65, 1], &[6]]);
        assert_eq!(units(&[7, 7, 0, 0, 1, 0x41, 0, 2, 0, 0, 0]), [&[0x41, 0, 2]], "garbage before, zeros behind");
        assert_eq!(units(&[0, 0, 1, 0, 0, 1, 6, 0, 0, 1]), [&[][..], &[6], &[]], "empty ones are shown");
        for none in [&[][..], &[0, 0, 0, 0], &[1], &[0, 1, 2, 3], &[0, 0, 2, 1]] {
            assert!(units(none).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn headers_are_read() {
        let sps = Nal(&[0x67, 0x42]);
        assert_eq!((sps.unit_type(), sps.ref_idc(), sps.is_vcl(), sps.is_forbidden()), (7, 3, false, false));
        assert!(Nal(&[0xe7]).is_forbidden());
        assert!(Nal(&[0x65, 0x80]).begins_picture() && !Nal(&[0x65, 0x40]).begins_picture());
        assert!(!Nal(&[0x68, 0x80]).begins_picture() && !Nal(&[0x65]).begins_picture());
        assert_eq!(Nal(&[]).unit_type(), 0);
        for (unit_type, dispensable) in
            [(0, true), (1, false), (6, false), (9, true), (12, true), (13, false), (28, true)]
        {
            assert_eq!(Nal(&[unit_type]).is_dispensable(), dispensable, "{unit_type}");
        }
    }

    #[test]
    fn slice_headers_are_read() {
        // 1 | 00110 (5: P) | 010 (1)
        let slice = Nal(&[0x41, 0b1001_1001, 0b0000_0000]);
        assert_eq!(slice.slice_header(), Some(SliceHeader { first_mb: 0, slice_type: 5, pps_id: 1 }));
        assert_eq!(Nal(&[0x41]).slice_header(), None);
        assert_eq!(Nal(&[0x68, 0xff]).slice_header(), None);
        assert_eq!(Nal(&[0x41, 0, 0, 3, 0, 0]).slice_header(), None);
    }

    #[test]
    fn emulation_prevention_is_removed() {
        assert!(matches!(unescape(&[1, 2, 0, 3, 0]), Cow::Borrowed(_)));
        for (with, without) in [
            (&[0, 0, 3, 1][..], &[0, 0, 1][..]),
            (&[0, 0, 3, 0, 0, 3], &[0, 0, 0, 0]),
            (&[9, 0, 0, 3, 3, 0, 0, 3, 0, 3], &[9, 0, 0, 3, 0, 0, 0, 3]),
            (&[0, 0, 3], &[0, 0]),
        ] {
            assert_eq!(*unescape(with), *without);
        }
    }
    /// Bytes as they stand in streams: many zeros, ones and threes.
    fn rbsp() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![4 => Just(0u8), 2 => 0..4u8, 1 => any::<u8>()], 0..200)
    }

    proptest! {
        #[test]
        fn emulation_prevention_comes_and_goes(rbsp in rbsp()) {
            let escaped = escape(&rbsp);
            prop_assert!(memmem::find(&escaped, &[0, 0, 1]).is_none() && memmem::find(&escaped, &[0, 0, 0]).is_none());
            prop_assert_eq!(&*unescape(&escaped), &*rbsp);
        }

        #[test]
        fn joined_units_are_split_again(
            units in prop::collection::vec((any::<u8>(), rbsp(), any::<bool>(), 0..4usize), 0..20),
            garbage in rbsp(),
        ) {
            let mut stream = escape(&garbage);
            let mut expected = Vec::new();
            for (header, rbsp, long, zeros) in units {
                let unit = escape(&[&[header], rbsp.as_slice(), &[0x80]].concat());
                stream.extend_from_slice(&START_CODE[usize::from(!long)..]);
                stream.extend_from_slice(&unit);
                stream.resize(stream.len() + zeros, 0);
                expected.push(unit);
            }
            prop_assert_eq!(nal_units(&stream).map(|n| n.0.to_vec()).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn anything_is_split(stream in rbsp()) {
            for nal in nal_units(&stream) {
                prop_assert!(nal.0.last() != Some(&0));
                prop_assert!(memmem::find(nal.0, &[0, 0, 1]).is_none());
                // One says what the first bit of the other says.
                prop_assert!(nal.slice_header().is_none_or(|header| (header.first_mb == 0) == nal.begins_picture()));
                prop_assert!(nal.rbsp().len() < nal.0.len().max(1));
            }
        }
    }
}

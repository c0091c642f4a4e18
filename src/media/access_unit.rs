//! Buffers of a device → whole access units, each key frame with its parameter sets in front.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::bits::BitReader;
use super::h264::{Nal, START_CODE, nal_units};
use super::sps::{Sps, SpsError};

/// The largest access unit that is taken; a 4K key frame at the best quality is half of it.
const MAX_BYTES: usize = 8 << 20;

/// The most NAL units in one buffer: a picture of 4K has 34 000 macroblocks, but nobody makes that many slices.
const MAX_NALS: usize = 4096;

/// The most bytes of parameter sets that are kept and put in front of key frames. Most streams have 40.
const MAX_SETS: usize = 16 << 10;

/// One access unit in canonical form: SPS and PPS in front of each IDR picture, no delimiters, filler or end marks,
/// four-byte start codes, no trailing zeros.
#[derive(Clone)]
pub struct AccessUnit {
    /// Whether it holds an IDR picture, so that a decoder can start here.
    pub key: bool,
    /// The bytes.
    pub data: Bytes,
    /// What the picture's SPS says, when that is not what the last one said. The first access unit always has it.
    pub sps: Option<Sps>,
}

impl fmt::Debug for AccessUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, data, sps } = self;
        f.debug_struct("AccessUnit").field("key", key).field("bytes", &data.len()).field("sps", sps).finish()
    }
}

/// Why a buffer is not an access unit. The picture is lost: whoever gets this counts it and asks for a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessUnitError {
    /// Not Annex B.
    #[error("no start code in a buffer of {0} bytes")]
    NoStartCode(usize),
    /// Two start codes with nothing between them.
    #[error("the NAL unit at byte {0} is empty")]
    EmptyNal(usize),
    /// The bit that is 0 in all H.264.
    #[error("the NAL unit at byte {0} has its forbidden bit set")]
    Forbidden(usize),
    /// The sequence parameter set cannot be read.
    #[error(transparent)]
    Sps(#[from] SpsError),
    /// The picture parameter set cannot be read.
    #[error("the picture parameter set at byte {0} cannot be read")]
    Pps(usize),
    /// The slice header cannot be read.
    #[error("the slice at byte {0} has a header that cannot be read")]
    Slice(usize),
    /// A picture whose parameter sets have not been seen, or were damaged.
    #[error("a picture without the parameter sets it refers to")]
    NoParameterSets,
    /// The device gives slices where pictures are expected.
    #[error("the buffer begins in the middle of a picture")]
    MiddleOfPicture,
    /// More parameter sets than can be kept.
    #[error("more than {MAX_SETS} bytes of parameter sets")]
    TooManySets,
    /// More NAL units than any picture has.
    #[error("more than {MAX_NALS} NAL units in one buffer")]
    TooManyNals,
    /// Larger than any picture.
    #[error("an access unit of {0} bytes is larger than {MAX_BYTES}")]
    TooLarge(usize),
}

/// Makes access units of buffers, for devices where one buffer is one picture, with or without its headers, or is
/// headers alone.
#[derive(Debug, Default)]
pub struct Assembler {
    sets: ParameterSets,
    /// The last SPS that was told of.
    told: Option<Sps>,
}

#[derive(Debug, Default)]
struct ParameterSets {
    sps: BTreeMap<u8, (Vec<u8>, Sps)>,
    /// By id; with the id of the SPS that it refers to.
    pps: BTreeMap<u8, (Vec<u8>, u8)>,
}

impl Assembler {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, for a device that was opened anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes one buffer. One without a picture gives `None`; its parameter sets are remembered, all else in it is not.
    pub fn push(&mut self, buffer: &[u8]) -> Result<Option<AccessUnit>, AccessUnitError> {
        let mut units = nal_units(buffer).peekable();
        if units.peek().is_none() {
            return Err(AccessUnitError::NoStartCode(buffer.len()));
        }
        let mut picture = Vec::new(); // what is kept, parameter sets of a key frame excepted
        let mut later = Vec::new(); // parameter sets behind the picture, which are for the next one (7.4.1.2.3)
        let mut first_slice = None;
        let mut key = false;
        for (count, nal) in units.enumerate() {
            let at = offset(buffer, nal);
            if count == MAX_NALS {
                return Err(AccessUnitError::TooManyNals);
            } else if nal.0.is_empty() {
                return Err(AccessUnitError::EmptyNal(at));
            } else if nal.is_forbidden() {
                return Err(AccessUnitError::Forbidden(at));
            } else if nal.is_dispensable() {
                continue;
            } else if matches!(nal.unit_type(), Nal::SPS | Nal::PPS) {
                if first_slice.is_some() {
                    later.push((nal, at));
                } else {
                    self.sets.remember(nal, at)?;
                    picture.push(nal);
                }
                continue;
            } else if nal.is_vcl() {
                first_slice = first_slice.or(Some((nal, at)));
                key |= nal.unit_type() == Nal::IDR;
            }
            picture.push(nal);
        }
        let told = self.told;
        let done = match first_slice {
            Some((slice, at)) => self.finish(slice, at, key, &picture).map(Some),
            None => Ok(None),
        };
        for (nal, at) in later {
            // The picture is lost with it, and with the picture what it told.
            self.sets.remember(nal, at).inspect_err(|_| self.told = told)?;
        }
        done
    }

    fn finish(
        &mut self,
        slice: Nal<'_>,
        at: usize,
        key: bool,
        picture: &[Nal<'_>],
    ) -> Result<AccessUnit, AccessUnitError> {
        let header = slice.slice_header().ok_or(AccessUnitError::Slice(at))?;
        if !slice.begins_picture() {
            return Err(AccessUnitError::MiddleOfPicture);
        }
        let sps = self.sets.active(header.pps_id).ok_or(AccessUnitError::NoParameterSets)?;
        let is_set = |nal: &Nal<'_>| matches!(nal.unit_type(), Nal::SPS | Nal::PPS);
        // All sets are put in front of a key frame: later pictures may refer to others than this one does.
        let sets = self.sets.units().filter(|_| key);
        let rest = picture.iter().filter(|nal| !(key && is_set(nal))).map(|nal| nal.0);
        let len = sets.clone().chain(rest.clone()).map(|unit| START_CODE.len() + unit.len()).sum();
        if len > MAX_BYTES {
            return Err(AccessUnitError::TooLarge(len));
        }
        let mut data = Vec::with_capacity(len);
        for unit in sets.chain(rest) {
            data.extend_from_slice(&START_CODE);
            data.extend_from_slice(unit);
        }
        let news = (self.told != Some(sps)).then_some(sps);
        self.told = Some(sps);
        Ok(AccessUnit { key, data: data.into(), sps: news })
    }
}

impl ParameterSets {
    fn remember(&mut self, nal: Nal<'_>, at: usize) -> Result<(), AccessUnitError> {
        let fits = |have: usize, old: usize| have - old + nal.0.len() <= MAX_SETS;
        let have = self.units().map(<[u8]>::len).sum();
        if nal.unit_type() == Nal::SPS {
            if self.sps.values().any(|(known, _)| known == nal.0) {
                return Ok(());
            }
            // Which one a broken SPS was to replace is not known, and an old one must not stand in for it.
            let sps = Sps::parse(nal).inspect_err(|_| self.sps.clear())?;
            if !fits(have, self.sps.get(&sps.id).map_or(0, |(old, _)| old.len())) {
                return Err(AccessUnitError::TooManySets);
            }
            self.sps.insert(sps.id, (nal.0.to_vec(), sps));
        } else {
            let (id, sps_id) = pps_ids(nal).ok_or(AccessUnitError::Pps(at))?;
            match self.pps.get(&id) {
                Some((known, _)) if known == nal.0 => return Ok(()),
                old if !fits(have, old.map_or(0, |(old, _)| old.len())) => return Err(AccessUnitError::TooManySets),
                _ => self.pps.insert(id, (nal.0.to_vec(), sps_id)),
            };
        }
        Ok(())
    }

    fn active(&self, pps_id: u8) -> Option<Sps> {
        let (_, sps_id) = self.pps.get(&pps_id)?;
        self.sps.get(sps_id).map(|(_, sps)| *sps)
    }

    /// All of them, each SPS before each PPS.
    fn units(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let sps = self.sps.values().map(|(nal, _)| nal.as_slice());
        sps.chain(self.pps.values().map(|(nal, _)| nal.as_slice()))
    }
}

/// `pic_parameter_set_id` and `seq_parameter_set_id`, with which a picture parameter set begins (7.3.2.2).
fn pps_ids(nal: Nal<'_>) -> Option<(u8, u8)> {
    let rbsp = nal.rbsp();
    let mut bits = BitReader::new(&rbsp);
    let id = u8::try_from(bits.ue().ok()?).ok()?;
    let sps_id = u8::try_from(bits.ue().ok()?).ok().filter(|id| *id < 32)?;
    Some((id, sps_id))
}

/// Where in the buffer a NAL unit of it stands.
fn offset(buffer: &[u8], nal: Nal<'_>) -> usize {
    nal.0.as_ptr().addr().saturating_sub(buffer.as_ptr().addr())
}

#[cfg(test)]
#[path = "access_unit_tests.rs"]
mod tests;

//! Sequence parameter sets (ITU-T H.264, 7.3.2.1 and annex E).

use super::bits::{BitError, BitReader};
use super::h264::{Nal, ProfileLevelId};
use super::units::{FrameRate, Size};

/// What a sequence parameter set says of a stream, as far as anybody here asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// The profile, constraint flags and level.
    pub profile: ProfileLevelId,
    /// The picture's size after cropping.
    pub size: Size,
    /// `chroma_format_idc`: 0 grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample; 8 in all that browsers show.
    pub bit_depth: u8,
    /// Whether pictures may be coded as fields.
    pub interlaced: bool,
    /// `max_num_ref_frames`.
    pub reference_frames: u32,
    /// The frame rate by `timing_info`, when it is there and makes sense.
    pub rate: Option<FrameRate>,
    /// How many pictures may stand before one that is shown earlier: above 0 there may be B pictures, which WebRTC
    /// shows in the wrong order. `None` when the stream does not say.
    pub reorder_frames: Option<u32>,
}

/// What is wrong with a sequence parameter set. Bits are counted in the RBSP, after the NAL header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpsError {
    /// Another type of NAL unit.
    #[error("a NAL unit of type {0} is no sequence parameter set")]
    NotSps(u8),
    /// Longer than any that means something.
    #[error("a sequence parameter set of {0} bytes is too long")]
    TooLong(usize),
    /// It ends early, or a code in it is broken.
    #[error("sequence parameter set: {0}")]
    Bits(#[from] BitError),
    /// A value that the standard does not allow, or a picture larger than 8192 pixels.
    #[error("sequence parameter set: {what} before bit {at} is {value}, which is out of range")]
    Range {
        /// The name of the syntax element.
        what: &'static str,
        /// Its value.
        value: u32,
        /// Where it ended.
        at: usize,
    },
    /// Nothing is left of the picture.
    #[error("sequence parameter set: the cropping before bit {at} leaves nothing of {size}")]
    Cropping {
        /// The size before cropping.
        size: Size,
        /// Where the cropping ended.
        at: usize,
    },
}

impl Sps {
    /// The longest NAL unit that is looked at. All scaling lists and both HRDs, spelled out, need half of it.
    pub const MAX_BYTES: usize = 4096;

    /// The largest width and height, before cropping.
    pub const MAX_SIDE: u32 = 8192;

    /// Reads `seq_parameter_set_rbsp` (7.3.2.1.1).
    ///
    /// The VUI at its end is advice: where it is broken, as some cameras have it, what it would say stays unknown.
    pub fn parse(nal: Nal<'_>) -> Result<Self, SpsError> {
        if nal.unit_type() != Nal::SPS {
            return Err(SpsError::NotSps(nal.unit_type()));
        }
        if nal.0.len() > Self::MAX_BYTES {
            return Err(SpsError::TooLong(nal.0.len()));
        }
        let rbsp = nal.rbsp();
        let mut r = Reader(BitReader::new(&rbsp));
        let profile = ProfileLevelId { profile: r.byte()?, constraints: r.byte()?, level: r.byte()? };
        let id = r.ue("seq_parameter_set_id", 31)? as u8;
        let Chroma { format: chroma_format, separate_planes, bit_depth } = r.chroma(profile.profile)?;
        r.ue("log2_max_frame_num_minus4", 12)?;
        r.picture_order()?;
        let reference_frames = r.ue("max_num_ref_frames", 16)?;
        r.0.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width = 16 * (r.ue("pic_width_in_mbs_minus1", Self::MAX_SIDE / 16 - 1)? + 1);
        let map_units = r.ue("pic_height_in_map_units_minus1", Self::MAX_SIDE / 16 - 1)? + 1;
        let interlaced = !r.0.flag()?; // frame_mbs_only_flag
        let fields = 1 + u32::from(interlaced);
        let height = 16 * map_units * fields;
        if height > Self::MAX_SIDE {
            return Err(r.range("pic_height_in_map_units_minus1", map_units - 1));
        }
        if interlaced {
            r.0.flag()?; // mb_adaptive_frame_field_flag
        }
        r.0.flag()?; // direct_8x8_inference_flag
        let mut size = Size::new(width, height);
        if r.0.flag()? {
            let (x, y) = match chroma_format {
                1 => (2, 2 * fields),
                2 => (2, fields),
                _ => (1, fields),
            };
            let (x, y) = if separate_planes { (1, fields) } else { (x, y) };
            size = r.crop(size, x, y)?;
        }
        let vui = if r.0.flag()? { r.vui().unwrap_or_default() } else { Vui::default() };
        Ok(Self {
            id,
            profile,
            size,
            chroma_format,
            bit_depth,
            interlaced,
            reference_frames,
            rate: vui.rate,
            reorder_frames: vui.reorder_frames,
        })
    }
}

struct Chroma {
    format: u8,
    separate_planes: bool,
    bit_depth: u8,
}

#[derive(Default)]
struct Vui {
    rate: Option<FrameRate>,
    reorder_frames: Option<u32>,
}

struct Reader<'a>(BitReader<'a>);

impl Reader<'_> {
    fn range(&self, what: &'static str, value: u32) -> SpsError {
        SpsError::Range { what, value, at: self.0.position() }
    }

    fn byte(&mut self) -> Result<u8, SpsError> {
        Ok(self.0.bits(8)? as u8)
    }

    fn ue(&mut self, what: &'static str, max: u32) -> Result<u32, SpsError> {
        let value = self.0.ue()?;
        if value > max { Err(self.range(what, value)) } else { Ok(value) }
    }

    /// Chroma format, bit depths and scaling lists, which only the high profiles have.
    fn chroma(&mut self, profile: u8) -> Result<Chroma, SpsError> {
        if !matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            return Ok(Chroma { format: 1, separate_planes: false, bit_depth: 8 });
        }
        let format = self.ue("chroma_format_idc", 3)? as u8;
        let separate_planes = format == 3 && self.0.flag()?;
        let bit_depth = 8 + self.ue("bit_depth_luma_minus8", 6)? as u8;
        self.ue("bit_depth_chroma_minus8", 6)?;
        self.0.flag()?; // qpprime_y_zero_transform_bypass_flag
        if self.0.flag()? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if self.0.flag()? {
                    self.skip_scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(Chroma { format, separate_planes, bit_depth })
    }

    /// `scaling_list` (7.3.2.1.1.1): it ends early where the next scale becomes 0.
    fn skip_scaling_list(&mut self, size: usize) -> Result<(), SpsError> {
        let mut scale = 8;
        for _ in 0..size {
            let delta = self.0.se()?;
            if !(-128..=127).contains(&delta) {
                return Err(self.range("delta_scale", delta.unsigned_abs()));
            }
            scale = (scale + delta).rem_euclid(256);
            if scale == 0 {
                break;
            }
        }
        Ok(())
    }

    fn picture_order(&mut self) -> Result<(), SpsError> {
        match self.ue("pic_order_cnt_type", 2)? {
            0 => {
                self.ue("log2_max_pic_order_cnt_lsb_minus4", 12)?;
            }
            1 => {
                self.0.flag()?; // delta_pic_order_always_zero_flag
                self.0.se()?; // offset_for_non_ref_pic
                self.0.se()?; // offset_for_top_to_bottom_field
                for _ in 0..self.ue("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                    self.0.se()?; // offset_for_ref_frame
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `frame_crop_*_offset`, in units of `x` and `y` pixels (7.4.2.1.1).
    fn crop(&mut self, size: Size, x: u32, y: u32) -> Result<Size, SpsError> {
        let mut offset = || self.ue("frame_crop_offset", Sps::MAX_SIDE);
        let [left, right, top, bottom] = [offset()?, offset()?, offset()?, offset()?];
        let (dx, dy) = (x * (left + right), y * (top + bottom));
        if dx >= size.width || dy >= size.height {
            return Err(SpsError::Cropping { size, at: self.0.position() });
        }
        Ok(Size::new(size.width - dx, size.height - dy))
    }

    /// `vui_parameters` (E.1.1).
    fn vui(&mut self) -> Result<Vui, SpsError> {
        const EXTENDED_SAR: u32 = 255;
        let mut vui = Vui::default();
        if self.0.flag()? && self.0.bits(8)? == EXTENDED_SAR {
            self.0.bits(32)?; // sar_width, sar_height
        }
        if self.0.flag()? {
            self.0.flag()?; // overscan_appropriate_flag
        }
        if self.0.flag()? {
            self.0.bits(4)?; // video_format, video_full_range_flag
            if self.0.flag()? {
                self.0.bits(24)?; // colour_primaries, transfer_characteristics, matrix_coefficients
            }
        }
        if self.0.flag()? {
            self.0.ue()?; // chroma_sample_loc_type_top_field
            self.0.ue()?; // chroma_sample_loc_type_bottom_field
        }
        if self.0.flag()? {
            let (units_in_tick, time_scale) = (self.0.bits(32)?, self.0.bits(32)?);
            self.0.flag()?; // fixed_frame_rate_flag
            // A tick is a field, so a frame is two (E.2.1). Where units are 0 this is no number, and so no rate.
            vui.rate = FrameRate::new(f64::from(time_scale) / (2.0 * f64::from(units_in_tick)));
        }
        let nal_hrd = self.skip_hrd()?;
        let vcl_hrd = self.skip_hrd()?;
        if nal_hrd || vcl_hrd {
            self.0.flag()?; // low_delay_hrd_flag
        }
        self.0.flag()?; // pic_struct_present_flag
        if self.0.flag()? {
            self.0.flag()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                self.0.ue()?; // max_bytes_per_pic_denom, max_bits_per_mb_denom, log2_max_mv_length_*
            }
            vui.reorder_frames = Some(self.ue("max_num_reorder_frames", 16)?);
            self.0.ue()?; // max_dec_frame_buffering
        }
        Ok(vui)
    }

    /// `hrd_parameters` (E.1.2), with the flag in front that says whether they are there.
    fn skip_hrd(&mut self) -> Result<bool, SpsError> {
        let present = self.0.flag()?;
        if present {
            let count = self.ue("cpb_cnt_minus1", 31)? + 1;
            self.0.bits(8)?; // bit_rate_scale, cpb_size_scale
            for _ in 0..count {
                self.0.ue()?; // bit_rate_value_minus1
                self.0.ue()?; // cpb_size_value_minus1
                self.0.flag()?; // cbr_flag
            }
            self.0.bits(20)?; // four lengths of five bits
        }
        Ok(present)
    }
}

#[cfg(test)]
#[path = "sps_tests.rs"]
mod tests;

//! Agreeing with an encoder on what goes in and what comes out.

use std::io;

use super::M2mError;
use super::layout::Layout;
use crate::camera::abi::{self, Fract, PixFormat, Selection, StreamParm};
use crate::camera::choose::RawFormat;
use crate::camera::sys::Node;
use crate::config::Profile;
use crate::media::level;
use crate::media::units::{Bitrate, FrameRate, Size};

/// A coded buffer is never smaller, where the driver lets us choose: a key frame must fit.
const CODED_BYTES: u32 = 3 << 19;

/// What an encoder is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What is seen of the picture.
    pub size: Size,
    /// Pictures per second.
    pub rate: FrameRate,
    /// The target.
    pub bitrate: Bitrate,
    /// What may be used of H.264.
    pub profile: Profile,
    /// How it is fed.
    pub format: RawFormat,
    /// The rows' distance that would suit us, in bytes; 0: any.
    pub stride: u32,
    /// What the numbers of the pixels mean.
    pub colour: Colour,
}

/// What the numbers of pixels mean: `V4L2_COLORSPACE_*`, `V4L2_YCBCR_ENC_*`, `V4L2_QUANTIZATION_*`, `V4L2_XFER_FUNC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    space: u32,
    encoding: u32,
    quantization: u32,
    transfer: u32,
}

impl Colour {
    /// Of our own pictures: SMPTE 170M (BT.601), limited range.
    pub const OURS: Self = Self { space: 1, encoding: 1, quantization: 2, transfer: 1 };

    /// As a capture device says.
    pub fn of(pix: &PixFormat) -> Self {
        let PixFormat { colorspace: space, ycbcr_enc: encoding, quantization, xfer_func: transfer, .. } = *pix;
        Self { space, encoding, quantization, transfer }
    }
}

impl Settings {
    /// The lowest level that allows them: ten times its number.
    pub fn level(&self) -> u8 {
        level::level(self.size, self.rate, self.bitrate)
    }

    /// What to ask for as the size of a coded buffer: a raw picture's size and some more is enough for anything, a byte
    /// a pixel for any key frame that is worth sending.
    fn coded_bytes(&self) -> u32 {
        let pixels = u32::try_from(self.size.pixels()).unwrap_or(u32::MAX);
        CODED_BYTES.max(pixels).min(pixels.saturating_mul(2).saturating_add(64 << 10))
    }
}

/// Sets formats, rate and crop. How raw pictures must lie in a buffer, and how large one is.
pub fn negotiate(node: &Node, output: u32, capture: u32, settings: &Settings) -> Result<(Layout, u32), M2mError> {
    let Settings { size, colour, format, .. } = *settings;
    let pix = |pixelformat: [u8; 4], bytesperline: u32, sizeimage: u32| PixFormat {
        width: size.width,
        height: size.height,
        pixelformat,
        field: abi::FIELD_NONE,
        bytesperline,
        sizeimage,
        colorspace: colour.space,
        ycbcr_enc: colour.encoding,
        quantization: colour.quantization,
        xfer_func: colour.transfer,
        ..Default::default()
    };
    // The coded format comes first: it says which raw formats there are. Some drivers take its size from here, some from the
    // raw format, and some forget the buffer's size when they are told the raw format; so it is set a second time.
    let coded = pix(*b"H264", 0, settings.coded_bytes());
    let set = |kind, pix| set_format(node, kind, pix).map_err(M2mError::io("VIDIOC_S_FMT"));
    set(capture, coded)?;
    let raw = set(output, pix(format.fourcc(), settings.stride, 0))?;
    let coded = set(capture, coded)?;
    if coded.pixelformat != *b"H264" {
        return Err(M2mError::Unfit("H.264".to_owned()));
    }
    if raw.pixelformat != format.fourcc() || raw.width < size.width || raw.height < size.height {
        return Err(M2mError::Unfit(format!("{format} {size}")));
    }
    if (raw.width, raw.height) != (size.width, size.height) {
        crop(node, output, size)?;
    }
    set_rate(node, output, settings.rate);
    let rows = raw.height as usize;
    let least = if format == RawFormat::Yuyv { raw.width * 2 } else { raw.width };
    let layout = Layout { format, size, stride: raw.bytesperline.max(least) as usize, rows };
    Ok((layout, raw.sizeimage))
}

/// Sets a format of one plane. What it then is.
fn set_format(node: &Node, kind: u32, pix: PixFormat) -> io::Result<PixFormat> {
    if !matches!(kind, abi::VIDEO_OUTPUT_MPLANE | abi::VIDEO_CAPTURE_MPLANE) {
        // So that the fields behind `private` are looked at.
        let mut format = abi::Format::of(kind, PixFormat { private: abi::PIX_FMT_PRIV_MAGIC, ..pix });
        node.call(abi::S_FMT, &mut format)?;
        return Ok(format.pix);
    }
    let plane = abi::PlanePixFormat { sizeimage: pix.sizeimage, bytesperline: pix.bytesperline, reserved: [0; 6] };
    let mut wide = abi::PixFormatMplane {
        width: pix.width,
        height: pix.height,
        pixelformat: pix.pixelformat,
        field: pix.field,
        colorspace: pix.colorspace,
        num_planes: 1,
        // Each is one of a few small numbers.
        ycbcr_enc: pix.ycbcr_enc as u8,
        quantization: pix.quantization as u8,
        xfer_func: pix.xfer_func as u8,
        ..Default::default()
    };
    wide.plane_fmt[0] = plane;
    let mut format = abi::FormatMplane::of(kind, wide);
    node.call(abi::S_FMT_MPLANE, &mut format)?;
    if format.pix.num_planes != 1 {
        return Err(io::Error::other("the driver wants its planes apart"));
    }
    let [plane, ..] = format.pix.plane_fmt;
    let abi::PixFormatMplane { width, height, pixelformat, .. } = format.pix;
    Ok(PixFormat { width, height, pixelformat, sizeimage: plane.sizeimage, bytesperline: plane.bytesperline, ..pix })
}

/// Says which part of a larger buffer is the picture. A driver that cannot would show what lies beside it.
fn crop(node: &Node, output: u32, size: Size) -> Result<(), M2mError> {
    // By the single-plane name, which every kernel takes; those before 4.13 take no other.
    let kind = if output == abi::VIDEO_OUTPUT_MPLANE { abi::VIDEO_OUTPUT } else { output };
    let Size { width, height } = size;
    let mut crop = Selection { kind, target: abi::SEL_CROP, width, height, ..Default::default() };
    node.call(abi::S_SELECTION, &mut crop).map_err(M2mError::io("VIDIOC_S_SELECTION"))?;
    if (crop.width, crop.height) != (width, height) {
        return Err(M2mError::Unfit(format!("a picture of {size} in a larger buffer")));
    }
    Ok(())
}

/// Tells the rate control how many pictures to expect. Not every driver wants to know.
fn set_rate(node: &Node, output: u32, rate: FrameRate) {
    let denominator = (rate.fps() * 1000.0).round() as u32;
    let _ = node.call(abi::S_PARM, &mut StreamParm::of(output, Fract { numerator: 1000, denominator }));
}

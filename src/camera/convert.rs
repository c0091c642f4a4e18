//! A device's pixels → [`I420`] in limited range.
//!
//! One range for all: the encoder's SPS says limited range and BT.601, so full-range pixels (every JPEG, and whatever a
//! device declares as such) are scaled, by the formulas of ITU-T H.273, 8.3. A device's own declaration of a matrix other
//! than BT.601 is ignored; the error is a slight shift of hue.
//!
//! 4:2:2 and 4:4:4 become 4:2:0 by the mean of the chroma samples that fall together.

use super::choose::RawFormat;
use super::picture::I420;
use crate::media::units::Size;

/// How a device lays out its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The pixel format.
    pub format: RawFormat,
    /// Width and height.
    pub size: Size,
    /// Bytes from one row to the next, of luma where planes are apart. 0, or less than a row: rows are not padded.
    pub stride: usize,
    /// Whether luma goes from 0 to 255. JPEG always does.
    pub full_range: bool,
}

/// A buffer that is no picture.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Too few bytes.
    #[error("{has} bytes are too few for a picture of {needs}")]
    Short {
        /// In the buffer.
        has: usize,
        /// For a picture.
        needs: usize,
    },
    /// A JPEG without its end.
    #[error("a JPEG of {0} bytes without its beginning or its end")]
    TruncatedJpeg(usize),
    /// Not a JPEG that can be decoded.
    #[error("JPEG: {0}")]
    Jpeg(String),
    /// Another size than was negotiated.
    #[error("a JPEG of {0}, where {1} was agreed")]
    JpegSize(Size, Size),
    /// The feature `openh264` is off, and the JPEG decoder with it.
    #[error("built without the JPEG decoder")]
    NotBuilt,
}

/// Converts the pictures of one device.
#[derive(Debug)]
pub struct Converter {
    layout: Layout,
    /// Compressed bytes that were read and are not yet decoded.
    jpeg: Vec<u8>,
    /// Y, Cb, Cr of each pixel of a decoded JPEG.
    pixels: Vec<u8>,
}

impl Converter {
    /// For pictures of this layout.
    pub fn new(layout: Layout) -> Self {
        Self { layout, jpeg: Vec::new(), pixels: Vec::new() }
    }

    /// Reads a buffer, once. Raw pixels are then in the picture; a JPEG is in here, until [`Self::finish`] decodes it.
    ///
    /// # Errors
    /// When the buffer is too short to be a picture. What the picture then shows is not defined.
    pub fn read(&mut self, buffer: &[u8], picture: &mut I420) -> Result<(), ConvertError> {
        let size = picture.size();
        let (w, h) = (size.width as usize, size.height as usize);
        let rows = self.layout.size.height as usize;
        match self.layout.format {
            RawFormat::Mjpg => return self.read_jpeg(buffer),
            RawFormat::Yuyv => {
                let stride = self.layout.stride.max(self.layout.size.width.next_multiple_of(2) as usize * 2);
                yuyv(need(buffer, stride * (h - 1) + 2 * w)?, stride, picture);
            }
            RawFormat::Nv12 => {
                let stride = self.layout.stride.max(w);
                let buffer = need(buffer, stride * (rows + h / 2 - 1) + w)?;
                let (luma, chroma) = buffer.split_at(stride * rows);
                copy_rows(luma, stride, &mut picture.y, w);
                deinterleave(chroma, stride, picture);
            }
            RawFormat::Yu12 => {
                let stride = self.layout.stride.max(w);
                // Planes of an odd height have a row of chroma for the last row of luma.
                let (half, half_rows) = (stride.div_ceil(2), rows.div_ceil(2));
                let buffer = need(buffer, stride * rows + half * (half_rows + h / 2 - 1) + w / 2)?;
                let (luma, chroma) = buffer.split_at(stride * rows);
                let (u, v) = chroma.split_at(half * half_rows);
                copy_rows(luma, stride, &mut picture.y, w);
                copy_rows(u, half, &mut picture.u, w / 2);
                copy_rows(v, half, &mut picture.v, w / 2);
            }
        }
        if self.layout.full_range {
            to_limited_range(picture);
        }
        Ok(())
    }

    fn read_jpeg(&mut self, buffer: &[u8]) -> Result<(), ConvertError> {
        // Without its end it would show half of a picture; some drivers have padding behind the end.
        let end = buffer.windows(2).rposition(|pair| pair == [0xff, 0xd9]);
        let (Some(end), Some(rest)) = (end, buffer.strip_prefix(&[0xff, 0xd8])) else {
            return Err(ConvertError::TruncatedJpeg(buffer.len()));
        };
        self.jpeg.clear();
        // Many webcams leave the Huffman tables out. This marker says that the usual ones are meant; it does no harm
        // where they are not left out.
        self.jpeg.extend_from_slice(b"\xff\xd8\xff\xe0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0");
        self.jpeg.extend_from_slice(&rest[..end]);
        Ok(())
    }

    /// Decodes what [`Self::read`] has put aside, if anything.
    ///
    /// # Errors
    /// When it is no JPEG that can be decoded, or one of another size.
    pub fn finish(&mut self, picture: &mut I420) -> Result<(), ConvertError> {
        if self.layout.format != RawFormat::Mjpg {
            return Ok(());
        }
        decode_jpeg(&self.jpeg, self.layout.size, &mut self.pixels)?;
        ycbcr(&self.pixels, self.layout.size.width as usize, picture);
        to_limited_range(picture);
        Ok(())
    }
}

#[cfg(feature = "openh264")]
fn decode_jpeg(jpeg: &[u8], wanted: Size, pixels: &mut Vec<u8>) -> Result<(), ConvertError> {
    use zune_core::bytestream::ZCursor;
    use zune_core::colorspace::ColorSpace;
    use zune_core::options::DecoderOptions;
    use zune_jpeg::JpegDecoder;

    let failed = |error: zune_jpeg::errors::DecodeErrors| ConvertError::Jpeg(error.to_string());
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr).set_max_width(8192);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options.set_max_height(8192));
    decoder.decode_headers().map_err(failed)?;
    let info = decoder.info().ok_or_else(|| ConvertError::Jpeg("no size".to_owned()))?;
    let size = Size::new(u32::from(info.width), u32::from(info.height));
    // Before there is memory for it: a damaged header may claim any size.
    if size != wanted {
        return Err(ConvertError::JpegSize(size, wanted));
    }
    pixels.resize(size.pixels() as usize * 3, 0);
    decoder.decode_into(pixels).map_err(failed)
}

#[cfg(not(feature = "openh264"))]
fn decode_jpeg(_jpeg: &[u8], _wanted: Size, _pixels: &mut Vec<u8>) -> Result<(), ConvertError> {
    Err(ConvertError::NotBuilt)
}

fn need(buffer: &[u8], needs: usize) -> Result<&[u8], ConvertError> {
    if buffer.len() < needs { Err(ConvertError::Short { has: buffer.len(), needs }) } else { Ok(buffer) }
}

pub(super) fn copy_rows(from: &[u8], stride: usize, to: &mut [u8], width: usize) {
    for (from, to) in from.chunks(stride).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[..width]);
    }
}

pub(super) fn deinterleave(from: &[u8], stride: usize, picture: &mut I420) {
    let half = picture.stride() / 2;
    let planes = picture.u.chunks_exact_mut(half).zip(picture.v.chunks_exact_mut(half));
    for (from, (u, v)) in from.chunks(stride).zip(planes) {
        for (pair, (u, v)) in from.chunks_exact(2).zip(u.iter_mut().zip(v)) {
            (*u, *v) = (pair[0], pair[1]);
        }
    }
}

fn mean(a: u8, b: u8) -> u8 {
    (u16::from(a) + u16::from(b)).div_ceil(2) as u8
}

fn yuyv(from: &[u8], stride: usize, picture: &mut I420) {
    let w = picture.stride();
    for (from, to) in from.chunks(stride).zip(picture.y.chunks_exact_mut(w)) {
        for (pair, luma) in from.chunks_exact(2).zip(to) {
            *luma = pair[0];
        }
    }
    let planes = picture.u.chunks_exact_mut(w / 2).zip(picture.v.chunks_exact_mut(w / 2));
    for (rows, (u, v)) in from.chunks(2 * stride).zip(planes) {
        let (upper, lower) = rows.split_at(stride);
        let pairs = upper.chunks_exact(4).zip(lower.chunks_exact(4));
        for ((a, b), (u, v)) in pairs.zip(u.iter_mut().zip(v)) {
            (*u, *v) = (mean(a[1], b[1]), mean(a[3], b[3]));
        }
    }
}

/// From three bytes a pixel.
fn ycbcr(from: &[u8], width: usize, picture: &mut I420) {
    let (w, stride) = (picture.stride(), width * 3);
    for (from, to) in from.chunks_exact(stride).zip(picture.y.chunks_exact_mut(w)) {
        for (pixel, luma) in from.chunks_exact(3).zip(to) {
            *luma = pixel[0];
        }
    }
    let planes = picture.u.chunks_exact_mut(w / 2).zip(picture.v.chunks_exact_mut(w / 2));
    for (rows, (u, v)) in from.chunks_exact(2 * stride).zip(planes) {
        let (upper, lower) = rows.split_at(stride);
        let blocks = upper.chunks_exact(6).zip(lower.chunks_exact(6));
        for ((a, b), (u, v)) in blocks.zip(u.iter_mut().zip(v)) {
            *u = mean(mean(a[1], a[4]), mean(b[1], b[4]));
            *v = mean(mean(a[2], a[5]), mean(b[2], b[5]));
        }
    }
}

pub(super) fn to_limited_range(picture: &mut I420) {
    const LUMA: [u8; 256] = scale(219, 0, 16);
    const CHROMA: [u8; 256] = scale(224, 128, 128);
    picture.y.iter_mut().for_each(|y| *y = LUMA[usize::from(*y)]);
    for plane in [&mut picture.u, &mut picture.v] {
        plane.iter_mut().for_each(|c| *c = CHROMA[usize::from(*c)]);
    }
}

/// `to + (value - from) · range / 255`, rounded, for each value.
const fn scale(range: i32, from: i32, to: i32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        // 1000 · 255 keeps what is divided positive, so that rounding goes one way.
        let scaled = (value as i32 - from) * range + 127 + 1000 * 255;
        table[value] = (scaled / 255 - 1000 + to) as u8;
        value += 1;
    }
    table
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;

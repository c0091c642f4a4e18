//! A sample with raw video → [`I420`].

use gstreamer as gst;
use gstreamer_video::prelude::*;
use gstreamer_video::{VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};

use crate::camera::convert::{copy_rows, deinterleave, to_limited_range};
use crate::camera::picture::I420;
use crate::media::units::{FrameRate, Size};

/// The largest picture: what is larger is no camera's.
const LARGEST: u32 = 8192;

/// What a sample's caps say.
///
/// # Errors
/// What is wrong with them.
pub fn info(sample: &gst::Sample) -> Result<VideoInfo, String> {
    let caps = sample.caps().ok_or("a picture without a format")?;
    let info = VideoInfo::from_caps(caps).map_err(|_| "a picture of an unknown format".to_owned())?;
    let (width, height) = (info.width(), info.height());
    if !(2..=LARGEST).contains(&width) || !(2..=LARGEST).contains(&height) {
        return Err(format!("a picture of {}", Size::new(width, height)));
    }
    Ok(info)
}

/// Width and height.
pub fn size(info: &VideoInfo) -> Size {
    Size::new(info.width(), info.height())
}

/// Pictures per second, where it is said.
pub fn rate(caps: &gst::CapsRef) -> Option<FrameRate> {
    let rate = caps.structure(0)?.get::<gst::Fraction>("framerate").ok()?;
    if rate.denom() == 0 { None } else { FrameRate::new(f64::from(rate.numer()) / f64::from(rate.denom())) }
}

/// Copies the pixels. `picture` has the size of `info`, cut to even numbers.
///
/// # Errors
/// When the buffer is not what its format says.
pub fn read(sample: &gst::Sample, info: &VideoInfo, picture: &mut I420) -> Result<(), String> {
    let buffer = sample.buffer().ok_or("a picture without pixels")?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).map_err(|_| "a picture that cannot be read")?;
    let (width, height) = (picture.size().width as usize, picture.size().height as usize);
    // Strides are the frame's own: hardware pads rows.
    let plane = |n: u32, row: usize, rows: usize| -> Result<(&[u8], usize), String> {
        let stride = frame.plane_stride().get(n as usize).and_then(|stride| usize::try_from(*stride).ok());
        let data = frame.plane_data(n).map_err(|_| format!("a picture without plane {n}"))?;
        match stride {
            Some(stride) if stride >= row && data.len() >= stride * (rows - 1) + row => {
                // Whole rows, but for the last one.
                Ok((&data[..data.len().min(stride * rows)], stride))
            }
            _ => Err(format!("{} bytes are too few for {row}×{rows}", data.len())),
        }
    };
    let (luma, stride) = plane(0, width, height)?;
    copy_rows(luma, stride, &mut picture.y, width);
    match info.format() {
        VideoFormat::Nv12 => {
            let (chroma, stride) = plane(1, width, height / 2)?;
            deinterleave(chroma, stride, picture);
        }
        VideoFormat::I420 => {
            let (u, stride) = plane(1, width / 2, height / 2)?;
            copy_rows(u, stride, &mut picture.u, width / 2);
            let (v, stride) = plane(2, width / 2, height / 2)?;
            copy_rows(v, stride, &mut picture.v, width / 2);
        }
        other => return Err(format!("a picture in {other:?}")),
    }
    if info.colorimetry().range() == VideoColorRange::Range0_255 {
        to_limited_range(picture);
    }
    Ok(())
}

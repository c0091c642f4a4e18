//! All of the camera's `unsafe`, each with its reason.

#![allow(unsafe_code)]

/// Keeps the library from writing warnings to standard error.
#[cfg(feature = "openh264")]
pub fn silence(encoder: &mut openh264::encoder::Encoder) {
    let mut level = openh264_sys2::WELS_LOG_QUIET;
    // SAFETY: the option reads one int (codec_app_def.h), which lives until the call returns; the level is allowed before
    // the encoder is set up, and the `Encoder` itself sets the same one, only later.
    unsafe {
        encoder.raw_api().set_option(openh264_sys2::ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast());
    }
}

/// Changes the bitrate of a running encoder. `now` is the bitrate it has.
///
/// # Errors
/// `CM_RETURN` of codec_api.h. Refused when the encoder has not yet encoded a picture.
#[cfg(feature = "openh264")]
pub fn set_bitrate(encoder: &mut openh264::encoder::Encoder, now: u32, next: u32) -> Result<(), i32> {
    use openh264_sys2::{
        ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, SBitrateInfo, SPATIAL_LAYER_0, SPATIAL_LAYER_ALL,
    };

    // SAFETY: the options that this function sets are not among those that the `Encoder` itself relies on.
    let api = unsafe { encoder.raw_api() };
    let bps = i32::try_from(next).unwrap_or(i32::MAX);
    let ceiling = (ENCODER_OPTION_MAX_BITRATE, SBitrateInfo { iLayer: SPATIAL_LAYER_0, iBitrate: bps });
    let target = (ENCODER_OPTION_BITRATE, SBitrateInfo { iLayer: SPATIAL_LAYER_ALL, iBitrate: bps });
    // The library refuses a ceiling below the target at any moment.
    let steps = if next > now { [ceiling, target] } else { [target, ceiling] };
    for (option, mut info) in steps {
        // SAFETY: both options read one SBitrateInfo (codec_app_def.h), which lives until the call returns.
        let code = unsafe { api.set_option(option, (&raw mut info).cast()) };
        if code != 0 {
            return Err(code);
        }
    }
    Ok(())
}

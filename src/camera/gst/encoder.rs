//! How to steer the H.264 encoders that a pipeline may have in it. Pure.
//!
//! Each names its bitrate in its own way, in its own unit. All of them answer GstForceKeyUnit events.

use crate::media::units::Bitrate;

/// An encoder element that can be steered while it runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Encoder {
    /// The element's factory, as `gst-inspect-1.0` names it.
    pub factory: &'static str,
    /// How its bitrate is set.
    pub knob: Knob,
}

/// How a bitrate is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knob {
    /// By a number.
    Property(&'static str, Unit),
    /// By the field `video_bitrate`, in bits per second, of the structure `extra-controls`.
    ExtraControls,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bits per second.
    Bit,
    /// Kilobits per second.
    Kilobit,
}

impl Unit {
    /// A bitrate in this unit.
    pub const fn of(self, bitrate: Bitrate) -> u32 {
        match self {
            Self::Bit => bitrate.bps(),
            Self::Kilobit => bitrate.as_kbps(),
        }
    }
}

const fn property(factory: &'static str, name: &'static str, unit: Unit) -> Encoder {
    Encoder { factory, knob: Knob::Property(name, unit) }
}

/// From the elements' own documentation: GStreamer's plugin reference; NVIDIA's "Accelerated GStreamer"; the sources of
/// gstreamer-rockchip, of NXP's imx-gst1.0-plugin and gstreamer-imx.
const ENCODERS: &[Encoder] = &[
    property("x264enc", "bitrate", Unit::Kilobit),
    property("openh264enc", "bitrate", Unit::Bit),
    Encoder { factory: "v4l2h264enc", knob: Knob::ExtraControls },
    property("nvv4l2h264enc", "bitrate", Unit::Bit),
    property("mpph264enc", "bps", Unit::Bit),
    property("vah264enc", "bitrate", Unit::Kilobit),
    property("vah264lpenc", "bitrate", Unit::Kilobit),
    property("vaapih264enc", "bitrate", Unit::Kilobit),
    property("nvh264enc", "bitrate", Unit::Kilobit),
    property("qsvh264enc", "bitrate", Unit::Kilobit),
    property("msdkh264enc", "bitrate", Unit::Kilobit),
    property("vpuenc_h264", "bitrate", Unit::Kilobit),
    property("imxvpuenc_h264", "bitrate", Unit::Kilobit),
    property("avenc_h264_omx", "bitrate", Unit::Bit),
];

/// The encoder of this factory, if it is one that is known.
pub fn known(factory: &str) -> Option<&'static Encoder> {
    ENCODERS.iter().find(|encoder| encoder.factory == factory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_name_and_unit() {
        let bitrate = Bitrate::kbps(1500);
        for (factory, name, number) in [
            ("x264enc", "bitrate", 1500),
            ("openh264enc", "bitrate", 1_500_000),
            ("nvv4l2h264enc", "bitrate", 1_500_000),
            ("mpph264enc", "bps", 1_500_000),
            ("vah264enc", "bitrate", 1500),
            ("vah264lpenc", "bitrate", 1500),
        ] {
            match known(factory).unwrap().knob {
                Knob::Property(property, unit) => assert_eq!((property, unit.of(bitrate)), (name, number), "{factory}"),
                Knob::ExtraControls => unreachable!("{factory}"),
            }
        }
        assert_eq!(known("v4l2h264enc").unwrap().knob, Knob::ExtraControls);
        assert_eq!(known("theoraenc"), None);
    }

    #[test]
    fn no_factory_is_there_twice() {
        for (n, encoder) in ENCODERS.iter().enumerate() {
            assert_eq!(ENCODERS.iter().position(|other| other.factory == encoder.factory), Some(n));
        }
    }
}

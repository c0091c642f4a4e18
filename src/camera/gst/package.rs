//! Which package has an element that is missing. Pure.

/// Debian's and Raspberry Pi OS's packages, and the elements of each that a camera pipeline may want.
const DEBIAN: &[(&str, &[&str])] = &[
    (
        "gstreamer1.0-plugins-base",
        &[
            "appsink",
            "appsrc",
            "compositor",
            "decodebin",
            "decodebin3",
            "giosrc",
            "parsebin",
            "playbin",
            "rawvideoparse",
            "tcpclientsrc",
            "uridecodebin",
            "uridecodebin3",
            "urisourcebin",
            "videoconvert",
            "videoconvertscale",
            "videorate",
            "videoscale",
            "videotestsrc",
        ],
    ),
    ("gstreamer1.0-x", &["clockoverlay", "textoverlay", "timeoverlay"]),
    ("gstreamer1.0-gl", &["gldownload", "glcolorconvert", "glupload", "gltestsrc"]),
    (
        "gstreamer1.0-plugins-good",
        &[
            "autovideosrc",
            "flvdemux",
            "imagefreeze",
            "jpegdec",
            "jpegenc",
            "matroskademux",
            "multifilesrc",
            "multipartdemux",
            "qtdemux",
            "rtpbin",
            "rtph264depay",
            "rtph264pay",
            "rtph265depay",
            "rtpjitterbuffer",
            "rtpjpegdepay",
            "rtspsrc",
            "souphttpsrc",
            "udpsrc",
            "v4l2convert",
            "v4l2h264dec",
            "v4l2h264enc",
            "v4l2src",
            "videobalance",
            "videocrop",
            "videoflip",
            "videomixer",
            "vp8dec",
            "vp9dec",
            "ximagesrc",
        ],
    ),
    (
        "gstreamer1.0-plugins-bad",
        &[
            "bayer2rgb",
            "dvbsrc",
            "h264parse",
            "h264timestamper",
            "h265parse",
            "hlsdemux",
            "jpegparse",
            "msdkh264enc",
            "nvh264dec",
            "nvh264enc",
            "openh264dec",
            "openh264enc",
            "qsvh264enc",
            "rtmp2src",
            "rtmpsrc",
            "srtclientsrc",
            "srtsrc",
            "tsdemux",
            "uvch264src",
            "v4l2slh264dec",
            "vah264dec",
            "vah264enc",
            "vah264lpenc",
            "vah265dec",
            "vajpegdec",
            "vapostproc",
            "videoparse",
            "webrtcbin",
            "y4mdec",
        ],
    ),
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
    ("gstreamer1.0-libav", &["avdec_h264", "avdec_h265", "avdec_mjpeg", "avenc_h264_omx"]),
    ("gstreamer1.0-libcamera", &["libcamerasrc"]),
    ("gstreamer1.0-pipewire", &["pipewiresrc"]),
    ("gstreamer1.0-nice", &["nicesrc"]),
    ("gstreamer1.0-vaapi", &["vaapih264enc", "vaapih264dec", "vaapipostproc", "vaapijpegdec"]),
];

/// What the makers of the boards have in packages of their own.
const VENDOR: &[(&str, &[&str])] = &[
    (
        "NVIDIA's package nvidia-l4t-gstreamer (JetPack)",
        &["nvarguscamerasrc", "nvv4l2camerasrc", "nvv4l2decoder", "nvv4l2h264enc", "nvv4l2h265enc", "nvvidconv"],
    ),
    ("Rockchip's package gstreamer1.0-rockchip1", &["mpph264enc", "mpph265enc", "mppjpegdec", "mppvideodec"]),
    ("NXP's package imx-gst1.0-plugin", &["imxvideoconvert_g2d", "vpudec", "vpuenc_h264"]),
    ("Qualcomm's IM SDK", &["qtic2venc", "qtiqmmfsrc"]),
];

/// Elements that a plugin offers only where it finds their hardware begin so; encoders and decoders of these.
const NEED_HARDWARE: &[&str] = &["v4l2h26", "v4l2sl", "v4l2convert", "nvh26", "va", "qsv", "msdk"];

/// Where an element is to be had, as a sentence's end; `None` when it is not known.
pub fn wherefrom(element: &str) -> Option<String> {
    let find = |table: &'static [(&str, &[&str])]| table.iter().find(|(_, elements)| elements.contains(&element));
    find(DEBIAN)
        .map(|(package, _)| format!("sudo apt install {package}"))
        .or_else(|| find(VENDOR).map(|(package, _)| format!("it comes with {package}")))
}

/// What to say of an element that is not there.
pub fn missing(element: &str) -> String {
    let hardware = NEED_HARDWARE.iter().any(|prefix| element.starts_with(prefix));
    match wherefrom(element) {
        Some(way) if hardware => {
            format!("the GStreamer element `{element}` is not there: it needs its hardware, and its plugin: {way}")
        }
        Some(way) => format!("the GStreamer element `{element}` is not installed: {way}"),
        None => format!("there is no GStreamer element `{element}`; `gst-inspect-1.0` lists those that are installed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_is_named_with_its_package() {
        for (element, says) in [
            (
                "libcamerasrc",
                "the GStreamer element `libcamerasrc` is not installed: sudo apt install gstreamer1.0-libcamera",
            ),
            ("x264enc", "the GStreamer element `x264enc` is not installed: sudo apt install gstreamer1.0-plugins-ugly"),
            ("rtspsrc", "the GStreamer element `rtspsrc` is not installed: sudo apt install gstreamer1.0-plugins-good"),
            (
                "vah264enc",
                "the GStreamer element `vah264enc` is not there: it needs its hardware, and its plugin: \
                 sudo apt install gstreamer1.0-plugins-bad",
            ),
            (
                "nvv4l2h264enc",
                "the GStreamer element `nvv4l2h264enc` is not installed: it comes with NVIDIA's package \
                 nvidia-l4t-gstreamer (JetPack)",
            ),
            ("x264encx", "there is no GStreamer element `x264encx`; `gst-inspect-1.0` lists those that are installed"),
        ] {
            assert_eq!(missing(element), says);
        }
    }

    #[test]
    fn no_element_is_in_two_packages() {
        let all = || DEBIAN.iter().chain(VENDOR).flat_map(|(_, elements)| elements.iter());
        for element in all() {
            assert_eq!(all().filter(|other| *other == element).count(), 1, "{element}");
        }
    }
}

//! What `[camera.gst]` asks for → a pipeline's text, and what is set on its elements. Pure.
//!
//! Numbers and names that we chose are in the text. What the user wrote (devices, addresses, names) and what not every
//! version of an element has is set on the element afterwards: text would have to be quoted, and an unknown property in it
//! would be an error.

use std::path::Path;

use crate::config::{GstSource, Video};
use crate::media::units::FrameRate;

/// A pipeline that is to be built.
#[derive(Debug, PartialEq)]
pub struct Recipe {
    /// As `gst-launch-1.0` takes it; its end gives H.264 or raw video.
    pub text: String,
    /// What is set on elements of it.
    pub settings: Vec<Setting>,
    /// What gives the pictures, for people.
    pub label: String,
    /// Whether the end's format may still be chosen, by what `[video]` asks for.
    pub open_ended: bool,
}

/// A property of an element, where the element has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The element's name in the pipeline.
    pub element: &'static str,
    /// The property.
    pub property: &'static str,
    /// Its value, as text.
    pub value: String,
}

/// The name of the element that gives the pictures, in pipelines of ours.
pub const SOURCE: &str = "source";
/// The name of the element that encodes them.
pub const ENCODER: &str = "encoder";

/// Pictures between key frames that nobody asked for: as good as none. New viewers, and those that lost something, ask.
const KEY_FRAME_SECONDS: f64 = 60.0;

impl Recipe {
    /// For what is asked for. `has` tells whether an element is installed.
    pub fn of(source: GstSource<'_>, video: &Video, has: impl Fn(&str) -> bool) -> Self {
        match source {
            GstSource::Pipeline(pipeline) => {
                let first = pipeline.as_str().split_whitespace().next().unwrap_or_default();
                let label = format!("GStreamer ({first})");
                Self { text: closed(pipeline.as_str()), settings: Vec::new(), label, open_ended: true }
            }
            GstSource::Libcamera { camera } => {
                // NV12 is what the Pi's image processor and its encoder have in common.
                let text = closed(&format!("libcamerasrc name={SOURCE} ! {}", raw(video, "NV12")));
                let settings = camera.map(|camera| set(SOURCE, "camera-name", camera)).into_iter().collect();
                Self { text, settings, label: "libcamera".to_owned(), open_ended: false }
            }
            GstSource::Rtsp { url, user, .. } => {
                // TCP: nothing is lost on the way, and it crosses NAT. Then there is nothing to wait for either: no latency.
                let text = format!("rtspsrc name={SOURCE} protocols=tcp latency=0 ! rtph264depay");
                let mut settings = vec![
                    set(SOURCE, "location", url.expose()),
                    // Microseconds. Half of what a source has for its first picture.
                    set(SOURCE, "tcp-timeout", "2500000"),
                ];
                settings.extend(user.map(|user| set(SOURCE, "user-id", user)));
                Self { text, settings, label: "RTSP camera".to_owned(), open_ended: false }
            }
            GstSource::Rockchip { device } => {
                let text = format!("v4l2src name={SOURCE} ! {} ! mpph264enc name={ENCODER}", raw(video, "NV12"));
                let settings = [("rc-mode", "cbr"), ("header-mode", "each-idr"), ("profile", "baseline")];
                let mut settings = encoder(&settings);
                settings.push(set(ENCODER, "gop", &key_interval(video.fps).to_string()));
                settings.extend(device_of(device));
                Self { text, settings, label: "Rockchip".to_owned(), open_ended: false }
            }
            GstSource::JetsonSensor(sensor) => {
                let nvmm = raw(video, "NV12").replacen("video/x-raw", "video/x-raw(memory:NVMM)", 1);
                let text = format!("nvarguscamerasrc name={SOURCE} ! {nvmm} ! nvv4l2h264enc name={ENCODER}");
                let mut settings = jetson_encoder(video);
                settings.push(set(SOURCE, "sensor-id", &sensor.to_string()));
                Self { text, settings, label: format!("Jetson sensor {sensor}"), open_ended: false }
            }
            GstSource::JetsonDevice(device) => {
                let text = format!(
                    "v4l2src name={SOURCE} ! {} ! nvvidconv ! video/x-raw(memory:NVMM),format=NV12 ! \
                     nvv4l2h264enc name={ENCODER}",
                    size(video)
                );
                let mut settings = jetson_encoder(video);
                settings.extend(device_of(Some(device)));
                Self { text, settings, label: "Jetson".to_owned(), open_ended: false }
            }
            GstSource::Va { device } => {
                // Newer Intel graphics have only the low-power one.
                let factory = if has("vah264enc") || !has("vah264lpenc") { "vah264enc" } else { "vah264lpenc" };
                let text = format!(
                    "v4l2src name={SOURCE} ! {} ! videoconvert ! video/x-raw,format=NV12 ! {factory} name={ENCODER}",
                    size(video)
                );
                let settings = [("rate-control", "cbr"), ("b-frames", "0"), ("num-slices", "1"), ("ref-frames", "1")];
                let mut settings = encoder(&settings);
                settings.push(set(ENCODER, "key-int-max", &key_interval(video.fps).min(1024).to_string()));
                settings.extend(device_of(device));
                Self { text, settings, label: "VA-API".to_owned(), open_ended: false }
            }
        }
    }
}

/// In the syntax of `gst-launch-1.0`, caps stand between two elements. Caps at the end get one behind them.
fn closed(text: &str) -> String {
    let last = text.rsplit('!').next().unwrap_or_default().trim_start();
    let word = last.split([',', ';', '(', ' ', '\n']).next().unwrap_or_default();
    if word.contains('/') && !word.contains('=') { format!("{text} ! identity") } else { text.to_owned() }
}

fn set(element: &'static str, property: &'static str, value: &str) -> Setting {
    Setting { element, property, value: value.to_owned() }
}

fn encoder(settings: &[(&'static str, &str)]) -> Vec<Setting> {
    settings.iter().map(|(property, value)| set(ENCODER, property, value)).collect()
}

/// NVIDIA's "Accelerated GStreamer": 1 is constant bitrate, and preset 1 the fastest.
fn jetson_encoder(video: &Video) -> Vec<Setting> {
    let settings = [("control-rate", "1"), ("preset-level", "1"), ("maxperf-enable", "true"), ("profile", "0")];
    let mut settings = encoder(&settings);
    settings.extend(encoder(&[("insert-sps-pps", "true"), ("num-B-Frames", "0"), ("insert-vui", "true")]));
    let interval = key_interval(video.fps).to_string();
    settings.extend(encoder(&[("iframeinterval", &interval), ("idrinterval", &interval)]));
    settings
}

fn device_of(device: Option<&Path>) -> Option<Setting> {
    device.map(|device| set(SOURCE, "device", &device.to_string_lossy()))
}

/// What `[video]` asks for, in the words of caps.
fn size(video: &Video) -> String {
    let (n, d) = fraction(video.fps);
    format!("video/x-raw,width={},height={},framerate={n}/{d}", video.size.width, video.size.height)
}

fn raw(video: &Video, format: &str) -> String {
    size(video).replacen("video/x-raw", &format!("video/x-raw,format={format}"), 1)
}

/// A rate as a fraction: whole numbers over 1, television's over 1001, others over 1000.
pub fn fraction(rate: FrameRate) -> (i32, i32) {
    let fps = rate.fps();
    let close = |value: f64| (fps - value).abs() < 0.005;
    if close(fps.round()) {
        return (fps.round() as i32, 1);
    }
    let television = fps.ceil() * 1000.0 / 1001.0;
    if close(television) { (fps.ceil() as i32 * 1000, 1001) } else { ((fps * 1000.0).round() as i32, 1000) }
}

/// In pictures.
fn key_interval(rate: FrameRate) -> u32 {
    (rate.fps() * KEY_FRAME_SECONDS).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Camera, Config};

    fn recipe(keys: &str, installed: &[&str]) -> Recipe {
        let Camera::Gst(gst) = Config::parse(&format!("[camera.gst]\n{keys}")).unwrap().camera else { unreachable!() };
        Recipe::of(gst.source().unwrap(), &Video::default(), |element| installed.contains(&element))
    }

    fn value<'a>(recipe: &'a Recipe, property: &str) -> Option<&'a str> {
        recipe.settings.iter().find(|s| s.property == property).map(|s| s.value.as_str())
    }

    #[test]
    fn presets_are_pipelines() {
        let size = "width=1280,height=720,framerate=30/1";
        let libcamera = recipe("preset = 'libcamera'\ncamera = '/base/soc/i2c0mux/i2c@1/imx708@1a'", &[]);
        assert_eq!(libcamera.text, format!("libcamerasrc name=source ! video/x-raw,format=NV12,{size} ! identity"));
        assert_eq!(value(&libcamera, "camera-name"), Some("/base/soc/i2c0mux/i2c@1/imx708@1a"));
        assert_eq!(
            recipe("preset = 'rockchip'\ndevice = '/dev/video11'", &[]).text,
            format!("v4l2src name=source ! video/x-raw,format=NV12,{size} ! mpph264enc name=encoder")
        );
        let jetson = recipe("preset = 'jetson'\nsensor = 1", &[]);
        assert_eq!(
            jetson.text,
            format!(
                "nvarguscamerasrc name=source ! video/x-raw(memory:NVMM),format=NV12,{size} ! nvv4l2h264enc name=encoder"
            )
        );
        assert_eq!((value(&jetson, "sensor-id"), value(&jetson, "insert-sps-pps")), (Some("1"), Some("true")));
        assert_eq!(value(&jetson, "iframeinterval"), Some("1800"));
        let usb = recipe("preset = 'jetson'\ndevice = '/dev/video0'", &[]);
        assert!(usb.text.contains("nvvidconv") && value(&usb, "device") == Some("/dev/video0"));
        assert!(recipe("preset = 'va'", &["vah264lpenc"]).text.ends_with("vah264lpenc name=encoder"));
        assert!(recipe("preset = 'va'", &["vah264lpenc", "vah264enc"]).text.ends_with("vah264enc name=encoder"));
        let va = recipe("preset = 'va'", &[]);
        assert!(va.text.ends_with("vah264enc name=encoder"), "the usual one is named when there is none");
        assert_eq!((value(&va, "key-int-max"), value(&va, "b-frames")), (Some("1024"), Some("0")));
    }

    #[test]
    fn what_the_user_wrote_is_in_no_text() {
        let keys = "preset = 'rtsp'\nurl = 'rtsp://h/a!b'\nuser = 'u ! filesink location=/x'";
        let rtsp = recipe(keys, &[]);
        assert_eq!(rtsp.text, "rtspsrc name=source protocols=tcp latency=0 ! rtph264depay");
        assert_eq!(value(&rtsp, "location"), Some("rtsp://h/a!b"));
        assert_eq!(value(&rtsp, "user-id"), Some("u ! filesink location=/x"));
    }

    #[test]
    fn caps_may_be_at_the_end() {
        for (text, is) in [
            ("a ! video/x-raw", "a ! video/x-raw ! identity"),
            ("a !\n video/x-raw(memory:NVMM),width=1", "a !\n video/x-raw(memory:NVMM),width=1 ! identity"),
            ("a device=/dev/video0", "a device=/dev/video0"),
            ("a ! b location=/x", "a ! b location=/x"),
            ("", ""),
        ] {
            assert_eq!(closed(text), is);
        }
    }

    #[test]
    fn rates_are_fractions() {
        for (fps, is) in
            [(30.0, (30, 1)), (29.97, (30_000, 1001)), (59.94, (60_000, 1001)), (12.5, (12_500, 1000)), (1.0, (1, 1))]
        {
            assert_eq!(fraction(FrameRate::new(fps).unwrap()), is, "{fps}");
        }
    }
}

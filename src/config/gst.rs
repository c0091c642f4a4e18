//! `[camera.gst]`: a GStreamer pipeline as a camera.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::rtsp_url::RtspUrl;

/// `[camera.gst]`: either `pipeline`, or `preset` with the keys that belong to it. [`Gst::source`] tells which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gst {
    /// A pipeline as `gst-launch-1.0` takes it, whose end gives H.264 or raw video.
    pub pipeline: Option<Pipeline>,
    /// A pipeline of ours.
    pub preset: Option<Preset>,
    /// `libcamera`: which camera, as `cam --list` names it.
    #[serde(deserialize_with = "word")]
    pub camera: Option<String>,
    /// `rockchip`, `jetson`, `va`: the V4L2 device.
    pub device: Option<PathBuf>,
    /// `jetson`: which CSI sensor, from 0.
    pub sensor: Option<u8>,
    /// `rtsp`: the camera's address.
    pub url: Option<RtspUrl>,
    /// `rtsp`: the camera's user.
    #[serde(deserialize_with = "word")]
    pub user: Option<String>,
    /// `rtsp`: a file whose first line is the password; read it with [`super::read_secret_file`].
    pub password_file: Option<PathBuf>,
}

/// The pipelines that Lunette knows how to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// A CSI camera on today's Raspberry Pi OS, or any other camera that libcamera knows.
    Libcamera,
    /// A network camera that gives H.264.
    Rtsp,
    /// Rockchip's encoder by its MPP library.
    Rockchip,
    /// NVIDIA Jetson's encoder.
    Jetson,
    /// Intel's and AMD's encoders by VA-API.
    Va,
}

/// What `[camera.gst]` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GstSource<'a> {
    /// The user's own pipeline.
    Pipeline(&'a Pipeline),
    /// `libcamerasrc`.
    Libcamera {
        /// Which camera; `None`: the first.
        camera: Option<&'a str>,
    },
    /// `rtspsrc`.
    Rtsp {
        /// The camera's address.
        url: &'a RtspUrl,
        /// Its user.
        user: Option<&'a str>,
        /// Where the password is. Only with a user.
        password_file: Option<&'a Path>,
    },
    /// `v4l2src` and `mpph264enc`.
    Rockchip {
        /// The V4L2 device; `None`: /dev/video0.
        device: Option<&'a Path>,
    },
    /// `nvarguscamerasrc` and `nvv4l2h264enc`.
    JetsonSensor(u8),
    /// `v4l2src` and `nvv4l2h264enc`.
    JetsonDevice(&'a Path),
    /// `v4l2src` and `vah264enc`.
    Va {
        /// The V4L2 device; `None`: /dev/video0.
        device: Option<&'a Path>,
    },
}

/// Keys that do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key that is wrong; `None`: one is missing.
    pub key: Option<&'static str>,
    /// What to do.
    pub message: String,
}

impl Preset {
    /// As in the config.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Libcamera => "libcamera",
            Self::Rtsp => "rtsp",
            Self::Rockchip => "rockchip",
            Self::Jetson => "jetson",
            Self::Va => "va",
        }
    }

    /// The keys that belong to it.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Libcamera => &["camera"],
            Self::Rtsp => &["url", "user", "password_file"],
            Self::Rockchip | Self::Va => &["device"],
            Self::Jetson => &["sensor", "device"],
        }
    }

    const ALL: [Self; 5] = [Self::Libcamera, Self::Rtsp, Self::Rockchip, Self::Jetson, Self::Va];
}

impl Gst {
    /// What is asked for.
    ///
    /// # Errors
    /// When keys are missing or do not fit each other.
    pub fn source(&self) -> Result<GstSource<'_>, Misfit> {
        let given = [
            ("camera", self.camera.is_some()),
            ("device", self.device.is_some()),
            ("sensor", self.sensor.is_some()),
            ("url", self.url.is_some()),
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
        ];
        let belongs = self.preset.map_or(&[][..], Preset::keys);
        let preset = match (&self.pipeline, self.preset) {
            (None, None) => {
                return misfit(None, "[camera.gst] needs `pipeline = \"…\"`, or `preset = \"…\"`".to_owned());
            }
            (Some(_), Some(_)) => return misfit(Some("preset"), "either `pipeline` or `preset`, not both".to_owned()),
            (_, preset) => preset,
        };
        if let Some((key, _)) = given.into_iter().find(|(key, given)| *given && !belongs.contains(key)) {
            let owners = Preset::ALL.into_iter().filter(|preset| preset.keys().contains(&key));
            let owners: Vec<String> = owners.map(|preset| format!("`preset = \"{}\"`", preset.as_str())).collect();
            let mut message = format!("`{key}` belongs to {}", owners.join(", "));
            if self.pipeline.is_some() {
                message.push_str("; a pipeline of your own has all of it in its text");
            }
            return misfit(Some(key), message);
        }
        match (preset, &self.pipeline) {
            (Some(Preset::Libcamera), _) => Ok(GstSource::Libcamera { camera: self.camera.as_deref() }),
            (Some(Preset::Rtsp), _) => self.rtsp(),
            (Some(Preset::Rockchip), _) => Ok(GstSource::Rockchip { device: self.device.as_deref() }),
            (Some(Preset::Va), _) => Ok(GstSource::Va { device: self.device.as_deref() }),
            (Some(Preset::Jetson), _) => match (self.sensor, self.device.as_deref()) {
                (Some(_), Some(_)) => misfit(Some("device"), "either `sensor` or `device`, not both".to_owned()),
                (_, Some(device)) => Ok(GstSource::JetsonDevice(device)),
                (sensor, None) => Ok(GstSource::JetsonSensor(sensor.unwrap_or(0))),
            },
            (None, Some(pipeline)) => Ok(GstSource::Pipeline(pipeline)),
            (None, None) => misfit(None, "no pipeline".to_owned()),
        }
    }

    fn rtsp(&self) -> Result<GstSource<'_>, Misfit> {
        let Some(url) = &self.url else {
            return misfit(None, "[camera.gst] needs `url = \"rtsp://…\"`".to_owned());
        };
        if self.password_file.is_some() && self.user.is_none() {
            let message = "a password needs a user name: add `user = \"…\"`".to_owned();
            return misfit(Some("password_file"), message);
        }
        let (user, password_file) = (self.user.as_deref(), self.password_file.as_deref());
        Ok(GstSource::Rtsp { url, user, password_file })
    }
}

fn misfit<T>(key: Option<&'static str>, message: String) -> Result<T, Misfit> {
    Err(Misfit { key, message })
}

/// A pipeline as `gst-launch-1.0` takes it. Shown without the passwords that it has in it, as far as they can be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Pipeline(String);

impl Pipeline {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pipeline {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const LONGEST: usize = 16 << 10;
        match text.trim() {
            "" => Err("a pipeline has elements in it, for example \"v4l2src ! videoconvert\""),
            _ if text.len() > LONGEST => Err("this is too long for a pipeline"),
            _ if text.contains('\0') => Err("a pipeline is text"),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for Pipeline {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hide_passwords(&self.0))
    }
}

/// A text about a pipeline in one line, without the passwords in it: those in addresses, and the values of properties that
/// are passwords.
pub fn hide_passwords(text: &str) -> String {
    // Word by word, since each address has its own end; and then as a whole, for a property whose value is a word of its own.
    let words: Vec<_> = text.split_whitespace().map(super::error::without_passwords).collect();
    super::error::without_passwords(&words.join(" "))
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text with something in it.
fn word<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    if text.trim().is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(serde::de::Error::custom("this has 1 to 256 characters, all printable"));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Camera, Config};

    fn gst(keys: &str) -> Gst {
        match Config::parse(&format!("[camera.gst]\n{keys}")).unwrap().camera {
            Camera::Gst(gst) => gst,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn keys_belong_to_their_preset() {
        assert_eq!(gst("preset = 'libcamera'").source(), Ok(GstSource::Libcamera { camera: None }));
        assert_eq!(gst("preset = 'jetson'").source(), Ok(GstSource::JetsonSensor(0)));
        let device = Path::new("/dev/video1");
        assert_eq!(gst("preset = 'jetson'\ndevice = '/dev/video1'").source(), Ok(GstSource::JetsonDevice(device)));
        assert_eq!(gst("preset = 'va'").source(), Ok(GstSource::Va { device: None }));
        for (keys, key, says) in [
            ("", None, "[camera.gst] needs `pipeline = \"…\"`, or `preset = \"…\"`"),
            ("pipeline = 'x'\npreset = 'va'", Some("preset"), "either `pipeline` or `preset`, not both"),
            ("preset = 'va'\nuser = 'u'", Some("user"), "`user` belongs to `preset = \"rtsp\"`"),
            (
                "pipeline = 'x'\nsensor = 1",
                Some("sensor"),
                "`sensor` belongs to `preset = \"jetson\"`; a pipeline of your own has all of it in its text",
            ),
            (
                "preset = 'libcamera'\ndevice = '/dev/video0'",
                Some("device"),
                "`device` belongs to `preset = \"rockchip\"`, `preset = \"jetson\"`, `preset = \"va\"`",
            ),
            ("preset = 'rtsp'", None, "[camera.gst] needs `url = \"rtsp://…\"`"),
            (
                "preset = 'rtsp'\nurl = 'rtsp://h/'\npassword_file = '/p'",
                Some("password_file"),
                "a password needs a user name: add `user = \"…\"`",
            ),
            ("preset = 'jetson'\nsensor = 1\ndevice = '/d'", Some("device"), "either `sensor` or `device`, not both"),
        ] {
            assert_eq!(gst(keys).source(), Err(Misfit { key, message: says.to_owned() }), "{keys}");
        }
    }

    #[test]
    fn a_pipeline_is_shown_without_its_passwords() {
        let text = "rtspsrc location=rtsp://u:geheim@h/x user-pw=geheim\n ! rtph264depay";
        let pipeline: Pipeline = text.parse().unwrap();
        assert_eq!(pipeline.as_str(), text);
        assert_eq!(pipeline.to_string(), "rtspsrc location=rtsp://u:******@h/x user-pw=****** ! rtph264depay");
        assert!(!format!("{pipeline:?}").contains("geheim"));
        assert!(" \n ".parse::<Pipeline>().is_err());
    }
}

//! TOML → [`Config`], in which every field is already legal.
//!
//! A config is made of layers, each over the one before: the board's defaults, the file, `lunette.d/*.toml` beside it in the order of their
//! names, variables `LUNETTE_…`, flags. [`Config::load`] reads them; whatever is wrong is said with its place.

mod broker_url;
mod check;
mod error;
mod gst;
mod ice;
mod ice_url;
mod layer;
mod load;
mod page_url;
mod roots;
mod rtc;
mod rtsp_url;
mod secret;
mod state;
mod tree;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::media::stream::PerStream;
use crate::media::units::{Bitrate, FrameRate, Size};

pub use broker_url::{BrokerScheme, BrokerUrl, BrokerUrlError};
pub use error::ConfigError;
pub use gst::{Gst, GstSource, Misfit, Pipeline, Preset, hide_passwords};
pub use ice::{FetchLogin, HttpsUrl, Ice, IceError, IceFetch, IceLogin, Ttl, describe_ice};
pub use ice_url::{IceScheme, IceUrl, IceUrlError};
pub use load::{Defaults, Flag, Loaded, RESERVED_VARIABLES, Sources};
pub use page_url::{PageUrl, PageUrlError};
pub use roots::{RootsError, tls_client};
pub use rtc::{Policy, Rtc};
pub use rtsp_url::{RtspUrl, RtspUrlError};
pub use secret::{Secret, SecretError, give_to_owner, read_secret_file, resolve, write_secret_file};
pub use state::StateDirError;

/// The file that is read unless another is named.
pub const DEFAULT_FILE: &str = "/etc/lunette/lunette.toml";

/// Less than this, rows or columns, is not made unless it is asked for.
const SMALLEST_LOW: u32 = 90;

/// The default config as a commented file.
pub const DEFAULT_TOML: &str = include_str!("../../systemd/lunette.toml");

/// Everything the user can decide.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The camera's name, for people: 1 to 64 characters.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Where identity and certificates are kept.
    pub state: State,
    /// Where pictures come from.
    pub camera: Camera,
    /// What pictures are wanted.
    pub video: Video,
    /// The broker.
    pub signal: Signal,
    /// How pictures reach viewers.
    pub rtc: Rtc,
    /// The servers by which viewers elsewhere are reached; at most 8.
    #[serde(deserialize_with = "ice::some")]
    pub ice: Vec<Ice>,
    /// Who may watch, and how many.
    pub viewers: Viewers,
    /// `run --local`.
    pub local: Local,
}

/// `[state]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// The folder; `None`: systemd's `$STATE_DIRECTORY`, else `/var/lib/lunette` for root, else the user's state folder.
    /// [`State::open`] decides, and makes it.
    pub dir: Option<PathBuf>,
}

/// `[camera]`: one of `auto`, `v4l2`, `gst`, `testcard`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Camera {
    /// The first V4L2 device that gives H.264, else the first that gives raw pictures, else the test card.
    Auto,
    /// A V4L2 capture device.
    V4l2(V4l2),
    /// A GStreamer pipeline.
    Gst(Gst),
    /// A moving test picture with the time of day in it.
    TestCard,
}

/// `[camera.v4l2]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V4l2 {
    /// The device node, or a stable link to it below `/dev/v4l`.
    pub device: PathBuf,
}

/// `[video]`: what is asked of the camera and of the encoder. A device gives the nearest it can.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Video {
    /// Picture size.
    pub size: Size,
    /// Pictures per second.
    pub fps: FrameRate,
    /// The encoder's target, and ceiling.
    pub bitrate: Bitrate,
    /// The encoder's floor: a viewer whose network takes less gets the low stream, or key frames only, and the others are
    /// not slowed down. `None`: 200 kbit/s.
    pub min_bitrate: Option<Bitrate>,
    /// What makes H.264 of raw pictures.
    pub encoder: Encoder,
    /// What a hardware encoder may use of H.264. The software encoder knows the baseline profile only.
    pub profile: Profile,
    /// The second, smaller stream.
    pub low: Low,
}

/// What makes H.264 of raw pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// A hardware encoder that takes what the camera gives; else, and when it keeps failing, software.
    #[default]
    Auto,
    /// A hardware encoder, or nothing.
    Hardware,
    /// OpenH264.
    Software,
}

/// A profile of H.264 (ITU-T H.264, A.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Constrained baseline, which every browser decodes.
    #[default]
    Baseline,
    /// Main: some percent fewer bits.
    Main,
    /// High: fewer still. Chromium does not offer it, but mostly decodes it.
    High,
}

/// `[video.low]`: a stream beside the main one, for weak networks and small screens. It costs nothing while nobody
/// watches it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Low {
    /// Whether there is one, where the source gives pixels. A camera's own H.264 is not encoded anew.
    pub enabled: bool,
    /// Picture size; `None`: half of the main stream's width and height. Never larger than the main stream.
    pub size: Option<Size>,
    /// The encoder's target; `None`: a fifth of the main stream's.
    pub bitrate: Option<Bitrate>,
    /// The encoder's floor; `None`: 100 kbit/s.
    pub min_bitrate: Option<Bitrate>,
}

impl Video {
    /// What each stream's encoder aims at.
    pub fn bitrates(&self) -> PerStream<Bitrate> {
        let fifth = Bitrate::kbps(self.bitrate.as_kbps() / 5).max(Bitrate::kbps(150)).min(self.bitrate);
        PerStream { main: self.bitrate, low: self.low.bitrate.unwrap_or(fifth) }
    }

    /// Below what no stream's encoder goes, however little a viewer's network takes. Never above [`Self::bitrates`].
    pub fn floors(&self) -> PerStream<Bitrate> {
        let bitrates = self.bitrates();
        PerStream {
            main: self.min_bitrate.unwrap_or(Bitrate::kbps(200)).min(bitrates.main),
            low: self.low.min_bitrate.unwrap_or(Bitrate::kbps(100)).min(bitrates.low),
        }
    }

    /// The low stream's size beside a main stream of this size; `None`: there is none, or it would not be smaller, or so small
    /// that nothing could be seen.
    pub fn low_size(&self, main: Size) -> Option<Size> {
        let half = |side: u32| (side / 2).next_multiple_of(2);
        let size = self.low.size.unwrap_or(Size::new(half(main.width), half(main.height)));
        let fits = size.width <= main.width && size.height <= main.height && size.pixels() < main.pixels();
        let size = fits.then_some(size).filter(|_| self.low.enabled)?;
        (self.low.size.is_some() || size.width.min(size.height) >= SMALLEST_LOW).then_some(size)
    }
}

/// `[signal]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signal {
    /// Where the viewer page is, for the links that `lunette pair` prints.
    pub page: Option<PageUrl>,
    /// An MQTT broker. Absent: only `run --local` works, with the embedded one.
    pub mqtt: Option<Mqtt>,
}

/// `[signal.mqtt]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// `mqtt://`, `mqtts://`, `ws://` or `wss://`, host, port, path.
    pub url: BrokerUrl,
    /// User name.
    #[serde(default)]
    pub user: Option<String>,
    /// A file whose first line is the password; read it with [`read_secret_file`].
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the CA certificates to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client certificate chain.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file with the client key. Present exactly when `client_cert_file` is.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
}

/// `[viewers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Viewers {
    /// How many may watch at once: 1 to 1000.
    #[serde(deserialize_with = "max_viewers")]
    pub max: u16,
}

/// `[local]`: what `run --local` serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    /// Address and port of page and broker. Beyond loopback it is HTTPS and demands a password.
    pub listen: SocketAddr,
    /// A file whose first line is the password that viewers give (user `viewer`). Needed beyond loopback.
    pub password_file: Option<PathBuf>,
    /// PEM certificate chain; absent: one of our own making, kept in the state folder.
    pub cert_file: Option<PathBuf>,
    /// PEM key of `cert_file`. Present exactly when that is.
    pub key_file: Option<PathBuf>,
}

impl Local {
    /// Whether only programs on this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether it speaks HTTPS: beyond loopback always, else when a certificate is given.
    pub fn is_https(&self) -> bool {
        !self.is_loopback() || self.cert_file.is_some()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "camera".into(),
            state: State::default(),
            camera: Camera::Auto,
            video: Video::default(),
            signal: Signal::default(),
            rtc: Rtc::default(),
            ice: Vec::new(),
            viewers: Viewers::default(),
            local: Local::default(),
        }
    }
}

impl Default for Video {
    fn default() -> Self {
        Self {
            size: Size::new(1280, 720),
            fps: FrameRate::new(30.0).unwrap_or_else(|| unreachable!("30 is legal")),
            bitrate: Bitrate::kbps(2_000),
            min_bitrate: None,
            encoder: Encoder::Auto,
            profile: Profile::Baseline,
            low: Low::default(),
        }
    }
}

impl Default for Low {
    fn default() -> Self {
        Self { enabled: true, size: None, bitrate: None, min_bitrate: None }
    }
}

impl Default for Viewers {
    fn default() -> Self {
        Self { max: 20 }
    }
}

impl Default for Local {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 8080).into(), password_file: None, cert_file: None, key_file: None }
    }
}

fn name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let name = String::deserialize(d)?;
    if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(serde::de::Error::custom("a name has 1 to 64 characters, all printable"));
    }
    Ok(name)
}

fn max_viewers<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    let max = i64::deserialize(d)?;
    u16::try_from(max)
        .ok()
        .filter(|m| (1..=1000).contains(m))
        .ok_or_else(|| serde::de::Error::custom(format!("{max} viewers: from 1 to 1000 may watch at once")))
}

//! TOML → [`Config`], in which every field is already legal.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::media::units::{Bitrate, FrameRate, Size};

/// Everything the user can decide.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The camera's name, for people.
    pub name: String,
    /// Where identity and certificates are kept.
    pub state: State,
    /// Where pictures come from.
    pub camera: Camera,
    /// What pictures are wanted.
    pub video: Video,
    /// The broker.
    pub signal: Signal,
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
    pub dir: Option<PathBuf>,
}

/// `[camera]`: one of `auto`, `v4l2`, `testcard`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Camera {
    /// The first V4L2 device that gives H.264, else the first that gives raw pictures, else the test card.
    Auto,
    /// A V4L2 capture device.
    V4l2(V4l2),
    /// A moving test picture with the time of day in it.
    TestCard,
}

/// `[camera.v4l2]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V4l2 {
    /// The device node, or a stable link to it below `/dev/v4l`.
    pub device: PathBuf,
}

/// `[video]`: what is asked of the camera and of the encoder. A device gives the nearest it can.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Video {
    /// Picture size.
    pub size: Size,
    /// Pictures per second.
    pub fps: FrameRate,
    /// The encoder's target, and ceiling.
    pub bitrate: Bitrate,
}

/// `[signal]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signal {
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
    /// A file whose first line is the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the CA certificates to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client certificate chain.
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file with the client key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
}

/// A broker's address: scheme, host, port, path; never with a password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// How it is reached.
    pub scheme: BrokerScheme,
    /// Host name or address.
    pub host: String,
    /// Port; the scheme's own when the URL has none (1883, 8883, 80, 443).
    pub port: u16,
    /// For WebSocket: the path, `/mqtt` when the URL has none.
    pub path: String,
}

/// How a broker is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerScheme {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket over TLS.
    Wss,
}

/// `[viewers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Viewers {
    /// How many may watch at once.
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
    /// PEM key of `cert_file`.
    pub key_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "camera".into(),
            state: State::default(),
            camera: Camera::Auto,
            video: Video::default(),
            signal: Signal::default(),
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
        }
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

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("to be written"))
    }
}

/// A password or key that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

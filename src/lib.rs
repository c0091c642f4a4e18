//! Lunette: a camera's H.264 in a browser, over WebRTC, signaled by MQTT.
//!
//! The map, in the order in which a picture flows:
//!
//! - [`config`]: what the user asks for; every field of a [`config::Config`] is already legal.
//! - [`board`]: which board this is, and what lies under the user's config there.
//! - [`camera`]: a picture source → encoded [`media::frame::Frame`]s, on a thread of its own.
//! - [`media`]: pure: units, H.264 parsing, access units, RTP packetization.
//! - [`hub`]: one camera, many viewers; merges their wishes into one [`hub::Demand`].
//! - [`interfaces`]: the addresses that this machine has, and when they change.
//! - [`viewer`]: one watcher's peer connection; the only module that knows WebRTC.
//! - [`trust`]: pure: who is who, and how what they say to each other is sealed.
//! - [`signal`]: messages and the MQTT broker they travel through.
//! - [`turn`]: STUN and TURN servers, and credentials for them.
//! - [`lobby`]: offers → viewers: admit, replace, refuse, reap.
//! - [`keeper`]: who is known, held, kept and written down.
//! - [`audit`]: who was paired, came, went or was refused: a log that shows when it was changed.
//! - [`control`]: how commands ask the daemon that runs, [`desk`] who answers them; [`invite`]: the link and its QR code.
//! - [`clock`]: whether the machine knows what time it is.
//! - [`herald`]: says to everyone how the camera is.
//! - [`identity`]: the camera's id and key, kept.
//! - [`local`]: `run --local`: embedded broker, viewer page, one port.
//! - [`service`]: what systemd hears: ready, status, watchdog.
//! - [`acl`]: the topics' access rules, as brokers want them written.
//! - [`doctor`]: what works on this machine and what does not, with what helps.
//! - [`daemon`]: the wiring and the stopping order.

pub mod acl;
pub mod audit;
pub mod board;
pub mod camera;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod desk;
pub mod doctor;
pub mod herald;
pub mod hub;
pub mod identity;
pub mod interfaces;
pub mod invite;
pub mod keeper;
pub mod lobby;
#[cfg(feature = "local")]
pub mod local;
pub mod log;
pub mod media;
pub mod service;
pub mod signal;
pub mod trust;
pub mod turn;
pub mod viewer;

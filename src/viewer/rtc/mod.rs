//! One peer connection. The only folder that imports `webrtc` and `rtc`.

mod candidates;
mod certificate;
mod codec;
mod handler;
mod link;
mod pace;
mod path;
mod port;
mod pulse;
mod reach;
mod ring;
mod sent;
mod servers;
mod tap;

use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, RTCIceCandidateInit, RTCSessionDescription, SettingEngineBuilder,
    SrtpProtectionProfile,
};

use super::control;
use super::offer::Choice;
use crate::hub::Picture;
use crate::interfaces::Own;
use crate::media::units::{Bitrate, MediaTime};
use crate::signal::message::Candidate;
use handler::{Control, Handler};
use port::Line;

pub use certificate::Certificate;
pub use link::{Flow, Link};
pub use path::{Path, PathReport};
pub use port::{PortError, PortOptions, Scope};
pub use pulse::Pulse;
pub use servers::{Server, Via};

/// ICE takes a pair for disconnected after this without an answer to its checks, and for failed after [`ICE_FAILED`]
/// more: till then the viewer may come back by an ICE restart. A viewer that went without a word is gone after both.
const ICE_DISCONNECTED: Duration = Duration::from_secs(3);
const ICE_FAILED: Duration = Duration::from_secs(27);
const ICE_KEEPALIVE: Duration = Duration::from_secs(1);
/// Checks of one pair of addresses: one each 200 ms, for as long as the viewer may take to hear of it.
const ICE_CHECKS: u16 = 40;
/// A relay's answer may be a new nonce (438), after which the library asks no sooner than at its next turn.
const RELAY_REFRESH: Duration = Duration::from_secs(60);
/// What waits on the `control` channel for a viewer that does not read it.
const CONTROL_BUFFER: usize = 64 * 1024;
/// Events that wait for the viewer's loop; more are dropped, which only junk can cause.
const EVENTS: usize = 128;

/// Why a peer connection could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub struct RtcError {
    doing: &'static str,
    why: String,
    /// Whether it is the viewer's offer that cannot be used, and not we who failed.
    pub offer: bool,
}

/// What a peer connection says.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerEvent {
    /// Pictures can be sent.
    Connected,
    /// No sign of the peer; may come back.
    Disconnected,
    /// It will not come back.
    Failed,
    /// A way to reach us; `None`: there are no more.
    Candidate(Option<Candidate>),
    /// The `control` channel is open.
    ControlOpen,
    /// A message on the `control` channel.
    Control(Vec<u8>),
}

/// The way in and out for all peer connections: one UDP port. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transport(Arc<port::Port>);

impl Transport {
    /// Opens the port; needs a tokio runtime.
    ///
    /// # Errors
    /// See [`PortError`].
    pub fn open(options: PortOptions) -> Result<Self, PortError> {
        port::Port::open(options).map(Self)
    }

    /// The port's number.
    pub fn port(&self) -> u16 {
        self.0.number()
    }

    /// The addresses by which this machine can be reached; wakes when there are others.
    pub fn addresses(&self) -> watch::Receiver<Vec<Own>> {
        self.0.own()
    }
}

/// STUN and TURN servers with credentials that are good now: asked for at the start and at each restart.
pub type Servers = Arc<dyn Fn() -> Vec<Server> + Send + Sync>;

/// How to make a peer connection.
pub struct Settings<'a> {
    /// How the stream is sent.
    pub choice: &'a Choice,
    /// Who we are.
    pub certificate: &'a Certificate,
    /// Through what it is sent.
    pub transport: &'a Transport,
    /// STUN and TURN servers.
    pub servers: Servers,
    /// Whether AES-CM is offered beside AES-GCM. GCM is the cheaper one on ARM, and taken only when offered alone.
    pub any_srtp: bool,
    /// The most that the streams have; the path is taken to be good for it until it is heard of.
    pub rate: Bitrate,
}

/// SHA-256 over the certificates of a DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// The one that the viewer showed.
    pub viewer: [u8; 32],
    /// Ours.
    pub camera: [u8; 32],
}

/// A connection to one viewer.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    line: Arc<Line>,
    servers: Servers,
    said: Mutex<path::Viewer>,
    control: Control,
    /// SHA-256 of our certificate.
    fingerprint: [u8; 32],
    payload_type: u8,
    ssrc: u32,
    timestamp_offset: u32,
    /// Moment and RTP timestamp of the last picture; no two pictures have the same timestamp, though two streams may have
    /// pictures of one moment.
    last: Mutex<Option<(MediaTime, u32)>>,
    /// The viewer's signs of life.
    pub pulse: Arc<Pulse>,
    /// What is known of the path.
    pub link: Arc<Link>,
}

impl Peer {
    /// Answers an offer. The events come until [`Peer::close`].
    ///
    /// # Errors
    /// When the offer cannot be applied, or no socket can be opened.
    pub async fn answer(
        settings: &Settings<'_>,
        offer: String,
    ) -> Result<(Self, String, mpsc::Receiver<PeerEvent>), RtcError> {
        let pulse = Pulse::new();
        let (events, receiver) = mpsc::channel(EVENTS);
        let handler =
            Arc::new(Handler { events, control: Arc::default(), channels: AtomicU8::new(0), pulse: pulse.clone() });
        let mut random = [0; 12];
        // Without random bits the numbers are guessable, which SRTP does not rest on.
        let _ = getrandom::fill(&mut random);
        let word = |i: usize| u32::from_le_bytes([random[i], random[i + 1], random[i + 2], random[i + 3]]);
        let ssrc = word(0) | 1;

        let link = Link::new();
        let tap = tap::Tap::new(pulse.clone(), link.clone(), word(8) as u16 & 0x7fff, settings.rate);
        let (media, registry) = codec::media(settings.choice, tap).map_err(doing("setting up codecs"))?;
        let profiles =
            [SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80];
        let engine = SettingEngineBuilder::new()
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_srtp_protection_profiles(profiles[..if settings.any_srtp { 2 } else { 1 }].to_vec())
            // As DTLS server we need one flight less than as client.
            .with_answering_dtls_role(rtc::peer_connection::transport::RTCDtlsRole::Server)
            .with_ice_timeouts(Some(ICE_DISCONNECTED), Some(ICE_FAILED), Some(ICE_KEEPALIVE))
            .with_ice_connection_attempts(None, Some(ICE_CHECKS))
            .with_turn_allocation_refresh_interval_cap(RELAY_REFRESH)
            // A restart is asked for when addresses, NATs or relays are others than before.
            .with_discard_local_candidates_during_ice_restart(true)
            .build();
        let line = settings.transport.0.line((settings.servers)());
        let configuration = line.configuration().with_certificates(vec![settings.certificate.0.clone()]).build();
        let connection = PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_setting_engine(engine)
            .with_handler(handler.clone())
            .with_runtime(line.clone())
            .with_data_channel_send_buffer_limit(CONTROL_BUFFER)
            .with_udp_addrs(line.addresses())
            .build()
            .await
            .map_err(doing("making the peer connection"))?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let track = Arc::new(TrackLocalStaticRTP::new(codec::track(settings.choice, ssrc)));
        let peer = Self {
            connection,
            track,
            control: handler.control.clone(),
            line,
            servers: settings.servers.clone(),
            said: Mutex::default(),
            fingerprint: settings.certificate.fingerprint()?,
            payload_type: settings.choice.payload_type,
            ssrc,
            timestamp_offset: word(4),
            last: Mutex::new(None),
            pulse,
            link,
        };
        let track = peer.track.clone() as Arc<dyn TrackLocal>;
        peer.connection.add_track(track).await.map_err(doing("adding the track"))?;
        let answer = peer.negotiate(offer).await?;
        Ok((peer, answer, receiver))
    }

    /// Answers another offer of the same viewer, whose new ICE credentials ask for new paths (RFC 8839, section 4.4.1.1.1).
    /// The DTLS session, the pictures' numbering and the data channel stay; [`PeerEvent::Connected`] comes when there
    /// is a path again.
    ///
    /// # Errors
    /// When the offer cannot be applied; then the connection is as it was, or fails on its own.
    pub async fn restart(&self, offer: String) -> Result<String, RtcError> {
        self.line.set_servers((self.servers)());
        let configuration = self.line.configuration().build();
        self.connection.set_configuration(configuration).await.map_err(doing("taking other servers"))?;
        self.negotiate(offer).await
    }

    async fn negotiate(&self, offer: String) -> Result<String, RtcError> {
        let connection = &self.connection;
        let unusable = |doing| move |e: webrtc::error::Error| RtcError { doing, why: e.to_string(), offer: true };
        let offer = candidates::filter_offer(&offer, self.line.loopback());
        lock(&self.said).hear(&offer);
        let offer = RTCSessionDescription::offer(offer).map_err(unusable("reading the offer"))?;
        connection.set_remote_description(offer).await.map_err(unusable("applying the offer"))?;
        let answer = connection.create_answer(None).await.map_err(unusable("making the answer"))?;
        let sdp = candidates::rewrite_answer(&answer.sdp, &self.line.told());
        if let Some(ufrag) = candidates::ufrag(&sdp) {
            self.line.name(ufrag);
        }
        connection.set_local_description(answer).await.map_err(doing("applying the answer"))?;
        Ok(sdp)
    }

    /// Takes a way to reach the viewer. One that leads where nothing may be sent, or that is a name, is left out.
    ///
    /// # Errors
    /// When it is no candidate.
    pub async fn add_candidate(&self, candidate: Candidate) -> Result<(), RtcError> {
        if !candidates::is_welcome(&candidate.candidate, self.line.loopback()) {
            return Ok(());
        }
        lock(&self.said).hear(&candidate.candidate);
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_mline_index,
            ..RTCIceCandidateInit::default()
        };
        self.connection.add_ice_candidate(init).await.map_err(doing("adding a candidate"))
    }

    /// The certificates of the DTLS handshake; `None`: there was none yet, or it was without the viewer's.
    pub async fn fingerprints(&self) -> Option<Fingerprints> {
        let transport = self.connection.sctp().await?.transport();
        let shown = transport.get_remote_certificates().await.ok()?;
        Some(Fingerprints { viewer: Sha256::digest(shown.first()?).into(), camera: self.fingerprint })
    }

    /// Which way pictures go; `None`: none went yet.
    pub fn path(&self) -> Option<PathReport> {
        self.line.path(&lock(&self.said))
    }

    /// What is wrong with the relays that were asked, for people: one line each.
    pub fn relay_troubles(&self) -> Vec<String> {
        self.line.troubles()
    }

    /// The RTP timestamp that a picture has in this session.
    pub fn timestamp(&self, picture: &Picture) -> u32 {
        picture.frame.at.rtp().wrapping_add(self.timestamp_offset)
    }

    /// The same, but always after the one before.
    fn next_timestamp(&self, picture: &Picture) -> u32 {
        let (mut last, at, wanted) = (lock(&self.last), picture.frame.at, self.timestamp(picture));
        let timestamp = match *last {
            Some((before, timestamp)) if at <= before => timestamp.wrapping_add(1),
            _ => wanted,
        };
        *last = Some((last.map_or(at, |(before, _)| before.max(at)), timestamp));
        timestamp
    }

    /// Sends a picture. Waits while the connection's queue is full, which is this viewer's loss alone.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send(&self, picture: &Picture) -> Result<(), RtcError> {
        let header = rtc::rtp::Header {
            version: 2,
            payload_type: self.payload_type,
            timestamp: self.next_timestamp(picture),
            ssrc: self.ssrc,
            ..rtc::rtp::Header::default()
        };
        let payload = picture.burst.as_bytes().clone();
        self.track.write_rtp(rtc::rtp::Packet { header, payload }).await.map_err(doing("sending a picture"))
    }

    /// Sends a message on the `control` channel, once it is open. What does not fit its buffer is dropped.
    pub async fn say(&self, message: &control::ToViewer) {
        let channel = lock(&self.control).clone();
        if let Some(channel) = channel {
            let _ = channel.try_send_text(&message.to_json()).await;
        }
    }

    /// Ends the connection and frees its sockets.
    pub async fn close(self) {
        // An error says that it is closed already.
        let _ = self.connection.close().await;
        self.line.close();
    }
}

impl Drop for Peer {
    /// A connection is freed only by closing it, so that one is closed whose task was cut off; twice does no harm.
    fn drop(&mut self) {
        let connection = self.connection.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { connection.close().await });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn doing<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> RtcError {
    move |e| RtcError { doing, why: e.to_string(), offer: false }
}

//! One watcher: from an offer to the end of the session, in one task.

pub mod control;
pub mod gate;
pub mod offer;
pub mod rtc;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};

use crate::hub::{self, Hub, Picture, Subscription};
use crate::media::h264::ProfileLevelId;
use crate::media::status::{CameraState, CameraStatus};
use crate::signal::Outbox;
use crate::signal::message::{Candidate, EndReason, Offer, Refusal, RefusedReason, Response};
use crate::trust::{SessionId, ViewerId};
use control::{FromViewer, Stats, ToViewer};
use gate::Gate;
use offer::{Choice, OfferError};
use rtc::{Certificate, Peer, PeerEvent, Settings, Transport};

/// What our own encoder makes, and what is assumed of a camera that has not been seen yet.
const ASSUMED: ProfileLevelId = ProfileLevelId { profile: 0x42, constraints: 0xe0, level: 0x1f };
/// So long a join waits to learn the stream's real profile, the first time.
const PROFILE_WAIT: Duration = Duration::from_millis(1500);
/// From the answer to a working connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// While pictures are sent, a viewer's RTCP comes at least once a second.
const SILENCE: Duration = Duration::from_secs(5);
/// A picture that the connection does not take in this time: the connection is stuck.
const STUCK: Duration = Duration::from_secs(3);

/// What every viewer of a camera shares.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where pictures come from.
    pub hub: Hub,
    /// Where answers go.
    pub outbox: Outbox,
    /// Who we are.
    pub certificate: Certificate,
    /// Through what media is sent.
    pub transport: Transport,
    /// Local addresses for media; a wildcard stands for every interface but loopback.
    pub addresses: Arc<[SocketAddr]>,
}

/// One attempt to watch.
#[derive(Debug)]
pub struct Attempt {
    /// Who.
    pub viewer: ViewerId,
    /// Its offer.
    pub offer: Offer,
    /// See [`Settings::any_srtp`].
    pub any_srtp: bool,
}

/// From the lobby to a running viewer.
#[derive(Debug)]
pub enum Command {
    /// A way to reach the viewer; `None`: there are no more.
    Candidate(Option<Candidate>),
    /// The viewer asked again: the answer may have been lost.
    AnswerAgain,
    /// The viewer said bye.
    Bye,
    /// Our side ends it.
    End(EndReason, String),
}

/// How a session went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whose it was.
    pub viewer: ViewerId,
    /// Which it was.
    pub session: SessionId,
    /// Whether pictures could flow.
    pub connected: bool,
    /// Why it ended; `None`: the viewer said bye, or its offer was refused.
    pub reason: Option<EndReason>,
}

/// Serves one viewer until it leaves, is lost, or is told to go.
pub async fn run(context: Context, attempt: Attempt, commands: mpsc::Receiver<Command>) -> Outcome {
    let (viewer, session) = (attempt.viewer, attempt.offer.session);
    let ended = |connected, reason| Outcome { viewer, session, connected, reason };
    let start = Instant::now();
    let subscription = context.hub.subscribe();
    let status = context.hub.status();
    let stream = stream_profile(status.clone()).await;
    let refuse = |reason, text| {
        let refusal = Refusal { re: "offer".into(), session: Some(session), reason, text };
        context.outbox.send(viewer, &Response::Refused(refusal));
        ended(false, None)
    };
    let choice = match offer::inspect(&attempt.offer.sdp, stream) {
        Ok(choice) => choice,
        Err(e) => {
            let reason = match e {
                OfferError::NotSdp => RefusedReason::BadSdp,
                OfferError::NoVideo => RefusedReason::NoVideo,
                OfferError::NoH264(_) => RefusedReason::NoH264,
            };
            warn!("refused an offer: {e}");
            return refuse(reason, e.to_string());
        }
    };
    let note = note(&choice, stream);
    let settings = Settings {
        choice: &choice,
        certificate: &context.certificate,
        transport: &context.transport,
        addresses: &context.addresses,
        any_srtp: attempt.any_srtp,
    };
    let (peer, sdp, events) = match Peer::answer(&settings, attempt.offer.sdp).await {
        Ok(made) => made,
        Err(e) => {
            warn!("could not answer an offer: {e}");
            return refuse(RefusedReason::BadSdp, format!("The offer could not be used: {e}."));
        }
    };
    if let Some(note) = &note {
        info!("{note}");
    }
    let answer = Response::Answer { session, sdp, note: note.clone() };
    context.outbox.send(viewer, &answer);
    let mut watching = Watching {
        context: &context,
        viewer,
        session,
        answer,
        note,
        peer,
        status,
        gate: Gate::default(),
        phase: Phase::Connecting,
        start,
        sent: Sent::default(),
    };
    let (connected, end) = watching.serve(subscription, commands, events).await;
    let peer = watching.peer;
    if let Some((reason, text)) = &end {
        context.outbox.send(viewer, &Response::End { session, reason: *reason, text: text.clone() });
    }
    peer.close().await;
    let why = end.as_ref().map_or("the viewer said bye", |(_, text)| text);
    info!("left after {:.0} s: {why}", start.elapsed().as_secs_f64());
    ended(connected, end.map(|(reason, _)| reason))
}

/// The stream's profile: known at once but for the first viewer of a camera that encodes by itself.
async fn stream_profile(mut status: watch::Receiver<CameraStatus>) -> ProfileLevelId {
    let known = status.wait_for(|s| s.stream.profile.is_some() || s.state == CameraState::Lost);
    match tokio::time::timeout(PROFILE_WAIT, known).await {
        Ok(Ok(status)) => status.stream.profile.unwrap_or(ASSUMED),
        _ => ASSUMED,
    }
}

fn note(choice: &Choice, stream: ProfileLevelId) -> Option<String> {
    (!choice.exact).then(|| {
        format!(
            "The camera sends H.264 {} ({stream}), which the browser does not list; it was offered as {} ({}) and \
             most browsers decode it all the same.",
            stream.profile_name(),
            choice.profile.profile_name(),
            choice.profile,
        )
    })
}

/// Where the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Live,
    /// ICE hears nothing; nothing is sent till it does.
    Silent,
}

/// What was sent since the last report.
#[derive(Debug, Default)]
struct Sent {
    pictures: u32,
    bytes: usize,
    first: bool,
    last: Option<Arc<Picture>>,
}

type End = Option<(EndReason, String)>;

struct Watching<'a> {
    context: &'a Context,
    viewer: ViewerId,
    session: SessionId,
    answer: Response,
    note: Option<String>,
    peer: Peer,
    status: watch::Receiver<CameraStatus>,
    gate: Gate,
    phase: Phase,
    start: Instant,
    sent: Sent,
}

impl Watching<'_> {
    /// Runs until the end; says whether the connection ever worked, and why it ended (`None`: the viewer's wish).
    async fn serve(
        &mut self,
        mut subscription: Subscription,
        mut commands: mpsc::Receiver<Command>,
        mut events: mpsc::Receiver<PeerEvent>,
    ) -> (bool, End) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pulse = self.peer.pulse.clone();
        let mut connected = false;
        let end = loop {
            tokio::select! {
                command = commands.recv() => if let Some(end) = self.command(command).await { break end },
                event = events.recv() => {
                    connected |= event == Some(PeerEvent::Connected);
                    if let Some(end) = self.peer_event(event, &subscription).await { break end }
                }
                event = subscription.next() => if let Some(end) = self.picture(event, &subscription).await { break end },
                () = pulse.key_wanted() => subscription.want_key_frame(),
                changed = self.status.changed() => match changed {
                    Ok(()) => self.say_status().await,
                    Err(_) => break Some((EndReason::Shutdown, "Lunette is stopping.".into())),
                },
                _ = tick.tick() => if let Some(end) = self.check().await { break end },
            }
        };
        (connected, end)
    }

    async fn command(&mut self, command: Option<Command>) -> Option<End> {
        match command {
            Some(Command::Candidate(Some(candidate))) => {
                if let Err(e) = self.peer.add_candidate(candidate).await {
                    debug!("a candidate of no use: {e}");
                }
                None
            }
            Some(Command::Candidate(None)) => None,
            Some(Command::AnswerAgain) => {
                self.context.outbox.send(self.viewer, &self.answer);
                None
            }
            Some(Command::Bye) => Some(None),
            Some(Command::End(reason, text)) => Some(Some((reason, text))),
            None => Some(Some((EndReason::Shutdown, "Lunette is stopping.".into()))),
        }
    }

    async fn peer_event(&mut self, event: Option<PeerEvent>, subscription: &Subscription) -> Option<End> {
        match event {
            Some(PeerEvent::Connected) => {
                debug!("connected {} ms after the offer", self.start.elapsed().as_millis());
                self.phase = Phase::Live;
                self.peer.pulse.heard();
                subscription.want_key_frame();
            }
            Some(PeerEvent::Disconnected) => {
                debug!("no sign of the viewer");
                self.phase = Phase::Silent;
                self.gate.missed(0);
            }
            Some(PeerEvent::Failed) | None => {
                let text = match self.phase {
                    Phase::Connecting => "No way to reach the viewer was found.",
                    _ => "The connection to the viewer broke.",
                };
                return Some(Some((EndReason::Failed, text.into())));
            }
            Some(PeerEvent::Candidate(candidate)) => {
                self.context.outbox.send(self.viewer, &Response::Candidate { session: self.session, candidate });
            }
            Some(PeerEvent::ControlOpen) => self.say_status().await,
            Some(PeerEvent::Control(text)) => match control::parse(&text) {
                Some(FromViewer::Ping { id, t }) => {
                    self.peer.say(&ToViewer::Pong { id, t, wall: unix_ms(SystemTime::now()) }).await;
                }
                Some(FromViewer::Key) => subscription.want_key_frame(),
                Some(FromViewer::Bye) => return Some(None),
                None => debug!("a control message of no use, {} bytes", text.len()),
            },
        }
        None
    }

    async fn picture(&mut self, event: hub::Event, subscription: &Subscription) -> Option<End> {
        match event {
            hub::Event::Picture(_) if self.phase != Phase::Live => None,
            hub::Event::Picture(picture) => {
                if self.gate.admit(picture.frame.key) {
                    self.send(picture).await
                } else {
                    None
                }
            }
            hub::Event::Lagged(n) => {
                if self.phase == Phase::Live {
                    debug!("too slow: {n} pictures skipped");
                    self.gate.missed(n);
                    subscription.want_key_frame();
                }
                None
            }
            hub::Event::Closed => Some(Some((EndReason::Shutdown, "Lunette is stopping.".into()))),
        }
    }

    async fn send(&mut self, picture: Arc<Picture>) -> Option<End> {
        match tokio::time::timeout(STUCK, self.peer.send(&picture)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Some(Some((EndReason::Failed, format!("The connection to the viewer broke ({e}).")))),
            Err(_) => return Some(Some((EndReason::Failed, "The connection to the viewer is stuck.".into()))),
        }
        if !std::mem::replace(&mut self.sent.first, true) {
            info!("watching: first picture {} ms after the offer", self.start.elapsed().as_millis());
        }
        self.sent.pictures += 1;
        self.sent.bytes += picture.frame.data.len();
        self.sent.last = Some(picture);
        None
    }

    /// Once a second: is the viewer still there? Then tell it what it gets.
    async fn check(&mut self) -> Option<End> {
        if self.phase == Phase::Connecting {
            let late = self.start.elapsed() > CONNECT_TIMEOUT;
            return late.then(|| Some((EndReason::Failed, "No connection to the viewer came about.".into())));
        }
        if self.sent.pictures > 0 && self.peer.pulse.silence() > SILENCE {
            return Some(Some((EndReason::Lost, "No sign of life from the viewer.".into())));
        }
        if self.gate.waits() && self.phase == Phase::Live {
            debug!("waiting for a key frame");
        }
        self.say_stats().await;
        None
    }

    async fn say_status(&mut self) {
        let (state, text) = {
            let status = self.status.borrow_and_update();
            (status.state, status.text.clone())
        };
        self.peer.say(&ToViewer::Camera { state, text }).await;
    }

    async fn say_stats(&mut self) {
        let Some(last) = self.sent.last.clone() else { return };
        let stream = self.status.borrow().stream.clone();
        let stats = Stats {
            rtp: self.peer.timestamp(&last),
            wall: unix_ms(SystemTime::now()) - last.frame.captured.elapsed().as_secs_f64() * 1e3,
            fps: f64::from(std::mem::take(&mut self.sent.pictures)),
            kbps: (std::mem::take(&mut self.sent.bytes) * 8 / 1000) as u32,
            dropped: self.gate.dropped(),
            viewers: self.context.hub.viewers(),
            width: stream.size.map(|size| size.width),
            height: stream.size.map(|size| size.height),
            profile: stream.profile.map(|profile| profile.to_string()),
            encoder: stream.encoder,
            source: stream.source,
            note: self.note.clone(),
        };
        self.peer.say(&ToViewer::Stats(Box::new(stats))).await;
    }
}

fn unix_ms(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

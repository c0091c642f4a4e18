//! A viewer from its answer to the end of its session: one loop over everything that may happen.

mod network;
mod say;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, info};

use super::adapt::Adapt;
use super::binding::Binding;
use super::control::{self, FromViewer, ToViewer};
use super::gate::Gate;
use super::roaming::Wish;
use super::rtc::{Path, Peer, PeerEvent};
use super::ways::Ways;
use super::{Command, Context, Leave, told_to_leave};
use crate::hub::{self, Picture, Subscription};
use crate::media::status::{CameraState, CameraStatus};
use crate::media::stream::StreamId;
use crate::signal::message::{EndReason, Response};
use crate::trust::{Exchange, SessionId};
use network::Network;

/// From the answer to a working connection; then both sides know why it did not come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(9);
/// So long a viewer may be on its way from one network to another, with its session kept.
const ROAMING: Duration = Duration::from_secs(30);
/// Whatever is sent or not: ICE or RTCP should have been heard, or the connection's end.
const LONG_SILENCE: Duration = Duration::from_secs(3600);
/// A picture that the connection does not take in this time: the connection is stuck.
const STUCK: Duration = Duration::from_secs(3);

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
    last: Option<Arc<Picture>>,
}

/// A viewer from its answer on.
pub(super) struct Watching<'a> {
    pub(super) context: &'a Context,
    /// Where what is said goes: the newest exchange.
    pub(super) to: watch::Sender<Arc<Exchange>>,
    pub(super) session: SessionId,
    pub(super) answer: Response,
    pub(super) note: Option<String>,
    pub(super) peer: Peer,
    pub(super) status: watch::Receiver<CameraStatus>,
    pub(super) start: Instant,
    pub(super) progress: Progress,
    /// Whether it is the viewer that is at the other end.
    pub(super) binding: Binding,
    /// Where the way of the pictures is shown.
    pub(super) path: Arc<Mutex<Option<Path>>>,
}

/// How far it has come.
pub(super) struct Progress {
    pub(super) gate: Gate,
    phase: Phase,
    sent: Sent,
    /// Another stream, which takes the place of this one with its first key frame.
    next: Option<Subscription>,
    /// Whether it is not the stream of the offer any more.
    moved: bool,
    /// Why it is another one, when the camera chose it.
    why: Option<String>,
    /// Since when pictures have been sent each second.
    pub(super) sending_since: Option<Instant>,
    /// Since when nothing is sent, because nothing is heard.
    pub(super) deaf_since: Option<Instant>,
    /// A restart that was asked for and has not come.
    pub(super) wish: Option<Wish>,
    /// Which kinds of candidates were told.
    pub(super) ways: Ways,
    network: Network,
}

impl Progress {
    /// `adapt` decides what the viewer's network takes; `ways` are those of offer and answer.
    pub(super) fn new(adapt: Adapt, ways: Ways) -> Self {
        let (gate, sent, network) = (Gate::default(), Sent::default(), Network::new(adapt));
        Self {
            gate,
            phase: Phase::Connecting,
            sent,
            next: None,
            moved: false,
            why: None,
            sending_since: None,
            deaf_since: None,
            wish: None,
            ways,
            network,
        }
    }
}

impl Watching<'_> {
    /// Runs until the end; says whether the connection ever worked, and why it ended.
    pub(super) async fn serve(
        &mut self,
        mut subscription: Subscription,
        mut commands: mpsc::Receiver<Command>,
        mut events: mpsc::Receiver<PeerEvent>,
        mut leave: watch::Receiver<Option<Leave>>,
    ) -> (bool, Leave) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pulse = self.peer.pulse.clone();
        let mut addresses = self.context.transport.addresses();
        let mut connected = false;
        // What changed since the offer was looked at counts too.
        self.status.mark_changed();
        let end = loop {
            tokio::select! {
                left = told_to_leave(&mut leave) => break left,
                Some(command) = commands.recv() => self.command(command).await,
                event = events.recv() => {
                    connected |= event == Some(PeerEvent::Connected);
                    if let Some(end) = self.peer_event(event, &subscription).await { break end }
                }
                event = subscription.next() => if let Some(end) = self.picture(event, &subscription).await { break end },
                picture = first_key(&mut self.progress.next) => {
                    if let Some(next) = self.progress.next.take() {
                        next.replace(&mut subscription);
                        self.progress.moved = true;
                        self.progress.gate.missed(0);
                        let why = self.progress.why.take();
                        self.say_stream(subscription.stream(), why).await;
                        if let Some(end) = self.picture(picture, &subscription).await { break end }
                    }
                }
                Ok(()) = addresses.changed() => {
                    // At least one may be the one by which the pictures go.
                    if self.progress.phase != Phase::Connecting {
                        self.wish_restart("The camera's network changed.").await;
                    }
                }
                () = Wish::due(&self.progress.wish) => self.wish_again().await,
                () = pulse.key_wanted() => subscription.want_key_frame(),
                changed = self.status.changed() => match changed {
                    Ok(()) => {
                        self.say_status().await;
                        self.leave_absent(&subscription).await;
                    }
                    Err(_) => break Leave::shutdown(),
                },
                _ = tick.tick() => if let Some(end) = self.check(subscription.stream()).await { break end },
            }
        };
        (connected, end)
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Candidate(Some(candidate)) => {
                self.progress.ways.theirs.told(&candidate.candidate);
                if let Err(e) = self.peer.add_candidate(candidate).await {
                    debug!("a candidate of no use: {e}");
                }
            }
            Command::Candidate(None) => {}
            Command::AnswerAgain(exchange) => {
                self.binding.answered(&exchange, &self.answer);
                self.to.send_replace(exchange);
                self.say(&self.answer);
            }
            Command::Restart { restart, sdp, exchange } => self.restart(restart, sdp, exchange).await,
        }
    }

    async fn peer_event(&mut self, event: Option<PeerEvent>, subscription: &Subscription) -> Option<Leave> {
        match event {
            Some(PeerEvent::Connected) => {
                debug!("connected {} ms after the offer", self.start.elapsed().as_millis());
                self.progress.phase = Phase::Live;
                self.progress.wish = None;
                self.peer.pulse.heard();
                self.peer.link.renew();
                self.binding.connected(Instant::now());
                subscription.want_key_frame();
            }
            Some(PeerEvent::Disconnected) => {
                debug!("no sign of the viewer");
                if self.progress.phase != Phase::Silent {
                    self.wish_restart("The camera hears nothing of the viewer.").await;
                }
                self.progress.phase = Phase::Silent;
                self.progress.gate.missed(0);
            }
            Some(PeerEvent::Failed) | None => {
                return Some(match self.progress.phase {
                    Phase::Connecting => self.no_way(),
                    _ => Leave::End(EndReason::Lost, "The connection to the viewer broke.".into()),
                });
            }
            Some(PeerEvent::Candidate(candidate)) => {
                self.progress.ways.ours.told(candidate.as_ref().map_or("", |candidate| &candidate.candidate));
                self.say(&Response::Candidate { session: self.session, candidate });
            }
            Some(PeerEvent::ControlOpen) => {}
            Some(PeerEvent::Control(text)) if !self.binding.holds() => return self.bind(&text, subscription).await,
            Some(PeerEvent::Control(text)) => match control::parse(&text) {
                Some(FromViewer::Ping { id, t }) => {
                    self.tell(&ToViewer::Pong { id, t, wall: unix_ms(SystemTime::now()) }).await;
                }
                Some(FromViewer::Key) => subscription.want_key_frame(),
                Some(FromViewer::Stream { id }) => {
                    self.progress.network.chosen(id.0);
                    self.change(id.0, subscription).await;
                }
                Some(FromViewer::Bye) => return Some(Leave::Bye),
                None => debug!("a control message of no use, {} bytes", text.len()),
            },
        }
        None
    }

    /// Goes over to another stream, as soon as it gives a key frame.
    async fn change(&mut self, to: StreamId, subscription: &Subscription) {
        (self.progress.next, self.progress.why) = (None, None);
        if to == subscription.stream() {
            self.say_stream(to, None).await;
        } else if self.is_absent(to) {
            self.say_stream(subscription.stream(), Some(no_stream(to))).await;
        } else {
            let next = subscription.beside(to);
            next.want_key_frame();
            self.progress.next = Some(next);
        }
    }

    /// The camera may turn out not to have the stream, or have it no more.
    async fn leave_absent(&mut self, subscription: &Subscription) {
        let next = self.progress.next.as_ref().map(Subscription::stream);
        if let Some(absent) = next.filter(|stream| self.is_absent(*stream)) {
            self.progress.next = None;
            self.say_stream(subscription.stream(), Some(no_stream(absent))).await;
        }
        let stream = subscription.stream();
        if self.is_absent(stream) && self.progress.next.is_none() {
            self.say_stream(StreamId::Main, Some(no_stream(stream))).await;
            self.change(StreamId::Main, subscription).await;
        }
    }

    fn is_absent(&self, stream: StreamId) -> bool {
        let status = self.status.borrow();
        status.state == CameraState::Live && status.of(stream).is_none()
    }

    async fn picture(&mut self, event: hub::Event, subscription: &Subscription) -> Option<Leave> {
        match event {
            hub::Event::Picture(_) if self.progress.phase != Phase::Live => None,
            // Nothing before it is known who gets it; what comes meanwhile is kept warm.
            hub::Event::Picture(picture) if !self.binding.holds() => {
                self.binding.keep(picture);
                None
            }
            hub::Event::Picture(_) if self.is_deaf(subscription) => None,
            hub::Event::Picture(picture) => {
                self.adapt(subscription).await;
                if self.may_go(&picture, subscription) { self.send(picture).await } else { None }
            }
            hub::Event::Lagged(n) => {
                self.binding.missed();
                if self.progress.phase == Phase::Live {
                    debug!("too slow: {n} pictures skipped");
                    self.progress.gate.missed(n);
                    subscription.want_key_frame();
                }
                None
            }
            hub::Event::Closed => Some(Leave::shutdown()),
        }
    }

    async fn send(&mut self, picture: Arc<Picture>) -> Option<Leave> {
        match tokio::time::timeout(STUCK, self.peer.send(&picture)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                debug!("{e}");
                return Some(Leave::failed("The connection to the viewer broke."));
            }
            Err(_) => return Some(Leave::failed("The connection to the viewer is stuck.")),
        }
        if self.progress.sent.last.is_none() {
            info!("watching: first picture {} ms after the offer", self.start.elapsed().as_millis());
        }
        self.progress.sent.pictures += 1;
        self.progress.sending_since.get_or_insert_with(Instant::now);
        self.progress.sent.bytes += picture.frame.data.len();
        self.progress.sent.last = Some(picture);
        None
    }

    /// Once a second: is the viewer still there? Then tell it what it gets.
    async fn check(&mut self, stream: StreamId) -> Option<Leave> {
        if self.progress.phase == Phase::Connecting {
            let late = self.start.elapsed() > CONNECT_TIMEOUT;
            return late.then(|| self.no_way());
        }
        if self.binding.is_late(Instant::now()) {
            // No proof that somebody is between: the viewer may try again.
            return Some(Leave::failed("The viewer did not show in time that the connection is its own."));
        }
        *self.path.lock().unwrap_or_else(PoisonError::into_inner) = self.peer.path().map(|report| report.path);
        if self.progress.sent.pictures == 0 {
            self.progress.sending_since = None;
        }
        let deaf = self.progress.deaf_since.is_some_and(|since| since.elapsed() > ROAMING);
        if deaf || self.peer.pulse.silence() > LONG_SILENCE {
            return Some(Leave::End(EndReason::Lost, "No sign of life from the viewer.".into()));
        }
        if self.progress.gate.waits() && self.progress.phase == Phase::Live {
            debug!("waiting for a key frame");
        }
        self.say_stats(stream).await;
        None
    }
}

/// The first key frame of a stream, or its end. Pictures before it are of no use.
async fn first_key(next: &mut Option<Subscription>) -> hub::Event {
    let Some(subscription) = next else { return std::future::pending().await };
    loop {
        match subscription.next().await {
            hub::Event::Picture(picture) if !picture.frame.key => {}
            hub::Event::Lagged(_) => subscription.want_key_frame(),
            event => return event,
        }
    }
}

/// For people.
pub(super) fn no_stream(stream: StreamId) -> String {
    format!("This camera has no {stream} stream.")
}

fn unix_ms(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

//! What the viewer's network takes: whether a picture is sent, what the encoder is asked for, which stream is watched.

use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::{Phase, Watching};
use crate::hub::{Picture, Subscription};
use crate::media::stream::StreamId;
use crate::viewer::adapt::{Adapt, View};
use crate::viewer::bandwidth::Brake;

/// A picture that waited so long for its turn is not sent.
const TOO_OLD: Duration = Duration::from_millis(500);
/// So often it is decided anew; pictures come oftener.
const TURN: Duration = Duration::from_millis(200);
/// Less than this part of what it was is told at once.
const SUDDEN: f64 = 0.8;

/// What is decided for one viewer.
#[derive(Debug)]
pub(super) struct Network {
    adapt: Adapt,
    brake: Brake,
    held: bool,
    turned: Option<Instant>,
    /// The rate that was told the last time, in bits per second.
    told: Option<f64>,
}

impl Network {
    pub(super) fn new(adapt: Adapt) -> Self {
        Self { adapt, brake: Brake::default(), held: false, turned: None, told: None }
    }

    /// Why the viewer gets less than it could; for people.
    pub(super) fn why(&self) -> Option<String> {
        let held = "What is on its way comes too late; pictures are left out.";
        self.adapt.why().or(self.held.then_some(held)).map(str::to_owned)
    }

    /// The viewer chose a stream.
    pub(super) fn chosen(&mut self, stream: StreamId) {
        self.adapt.chosen(stream, Instant::now());
    }
}

impl Watching<'_> {
    /// Whether a picture may go now. What comes after one that may not waits for a key frame.
    pub(super) fn may_go(&mut self, picture: &Picture, subscription: &Subscription) -> bool {
        let (now, flow) = (Instant::now(), self.peer.link.flow());
        let network = &mut self.progress.network;
        let fill = flow.fill(now);
        let held = flow.reading.is_some() && network.brake.holds(now, fill);
        let old = now.saturating_duration_since(picture.at) > TOO_OLD;
        if held || old {
            self.peer.link.hold(true);
            if !network.held {
                debug!("left out: {fill:?}");
            }
            network.held = true;
            self.progress.gate.missed(1);
            return false;
        }
        if std::mem::take(&mut network.held) && !picture.frame.key {
            subscription.want_key_frame();
        }
        if network.adapt.keys_only() && !picture.frame.key {
            self.progress.gate.missed(1);
            return false;
        }
        let goes = self.progress.gate.admit(picture.frame.key);
        if goes && picture.frame.key {
            self.peer.link.hold(false);
            network.adapt.key_sent(picture.frame.data.len(), &flow);
        }
        goes
    }

    /// Some times a second: asks the encoder for what the network takes, and goes to another stream where that is needed.
    pub(super) async fn adapt(&mut self, subscription: &Subscription) {
        let now = Instant::now();
        let flow = self.peer.link.flow();
        let network = &self.progress.network;
        let pictures = flow.pictures().map(|rate| f64::from(rate.bps()));
        let sudden = pictures.zip(network.told).is_some_and(|(now, told)| now < told * SUDDEN);
        let due = network.turned.is_none_or(|at| now.saturating_duration_since(at) >= TURN);
        if !(due || sudden) || self.progress.phase != Phase::Live {
            return;
        }
        (self.progress.network.turned, self.progress.network.told) = (Some(now), pictures);
        subscription.set_bitrate(flow.pictures());
        if let Some(next) = &self.progress.next {
            // Its first key frame is to fit already.
            next.set_bitrate(flow.pictures());
            return;
        }
        let view = View { stream: subscription.stream(), low: !self.is_absent(StreamId::Low), flow };
        let turn = self.progress.network.adapt.turn(now, &view);
        self.peer.link.seek(turn.seek);
        if turn.key {
            subscription.want_key_frame();
        }
        if let Some(stream) = turn.go {
            let takes = flow.pictures().map_or(0, |rate| rate.as_kbps());
            info!("going over to the {stream} stream: the network takes {takes} kbit/s");
            let next = subscription.beside(stream);
            next.set_bitrate(flow.pictures());
            next.want_key_frame();
            self.progress.why = self.progress.network.why().or_else(|| Some(BACK.into()));
            self.progress.next = Some(next);
        }
    }
}

/// For people.
const BACK: &str = "The network takes the full picture again.";

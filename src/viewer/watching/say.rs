//! What a viewer is told, by signaling and by the data channel; and the first words there, each way.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tracing::info;

use super::{Watching, unix_ms};
use crate::audit::What;
use crate::hub::{self, Subscription};
use crate::media::stream::StreamId;
use crate::signal::message::Response;
use crate::trust::Exchange;
use crate::viewer::Leave;
use crate::viewer::binding::Binding;
use crate::viewer::control::{self, Stats, StreamName, ToViewer};

impl Watching<'_> {
    /// The newest exchange.
    pub(in crate::viewer) fn exchange(&self) -> Arc<Exchange> {
        self.to.borrow().clone()
    }

    /// Says something by signaling.
    pub(in crate::viewer) fn say(&self, response: &Response) {
        self.context.outbox.send(&self.exchange(), response);
    }

    /// Says something by the data channel, once it is known who has it.
    pub(in crate::viewer) async fn tell(&self, message: &ToViewer) {
        if self.binding.holds() {
            self.peer.say(message).await;
        }
    }

    /// The first message of the channel must show that it is the viewer who has it.
    pub(super) async fn bind(&mut self, text: &[u8], subscription: &Subscription) -> Option<Leave> {
        let Some(mac) = control::parse_bind(text) else {
            info!("not bound: the first message of the channel was another one");
            return Some(Binding::wrong());
        };
        let fingerprints = self.peer.fingerprints().await;
        let Some(ours) = self.binding.check(&fingerprints, &mac) else {
            let why = if fingerprints.is_some() { "the viewer's word is wrong" } else { "it showed no certificate" };
            info!("not bound: {why}");
            return Some(Binding::wrong());
        };
        self.tell(&ToViewer::Bind { mac: ours }).await;
        self.context.keeper.noted(What::Join, self.exchange().viewer(), None);
        self.say_status().await;
        // What it offered to watch needs no word.
        if self.progress.moved {
            self.say_stream(subscription.stream(), None).await;
        }
        let kept = self.binding.kept(Instant::now());
        if kept.is_empty() {
            subscription.want_key_frame();
        }
        for picture in kept {
            let end = self.picture(hub::Event::Picture(picture), subscription).await;
            if end.is_some() {
                return end;
            }
        }
        None
    }

    pub(super) async fn say_stream(&self, stream: StreamId, text: Option<String>) {
        self.tell(&ToViewer::Stream { id: StreamName(stream), text }).await;
    }

    pub(super) async fn say_status(&mut self) {
        let (state, text) = {
            let status = self.status.borrow_and_update();
            (status.state, status.text.clone())
        };
        self.tell(&ToViewer::Camera { state, text }).await;
    }

    pub(super) async fn say_stats(&mut self, id: StreamId) {
        let Some(last) = self.progress.sent.last.clone() else { return };
        let stream = self.status.borrow().of(id).cloned().unwrap_or_default();
        let reading = self.peer.link.flow().reading;
        let stats = Stats {
            rtp: self.peer.timestamp(&last),
            wall: unix_ms(SystemTime::now()) - last.frame.captured.elapsed().as_secs_f64() * 1e3,
            fps: f64::from(std::mem::take(&mut self.progress.sent.pictures)),
            kbps: (std::mem::take(&mut self.progress.sent.bytes) * 8 / 1000) as u32,
            dropped: self.progress.gate.dropped(),
            viewers: self.context.hub.viewers(),
            stream: StreamName(id),
            width: stream.size.map(|size| size.width),
            height: stream.size.map(|size| size.height),
            profile: stream.profile.map(|profile| profile.to_string()),
            encoder: stream.encoder,
            source: stream.source,
            path: self.peer.path().map(|report| report.path),
            note: self.note.clone(),
            estimate: reading.map(|reading| reading.estimate.as_kbps()),
            queue: reading.map(|reading| reading.queue.as_millis() as u32),
            loss: reading.map(|reading| (reading.loss * 1000.0).round() / 1000.0),
            network: self.progress.network.why(),
        };
        self.tell(&ToViewer::Stats(Box::new(stats))).await;
    }
}

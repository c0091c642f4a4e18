//! The connection's callbacks → events for the viewer's loop.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
};

use super::{PeerEvent, Pulse, candidates, lock};
use crate::signal::message::Candidate;
use crate::viewer::control;

/// Data channels of one viewer that are looked at; a viewer needs one.
const CHANNELS: u8 = 4;

/// The `control` channel, while it is open. A channel keeps its connection alive and the connection keeps its handler,
/// so it must be taken out again, or nothing of them is ever freed.
pub(super) type Control = Arc<Mutex<Option<Arc<dyn DataChannel>>>>;

/// Hears the connection. Its callbacks run on the connection's own task, so they never wait.
pub(super) struct Handler {
    pub(super) events: mpsc::Sender<PeerEvent>,
    pub(super) control: Control,
    /// Data channels that the viewer has opened.
    pub(super) channels: AtomicU8,
    pub(super) pulse: Arc<Pulse>,
}

impl Handler {
    fn tell(&self, event: PeerEvent) {
        let _ = self.events.try_send(event);
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(init) = event.candidate.to_json()
            && let Some(candidate) = candidates::tell(&init.candidate)
        {
            self.tell(PeerEvent::Candidate(Some(Candidate {
                candidate,
                sdp_mid: init.sdp_mid,
                sdp_mline_index: init.sdp_mline_index,
            })));
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.tell(PeerEvent::Candidate(None));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected => self.tell(PeerEvent::Connected),
            RTCPeerConnectionState::Disconnected => self.tell(PeerEvent::Disconnected),
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => self.tell(PeerEvent::Failed),
            _ => {}
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let more = |n: u8| (n < CHANNELS).then_some(n + 1);
        if self.channels.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return;
        }
        let (events, slot, pulse) = (self.events.clone(), self.control.clone(), self.pulse.clone());
        tokio::spawn(async move {
            // Any other channel, and a second one of this name, is read and ignored.
            let named = channel.label().await.is_ok_and(|label| label == control::LABEL);
            let ours = named && {
                let mut slot = lock(&slot);
                let free = slot.is_none();
                if free {
                    *slot = Some(channel.clone());
                }
                free
            };
            if ours {
                let _ = events.try_send(PeerEvent::ControlOpen);
            }
            while let Some(event) = channel.poll().await {
                match event {
                    DataChannelEvent::OnMessage(message) if ours => {
                        pulse.heard();
                        // Waiting here holds back this channel alone.
                        if events.send(PeerEvent::Control(message.data.to_vec())).await.is_err() {
                            break;
                        }
                    }
                    DataChannelEvent::OnClose => break,
                    _ => {}
                }
            }
            if ours {
                lock(&slot).take();
            }
        });
    }
}

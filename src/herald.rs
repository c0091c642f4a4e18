//! Says to everyone how the camera is: the retained status, and an event when it is lost or back.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::media::status::{CameraState, CameraStatus, StreamInfo};
use crate::media::stream::StreamId;
use crate::signal::Outbox;
use crate::signal::message::{About, CameraLine, EventName, Stream};
use crate::trust::BootId;

/// Publishes the status now and at each change, until `stop`.
pub async fn run(
    name: String,
    boot: BootId,
    outbox: Outbox,
    mut status: watch::Receiver<CameraStatus>,
    stop: CancellationToken,
) {
    let mut lost = false;
    loop {
        let current = status.borrow_and_update().clone();
        if let Some(event) = event(&mut lost, current.state) {
            outbox.event(event, current.text.clone());
        }
        outbox.set_status(boot, about(&name, current));
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

/// What happened, if it is worth an event. `lost` remembers what was said.
fn event(lost: &mut bool, state: CameraState) -> Option<EventName> {
    match (state, *lost) {
        (CameraState::Lost, false) => {
            *lost = true;
            Some(EventName::CameraLost)
        }
        (CameraState::Live, true) => {
            *lost = false;
            Some(EventName::CameraBack)
        }
        _ => None,
    }
}

fn about(name: &str, status: CameraStatus) -> About {
    let streams = [(StreamId::Main, Some(status.stream)), (StreamId::Low, status.low)];
    let streams = streams.into_iter().filter_map(|(id, info)| Some(stream(id, info?))).collect();
    About {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").into(),
        camera: CameraLine { state: status.state, text: status.text },
        streams,
    }
}

fn stream(id: StreamId, info: StreamInfo) -> Stream {
    Stream {
        id: id.to_string(),
        codec: "h264".into(),
        profile: info.profile.map(|profile| profile.to_string()),
        width: info.size.map(|size| size.width),
        height: info.size.map(|size| size.height),
        fps: info.rate.map(|rate| rate.fps()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_and_a_return_are_each_said_once() {
        use CameraState::{Idle, Live, Lost, Starting};
        let mut lost = false;
        let states = [Idle, Starting, Live, Lost, Starting, Lost, Starting, Live, Idle];
        let events: Vec<_> = states.into_iter().filter_map(|state| event(&mut lost, state)).collect();
        assert_eq!(events, [EventName::CameraLost, EventName::CameraBack]);
    }
}

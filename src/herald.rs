//! Says to everyone who is known how the camera is: the retained status.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::media::status::{CameraStatus, StreamInfo};
use crate::media::stream::StreamId;
use crate::signal::Outbox;
use crate::signal::message::{About, CameraLine, Stream};
use crate::trust::BootId;

/// Publishes the status now and at each change, until `stop`.
pub async fn run(
    name: String,
    boot: BootId,
    outbox: Outbox,
    mut status: watch::Receiver<CameraStatus>,
    stop: CancellationToken,
) {
    loop {
        let current = status.borrow_and_update().clone();
        outbox.set_status(boot, about(&name, current));
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
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

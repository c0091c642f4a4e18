//! What the service manager (systemd) hears: that the daemon is ready, how it is, that it lives, that it stops. Without a
//! manager there is nothing to do.
//!
//! [`health`] decides whether the watchdog is fed; [`notify`] is the manager's socket.

pub mod health;
pub mod notify;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::hub::Hub;
use crate::media::status::{CameraState, CameraStatus};
use crate::signal::Outbox;
use health::{Ill, Vitals};
use notify::{Notify, one_line};

/// How old the status line may be.
const FRESH: Duration = Duration::from_secs(2);

/// Tells the manager that the daemon is ready; then, until `stop`, how it is, and, as long as it is well, that it lives.
pub async fn run(hub: Hub, outbox: Outbox, stop: CancellationToken) {
    let notify = match Notify::from_env() {
        Ok(Some(notify)) => notify,
        Ok(None) => return,
        Err(e) => {
            warn!("systemd cannot be told that the daemon is ready ($NOTIFY_SOCKET: {e})");
            return;
        }
    };
    let mut service = Service { notify, watchdog: notify::watchdog(), hub, outbox, busy_since: None, ill: None };
    service.run(stop).await;
}

struct Service {
    notify: Notify,
    watchdog: Option<Duration>,
    hub: Hub,
    outbox: Outbox,
    busy_since: Option<Instant>,
    /// What was said to be wrong, so that it is said once.
    ill: Option<Ill>,
}

impl Service {
    async fn run(&mut self, stop: CancellationToken) {
        let mut camera = self.hub.status();
        // systemd.service(5), WatchdogSec=: "recommended to send it every half of the time".
        let beat = self.watchdog.map_or(FRESH, |within| FRESH.min(within / 2));
        let mut tick = tokio::time::interval(beat);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut said = String::new();
        self.say(&["READY=1"]);
        loop {
            let status = camera.borrow_and_update().clone();
            let viewers = self.hub.viewers();
            self.feed(status.state, viewers);
            let line = format!("STATUS={}", one_line(&line(&status, viewers, self.outbox.is_connected())));
            if line != said {
                self.say(&[&line]);
                said = line;
            }
            tokio::select! {
                _ = tick.tick() => {}
                changed = camera.changed() => if changed.is_err() { break },
                () = stop.cancelled() => break,
            }
        }
        self.say(&["STOPPING=1", "STATUS=saying goodbye"]);
    }

    /// Says that the daemon lives, if it does what it is for.
    fn feed(&mut self, camera: CameraState, viewers: usize) {
        if self.watchdog.is_none() {
            return;
        }
        let now = Instant::now();
        let busy = viewers > 0 || camera != CameraState::Idle;
        self.busy_since = busy.then(|| self.busy_since.unwrap_or(now));
        let heart = self.hub.heart();
        let (turned, picture) = (heart.last_turn(), heart.last_picture());
        match health::judge(&Vitals { now, busy_since: self.busy_since, turned, picture, camera }) {
            Ok(()) => {
                if self.ill.take().is_some() {
                    info!("well again");
                }
                self.say(&["WATCHDOG=1"]);
            }
            Err(ill) => {
                if self.ill.replace(ill).is_none() {
                    warn!("{ill}; unless that changes, systemd starts Lunette anew");
                }
            }
        }
    }

    fn say(&self, lines: &[&str]) {
        // Nobody is left to hear of it but the log, each two seconds.
        if let Err(e) = self.notify.say(lines) {
            tracing::debug!("systemd does not listen: {e}");
        }
    }
}

/// For `systemctl status`: the camera, its viewers, the broker.
fn line(camera: &CameraStatus, viewers: usize, connected: bool) -> String {
    let state = match camera.state {
        CameraState::Idle => "idle",
        CameraState::Starting => "starting",
        CameraState::Live => "live",
        CameraState::Lost => "lost",
    };
    let viewers = match viewers {
        0 => String::new(),
        1 => "; 1 viewer".to_owned(),
        n => format!("; {n} viewers"),
    };
    let broker = if connected { "broker connected" } else { "no connection to the broker" };
    let text = if camera.text.is_empty() { String::new() } else { format!(": {}", camera.text) };
    format!("{state}{text}{viewers}; {broker}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_for_people() {
        let status = |state, text: &str| CameraStatus { state, text: text.into(), ..CameraStatus::default() };
        let live = status(CameraState::Live, "test card 640x480 at 30 fps");
        assert_eq!(line(&live, 2, true), "live: test card 640x480 at 30 fps; 2 viewers; broker connected");
        let lost = status(CameraState::Lost, "/dev/video0 was unplugged");
        assert_eq!(line(&lost, 1, false), "lost: /dev/video0 was unplugged; 1 viewer; no connection to the broker");
        assert_eq!(line(&CameraStatus::default(), 0, true), "idle; broker connected");
    }
}

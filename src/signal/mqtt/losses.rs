//! When a connection is tried again, and why it was lost.

use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
use rumqttc::v5::{ConnectionError, StateError};

/// Reconnection with full jitter (random between zero and a doubling ceiling). Forgets only after a connection that
/// lasted, so that a broker which throws us out at once is not hammered.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Attempts since the last connection.
    pub(super) count: u32,
    step: u32,
    since: Option<Instant>,
}

impl Losses {
    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);
    const LASTED: Duration = Duration::from_secs(10);

    /// A connection was made; returns how many attempts failed before it.
    pub(super) fn connected(&mut self) -> u32 {
        self.since = Some(Instant::now());
        std::mem::take(&mut self.count)
    }

    /// A connection was lost or not made; returns how long to wait.
    pub(super) fn next_wait(&mut self) -> Duration {
        if self.since.take().is_some_and(|at| at.elapsed() >= Self::LASTED) {
            self.step = 0;
        }
        let ceiling = Self::ceiling(self.step);
        self.count += 1;
        self.step = self.step.saturating_add(1);
        let mut random = [0; 4];
        // Without random bits: the whole wait, which is safe.
        let part =
            getrandom::fill(&mut random).map_or(1.0, |()| f64::from(u32::from_le_bytes(random)) / 4_294_967_295.0);
        ceiling.mul_f64(part)
    }

    fn ceiling(step: u32) -> Duration {
        Self::FIRST.saturating_mul(1 << step.min(10)).min(Self::MOST)
    }
}

/// The reason in words that lead to the way out.
pub(in crate::signal) fn explain(e: &ConnectionError) -> String {
    use rumqttc::v5::mqttbytes::v5::ConnectReturnCode as Code;
    match e {
        ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => {
            "the broker refused the login; see [signal.mqtt] user and password_file".into()
        }
        ConnectionError::ConnectionRefused(code) => format!("the broker refused the connection ({code:?})"),
        ConnectionError::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nothing listens there; see [signal.mqtt] url".into()
        }
        ConnectionError::Timeout(_) => "no answer in time".into(),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => "another Lunette has this camera's identity; each needs a state folder of its own".into(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => "the broker closed the connection".into(),
        ConnectionError::MqttState(StateError::Deserialization(e)) => e.to_string(),
        ConnectionError::Tls(e) => format!("TLS: {e}; see [signal.mqtt] ca_file"),
        other => other.to_string(),
    }
}

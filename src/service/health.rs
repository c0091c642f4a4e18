//! Whether the watchdog may be fed. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::media::status::CameraState;

/// A camera thread that was silent for so long hangs, most likely in a call to its driver. Opening a slow camera, or
/// looking at all there are, takes a few seconds.
const HUNG: Duration = Duration::from_secs(15);

/// A camera that says it is live and gave nothing for so long does not know what it says: the camera's own rules find a
/// stall within two seconds, and one without a key frame within twenty.
const STILL: Duration = Duration::from_secs(25);

/// What is known of the daemon's most delicate part.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Monotonic.
    pub now: Instant,
    /// Since when the camera's thread has work: somebody watches, or it did not say yet that it rests. A page whose picture
    /// stands still comes and goes; that must not excuse a thread that hangs.
    pub busy_since: Option<Instant>,
    /// When the camera's thread last turned its loop.
    pub turned: Option<Instant>,
    /// When the last picture was published.
    pub picture: Option<Instant>,
    /// What the camera says of itself.
    pub camera: CameraState,
}

/// Why a new start is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ill {
    /// The camera's thread does not come back.
    #[error("the camera's driver has not answered for {} s", .0.as_secs())]
    Hung(Duration),
    /// The camera's thread turns, and believes that pictures flow.
    #[error("the camera is said to be live, and gave no picture for {} s", .0.as_secs())]
    Still(Duration),
}

/// Whether the daemon does what it is for.
///
/// # Errors
/// When it does not, and does not know it. A camera that is known to be lost is no reason for a new start: it is tried
/// again as it is, and its viewers would lose their sessions.
pub fn judge(vitals: &Vitals) -> Result<(), Ill> {
    // Nothing is expected of a camera that rests; whoever begins to watch gives it time.
    let Some(since) = vitals.busy_since else { return Ok(()) };
    let age = |moment: Option<Instant>| vitals.now.saturating_duration_since(moment.map_or(since, |m| m.max(since)));
    let (silent, still) = (age(vitals.turned), age(vitals.picture));
    if silent >= HUNG {
        return Err(Ill::Hung(silent));
    }
    match vitals.camera {
        CameraState::Live if still >= STILL => Err(Ill::Still(still)),
        CameraState::Idle | CameraState::Starting | CameraState::Live | CameraState::Lost => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use CameraState::{Idle, Live, Lost, Starting};

    /// Ages in seconds; a negative one is never.
    fn verdict(busy: i64, turned: i64, picture: i64, camera: CameraState) -> Result<(), Ill> {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        let at = |age: i64| u64::try_from(age).ok().map(|age| now - Duration::from_secs(age));
        judge(&Vitals { now, busy_since: at(busy), turned: at(turned), picture: at(picture), camera })
    }

    const NEVER: i64 = -1;
    const HOUR: i64 = 3600;

    #[test]
    fn pictures_move() {
        assert_eq!(verdict(HOUR, 0, 0, Live), Ok(()));
    }

    #[test]
    fn it_rests_so_nothing_is_expected() {
        assert_eq!(verdict(NEVER, NEVER, NEVER, Idle), Ok(()));
        assert_eq!(verdict(NEVER, HOUR, HOUR, Idle), Ok(()), "nor of a thread that hangs");
    }

    #[test]
    fn whoever_begins_to_watch_gives_it_time() {
        assert_eq!(verdict(14, HOUR, HOUR, Idle), Ok(()));
        assert_eq!(verdict(15, HOUR, HOUR, Idle), Err(Ill::Hung(HUNG)));
    }

    #[test]
    fn a_lost_camera_is_no_reason_for_a_new_start() {
        for state in [Lost, Starting] {
            assert_eq!(verdict(HOUR, 0, HOUR, state), Ok(()), "{state:?}");
            assert_eq!(verdict(HOUR, 0, NEVER, state), Ok(()), "{state:?}");
        }
    }

    #[test]
    fn a_thread_that_hangs_is_one_whatever_was_said_last() {
        for state in [Idle, Starting, Live, Lost] {
            let hung = verdict(HOUR, 20, 20, state);
            assert_eq!(hung, Err(Ill::Hung(Duration::from_secs(20))), "{state:?}");
        }
    }

    #[test]
    fn a_camera_that_is_live_gives_pictures() {
        assert_eq!(verdict(HOUR, 0, 24, Live), Ok(()));
        assert_eq!(verdict(HOUR, 0, 25, Live), Err(Ill::Still(STILL)));
        assert_eq!(verdict(HOUR, 0, NEVER, Live), Err(Ill::Still(Duration::from_secs(3600))));
    }

    proptest! {
        /// A daemon that is ill now stays so while nothing happens: the verdict does not flutter.
        #[test]
        fn illness_stays(busy in -1i64..100, turned in -1i64..100, picture in -1i64..100, more in 0i64..100) {
            let later = |age: i64| if age < 0 { age } else { age + more };
            for state in [Idle, Starting, Live, Lost] {
                if verdict(busy, turned, picture, state).is_err() {
                    prop_assert!(verdict(later(busy), later(turned), later(picture), state).is_err());
                }
            }
        }
    }
}

//! Wall time, and whether it can be believed.

use serde::{Deserialize, Serialize};

/// Unix time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

/// What time it is, if that is known; boards without a battery start somewhere in the past.
///
/// `reading` is what the system's clock shows, `built` when this program was, `last_written` the latest time that was
/// ever kept, `synchronised` whether the system says that its clock was set (`adjtimex`, timedatectl's
/// `NTPSynchronized`).
pub fn known(
    reading: UnixSeconds,
    built: UnixSeconds,
    last_written: Option<UnixSeconds>,
    synchronised: bool,
) -> Option<UnixSeconds> {
    let sane = synchronised && reading >= built && last_written.is_none_or(|last| reading >= last);
    sane.then_some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_believed_only_when_everything_speaks_for_it() {
        let (early, built, now) = (UnixSeconds(0), UnixSeconds(1000), UnixSeconds(2000));
        assert_eq!(known(now, built, None, true), Some(now));
        assert_eq!(known(now, built, Some(now), true), Some(now));
        assert_eq!(known(now, built, None, false), None, "nobody set it");
        assert_eq!(known(early, built, None, true), None, "before the program was built");
        assert_eq!(known(now, built, Some(UnixSeconds(2001)), true), None, "earlier than what was written");
    }
}

//! What to do when a key frame is wanted of a device that gives H.264 itself. Pure: time is an argument.
//!
//! Where key frames can be asked for, they are. Where not, the stream may be re-opened, since most cameras begin one with
//! a key frame; but that is a gap for everybody who watches, so it is done only when the next key frame is far away, and
//! not often. Whether a camera begins with a key frame is learned each time that its stream is opened.

use std::time::{Duration, Instant};

use super::steer::KeyFrames;

/// A key frame that is expected within this time is waited for.
const SOON: Duration = Duration::from_secs(2);

/// The stream is re-opened at most once in this time.
const REST: Duration = Duration::from_secs(5);

/// A device that gives pictures, but not the key frame that it was asked for, has not heard.
const DEAF: Duration = Duration::from_secs(3);

/// What is known of a device's key frames.
#[derive(Debug)]
pub struct Keys {
    means: KeyFrames,
    /// Since when one is wanted and has not come.
    wanted: Option<Instant>,
    /// When the last one came, in this run of the stream.
    last: Option<Instant>,
    /// From the last but one to the last.
    interval: Option<Duration>,
    /// Whether the stream was started and nothing of it has come yet.
    fresh: bool,
    /// Whether the stream began with something else when it was started last.
    late: bool,
    reopened: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Rest,
    /// Stop the stream and start it again; then say so by [`Keys::opened`].
    Reopen,
    /// The device was asked and does not do it: take the next best means.
    Distrust,
}

/// What the first picture of a stream taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing new.
    Nothing,
    /// The stream does not begin with a key frame; re-opening it is of no use.
    NoKeyAtStart,
}

impl Keys {
    /// For a stream that was started a moment ago.
    pub fn new(means: KeyFrames) -> Self {
        Self { means, wanted: None, last: None, interval: None, fresh: true, late: false, reopened: None }
    }

    /// By what means key frames are had.
    pub fn means(&self) -> KeyFrames {
        self.means
    }

    /// From now on by other means; what was learned stays.
    pub fn change(&mut self, means: KeyFrames, now: Instant) {
        self.means = if means == KeyFrames::Reopen && self.late { KeyFrames::Wait } else { means };
        self.wanted = self.wanted.map(|_| now);
    }

    /// Somebody wants a key frame. Whether the device is to be asked for it now.
    pub fn want(&mut self, now: Instant) -> bool {
        self.wanted = self.wanted.or(Some(now));
        matches!(self.means, KeyFrames::Control | KeyFrames::ExtensionUnit)
    }

    /// The device gave a picture.
    pub fn picture(&mut self, now: Instant, key: bool) -> Lesson {
        let first = std::mem::take(&mut self.fresh);
        self.late = if first { !key } else { self.late };
        if key {
            self.wanted = None;
            self.interval = self.last.map(|last| now.saturating_duration_since(last)).or(self.interval);
            self.last = Some(now);
        } else if first && self.means == KeyFrames::Reopen {
            self.means = KeyFrames::Wait;
            return Lesson::NoKeyAtStart;
        }
        Lesson::Nothing
    }

    /// What is due.
    pub fn due(&self, now: Instant) -> Act {
        let Some(wanted) = self.wanted else { return Act::Rest };
        let since = |then: Instant| now.saturating_duration_since(then);
        match self.means {
            KeyFrames::Control | KeyFrames::ExtensionUnit if since(wanted) >= DEAF && !self.fresh => Act::Distrust,
            // Until the stream has begun with a key frame once, nothing says that it will.
            KeyFrames::Reopen => {
                let Some(last) = self.last else { return Act::Rest };
                let rested = self.reopened.is_none_or(|then| since(then) >= REST);
                // Without a second one to measure by, the next may come at any moment, and is hoped for.
                let (passed, interval) = (since(last), self.interval.unwrap_or(SOON));
                let soon = passed < interval && interval - passed <= SOON;
                if rested && !soon { Act::Reopen } else { Act::Rest }
            }
            _ => Act::Rest,
        }
    }

    /// The stream was re-opened.
    pub fn opened(&mut self, now: Instant) {
        (self.reopened, self.last, self.fresh) = (Some(now), None, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera with a picture each 100 ms and a key frame each so many; what it did.
    struct Run {
        begin: Instant,
        now: Instant,
        keys: Keys,
        reopened: Vec<u64>,
    }

    impl Run {
        fn new(means: KeyFrames) -> Self {
            let begin = Instant::now();
            Self { begin, now: begin, keys: Keys::new(means), reopened: vec![] }
        }

        /// Pictures for so many tenths of a second, of which those are key frames; a wish with each.
        fn pictures(&mut self, count: u64, key: impl Fn(u64) -> bool, wish: impl Fn(u64) -> bool) {
            let mut n = 0;
            for _ in 0..count {
                self.keys.picture(self.now, key(n));
                n += 1;
                if wish(n) {
                    self.keys.want(self.now);
                }
                if self.keys.due(self.now) == Act::Reopen {
                    self.reopened.push((self.now - self.begin).as_millis() as u64);
                    self.keys.opened(self.now);
                    n = 0;
                }
                self.now += Duration::from_millis(100);
            }
        }
    }

    #[test]
    fn a_camera_with_frequent_key_frames_is_waited_for() {
        let mut run = Run::new(KeyFrames::Reopen);
        run.pictures(300, |n| n % 20 == 0, |_| true);
        assert!(run.reopened.is_empty());
    }

    #[test]
    fn a_camera_with_rare_ones_is_reopened_but_not_often() {
        let mut run = Run::new(KeyFrames::Reopen);
        run.pictures(300, |n| n % 100 == 0, |_| true);
        assert!(run.reopened[0] == 2000, "none came within the time that is waited: {:?}", run.reopened);
        assert!(run.reopened.windows(2).all(|pair| pair[1] - pair[0] >= 5000), "{:?}", run.reopened);
        assert!(run.reopened.len() >= 5, "{:?}", run.reopened);
    }

    #[test]
    fn only_who_asks_gets() {
        let mut run = Run::new(KeyFrames::Reopen);
        run.pictures(300, |n| n % 100 == 0, |_| false);
        assert!(run.reopened.is_empty());
        // It is known now: a key frame each 10 s, the last one 10 s ago but one picture. The wish is 5 s before the next.
        run.pictures(80, |n| n == 0, |n| n == 50);
        assert_eq!(run.reopened, [34_900]);
    }

    #[test]
    fn one_that_is_near_is_waited_for() {
        let mut run = Run::new(KeyFrames::Reopen);
        run.pictures(200, |n| n % 100 == 0, |_| false);
        run.pictures(300, |n| n % 100 == 0, |n| n % 100 == 85);
        assert!(run.reopened.is_empty(), "8.5 s after the last of each 10 s: {:?}", run.reopened);
    }

    #[test]
    fn a_stream_that_does_not_begin_with_one_is_never_reopened_again() {
        let mut keys = Keys::new(KeyFrames::Reopen);
        let now = Instant::now();
        assert_eq!(keys.picture(now, false), Lesson::NoKeyAtStart);
        assert_eq!(keys.picture(now, false), Lesson::Nothing, "told once");
        assert_eq!(keys.means(), KeyFrames::Wait);
        keys.want(now);
        assert_eq!(keys.due(now + Duration::from_secs(100)), Act::Rest);
        // Or it is found out later.
        let mut keys = Keys::new(KeyFrames::Reopen);
        assert_eq!(keys.picture(now, true), Lesson::Nothing);
        keys.want(now);
        assert_eq!(keys.due(now + SOON), Act::Reopen);
        keys.opened(now + SOON);
        assert_eq!(keys.due(now + SOON + REST), Act::Rest, "nothing has come yet");
        assert_eq!(keys.picture(now + SOON, false), Lesson::NoKeyAtStart);
        assert_eq!(keys.due(now + SOON + REST), Act::Rest);
    }

    #[test]
    fn a_device_that_does_not_hear_is_not_asked_for_ever() {
        for means in [KeyFrames::Control, KeyFrames::ExtensionUnit] {
            let mut keys = Keys::new(means);
            let now = Instant::now();
            assert!(keys.want(now));
            assert_eq!(keys.due(now + DEAF), Act::Rest, "it gives nothing at all: that is another matter");
            keys.picture(now, false);
            assert!(keys.want(now + Duration::from_secs(1)), "asked again, but since the first time");
            assert_eq!(keys.due(now + Duration::from_secs(2)), Act::Rest);
            assert_eq!(keys.due(now + DEAF), Act::Distrust);
            keys.picture(now + DEAF, true);
            assert_eq!(keys.due(now + DEAF * 2), Act::Rest, "it came");
            keys.want(now);
            keys.change(KeyFrames::Reopen, now);
            assert_eq!(keys.means(), KeyFrames::Wait, "its stream did not begin with one");
            assert_eq!(keys.due(now + DEAF * 2), Act::Rest);
        }
        assert!(!Keys::new(KeyFrames::Reopen).want(Instant::now()));
    }
}

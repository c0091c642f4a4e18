//! The camera's thread: `run` loops over `run_once`.
//!
//! - Nobody watches: state `idle`; nothing is open. Watching begins: the source is opened at once.
//! - The first picture after opening is a key frame. A change of [`Demand::key_frames`] forces one more; so many requests
//!   before a key frame are answered by that key frame. A change of bitrate is handed on.
//! - A source that fails, or is silent for [`STALL`], is closed and opened again: after a pause that doubles, and at once
//!   when a video node comes, goes or changes. One WARN when it was lost, one INFO when it is back.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::choose::{self, Choice, Plan};
use super::lost::Lost;
use super::probe::{self, Nodes};
use super::retry::{Backoff, Outages};
use super::source::{Clock, Source, Step};
use crate::config::{Camera, Video};
use crate::hub::{Demand, Publisher};
use crate::media::frame::Frame;
use crate::media::sps::Sps;
use crate::media::status::{CameraState, CameraStatus, StreamInfo};

/// A source that was live and then gives nothing for so long is lost.
const STALL: Duration = Duration::from_secs(2);

/// The same before its first picture: some cameras need a second or two to wake up.
const FIRST_PICTURE: Duration = Duration::from_secs(5);

/// While waiting to try again, the device nodes are looked at so often.
const LOOK: Duration = Duration::from_millis(250);

/// While nobody watches, a device that is not there is looked for so often.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// Under `auto`, another device is taken when the one that was used is gone for so long.
const FORSAKE: Duration = Duration::from_secs(10);

/// A source that was live for so long before it failed is tried again at once.
const PROVEN: Duration = Duration::from_secs(5);

/// All that the thread owns.
#[derive(Debug)]
pub struct Worker {
    camera: Camera,
    video: Video,
    demand: watch::Receiver<Demand>,
    out: Publisher,
    stop: CancellationToken,
    /// Only to wait: for the demand, for the stop, for time.
    runtime: Runtime,
    clock: Clock,
    outages: Outages,
    backoff: Backoff,
    chosen: Option<Chosen>,
}

/// What was chosen last, and by what device nodes.
#[derive(Debug)]
struct Chosen {
    choice: Choice,
    nodes: Nodes,
}

/// Why pictures ended, other than by a loss.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Unwatched,
    Stopped,
}

impl Worker {
    /// Ready to run.
    ///
    /// # Errors
    /// When the system has no more file descriptors.
    pub fn new(
        camera: Camera,
        video: Video,
        demand: watch::Receiver<Demand>,
        out: Publisher,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let (outages, backoff) = Default::default();
        Ok(Self { camera, video, demand, out, stop, runtime, clock: Clock::start(), outages, backoff, chosen: None })
    }

    /// Runs until the stop token is cancelled.
    pub fn run(mut self) {
        let _span = tracing::info_span!("camera").entered();
        while self.wait_until_watched() {
            // A bug in here, or in a codec, must not leave a daemon without its camera.
            let end = catch_unwind(AssertUnwindSafe(|| self.run_once())).unwrap_or_else(|_| {
                error!("the camera's thread panicked; opening the camera again");
                Err(Lost::Internal)
            });
            match end {
                Ok(End::Stopped) => break,
                Ok(End::Unwatched) => {}
                Err(lost) => {
                    self.tell(&lost);
                    self.rest();
                }
            }
        }
        self.report(CameraState::Idle, "stopped");
    }

    /// Opens the source and publishes until nobody watches any more.
    fn run_once(&mut self) -> Result<End, Lost> {
        let plan = self.plan()?;
        let mut done = *self.demand.borrow_and_update();
        let what = plan.device().map_or("the test card".to_owned(), |path| path.display().to_string());
        self.report(CameraState::Starting, &format!("opening {what}"));
        let mut source = Source::open(&plan, &self.video, done.bitrate, self.clock)?;
        let mut live = Live::new(&source);
        loop {
            if self.stop.is_cancelled() {
                return Ok(End::Stopped);
            }
            let wanted = *self.demand.borrow();
            if !wanted.watched {
                debug!("closed {what}");
                return Ok(End::Unwatched);
            }
            if wanted.bitrate != done.bitrate {
                source.set_bitrate(wanted.bitrate)?;
            }
            if wanted.key_frames != done.key_frames && live.since.is_some() {
                source.force_key();
            }
            done = wanted;
            match source.step()? {
                Step::Picture(frame, sps) => {
                    let first = live.since.is_none() && frame.key;
                    if frame.key {
                        // It answers whoever asked until now.
                        done.key_frames = self.demand.borrow().key_frames;
                    }
                    live.picture(&frame, sps);
                    if first || sps.is_some() {
                        self.report_live(&live);
                    }
                    if live.since.is_some() {
                        self.out.publish(frame);
                    }
                    if live.is_proven() {
                        self.backoff.reset();
                    }
                }
                Step::Alive => live.heard(),
                Step::Damaged(why) => live.damage(why),
                Step::Nothing => {}
            }
            live.check(&what)?;
        }
    }

    /// What to open now.
    fn plan(&mut self) -> Result<Plan, Lost> {
        let nodes = probe::nodes();
        let choice = match &self.camera {
            Camera::TestCard => Choice { plan: Plan::TestCard, reason: "showing the test card, as configured".into() },
            Camera::V4l2(v4l2) => choose::choose_for(&probe::inspect(&v4l2.device)?, &self.video)?,
            Camera::Auto => match &self.chosen {
                Some(chosen) if chosen.nodes == nodes => chosen.choice.clone(),
                Some(Chosen { choice, .. }) if self.is_to_return(choice) => {
                    let path = choice.plan.device().unwrap_or_else(|| unreachable!("is_to_return"));
                    choose::choose_for(&probe::inspect(path)?, &self.video)?
                }
                _ => choose::choose(&probe::list(), &self.video),
            },
        };
        if self.chosen.as_ref().is_none_or(|chosen| chosen.choice.reason != choice.reason) {
            info!("{}", choice.reason);
        }
        let plan = choice.plan.clone();
        self.chosen = Some(Chosen { choice, nodes });
        Ok(plan)
    }

    /// Under `auto`: whether the device that was lost lately is waited for, whatever else there is.
    fn is_to_return(&self, choice: &Choice) -> bool {
        let lately = self.outages.since().is_some_and(|since| since.elapsed() < FORSAKE);
        choice.plan.device().is_some() && lately
    }

    /// Warns of a loss and reports it.
    fn tell(&mut self, lost: &Lost) {
        let text = lost.to_string();
        match self.outages.failed(Instant::now(), &text, lost.is_gone()) {
            Some(line) => warn!("{line}"),
            None => debug!("{text}"),
        }
        self.report(CameraState::Lost, &text);
    }

    fn report_live(&mut self, live: &Live) {
        let shape = live.info.size.map_or(String::new(), |size| format!(" {size}"));
        let rate = live.info.rate.map_or(String::new(), |rate| format!(" at {rate}"));
        let text = format!("{}{shape}{rate}", live.info.source);
        debug!("live: {text}");
        if let Some(line) = self.outages.over(Instant::now()) {
            info!("{}: {line}", live.info.source);
        }
        self.out.report(CameraStatus { state: CameraState::Live, text, stream: live.info.clone() });
    }

    /// Reports a state without pictures. What is known of the stream stays known.
    fn report(&self, state: CameraState, text: &str) {
        self.out.report(CameraStatus { state, text: text.to_owned(), stream: self.out.status().stream });
    }

    /// Waits for a viewer. `false`: it is time to stop.
    fn wait_until_watched(&mut self) -> bool {
        loop {
            if self.stop.is_cancelled() {
                return false;
            } else if self.demand.borrow().watched {
                return true;
            }
            // A device that is not there is not ready; it is looked for, but not opened.
            let absent = self.device().filter(|path| !path.exists()).map(|path| Lost::Absent(path.to_owned()));
            match &absent {
                Some(lost) => self.tell(lost),
                None => self.report(CameraState::Idle, "nobody watches"),
            }
            let (stop, demand) = (&self.stop, &mut self.demand);
            self.runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = demand.wait_for(|demand| demand.watched) => {}
                    () = tokio::time::sleep(IDLE_LOOK), if absent.is_some() => {}
                }
            });
        }
    }

    /// The device that is configured.
    fn device(&self) -> Option<&Path> {
        match &self.camera {
            Camera::V4l2(v4l2) => Some(&v4l2.device),
            Camera::Auto | Camera::TestCard => None,
        }
    }

    /// Waits before the next try: until the pause is over, a video node changed, nobody watches, or it is time to stop.
    fn rest(&mut self) {
        let until = Instant::now() + self.backoff.next();
        let before = probe::nodes();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (stop, demand) = (&self.stop, &mut self.demand);
            let over = self.runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => true,
                    _ = demand.wait_for(|demand| !demand.watched) => true,
                    () = tokio::time::sleep(left.min(LOOK)) => left <= LOOK,
                }
            });
            if over {
                return;
            }
            if probe::nodes() != before {
                self.backoff.reset();
                return;
            }
        }
    }
}

/// What is known of an open source.
#[derive(Debug)]
struct Live {
    info: StreamInfo,
    opened: Instant,
    /// Since the first key frame.
    since: Option<Instant>,
    heard: Instant,
    damage: Option<String>,
}

impl Live {
    fn new(source: &Source) -> Self {
        let (source, encoder, rate) = source.describe();
        let info = StreamInfo { source, encoder: encoder.to_owned(), rate: Some(rate), ..StreamInfo::default() };
        let now = Instant::now();
        Self { info, opened: now, since: None, heard: now, damage: None }
    }

    fn picture(&mut self, frame: &Frame, sps: Option<Sps>) {
        self.heard();
        if frame.key && self.since.is_none() {
            self.since = Some(self.heard);
            debug!("first picture {} ms after opening", self.opened.elapsed().as_millis());
        }
        if let Some(sps) = sps {
            self.info.profile = Some(sps.profile);
            self.info.size = Some(sps.size);
        }
    }

    fn heard(&mut self) {
        self.heard = Instant::now();
        self.damage = None;
    }

    /// Damaged pictures do not count as a sign of life.
    fn damage(&mut self, why: String) {
        debug!("damaged picture: {why}");
        self.damage = Some(why);
    }

    fn is_proven(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PROVEN)
    }

    fn check(&self, what: &str) -> Result<(), Lost> {
        let limit = if self.since.is_some() { STALL } else { FIRST_PICTURE };
        if self.heard.elapsed() < limit {
            return Ok(());
        }
        let (path, seconds) = (what.into(), limit.as_secs());
        Err(match &self.damage {
            Some(why) => Lost::Damaged { path, seconds, why: why.clone() },
            None => Lost::Stalled { path, seconds },
        })
    }
}

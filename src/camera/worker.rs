//! The camera's thread: `run` loops over `run_once`.
//!
//! - Nobody watches: state `idle`; nothing is open. Watching begins: the source is opened at once.
//! - The first picture after opening is a key frame. A change of [`Demand::key_frames`] forces one more; so many requests
//!   before a key frame are answered by that key frame. A change of bitrate is handed on.
//! - A source that fails, or is silent for too long ([`super::live`]), is closed and opened again: after a pause that doubles, and at once
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
use super::device::DeviceInfo;
use super::live::Live;
use super::lost::Lost;
use super::probe::{self, Nodes};
use super::retry::{Backoff, Outages, Tally};
use super::source::Source;
use super::step::{Clock, Step};
use super::v4l2;
use crate::config::{self, Camera, Video};
use crate::hub::{Demand, Publisher, Want};
use crate::media::status::{CameraState, CameraStatus};
use crate::media::stream::{PerStream, StreamId};

/// While waiting to try again, the device nodes are looked at so often.
const LOOK: Duration = Duration::from_millis(250);

/// While nobody watches, a device that is not there is looked for so often.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// Under `auto`, another device is taken when the one that was used is gone for so long.
const FORSAKE: Duration = Duration::from_secs(3);

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
    damage: Tally,
    /// Lost in a way that only a restart of the process helps.
    stuck: bool,
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
        let (outages, backoff, damage, clock) =
            (Outages::default(), Backoff::default(), Tally::default(), Clock::start());
        Ok(Self {
            camera,
            video,
            demand,
            out,
            stop,
            runtime,
            clock,
            outages,
            backoff,
            damage,
            stuck: false,
            chosen: None,
        })
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
        let what = plan.name();
        self.report(CameraState::Starting, &format!("opening {what}"));
        let mut source = Source::open(&plan, &self.video, &done, self.clock)?;
        let mut live = Live::new(&source);
        loop {
            self.beat();
            if self.stop.is_cancelled() {
                return Ok(End::Stopped);
            }
            let wanted = live.possible(*self.demand.borrow());
            if !wanted.watched() {
                debug!("closed {what}");
                return Ok(End::Unwatched);
            }
            for stream in StreamId::ALL {
                follow(&mut source, stream, &done[stream], &wanted[stream], live.since[stream].is_some())?;
            }
            done = wanted;
            match source.step()? {
                Step::Picture(stream, frame, sps) => {
                    let first = live.since[stream].is_none() && frame.key;
                    if frame.key {
                        // It answers whoever asked until now.
                        done[stream].key_frames = self.demand.borrow()[stream].key_frames;
                    }
                    live.picture(stream, &frame, sps);
                    if first || sps.is_some() {
                        live.describe(&source);
                        self.report_live(&live);
                    }
                    if live.since[stream].is_some() {
                        self.out.publish(stream, frame);
                    }
                    if live.is_proven() {
                        self.backoff.reset();
                    }
                }
                Step::Alive => live.heard(),
                Step::Changed => {
                    live.describe(&source);
                    self.report_live(&live);
                }
                Step::Damaged(why) => {
                    if let Some(line) = self.damage.one(Instant::now(), &why) {
                        warn!("{what} gave a damaged picture: {line}");
                    }
                    live.damage(why);
                }
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
            Camera::Gst(gst) => choose::pipeline(gst),
            Camera::V4l2(v4l2) => choose::choose_for(&v4l2::inspect(&v4l2.device)?, &self.encoders(), &self.video)?,
            Camera::Auto => self.auto(&nodes)?,
        };
        if self.chosen.as_ref().is_none_or(|chosen| chosen.choice.reason != choice.reason) {
            info!("{}", choice.reason);
        }
        let plan = choice.plan.clone();
        self.chosen = Some(Chosen { choice, nodes });
        Ok(plan)
    }

    /// The hardware encoders, where they are wanted.
    fn encoders(&self) -> Vec<DeviceInfo> {
        if self.video.encoder == config::Encoder::Software { Vec::new() } else { probe::encoders() }
    }

    /// What `auto` means now. While the nodes stay the same, so does the choice. A device that was lost is waited for, and
    /// then another one is taken; but the test card never takes the place of a camera that failed.
    fn auto(&self, nodes: &Nodes) -> Result<Choice, Lost> {
        let Some(Chosen { choice, nodes: before }) = &self.chosen else {
            return Ok(choose::choose(&probe::list(), &self.video));
        };
        if nodes == before {
            return Ok(choice.clone());
        }
        let (Some(since), Some(path)) = (self.outages.since(), choice.plan.device()) else {
            return Ok(choose::choose(&probe::list(), &self.video));
        };
        let other = choose::choose(&probe::list(), &self.video);
        if since.elapsed() < FORSAKE || other.plan == Plan::TestCard {
            return choose::choose_for(&v4l2::inspect(path)?, &self.encoders(), &self.video);
        }
        Ok(other)
    }

    /// A sign of life. A process that only a restart helps gives none, so that a watchdog restarts it.
    fn beat(&self) {
        if !self.stuck {
            self.out.beat();
        }
    }

    /// Warns of a loss and reports it.
    fn tell(&mut self, lost: &Lost) {
        self.stuck = matches!(lost, Lost::Stuck(_));
        let text = lost.to_string();
        match self.outages.failed(Instant::now(), &text, lost.is_gone()) {
            Some(line) => warn!("{line}"),
            None => debug!("{text}"),
        }
        self.report(CameraState::Lost, &text);
    }

    fn report_live(&mut self, live: &Live) {
        let PerStream { main, low } = live.info.clone();
        let mut main = main.unwrap_or_default();
        // When only the low stream is watched, the main one of this camera is what it was.
        let before = Some(self.out.status().stream).filter(|before| before.source == main.source).unwrap_or_default();
        main.size = main.size.or(before.size);
        main.profile = main.profile.or(before.profile);
        let shape = main.size.map_or(String::new(), |size| format!(" {size}"));
        let rate = main.rate.map_or(String::new(), |rate| format!(" at {rate}"));
        let text = format!("{}{shape}{rate}", main.source);
        debug!("live: {text}");
        if let Some(line) = self.outages.over(Instant::now()) {
            info!("{}: {line}", main.source);
        }
        self.out.report(CameraStatus { state: CameraState::Live, text, stream: main, low });
    }

    /// Reports a state without pictures. What is known of the stream stays known.
    fn report(&self, state: CameraState, text: &str) {
        self.out.report(CameraStatus { state, text: text.to_owned(), ..self.out.status() });
    }

    /// Waits for a viewer. `false`: it is time to stop.
    fn wait_until_watched(&mut self) -> bool {
        loop {
            self.beat();
            if self.stop.is_cancelled() {
                return false;
            } else if self.demand.borrow().watched() {
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
                    _ = demand.wait_for(Demand::watched) => {}
                    () = tokio::time::sleep(IDLE_LOOK), if absent.is_some() => {}
                }
            });
        }
    }

    /// The device that is configured.
    fn device(&self) -> Option<&Path> {
        match &self.camera {
            Camera::V4l2(v4l2) => Some(&v4l2.device),
            Camera::Auto | Camera::Gst(_) | Camera::TestCard => None,
        }
    }

    /// Waits before the next try: until the pause is over, a video node changed, nobody watches, or it is time to stop.
    fn rest(&mut self) {
        let until = Instant::now() + self.backoff.next();
        let before = probe::nodes();
        loop {
            self.beat();
            let left = until.saturating_duration_since(Instant::now());
            let (stop, demand) = (&self.stop, &mut self.demand);
            let over = self.runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => true,
                    _ = demand.wait_for(|demand| !demand.watched()) => true,
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

/// Does what is newly wanted of a stream. A key frame is forced only when one has been seen: the first comes by itself.
fn follow(source: &mut Source, stream: StreamId, done: &Want, wanted: &Want, seen: bool) -> Result<(), Lost> {
    if wanted.watched != done.watched {
        source.watch(stream, wanted.watched);
    }
    if wanted.bitrate != done.bitrate {
        source.set_bitrate(stream, wanted.bitrate)?;
    }
    if wanted.watched && wanted.key_frames != done.key_frames && seen {
        source.force_key(stream)?;
    }
    Ok(())
}

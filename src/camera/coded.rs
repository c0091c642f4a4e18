//! A V4L2 capture device that gives H.264, which is passed on as it comes.
//!
//! A filled buffer is read once and given back at once, before anything else is done with what was in it. How the device
//! is asked for key frames and for a bitrate, [`Steering`] decides.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{debug, info, warn};

use super::abi::{cid, flag};
use super::capture::{BUFFERS, Device, get_control, has_control, set_control};
use super::choose::Target;
use super::keys::{Act, Keys, Lesson};
use super::lost::Lost;
use super::m2m::is_news;
use super::steer::{KeyFrames, Means, RateControl, Steering};
use super::step::{Clock, Step};
use super::sys::Node;
use super::uvc::{Selector, Selectors};
use super::uvc_unit::{Aim, Located, Remote};
use crate::media::access_unit::{AccessUnitError, Assembler};
use crate::media::sps::Sps;
use crate::media::stream::StreamId;
use crate::media::units::{Bitrate, FrameRate, Size};

/// A device that gives H.264.
#[derive(Debug)]
pub struct Coded {
    device: Device,
    helm: Helm,
    keys: Keys,
    assembler: Assembler,
    clock: Clock,
    /// After a loss, and at the start, nothing can be shown before the next key frame.
    needs_key: bool,
    /// An SPS that was news in a picture that was not shown.
    sps: Option<Sps>,
}

impl Coded {
    /// Opens a device and starts it.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format.
    pub fn open(target: &Target, bitrate: Bitrate, clock: Clock) -> Result<Self, Lost> {
        let mut helm = None;
        let device = Device::open(target, *b"H264", BUFFERS, |node, pix, rate| {
            helm = Some(Helm::take(node, &target.path, Size::new(pix.width, pix.height), rate, bitrate));
        })?;
        let mut helm = helm.ok_or(Lost::Internal)?;
        helm.start(device.node());
        debug!("{}: {}", target.label, helm.steering);
        let keys = Keys::new(helm.steering.key_frames);
        let mut coded = Self { device, helm, keys, assembler: Assembler::new(), clock, needs_key: true, sps: None };
        coded.force_key();
        Ok(coded)
    }

    /// Waits for the next picture, at most for [`super::step::PATIENCE`]. None is left out: each is needed to decode the next.
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn step(&mut self) -> Result<Step, Lost> {
        self.steer()?;
        let Some(filled) = self.device.wait()? else { return Ok(Step::Nothing) };
        let captured = self.device.captured(&filled);
        let damaged = filled.buffer().flags & flag::ERROR != 0;
        let gap = self.device.has_gap(&filled);
        let unit = self.assembler.push(self.device.bytes(&filled));
        self.device.give_back(filled)?;
        if gap {
            self.force_key();
        }
        if let (false, Ok(Some(_)) | Err(AccessUnitError::NoParameterSets)) = (damaged, &unit) {
            self.learn(matches!(&unit, Ok(Some(unit)) if unit.key));
        }
        let mut unit = match unit {
            _ if damaged => return Ok(self.damaged("the device marked it as damaged".to_owned())),
            // The camera is in the middle of what it sent to nobody.
            Err(AccessUnitError::NoParameterSets) if self.needs_key => return Ok(Step::Alive),
            Err(error) => return Ok(self.damaged(error.to_string())),
            Ok(None) => return Ok(Step::Alive),
            Ok(Some(unit)) => unit,
        };
        self.sps = unit.sps.or(self.sps);
        if self.needs_key && !unit.key {
            return Ok(Step::Alive);
        }
        self.needs_key = false;
        unit.sps = self.sps.take();
        Ok(self.clock.frame(StreamId::Main, unit, captured))
    }

    fn damaged(&mut self, why: String) -> Step {
        self.needs_key = true;
        self.force_key();
        Step::Damaged(why)
    }

    /// A picture came: what it teaches of the device's key frames.
    fn learn(&mut self, key: bool) {
        if self.keys.picture(Instant::now(), key) == Lesson::NoKeyAtStart {
            info!(
                "{} does not begin with a key frame, and cannot be asked for one: waiting for the next",
                self.label()
            );
        }
    }

    /// Does what the key frames that are wanted need, and goes on by other means where one was found not to work.
    fn steer(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        match self.keys.due(now) {
            Act::Rest => {}
            // A request that the camera does not answer at all fails by itself.
            Act::Distrust if self.helm.remote.as_ref().is_some_and(Remote::is_busy) => {}
            Act::Distrust => self.helm.distrust(self.keys.means()),
            Act::Reopen => {
                debug!("{}: re-opening the stream for a key frame", self.label());
                self.device.restart(|node| self.helm.configure(node))?;
                self.needs_key = true;
                self.keys.opened(now);
            }
        }
        if self.helm.look() {
            self.helm.start(self.device.node());
            info!("{}: {}", self.label(), self.helm.steering);
            self.keys.change(self.helm.steering.key_frames, now);
        }
        Ok(())
    }

    /// Asks for a key frame, by the best means that the device has. The next one answers it, whenever it comes.
    pub fn force_key(&mut self) {
        if self.keys.want(Instant::now()) {
            self.helm.key_frame(self.device.node());
        }
    }

    /// Sets the bitrate, where the device lets it be set.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) {
        self.helm.set_bitrate(self.device.node(), bitrate);
    }

    /// Name and node, for people.
    pub fn label(&self) -> &str {
        &self.device.label
    }

    /// As negotiated.
    pub fn rate(&self) -> FrameRate {
        self.device.rate
    }
}

/// What a device that gives H.264 has to be steered by. The device is not changed.
pub fn means(node: &Node, path: &Path) -> Means {
    means_with(node, Located::find(path))
}

fn means_with(node: &Node, located: Option<Located>) -> Means {
    Means {
        force_key: has_control(node, cid::FORCE_KEY_FRAME),
        bitrate: has_control(node, cid::BITRATE),
        key_interval: INTERVALS.iter().any(|id| has_control(node, *id)),
        unit: located.map_or(Selectors::default(), Located::selectors),
    }
}

/// Controls that say how many pictures there are from one key frame to the next. Drivers have one of them, or both.
const INTERVALS: [u32; 2] = [cid::H264_I_PERIOD, cid::GOP_SIZE];

/// Steers a device: what it has, what is made of it, and the way to its extension unit.
#[derive(Debug)]
struct Helm {
    path: PathBuf,
    size: Size,
    rate: FrameRate,
    bitrate: Bitrate,
    means: Means,
    steering: Steering,
    located: Option<Located>,
    remote: Option<Remote>,
}

impl Helm {
    /// Finds out what a device has, and sets it up. Its stream is not started yet.
    fn take(node: &Node, path: &Path, size: Size, rate: FrameRate, bitrate: Bitrate) -> Self {
        let located = Located::find(path);
        let means = means_with(node, located);
        let (path, steering) = (path.to_owned(), Steering::by(means));
        let mut helm = Self { path, size, rate, bitrate, means, steering, located, remote: None };
        helm.configure(node);
        helm
    }

    /// Sets a device up whose stream does not run.
    fn configure(&mut self, node: &Node) {
        let (size, rate, bitrate, interval) = (self.size, self.rate, self.bitrate, self.steering.interval());
        if let Some(located) = self.located
            && !located.configure(node, &Aim { size, rate, bitrate, interval })
        {
            self.look();
        }
        let pictures = (self.steering.interval().as_secs_f64() * rate.fps()).round() as i32;
        for id in INTERVALS {
            set(node, id, "pictures from one key frame to the next", pictures);
        }
        if self.steering.bitrate == RateControl::Control {
            self.set_bitrate(node, bitrate);
        }
    }

    /// The stream runs: opens the way to the extension unit, where one is needed.
    fn start(&mut self, node: &Node) {
        let by_unit =
            self.steering.key_frames == KeyFrames::ExtensionUnit || self.steering.bitrate == RateControl::ExtensionUnit;
        if let (true, Some(located), None) = (by_unit, self.located, &self.remote) {
            match Remote::start(&self.path, located) {
                Ok(remote) => self.remote = Some(remote),
                Err(error) => {
                    warn!("{}: cannot reach the camera's extension unit: {error}", self.path.display());
                    self.located = None;
                    self.look();
                }
            }
        }
        if self.steering.bitrate == RateControl::ExtensionUnit {
            self.set_bitrate(node, self.bitrate);
        }
    }

    /// Looks whether the extension unit still does what it says. Whether anything is steered otherwise now.
    fn look(&mut self) -> bool {
        self.means.unit = self.located.map_or(Selectors::default(), Located::selectors);
        let before = std::mem::replace(&mut self.steering, Steering::by(self.means));
        before != self.steering
    }

    /// Does without a means of getting key frames, which was used and does not work.
    fn distrust(&mut self, means: KeyFrames) {
        match (means, self.located) {
            (KeyFrames::Control, _) => {
                let (path, why) = (self.path.display(), "the driver takes requests for key frames, but none come");
                // It is found out anew whenever the camera is opened.
                if is_news(&self.path, Size::new(0, 0), why) {
                    warn!("{path}: {why}")
                } else {
                    debug!("{path}: {why}")
                }
                self.means.force_key = false;
            }
            (KeyFrames::ExtensionUnit, Some(located)) => {
                located.distrust(Selector::PictureType, "it takes requests for key frames, but none come");
            }
            _ => {}
        }
    }

    fn key_frame(&self, node: &Node) {
        match self.steering.key_frames {
            KeyFrames::Control => {
                let _ = set_control(node, cid::FORCE_KEY_FRAME, 1);
            }
            KeyFrames::ExtensionUnit => {
                if let Some(remote) = &self.remote {
                    remote.key_frame();
                }
            }
            KeyFrames::Reopen | KeyFrames::Wait => {}
        }
    }

    fn set_bitrate(&mut self, node: &Node, bitrate: Bitrate) {
        self.bitrate = bitrate;
        match self.steering.bitrate {
            RateControl::Control => {
                set(node, cid::BITRATE, "bit/s", i32::try_from(bitrate.bps()).unwrap_or(i32::MAX));
            }
            RateControl::ExtensionUnit => {
                if let Some(remote) = &self.remote {
                    remote.bitrate(bitrate);
                }
            }
            RateControl::Opening | RateControl::None => {}
        }
    }
}

/// Sets a control where there is one, and notes what the device made of it.
fn set(node: &Node, id: u32, of: &str, value: i32) {
    if set_control(node, id, value).is_ok() {
        match get_control(node, id) {
            Ok(now) => debug!("the driver took {now} {of} of {value}"),
            Err(error) => debug!("the driver took {value} {of}, and says when asked: {error}"),
        }
    }
}

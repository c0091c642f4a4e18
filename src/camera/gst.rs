//! Pictures from a GStreamer pipeline: H.264 as it comes, or pixels through an encoder of ours.
//!
//! GStreamer is set up when the first pipeline is opened; who uses none pays nothing for it. The camera's thread never
//! changes a pipeline's state itself and never waits for it: an element that hangs costs a second when it is closed, and
//! no more. While nobody watches there is no pipeline.

mod build;
mod element;
mod encoder;
mod package;
mod pipeline;
mod pixels;
mod recipe;
mod tail;
mod time;
mod trouble;

use std::time::{Duration, Instant};

use gstreamer as gst;
use tracing::warn;

use self::build::{End, NoPipeline, Offers, build, open_end};
use self::pipeline::Running;
use self::recipe::{Recipe, SOURCE};
use self::tail::Tail;
use self::time::Times;
use super::lanes::Lanes;
use super::lost::Lost;
use super::picture::I420;
use super::source::Described;
use super::step::{Clock, PATIENCE, Step};
use super::{choose, probe};
use crate::config::{self, GstSource, Video, read_secret_file};
use crate::hub::Demand;
use crate::media::access_unit::{AccessUnitError, Assembler};
use crate::media::h264::nal_units;
use crate::media::sps::Sps;
use crate::media::stream::{PerStream, StreamId};
use crate::media::units::{Bitrate, FrameRate};

/// While a hardware encoder has pictures, it is asked so often whether it is done: there is nothing that waits for it and
/// for the pipeline.
const BUSY: Duration = Duration::from_millis(4);

/// A pipeline that gives pictures.
#[derive(Debug)]
pub struct Gst {
    running: Running,
    offers: Offers,
    label: String,
    video: Video,
    /// As it is wanted now; pixels get their encoders with the first picture.
    demand: Demand,
    clock: Clock,
    times: Times,
    rate: FrameRate,
    output: Output,
}

/// What the pipeline gives.
#[derive(Debug)]
enum Output {
    /// Nothing yet.
    Unknown,
    Coded(Coded),
    Raw(Box<Raw>),
}

#[derive(Debug, Default)]
struct Coded {
    assembler: Assembler,
    /// A picture was shown since the start, or since the last loss.
    shows: bool,
    /// An SPS that was news in a picture that was not shown.
    sps: Option<Sps>,
    /// It was said that pictures have several slices.
    warned: bool,
}

#[derive(Debug)]
struct Raw {
    lanes: Lanes,
    picture: I420,
    hardware: bool,
    /// When the last picture was captured that was encoded.
    last: Instant,
    /// Whether a hardware encoder still has that picture, by stream.
    owed: PerStream<bool>,
}

impl Raw {
    fn encode(&mut self, captured: Instant, demand: &Demand) -> Result<Step, Lost> {
        self.last = captured;
        self.owed = PerStream::from_fn(|stream| self.hardware && demand[stream].watched);
        let step = self.lanes.encode(&self.picture, captured)?;
        Ok(self.seen(step))
    }

    fn rest(&mut self) -> Result<Option<Step>, Lost> {
        let step = self.lanes.rest()?;
        Ok(step.map(|step| self.seen(step)))
    }

    fn seen(&mut self, step: Step) -> Step {
        if let Step::Picture(stream, frame, _) = &step
            && frame.captured >= self.last
        {
            self.owed[*stream] = false;
        }
        step
    }

    fn is_busy(&self) -> bool {
        self.owed.main || self.owed.low
    }
}

impl Gst {
    /// Builds a pipeline and has it started.
    ///
    /// # Errors
    /// When it cannot be built: its text is wrong, or an element is missing.
    pub fn open(config: &config::Gst, video: &Video, demand: &Demand, clock: Clock) -> Result<Self, Lost> {
        let lost = |text: String| Lost::Gst(trouble::fit_for_a_log(&text));
        let source = config.source().map_err(|misfit| lost(misfit.message))?;
        set_up().map_err(lost)?;
        let recipe = Recipe::of(source, video, has);
        let bin = build(&recipe).map_err(|wrong| lost(wrong.message()))?;
        let offers = Offers::default();
        if let GstSource::Rtsp { password_file, .. } = source {
            offers.select(&bin);
            if let Some(file) = password_file {
                let password = read_secret_file(file).map_err(|error| lost(error.to_string()))?;
                element::set_secret(&bin, SOURCE, "user-pw", &password);
            }
        }
        let tail = Tail::new(video, demand.main.bitrate, recipe.open_ended);
        if Running::too_many_hang() {
            return Err(Lost::Stuck(
                "earlier GStreamer pipelines hang and do not stop; only restarting Lunette helps".into(),
            ));
        }
        let running = Running::start(bin, tail).map_err(lost)?;
        let times = Times::start(Instant::now());
        let (label, rate, output) = (recipe.label, video.fps, Output::Unknown);
        Ok(Self { running, offers, label, video: video.clone(), demand: *demand, clock, times, rate, output })
    }

    /// Waits for the next picture, at most for [`PATIENCE`].
    ///
    /// # Errors
    /// When the pipeline fails or ends.
    pub fn step(&mut self) -> Result<Step, Lost> {
        let mut patience = PATIENCE;
        if let Output::Raw(raw) = &mut self.output {
            if let Some(step) = raw.rest()? {
                return Ok(step);
            }
            if raw.is_busy() {
                patience = BUSY;
            }
        }
        let patience = gst::ClockTime::try_from(patience).unwrap_or_default();
        let tail = &self.running.tail;
        let sample = if tail.is_joined() { tail.sink.try_pull_sample(patience) } else { None };
        let Some(sample) = sample else {
            // A sink that is not there yet, or that ended, does not wait.
            let wait = if tail.is_joined() && !tail.sink.is_eos() { Duration::ZERO } else { PATIENCE };
            // Without a stream that it may take, the source just waits.
            let trouble = self.running.trouble(wait);
            return match self.offers.unusable(trouble.is_some()).or(trouble) {
                Some(text) => Err(Lost::Gst(text)),
                None => Ok(Step::Nothing),
            };
        };
        // Also while pictures flow: nobody else reads what the elements say, and it is kept until it is read.
        if let Some(text) = self.running.trouble(Duration::ZERO) {
            return Err(Lost::Gst(text));
        }
        let captured = self.times.of(self.running.age(&sample), Instant::now());
        let coded = sample.caps().and_then(|caps| caps.structure(0)).is_some_and(|s| s.name() == "video/x-h264");
        if let Some(rate) = sample.caps().and_then(pixels::rate) {
            self.rate = rate;
        }
        if coded { Ok(self.coded(&sample, captured)) } else { self.raw(&sample, captured) }
    }

    fn coded(&mut self, sample: &gst::Sample, captured: Instant) -> Step {
        if !matches!(self.output, Output::Coded(_)) {
            self.output = Output::Coded(Coded::default());
        }
        let Output::Coded(coded) = &mut self.output else { return Step::Alive };
        let Some(buffer) = sample.buffer() else { return Step::Alive };
        let flags = buffer.flags();
        let unit = match buffer.map_readable() {
            Ok(bytes) => coded.assembler.push(&bytes),
            Err(_) => return Step::Damaged("a buffer that cannot be read".to_owned()),
        };
        let mut unit = match unit {
            _ if flags.contains(gst::BufferFlags::CORRUPTED) => return self.damaged("marked as damaged".to_owned()),
            // The camera is in the middle of what it sent to nobody.
            Err(AccessUnitError::NoParameterSets) if !coded.shows => return Step::Alive,
            Err(error) => return self.damaged(error.to_string()),
            Ok(None) => return Step::Alive,
            Ok(Some(unit)) => unit,
        };
        coded.sps = unit.sps.or(coded.sps);
        if !coded.shows && !unit.key {
            return Step::Alive;
        }
        // Something was left out between the last picture and this.
        let gap = coded.shows && !unit.key && flags.contains(gst::BufferFlags::DISCONT);
        coded.shows = true;
        unit.sps = coded.sps.take();
        if unit.key && !coded.warned && slices(&unit.data) > 1 {
            coded.warned = true;
            warn!(
                "{} makes several slices of each picture; when one is lost, browsers show broken pictures",
                self.running.tail.encoder().unwrap_or("the pipeline")
            );
        }
        if gap {
            self.running.force_key();
        }
        self.clock.frame(StreamId::Main, unit, captured)
    }

    fn damaged(&mut self, why: String) -> Step {
        if let Output::Coded(coded) = &mut self.output {
            coded.shows = false;
        }
        self.running.force_key();
        Step::Damaged(why)
    }

    fn raw(&mut self, sample: &gst::Sample, captured: Instant) -> Result<Step, Lost> {
        let info = match pixels::info(sample) {
            Ok(info) => info,
            Err(why) => return Ok(Step::Damaged(why)),
        };
        let size = I420::even(pixels::size(&info));
        let raw = match &mut self.output {
            Output::Raw(raw) if raw.picture.size() == size => raw,
            output => {
                let mut lanes = Lanes::new(size, self.rate, &self.video, &self.demand, self.clock);
                let codec = choose::codec_for(size, &probe::encoders(), &self.video)?;
                if let Some(codec) = &codec {
                    lanes.through(codec, None);
                }
                let (picture, hardware) = (I420::black(size), codec.is_some());
                let owed = PerStream::from_fn(|_| false);
                *output = Output::Raw(Box::new(Raw { lanes, picture, hardware, last: captured, owed }));
                let Output::Raw(raw) = output else { return Ok(Step::Alive) };
                raw
            }
        };
        match pixels::read(sample, &info, &mut raw.picture) {
            Ok(()) => raw.encode(captured, &self.demand),
            Err(why) => Ok(Step::Damaged(why)),
        }
    }

    /// Begins or ends a stream. One that begins does so with a key frame.
    pub fn watch(&mut self, stream: StreamId, watched: bool) {
        self.demand[stream].watched = watched;
        match &mut self.output {
            Output::Raw(raw) => raw.lanes.watch(stream, watched),
            Output::Coded(_) if stream == StreamId::Main && watched => self.running.force_key(),
            Output::Coded(_) | Output::Unknown => {}
        }
    }

    /// Makes a stream's next picture a key frame, where the pipeline can.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn force_key(&mut self, stream: StreamId) -> Result<(), Lost> {
        match &mut self.output {
            Output::Raw(raw) => raw.lanes.force_key(stream)?,
            Output::Coded(_) if stream == StreamId::Main => self.running.force_key(),
            Output::Coded(_) | Output::Unknown => {}
        }
        Ok(())
    }

    /// Aims at another bitrate, where the pipeline can.
    ///
    /// # Errors
    /// When an encoder of ours refuses it.
    pub fn set_bitrate(&mut self, stream: StreamId, bitrate: Bitrate) -> Result<(), Lost> {
        self.demand[stream].bitrate = bitrate;
        match &mut self.output {
            Output::Raw(raw) => raw.lanes.set_bitrate(stream, bitrate)?,
            Output::Coded(_) | Output::Unknown if stream == StreamId::Main => self.running.tail.set_bitrate(bitrate),
            Output::Coded(_) | Output::Unknown => {}
        }
        Ok(())
    }

    /// What it gives, as far as it is known: all of it after the first picture.
    pub fn describe(&self) -> Described {
        let (source, rate) = (self.label.clone(), self.rate);
        match &self.output {
            Output::Raw(raw) => super::source::encoded(source, &raw.lanes, rate),
            Output::Coded(_) | Output::Unknown => {
                let encoder = self.running.tail.encoder().unwrap_or("camera").to_owned();
                Described { source, encoders: PerStream { main: Some(encoder), low: None }, low_size: None, rate }
            }
        }
    }
}

/// A mistake in `[camera.gst]` that only GStreamer sees.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The part of the pipeline's text that is wrong, where that is known.
    pub near: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Looks at `[camera.gst]` without opening anything. The answer is what keeps it from working on this machine: elements
/// that are missing.
///
/// # Errors
/// When it can work nowhere.
pub fn check(config: &config::Gst, video: &Video) -> Result<Vec<String>, Complaint> {
    let complaint = |near, message| Complaint { near, message };
    let source = config.source().map_err(|misfit| complaint(None, misfit.message))?;
    if let Err(why) = set_up() {
        return Ok(vec![why]);
    }
    let recipe = Recipe::of(source, video, has);
    let bin = match build(&recipe) {
        Ok(bin) => bin,
        Err(NoPipeline::Missing(elements)) => {
            // What no package that we know of has is most likely misspelt.
            let unknown = elements.iter().find(|element| package::wherefrom(element).is_none());
            return match unknown {
                Some(element) => Err(complaint(Some(element.clone()), package::missing(element))),
                None => Ok(elements.iter().map(|element| package::missing(element)).collect()),
            };
        }
        Err(NoPipeline::Wrong { near, message }) => return Err(complaint(near, message)),
    };
    match open_end(&bin) {
        // A device that is not open yet may give anything it could ever give.
        Ok(End::Pad(pad)) => {
            use gstreamer::prelude::PadExt;
            tail::shape(&pad.query_caps(None)).map(|_| Vec::new()).map_err(|why| complaint(None, why))
        }
        Ok(End::Later(_)) => Ok(Vec::new()),
        Err(why) => Err(complaint(None, why)),
    }
}

/// To be called before there are threads; later it does nothing, and says so: `false`.
///
/// `v4l2src` and its kin leave buffers that are out to themselves when they stop, where the driver can do that; up to
/// GStreamer 1.22 at least they lose a reference to the pool then, and with it a descriptor of the device at each stop. They
/// are told by an environment variable to wait for all buffers instead, as they do with drivers that cannot.
/// (`gst_v4l2_object_stop` in gstv4l2object.c, `gst_v4l2_buffer_pool_orphan` in gstv4l2bufferpool.c.)
pub fn prepare() -> bool {
    let done = super::sys::set_default("GST_V4L2_FORCE_DRAIN", "1");
    if !done {
        warn!(
            "GStreamer's v4l2src may lose a descriptor at each stop; GST_V4L2_FORCE_DRAIN=1 in the environment helps"
        );
    }
    done
}

/// The version of GStreamer that is used: `GStreamer 1.22.0`.
pub fn version() -> Option<String> {
    set_up().ok().map(|()| gst::version_string().to_string())
}

fn set_up() -> Result<(), String> {
    gst::init().map_err(|error| format!("GStreamer does not start: {error}"))
}

fn has(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// Slices of a picture.
fn slices(unit: &[u8]) -> usize {
    nal_units(unit).filter(|nal| matches!(nal.unit_type(), 1 | 5)).count()
}

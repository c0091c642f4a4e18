//! A pipeline that runs: started and stopped without ever waiting for an element that hangs.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use tracing::{debug, warn};

use super::build::{End, open_end};
use super::tail::{Tail, shape};
use super::{element, trouble};

/// How long a stop is waited for. The pipeline goes on stopping afterwards, alone.
const STOP: Duration = Duration::from_secs(1);

/// So many pipelines may hang while they stop, before no new one is started.
const MOST_HUNG: u32 = 4;

/// Pipelines that were told to stop, and have not.
static HUNG: AtomicU32 = AtomicU32::new(0);

/// A pipeline that was told to start.
#[derive(Debug)]
pub struct Running {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    /// Its tail, from which samples are pulled.
    pub tail: Arc<Tail>,
    /// Held by whoever changes its state. `true`: it must not start any more.
    stopped: Arc<Mutex<bool>>,
    starting: Receiver<Result<(), String>>,
}

impl Running {
    /// Whether so many pipelines did not stop that no new one should be started.
    pub fn too_many_hang() -> bool {
        HUNG.load(Ordering::Acquire) >= MOST_HUNG
    }

    /// Starts what was built. This waits for nothing; whether it succeeds is told by [`Self::trouble`].
    ///
    /// # Errors
    /// When it cannot be put together.
    pub fn start(bin: gst::Bin, tail: Tail) -> Result<Self, String> {
        let pipeline = gst::Pipeline::new();
        // The monotonic clock, whatever the elements have: timestamps are compared with it.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        pipeline.add(&bin).map_err(|_| "it cannot be put together".to_owned())?;
        let bus = pipeline.bus().ok_or("a pipeline without a bus")?;
        let (tail, stopped) = (Arc::new(tail), Arc::<Mutex<bool>>::default());
        let (started, starting) = channel();
        let (tail_there, stopped_there) = (tail.clone(), stopped.clone());
        pipeline.call_async(move |pipeline| bring_up(pipeline, &bin, &tail_there, &stopped_there, &started));
        Ok(Self { pipeline, bus, tail, stopped, starting })
    }

    /// Why it gives no pictures any more, in one line; `None`: nothing is known to be wrong. Waits for that so long.
    pub fn trouble(&self, wait: Duration) -> Option<String> {
        let kinds = [gst::MessageType::Error, gst::MessageType::Eos, gst::MessageType::Warning];
        let pop = || self.bus.pop_filtered(&kinds);
        // With a timeout of nothing, the other call looks at nothing.
        let wait = gst::ClockTime::try_from(wait).ok().filter(|wait| !wait.is_zero());
        let mut message = pop().or_else(|| wait.and_then(|wait| self.bus.timed_pop_filtered(wait, &kinds)));
        while let Some(told) = message {
            match told.view() {
                gst::MessageView::Error(error) => {
                    let (text, detail) = (error.error(), error.debug());
                    return Some(trouble::tell(source(&told).as_deref(), text.message(), detail.as_deref()));
                }
                gst::MessageView::Eos(_) => return Some("the pipeline came to its end".to_owned()),
                gst::MessageView::Warning(warning) => {
                    let (text, detail) = (warning.error(), warning.debug());
                    debug!("{}", trouble::tell(source(&told).as_deref(), text.message(), detail.as_deref()));
                }
                _ => {}
            }
            message = pop();
        }
        match self.starting.try_recv() {
            Ok(Err(why)) => Some(why),
            // A start that panicked, which the bus knows nothing of.
            Ok(Ok(())) | Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// How long ago, in nanoseconds, a sample was captured, by its timestamp and the pipeline's clock.
    pub fn age(&self, sample: &gst::Sample) -> Option<i64> {
        let pts = sample.buffer()?.pts()?;
        let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
        let captured = self.pipeline.base_time()? + segment.to_running_time(pts)?;
        let now = self.pipeline.clock()?.time();
        let (now, captured) = (i64::try_from(now.nseconds()).ok()?, i64::try_from(captured.nseconds()).ok()?);
        now.checked_sub(captured)
    }

    /// Asks whoever encodes for a key frame.
    pub fn force_key(&self) {
        let event = gstreamer_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
        if let Some(pad) = self.tail.sink.static_pad("sink") {
            let taken = pad.push_event(event);
            debug!("asked for a key frame; {}", if taken { "taken" } else { "nobody takes it" });
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        const RUNS: u8 = 0;
        const FORSAKEN: u8 = 1;
        const STOPPED: u8 = 2;
        let (done, wait) = channel::<()>();
        let (stopped, fate) = (self.stopped.clone(), Arc::new(AtomicU8::new(RUNS)));
        let fate_there = fate.clone();
        self.pipeline.call_async(move |pipeline| {
            *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
            let outcome = pipeline.set_state(gst::State::Null);
            debug!("the pipeline stopped: {outcome:?}");
            if fate_there.swap(STOPPED, Ordering::AcqRel) == FORSAKEN {
                HUNG.fetch_sub(1, Ordering::AcqRel);
            }
            let _ = done.send(());
        });
        if wait.recv_timeout(STOP) == Err(RecvTimeoutError::Timeout)
            && fate.compare_exchange(RUNS, FORSAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            HUNG.fetch_add(1, Ordering::AcqRel);
            warn!("a GStreamer pipeline did not stop within {} s; going on without it", STOP.as_secs());
        }
    }
}

/// On a thread of GStreamer's: an element may take its time, or hang.
fn bring_up(
    pipeline: &gst::Pipeline,
    bin: &gst::Bin,
    tail: &Arc<Tail>,
    stopped: &Mutex<bool>,
    told: &Sender<Result<(), String>>,
) {
    let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
    if *stopped {
        return;
    }
    let begin = std::time::Instant::now();
    let outcome = climb(pipeline, bin, tail);
    debug!("the pipeline took {} ms to start: {outcome:?}", begin.elapsed().as_millis());
    // An error that says more is on the bus already, and is read first.
    let _ = told.send(outcome);
}

fn climb(pipeline: &gst::Pipeline, bin: &gst::Bin, tail: &Arc<Tail>) -> Result<(), String> {
    let failed = |_| "the pipeline does not start".to_owned();
    // Ready: devices are open and say what they have; nothing flows yet.
    pipeline.set_state(gst::State::Ready).map_err(failed)?;
    match open_end(bin)? {
        End::Pad(pad) => match shape(&pad.query_caps(None))? {
            Some(shape) => join(pipeline, bin, &pad, tail, shape)?,
            None => await_caps(pipeline, bin, &pad, tail),
        },
        End::Later(element) => await_pads(pipeline, bin, &element, tail),
    }
    let is_live = pipeline.set_state(gst::State::Paused).map_err(failed)? == gst::StateChangeSuccess::NoPreroll;
    // What is not live would come as fast as it can be read; the clock holds it back.
    tail.sink.set_sync(!is_live);
    pipeline.set_state(gst::State::Playing).map_err(failed).map(drop)
}

/// Puts the tail behind a pad of the bin.
fn join(
    pipeline: &gst::Pipeline,
    bin: &gst::Bin,
    pad: &gst::Pad,
    tail: &Tail,
    kind: super::tail::Shape,
) -> Result<(), String> {
    let ghost = gst::GhostPad::with_target(pad).map_err(|_| "its end cannot be reached".to_owned())?;
    let _ = ghost.set_active(true);
    bin.add_pad(&ghost).map_err(|_| "its end cannot be reached".to_owned())?;
    tail.join(pipeline, ghost.upcast_ref(), kind)
}

/// A pad that can give anything tells what it does with its first event.
fn await_caps(pipeline: &gst::Pipeline, bin: &gst::Bin, pad: &gst::Pad, tail: &Arc<Tail>) {
    let (pipeline, bin, tail) = (pipeline.downgrade(), bin.downgrade(), tail.clone());
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) else {
            return gst::PadProbeReturn::Ok;
        };
        if let (Some(pipeline), Some(bin)) = (pipeline.upgrade(), bin.upgrade()) {
            let caps = caps.caps_owned();
            let joined = shape(&caps).and_then(|shape| shape.ok_or_else(|| "it gives anything".to_owned()));
            if let Err(why) = joined.and_then(|shape| join(&pipeline, &bin, pad, &tail, shape)) {
                complain(&bin, &why);
            }
        }
        gst::PadProbeReturn::Remove
    });
}

/// An element that finds out what it reads: the first pad with video is taken.
fn await_pads(pipeline: &gst::Pipeline, bin: &gst::Bin, element: &gst::Element, tail: &Arc<Tail>) {
    let refused = Arc::<Mutex<Vec<String>>>::default();
    let (weak, weak_bin, later, notes) = (pipeline.downgrade(), bin.downgrade(), tail.clone(), refused.clone());
    element.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(bin)) = (weak.upgrade(), weak_bin.upgrade()) else { return };
        if pad.direction() != gst::PadDirection::Src || pad.is_linked() || later.is_joined() {
            return;
        }
        match shape(&pad.current_caps().unwrap_or_else(|| pad.query_caps(None))) {
            Ok(Some(shape)) => {
                if let Err(why) = join(&pipeline, &bin, pad, &later, shape) {
                    complain(&bin, &why);
                }
            }
            Ok(None) => await_caps(&pipeline, &bin, pad, &later),
            Err(why) => {
                let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                if notes.len() < 4 {
                    notes.push(why);
                }
            }
        }
    });
    let (weak_bin, later) = (bin.downgrade(), tail.clone());
    element.connect_no_more_pads(move |_| {
        let notes = refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(bin), false, false) = (weak_bin.upgrade(), later.is_joined(), notes.is_empty()) {
            complain(&bin, &notes.join("; "));
        }
    });
}

/// Puts an error of ours where the elements put theirs.
fn complain(bin: &gst::Bin, why: &str) {
    gst::element_error!(bin, gst::StreamError::WrongType, ("{why}"));
}

/// Who sent a message, for people; `None`: the pipeline itself.
fn source(message: &gst::Message) -> Option<String> {
    let element = message.src()?.downcast_ref::<gst::Element>()?;
    (!element.is::<gst::Bin>() || element.factory().is_some_and(|f| f.name() != "bin")).then(|| element::name(element))
}

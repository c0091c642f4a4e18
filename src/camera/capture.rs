//! A V4L2 capture device that streams: opening, negotiating, waiting, taking buffers and giving them back.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::abi::{self, Buffer, Fract, PixFormat, StreamParm, cid, flag};
use super::choose::Target;
use super::lost::Lost;
use super::step::PATIENCE;
use super::sys::{Filled, Node, Queue, Ready, monotonic};
use crate::media::units::{FrameRate, Size};

/// Buffers to ask for: one being filled, one ready, one being read, one to spare.
pub const BUFFERS: u32 = 4;

/// A timestamp that is further back than this is not believed.
const OLDEST: Duration = Duration::from_secs(1);

/// A device that streams.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    /// Name and node, for people.
    pub label: String,
    /// As negotiated.
    pub rate: FrameRate,
    /// As negotiated.
    pub pix: PixFormat,
    queue: Queue,
    time: Timestamps,
    /// The last buffer's number.
    sequence: Option<u32>,
}

impl Device {
    /// Opens a device, asks for format, size and rate, and starts it with so many buffers; `prepare` is shown the device when
    /// format and rate are agreed on, before it is started.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format.
    pub fn open(
        target: &Target,
        fourcc: [u8; 4],
        buffers: u32,
        prepare: impl FnOnce(&Node, &PixFormat, FrameRate),
    ) -> Result<Self, Lost> {
        let path = target.path.clone();
        let lost = |what| move |error| Lost::from_errno(&target.path, what, error);
        let node = Node::open(&path).map_err(lost("open"))?;
        let pix = set_format(&node, fourcc, target.size).map_err(lost("VIDIOC_S_FMT"))?;
        if pix.pixelformat != fourcc {
            let has = String::from_utf8_lossy(&pix.pixelformat).into_owned();
            return Err(Lost::Format { path, has });
        }
        let rate = set_rate(&node, target.rate);
        if fourcc == *b"H264" {
            // Each key frame is to be usable alone. Where the device cannot, the assembler does it.
            let _ = set_control(&node, cid::REPEAT_SEQ_HEADER, 1);
        }
        prepare(&node, &pix, rate);
        // Most devices never change.
        let mut changes = abi::EventSubscription { kind: abi::EVENT_SOURCE_CHANGE, ..Default::default() };
        let _ = node.call(abi::SUBSCRIBE_EVENT, &mut changes);
        let time = Timestamps::start();
        let queue = start(node, buffers).map_err(lost("VIDIOC_STREAMON"))?;
        Ok(Self { path, label: target.label.clone(), rate, pix, queue, time, sequence: None })
    }

    /// Waits for a filled buffer, at most for [`PATIENCE`].
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn wait(&mut self) -> Result<Option<Filled>, Lost> {
        let ready = self.queue.node().wait(PATIENCE).map_err(|error| self.lost("poll", error))?;
        match ready {
            Ready::No => return Ok(None),
            Ready::Event if self.has_changed() => return Err(Lost::Changed(self.path.clone())),
            Ready::Event | Ready::Yes | Ready::Failed => {}
        }
        match self.take()? {
            None if ready == Ready::Failed => Err(self.lost("poll", io::Error::other("the device reports an error"))),
            filled => Ok(filled),
        }
    }

    /// Whether an event says that what is in front of the device changed: a HDMI source with another size, say.
    fn has_changed(&self) -> bool {
        let mut event = abi::Event::default();
        let came = self.queue.node().call(abi::DQEVENT, &mut event).is_ok();
        came && event.kind == abi::EVENT_SOURCE_CHANGE
    }

    /// Takes a filled buffer, if there is one now.
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn take(&mut self) -> Result<Option<Filled>, Lost> {
        self.queue.take().map_err(|error| self.lost("VIDIOC_DQBUF", error))
    }

    /// What is in a buffer.
    pub fn bytes<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        filled.bytes()
    }

    /// Gives a buffer back to be filled again.
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn give_back(&mut self, filled: Filled) -> Result<(), Lost> {
        self.queue.give(filled).map_err(|error| self.lost("VIDIOC_QBUF", error))
    }

    /// When a buffer was captured.
    pub fn captured(&mut self, filled: &Filled) -> Instant {
        self.time.of(filled.buffer(), Instant::now())
    }

    /// Whether buffers are missing between the last one and this.
    pub fn has_gap(&mut self, filled: &Filled) -> bool {
        let sequence = filled.buffer().sequence;
        let before = self.sequence.replace(sequence);
        before.is_some_and(|before| sequence > before && sequence - before > 1)
    }

    /// The node, for waiting and for controls.
    pub fn node(&self) -> &Node {
        self.queue.node()
    }

    /// Stops the stream and starts it again, with the buffers that are not taken; `prepare` is shown the device between.
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn restart(&mut self, prepare: impl FnOnce(&Node)) -> Result<(), Lost> {
        self.sequence = None;
        let stopped = self.queue.stop();
        prepare(self.queue.node());
        let run = stopped.and_then(|buffers| run(&mut self.queue, buffers));
        run.map_err(|error| self.lost("VIDIOC_STREAMON", error))
    }

    /// The memory of its buffers, for other drivers. Empty when it does not give it away.
    pub fn exports(&self) -> Vec<OwnedFd> {
        let all: io::Result<Vec<OwnedFd>> = (0..self.queue.len()).map(|index| self.queue.export(index)).collect();
        all.unwrap_or_else(|error| {
            debug!("{}: VIDIOC_EXPBUF: {error}", self.label);
            Vec::new()
        })
    }

    /// An unplugged device fails in many ways, but its node is gone in each.
    pub fn lost(&self, what: &'static str, error: io::Error) -> Lost {
        if self.path.exists() { Lost::from_errno(&self.path, what, error) } else { Lost::Unplugged(self.path.clone()) }
    }
}

/// The kernel's timestamps → [`Instant`]s, by one pair of readings, so that no jitter is added.
#[derive(Debug)]
struct Timestamps {
    instant: Instant,
    monotonic: Duration,
    last: Instant,
}

impl Timestamps {
    fn start() -> Self {
        let (before, instant, after) = (monotonic(), Instant::now(), monotonic());
        Self { instant, monotonic: (before + after) / 2, last: instant }
    }

    /// When a buffer was captured. Never before the buffer before it; now, when the device's time makes no sense.
    fn of(&mut self, buffer: &Buffer, now: Instant) -> Instant {
        let micros = buffer.seconds.saturating_mul(1_000_000).saturating_add(buffer.microseconds);
        let stamp = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        let known = buffer.flags & flag::TIMESTAMP_MASK == flag::TIMESTAMP_MONOTONIC;
        let captured = stamp.checked_sub(self.monotonic).map(|since| self.instant + since);
        let sane = captured.filter(|at| known && *at <= now && now.duration_since(*at) <= OLDEST);
        self.last = sane.unwrap_or(now).max(self.last + Duration::from_micros(1));
        self.last
    }
}

/// Maps buffers, gives them to the device and starts it.
fn start(node: Node, count: u32) -> io::Result<Queue> {
    let (mut queue, buffers) = Queue::mapped(&Arc::new(node), abi::VIDEO_CAPTURE, count)?;
    run(&mut queue, buffers)?;
    Ok(queue)
}

fn run(queue: &mut Queue, buffers: Vec<Filled>) -> io::Result<()> {
    for buffer in buffers {
        queue.give(buffer)?;
    }
    queue.start()
}

fn set_format(node: &Node, pixelformat: [u8; 4], size: Size) -> io::Result<PixFormat> {
    let (width, height) = (size.width, size.height);
    let pix = PixFormat { width, height, pixelformat, field: abi::FIELD_NONE, ..Default::default() };
    let mut format = abi::Format::of(abi::VIDEO_CAPTURE, pix);
    node.call(abi::S_FMT, &mut format)?;
    Ok(format.pix)
}

/// Sets the rate, where the device can. What it then is, as far as it says.
fn set_rate(node: &Node, wanted: FrameRate) -> FrameRate {
    let mut parm = StreamParm::of(abi::VIDEO_CAPTURE, Fract::default());
    if node.call(abi::G_PARM, &mut parm).is_err() {
        return wanted;
    }
    if parm.capability & abi::CAP_TIMEPERFRAME != 0 {
        let denominator = (wanted.fps() * 1000.0).round() as u32;
        parm = StreamParm::of(abi::VIDEO_CAPTURE, Fract { numerator: 1000, denominator });
        if node.call(abi::S_PARM, &mut parm).is_err() {
            return wanted;
        }
    }
    let Fract { numerator, denominator } = parm.timeperframe;
    FrameRate::new(f64::from(denominator) / f64::from(numerator)).unwrap_or(wanted)
}

/// Whether a device has a control that can be set now.
pub fn has_control(node: &Node, id: u32) -> bool {
    let mut query = abi::QueryCtrl { id, ..Default::default() };
    node.call(abi::QUERYCTRL, &mut query).is_ok() && query.flags & abi::CTRL_UNUSABLE == 0
}

/// What a control is set to, as the device says.
pub fn get_control(node: &Node, id: u32) -> io::Result<i32> {
    let mut control = abi::Control { id, value: 0 };
    node.call(abi::G_CTRL, &mut control).map(|()| control.value)
}

/// Sets a control to the nearest value that it takes.
pub fn set_control(node: &Node, id: u32, value: i32) -> io::Result<()> {
    let mut query = abi::QueryCtrl { id, ..Default::default() };
    node.call(abi::QUERYCTRL, &mut query)?;
    if query.flags & abi::CTRL_UNUSABLE != 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let (minimum, step) = (i64::from(query.minimum), i64::from(query.step.max(1)));
    let clamped = i64::from(value).clamp(minimum, i64::from(query.maximum).max(minimum));
    let value = minimum + (clamped - minimum) / step * step;
    node.call(abi::S_CTRL, &mut abi::Control { id, value: i32::try_from(value).unwrap_or(query.maximum) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_believed_when_they_make_sense() {
        let mut time = Timestamps::start();
        let (start, zero) = (time.instant, time.monotonic);
        let at = |ms: u64| start + Duration::from_millis(ms);
        let buffer = |ms: u64, flags: u32| {
            let stamp = zero + Duration::from_millis(ms);
            let (seconds, microseconds) = (stamp.as_secs() as i64, i64::from(stamp.subsec_micros()));
            Buffer { seconds, microseconds, flags, ..Default::default() }
        };
        let close = |a: Instant, b: Instant| a.max(b) - a.min(b) < Duration::from_micros(10);
        let monotonic = flag::TIMESTAMP_MONOTONIC;
        assert!(close(time.of(&buffer(100, monotonic), at(130)), at(100)), "its own time, not that of its arrival");
        assert!(close(time.of(&buffer(133, monotonic), at(150)), at(133)));
        assert!(close(time.of(&buffer(160, 0), at(170)), at(170)), "another clock");
        assert!(close(time.of(&buffer(500, monotonic), at(200)), at(200)), "the future");
        assert!(close(time.of(&buffer(201, monotonic), at(1500)), at(1500)), "too long ago");
        assert!(time.of(&buffer(1400, monotonic), at(1510)) > at(1500), "never backwards");
        assert!(close(time.of(&Buffer { seconds: -1, flags: monotonic, ..Default::default() }, at(1600)), at(1600)));
    }
}

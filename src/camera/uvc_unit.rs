//! The extension unit of a camera that is there: found in sysfs, asked by the kernel's `UVCIOC_CTRL_QUERY`.
//!
//! A request is a USB transfer, and one that the camera does not answer takes the kernel 5 s. So while pictures flow, the
//! unit is asked by a thread of its own: the pictures never wait for it, nor does stopping. It ends when its [`Remote`] is
//! dropped, at the latest when the request that it waits for has timed out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::abi::{self, Capability};
use super::sys::Node;
use super::uvc::{BitrateLayers, Config, PictureType, RATE_CONTROL_CBR, Selector, Selectors, Unit, find_unit};
use crate::media::units::{Bitrate, FrameRate, Size};

/// A device's descriptors are at most this long: each configuration says its length in 16 bits, and few have two.
const DESCRIPTORS: u64 = 1 << 18;

/// After so many looks, 20 ms apart, the kernel has understood that a camera was unplugged.
const UNPLUGGED: u32 = 15;

/// Request codes (*Video Class 1.5*, table A-8).
const SET_CUR: u8 = 0x01;
const GET_CUR: u8 = 0x81;
const GET_LEN: u8 = 0x85;

/// The H.264 extension unit of a camera that is there.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    unit: Unit,
    /// Tells one model from another.
    model: u64,
}

/// What a stream is to be.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// The size, which was agreed on already.
    pub size: Size,
    /// The rate, as well.
    pub rate: FrameRate,
    /// The bitrate to aim at.
    pub bitrate: Bitrate,
    /// The time from one key frame to the next.
    pub interval: Duration,
}

impl Located {
    /// Finds the unit of the camera behind a video node. Reads sysfs; the camera is not asked.
    pub fn find(path: &Path) -> Option<Self> {
        let device = fs::metadata(path).ok()?.st_rdev();
        let node = format!("/sys/dev/char/{}:{}/device", libc::major(device), libc::minor(device));
        let interface = PathBuf::from(node);
        let number = fs::read_to_string(interface.join("bInterfaceNumber")).ok()?;
        let number = u8::from_str_radix(number.trim(), 16).ok()?;
        let mut descriptors = Vec::new();
        let file = File::open(interface.join("../descriptors")).ok()?;
        file.take(DESCRIPTORS).read_to_end(&mut descriptors).ok()?;
        let unit = find_unit(&descriptors, number)?;
        let mut hash = DefaultHasher::new();
        descriptors.hash(&mut hash);
        Some(Self { unit, model: hash.finish() })
    }

    /// What it takes, as far as it was not found to be untrue.
    pub fn selectors(self) -> Selectors {
        self.unit.selectors.without(distrusted().get(&self.model).map_or(Selectors::default(), Doubt::now))
    }

    /// Sets the encoder up, before the stream starts. `false`: something failed, and is distrusted now.
    pub fn configure(self, node: &Node, aim: &Aim) -> bool {
        let (asked, trusted) = (Asked { node, unit: self.unit }, self.selectors());
        let done = if trusted.has(Selector::ConfigProbe) && trusted.has(Selector::ConfigCommit) {
            asked.configure(aim)
        } else if trusted.has(Selector::RateControlMode) {
            let selector = Selector::RateControlMode;
            asked.set(selector, &mut RATE_CONTROL_CBR.clone()).map_err(|error| Failed { selector, error })
        } else {
            Ok(())
        };
        done.map_err(|failed| self.failed(node, &failed)).is_ok()
    }

    /// A request failed: for what reason?
    fn failed(self, node: &Node, failed: &Failed) {
        // A disturbance on the cable, and the next request may succeed; or the camera is being unplugged, in the midst of
        // which the kernel has many answers.
        let passing = [libc::ENODEV, libc::ESHUTDOWN, libc::EPROTO, libc::EILSEQ];
        let unplugged = || node.call(abi::QUERYCAP, &mut Capability::default()).is_err();
        let gone = || {
            (0..UNPLUGGED).any(|_| {
                std::thread::sleep(Duration::from_millis(20));
                unplugged()
            })
        };
        if failed.error.raw_os_error().is_some_and(|errno| passing.contains(&errno)) || gone() {
            debug!("the camera's H.264 extension unit: {failed}");
            return;
        }
        self.distrust(failed.selector, &failed.to_string());
    }

    /// Does without one of the unit's controls for a while. Warns of it, once.
    pub fn distrust(self, selector: Selector, why: &str) {
        let mut all = distrusted();
        if all.len() >= MODELS && !all.contains_key(&self.model) {
            all.clear();
        }
        let doubt = all.entry(self.model).or_default();
        if doubt.since.is_some() {
            debug!("the camera's H.264 extension unit does not work, again: {why}");
        } else {
            warn!("the camera's H.264 extension unit does not work, going on without: {why}");
        }
        *doubt = Doubt { of: doubt.now().with(selector), since: Some(Instant::now()) };
    }
}

/// What the cameras of a model say that they can, and cannot. It is remembered beyond the opening of one stream, so that
/// viewers do not wait for it each time.
#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    of: Selectors,
    since: Option<Instant>,
}

/// For so long; a camera may have had a bad moment.
const DOUBT: Duration = Duration::from_secs(600);

/// More models than anybody plugs in.
const MODELS: usize = 16;

impl Doubt {
    fn now(&self) -> Selectors {
        if self.since.is_some_and(|since| since.elapsed() < DOUBT) { self.of } else { Selectors::default() }
    }
}

fn distrusted() -> MutexGuard<'static, BTreeMap<u64, Doubt>> {
    static DISTRUSTED: Mutex<BTreeMap<u64, Doubt>> = Mutex::new(BTreeMap::new());
    DISTRUSTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A unit that is asked.
struct Asked<'a> {
    node: &'a Node,
    unit: Unit,
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .selector.name())]
struct Failed {
    selector: Selector,
    error: io::Error,
}

impl Asked<'_> {
    fn configure(&self, aim: &Aim) -> Result<(), Failed> {
        let (probe, commit) = (Selector::ConfigProbe, Selector::ConfigCommit);
        let failed = |selector| move |error| Failed { selector, error };
        if self.unit.selectors.has(Selector::Version) {
            let mut version = [0; 2];
            let _ = self.get(Selector::Version, &mut version);
            debug!("H.264 extension unit {} of version {:x}.{:02x}", self.unit.id, version[1], version[0]);
        }
        let mut length = [0; 2];
        self.query(probe, GET_LEN, &mut length).map_err(failed(probe))?;
        let mut bytes = vec![0; u16::from_le_bytes(length).into()];
        self.get(probe, &mut bytes).map_err(failed(probe))?;
        let strange = || failed(probe)(io::Error::other("an unknown layout"));
        let mut config = Config::read(bytes).ok_or_else(strange)?;
        config.ask(aim.size, aim.rate, aim.bitrate, aim.interval);
        self.set(probe, config.bytes()).map_err(failed(probe))?;
        self.get(probe, config.bytes()).map_err(failed(probe))?;
        if config.size() != aim.size {
            // It means another stream than ours.
            return Err(failed(probe)(io::Error::other(format!("the camera offers {} instead", config.size()))));
        }
        self.set(commit, config.bytes()).map_err(failed(commit))?;
        debug!(
            "the camera took {} bit/s of {}, and a key frame each {:?} of {:?}",
            config.bps(),
            aim.bitrate.bps(),
            config.interval(),
            aim.interval
        );
        Ok(())
    }

    fn key_frame(&self) -> Result<(), Failed> {
        let selector = Selector::PictureType;
        let ask = |kind: PictureType| self.set(selector, &mut kind.message());
        ask(PictureType::IdrWithSets)
            // Some know only the one without.
            .or_else(
                |error| if error.raw_os_error() == Some(libc::ERANGE) { ask(PictureType::Idr) } else { Err(error) },
            )
            .map_err(|error| Failed { selector, error })
    }

    fn bitrate(&self, bitrate: Bitrate) -> Result<(), Failed> {
        let selector = Selector::BitrateLayers;
        let failed = |error| Failed { selector, error };
        let mut layers = BitrateLayers::default();
        self.get(selector, &mut layers.0).map_err(failed)?;
        layers.ask(bitrate);
        self.set(selector, &mut layers.0).map_err(failed)?;
        self.get(selector, &mut layers.0).map_err(failed)?;
        debug!("the camera took {} bit/s of {}", layers.average(), bitrate.bps());
        Ok(())
    }

    fn get(&self, selector: Selector, data: &mut [u8]) -> io::Result<()> {
        self.query(selector, GET_CUR, data)
    }

    fn set(&self, selector: Selector, data: &mut [u8]) -> io::Result<()> {
        self.query(selector, SET_CUR, data)
    }

    fn query(&self, selector: Selector, query: u8, data: &mut [u8]) -> io::Result<()> {
        self.node.query_unit(self.unit.id, selector as u8, query, data)
    }
}

/// Asks the unit while the stream runs.
#[derive(Debug)]
pub struct Remote(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<Orders>,
    changed: Condvar,
}

/// What is to be asked; the latest wins.
#[derive(Debug, Default)]
struct Orders {
    key_frame: bool,
    bitrate: Option<Bitrate>,
    /// A request is on its way.
    busy: bool,
    over: bool,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote {
    /// Starts the thread, which opens the node for itself.
    pub fn start(path: &Path, located: Located) -> io::Result<Self> {
        let (node, shared) = (Node::open(path)?, Arc::<Shared>::default());
        let theirs = shared.clone();
        let span = tracing::Span::current();
        let serve = move || span.in_scope(|| serve(located, &node, &theirs));
        let _detached = std::thread::Builder::new().name("camera-uvc".into()).spawn(serve)?;
        Ok(Self(shared))
    }

    /// Asks for a key frame.
    pub fn key_frame(&self) {
        self.0.orders().key_frame = true;
        self.0.changed.notify_one();
    }

    /// Asks for another bitrate.
    pub fn bitrate(&self, bitrate: Bitrate) {
        self.0.orders().bitrate = Some(bitrate);
        self.0.changed.notify_one();
    }

    /// Whether something is on its way to the camera, or waits for it.
    pub fn is_busy(&self) -> bool {
        let orders = self.0.orders();
        orders.busy || orders.key_frame || orders.bitrate.is_some()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.0.orders().over = true;
        self.0.changed.notify_one();
    }
}

fn serve(located: Located, node: &Node, shared: &Shared) {
    let asked = Asked { node, unit: located.unit };
    let mut orders = shared.orders();
    while !orders.over {
        let (key_frame, bitrate) = (std::mem::take(&mut orders.key_frame), orders.bitrate.take());
        if !key_frame && bitrate.is_none() {
            orders = shared.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        orders.busy = true;
        drop(orders);
        // The key frame first: somebody waits for it.
        let done = [key_frame.then(|| asked.key_frame()), bitrate.map(|bitrate| asked.bitrate(bitrate))];
        for failed in done.into_iter().flatten().filter_map(Result::err) {
            located.failed(node, &failed);
        }
        orders = shared.orders();
        orders.busy = false;
    }
}

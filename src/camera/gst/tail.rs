//! What is put behind a pipeline's open end: the parser or converter that is needed, and the sink that we read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use tracing::debug;

use super::element;
use super::encoder::Encoder;
use super::package;
use super::recipe::fraction;
use crate::config::Video;
use crate::media::units::Bitrate;

/// Access units that may wait for us. None is left out; the pipeline waits.
const CODED_QUEUE: u32 = 16;

/// What an open end gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// H.264.
    Coded,
    /// Pixels.
    Raw,
}

/// The tail of one pipeline.
#[derive(Debug)]
pub struct Tail {
    /// Where pictures come out.
    pub sink: AppSink,
    /// The sizes and rates that are preferred, where the pipeline leaves the choice.
    preferred: Vec<String>,
    bitrate: Mutex<Bitrate>,
    encoder: OnceLock<Option<(gst::Element, &'static Encoder)>>,
    joined: AtomicBool,
}

impl Tail {
    /// A tail that is behind nothing yet. `open_ended`: whether to ask for the size and rate of `[video]`.
    pub fn new(video: &Video, bitrate: Bitrate, open_ended: bool) -> Self {
        let sink = AppSink::builder().name("lunette").sync(false).enable_last_sample(false).build();
        let (n, d) = fraction(video.fps);
        let size = format!(",width={},height={}", video.size.width, video.size.height);
        let rate = format!(",framerate={n}/{d}");
        let preferred = if open_ended { vec![size.clone() + &rate, size, rate] } else { Vec::new() };
        let bitrate = Mutex::new(bitrate);
        Self { sink, preferred, bitrate, encoder: OnceLock::new(), joined: AtomicBool::new(false) }
    }

    /// Whether it is behind something.
    pub fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    /// Puts the tail behind a pad; a second pad is left alone.
    ///
    /// # Errors
    /// When what the pad gives cannot be used, or an element is missing.
    pub fn join(&self, pipeline: &gst::Pipeline, pad: &gst::Pad, shape: Shape) -> Result<(), String> {
        if self.joined.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let elements = match shape {
            Shape::Coded => self.coded(&caps)?,
            Shape::Raw => self.raw(&caps)?,
        };
        let encoder = if shape == Shape::Coded { element::encoder_before(pad) } else { None };
        debug!(
            "the pipeline gives {shape:?}, encoder {:?}",
            encoder.as_ref().map(|(element, _)| element::name(element))
        );
        let _ = self.encoder.set(encoder);
        self.apply_bitrate();

        let failed = |_| "its parts cannot be put together".to_owned();
        pipeline.add_many(&elements).map_err(failed)?;
        gst::Element::link_many(&elements).map_err(failed)?;
        for element in elements.iter().rev() {
            element.sync_state_with_parent().map_err(failed)?;
        }
        let sink = elements.first().and_then(|first| first.static_pad("sink")).ok_or("no sink pad")?;
        pad.link(&sink).map_err(|_| format!("it gives {}, which Lunette cannot take", brief(&caps)))?;
        Ok(())
    }

    fn coded(&self, caps: &gst::Caps) -> Result<Vec<gst::Element>, String> {
        let whole = "video/x-h264,stream-format=byte-stream,alignment=au";
        // What browsers take is asked for first; a camera that gives another profile is passed on all the same.
        let browsers = format!("{whole},profile=(string){{constrained-baseline,baseline,main}}");
        let with_sizes = self.preferred.iter().map(|size| format!("{browsers}{size}"));
        let texts: Vec<String> = with_sizes.chain([browsers.clone(), whole.to_owned()]).collect();
        let filter = filter(&texts.join(";"))?;
        self.sink.set_max_buffers(CODED_QUEUE);
        let mut elements = Vec::new();
        match make("h264parse") {
            Ok(parser) => {
                element::set_text(&parser, "config-interval", "-1");
                elements.push(parser);
            }
            // Most encoders, and the depayloader of RTSP, give whole access units by themselves.
            Err(missing) => {
                let whole: Result<gst::Caps, _> = whole.parse();
                if !whole.is_ok_and(|whole| caps.can_intersect(&whole)) {
                    return Err(missing);
                }
            }
        }
        elements.extend([filter, self.sink.clone().upcast()]);
        Ok(elements)
    }

    fn raw(&self, caps: &gst::Caps) -> Result<Vec<gst::Element>, String> {
        let ours = "video/x-raw,format=(string){I420,NV12}";
        let texts: Vec<String> = self.preferred.iter().map(|size| format!("{ours}{size}")).collect();
        let filter = filter(&[texts.as_slice(), &[ours.to_owned()]].concat().join(";"))?;
        // What is older than the newest picture helps nobody.
        self.sink.set_max_buffers(1);
        self.sink.set_drop(true);
        let ours: Result<gst::Caps, _> = ours.parse();
        let converter =
            if ours.is_ok_and(|ours| caps.can_intersect(&ours)) { None } else { Some(make("videoconvert")?) };
        Ok(converter.into_iter().chain([filter, self.sink.clone().upcast()]).collect())
    }

    /// What encodes, as far as it is known.
    pub fn encoder(&self) -> Option<&'static str> {
        self.encoder.get().and_then(|encoder| encoder.as_ref()).map(|(_, encoder)| encoder.factory)
    }

    /// Aims at another bitrate, where there is an encoder that is known.
    pub fn set_bitrate(&self, bitrate: Bitrate) {
        *self.bitrate.lock().unwrap_or_else(PoisonError::into_inner) = bitrate;
        self.apply_bitrate();
    }

    fn apply_bitrate(&self) {
        if let Some(Some((element, encoder))) = self.encoder.get() {
            let bitrate = *self.bitrate.lock().unwrap_or_else(PoisonError::into_inner);
            if !element::set_bitrate(element, encoder, bitrate) {
                debug!("{} takes no bitrate", element::name(element));
            }
        }
    }
}

/// What caps have for us; `None`: they may be anything.
///
/// # Errors
/// What it is instead, and what helps.
pub fn shape(caps: &gst::Caps) -> Result<Option<Shape>, String> {
    if caps.is_any() {
        return Ok(None);
    }
    let names: Vec<&str> = caps.iter().map(|structure| structure.name().as_str()).collect();
    if names.contains(&"video/x-h264") {
        return Ok(Some(Shape::Coded));
    }
    if names.contains(&"video/x-raw") {
        return Ok(Some(Shape::Raw));
    }
    let Some(first) = names.first() else { return Err("nothing comes out of it".to_owned()) };
    let help = match *first {
        "image/jpeg" => "; put `! jpegdec` behind it",
        "application/x-rtp" => "; put `! rtph264depay` behind it",
        "video/x-bayer" => "; put `! bayer2rgb` behind it",
        "video/x-h265" => "; browsers want H.264",
        _ => "",
    };
    Err(format!("it gives {first}, and Lunette needs video/x-h264 or video/x-raw{help}"))
}

fn filter(caps: &str) -> Result<gst::Element, String> {
    let filter = make("capsfilter")?;
    element::set_text(&filter, "caps", caps);
    Ok(filter)
}

fn make(factory: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(factory).build().map_err(|_| package::missing(factory))
}

fn brief(caps: &gst::Caps) -> String {
    let text = caps.to_string();
    let end = text.char_indices().nth(60).map_or(text.len(), |(end, _)| end);
    text[..end].to_owned()
}

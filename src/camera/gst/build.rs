//! A recipe → the elements of a pipeline, not yet running.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::recipe::{Recipe, SOURCE};
use super::trouble;
use super::{element, package};

/// Why a pipeline's text is none.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPipeline {
    /// Elements that are not installed.
    Missing(Vec<String>),
    /// A mistake in it.
    Wrong {
        /// The part of the text that is wrong, where that is known.
        near: Option<String>,
        /// What is wrong.
        message: String,
    },
}

impl NoPipeline {
    /// In one line, for people.
    pub fn message(&self) -> String {
        match self {
            Self::Missing(elements) => {
                elements.iter().map(|element| package::missing(element)).collect::<Vec<_>>().join("; ")
            }
            Self::Wrong { message, .. } => message.clone(),
        }
    }
}

/// Makes the elements of a recipe.
///
/// # Errors
/// With what is missing or wrong. What is only wrong on this machine, such as a device that is not there, shows later.
pub fn build(recipe: &Recipe) -> Result<gst::Bin, NoPipeline> {
    let mut context = gst::ParseContext::new();
    let flags = gst::ParseFlags::FATAL_ERRORS | gst::ParseFlags::PLACE_IN_BIN;
    let made = gst::parse::bin_from_description_full(&recipe.text, false, Some(&mut context), flags);
    let wrong = |message: String| NoPipeline::Wrong { near: None, message };
    let bin = match made {
        Ok(element) => element.downcast::<gst::Bin>().map_err(|_| wrong("it is not a pipeline".to_owned()))?,
        Err(error) => {
            // The list also has elements that are there and have another mistake.
            let mut missing: Vec<String> = context.missing_elements();
            missing.retain(|element| gst::ElementFactory::find(element).is_none());
            missing.dedup();
            let is_missing = error.kind::<gst::ParseError>() == Some(gst::ParseError::NoSuchElement);
            return Err(if is_missing && !missing.is_empty() { NoPipeline::Missing(missing) } else { mistake(&error) });
        }
    };
    for setting in &recipe.settings {
        if let Some(element) = bin.by_name(setting.element) {
            element::set_text(&element, setting.property, &setting.value);
        }
    }
    Ok(bin)
}

fn mistake(error: &glib::Error) -> NoPipeline {
    let message = error.message();
    let near = trouble::near(message).map(str::to_owned);
    NoPipeline::Wrong { near, message: trouble::fit_for_a_log(message) }
}

/// Where video comes out of a bin.
#[derive(Debug)]
pub enum End {
    /// A pad that is there.
    Pad(gst::Pad),
    /// An element that gets its pads when it knows what it reads.
    Later(gst::Element),
}

/// The one open end.
///
/// # Errors
/// When there is none, or more than one.
pub fn open_end(bin: &gst::Bin) -> Result<End, String> {
    let open = |pad: &gst::Pad| pad.direction() == gst::PadDirection::Src && !pad.is_linked();
    let elements: Vec<gst::Element> = bin.children();
    let mut pads: Vec<gst::Pad> = elements.iter().flat_map(gst::Element::pads).filter(open).collect();
    if pads.len() > 1 {
        let names: Vec<String> = pads.iter().filter_map(gst::Pad::parent_element).map(|e| element::name(&e)).collect();
        return Err(format!("it has {} open ends ({}); Lunette can read one", pads.len(), names.join(", ")));
    }
    if let Some(pad) = pads.pop() {
        return Ok(End::Pad(pad));
    }
    // Of those, one to which nothing is to be linked later: parsing has done what it could.
    let later = |element: &&gst::Element| {
        let sometimes = |template: &gst::PadTemplate| {
            template.direction() == gst::PadDirection::Src && template.presence() == gst::PadPresence::Sometimes
        };
        element.pad_template_list().iter().any(sometimes)
    };
    let mut later = elements.iter().filter(later);
    match (later.next(), later.next()) {
        (Some(element), None) => Ok(End::Later(element.clone())),
        _ => Err("it has no open end: nothing may follow the element that gives the video, not even a sink".to_owned()),
    }
}

/// After so long without another stream, there is none.
const ALL: Duration = Duration::from_millis(200);

/// What a network camera says that it has, as its own source element tells.
#[derive(Clone, Debug, Default)]
pub struct Offers(Arc<Mutex<Offered>>);

#[derive(Debug, Default)]
struct Offered {
    /// Encodings other than H.264.
    others: Vec<String>,
    taken: bool,
    /// When the last stream was looked at: all come in one go.
    judged: Option<Instant>,
}

impl Offers {
    /// Takes the first H.264 stream of an `rtspsrc` and leaves the others, sound for example, alone.
    pub fn select(&self, bin: &gst::Bin) {
        let Some(source) = bin.by_name(SOURCE) else { return };
        if glib::subclass::SignalId::lookup("select-stream", source.type_()).is_none() {
            return;
        }
        let offers = self.clone();
        source.connect("select-stream", false, move |values| {
            let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
            let take = caps.and_then(|caps| caps.structure(0).map(|stream| offers.judge(stream)));
            Some(take.unwrap_or(false).to_value())
        });
    }

    fn judge(&self, stream: &gst::StructureRef) -> bool {
        let text = |field: &str| stream.get::<String>(field).unwrap_or_default();
        let mut offered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text("media") != "video" {
            return false;
        }
        offered.judged = Some(Instant::now());
        let encoding = text("encoding-name");
        if encoding.eq_ignore_ascii_case("H264") {
            return !std::mem::replace(&mut offered.taken, true);
        }
        if offered.others.len() < 4 {
            offered.others.push(trouble::fit_for_a_log(&encoding));
        }
        false
    }

    /// Why there can be no picture: there is video, but no H.264. `failed`: the source has given up already.
    pub fn unusable(&self, failed: bool) -> Option<String> {
        let offered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = failed || offered.judged.is_some_and(|judged| judged.elapsed() >= ALL);
        (all && !offered.taken && !offered.others.is_empty()).then(|| {
            let others = offered.others.join(", ");
            format!(
                "the camera gives {others}, and browsers want H.264; it may have that by a setting, or by another URL"
            )
        })
    }
}

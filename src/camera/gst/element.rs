//! Elements and their properties. Nothing here panics when an element is other than expected.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use tracing::debug;

use super::encoder::{self, Encoder, Knob};
use crate::config::Secret;
use crate::media::units::Bitrate;

/// How far upstream an encoder is looked for.
const FAR: usize = 64;

/// Sets a property from text, where the element has it and takes the value.
pub fn set_text(element: &gst::Element, property: &str, text: &str) -> bool {
    let Some(spec) = writable(element, property) else {
        debug!("{} has no property {property}", name(element));
        return false;
    };
    let value = if spec.value_type() == glib::Type::STRING {
        Ok(text.to_value())
    } else {
        glib::Value::deserialize_with_pspec(text, &spec)
    };
    match value {
        Ok(value) => {
            element.set_property_from_value(property, &value);
            true
        }
        Err(_) => {
            debug!("{} does not take {text} for {property}", name(element));
            false
        }
    }
}

/// Sets a password on the element of this name. Nothing tells of it.
pub fn set_secret(bin: &gst::Bin, element: &str, property: &str, secret: &Secret) {
    if let Some(element) = bin.by_name(element)
        && writable(&element, property).is_some_and(|spec| spec.value_type() == glib::Type::STRING)
    {
        element.set_property(property, secret.expose());
    }
}

fn writable(element: &gst::Element, property: &str) -> Option<glib::ParamSpec> {
    let spec = element.find_property(property)?;
    let flags = spec.flags();
    (flags.contains(glib::ParamFlags::WRITABLE) && !flags.contains(glib::ParamFlags::CONSTRUCT_ONLY)).then_some(spec)
}

/// Sets an encoder's bitrate.
pub fn set_bitrate(element: &gst::Element, encoder: &Encoder, bitrate: Bitrate) -> bool {
    match encoder.knob {
        Knob::Property(property, unit) => set_text(element, property, &unit.of(bitrate).to_string()),
        Knob::ExtraControls => {
            let property = "extra-controls";
            let is_structure = |spec: &glib::ParamSpec| spec.value_type() == gst::Structure::static_type();
            if writable(element, property).filter(is_structure).is_none() {
                return false;
            }
            // What else is in it stays.
            let before = element.property_value(property).get::<Option<gst::Structure>>().ok().flatten();
            let mut controls = before.unwrap_or_else(|| gst::Structure::new_empty("controls"));
            controls.set("video_bitrate", i32::try_from(bitrate.bps()).unwrap_or(i32::MAX));
            element.set_property_from_value(property, &controls.to_value());
            true
        }
    }
}

/// The encoder that makes what comes out of a pad: the first that is known, upstream.
pub fn encoder_before(pad: &gst::Pad) -> Option<(gst::Element, &'static Encoder)> {
    let mut pad = pad.clone();
    for _ in 0..FAR {
        let target = pad.downcast_ref::<gst::GhostPad>().and_then(gst::GhostPad::target);
        let inner = target.unwrap_or(pad);
        let element = inner.parent_element()?;
        if let Some(encoder) = factory(&element).as_deref().and_then(encoder::known) {
            return Some((element, encoder));
        }
        pad = element.sink_pads().into_iter().find_map(|sink| sink.peer())?;
    }
    None
}

/// The name of an element's factory.
pub fn factory(element: &gst::Element) -> Option<String> {
    element.factory().map(|factory| factory.name().to_string())
}

/// An element, for people: its factory, and the name that the user gave it.
pub fn name(element: &gst::Element) -> String {
    let own = element.name();
    match factory(element) {
        Some(factory) if own.trim_end_matches(|c: char| c.is_ascii_digit()) == factory => factory,
        Some(factory) if own == super::recipe::SOURCE || own == super::recipe::ENCODER => factory,
        Some(factory) => format!("{factory} `{own}`"),
        None => own.to_string(),
    }
}

//! Sets an encoder's controls.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use super::format::Settings;
use super::{M2mError, controls};
use crate::camera::abi;
use crate::camera::choose::Codec;
use crate::camera::sys::Node;
use crate::media::units::Size;

/// Sets a control, and reads back what it then is.
pub fn set(node: &Node, setting: controls::Setting) -> io::Result<i64> {
    let mut control = abi::Control { id: setting.id, value: i32::try_from(setting.value).unwrap_or(i32::MAX) };
    node.call(abi::S_CTRL, &mut control)?;
    let mut read = abi::Control { id: setting.id, value: 0 };
    // Not every control can be read.
    let value = if node.call(abi::G_CTRL, &mut read).is_ok() { read.value } else { control.value };
    Ok(value.into())
}

/// Sets all controls. What cannot be is told in one line, once for each device.
pub fn set_controls(node: &Node, codec: &Codec, settings: &Settings) -> Result<(), M2mError> {
    let plan = controls::plan(&codec.info, settings.profile, settings.level(), settings.bitrate);
    let mut refused: Vec<String> = plan.missing.iter().map(|name| format!("{name} (no such control)")).collect();
    for setting in plan.settings {
        match set(node, setting) {
            Ok(value) if value == setting.value => {}
            Ok(value) => refused.push(format!("{} ({value} instead of {})", setting.name, setting.value)),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                return Err(M2mError::Io { what: "VIDIOC_S_CTRL", error });
            }
            Err(error) => refused.push(format!("{} ({error})", setting.name)),
        }
    }
    let refused = refused.join(", ");
    if !refused.is_empty() && is_news(&codec.path, Size::new(0, 0), &refused) {
        warn!("{} does not take: {refused}", codec.label);
    }
    Ok(())
}

/// Whether this was not what was said last of a device and a use of it: an encoder is opened whenever somebody begins to
/// watch.
pub fn is_news(path: &Path, size: Size, text: &str) -> bool {
    static TOLD: Mutex<BTreeMap<(PathBuf, Size), String>> = Mutex::new(BTreeMap::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.insert((path.to_owned(), size), text.to_owned()).is_none_or(|before| before != text)
}

//! Which video devices there are, for `auto` and for `lunette probe`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::device::DeviceInfo;
use super::lost::Lost;

/// The video nodes in `/dev` at one moment. Another device, another owner or another permission makes it differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes(Vec<(PathBuf, u64, i64, i64)>);

/// Looks at `/dev`; opens nothing.
pub fn nodes() -> Nodes {
    let mut nodes = Vec::new();
    for entry in fs::read_dir("/dev").into_iter().flatten().flatten() {
        if number(&entry.path()).is_some()
            && let Ok(meta) = entry.metadata()
        {
            nodes.push((entry.path(), meta.ino(), meta.ctime(), meta.ctime_nsec()));
        }
    }
    nodes.sort_by_key(|(path, ..)| number(path));
    Nodes(nodes)
}

/// 4 for `/dev/video4`.
fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

/// All video nodes, by number, each with what Lunette would do with it.
pub fn list() -> Vec<DeviceInfo> {
    Vec::new()
}

/// Asks one device what it is.
///
/// # Errors
/// When it cannot be opened or asked.
pub fn inspect(path: &Path) -> Result<DeviceInfo, Lost> {
    Err(Lost::Absent(path.to_owned()))
}

//! Device nodes: which may be opened, and what to do about the others.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::finding::{Area, Finding, Verdict};

/// A node, and what came of opening it.
#[derive(Debug)]
pub struct Node {
    /// Where.
    pub path: PathBuf,
    /// The group that it belongs to: a name, else a number.
    pub group: String,
    /// What came of opening it to read and write.
    pub opened: io::Result<()>,
}

/// The video nodes and the DMA heaps below `root`. `needed`: whether the configured camera is one of them.
pub fn examine(root: &Path, needed: bool) -> Vec<Finding> {
    let mut findings = video(&nodes(root, "dev", "video"));
    for finding in findings.iter_mut().filter(|f| f.verdict == Verdict::Fail && !needed) {
        finding.verdict = Verdict::Warn;
    }
    findings.extend(heaps(&nodes(root, "dev/dma_heap", "")));
    findings
}

/// The video nodes. `EACCES` is of the file's mode, `EPERM` of a policy above it, and they have different ways out.
pub fn video(nodes: &[Node]) -> Vec<Finding> {
    if nodes.is_empty() {
        let text = "there is no /dev/video*";
        let fix = "plug a USB camera in; a CSI camera needs libcamera: [camera.gst]";
        return vec![Finding::note("nodes", Area::Devices, text).with_fix(fix)];
    }
    let mut findings: Vec<_> = nodes.iter().filter_map(shut).collect();
    if findings.is_empty() {
        let text = match nodes {
            [one] => format!("{} may be opened", one.path.display()),
            nodes => format!("all {} video nodes may be opened", nodes.len()),
        };
        findings.push(Finding::ok("nodes", Area::Devices, text));
    }
    findings
}

/// Why a node cannot be opened.
fn shut(node: &Node) -> Option<Finding> {
    let error = node.opened.as_ref().err()?;
    let (path, group) = (node.path.display(), &node.group);
    let fail = |text: String, fix: String| Some(Finding::fail("nodes", Area::Devices, text, fix));
    let warn = |text: String, fix: &str| Some(Finding::warn("nodes", Area::Devices, text, fix));
    // The numbers are the same on every Linux we build for.
    match error.raw_os_error() {
        // udev gives video nodes to the group video; root's own were made by nobody, or before its rules.
        Some(13) if group == "root" => fail(
            format!("{path}: permission denied; it is for root alone"),
            "let udev give it to the group video: sudo udevadm trigger; in a container: mount it with that group"
                .to_owned(),
        ),
        Some(13) => fail(
            format!("{path}: permission denied; it is for the group {group}"),
            format!("sudo usermod -aG {group} USER, then log in anew; in a unit: SupplementaryGroups={group}"),
        ),
        Some(1) => fail(
            format!("{path}: not permitted, whoever asks: the unit or container has no access to this device"),
            "in a unit: DeviceAllow=char-video4linux rw; for a container: --device".to_owned(),
        ),
        Some(2) => warn(format!("{path} went away in this moment"), "look again; is a cable loose?"),
        Some(6 | 19) => warn(format!("{path} is there, but its device is not"), "plug it out and in; dmesg says why"),
        Some(16) => warn(format!("{path} is used by another program"), "fuser -v names it"),
        _ => fail(format!("{path}: {error}"), "dmesg may say why".to_owned()),
    }
}

/// DMA heaps, by which libcamera's pictures reach an encoder without a copy. Nothing else needs them.
pub fn heaps(heaps: &[Node]) -> Option<Finding> {
    let denied = heaps.iter().find(|heap| heap.opened.is_err())?;
    let text = format!("{}: {}; libcamera needs it", denied.path.display(), denied.opened.as_ref().err()?);
    let rule = "a udev rule: SUBSYSTEM==\"dma_heap\", GROUP=\"video\", MODE=\"0660\"";
    Some(Finding::note("heaps", Area::Devices, text).with_fix(rule))
}

/// Opens all nodes in a folder whose names begin so and go on with a number; all, when `begins` is empty.
fn nodes(root: &Path, folder: &str, begins: &str) -> Vec<Node> {
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let number = name.strip_prefix(begins)?.parse::<u32>();
        (begins.is_empty() || number.is_ok()).then(|| (number.unwrap_or(0), name))
    });
    let mut names: Vec<_> = named.collect();
    names.sort();
    let groups = fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    names.into_iter().map(|(_, name)| open(root, Path::new(folder).join(name), &groups)).collect()
}

fn open(root: &Path, path: PathBuf, groups: &str) -> Node {
    let real = root.join(&path);
    // Without waiting for whatever a driver may wait for: O_NONBLOCK, the same on every Linux we build for.
    let opened = OpenOptions::new().read(true).write(true).custom_flags(0o4000).open(&real).map(drop);
    let gid = fs::metadata(&real).map(|meta| meta.gid()).unwrap_or_default();
    Node { path: Path::new("/").join(path), group: group(groups, gid), opened }
}

/// Its name in /etc/group.
fn group(groups: &str, gid: u32) -> String {
    let named = groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, id) = (parts.next()?, parts.nth(1)?);
        (id.parse() == Ok(gid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| gid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32, errno: Option<i32>) -> Node {
        let opened = errno.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)));
        Node { path: format!("/dev/video{number}").into(), group: "video".into(), opened }
    }

    #[test]
    fn each_errno_has_its_way_out() {
        for (errno, verdict, text, fix) in [
            (13, Verdict::Fail, "/dev/video0: permission denied; it is for the group video", "usermod -aG video"),
            (1, Verdict::Fail, "/dev/video0: not permitted, whoever asks", "DeviceAllow="),
            (2, Verdict::Warn, "/dev/video0 went away", "look again"),
            (19, Verdict::Warn, "/dev/video0 is there, but its device is not", "dmesg"),
            (16, Verdict::Warn, "/dev/video0 is used by another program", "fuser"),
            (5, Verdict::Fail, "/dev/video0: Input/output error", "dmesg"),
        ] {
            let found = video(&[node(0, Some(errno)), node(1, None)]);
            assert_eq!((found.len(), found[0].verdict), (1, verdict), "{errno}");
            assert!(found[0].text.starts_with(text), "{}", found[0].text);
            assert!(found[0].fix.as_ref().unwrap().contains(fix), "{:?}", found[0].fix);
        }
        assert_eq!(video(&[node(0, None)])[0].text, "/dev/video0 may be opened");
        assert_eq!(video(&[node(0, None), node(1, None)])[0].text, "all 2 video nodes may be opened");
        assert_eq!(video(&[])[0].verdict, Verdict::Note);
    }

    #[test]
    fn a_folder_is_read_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        for path in ["dev/video10", "dev/video2", "dev/videodir", "dev/audio1", "dev/dma_heap/system", "etc/group"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let gid = fs::metadata(root.path().join("dev/video2")).unwrap().gid();
        fs::write(root.path().join("etc/group"), format!("root:x:9999:\ncameras:x:{gid}:lunette\n")).unwrap();
        let found = nodes(root.path(), "dev", "video");
        let paths: Vec<_> = found.iter().map(|n| n.path.to_str().unwrap()).collect();
        assert_eq!((paths, found[0].group.as_str()), (vec!["/dev/video2", "/dev/video10"], "cameras"));
        assert_eq!(
            examine(root.path(), true),
            [Finding::ok("nodes", Area::Devices, "all 2 video nodes may be opened")]
        );
        fs::remove_file(root.path().join("dev/dma_heap/system")).unwrap();
        // A link to nowhere is what a node without its driver looks like; even root cannot open it.
        std::os::unix::fs::symlink("/nowhere/at/all", root.path().join("dev/dma_heap/linux,cma")).unwrap();
        let found = examine(root.path(), true);
        assert_eq!((found.len(), found[1].id), (2, "heaps"));
    }

    #[test]
    fn groups_have_names() {
        assert_eq!(group("root:x:0:\nvideo:x:44:pi\n", 44), "video");
        assert_eq!(group("root:x:0:\nbroken\n", 44), "44");
    }
}

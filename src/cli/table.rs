//! What is kept, as lines for people.

use std::fmt::Write as _;

use time::{OffsetDateTime, UtcOffset};

use crate::audit::chain::Line;
use crate::control::{Known, Status};
use crate::trust::UnixSeconds;

/// What a viewer is called.
pub(super) fn name(label: &str) -> String {
    if label.is_empty() { "(no name)".into() } else { format!("“{label}”") }
}

/// So many seconds.
pub(super) fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// A time of day, here.
fn date(at: u64) -> String {
    let at = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let here = |at: OffsetDateTime| at.to_offset(UtcOffset::local_offset_at(at).unwrap_or(UtcOffset::UTC));
    let Some(at) = at.map(here) else { return "?".into() };
    let (month, day, hour, minute) = (u8::from(at.month()), at.day(), at.hour(), at.minute());
    format!("{}-{month:02}-{day:02} {hour:02}:{minute:02}", at.year())
}

/// The viewers, two lines each.
pub(super) fn viewers(viewers: &[Known]) -> String {
    let mut text = String::new();
    let when = |at: Option<UnixSeconds>| at.map_or_else(|| "unknown".into(), |at| date(at.0));
    for known in viewers {
        let watching = match known.watching {
            0 => String::new(),
            1 => ", watching now".into(),
            n => format!(", watching {n} times now"),
        };
        let until = known.until.map_or_else(String::new, |at| format!(", until {}", date(at.0)));
        let by = known.by.map_or_else(String::new, |by| format!(", invited by {by}"));
        text += &format!(
            "{}  {}, since {}{until}, last seen {}{watching}{by}\n  {}  {}\n",
            name(&known.label),
            known.role,
            when(known.since),
            when(known.seen),
            known.viewer,
            known.words
        );
    }
    text
}

/// How the daemon is, a line for each thing.
pub(super) fn status(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<9} {value}");
    };
    let about = if status.text.is_empty() { String::new() } else { format!(": {}", status.text) };
    line("camera", format!("{}, {}{about}", status.name, format!("{:?}", status.state).to_lowercase()));
    line("id", status.camera.to_string());
    line("words", status.words.clone());
    line("broker", if status.broker { "connected" } else { "no connection" }.into());
    line(
        "viewers",
        match (status.viewers, status.pairing) {
            (0, false) => "nobody is paired yet; `lunette pair` makes a link".into(),
            (n, false) => format!("{n} known"),
            (n, true) => format!("{n} known; a link for one more is open"),
        },
    );
    if status.watching.is_empty() {
        line("watching", "nobody".into());
    }
    for watcher in &status.watching {
        let path = watcher.path.as_deref().unwrap_or("connecting");
        line(
            "watching",
            format!("{} ({}), for {}, {path}", name(&watcher.label), watcher.viewer, time(watcher.seconds)),
        );
    }
    text
}

/// One line of the audit log.
pub(super) fn entry(line: &Line) -> String {
    let at = line.at.map_or_else(|| "(clock not set) ".into(), date);
    let what = serde_json::to_value(line.what).ok().and_then(|w| w.as_str().map(str::to_owned)).unwrap_or_default();
    let mut text = format!("{at}  {what:<8}");
    if let Some(label) = &line.label {
        text += &format!(" {}", name(label));
    }
    if let Some(viewer) = &line.viewer {
        text += &format!(" {viewer}");
    }
    if let Some(role) = &line.role {
        text += &format!(" ({role})");
    }
    if let Some(why) = &line.why {
        text += &format!(": {why}");
    }
    if let Some(count) = line.count {
        text += &format!(", {count} times");
    }
    text + "\n"
}

//! Lines of the audit log. Pure.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::trust::{BootId, ViewerId};

/// What stands in the place of a hash in the first line of all.
pub const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A viewer was paired by a link of the board.
    Pair,
    /// A viewer was paired by a link of another viewer.
    Grant,
    /// A viewer was revoked.
    Revoke,
    /// A viewer was given another name.
    Rename,
    /// A viewer watches.
    Join,
    /// A viewer does not watch any more.
    Leave,
    /// Something was refused.
    Refused,
    /// All viewers were forgotten.
    Reset,
    /// So many entries could not be written, since too many came at once.
    Missed,
}

/// One line, but for what chains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub what: What,
    /// To whom.
    pub viewer: Option<ViewerId>,
    /// What the viewer is called.
    pub label: Option<String>,
    /// Its role.
    pub role: Option<String>,
    /// The reason; for a join or a leave, more of it.
    pub why: Option<String>,
    /// How often, where several are one line.
    pub count: Option<u64>,
}

impl Entry {
    /// One that says nothing more.
    pub fn new(what: What) -> Self {
        Self { what, viewer: None, label: None, role: None, why: None, count: None }
    }
}

/// A line as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number: 1, 2, 3 …
    pub n: u64,
    /// When, in Unix seconds; `None`: the machine did not know what time it was.
    pub at: Option<u64>,
    /// The run of the daemon; absent: written by a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// What happened.
    pub what: What,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<ViewerId>,
    /// What the viewer is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Why, or how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// SHA-256 over the line before, in hexadecimal, its line break not counted.
    pub prev: String,
}

/// Where the next line is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub n: u64,
    /// The hash of the line before.
    pub prev: String,
}

impl Default for Link {
    fn default() -> Self {
        Self { n: 1, prev: FIRST.into() }
    }
}

impl Link {
    /// What follows on a line.
    pub fn after(n: u64, line: &[u8]) -> Self {
        Self { n: n.saturating_add(1), prev: HEXLOWER.encode(&Sha256::digest(line)) }
    }

    /// The text of a line, without its line break; and where the next one is put.
    pub fn line(&self, entry: &Entry, at: Option<u64>, boot: Option<BootId>) -> (String, Self) {
        let Entry { what, viewer, label, role, why, count } = entry.clone();
        let (n, prev) = (self.n, self.prev.clone());
        let why = why.map(|why| why.chars().take(200).collect());
        let line = Line { n, at, boot, what, viewer, label, role, why, count, prev };
        // Plain strings and numbers: there is nothing that cannot be JSON.
        let text = serde_json::to_string(&line).unwrap_or_default();
        let next = Self::after(n, text.as_bytes());
        (text, next)
    }
}

/// Follows a chain from line to line.
#[derive(Debug, Default)]
pub struct Follow {
    next: Option<Link>,
    /// Lines that were good.
    pub lines: u64,
}

impl Follow {
    /// The next line, without its line break. The first one may be anywhere in the chain, since what was before it may be gone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, text: &[u8]) -> Result<Line, String> {
        let line: Line = serde_json::from_slice(text).map_err(|_| "it is no line of an audit log".to_owned())?;
        let expected = match &self.next {
            Some(next) => next.clone(),
            None if line.n == 1 => Link::default(),
            None => Link { n: line.n, prev: line.prev.clone() },
        };
        if line.n != expected.n {
            return Err(format!("its number is {}, and {} is expected", line.n, expected.n));
        }
        if line.prev != expected.prev {
            return Err("the line before it is not the one that was there when it was written".into());
        }
        self.next = Some(Link::after(line.n, text));
        self.lines += 1;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: usize) -> Vec<String> {
        let mut link = Link::default();
        let label = |i| Some(format!("phone {i}"));
        (0..n)
            .map(|i| {
                let (text, next) = link.line(&Entry { label: label(i), ..Entry::new(What::Join) }, Some(7), None);
                link = next;
                text
            })
            .collect()
    }

    fn follow(lines: &[String]) -> Result<u64, String> {
        let mut follow = Follow::default();
        lines.iter().try_for_each(|line| follow.line(line.as_bytes()).map(drop)).map(|()| follow.lines)
    }

    #[test]
    fn a_chain_holds_and_any_change_breaks_it() {
        let lines = chain(4);
        assert_eq!(follow(&lines), Ok(4));
        assert_eq!(follow(&lines[2..]), Ok(2), "what was before may be gone");
        for i in 0..3 {
            let mut changed = lines.clone();
            changed[i] = changed[i].replace("phone", "Phone");
            assert!(follow(&changed).is_err(), "{i}");
            let mut shorter = lines.clone();
            shorter.remove(i);
            assert_eq!(follow(&shorter).is_ok(), i == 0, "{i}: only the beginning can be taken away unseen");
        }
        let mut swapped = lines;
        swapped.swap(1, 2);
        assert!(follow(&swapped).is_err());
    }
}

//! What was found, and how it is shown.

use std::fmt::Write as _;

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, for programs: these names stay. docs/operations.md lists them.
    pub id: &'static str,
    /// What it belongs to, for people and programs.
    pub area: Area,
    /// How it is.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub text: String,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What a finding belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Area {
    Board,
    Config,
    State,
    Clock,
    Power,
    Devices,
    Camera,
    Broker,
    Ice,
    Local,
}

/// How it is, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It works.
    Ok,
    /// Worth knowing.
    Note,
    /// It works, but not well, or not for long.
    Warn,
    /// It does not work.
    Fail,
}

impl Finding {
    /// It works.
    pub fn ok(id: &'static str, area: Area, text: impl Into<String>) -> Self {
        Self { id, area, verdict: Verdict::Ok, text: text.into(), fix: None }
    }

    /// Worth knowing.
    pub fn note(id: &'static str, area: Area, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, ..Self::ok(id, area, text) }
    }

    /// It works, but not well.
    pub fn warn(id: &'static str, area: Area, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, fix: Some(fix.into()), ..Self::ok(id, area, text) }
    }

    /// It does not work.
    pub fn fail(id: &'static str, area: Area, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(id, area, text, fix) }
    }

    /// What helps.
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// For people: a line, and one more when something helps.
    pub fn line(&self, color: bool) -> String {
        let (mark, paint) = match self.verdict {
            Verdict::Ok => ("✓", "32"),
            Verdict::Note => ("·", "36"),
            Verdict::Warn => ("!", "33"),
            Verdict::Fail => ("✗", "31;1"),
        };
        let mark = if color { format!("\x1b[{paint}m{mark}\x1b[0m") } else { mark.to_owned() };
        let mut text = format!("{mark} {:<8} {}\n", self.area.name(), self.text);
        if let Some(fix) = &self.fix {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "           → {fix}");
        }
        text
    }
}

impl Area {
    const fn name(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Config => "config",
            Self::State => "state",
            Self::Clock => "clock",
            Self::Power => "power",
            Self::Devices => "devices",
            Self::Camera => "camera",
            Self::Broker => "broker",
            Self::Ice => "ice",
            Self::Local => "local",
        }
    }
}

/// The worst of all.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Ok)
}

/// All in a line.
pub fn summary(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let say = |n: usize, one: &str, more: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {more}") };
    match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "All is well.".to_owned(),
        (0, warn) => format!("It works; {} to look at.", say(warn, "thing", "things")),
        (fail, 0) => format!("{} not work.", say(fail, "thing does", "things do")),
        (fail, warn) => {
            format!("{} not work; {} to look at.", say(fail, "thing does", "things do"), say(warn, "thing", "things"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Finding> {
        vec![
            Finding::ok("clock", Area::Clock, "the clock is set"),
            Finding::note("ice", Area::Ice, "none configured"),
            Finding::warn("power", Area::Power, "the voltage is too low", "a better power supply"),
            Finding::fail("disk", Area::State, "the disk is full", "make room"),
        ]
    }

    #[test]
    fn people_read_a_table() {
        let table: String = all().iter().map(|f| f.line(false)).collect();
        assert_eq!(
            table,
            "\
✓ clock    the clock is set
· ice      none configured
! power    the voltage is too low
           → a better power supply
✗ state    the disk is full
           → make room
"
        );
        assert!(all()[3].line(true).starts_with("\x1b[31;1m✗\x1b[0m state"));
    }

    #[test]
    fn programs_read_json() {
        let json = serde_json::to_value(all()).unwrap();
        assert_eq!(
            json[3],
            serde_json::json!({"id": "disk", "area": "state", "verdict": "fail", "text": "the disk is full", "fix": "make room"})
        );
        assert_eq!(json[0].get("fix"), None);
    }

    #[test]
    fn the_worst_counts() {
        let all = all();
        let say = |range: std::ops::Range<usize>| (worst(&all[range.clone()]), summary(&all[range]));
        assert_eq!(say(0..2), (Verdict::Note, "All is well.".into()));
        assert_eq!(say(0..3), (Verdict::Warn, "It works; 1 thing to look at.".into()));
        assert_eq!(say(0..4), (Verdict::Fail, "1 thing does not work; 1 thing to look at.".into()));
        assert_eq!(worst(&[]), Verdict::Ok);
    }
}

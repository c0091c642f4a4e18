//! What is wrong with a config, and where.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is too large to be meant.
    #[error("{} has more than {max} bytes: that is no config", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        max: u64,
    },
    /// A variable's value is not UTF-8.
    #[error("the variable {0} is not UTF-8")]
    NotText(String),
    /// The config is good, but names no broker.
    #[error(
        "there is no broker: name one in [signal.mqtt] url, or run `lunette run --local`, which brings its own broker \
         and page"
    )]
    NoBroker,
    /// Something that was written down is wrong.
    #[error("{0}")]
    Wrong(Box<Wrong>),
}

/// A wrong value or key, with its place.
#[derive(Debug)]
pub struct Wrong {
    /// What is wrong, and the way out.
    pub message: String,
    /// Where; `None` when it is nowhere: something is missing.
    pub place: Option<Place>,
}

/// Where something is written.
#[derive(Debug)]
pub enum Place {
    /// In a variable or flag of this name.
    Named(String),
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The line's text, without passwords.
        text: String,
        /// How many characters are wrong; at least 1.
        width: usize,
    },
}

impl Place {
    /// The place of a range of bytes in a file's content.
    pub(super) fn in_file(path: PathBuf, content: &str, span: Range<usize>) -> Self {
        let start = floor_char(content, span.start);
        let end = floor_char(content, span.end.max(start));
        let line_start = content[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = content[start..].find('\n').map_or(content.len(), |i| start + i);
        let line = content[..start].matches('\n').count() + 1;
        let column = content[line_start..start].chars().count() + 1;
        let width = content[start..end.clamp(start, line_end)].trim_end().chars().count().max(1);
        let text = without_passwords(content[line_start..line_end].trim_end());
        Self::File { path, line, column, text, width }
    }
}

/// The nearest character boundary at or before `at`.
fn floor_char(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Properties of GStreamer's elements that are secrets.
const SECRETS: [&str; 4] = ["user-pw", "password", "proxy-pw", "passphrase"];

/// A secret becomes as many asterisks, since errors end up in logs: a password in an address, what stands behind an
/// address's `?`, and the values of an element's properties that are secrets.
pub(super) fn without_passwords(line: &str) -> String {
    let mut line = line.to_owned();
    if let Some(user) = line.find("://").map(|i| i + 3) {
        if let Some(at) = line[user..].rfind('@').map(|i| user + i)
            && let Some(password) = line[user..at].find(':').map(|i| user + i + 1)
        {
            hide(&mut line, password, at);
        }
        let end = end_of_word(&line, user);
        if let Some(query) = line[user..end].find('?').map(|i| user + i + 1) {
            hide(&mut line, query, end);
        }
    }
    for key in SECRETS {
        let mut from = 0;
        while let Some(found) = line[from..].find(key).map(|i| from + i + key.len()) {
            from = found;
            // `key=value`, and `key = "value"`.
            let Some(value) = line[found..].trim_start().strip_prefix('=').map(str::trim_start) else { continue };
            let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
            let start = line.len() - value.len();
            let end = end_of_word(&line, start);
            hide(&mut line, start, end);
        }
    }
    line
}

fn end_of_word(line: &str, from: usize) -> usize {
    line[from..].find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')).map_or(line.len(), |n| from + n)
}

fn hide(line: &mut String, start: usize, end: usize) {
    let stars = "*".repeat(line[start..end].chars().count());
    line.replace_range(start..end, &stars);
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = &self.message;
        match &self.place {
            None => f.write_str(message),
            Some(Place::Named(name)) => write!(f, "{name}: {message}"),
            Some(Place::File { path, line, column, text, width }) => {
                let number = line.to_string();
                let gutter = " ".repeat(number.len());
                // Tabs stay, so that the caret stands under its text however wide they are shown.
                let tabs = text.chars().map(|c| if c == '\t' { '\t' } else { ' ' });
                let indent: String = tabs.chain(std::iter::repeat(' ')).take(column - 1).collect();
                writeln!(f, "{}:{line}:{column}: {message}", path.display())?;
                writeln!(f, "{gutter} |")?;
                writeln!(f, "{number} | {text}")?;
                write!(f, "{gutter} | {indent}{}", "^".repeat(*width))
            }
        }
    }
}

/// A message of serde's, in the user's words.
pub(super) fn reword(message: &str) -> String {
    let Some((kind, rest)) = ["unknown field `", "unknown variant `"]
        .iter()
        .zip(["key", "choice"])
        .find_map(|(prefix, kind)| message.strip_prefix(prefix).map(|rest| (kind, rest)))
    else {
        return message.lines().collect::<Vec<_>>().join(", ");
    };
    let mut quoted = rest.split('`').step_by(2);
    let wrong = quoted.next().unwrap_or_default();
    let legal: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    let nearest = legal.iter().map(|l| (distance(wrong, l), l)).min_by_key(|(d, _)| *d);
    match nearest {
        Some((d, l)) if d <= 2 && d < l.chars().count() => format!("unknown {kind} `{wrong}`; did you mean `{l}`?"),
        _ => format!("unknown {kind} `{wrong}`; there are {}", list(&legal)),
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// How many letters must be added, removed, changed or swapped to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (rows[i][j + 1] + 1).min(row[j] + 1).min(rows[i][j] + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && *y == a[i - 1] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unknown_keys_get_a_hint() {
        let fields = "expected one of `size`, `fps`, `bitrate`";
        for (wrong, said) in [
            ("sise", "unknown key `sise`; did you mean `size`?"),
            ("bitrat", "unknown key `bitrat`; did you mean `bitrate`?"),
            ("fsp", "unknown key `fsp`; did you mean `fps`?"),
            ("colour", "unknown key `colour`; there are `size`, `fps`, `bitrate`"),
        ] {
            assert_eq!(reword(&format!("unknown field `{wrong}`, {fields}")), said);
        }
        assert_eq!(
            reword("unknown variant `v4l`, expected one of `auto`, `v4l2`, `testcard`"),
            "unknown choice `v4l`; did you mean `v4l2`?"
        );
        assert_eq!(reword("invalid type"), "invalid type");
    }

    #[test]
    fn passwords_in_addresses_are_not_repeated() {
        assert_eq!(without_passwords("url = \"mqtt://u:geheim@h\" # x"), "url = \"mqtt://u:******@h\" # x");
        assert_eq!(without_passwords("url = \"mqtt://h:1883\""), "url = \"mqtt://h:1883\"");
        for (line, shown) in [
            (
                "souphttpsrc location=http://cam/v?user=a&pwd=geheim ! x",
                "souphttpsrc location=http://cam/v?*****************  ! x",
            ),
            ("rtspsrc user-pw=geheim location=rtsp://h", "rtspsrc user-pw=****** location=rtsp://h"),
            ("srtsrc passphrase = \"geheim\" ! y", "srtsrc passphrase = \"******\" ! y"),
            ("password_file = \"/etc/x\"", "password_file = \"/etc/x\""),
            ("password", "password"),
        ] {
            assert_eq!(without_passwords(line), shown.replace("  !", " !"), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_place_can_be_shown(text in "(\\PC|\n|\t|\r){0,40}", start in 0usize..60, len in 0usize..60) {
            let place = Place::in_file("f".into(), &text, start..start + len);
            let _ = Wrong { message: String::new(), place: Some(place) }.to_string();
            prop_assert_eq!(without_passwords(&text).chars().count(), text.chars().count());
        }
    }
}

//! One layer of a config: a file, a variable, or a flag.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place, Wrong, reword};
use super::tree::{self, Value};

/// One layer. Places in it are counted from `base`, so that a place tells its layer.
#[derive(Debug)]
pub(super) struct Layer {
    base: usize,
    text: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(PathBuf),
    /// As a file, of this name.
    Defaults(String),
    /// A single value, from outside of any file.
    Value {
        /// As the user knows it: `LUNETTE_VIDEO__SIZE`, `--camera`.
        name: String,
        path: Vec<String>,
        /// Not to be read as TOML.
        verbatim: bool,
    },
}

/// Layers in the order in which they are laid over each other.
#[derive(Debug, Default)]
pub(super) struct Layers(Vec<Layer>);

impl Layers {
    pub(super) fn push_file(&mut self, path: PathBuf, text: String) {
        self.push(text, Kind::File(path));
    }

    /// A text that is like a file, but is none that the user could look at.
    pub(super) fn push_defaults(&mut self, name: String, text: String) {
        self.push(text, Kind::Defaults(name));
    }

    /// A single value. Unless it is `verbatim` it is read as TOML where it can be: `30`, `true`, `"text"`.
    pub(super) fn push_value(&mut self, name: String, path: Vec<String>, text: String, verbatim: bool) {
        self.push(text, Kind::Value { name, path, verbatim });
    }

    fn push(&mut self, text: String, kind: Kind) {
        // From 1, since the tree's root is at 0; one apart, since a place can be just behind the end.
        let base = self.0.last().map_or(1, |l| l.base + l.text.len() + 1);
        self.0.push(Layer { base, text, kind });
    }

    /// All layers as one tree.
    pub(super) fn merged(&self) -> Result<DeTable<'_>, ConfigError> {
        let mut tree = DeTable::new();
        for layer in &self.0 {
            if let DeValue::Table(table) = layer.parse()?.into_inner() {
                tree::merge(&mut tree, table);
            }
        }
        Ok(tree)
    }

    /// When the place is in a variable that was read as TOML: makes it plain text, and says so. `LUNETTE_NAME=5` is a
    /// name, and only the config knows it.
    pub(super) fn reread_as_text(&mut self, span: Option<&Range<usize>>) -> bool {
        let Some(layer) = span.and_then(|s| self.0.iter_mut().find(|l| l.contains(s))) else { return false };
        match &mut layer.kind {
            Kind::Value { verbatim, .. } => !std::mem::replace(verbatim, true),
            Kind::File(_) | Kind::Defaults(_) => false,
        }
    }

    /// Where a text stands within a place.
    pub(super) fn within(&self, span: &Range<usize>, text: &str) -> Option<Range<usize>> {
        let layer = self.0.iter().find(|layer| layer.contains(span))?;
        let written = layer.text.get(span.start - layer.base..span.end - layer.base)?;
        let start = span.start + written.find(text)?;
        Some(start..start + text.len())
    }

    /// What is wrong, and where.
    pub(super) fn wrong(&self, span: Option<Range<usize>>, message: &str) -> ConfigError {
        let place = span.and_then(|s| self.0.iter().find(|l| l.contains(&s)).map(|l| l.place(s)));
        ConfigError::Wrong(Box::new(Wrong { message: reword(message), place }))
    }
}

impl Layer {
    fn parse(&self) -> Result<Value<'_>, ConfigError> {
        match &self.kind {
            Kind::File(_) | Kind::Defaults(_) => match DeTable::parse(&self.text) {
                Ok(table) => {
                    let span = table.span();
                    Ok(tree::shift(Spanned::new(span, DeValue::Table(table.into_inner())), self.base))
                }
                Err(e) => {
                    let span = e.span().unwrap_or_default();
                    let place = Some(self.place(span.start + self.base..span.end + self.base));
                    Err(ConfigError::Wrong(Box::new(Wrong { message: reword(e.message()), place })))
                }
            },
            Kind::Value { path, verbatim, .. } => {
                let toml = if *verbatim { None } else { DeValue::parse(&self.text).ok() };
                let text = || Spanned::new(0..self.text.len(), DeValue::String(Cow::Borrowed(self.text.as_str())));
                let leaf = tree::shift(toml.unwrap_or_else(text), self.base);
                Ok(tree::nest(path, leaf, self.base..self.base + self.text.len()))
            }
        }
    }

    fn contains(&self, span: &Range<usize>) -> bool {
        (self.base..=self.base + self.text.len()).contains(&span.start)
    }

    fn place(&self, span: Range<usize>) -> Place {
        match &self.kind {
            Kind::Value { name, .. } | Kind::Defaults(name) => Place::Named(name.clone()),
            Kind::File(path) => {
                Place::in_file(path.clone(), &self.text, span.start - self.base..span.end.saturating_sub(self.base))
            }
        }
    }
}

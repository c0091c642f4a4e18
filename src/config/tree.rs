//! TOML tables whose values know where they were written, and how one is laid over another.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it was written, in the count of all layers' bytes.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Moves all places by `base` bytes.
pub(super) fn shift(value: Value<'_>, base: usize) -> Value<'_> {
    let span = moved(value.span(), base);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shift_table(table, base)),
        DeValue::Array(array) => DeValue::Array(array.into_iter().map(|v| shift(v, base)).collect()),
        other => other,
    };
    Spanned::new(span, value)
}

fn shift_table(table: DeTable<'_>, base: usize) -> DeTable<'_> {
    let mut shifted = DeTable::new();
    for (key, value) in table {
        let span = moved(key.span(), base);
        shifted.insert(Spanned::new(span, key.into_inner()), shift(value, base));
    }
    shifted
}

fn moved(span: Range<usize>, base: usize) -> Range<usize> {
    span.start + base..span.end + base
}

/// `leaf` below the keys of `path`, which are all written at `span`.
pub(super) fn nest<'a>(path: &[String], leaf: Value<'a>, span: Range<usize>) -> Value<'a> {
    path.iter().rev().fold(leaf, |value, key| {
        let mut table = DeTable::new();
        table.insert(Spanned::new(span.clone(), Cow::Owned(key.clone())), value);
        Spanned::new(span.clone(), DeValue::Table(table))
    })
}

/// Lays `over` over `under`: tables are merged, anything else is replaced.
pub(super) fn merge<'a>(under: &mut DeTable<'a>, over: DeTable<'a>) {
    // In `[camera.gst]`, a pipeline takes the place of a preset, and the other way round.
    for (one, other) in [("pipeline", "preset"), ("preset", "pipeline")] {
        if over.contains_key(one) && !over.contains_key(other) {
            under.remove(other);
        }
    }
    for (key, value) in over {
        let choice = key.get_ref() == "camera";
        match (under.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(old)), DeValue::Table(new)) if !choice || same_choice(old, new) => {
                if let DeValue::Table(new) = value.into_inner() {
                    merge(old, new);
                }
            }
            _ => {
                // Removed first, so that the key's place is the new one.
                under.remove(key.get_ref().as_ref());
                under.insert(key, value);
            }
        }
    }
}

/// `[camera.v4l2]` is one of several choices: another choice replaces it whole.
fn same_choice(a: &DeTable<'_>, b: &DeTable<'_>) -> bool {
    a.keys().map(Spanned::get_ref).eq(b.keys().map(Spanned::get_ref))
}

/// Where the value at `path` was written. In an array, the key is the number from 0.
pub(super) fn place(table: &DeTable<'_>, path: &[&str]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    within(table.get(*first)?, rest)
}

fn within(value: &Value<'_>, path: &[&str]) -> Option<Range<usize>> {
    let Some((first, rest)) = path.split_first() else { return Some(value.span()) };
    match value.get_ref() {
        DeValue::Table(table) => place(table, path),
        DeValue::Array(array) => within(array.get(first.parse::<usize>().ok()?)?, rest),
        _ => None,
    }
}

//! A camera's encodings of one picture: the main one, and a smaller one beside it.

use std::fmt;
use std::ops::{Index, IndexMut};

/// Which encoding. Its words are those of `streams` in docs/signaling.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StreamId {
    /// What `[video]` asks for.
    #[default]
    Main,
    /// What `[video.low]` asks for: fewer pixels and bits, for weak networks and small screens.
    Low,
}

impl StreamId {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Main, Self::Low];

    /// The stream of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.as_str() == name)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something for each stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerStream<T> {
    /// Of the main stream.
    pub main: T,
    /// Of the low stream.
    pub low: T,
}

impl<T> PerStream<T> {
    /// Made for each.
    pub fn from_fn(mut make: impl FnMut(StreamId) -> T) -> Self {
        Self { main: make(StreamId::Main), low: make(StreamId::Low) }
    }
}

impl<T> Index<StreamId> for PerStream<T> {
    type Output = T;

    fn index(&self, stream: StreamId) -> &T {
        match stream {
            StreamId::Main => &self.main,
            StreamId::Low => &self.low,
        }
    }
}

impl<T> IndexMut<StreamId> for PerStream<T> {
    fn index_mut(&mut self, stream: StreamId) -> &mut T {
        match stream {
            StreamId::Main => &mut self.main,
            StreamId::Low => &mut self.low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        assert_eq!(StreamId::ALL.map(|stream| StreamId::of(stream.as_str())), StreamId::ALL.map(Some));
        assert_eq!(StreamId::of("Main"), None);
        let each = PerStream::from_fn(|stream| stream.to_string());
        assert_eq!((each[StreamId::Main].as_str(), each[StreamId::Low].as_str()), ("main", "low"));
    }
}

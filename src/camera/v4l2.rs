//! Pictures from V4L2 capture devices, and what such a device is.

pub use super::coded::Coded;
pub use super::inspect::{inspect, inspect_encoder};
pub use super::raw::Raw;

//! Pure: what a picture is, and what is done to its bytes. No I/O, no clock, no async.

pub mod access_unit;
mod bits;
#[cfg(any(test, fuzzing))]
pub mod depacketize;
pub mod frame;
pub mod h264;
pub mod level;
mod profile;
pub mod rtp;
pub mod sps;
pub mod status;
pub mod stream;
pub mod units;

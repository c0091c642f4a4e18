//! Buffers of a device → whole access units, each key frame with its parameter sets in front.

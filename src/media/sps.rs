//! Sequence parameter sets (ITU-T H.264, 7.3.2.1 and annex E).

//! Which pictures a viewer may get: a decoder starts at a key frame, and after a gap it starts anew. Pure.

/// Lets pictures through from a key frame on, until one is missed.
#[derive(Debug, Default)]
pub struct Gate {
    open: bool,
    /// Whether any picture has passed; what came before the first is not missed by anybody.
    begun: bool,
    dropped: u64,
}

impl Gate {
    /// Whether this picture may be sent. A key frame opens the gate.
    pub fn admit(&mut self, key: bool) -> bool {
        self.open |= key;
        self.begun |= key;
        if self.begun && !self.open {
            self.dropped += 1;
        }
        self.open
    }

    /// So many pictures were missed: nothing more till the next key frame, which is to be asked for.
    pub fn missed(&mut self, pictures: u64) {
        self.open = false;
        if self.begun {
            self.dropped += pictures;
        }
    }

    /// Whether it waits for a key frame.
    pub fn waits(&self) -> bool {
        !self.open
    }

    /// Pictures that were not sent since the first that was.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_before_a_key_frame_nor_after_a_gap() {
        let mut gate = Gate::default();
        let pictures = [(false, false), (true, true), (false, true), (false, true)];
        assert_eq!(pictures.map(|(key, _)| gate.admit(key)), pictures.map(|(_, passes)| passes));
        gate.missed(3);
        assert!(gate.waits());
        assert_eq!([false, false, true, false].map(|key| gate.admit(key)), [false, false, true, true]);
        assert_eq!(gate.dropped(), 3 + 2);
    }
}

//! How every envelope begins, how long each kind is, and why one is dropped. See docs/sealing.md.

use super::id::CameraId;
use super::key::KeyError;

/// Largest envelope, in bytes.
pub const MAX_MESSAGE: usize = 16_384;
/// The most that an envelope of any kind carries, in bytes.
pub const MAX_PLAIN: usize = MAX_MESSAGE - 217;
/// Bytes of what all envelopes begin with.
pub(super) const HEAD: usize = 24;
/// Bytes of a nonce and of a challenge.
pub(super) const NONCE: usize = 16;

const MAGIC: &[u8; 3] = b"LUN";
const VERSION: u8 = 1;
const SUITE: u8 = 1;

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Viewer → camera: begins an exchange.
    Open,
    /// Viewer → camera: more of an exchange.
    More,
    /// Viewer → camera: asks to be paired.
    Pair,
    /// Camera → viewer: the first response of an exchange.
    First,
    /// Camera → viewer: what follows.
    Next,
    /// Camera → viewer: said without an exchange.
    Refusal,
    /// Camera → those who are known: status.
    Broadcast,
    /// Camera → everyone.
    Challenge,
}

impl Kind {
    const ALL: [Self; 8] =
        [Self::Open, Self::More, Self::Pair, Self::First, Self::Next, Self::Refusal, Self::Broadcast, Self::Challenge];

    /// Its byte.
    pub fn code(self) -> u8 {
        match self {
            Self::Open => 0x01,
            Self::More => 0x02,
            Self::Pair => 0x03,
            Self::First => 0x11,
            Self::Next => 0x12,
            Self::Refusal => 0x13,
            Self::Broadcast => 0x21,
            Self::Challenge => 0x31,
        }
    }

    /// The lengths that it may have, in bytes.
    pub fn lengths(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Open => 217..=MAX_MESSAGE,
            Self::More | Self::Next => 80..=MAX_MESSAGE,
            Self::Pair => 266..=2_048,
            Self::First => 201..=MAX_MESSAGE,
            Self::Refusal => 128..=128,
            Self::Broadcast => 144..=MAX_MESSAGE,
            Self::Challenge => 379..=379,
        }
    }
}

/// Why an envelope was dropped. `Display` is the name that docs/sealing.md gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// Too short or too long for its kind.
    #[error("length")]
    Length,
    /// Not an envelope of this version.
    #[error("version")]
    Version,
    /// Of another suite.
    #[error("suite")]
    Suite,
    /// Of a kind that has no business on this topic.
    #[error("kind")]
    Kind,
    /// For, or of, another camera.
    #[error("camera")]
    Camera,
    /// An old challenge, or one of before.
    #[error("stale")]
    Stale,
    /// The viewer is not known.
    #[error("not_paired")]
    NotPaired,
    /// The viewer's access has ended.
    #[error("expired")]
    Expired,
    /// The viewer was known once.
    #[error("revoked")]
    Revoked,
    /// The viewer's access has an end, and the camera does not know what time it is.
    #[error("clock")]
    Clock,
    /// More than is looked at.
    #[error("busy")]
    Busy,
    /// Seen before.
    #[error("replay")]
    Replay,
    /// Not signed by whom it says it is of.
    #[error("signature")]
    Signature,
    /// Does not decrypt.
    #[error("sealed")]
    Sealed,
    /// Of an exchange that is not there.
    #[error("exchange")]
    Exchange,
}

impl Reason {
    const ALL: [Self; 15] = [
        Self::Length,
        Self::Version,
        Self::Suite,
        Self::Kind,
        Self::Camera,
        Self::Stale,
        Self::NotPaired,
        Self::Expired,
        Self::Revoked,
        Self::Clock,
        Self::Busy,
        Self::Replay,
        Self::Signature,
        Self::Sealed,
        Self::Exchange,
    ];

    /// Its byte in a refusal; most are told to nobody.
    pub(super) fn code(self) -> Option<u8> {
        match self {
            Self::Stale => Some(1),
            Self::NotPaired => Some(2),
            Self::Expired => Some(3),
            Self::Busy => Some(4),
            Self::Revoked => Some(5),
            Self::Clock => Some(6),
            _ => None,
        }
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == Some(code))
    }
}

/// Why something could not be sealed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than [`MAX_PLAIN`] bytes.
    #[error("{0} bytes is more than the {MAX_PLAIN} that an envelope carries")]
    TooLong(usize),
    /// No key for it.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The beginning of an envelope.
pub(super) fn head(kind: Kind, camera: &CameraId) -> Vec<u8> {
    [&MAGIC[..], &[VERSION, kind.code(), SUITE, 0, 0], &camera.bytes()].concat()
}

/// Refuses what no envelope of a kind may carry.
pub(super) fn check_plain(plain: &[u8]) -> Result<(), SealError> {
    if plain.len() > MAX_PLAIN { Err(SealError::TooLong(plain.len())) } else { Ok(()) }
}

/// Looks at the first 24 bytes and the length. What passes is as long as its kind must be.
pub(super) fn check(payload: &[u8], camera: &CameraId, kinds: &[Kind]) -> Result<Kind, Reason> {
    let head: [u8; HEAD] = part(payload, 0)?;
    if payload.len() > MAX_MESSAGE {
        return Err(Reason::Length);
    }
    if head[..3] != MAGIC[..] || head[3] != VERSION || head[6..8] != [0, 0] {
        return Err(Reason::Version);
    }
    if head[5] != SUITE {
        return Err(Reason::Suite);
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == head[4]);
    let kind = kind.filter(|kind| kinds.contains(kind)).ok_or(Reason::Kind)?;
    if head[8..] != camera.bytes() {
        return Err(Reason::Camera);
    }
    if kind.lengths().contains(&payload.len()) { Ok(kind) } else { Err(Reason::Length) }
}

/// `N` bytes from `at` on.
pub(super) fn part<const N: usize>(payload: &[u8], at: usize) -> Result<[u8; N], Reason> {
    payload.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Reason::Length)
}

/// What follows a header of `header` bytes, and its last 64 bytes apart: header, body, all but the signature, signature.
pub(super) type Signed<'a> = (&'a [u8], &'a [u8], &'a [u8], super::key::Signature);

/// Takes an envelope apart that ends with a signature.
pub(super) fn signed(payload: &[u8], header: usize) -> Result<Signed<'_>, Reason> {
    let (before, signature) = payload.split_last_chunk().ok_or(Reason::Length)?;
    let (header, body) = before.split_at_checked(header).ok_or(Reason::Length)?;
    Ok((header, body, before, super::key::Signature::from_bytes(*signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_of_the_beginning_is_looked_at() {
        let camera = CameraId::from_bytes([7; 16]);
        let mut good = head(Kind::Refusal, &camera);
        good.resize(128, 0);
        assert_eq!(check(&good, &camera, &[Kind::Refusal]), Ok(Kind::Refusal));
        assert_eq!(check(&good, &camera, &[Kind::Open]), Err(Reason::Kind), "on another topic");
        let names = ["version"; 4].into_iter().chain(["kind", "suite", "version", "version"]).chain(["camera"; 16]);
        for (i, name) in names.enumerate() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[i] ^= 1 << bit;
                let reason = check(&bad, &camera, &[Kind::Refusal]).expect_err("another byte");
                assert_eq!(reason.to_string(), name, "byte {i}, bit {bit}");
            }
        }
    }

    #[test]
    fn each_kind_has_its_lengths() {
        let camera = CameraId::from_bytes([7; 16]);
        for kind in Kind::ALL {
            let (least, most) = kind.lengths().into_inner();
            for (n, good) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                let mut payload = head(kind, &camera);
                payload.resize(n, 0);
                let expected = if good { Ok(kind) } else { Err(Reason::Length) };
                assert_eq!(check(&payload, &camera, &Kind::ALL), expected, "{kind:?} of {n} bytes");
            }
        }
        for n in 0..HEAD {
            assert_eq!(check(&vec![0; n], &camera, &Kind::ALL), Err(Reason::Length));
        }
    }

    #[test]
    fn what_is_told_is_understood() {
        for reason in Reason::ALL {
            assert!(reason.code().is_none_or(|code| Reason::of_code(code) == Some(reason)), "{reason}");
        }
        assert_eq!((0..=255).filter_map(Reason::of_code).count(), 6);
    }
}

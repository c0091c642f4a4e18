//! What a viewer's offer makes possible. Pure; looked at before any peer connection exists, so that an offer which
//! cannot work is refused by name.

use crate::media::h264::{ProfileLevelId, nearest};

/// Longest offer that is looked at, in lines.
const MAX_LINES: usize = 2000;

/// How the stream will be sent, in the offer's own numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// RTP payload type of H.264.
    pub payload_type: u8,
    /// RTP payload type of its retransmissions (RFC 4588), when offered.
    pub rtx_payload_type: Option<u8>,
    /// The offered profile that was taken.
    pub profile: ProfileLevelId,
    /// Whether that is the stream's own profile.
    pub exact: bool,
    /// Whether the offer lists the playout-delay header extension.
    pub playout_delay: bool,
}

/// Why an offer cannot be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Not a session description.
    #[error("The offer is not a session description.")]
    NotSdp,
    /// Not one fingerprint, or of another hash: then nobody could say which one the connection is bound to.
    #[error("The offer must have one certificate's fingerprint, of SHA-256.")]
    Fingerprint,
    /// No live video section that can receive.
    #[error("The offer has no video section that can be sent to.")]
    NoVideo,
    /// Video, but no H.264 in packetization mode 1.
    #[error("The offer has no H.264 (packetization mode 1), but only {0}. Lunette sends the camera's H.264 as it is.")]
    NoH264(String),
}

/// The URI of the extension that keeps a browser from buffering.
/// <https://webrtc.googlesource.com/src/+/refs/heads/main/docs/native-code/rtp-hdrext/playout-delay/README.md>
pub const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// The URI of the extension that numbers packets for the viewer's reports.
pub const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Looks at an offer (RFC 8866, RFC 8829) and chooses how a stream of the given profile is sent.
///
/// # Errors
/// See [`OfferError`].
pub fn inspect(sdp: &str, stream: ProfileLevelId) -> Result<Choice, OfferError> {
    if !sdp.starts_with("v=0") || sdp.lines().count() > MAX_LINES {
        return Err(OfferError::NotSdp);
    }
    let video = video_section(sdp).ok_or(OfferError::NoVideo)?;
    let codecs = codecs(&video);
    let h264: Vec<_> = codecs.iter().filter_map(|codec| Some((codec.payload_type, h264_profile(codec)?))).collect();
    let profiles: Vec<_> = h264.iter().map(|(_, profile)| *profile).collect();
    let Some(found) = nearest(stream, &profiles) else {
        let mut names: Vec<_> = codecs.iter().map(|codec| codec.name).collect();
        names.sort_unstable();
        names.dedup();
        return Err(OfferError::NoH264(if names.is_empty() { "nothing".into() } else { names.join(", ") }));
    };
    if !has_one_fingerprint(sdp) {
        return Err(OfferError::Fingerprint);
    }
    let (payload_type, profile) = h264[found.index];
    let apt = format!("apt={payload_type}");
    let rtx =
        codecs.iter().find(|codec| codec.name.eq_ignore_ascii_case("rtx") && parameters(codec.fmtp).any(|p| p == apt));
    Ok(Choice {
        payload_type,
        rtx_payload_type: rtx.map(|codec| codec.payload_type),
        profile,
        exact: found.exact,
        playout_delay: video
            .iter()
            .any(|line| line.strip_prefix("a=extmap:").and_then(|rest| rest.split(' ').nth(1)) == Some(PLAYOUT_DELAY)),
    })
}

/// Whether all lines `a=fingerprint` say the same, of SHA-256 (RFC 8122, section 5).
fn has_one_fingerprint(sdp: &str) -> bool {
    let mut lines = sdp.lines().filter_map(|line| line.trim_end().strip_prefix("a=fingerprint:"));
    let Some(first) = lines.next() else { return false };
    let is_sha256 = first.split(' ').next().is_some_and(|hash| hash.eq_ignore_ascii_case("sha-256"));
    is_sha256 && lines.all(|line| line.eq_ignore_ascii_case(first))
}

/// The lines of the first video section that is not rejected and wants to receive.
fn video_section(sdp: &str) -> Option<Vec<&str>> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line.trim_end());
        }
    }
    sections.into_iter().find(|lines| {
        let mut media = lines.first().copied().unwrap_or_default().split(' ');
        let live = media.next() == Some("m=video") && media.next().is_some_and(|port| port != "0");
        live && !lines.iter().any(|line| matches!(*line, "a=sendonly" | "a=inactive"))
    })
}

struct Codec<'a> {
    payload_type: u8,
    name: &'a str,
    fmtp: &'a str,
}

fn codecs<'a>(section: &[&'a str]) -> Vec<Codec<'a>> {
    let fmtp = |payload_type: u8| {
        section
            .iter()
            .filter_map(|line| line.strip_prefix("a=fmtp:")?.split_once(' '))
            .find(|(pt, _)| pt.parse() == Ok(payload_type))
            .map_or("", |(_, parameters)| parameters)
    };
    section
        .iter()
        .filter_map(|line| {
            let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            let payload_type = payload_type.parse().ok().filter(|pt| *pt < 128)?;
            Some(Codec { payload_type, name: encoding.split('/').next()?, fmtp: fmtp(payload_type) })
        })
        .collect()
}

/// The profile of an H.264 entry in packetization mode 1; `42000a` when the entry has none (RFC 6184, section 8.1).
fn h264_profile(codec: &Codec<'_>) -> Option<ProfileLevelId> {
    let value = |name: &str| parameters(codec.fmtp).find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    let usable = codec.name.eq_ignore_ascii_case("H264") && value("packetization-mode") == Some("1");
    usable.then(|| value("profile-level-id").unwrap_or("42000a").parse().ok()).flatten()
}

fn parameters(fmtp: &str) -> impl Iterator<Item = &str> {
    fmtp.split(';').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROMIUM: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 105 127 125\r\na=recvonly\r\n\
        a=fingerprint:sha-256 AA:BB\r\na=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:102 H264/90000\r\n\
        a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
        a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
        a=rtpmap:104 H264/90000\r\n\
        a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
        a=rtpmap:105 rtx/90000\r\na=fmtp:105 apt=104\r\n\
        a=rtpmap:127 H264/90000\r\n\
        a=fmtp:127 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f\r\n\
        a=rtpmap:125 H264/90000\r\n\
        a=fmtp:125 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=fingerprint:SHA-256 aa:bb\r\n";

    fn profile(text: &str) -> ProfileLevelId {
        text.parse().expect("a profile")
    }

    #[test]
    fn the_streams_own_profile_is_taken_where_it_is_offered() {
        let choice = inspect(CHROMIUM, profile("42e028")).expect("a choice");
        assert_eq!((choice.payload_type, choice.rtx_payload_type, choice.exact), (125, None, true));
        let choice = inspect(CHROMIUM, profile("42001f")).expect("a choice");
        assert_eq!((choice.payload_type, choice.rtx_payload_type, choice.exact), (102, Some(103), true));
        assert!(choice.playout_delay);
    }

    #[test]
    fn a_high_stream_gets_the_nearest() {
        let choice = inspect(CHROMIUM, profile("640028")).expect("a choice");
        assert_eq!((choice.payload_type, choice.exact), (127, false));
    }

    #[test]
    fn what_cannot_work_is_named() {
        let stream = profile("42e01f");
        assert_eq!(inspect("hello", stream), Err(OfferError::NotSdp));
        assert_eq!(inspect("v=0\r\nm=audio 9 X 0\r\n", stream), Err(OfferError::NoVideo));
        assert_eq!(inspect(&CHROMIUM.replace("m=video 9", "m=video 0"), stream), Err(OfferError::NoVideo));
        assert_eq!(inspect(&CHROMIUM.replace("recvonly", "sendonly"), stream), Err(OfferError::NoVideo));
        let h265 = CHROMIUM.replace("H264", "H265");
        assert_eq!(inspect(&h265, stream), Err(OfferError::NoH264("H265, VP8, rtx".into())));
        for other in ["a=fingerprint:sha-256 AA:CC", "a=fingerprint:sha-1 AA:BB", "a=x-fingerprint:sha-256 AA:BB"] {
            let sdp = CHROMIUM.replace("a=fingerprint:SHA-256 aa:bb", other);
            assert_eq!(inspect(&sdp, stream).is_err(), !other.contains("x-"), "{other}");
            let sdp = sdp.replace("a=fingerprint:sha-256 AA:BB", other);
            assert_eq!(inspect(&sdp, stream).is_err(), other != "a=fingerprint:sha-256 AA:CC", "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(v=0\r\n)?(m=video 9 .{0,20}\r\n|a=(rtpmap|fmtp|extmap):.{0,40}\r\n){0,20}.{0,200}") {
            let _ = inspect(&text, profile("42e01f"));
        }
    }
}

//! What is negotiated: H.264 and its retransmissions, header extensions, feedback; and the interceptors' chain.

use rtc::interceptor::{SenderReportBuilder, Slot};
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use webrtc::peer_connection::{MediaEngine, Registry};

use super::tap;
use crate::viewer::offer::{Choice, PLAYOUT_DELAY, TRANSPORT_CC};

fn feedback(typ: &str, parameter: &str) -> RTCPFeedback {
    RTCPFeedback { typ: typ.into(), parameter: parameter.into() }
}

fn codec(choice: &Choice) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "video/H264".into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={}", choice.profile),
        rtcp_feedback: vec![feedback("nack", ""), feedback("nack", "pli"), feedback("ccm", "fir")],
    }
}

/// Only what was chosen, in the offer's own numbers, so that the answer says exactly that.
pub(super) fn media(choice: &Choice, tap: tap::Tap) -> webrtc::error::Result<(MediaEngine, Registry)> {
    let mut media = MediaEngine::default();
    let h264 = RTCRtpCodecParameters { rtp_codec: codec(choice), payload_type: choice.payload_type };
    media.register_codec(h264, RtpCodecKind::Video)?;
    if let Some(payload_type) = choice.rtx_payload_type {
        let rtp_codec = RTCRtpCodec {
            mime_type: "video/rtx".into(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={}", choice.payload_type),
            rtcp_feedback: vec![],
        };
        media.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, RtpCodecKind::Video)?;
    }
    for uri in [PLAYOUT_DELAY, TRANSPORT_CC] {
        let extension = RTCRtpHeaderExtensionCapability { uri: uri.into() };
        media.register_header_extension(extension, RtpCodecKind::Video, None)?;
    }
    media.register_feedback(feedback("transport-cc", ""), RtpCodecKind::Video);
    let registry = Registry::new().with(Slot::SenderReport, SenderReportBuilder::new().build());
    // Nearer to the application than all the others.
    Ok((media, registry.with(Slot::from(12_500), tap)))
}

pub(super) fn track(choice: &Choice, ssrc: u32) -> MediaStreamTrack {
    let rtx = choice.rtx_payload_type.map(|_| RTCRtpRtxParameters { ssrc: ssrc.wrapping_add(1) });
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), rtx, ..Default::default() },
        codec: codec(choice),
        ..Default::default()
    };
    MediaStreamTrack::new("lunette".into(), "video".into(), "video".into(), RtpCodecKind::Video, vec![coding])
}

//! A second of pictures through the configured camera, as a viewer would get them, and what browsers make of them.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::finding::{Area, Finding};
use crate::camera;
use crate::config::{Camera, Video};
use crate::hub::{self, Event, Subscription};
use crate::media::h264::Profile;
use crate::media::h264::{Nal, nal_units};
use crate::media::sps::Sps;
use crate::media::status::{CameraState, StreamInfo};
use crate::media::stream::StreamId;
use crate::media::units::FrameRate;

/// For the first picture: some cameras need a second or two to wake up.
const FIRST: Duration = Duration::from_secs(5);
/// The hub lets so much time pass between two forced key frames.
const BEFORE_KEY: Duration = Duration::from_millis(600);
/// After that a key frame is asked for, and so long is watched.
const WATCH: Duration = Duration::from_secs(1);
/// A driver may hold a call for seconds when its device hangs.
const GOODBYE: Duration = Duration::from_secs(3);

/// What came of watching.
#[derive(Debug)]
pub struct Watched {
    /// The camera's own words on what it gives.
    pub info: StreamInfo,
    /// From opening to the first picture.
    pub first: Duration,
    /// Of the first key frame.
    pub sps: Option<Sps>,
    /// Pictures in a second.
    pub rate: f64,
    /// From asking for a key frame to its coming; `None`: not within a second.
    pub key: Option<Duration>,
}

/// Opens the camera, watches, closes it.
///
/// # Errors
/// With the camera's reason for giving nothing.
pub async fn watch(camera: Camera, video: Video) -> Result<Watched, String> {
    let (publisher, hub, demand) = hub::open(video.bitrates());
    let stop = CancellationToken::new();
    let thread = camera::spawn(camera, video, demand, publisher, stop.clone());
    let thread = thread.map_err(|e| format!("cannot start a thread: {e}"))?;
    let watched = see(&hub).await;
    stop.cancel();
    let joined = tokio::task::spawn_blocking(move || thread.join());
    // One that hangs ends with the process.
    let _ = timeout(GOODBYE, joined).await;
    watched
}

async fn see(hub: &hub::Hub) -> Result<Watched, String> {
    let mut status = hub.status();
    // What was said before we listened counts too.
    status.mark_changed();
    let mut pictures = hub.subscribe(StreamId::Main);
    pictures.want_key_frame();
    let opened = Instant::now();
    let first = async {
        loop {
            tokio::select! {
                event = pictures.next() => match event {
                    Event::Picture(picture) if picture.frame.key => return Ok(sps(&picture.frame.data)),
                    Event::Closed => return Err("the camera's thread ended".to_owned()),
                    _ => {}
                },
                changed = status.changed() => {
                    let now = status.borrow_and_update().clone();
                    if changed.is_err() || now.state == CameraState::Lost {
                        return Err(now.text);
                    }
                }
            }
        }
    };
    let sps = timeout(FIRST, first).await.map_err(|_| format!("no picture within {} s", FIRST.as_secs()))??;
    let first = opened.elapsed();
    let (rate, key) = count(&mut pictures).await;
    let info = hub.status().borrow().stream.clone();
    Ok(Watched { info, first, sps, rate, key })
}

/// How many pictures come in a second, and when the key frame that is asked for.
async fn count(pictures: &mut Subscription) -> (f64, Option<Duration>) {
    let (mut count, mut key, began) = (0_u32, None, Instant::now());
    let mut asked = None;
    while let Some(left) = (BEFORE_KEY + WATCH).checked_sub(began.elapsed()) {
        if asked.is_none() && began.elapsed() >= BEFORE_KEY {
            pictures.want_key_frame();
            asked = Some(Instant::now());
        }
        let until = if asked.is_none() { left.saturating_sub(WATCH) } else { left };
        match timeout(until, pictures.next()).await {
            Ok(Event::Picture(picture)) => {
                count += 1;
                if picture.frame.key {
                    key = key.or(asked.map(|at| at.elapsed()));
                }
            }
            Ok(Event::Closed) => break,
            Ok(Event::Lagged(_)) | Err(_) => {}
        }
    }
    (f64::from(count) / began.elapsed().as_secs_f64(), key)
}

fn sps(access_unit: &[u8]) -> Option<Sps> {
    nal_units(access_unit).find(|nal| nal.unit_type() == Nal::SPS).and_then(|nal| Sps::parse(nal).ok())
}

/// What that says.
pub fn judge(watched: &Result<Watched, String>) -> Vec<Finding> {
    let watched = match watched {
        Ok(watched) => watched,
        Err(why) => return vec![lost(why)],
    };
    let Watched { info, first, sps, rate, key } = watched;
    let text = format!("{}, H.264 by {}: first picture after {} ms", info.source, info.encoder, first.as_millis());
    let mut findings = vec![Finding::ok("camera", Area::Camera, text), pace(*rate, info.rate)];
    findings.push(match key {
        Some(after) => Finding::ok(
            "key-frames",
            Area::Camera,
            format!("a key frame {} ms after it was asked for", after.as_millis()),
        ),
        None => Finding::warn(
            "key-frames",
            Area::Camera,
            "no key frame within a second of being asked: viewers wait for their first picture",
            "set the camera's key frame interval low, if it has one (lunette probe; v4l2-ctl --list-ctrls)",
        ),
    });
    findings.push(match sps {
        Some(sps) => profile(sps),
        None => {
            Finding::fail("profile", Area::Camera, "the key frame has no readable SPS", "another format of the camera")
        }
    });
    findings
}

fn lost(why: &str) -> Finding {
    // What a running daemon looks like from here.
    if why.contains("is used by another program") {
        let fix = "a running Lunette with viewers is one; ask again when nobody watches";
        return Finding::warn("camera", Area::Camera, why, fix);
    }
    Finding::fail("camera", Area::Camera, why, "lunette probe says what is there, and how it could be used")
}

fn pace(rate: f64, promised: Option<FrameRate>) -> Finding {
    let text = format!("{rate:.1} pictures a second");
    let promised = promised.map_or(0.0, FrameRate::fps);
    // Cameras halve their rate in the dark, all by themselves.
    if rate < promised * 0.7 {
        let fix = "more light, or no automatic exposure; an encoder that is too slow: a smaller [video] size";
        return Finding::warn("pace", Area::Camera, format!("{text}, not {promised}"), fix);
    }
    Finding::ok("pace", Area::Camera, text)
}

/// Who can decode it. Every endpoint of WebRTC takes constrained baseline (RFC 7742, section 6.2); what Chromium lists
/// beside it was read from its own offer.
pub fn profile(sps: &Sps) -> Finding {
    let name = sps.profile.profile_name();
    let text = format!("{name}, level {}.{}, {}", sps.profile.level / 10, sps.profile.level % 10, sps.size);
    let fail = |why: &str, fix: &str| Finding::fail("profile", Area::Camera, format!("{text}: {why}"), fix);
    let warn = |why: &str| {
        let fix = "constrained baseline: v4l2-ctl -c h264_profile=1 where the camera has it, else a raw format of it";
        Finding::warn("profile", Area::Camera, format!("{text}: {why}"), fix)
    };
    if sps.interlaced {
        return fail("interlaced, which browsers do not show", "deinterlace it before it is encoded");
    }
    if sps.bit_depth != 8 {
        return fail("more than 8 bits, which browsers do not show", "an 8-bit profile");
    }
    if sps.reorder_frames.is_some_and(|frames| frames > 0) {
        return warn("pictures may be out of order (B frames), which WebRTC shows in the wrong order");
    }
    match sps.profile.class() {
        Profile::ConstrainedBaseline => Finding::ok("profile", Area::Camera, format!("{text}: every browser")),
        Profile::Baseline => Finding::note("profile", Area::Camera, format!("{text}: every browser in practice")),
        Profile::Main => warn("Chromium takes it; other browsers need not"),
        Profile::ConstrainedHigh | Profile::ProgressiveHigh | Profile::High => {
            warn("browsers with a decoder for it; Chromium on Linux does not list it")
        }
        Profile::High444 => warn("Chromium takes it, other browsers do not"),
        _ => fail("no browser", "constrained baseline, main or high, 4:2:0, 8 bits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict::{self, Fail, Note, Ok, Warn};
    use crate::media::h264::ProfileLevelId;
    use crate::media::units::Size;

    fn stream(profile: u8, constraints: u8, level: u8) -> Sps {
        Sps {
            id: 0,
            profile: ProfileLevelId { profile, constraints, level },
            size: Size::new(1280, 720),
            chroma_format: 1,
            bit_depth: 8,
            interlaced: false,
            reference_frames: 1,
            rate: None,
            reorder_frames: Some(0),
        }
    }

    fn watched(rate: f64, key: Option<u64>) -> Watched {
        let info = StreamInfo {
            source: "a camera".into(),
            encoder: "openh264".into(),
            rate: FrameRate::new(30.0),
            ..StreamInfo::default()
        };
        let first = Duration::from_millis(80);
        Watched { info, first, sps: Some(stream(0x42, 0xe0, 31)), rate, key: key.map(Duration::from_millis) }
    }

    #[test]
    fn profiles_are_told_by_who_decodes_them() {
        for (profile_idc, constraints, verdict, words) in [
            (0x42, 0xe0, Ok, "Constrained Baseline, level 3.1, 1280×720: every browser"),
            (0x42, 0x00, Note, "Baseline, level 3.1, 1280×720: every browser in practice"),
            (0x4d, 0x00, Warn, "Main, level 3.1, 1280×720: Chromium takes it"),
            (0x64, 0x00, Warn, "High, level 3.1, 1280×720: browsers with a decoder"),
            (0x64, 0x0c, Warn, "Constrained High, level"),
            (0xf4, 0x00, Warn, "High 4:4:4 Predictive, level"),
            (0x7a, 0x00, Fail, "High 4:2:2, level 3.1, 1280×720: no browser"),
        ] {
            let finding = profile(&stream(profile_idc, constraints, 31));
            assert_eq!(finding.verdict, verdict, "{profile_idc:x}");
            assert!(finding.text.starts_with(words), "{}", finding.text);
        }
        let baseline = stream(0x42, 0xe0, 31);
        assert_eq!(profile(&Sps { interlaced: true, ..baseline }).verdict, Fail);
        assert_eq!(profile(&Sps { bit_depth: 10, ..baseline }).verdict, Fail);
        assert!(profile(&Sps { reorder_frames: Some(2), ..baseline }).text.contains("B frames"));
        assert_eq!(profile(&Sps { reorder_frames: None, ..baseline }).verdict, Ok);
    }

    #[test]
    fn a_second_of_pictures_is_judged() {
        let say = |watched| judge(&watched).into_iter().map(|f| (f.id, f.verdict)).collect::<Vec<_>>();
        let all =
            |pace: Verdict, key: Verdict| vec![("camera", Ok), ("pace", pace), ("key-frames", key), ("profile", Ok)];
        assert_eq!(say(Result::Ok(watched(30.0, Some(40)))), all(Ok, Ok));
        assert_eq!(say(Result::Ok(watched(15.0, None))), all(Warn, Warn));
        assert_eq!(say(Err("/dev/video0 was unplugged".into())), [("camera", Fail)]);
        let busy = "/dev/video0 is used by another program; `fuser -v /dev/video0` names it";
        assert_eq!(say(Err(busy.into())), [("camera", Warn)]);
        assert_eq!(
            crate::camera::lost::Lost::Busy("/dev/video0".into()).to_string(),
            busy,
            "it is told by these words"
        );
    }

    #[cfg(feature = "openh264")]
    #[tokio::test]
    async fn the_test_card_passes() {
        let watched = watch(Camera::TestCard, Video::default()).await.unwrap();
        assert!(watched.key.is_some() && watched.rate > 1.0, "{watched:?}");
        let profile = judge(&Result::Ok(watched)).pop().unwrap();
        assert_eq!((profile.id, profile.verdict), ("profile", Ok), "{}", profile.text);
    }

    #[cfg(feature = "v4l2")]
    #[tokio::test]
    async fn a_camera_that_is_not_there_says_so() {
        let camera = Camera::V4l2(crate::config::V4l2 { device: "/nowhere/video7".into() });
        let findings = judge(&watch(camera, Video::default()).await);
        assert_eq!((findings.len(), findings[0].verdict), (1, Fail));
        assert_eq!(findings[0].text, "/nowhere/video7 is not there; is the camera plugged in?");
    }
}

//! One watcher: from an offer to the end of the session, in one task.

pub mod adapt;
pub mod bandwidth;
mod binding;
pub mod control;
pub mod gate;
pub mod offer;
mod roaming;
pub mod rtc;
mod watching;
mod ways;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::audit::What;
use crate::hub::Hub;
use crate::keeper::Keeper;
use crate::media::h264::ProfileLevelId;
use crate::media::status::{CameraState, CameraStatus};
use crate::media::stream::StreamId;
use crate::signal::Outbox;
use crate::signal::message::{Candidate, EndReason, Offer, Refusal, RefusedReason, Response};
use crate::trust::{Exchange, SessionId, ViewerId};
use crate::turn::{Ice, Who};
use adapt::Adapt;
use binding::Binding;
use offer::{Choice, OfferError};
use rtc::{Certificate, Path, Peer, PeerEvent, Server, Settings, Transport};
use watching::{Progress, Watching};
use ways::Ways;

/// What our own encoder makes, and what is assumed of a camera that has not been seen yet.
const ASSUMED: ProfileLevelId = ProfileLevelId { profile: 0x42, constraints: 0xe0, level: 0x1f };
/// So long a join waits to learn the stream's real profile, the first time.
const PROFILE_WAIT: Duration = Duration::from_millis(1500);

/// What every viewer of a camera shares.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where pictures come from.
    pub hub: Hub,
    /// Where answers go.
    pub outbox: Outbox,
    /// Who we are.
    pub certificate: Certificate,
    /// Through what media is sent.
    pub transport: Transport,
    /// STUN and TURN servers.
    pub ice: Ice,
    /// Who is known, and where it is written down who came and went.
    pub keeper: Keeper,
}

/// One attempt to watch.
#[derive(Debug)]
pub struct Attempt {
    /// Who, and where the answer goes.
    pub exchange: Arc<Exchange>,
    /// Its offer.
    pub offer: Offer,
    /// See [`Settings::any_srtp`].
    pub any_srtp: bool,
    /// Where the way of the pictures is shown.
    pub path: Arc<Mutex<Option<Path>>>,
}

/// From the lobby to a running viewer. One that is lost is asked again by the viewer.
#[derive(Debug)]
pub enum Command {
    /// A way to reach the viewer; `None`: there are no more.
    Candidate(Option<Candidate>),
    /// The viewer asked again, in another exchange: the answer may have been lost.
    AnswerAgain(Arc<Exchange>),
    /// The viewer offers other ways to reach it: an ICE restart.
    Restart {
        /// Its number: 1, 2, 3 …
        restart: u32,
        /// The offer.
        sdp: String,
        /// Where the answer goes.
        exchange: Arc<Exchange>,
    },
}

/// Why a session ends. The lobby's word for it travels by a watch channel, which cannot lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The viewer said so.
    Bye,
    /// Our side ends it, and says why.
    End(EndReason, String),
}

impl Leave {
    /// The daemon stops.
    pub fn shutdown() -> Self {
        Self::End(EndReason::Shutdown, "Lunette is stopping.".into())
    }

    fn failed(text: &str) -> Self {
        Self::End(EndReason::Failed, text.into())
    }
}

/// How a session went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whose it was.
    pub viewer: ViewerId,
    /// Which it was.
    pub session: SessionId,
    /// Whether pictures could flow.
    pub connected: bool,
    /// Why it ended; `None`: the viewer said bye, or its offer was refused.
    pub reason: Option<EndReason>,
}

/// Serves one viewer until it leaves, is lost, or is told to go.
pub async fn run(
    context: Context,
    attempt: Attempt,
    commands: mpsc::Receiver<Command>,
    mut leave: watch::Receiver<Option<Leave>>,
) -> Outcome {
    let (viewer, session) = (attempt.exchange.viewer(), attempt.offer.session);
    let (exchange, path) = (attempt.exchange.clone(), attempt.path.clone());
    let ended = |connected, reason| Outcome { viewer, session, connected, reason };
    let start = Instant::now();
    let mut ways = Ways::default();
    ways.theirs.told(&attempt.offer.sdp);
    let chosen = attempt.offer.stream.as_deref().and_then(StreamId::of);
    let stream = chosen.unwrap_or_default();
    // From here on somebody watches, and the camera wakes.
    let subscription = context.hub.subscribe(stream);
    let prepared = tokio::select! {
        biased;
        _ = told_to_leave(&mut leave) => return ended(false, None),
        prepared = prepare(&context, stream, attempt) => prepared,
    };
    let (peer, sdp, events, note) = match prepared {
        Ok(prepared) => prepared,
        Err((reason, text)) => {
            warn!("refused an offer: {text}");
            let refusal = Refusal { re: "offer".into(), session: Some(session), reason, text };
            context.outbox.send(&exchange, &Response::Refused(refusal));
            return ended(false, None);
        }
    };
    if let Some(note) = &note {
        info!("{note}");
    }
    ways.ours.told(&sdp);
    let answer = Response::Answer { session, restart: 0, sdp, note: note.clone() };
    context.outbox.send(&exchange, &answer);
    let binding = Binding::new(&exchange);
    // What is said without being asked goes by the newest exchange.
    let (newest, to) = watch::channel(exchange);
    let status = context.hub.status();
    let progress = Progress::new(Adapt::new(context.hub.rates(), chosen), ways);
    let mut watching =
        Watching { context: &context, to: newest, session, answer, note, peer, status, start, progress, binding, path };
    let (connected, end) = tokio::select! {
        ended = watching.serve(subscription, commands, events, leave) => ended,
        never = renew(&context, to, session) => match never {},
    };
    let (exchange, came) = (watching.exchange(), watching.binding.holds());
    let peer = watching.peer;
    let path = peer.path();
    let (why, reason) = match end {
        Leave::Bye => ("the viewer said bye".into(), None),
        Leave::End(reason, text) => {
            context.outbox.send(&exchange, &Response::End { session, reason, text: text.clone() });
            (text, Some(reason))
        }
    };
    peer.close().await;
    match reason {
        Some(EndReason::Binding) => context.keeper.audit().refused("binding", Some(viewer)),
        _ if came => context.keeper.noted(What::Leave, viewer, Some(why.clone())),
        _ => {}
    }
    let way = path.map(|report| match report.relayed {
        0 => format!("; {}", report.path.text()),
        bytes => format!("; {}, {:.1} MB by relays", report.path.text(), bytes as f64 / 1e6),
    });
    info!("left after {:.0} s: {why}{}", start.elapsed().as_secs_f64(), way.unwrap_or_default());
    ended(connected, reason)
}

/// Tells the viewer of other credentials at half the life of those it has, and of other servers when there are some. What
/// runs with the old ones goes on; an ICE restart takes the new.
async fn renew(context: &Context, to: watch::Receiver<Arc<Exchange>>, session: SessionId) -> Infallible {
    let viewer = to.borrow().viewer();
    let mut changed = context.ice.changed();
    let mut renew = context.ice.mint(Who::Viewer(viewer)).renew;
    loop {
        let due = async {
            match renew {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            // The sender is in the context, so this is no error.
            _ = changed.changed() => {}
        }
        let minted = context.ice.mint(Who::Viewer(viewer));
        renew = minted.renew;
        let (ice, ttl) = (minted.for_viewer(), minted.ttl_seconds());
        let exchange = to.borrow().clone();
        context.outbox.send(&exchange, &Response::Ice { session, ice, ttl });
    }
}

type Prepared = (Peer, String, mpsc::Receiver<PeerEvent>, Option<String>);

/// Answers the offer, or says why not.
async fn prepare(context: &Context, stream: StreamId, attempt: Attempt) -> Result<Prepared, (RefusedReason, String)> {
    let Some(stream) = stream_profile(context.hub.status(), stream).await else {
        return Err((RefusedReason::UnknownStream, watching::no_stream(stream)));
    };
    let choice = offer::inspect(&attempt.offer.sdp, stream).map_err(|e| {
        let reason = match e {
            OfferError::NotSdp | OfferError::Fingerprint => RefusedReason::BadSdp,
            OfferError::NoVideo => RefusedReason::NoVideo,
            OfferError::NoH264(_) => RefusedReason::NoH264,
        };
        (reason, e.to_string())
    })?;
    let (ice, who) = (context.ice.clone(), Who::Camera(attempt.offer.session));
    let settings = Settings {
        choice: &choice,
        certificate: &context.certificate,
        transport: &context.transport,
        servers: Arc::new(move || Server::each(&ice.mint(who))),
        any_srtp: attempt.any_srtp,
        rate: context.hub.rates().main.ceiling,
    };
    match Peer::answer(&settings, attempt.offer.sdp).await {
        Ok((peer, sdp, events)) => Ok((peer, sdp, events, note(&choice, stream))),
        Err(e) if e.offer => Err((RefusedReason::BadSdp, format!("The offer could not be used: {e}."))),
        Err(e) => {
            error!("could not make a connection: {e}");
            Err((RefusedReason::Internal, "The camera could not make a connection; its log says why.".into()))
        }
    }
}

/// Waits for the lobby's word.
async fn told_to_leave(leave: &mut watch::Receiver<Option<Leave>>) -> Leave {
    match leave.wait_for(Option::is_some).await {
        Ok(told) => told.clone().unwrap_or(Leave::Bye),
        // The lobby is gone.
        Err(_) => Leave::shutdown(),
    }
}

/// The stream's profile: known at once but for the first viewer of a camera that encodes by itself. `None`: there is no such
/// stream.
async fn stream_profile(mut status: watch::Receiver<CameraStatus>, stream: StreamId) -> Option<ProfileLevelId> {
    let known = status.wait_for(|s| match s.of(stream) {
        Some(info) => info.profile.is_some() || s.state == CameraState::Lost,
        None => s.state == CameraState::Live,
    });
    match tokio::time::timeout(PROFILE_WAIT, known).await {
        Ok(Ok(status)) => status.of(stream).map(|info| info.profile.unwrap_or(ASSUMED)),
        _ => Some(ASSUMED),
    }
}

fn note(choice: &Choice, stream: ProfileLevelId) -> Option<String> {
    (!choice.exact).then(|| {
        format!(
            "The camera sends H.264 {} ({stream}), which the browser does not list; it was offered as {} ({}) and \
             most browsers decode it all the same.",
            stream.profile_name(),
            choice.profile.profile_name(),
            choice.profile,
        )
    })
}

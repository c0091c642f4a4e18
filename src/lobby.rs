//! Offers → viewers: admit, replace, refuse, reap.
//!
//! [`Book`] decides and is pure; [`run`] does what it says.

mod book;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info_span};

use crate::signal::Inbound;
use crate::signal::message::{EndReason, Limits, Offer, Refusal, Request, Response};
use crate::trust::{BootId, SessionId};
use crate::turn::Who;
use crate::viewer::{self, Attempt, Command, Context, Leave, Outcome};
use book::{Book, Verdict};

/// Commands that wait for a viewer's loop.
const COMMANDS: usize = 80;
/// How long viewers may take to say goodbye when the daemon stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// What the lobby tells viewers, and how many it lets in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This run of the daemon.
    pub boot: BootId,
    /// How many may watch at once.
    pub max_viewers: u16,
}

/// Serves requests until `stop`, then ends every session.
pub async fn run(settings: Settings, context: Context, mut requests: mpsc::Receiver<Inbound>, stop: CancellationToken) {
    let mut lobby = Lobby {
        book: Book::new(settings.max_viewers),
        viewers: HashMap::new(),
        tasks: JoinSet::new(),
        sessions: HashMap::new(),
        settings,
        context,
    };
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => lobby.serve(request),
                None => break,
            },
            Some(ended) = lobby.tasks.join_next_with_id() => lobby.reap(ended),
            () = stop.cancelled() => break,
        }
    }
    lobby.close().await;
}

/// The lobby's ends of a viewer's channels.
struct Viewer {
    commands: mpsc::Sender<Command>,
    leave: watch::Sender<Option<Leave>>,
}

struct Lobby {
    settings: Settings,
    context: Context,
    book: Book,
    viewers: HashMap<SessionId, Viewer>,
    tasks: JoinSet<Outcome>,
    /// Whose session a task was, for one that panicked.
    sessions: HashMap<tokio::task::Id, SessionId>,
}

impl Lobby {
    fn serve(&mut self, Inbound { from, request }: Inbound) {
        match self.book.judge(from, &request, Instant::now()) {
            Verdict::Welcome => {
                let limits = Limits { viewers: self.settings.max_viewers, watching: self.book.watching() };
                let minted = self.context.ice.mint(Who::Viewer(from));
                let (ice, ttl) = (minted.for_viewer(), minted.ttl_seconds());
                let welcome = Response::Welcome { boot: self.settings.boot, ice, ttl, limits };
                self.context.outbox.send(from, &welcome);
            }
            Verdict::Admit { replaces, any_srtp } => {
                if let Some(old) = replaces {
                    let text = "A newer session of this viewer took its place.";
                    self.end(old, Leave::End(EndReason::Replaced, text.into()));
                }
                if let Request::Offer(offer) = request {
                    self.admit(Attempt { viewer: from, offer, any_srtp });
                }
            }
            Verdict::AnswerAgain(session) => self.command(session, Command::AnswerAgain),
            Verdict::Restart(session) => {
                if let Request::Offer(Offer { restart, sdp, .. }) = request {
                    self.command(session, Command::Restart { restart, sdp });
                }
            }
            Verdict::Candidate(session) => {
                if let Request::Candidate { candidate, .. } = request {
                    self.command(session, Command::Candidate(candidate));
                }
            }
            Verdict::Bye(session) => self.end(session, Leave::Bye),
            Verdict::Refuse { session, reason, text } => {
                debug!("refused an offer: {text}");
                let refusal = Refusal { re: "offer".into(), session: Some(session), reason, text };
                self.context.outbox.send(from, &Response::Refused(refusal));
            }
            Verdict::Ignore(why) => debug!("ignored a message: {why}"),
        }
    }

    fn admit(&mut self, attempt: Attempt) {
        let session = attempt.offer.session;
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (leave, told) = watch::channel(None);
        self.viewers.insert(session, Viewer { commands: sender, leave });
        let span = info_span!("viewer", id = %attempt.viewer.as_str().get(..6).unwrap_or_default());
        let task = self.tasks.spawn(viewer::run(self.context.clone(), attempt, commands, told).instrument(span));
        self.sessions.insert(task.id(), session);
    }

    fn end(&mut self, session: SessionId, why: Leave) {
        if let Some(viewer) = self.viewers.get(&session) {
            viewer.leave.send_replace(Some(why));
        }
    }

    /// Never waits: a viewer that does not take its commands loses them.
    fn command(&mut self, session: SessionId, command: Command) {
        if self.viewers.get(&session).is_some_and(|viewer| viewer.commands.try_send(command).is_err()) {
            debug!("a viewer does not take its commands");
        }
    }

    fn reap(&mut self, ended: Result<(tokio::task::Id, Outcome), tokio::task::JoinError>) {
        let (task, connected) = match &ended {
            Ok((task, outcome)) => (*task, outcome.connected || outcome.reason != Some(EndReason::Failed)),
            Err(e) => {
                error!("a viewer's task failed: {e}");
                (e.id(), true)
            }
        };
        if let Some(session) = self.sessions.remove(&task) {
            self.viewers.remove(&session);
            self.book.ended(session, connected);
        }
    }

    async fn close(mut self) {
        for viewer in self.viewers.values() {
            viewer.leave.send_replace(Some(Leave::shutdown()));
        }
        let goodbyes = async { while self.tasks.join_next().await.is_some() {} };
        // Whoever takes longer is cut off when the set is dropped.
        let _ = tokio::time::timeout(GOODBYE, goodbyes).await;
    }
}

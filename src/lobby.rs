//! Offers → viewers: admit, replace, refuse, reap; and who may no longer watch is shown out.
//!
//! [`Book`] decides and is pure; [`run`] does what it says. [`people`] answers what viewers ask about viewers.

mod book;
mod people;
mod present;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info_span};

use crate::keeper::Gone;
use crate::signal::message::{EndReason, Limits, Offer, Refusal, Request, Response};
use crate::signal::{Asked, Inbound};
use crate::trust::{Exchange, SessionId, ViewerId};
use crate::turn::Who;
use crate::viewer::{self, Attempt, Command, Context, Leave, Outcome};
use book::{Book, Verdict};
use people::People;

pub use present::{Present, Session};

/// Commands that wait for a viewer's loop.
const COMMANDS: usize = 80;
/// How long viewers may take to say goodbye when the daemon stops.
const GOODBYE: Duration = Duration::from_secs(3);
/// So often it is looked whether somebody's access has ended.
const LOOK: Duration = Duration::from_secs(1);
/// What viewers ask about viewers, at once; it waits for the disk.
const ASKING: usize = 16;

/// What the lobby tells viewers, and how many it lets in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The camera's name, for people.
    pub name: String,
    /// How many may watch at once.
    pub max_viewers: u16,
    /// Where it is shown who watches.
    pub present: Present,
}

/// Serves requests until `stop`, then ends every session.
pub async fn run(settings: Settings, context: Context, mut requests: mpsc::Receiver<Inbound>, stop: CancellationToken) {
    let mut lobby = Lobby {
        book: Book::new(settings.max_viewers),
        viewers: HashMap::new(),
        tasks: JoinSet::new(),
        sessions: HashMap::new(),
        asking: JoinSet::new(),
        settings,
        context,
    };
    let mut changed = lobby.context.keeper.changed();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => lobby.serve(request),
                None => break,
            },
            Some(ended) = lobby.tasks.join_next_with_id() => lobby.reap(ended),
            Some(_) = lobby.asking.join_next() => {}
            // The keeper is in the context, so this is no error.
            _ = changed.changed() => lobby.show_out(),
            _ = look.tick(), if !lobby.viewers.is_empty() => lobby.show_out(),
            () = stop.cancelled() => break,
        }
    }
    lobby.close().await;
}

/// The lobby's ends of a viewer's channels.
struct Viewer {
    id: ViewerId,
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
    asking: JoinSet<()>,
}

impl Lobby {
    fn serve(&mut self, Inbound { exchange, asked }: Inbound) {
        let request = match asked {
            Asked::Pair { key, asking } => {
                if self.may_ask() {
                    self.asking.spawn(self.people().pair(exchange, key, asking));
                }
                return;
            }
            Asked::Request(request) => request,
        };
        let from = exchange.viewer();
        match self.book.judge(from, &request, Instant::now()) {
            Verdict::Welcome => self.welcome(&exchange),
            Verdict::People => {
                if self.may_ask() {
                    self.asking.spawn(self.people().serve(exchange, request));
                }
            }
            Verdict::Admit { replaces, any_srtp } => {
                if let Some(old) = replaces {
                    let text = "A newer session of this viewer took its place.";
                    self.end(old, Leave::End(EndReason::Replaced, text.into()));
                }
                if let Request::Offer(offer) = request {
                    self.admit(exchange, offer, any_srtp);
                }
            }
            Verdict::AnswerAgain(session) => self.command(session, Command::AnswerAgain(exchange)),
            Verdict::Restart(session) => {
                if let Request::Offer(Offer { restart, sdp, .. }) = request {
                    self.command(session, Command::Restart { restart, sdp, exchange });
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
                self.context.outbox.send(&exchange, &Response::Refused(refusal));
            }
            Verdict::Ignore(why) => debug!("ignored a message: {why}"),
        }
    }

    fn welcome(&self, exchange: &Exchange) {
        let (from, keeper) = (exchange.viewer(), &self.context.keeper);
        keeper.saw(from);
        // It may have been revoked since it asked.
        let Some((role, label)) = keeper.roll().get(&from).map(|known| (known.role, known.label.clone())) else {
            return;
        };
        let limits = Limits { viewers: self.settings.max_viewers, watching: self.book.watching() };
        let minted = self.context.ice.mint(Who::Viewer(from));
        let (ice, ttl) = (minted.for_viewer(), minted.ttl_seconds());
        let (boot, name, key) = (keeper.boot(), self.settings.name.clone(), keeper.broadcast_key());
        self.context.outbox.send(exchange, &Response::Welcome { boot, ice, ttl, limits, name, role, label, key });
    }

    /// Whether there is a place for one more who waits for the disk; who gets none asks again.
    fn may_ask(&self) -> bool {
        self.asking.len() < ASKING
    }

    fn people(&self) -> People {
        let (keeper, outbox) = (self.context.keeper.clone(), self.context.outbox.clone());
        People { keeper, outbox, present: self.settings.present.clone(), name: self.settings.name.clone() }
    }

    fn admit(&mut self, exchange: Arc<Exchange>, offer: Offer, any_srtp: bool) {
        let (session, id) = (offer.session, exchange.viewer());
        self.context.keeper.saw(id);
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (leave, told) = watch::channel(None);
        self.viewers.insert(session, Viewer { id, commands: sender, leave });
        let path = self.settings.present.came(session, id);
        let attempt = Attempt { exchange, offer, any_srtp, path };
        let span = info_span!("viewer", id = %id.as_str().get(..6).unwrap_or_default());
        let task = self.tasks.spawn(viewer::run(self.context.clone(), attempt, commands, told).instrument(span));
        self.sessions.insert(task.id(), session);
    }

    /// Ends the sessions of those who may watch no more.
    fn show_out(&mut self) {
        let mut expired = false;
        for viewer in self.viewers.values().filter(|viewer| viewer.leave.borrow().is_none()) {
            let (reason, text) = match self.context.keeper.may_watch(viewer.id) {
                Ok(()) => continue,
                Err(Gone::Revoked) => (EndReason::Revoked, "Access to this camera was revoked."),
                Err(Gone::Expired) => {
                    expired = true;
                    (EndReason::Expired, "Access to this camera has ended.")
                }
            };
            viewer.leave.send_replace(Some(Leave::End(reason, text.into())));
        }
        if expired {
            self.context.keeper.expire();
        }
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
            self.settings.present.left(session);
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

//! Who watches, and what a request leads to. Pure: time is an argument.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::media::stream::StreamId;
use crate::signal::message::{Offer, RefusedReason, Request};
use crate::trust::{SessionId, ViewerId};

/// Sessions of one viewer at once: a few tabs, or a reload whose goodbye was lost.
const PER_VIEWER: usize = 4;
/// Offers of one viewer in [`WINDOW`].
const OFFERS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// Candidate messages taken for one session; a viewer repeats them with each repeated offer.
const CANDIDATES: u16 = 256;
/// Sessions beyond the cap that are on their way out.
const LEAVING: usize = 16;
/// Viewers whose recent past is remembered.
const REMEMBERED: usize = 1024;

/// An older offer of a session that has been restarted since.
const OLDER: &str = "an offer that a newer one took the place of";

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tell what is possible.
    Welcome,
    /// It is about viewers, not about sessions.
    People,
    /// Let the offer in, after ending an older session of this viewer.
    Admit {
        replaces: Option<SessionId>,
        /// The last attempt of this viewer came to nothing: be less choosy.
        any_srtp: bool,
    },
    /// The offer came again.
    AnswerAgain(SessionId),
    /// The session goes on, by other ways.
    Restart(SessionId),
    /// Hand the candidate on.
    Candidate(SessionId),
    /// Hand the goodbye on.
    Bye(SessionId),
    /// Say no.
    Refuse { session: SessionId, reason: RefusedReason, text: String },
    /// Nothing to do, and nobody to tell.
    Ignore(&'static str),
}

/// The sessions, and a bounded memory of who came lately.
pub(super) struct Book {
    max: u16,
    sessions: HashMap<SessionId, Session>,
    visitors: HashMap<ViewerId, Visitor>,
    hasher: RandomState,
}

struct Session {
    viewer: ViewerId,
    offer: u64,
    /// How many ICE restarts there were.
    restarts: u32,
    since: Instant,
    candidates: u16,
    /// Told to go; its place is free for its successor.
    leaving: bool,
}

struct Visitor {
    window: Instant,
    offers: u32,
    failed: bool,
}

impl Book {
    pub(super) fn new(max: u16) -> Self {
        Self { max, sessions: HashMap::new(), visitors: HashMap::new(), hasher: RandomState::new() }
    }

    /// How many watch.
    pub(super) fn watching(&self) -> u16 {
        self.sessions.values().filter(|session| !session.leaving).count() as u16
    }

    pub(super) fn judge(&mut self, from: ViewerId, request: &Request, now: Instant) -> Verdict {
        match request {
            Request::Hello => Verdict::Welcome,
            Request::Viewers | Request::Revoke { .. } | Request::Rename { .. } => Verdict::People,
            Request::Offer(offer) => self.judge_offer(from, offer, now),
            Request::Candidate { session, .. } => match self.sessions.get_mut(session) {
                Some(known) if known.viewer == from && known.candidates < CANDIDATES => {
                    known.candidates += 1;
                    Verdict::Candidate(*session)
                }
                Some(known) if known.viewer == from => Verdict::Ignore("too many candidates"),
                _ => Verdict::Ignore("a candidate of an unknown session"),
            },
            Request::Bye { session } => match self.sessions.get_mut(session) {
                Some(known) if known.viewer == from => {
                    known.leaving = true;
                    Verdict::Bye(*session)
                }
                _ => Verdict::Ignore("a goodbye of an unknown session"),
            },
        }
    }

    fn judge_offer(&mut self, from: ViewerId, offer: &Offer, now: Instant) -> Verdict {
        let session = offer.session;
        let refuse = |reason, text: String| Verdict::Refuse { session, reason, text };
        let hash = self.hasher.hash_one(&offer.sdp);
        if offer.restart > 0 {
            return self.judge_restart(from, offer, hash, now);
        }
        match self.sessions.get(&session) {
            Some(known) if known.viewer == from && known.restarts > 0 => return Verdict::Ignore(OLDER),
            Some(known) if known.viewer == from && known.offer == hash => return Verdict::AnswerAgain(session),
            Some(_) => return refuse(RefusedReason::SessionInUse, "Another offer came with this session.".into()),
            None => {}
        }
        if offer.stream.as_deref().is_some_and(|stream| StreamId::of(stream).is_none()) {
            return refuse(RefusedReason::UnknownStream, "There is no such stream; see the status.".into());
        }
        let any_srtp = match self.visit(from, now) {
            Ok(visitor) => visitor.failed,
            Err(text) => return refuse(RefusedReason::TooMany, text),
        };
        if self.sessions.len() >= usize::from(self.max) + LEAVING {
            return refuse(RefusedReason::Full, "Too many viewers come and go at once; wait 10 s.".into());
        }
        let mine = || self.sessions.iter().filter(|(_, known)| known.viewer == from && !known.leaving);
        let replaces = if mine().count() >= PER_VIEWER {
            mine().min_by_key(|(_, known)| known.since).map(|(session, _)| *session)
        } else {
            None
        };
        if replaces.is_none() && self.watching() >= self.max {
            let text = format!("{} of {} viewers are watching.", self.watching(), self.max);
            return refuse(RefusedReason::Full, text);
        }
        if let Some(old) = replaces.and_then(|old| self.sessions.get_mut(&old)) {
            old.leaving = true;
        }
        let new = Session { viewer: from, offer: hash, restarts: 0, since: now, candidates: 0, leaving: false };
        self.sessions.insert(session, new);
        Verdict::Admit { replaces, any_srtp }
    }

    /// An ICE restart: by the session's own viewer alone, each number once, and as seldom as any offer.
    fn judge_restart(&mut self, from: ViewerId, offer: &Offer, hash: u64, now: Instant) -> Verdict {
        let session = offer.session;
        let refuse = |reason, text: String| Verdict::Refuse { session, reason, text };
        match self.sessions.get(&session).filter(|known| known.viewer == from && !known.leaving) {
            // Whether it is somebody else's is nobody's business.
            None => return refuse(RefusedReason::NoSession, "This session has ended; offer a new one.".into()),
            Some(known) if offer.restart < known.restarts => return Verdict::Ignore(OLDER),
            Some(known) if offer.restart == known.restarts && known.offer == hash => {
                return Verdict::AnswerAgain(session);
            }
            Some(known) if offer.restart == known.restarts => {
                return refuse(RefusedReason::SessionInUse, "Another offer came with this number.".into());
            }
            Some(_) => {}
        }
        if let Err(text) = self.visit(from, now) {
            return refuse(RefusedReason::TooMany, text);
        }
        if let Some(known) = self.sessions.get_mut(&session) {
            (known.offer, known.restarts, known.candidates) = (hash, offer.restart, 0);
        }
        Verdict::Restart(session)
    }

    /// Counts an offer of a viewer, or says that there are too many.
    fn visit(&mut self, from: ViewerId, now: Instant) -> Result<&Visitor, String> {
        let visitor = self.visitor(from, now).ok_or("Too many viewers come at once; wait 10 s.")?;
        visitor.offers += 1;
        if visitor.offers > OFFERS {
            return Err(format!("More than {OFFERS} offers in {} s; wait 10 s.", WINDOW.as_secs()));
        }
        Ok(visitor)
    }

    /// The memory of a viewer, made or renewed; `None` when too many came lately.
    fn visitor(&mut self, viewer: ViewerId, now: Instant) -> Option<&mut Visitor> {
        let fresh = |visitor: &Visitor| now.saturating_duration_since(visitor.window) < WINDOW;
        if self.visitors.len() >= REMEMBERED && !self.visitors.contains_key(&viewer) {
            self.visitors.retain(|_, visitor| fresh(visitor));
            if self.visitors.len() >= REMEMBERED {
                return None;
            }
        }
        let visitor = self.visitors.entry(viewer).or_insert(Visitor { window: now, offers: 0, failed: false });
        if !fresh(visitor) {
            visitor.window = now;
            visitor.offers = 0;
        }
        Some(visitor)
    }

    /// A session is over. `connected`: it worked, or it did not fail for want of a connection.
    pub(super) fn ended(&mut self, session: SessionId, connected: bool) {
        if let Some(known) = self.sessions.remove(&session)
            && let Some(visitor) = self.visitors.get_mut(&known.viewer)
        {
            visitor.failed = !connected;
        }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;

//! What viewers ask about viewers: to be paired, who is known, to revoke and to rename.

use std::sync::Arc;

use tracing::info;

use super::Present;
use crate::keeper::{Keeper, NotPaired};
use crate::signal::Outbox;
use crate::signal::message::{Listed, Refusal, RefusedReason, Request, Response};
use crate::trust::{Act, ActRefused, Actor, Asking, Exchange, Known, PairRefused, Point, words};

/// What a list takes at most, in bytes of JSON: an envelope has 16 kB, and more than this around it.
const LIST: usize = 15_000;

/// Everything that is needed to answer.
#[derive(Clone)]
pub(super) struct People {
    pub(super) keeper: Keeper,
    pub(super) outbox: Outbox,
    pub(super) present: Present,
    pub(super) name: String,
}

impl People {
    /// Answers a request to be paired.
    pub(super) async fn pair(self, exchange: Arc<Exchange>, key: Point, asking: Arc<Asking>) {
        let response = match self.keeper.pair(&key, &asking).await {
            Ok(paired) => {
                if paired.changed {
                    info!("paired a viewer, {}: {}", paired.role, paired.viewer);
                }
                Response::Paired { role: paired.role, label: paired.label, name: self.name.clone() }
            }
            Err(not) => refused("pair", pair_reason(&not), pair_text(&not)),
        };
        self.outbox.send(&exchange, &response);
    }

    /// Answers any other; those that are not about viewers are not for here.
    pub(super) async fn serve(self, exchange: Arc<Exchange>, request: Request) {
        let me = Actor::Viewer(exchange.viewer());
        let done = |re: &str, done: Result<(), ActRefused>| match done {
            Ok(()) => Response::Done { re: re.into() },
            Err(why) => roll_refused(re, &why),
        };
        let response = match request {
            Request::Viewers if self.keeper.roll().may(me, Act::List) => self.list(),
            Request::Viewers => roll_refused("viewers", &ActRefused::NotAllowed),
            Request::Revoke { viewer } => {
                let gone = self.keeper.revoke(me, viewer).await;
                if gone.is_ok() {
                    info!("revoked a viewer: {viewer}");
                }
                done("revoke", gone.map(drop))
            }
            Request::Rename { viewer, label } => done("rename", self.keeper.rename(me, viewer, &label).await),
            Request::Hello | Request::Offer(_) | Request::Candidate { .. } | Request::Bye { .. } => return,
        };
        self.outbox.send(&exchange, &response);
    }

    fn list(&self) -> Response {
        let (mut viewers, mut room, mut more) = (Vec::new(), LIST, 0);
        for known in self.keeper.roll().viewers() {
            let listed = self.listed(known);
            let size = serde_json::to_vec(&listed).map_or(0, |json| json.len() + 1);
            match room.checked_sub(size).filter(|_| more == 0) {
                Some(left) => {
                    room = left;
                    viewers.push(listed);
                }
                None => more += 1,
            }
        }
        Response::Viewers { viewers, more: (more > 0).then_some(more) }
    }

    fn listed(&self, known: &Known) -> Listed {
        Listed {
            viewer: known.id(),
            words: words(&known.key),
            label: known.label.clone(),
            role: known.role,
            since: known.since,
            seen: known.seen,
            until: known.until,
            watching: self.present.of(known.id()),
            by: known.by,
        }
    }
}

fn refused(re: &str, reason: RefusedReason, text: &str) -> Response {
    Response::Refused(Refusal { re: re.into(), session: None, reason, text: text.into() })
}

fn roll_refused(re: &str, why: &ActRefused) -> Response {
    match why {
        ActRefused::NotAllowed => refused(re, RefusedReason::NotAllowed, "Your role does not allow that."),
        ActRefused::UnknownViewer => refused(re, RefusedReason::UnknownViewer, "There is no such viewer."),
    }
}

fn pair_reason(not: &NotPaired) -> RefusedReason {
    match not {
        NotPaired::NotKept => RefusedReason::Internal,
        NotPaired::Refused(why) => match why {
            PairRefused::PairingClosed => RefusedReason::PairingClosed,
            PairRefused::PairingUsed => RefusedReason::PairingUsed,
            PairRefused::PairingWrong => RefusedReason::PairingWrong,
            PairRefused::GrantInvalid => RefusedReason::GrantInvalid,
            PairRefused::GrantExpired => RefusedReason::GrantExpired,
            PairRefused::Clock => RefusedReason::Clock,
            PairRefused::Full => RefusedReason::Full,
        },
    }
}

fn pair_text(not: &NotPaired) -> &'static str {
    match pair_reason(not) {
        RefusedReason::PairingClosed => "This link is over. Make another with `lunette pair` on the camera.",
        RefusedReason::PairingUsed => "This link was used already. Make another with `lunette pair` on the camera.",
        RefusedReason::PairingWrong => "This link is not the newest one of this camera.",
        RefusedReason::GrantInvalid => "This invitation is not valid for this camera.",
        RefusedReason::GrantExpired => "This invitation is over. Ask for another.",
        RefusedReason::Clock => "The camera does not know what time it is yet. Try again in some minutes.",
        RefusedReason::Full => "The camera knows as many viewers as it can. One has to be revoked first.",
        _ => "The camera could not keep it; its log says why.",
    }
}

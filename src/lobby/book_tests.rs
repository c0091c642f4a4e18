use super::*;
use crate::signal::message::Candidate;

fn viewer(n: u8) -> ViewerId {
    ViewerId::of_key(&[n])
}

fn offer(session: SessionId, sdp: &str) -> Request {
    restart(session, 0, sdp)
}

fn restart(session: SessionId, restart: u32, sdp: &str) -> Request {
    Request::Offer(Offer { session, stream: None, restart, sdp: sdp.into() })
}

fn session() -> SessionId {
    SessionId::random().expect("random")
}

fn admitted(replaces: Option<SessionId>) -> Verdict {
    Verdict::Admit { replaces, any_srtp: false }
}

fn refused(verdict: &Verdict) -> Option<RefusedReason> {
    match verdict {
        Verdict::Refuse { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[test]
fn the_same_offer_is_answered_again_another_is_refused() {
    let (mut book, now, s) = (Book::new(2), Instant::now(), session());
    assert_eq!(book.judge(viewer(1), &offer(s, "a"), now), admitted(None));
    assert_eq!(book.judge(viewer(1), &offer(s, "a"), now), Verdict::AnswerAgain(s));
    assert_eq!(refused(&book.judge(viewer(1), &offer(s, "b"), now)), Some(RefusedReason::SessionInUse));
    assert_eq!(refused(&book.judge(viewer(2), &offer(s, "a"), now)), Some(RefusedReason::SessionInUse));
}

#[test]
fn a_full_house_refuses_politely_and_a_place_that_comes_free_is_given() {
    let (mut book, now) = (Book::new(2), Instant::now());
    let first = session();
    book.judge(viewer(1), &offer(first, "a"), now);
    book.judge(viewer(2), &offer(session(), "a"), now);
    let verdict = book.judge(viewer(3), &offer(session(), "a"), now);
    let text = "2 of 2 viewers are watching.".to_owned();
    assert!(matches!(verdict, Verdict::Refuse { reason: RefusedReason::Full, text: t, .. } if t == text));
    assert_eq!(book.judge(viewer(1), &Request::Bye { session: first }, now), Verdict::Bye(first));
    book.ended(first, true);
    assert_eq!(book.judge(viewer(3), &offer(session(), "a"), now), admitted(None));
}

#[test]
fn a_fifth_session_of_a_viewer_replaces_its_oldest_even_in_a_full_house() {
    let (mut book, now) = (Book::new(4), Instant::now());
    let sessions: Vec<_> = (0..5).map(|_| session()).collect();
    for (i, s) in sessions.iter().take(4).enumerate() {
        assert_eq!(book.judge(viewer(1), &offer(*s, "a"), now + Duration::from_millis(i as u64)), admitted(None));
    }
    let later = now + Duration::from_secs(1);
    assert_eq!(book.judge(viewer(1), &offer(sessions[4], "a"), later), admitted(Some(sessions[0])));
    assert_eq!(book.watching(), 4);
}

#[test]
fn a_flood_of_offers_is_refused_and_forgiven() {
    let (mut book, now) = (Book::new(1000), Instant::now());
    for _ in 0..OFFERS {
        assert_eq!(refused(&book.judge(viewer(1), &offer(session(), "a"), now)), None);
    }
    assert_eq!(refused(&book.judge(viewer(1), &offer(session(), "a"), now)), Some(RefusedReason::TooMany));
    assert_eq!(refused(&book.judge(viewer(2), &offer(session(), "a"), now)), None);
    assert_eq!(refused(&book.judge(viewer(1), &offer(session(), "a"), now + WINDOW)), None);
}

#[test]
fn the_memory_of_viewers_is_bounded() {
    let (mut book, now) = (Book::new(1), Instant::now());
    let many = |n: usize| ViewerId::of_key(&n.to_le_bytes());
    for n in 0..REMEMBERED {
        book.judge(many(n), &offer(session(), "a"), now);
    }
    assert_eq!(refused(&book.judge(many(REMEMBERED), &offer(session(), "a"), now)), Some(RefusedReason::TooMany));
    assert_eq!(book.visitors.len(), REMEMBERED);
    let verdict = book.judge(many(REMEMBERED), &offer(session(), "a"), now + WINDOW);
    assert_eq!(refused(&verdict), Some(RefusedReason::Full));
}

#[test]
fn strangers_cannot_touch_a_session() {
    let (mut book, now, s) = (Book::new(2), Instant::now(), session());
    book.judge(viewer(1), &offer(s, "a"), now);
    let candidate = |session| Request::Candidate {
        session,
        candidate: Some(Candidate { candidate: String::new(), sdp_mid: None, sdp_mline_index: None }),
    };
    assert!(matches!(book.judge(viewer(2), &candidate(s), now), Verdict::Ignore(_)));
    assert!(matches!(book.judge(viewer(2), &Request::Bye { session: s }, now), Verdict::Ignore(_)));
    assert!(matches!(book.judge(viewer(1), &candidate(session()), now), Verdict::Ignore(_)));
    for _ in 0..CANDIDATES {
        assert_eq!(book.judge(viewer(1), &candidate(s), now), Verdict::Candidate(s));
    }
    assert_eq!(book.judge(viewer(1), &candidate(s), now), Verdict::Ignore("too many candidates"));
}

#[test]
fn after_a_failure_the_next_attempt_is_less_choosy() {
    let (mut book, now, s) = (Book::new(2), Instant::now(), session());
    book.judge(viewer(1), &offer(s, "a"), now);
    book.ended(s, false);
    let next = session();
    assert_eq!(book.judge(viewer(1), &offer(next, "a"), now), Verdict::Admit { replaces: None, any_srtp: true });
    book.ended(next, true);
    assert_eq!(book.judge(viewer(1), &offer(session(), "a"), now), admitted(None));
}

#[test]
fn an_unknown_stream_is_named() {
    let (mut book, now) = (Book::new(2), Instant::now());
    let offer = Request::Offer(Offer { session: session(), stream: Some("tiny".into()), restart: 0, sdp: "a".into() });
    assert_eq!(refused(&book.judge(viewer(1), &offer, now)), Some(RefusedReason::UnknownStream));
}

#[test]
fn a_restart_is_for_the_sessions_own_viewer_and_each_number_counts_once() {
    let (mut book, now, s) = (Book::new(2), Instant::now(), session());
    let strange = |book: &mut Book, n| refused(&book.judge(viewer(n), &restart(s, 1, "b"), now));
    assert_eq!(strange(&mut book, 1), Some(RefusedReason::NoSession));
    book.judge(viewer(1), &offer(s, "a"), now);
    assert_eq!(strange(&mut book, 2), Some(RefusedReason::NoSession), "of somebody else");
    assert_eq!(book.judge(viewer(1), &restart(s, 1, "b"), now), Verdict::Restart(s));
    assert_eq!(book.judge(viewer(1), &restart(s, 1, "b"), now), Verdict::AnswerAgain(s));
    assert_eq!(refused(&book.judge(viewer(1), &restart(s, 1, "c"), now)), Some(RefusedReason::SessionInUse));
    assert_eq!(book.judge(viewer(1), &restart(s, 3, "c"), now), Verdict::Restart(s), "the second was lost");
    assert_eq!(book.judge(viewer(1), &restart(s, 2, "x"), now), Verdict::Ignore(OLDER));
    assert_eq!(book.judge(viewer(1), &offer(s, "a"), now), Verdict::Ignore(OLDER));
    assert_eq!(book.judge(viewer(1), &Request::Bye { session: s }, now), Verdict::Bye(s));
    assert_eq!(strange(&mut book, 1), Some(RefusedReason::NoSession), "it said goodbye");
    assert_eq!(book.watching(), 0);
}

#[test]
fn restarts_are_as_seldom_as_offers_and_each_has_candidates_of_its_own() {
    let (mut book, now, s) = (Book::new(2), Instant::now(), session());
    book.judge(viewer(1), &offer(s, "a"), now);
    let candidate = Request::Candidate { session: s, candidate: None };
    for _ in 0..CANDIDATES {
        assert_eq!(book.judge(viewer(1), &candidate, now), Verdict::Candidate(s));
    }
    for n in 1..OFFERS {
        assert_eq!(book.judge(viewer(1), &restart(s, n, "b"), now), Verdict::Restart(s));
    }
    assert_eq!(book.judge(viewer(1), &candidate, now), Verdict::Candidate(s));
    assert_eq!(refused(&book.judge(viewer(1), &restart(s, OFFERS, "b"), now)), Some(RefusedReason::TooMany));
    assert_eq!(book.judge(viewer(1), &restart(s, OFFERS, "b"), now + WINDOW), Verdict::Restart(s));
}

//! The broker is the attacker. A camera that is the program itself, a real mosquitto, and an operator that reads, drops, delays,
//! replays, reorders, rewrites, injects and passes for either side. Each attack is refused by its name, and no picture is sent.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod broker_rig;
mod common;
mod hostile_rig;

use std::time::{Duration, Instant};

use broker_rig::poll;
use common::watcher::Watcher;
use hostile_rig::{Party, World, address, cpu, flipped, with};
use lunette::trust::envelope::Kind;
use lunette::trust::key::{DhKey, Purpose};
use lunette::trust::watcher::{Heard, Listener, nonce_of};
use lunette::trust::{
    BroadcastKey, CameraId, Challenge, Grant, MAX_MESSAGE, Pinned, Reason, Role, Secret, SessionId, Side, UnixSeconds,
};
use serde_json::{Value, json};

const HELLO: &[u8] = br#"{"v":1,"type":"hello"}"#;

/// Where things are in an open: docs/sealing.md.
const CHALLENGE: usize = 24;
const VIEWER: usize = 40;
const NONCE: usize = 56;
const EV: usize = 72;
const BODY: usize = 137;
const SIGNATURE: usize = 64;

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Signs the envelope anew, with whatever is in it.
fn signed(payload: &[u8], by: &Party, purpose: Purpose) -> Vec<u8> {
    let body = &payload[..payload.len() - SIGNATURE];
    [body, by.key.sign(purpose, &[body]).unwrap().bytes()].concat()
}

/// The other valid form of a signature: r ‖ n − s.
fn other_form(signature: &[u8]) -> Vec<u8> {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (mut s, mut borrow) = ([0; 32], 0);
    for i in (0..32).rev() {
        let difference = i16::from(N[i]) - i16::from(signature[32 + i]) - borrow;
        borrow = i16::from(difference < 0);
        s[i] = (difference & 0xff) as u8;
    }
    [&signature[..32], &s].concat()
}

/// The people of these tests.
struct Cast {
    anna: Party,
    ben: Party,
    /// Is known, and means no good.
    mallory: Party,
    rex: Party,
    eve: Party,
}

impl Cast {
    fn known_to(world: &World) -> Self {
        let cast =
            Self { anna: Party::new(), ben: Party::new(), mallory: Party::new(), rex: Party::new(), eve: Party::new() };
        world.knows(&cast.anna.point(), Role::Owner);
        for who in [&cast.ben, &cast.mallory, &cast.rex] {
            world.knows(&who.point(), Role::View);
        }
        cast
    }
}

/// An offer that would bring pictures to this viewer's socket.
fn offer(bait: &Watcher, session: SessionId) -> Value {
    json!({"v": 1, "type": "offer", "session": session, "sdp": bait.sdp()})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_the_camera() {
    let mut world = World::open().await;
    let cast = Cast::known_to(&world);
    let viewers = world.viewers();
    let (id, watches) = (viewers.stranger(), viewers.paired());
    let mut bait = Watcher::known_as(id, &address(), viewers.clone()).await;
    world.begin().await;
    let Cast { anna, ben, mallory, rex, eve } = &cast;
    world.lunette(&["revoke", rex.id().as_str()]);

    let challenge = world.challenge();
    let text = offer(&bait, SessionId::random().unwrap()).to_string();
    let plain = text.as_bytes();
    let (good, _) = anna.asker.open(&challenge, plain).unwrap();
    let (other, _) = anna.asker.open(&challenge, plain).unwrap();
    let foreign = Challenge { random: [7; 16], ..challenge.clone() };
    let elsewhere = Challenge { camera: CameraId::random().unwrap(), ..challenge.clone() };
    let open = |who: &Party, challenge: &Challenge| who.asker.open(challenge, plain).unwrap().0;
    let end = good.len();

    // Envelopes.
    world
        .refuses("unsealed JSON", br#"{"v":1,"type":"hello","from":"mmmmmmmmmmmmmmmmmmmmmmmmmm"}"#, Reason::Version)
        .await;
    world.refuses("an empty message", b"", Reason::Length).await;
    world.refuses("too large", &[&good[..], &vec![0; MAX_MESSAGE + 1 - end]].concat(), Reason::Length).await;
    world.refuses("cut behind the header", &good[..24], Reason::Length).await;
    world.refuses("cut in the key", &good[..BODY - 10], Reason::Length).await;
    world.refuses("a byte too few", &good[..end - 1], Reason::Signature).await;
    world.refuses("a byte too many", &[&good[..], &[0]].concat(), Reason::Signature).await;
    world.refuses("an older version", &with(&good, 3, &[0]), Reason::Version).await;
    world.refuses("a newer version", &with(&good, 3, &[2]), Reason::Version).await;
    world.refuses("a weaker suite", &with(&good, 5, &[0]), Reason::Suite).await;
    world.refuses("another suite", &with(&good, 5, &[2]), Reason::Suite).await;
    world.refuses("reserved bytes", &with(&good, 6, &[1]), Reason::Version).await;
    world.refuses("a response as a request", &with(&good, 4, &[0x11]), Reason::Kind).await;
    world.refuses("an unknown kind", &with(&good, 4, &[0x7f]), Reason::Kind).await;
    world.refuses("an open as a pair", &with(&good[..2000.min(end)], 4, &[0x03]), Reason::Signature).await;

    // Cameras and challenges.
    world.refuses("a request to another camera", &open(anna, &elsewhere), Reason::Camera).await;
    let swapped = with(&open(anna, &elsewhere), 8, &world.camera.bytes());
    world.refuses("a request to another camera, readdressed", &swapped, Reason::Signature).await;
    world.refuses("an old challenge", &open(anna, &foreign), Reason::Stale).await;
    world.refuses("a challenge of another request", &with(&good, CHALLENGE, &[7; 16]), Reason::Stale).await;

    // Viewers.
    world.refuses("a stranger", &open(eve, &challenge), Reason::NotPaired).await;
    world.refuses("a viewer that was revoked", &open(rex, &challenge), Reason::Revoked).await;
    world
        .refuses(
            "a stranger in a viewer's name",
            &with(&open(eve, &challenge), VIEWER, &anna.id().bytes()),
            Reason::Signature,
        )
        .await;
    let stolen = with(&open(mallory, &challenge), VIEWER, &anna.id().bytes());
    world.refuses("a viewer in another's name", &signed(&stolen, mallory, Purpose::Request), Reason::Signature).await;
    let taken = with(&other, VIEWER, &mallory.id().bytes());
    world.refuses("another's request, signed anew", &signed(&taken, mallory, Purpose::Request), Reason::Sealed).await;

    // What is in it.
    world.refuses("a fingerprint changed in the offer", &flipped(&good, BODY + 300), Reason::Signature).await;
    world.refuses("a changed tag", &flipped(&good, end - SIGNATURE - 1), Reason::Signature).await;
    world.refuses("a changed signature", &flipped(&good, end - 1), Reason::Signature).await;
    world.refuses("a signature of nothing", &with(&good, end - SIGNATURE, &[0; 64]), Reason::Signature).await;
    world.refuses("a changed nonce", &flipped(&good, NONCE), Reason::Signature).await;
    world
        .refuses(
            "an ephemeral key put in its place",
            &with(&good, EV, DhKey::generate().unwrap().point().bytes()),
            Reason::Signature,
        )
        .await;
    let other = open(anna, &challenge);
    let spliced = [&good[..BODY], &other[BODY..]].concat();
    world.refuses("one offer's header, another's body", &spliced, Reason::Signature).await;
    world.refuses("signed for another purpose", &signed(&other, anna, Purpose::Pair), Reason::Signature).await;
    let off = with(&open(mallory, &challenge), EV, &[[4; 1].as_slice(), &[1; 64]].concat());
    world.refuses("an ephemeral key off the curve", &signed(&off, mallory, Purpose::Request), Reason::Sealed).await;
    let two = with(&open(mallory, &challenge), BODY, &[0; 32]);
    world.refuses("a body that does not open", &signed(&two, mallory, Purpose::Request), Reason::Sealed).await;

    // Replays. The answer to a request in its other form is of no use to who asked.
    let (welcome, mut asked) = world.says_as(anna, &json!({"v": 1, "type": "hello"})).await;
    assert_eq!(welcome["type"], "welcome");
    let (hello, _) = anna.asker.open(&challenge, HELLO).unwrap();
    let mark = world.mark();
    world.inject("req", false, hello.clone()).await;
    world.sees(&format!("res/{}", anna.id()), mark).await;
    world.refuses("a request again", &hello, Reason::Replay).await;
    let again = [&hello[..hello.len() - 64], &other_form(&hello[hello.len() - 64..])].concat();
    world.refuses("a request again, its signature in the other form", &again, Reason::Replay).await;
    world.refuses("more of an exchange that ended", &asked.more(HELLO).unwrap(), Reason::Exchange).await;
    let (mut stray, mut never) =
        (anna.asker.open(&challenge, HELLO).unwrap().1, mallory.asker.open(&challenge, HELLO).unwrap().1);
    world.refuses("more of an exchange that never was", &stray.more(HELLO).unwrap(), Reason::Exchange).await;
    let theirs = with(&never.more(HELLO).unwrap(), CHALLENGE, &anna.id().bytes());
    world.refuses("more in another's name", &theirs, Reason::Exchange).await;

    // A session, and what belongs to it.
    let session = SessionId::random().unwrap();
    let (answer, mut running) =
        world.says_as(ben, &json!({"v": 1, "type": "offer", "session": session, "sdp": bait.sdp()})).await;
    assert_eq!(answer["type"], "answer", "{answer}");
    let candidate = json!({"v": 1, "type": "candidate", "session": session, "candidate": null}).to_string();
    let more = running.more(candidate.as_bytes()).unwrap();
    let later = running.more(candidate.as_bytes()).unwrap();
    world.refuses("a changed candidate", &flipped(&more, 70), Reason::Sealed).await;
    world.refuses("a candidate with another number", &with(&more, 56, &9u64.to_be_bytes()), Reason::Sealed).await;
    world.inject("req", false, later).await;
    world.refuses("a candidate that is older than the last", &more, Reason::Replay).await;
    let kidnapped = json!({"v": 1, "type": "offer", "session": session, "restart": 1, "sdp": bait.sdp()});
    let (said, _) = world.says_as(mallory, &kidnapped).await;
    assert_eq!(said["type"], "refused", "another's session, restarted: {said}");
    assert!(said["reason"] == "no_session" || said["reason"] == "session_in_use", "{said}");
    let (said, _) =
        world.says_as(mallory, &json!({"v": 1, "type": "offer", "session": session, "sdp": bait.sdp()})).await;
    assert_eq!(said["reason"], "session_in_use", "another's session, offered anew: {said}");
    world.lunette(&["revoke", ben.id().as_str()]);
    let bye = json!({"v": 1, "type": "bye", "session": session}).to_string();
    let payload = running.more(bye.as_bytes()).unwrap();
    let all = world.log();
    world.inject("req", false, payload).await;
    poll("a word of one that was revoked", || {
        let log = world.log();
        ["not_paired", "revoked", "exchange"].iter().any(|r| log[all.len()..].contains(&format!("turned away: {r}\n")))
    })
    .await;

    // Roles.
    for act in [
        json!({"v": 1, "type": "viewers"}),
        json!({"v": 1, "type": "revoke", "viewer": anna.id()}),
        json!({"v": 1, "type": "rename", "viewer": anna.id(), "label": "nobody"}),
    ] {
        let (said, _) = world.says_as(mallory, &act).await;
        assert_eq!((&said["type"], &said["reason"]), (&"refused".into(), &"not_allowed".into()), "{act}");
    }

    // What stands retained was not said now.
    let junk = world.challenge();
    world.inject("req", true, anna.asker.open(&junk, bye.as_bytes()).unwrap().0).await;
    world.inject("req", true, Vec::new()).await;
    // Poison where the camera speaks: it says again what is right.
    for (topic, poison) in [("challenge", &b"poison"[..]), ("status", b"{\"v\":1}"), ("status", b"\xff\xfe")] {
        let mark = world.mark();
        world.inject(topic, true, poison).await;
        poll("what is right", || world.saw(topic, mark).iter().any(|payload| payload.starts_with(b"LUN"))).await;
    }

    // No datagram came of all that; and the honest still see.
    bait.run_for(Duration::from_millis(500)).await;
    assert_eq!((bait.media, bait.connected), (0, false), "pictures for an attacker");
    world.carry(&viewers, &[watches]);
    let mut honest = Watcher::known_as(watches, &address(), viewers.clone()).await;
    honest.offer();
    honest.until("pictures for the honest", |viewer| viewer.pictures.len() > 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_let_in() {
    let mut world = World::open().await;
    let cast = Cast::known_to(&world);
    world.begin().await;
    let Cast { anna, mallory, .. } = &cast;
    let pair = |secret: &str, grant: Option<&str>| {
        let mut message = json!({"v": 1, "type": "pair", "secret": secret, "label": "x"});
        if let Some(grant) = grant {
            message["grant"] = json!(grant);
        }
        message
    };
    let refused = |said: &Value, reason: &str, attack: &str| {
        assert_eq!((&said["type"], &said["reason"]), (&"refused".into(), &reason.into()), "{attack}: {said}");
    };
    // Four a second are looked at.
    let wait = || tokio::time::sleep(Duration::from_millis(300));

    let some = Secret::random().unwrap().text().to_string();
    refused(&world.pairs_as(&Party::new(), &pair(&some, None)).await, "pairing_closed", "no window is open");
    let secret = world.window("view");
    let challenge = world.challenge();
    let plain = pair(&secret, None).to_string();
    let (thief, guest) = (Party::new(), Party::new());
    let (good, _) = guest.asker.pair(&challenge, plain.as_bytes()).unwrap();
    world
        .refuses("the thief's key in the guest's pairing", &with(&good, 40, thief.point().bytes()), Reason::Signature)
        .await;
    wait().await;
    let taken = signed(&with(&good, 40, thief.point().bytes()), &thief, Purpose::Pair);
    world.refuses("that, signed by the thief", &taken, Reason::Sealed).await;
    wait().await;
    let (fresh, _) = guest.asker.pair(&challenge, plain.as_bytes()).unwrap();
    world.refuses("a key off the curve", &with(&fresh, 41, &[1; 64]), Reason::Signature).await;
    world.refuses("a pairing signed as a request", &signed(&fresh, &guest, Purpose::Request), Reason::Signature).await;
    wait().await;
    world.refuses("a changed pairing", &flipped(&fresh, 200), Reason::Signature).await;
    wait().await;
    world.refuses("too long a pairing", &[&good[..], &[0; 2048]].concat(), Reason::Length).await;
    let old = Challenge { random: [9; 16], ..challenge.clone() };
    world
        .refuses("a pairing of another time", &guest.asker.pair(&old, plain.as_bytes()).unwrap().0, Reason::Stale)
        .await;

    refused(&world.pairs_as(&thief, &pair(&some, None)).await, "pairing_wrong", "a guess");
    wait().await;
    assert_eq!(world.pairs_as(&guest, &pair(&secret, None)).await["type"], "paired");
    wait().await;
    refused(&world.pairs_as(&thief, &pair(&secret, None)).await, "pairing_used", "a stolen link, used again");
    wait().await;
    world.refuses("the guest's pairing again, later", &with(&good, 24, &[9; 16]), Reason::Stale).await;
    world.lunette(&["revoke", guest.id().as_str()]);
    refused(
        &world.pairs_as(&guest, &pair(&secret, None)).await,
        "pairing_used",
        "the link again, after it was revoked",
    );
    wait().await;

    let secret = world.window("view");
    for _ in 0..5 {
        wait().await;
        let guess = Secret::random().unwrap().text().to_string();
        refused(&world.pairs_as(&Party::new(), &pair(&guess, None)).await, "pairing_wrong", "a guess");
    }
    wait().await;
    refused(&world.pairs_as(&guest, &pair(&secret, None)).await, "pairing_closed", "brute force");

    // Grants.
    let secret = Secret::random().unwrap();
    let text = secret.text().to_string();
    let (soon, past) = (UnixSeconds(now() + 600), UnixSeconds(now() - 1));
    let grant = |by: &Party, role, camera, before| Grant::sign(&by.key, camera, role, &secret, before, None).unwrap();
    let other_camera = CameraId::random().unwrap();
    let good = grant(anna, Role::View, world.camera, soon);
    let altered = |at: usize, byte: u8| Grant::from_bytes(&with(good.bytes(), at, &[byte])).map(|g| g.text());
    for (attack, grant, reason) in [
        ("a grant by a viewer", grant(mallory, Role::View, world.camera, soon).text(), "grant_invalid"),
        ("a grant of more, by a viewer", grant(mallory, Role::Admin, world.camera, soon).text(), "grant_invalid"),
        ("a grant by a stranger", grant(&Party::new(), Role::View, world.camera, soon).text(), "grant_invalid"),
        ("a grant for another camera", grant(anna, Role::View, other_camera, soon).text(), "grant_invalid"),
        ("a grant of an owner's role", grant(anna, Role::Owner, world.camera, soon).text(), "grant_invalid"),
        ("a grant that is over", grant(anna, Role::View, world.camera, past).text(), "grant_expired"),
        ("a role altered", altered(4, 3).unwrap(), "grant_invalid"),
        ("a time altered", altered(79, 0xff).unwrap(), "grant_invalid"),
        ("a giver altered", altered(30, 0xff).unwrap(), "grant_invalid"),
        ("half a grant", good.text()[..60].to_owned(), "grant_invalid"),
        ("no grant", "x".to_owned(), "grant_invalid"),
    ] {
        wait().await;
        refused(&world.pairs_as(&thief, &pair(&text, Some(&grant))).await, reason, attack);
    }
    wait().await;
    refused(
        &world.pairs_as(&thief, &pair(&some, Some(&good.text()))).await,
        "pairing_wrong",
        "a grant without its secret",
    );
    wait().await;
    assert_eq!(world.pairs_as(&guest, &pair(&text, Some(&good.text()))).await["role"], "view");
    wait().await;
    refused(&world.pairs_as(&thief, &pair(&text, Some(&good.text()))).await, "pairing_used", "a grant again");
    let twin = [&good.bytes()[..88], &other_form(&good.bytes()[88..])].concat();
    let twin = Grant::from_bytes(&twin).unwrap();
    assert!(twin != good && twin.is_signed_by(&anna.point()), "it is another one, and as good");
    wait().await;
    refused(&world.pairs_as(&thief, &pair(&text, Some(&twin.text()))).await, "pairing_used", "its twin");

    // Access that ends.
    let (brief, link, ends) = (Party::new(), Secret::random().unwrap(), UnixSeconds(now() + 2));
    let grant = Grant::sign(&anna.key, world.camera, Role::View, &link, soon, Some(ends)).unwrap();
    wait().await;
    assert_eq!(world.pairs_as(&brief, &pair(&link.text(), Some(&grant.text()))).await["type"], "paired");
    assert_eq!(world.says_as(&brief, &json!({"v": 1, "type": "hello"})).await.0["type"], "welcome");
    poll("its end", || now() > ends.0).await;
    let late = brief.asker.open(&world.challenge(), HELLO).unwrap().0;
    world.refuses("a viewer whose access has ended", &late, Reason::Expired).await;

    // More than four at once, each good but for its secret: the rest is told to wait, by signed refusals or by nothing.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let challenge = world.challenge();
    let before = world.log().len();
    for _ in 0..20 {
        let flood = Party::new().asker.pair(&challenge, plain.as_bytes()).unwrap().0;
        world.inject("req", false, flood).await;
    }
    poll("the flood", || world.log()[before..].matches("turned away: busy\n").count() >= 14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_a_viewer() {
    let mut world = World::open().await;
    let cast = Cast::known_to(&world);
    let viewers = world.viewers();
    let bait = Watcher::new(viewers.clone()).await;
    world.begin().await;
    let Cast { anna, mallory, eve, .. } = &cast;
    let challenge = world.challenge();
    let ask = |who: &Party, plain: &[u8]| who.asker.open(&challenge, plain).unwrap();
    let session = SessionId::random().unwrap();
    let text = offer(&bait, session).to_string();

    // Everything that the camera says to this viewer, as it was; the operator hands over what it likes.
    let (payload, mut asked) = ask(anna, text.as_bytes());
    let (topic, mark) = (format!("res/{}", anna.id()), world.mark());
    world.inject("req", false, payload).await;
    poll("an answer, and candidates", || world.saw(&topic, mark).len() >= 2).await;
    let said = world.saw(&topic, mark);
    let first = said.iter().find(|p| p[4] == Kind::First.code()).unwrap().clone();
    let next = said.iter().find(|p| p[4] == Kind::Next.code()).unwrap().clone();
    let (payload, mut mallorys) = ask(mallory, HELLO);
    let mark = world.mark();
    world.inject("req", false, payload).await;
    let to_mallory = world.sees(&format!("res/{}", mallory.id()), mark).await;

    let mut hears = |attack: &str, payload: &[u8], reason: Reason| {
        assert_eq!(asked.hear(payload, &challenge), Err(reason), "{attack}");
    };
    hears("a candidate before the answer", &next, Reason::Exchange);
    hears("another's answer", &to_mallory, Reason::Exchange);
    let readdressed = with(&with(&to_mallory, 24, &anna.id().bytes()), 40, &nonce_of(&first).unwrap());
    hears("another's answer, readdressed", &readdressed, Reason::Signature);
    hears("a fingerprint changed in the answer", &flipped(&first, 121 + 300), Reason::Signature);
    hears(
        "a camera's ephemeral key put in its place",
        &with(&first, 56, DhKey::generate().unwrap().point().bytes()),
        Reason::Signature,
    );
    hears("a changed signature", &flipped(&first, first.len() - 1), Reason::Signature);
    hears("an answer cut short", &first[..150], Reason::Length);
    hears("an answer of another version", &with(&first, 3, &[2]), Reason::Version);
    hears("an answer of another suite", &with(&first, 5, &[9]), Reason::Suite);
    hears("an answer of another camera", &flipped(&first, 8), Reason::Camera);
    hears("a request as an answer", &with(&first, 4, &[1]), Reason::Kind);
    hears("JSON as an answer", &[b' '; 300], Reason::Version);
    let head = [&first[..4], &[Kind::Refusal.code()], &first[5..56], &[5, 0, 0, 0, 0, 0, 0, 0]].concat();
    let forged = [&head[..], mallory.key.sign(Purpose::Refusal, &[&head]).unwrap().bytes()].concat();
    hears("a refusal by somebody else", &forged, Reason::Signature);
    assert!(matches!(asked.hear(&first, &challenge), Ok(Heard::Message(_))));
    let mut hears = |attack: &str, payload: &[u8], reason: Reason| {
        assert_eq!(asked.hear(payload, &challenge), Err(reason), "{attack}");
    };
    hears("the answer again", &first, Reason::Exchange);
    hears("a changed candidate", &flipped(&next, next.len() - 1), Reason::Sealed);
    hears("a candidate with another number", &with(&next, 56, &77u64.to_be_bytes()), Reason::Sealed);
    assert!(matches!(asked.hear(&next, &challenge), Ok(Heard::Message(_))));
    assert_eq!(asked.hear(&next, &challenge), Err(Reason::Replay), "a candidate again");
    // One whose answer was dropped asks again, in another exchange, and is answered again.
    let (again, _) = world.asks(ask(anna, text.as_bytes())).await;
    assert_eq!((&again["type"], &again["session"]), (&"answer".into(), &session.to_string().into()));
    let mut other = ask(anna, HELLO).1;
    assert_eq!(other.hear(&first, &challenge), Err(Reason::Exchange), "the answer to another request");

    // A true refusal is not of this request.
    let (payload, mut strange) = ask(eve, HELLO);
    let mark = world.mark();
    world.inject("req", false, payload).await;
    let refusal = world.sees(&format!("res/{}", eve.id()), mark).await;
    let moved = with(&with(&refusal, 24, &anna.id().bytes()), 40, &other.nonce());
    assert_eq!(other.hear(&moved, &challenge), Err(Reason::Signature), "another's refusal, readdressed");
    assert_eq!(strange.hear(&refusal, &challenge), Ok(Heard::Refused(Reason::NotPaired)));

    // Challenges.
    let standing = world.saw("challenge", 0).pop().unwrap();
    let mut pinned = Pinned::new(world.camera);
    for at in [30, 60, 120, 200, 250, 293, 300, 330] {
        assert_eq!(
            pinned.take(&flipped(&standing, at)).err(),
            Some(Reason::Signature).filter(|_| !(162..227).contains(&at)).or(Some(Reason::Camera)),
            "{at}"
        );
    }
    assert_eq!(pinned.take(&standing[..378]).err(), Some(Reason::Length), "a short challenge");
    assert_eq!(pinned.take(&flipped(&standing, 8)).err(), Some(Reason::Camera), "another camera's challenge");
    assert_eq!(
        Pinned::new(CameraId::random().unwrap()).take(&standing).err(),
        Some(Reason::Camera),
        "two cameras with swapped ids"
    );
    pinned.take(&standing).unwrap();

    // Status.
    let heard = mallorys.hear(&to_mallory, &challenge).unwrap();
    let Heard::Message(welcome) = heard else { panic!("{heard:?}") };
    let welcome: Value = serde_json::from_slice(&welcome).unwrap();
    let key = BroadcastKey::from_text(welcome["key"].as_str().unwrap()).unwrap();
    let status = world.saw("status", 0).into_iter().rfind(|p| p.starts_with(b"LUN")).unwrap();
    let mut listener = Listener::new(world.camera);
    for (attack, payload, reason) in [
        ("a changed status", flipped(&status, 70), Reason::Signature),
        ("a status of other keys", flipped(&status, 47), Reason::Stale),
        ("a status of another camera", flipped(&status, 8), Reason::Camera),
        ("an unsealed status", br#"{"v":1,"type":"status","online":true}"#.to_vec(), Reason::Version),
        ("a number put in its place", with(&status, 48, &99u64.to_be_bytes()), Reason::Signature),
    ] {
        assert_eq!(listener.hear(&payload, &challenge, &key), Err(reason), "{attack}");
    }
    let stale = BroadcastKey::generate().unwrap();
    assert_eq!(listener.hear(&status, &challenge, &stale), Err(Reason::Sealed), "with the key of before");
    listener.hear(&status, &challenge, &key).unwrap();

    // After a restart, the keys of before are worth nothing.
    let old = (standing, ask(anna, HELLO).0);
    world.again().await;
    let newer = world.saw("challenge", 0).pop().unwrap();
    pinned.take(&newer).unwrap();
    assert_eq!(pinned.take(&old.0).err(), Some(Reason::Stale), "an old challenge");
    world.refuses("a request of before the restart", &old.1, Reason::Stale).await;
    assert_eq!(listener.hear(&status, &world.challenge(), &key), Err(Reason::Stale), "a status of before the restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_the_middle_of_the_media_or_was_let_in_once() {
    let mut world = World::open().await;
    let viewers = world.viewers();
    let ids: Vec<_> = (0..5).map(|_| viewers.paired()).collect();
    world.begin().await;
    world.carry(&viewers, &ids);

    // DTLS stands, with whoever it is; what is said first is not what only the viewer can say.
    for (attack, id) in ["another's mac", "a ping", "a mac of nothing", "junk"].into_iter().zip(&ids) {
        let mut viewer = Watcher::known_as(*id, &address(), viewers.clone()).await;
        viewer.first_word = Some(match attack {
            "a ping" => r#"{"type":"ping","id":1,"t":1}"#.to_owned(),
            "a mac of nothing" => r#"{"type":"bind","mac":""}"#.to_owned(),
            "junk" => "\u{0}".to_owned(),
            _ => format!(r#"{{"type":"bind","mac":"{}"}}"#, "A".repeat(43)),
        });
        viewer.offer();
        viewer.until(attack, |viewer| viewer.told("end").is_some()).await;
        assert_eq!(viewer.told("end").unwrap()["reason"], "binding", "{attack}: {:?}", viewer.told("end"));
        viewer.run_for(Duration::from_millis(300)).await;
        assert!(viewer.connected, "{attack}: it is the binding that fails");
        assert_eq!(viewer.media, 0, "{attack}: pictures were sent");
    }

    // Its own mac, turned round.
    let mut watching = Watcher::known_as(ids[4], &address(), viewers.clone()).await;
    watching.offer();
    watching.until("pictures", |viewer| viewer.pictures.len() > 5).await;
    let (binding, viewer, camera) = watching.binding().unwrap();
    assert_ne!(binding.mac(Side::Viewer, &viewer, &camera), binding.mac(Side::Camera, &viewer, &camera));

    // Revoked in the middle of a session.
    let id = watching.id;
    let asked = Instant::now();
    world.lunette(&["revoke", id.as_str()]);
    watching.until("its end", |viewer| viewer.told("end").is_some()).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "after {:?}", asked.elapsed());
    assert_eq!(watching.told("end").unwrap()["reason"], "revoked");
    watching.run_for(Duration::from_millis(200)).await;
    let sent = watching.media;
    watching.run_for(Duration::from_secs(1)).await;
    assert_eq!(watching.media, sent, "pictures after the end");
}

/// A flood costs little, and delays nobody much. Both are compared with the same without it, in one run.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, of the release build: ./dev test --all"]
async fn a_flood() {
    const RATE: u32 = 1000;
    const JOINS: usize = 15;
    const OVER: Duration = Duration::from_secs(5);
    let mut world = World::open().await;
    let cast = Cast::known_to(&world);
    let viewers = world.viewers();
    let mut joining: Vec<_> = (0..5 * JOINS).map(|_| viewers.paired()).collect();
    world.begin().await;
    world.carry(&viewers, &joining);
    let Cast { eve, mallory, .. } = &cast;
    let mut joins = async || {
        let mut times = Vec::new();
        for id in joining.split_off(joining.len() - JOINS) {
            let mut viewer = Watcher::known_as(id, &address(), viewers.clone()).await;
            let start = Instant::now();
            viewer.offer();
            viewer.until("a picture", |viewer| !viewer.pictures.is_empty()).await;
            times.push(start.elapsed());
            viewer.bye();
            // The next one opens the camera, as this one did.
            poll("nobody watches", || world.lunette(&["status"]).contains("nobody watches")).await;
        }
        times.sort();
        times[JOINS / 2]
    };
    let used = async |over: Duration| {
        let (before, start) = (cpu(world.pid()), Instant::now());
        tokio::time::sleep(over).await;
        (cpu(world.pid()) - before).as_secs_f64() / start.elapsed().as_secs_f64()
    };
    let quiet = joins().await;
    let idle = used(OVER).await;
    println!("without: {:.1} % of a core; a join takes {quiet:?}", idle * 100.0);

    let challenge = world.challenge();
    let known = mallory.asker.open(&challenge, HELLO).unwrap().0;
    let kinds = [
        ("noise", vec![0x5a; 900]),
        ("JSON of old", br#"{"v":1,"type":"hello","from":"mmmmmmmmmmmmmmmmmmmmmmmmmm"}"#.to_vec()),
        ("a stranger's requests", eve.asker.open(&challenge, HELLO).unwrap().0),
        ("a viewer's requests with a wrong signature", flipped(&known, known.len() - 1)),
    ];
    for (name, payload) in kinds {
        let flood = world.flood(payload, RATE);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = world.received();
        let busy = used(OVER).await;
        let rate = (world.received() - before) as f64 / OVER.as_secs_f64();
        let loud = joins().await;
        flood.abort();
        println!("{rate:.0} a second of {name}: {:.1} % of a core more; a join takes {loud:?}", (busy - idle) * 100.0);
        assert!(rate > 0.9 * f64::from(RATE), "only {rate} a second came to the camera");
        assert!(busy - idle <= 0.10, "{name} costs {:.1} % of a core", (busy - idle) * 100.0);
        assert!(loud <= quiet + Duration::from_millis(50), "{name}: {loud:?} instead of {quiet:?}");
    }
}

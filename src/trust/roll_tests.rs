use super::*;
use crate::trust::act::{Act, ActRefused, Actor};
use crate::trust::key::SigningKey;
use crate::trust::window::{OPEN_FOR, TRIES};

const WALL: Option<UnixSeconds> = Some(UnixSeconds(2_000_000_000));
const LATER: UnixSeconds = UnixSeconds(2_000_003_600);

fn key() -> SigningKey {
    SigningKey::generate().expect("a key")
}

fn id(key: &SigningKey) -> ViewerId {
    ViewerId::of_key(key.point().bytes())
}

fn camera() -> CameraId {
    CameraId::from_bytes([7; 16])
}

fn asking(secret: &Secret, grant: Option<&Grant>) -> Asking {
    Asking { secret: secret.clone(), label: "a phone".into(), grant: grant.map(Grant::text) }
}

struct Stage {
    roll: Roll,
    now: Instant,
    wall: Option<UnixSeconds>,
}

impl Stage {
    fn new() -> Self {
        Self { roll: Roll::default(), now: Instant::now(), wall: WALL }
    }

    /// Somebody who came by a secret of the camera's own.
    fn known(&mut self, role: Role) -> SigningKey {
        let (key, secret) = (key(), Secret::random().expect("random"));
        self.roll.open_window(&secret, role, self.now);
        self.show(&key, &secret, None).expect("paired");
        key
    }

    fn show(&mut self, key: &SigningKey, secret: &Secret, grant: Option<&Grant>) -> Result<Paired, PairRefused> {
        self.roll.pair(&camera(), &key.point(), &asking(secret, grant), self.now, self.wall)
    }
}

fn grant(giver: &SigningKey, role: Role, ends: Option<UnixSeconds>) -> (Secret, Grant) {
    let secret = Secret::random().expect("random");
    let grant = Grant::sign(giver, camera(), role, &secret, LATER, ends).expect("signed");
    (secret, grant)
}

#[test]
fn the_first_is_the_owner() {
    let mut stage = Stage::new();
    assert_eq!(stage.roll.first_role(), Role::Owner);
    let owner = stage.known(Role::Owner);
    assert_eq!(stage.roll.first_role(), Role::View);
    let known = stage.roll.get(&id(&owner)).expect("known");
    assert_eq!((known.role, known.label.as_str(), known.since, known.by), (Role::Owner, "a phone", WALL, None));
}

#[test]
fn a_link_is_for_one_viewer() {
    let mut stage = Stage::new();
    let (one, two, secret) = (key(), key(), Secret::random().expect("random"));
    assert_eq!(stage.show(&one, &secret, None), Err(PairRefused::PairingClosed));
    stage.roll.open_window(&secret, Role::Owner, stage.now);
    let wrong = Secret::random().expect("random");
    assert_eq!(stage.show(&two, &wrong, None), Err(PairRefused::PairingWrong));
    assert!(stage.show(&one, &secret, None).expect("paired").changed);
    assert!(!stage.show(&one, &secret, None).expect("paired again").changed);
    assert_eq!(stage.show(&two, &secret, None), Err(PairRefused::PairingUsed));
    assert_eq!(stage.roll.window(stage.now).and_then(Window::used_by), Some(id(&one)));
    stage.now += OPEN_FOR;
    assert_eq!(stage.show(&one, &secret, None), Err(PairRefused::PairingClosed));
    assert!(stage.roll.window(stage.now).is_none());
}

#[test]
fn guessing_closes_the_window() {
    let mut stage = Stage::new();
    let (guest, secret) = (key(), Secret::random().expect("random"));
    stage.roll.open_window(&secret, Role::Owner, stage.now);
    for _ in 0..TRIES {
        let wrong = Secret::random().expect("random");
        assert_eq!(stage.show(&guest, &wrong, None), Err(PairRefused::PairingWrong));
    }
    assert_eq!(stage.show(&guest, &secret, None), Err(PairRefused::PairingClosed));
}

#[test]
fn who_was_revoked_does_not_come_in_by_the_same_link() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let (guest, secret) = (key(), Secret::random().expect("random"));
    stage.roll.open_window(&secret, Role::View, stage.now);
    stage.show(&guest, &secret, None).expect("paired");
    let (invited, (code, grant)) = (key(), grant(&owner, Role::View, None));
    stage.show(&invited, &code, Some(&grant)).expect("paired");
    for key in [&guest, &invited] {
        stage.roll.revoke(Actor::Viewer(id(&owner)), &id(key)).expect("below");
        assert_eq!(stage.roll.judge(&id(key), WALL).expect_err("gone"), Reason::Revoked);
    }
    assert_eq!(stage.show(&guest, &secret, None), Err(PairRefused::PairingUsed));
    assert_eq!(stage.show(&invited, &code, Some(&grant)), Err(PairRefused::PairingUsed));
    let new = Secret::random().expect("random");
    stage.roll.open_window(&new, Role::View, stage.now);
    stage.show(&guest, &new, None).expect("by a new one");
    assert!(stage.roll.judge(&id(&guest), WALL).is_ok());
}

#[test]
fn a_grant_lets_one_in() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let (guest, other) = (key(), key());
    let (secret, grant) = grant(&owner, Role::Talk, Some(LATER));
    let wrong = Secret::random().expect("random");
    assert_eq!(stage.show(&guest, &wrong, Some(&grant)), Err(PairRefused::PairingWrong));
    let paired = stage.show(&guest, &secret, Some(&grant)).expect("paired");
    assert_eq!((paired.role, paired.how, paired.changed), (Role::Talk, How::Grant(id(&owner)), true));
    assert!(!stage.show(&guest, &secret, Some(&grant)).expect("again").changed);
    assert_eq!(stage.show(&other, &secret, Some(&grant)), Err(PairRefused::PairingUsed));
    let kept = Roll::from_json(&stage.roll.to_json()).expect("readable");
    stage.roll = kept;
    assert_eq!(stage.show(&other, &secret, Some(&grant)), Err(PairRefused::PairingUsed), "after a restart too");
}

#[test]
fn a_grant_is_only_as_good_as_its_giver() {
    let mut stage = Stage::new();
    let (owner, admin, talk) = (stage.known(Role::Owner), stage.known(Role::Admin), stage.known(Role::Talk));
    let guest = key();
    let stranger = key();
    for (giver, role) in [(&admin, Role::Admin), (&talk, Role::View), (&stranger, Role::View), (&owner, Role::Owner)] {
        let (secret, grant) = grant(giver, role, None);
        assert_eq!(stage.show(&guest, &secret, Some(&grant)), Err(PairRefused::GrantInvalid), "{role}");
    }
    let (secret, grant) = grant(&admin, Role::View, None);
    stage.roll.revoke(Actor::Board, &id(&admin)).expect("known");
    assert_eq!(stage.show(&guest, &secret, Some(&grant)), Err(PairRefused::GrantInvalid), "the giver is gone");
}

#[test]
fn a_grant_is_for_one_camera_as_it_was_signed() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let guest = key();
    let secret = Secret::random().expect("random");
    let elsewhere = Grant::sign(&owner, CameraId::from_bytes([8; 16]), Role::View, &secret, LATER, None);
    let elsewhere = elsewhere.expect("signed");
    assert_eq!(stage.show(&guest, &secret, Some(&elsewhere)), Err(PairRefused::GrantInvalid));
    let (secret, grant) = grant(&owner, Role::View, None);
    for at in [4, 79, 87, 100] {
        let mut bytes = *grant.bytes();
        bytes[at] ^= 3;
        let text = data_encoding::BASE64URL_NOPAD.encode(&bytes);
        let asking = Asking { grant: Some(text), ..asking(&secret, None) };
        let refused = stage.roll.pair(&camera(), &guest.point(), &asking, stage.now, WALL);
        assert_eq!(refused, Err(PairRefused::GrantInvalid), "byte {at}");
    }
    let junk = Asking { grant: Some("junk".into()), ..asking(&secret, None) };
    let refused = stage.roll.pair(&camera(), &guest.point(), &junk, stage.now, WALL);
    assert_eq!(refused, Err(PairRefused::GrantInvalid));
}

#[test]
fn a_grant_ends_and_wants_a_clock() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let guest = key();
    let (secret, good) = grant(&owner, Role::View, None);
    stage.wall = None;
    assert_eq!(stage.show(&guest, &secret, Some(&good)), Err(PairRefused::Clock));
    stage.wall = Some(LATER);
    assert_eq!(stage.show(&guest, &secret, Some(&good)), Err(PairRefused::GrantExpired));
    let (secret, over) = grant(&owner, Role::View, Some(UnixSeconds(2_000_000_000)));
    stage.wall = WALL;
    assert_eq!(stage.show(&guest, &secret, Some(&over)), Err(PairRefused::GrantExpired), "the access itself");
}

#[test]
fn a_giver_whose_access_ended_gives_nothing() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let (admin, guest) = (key(), key());
    let (secret, made) = grant(&owner, Role::Admin, Some(UnixSeconds(2_000_000_010)));
    stage.show(&admin, &secret, Some(&made)).expect("paired");
    let friend = key();
    let (secret, given) = grant(&admin, Role::View, None);
    stage.show(&friend, &secret, Some(&given)).expect("paired");
    let until = stage.roll.get(&id(&friend)).and_then(|known| known.until);
    assert_eq!(until, Some(UnixSeconds(2_000_000_010)), "no longer than the giver's own");
    let (secret, given) = grant(&admin, Role::View, None);
    stage.wall = Some(UnixSeconds(2_000_000_010));
    assert_eq!(stage.show(&guest, &secret, Some(&given)), Err(PairRefused::GrantInvalid));
}

#[test]
fn a_known_viewer_keeps_the_better_of_both() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let talk = stage.known(Role::Talk);
    let (secret, lower) = grant(&owner, Role::View, None);
    let paired = stage.show(&talk, &secret, Some(&lower)).expect("known already");
    assert_eq!((paired.role, paired.how), (Role::Talk, How::Window));
    assert_eq!(stage.show(&key(), &secret, Some(&lower)), Err(PairRefused::PairingUsed), "it is used up all the same");
    let (secret, higher) = grant(&owner, Role::Admin, Some(LATER));
    let paired = stage.show(&talk, &secret, Some(&higher)).expect("higher");
    assert_eq!((paired.role, paired.changed), (Role::Admin, true));
    let known = stage.roll.get(&id(&talk)).expect("known");
    assert_eq!((known.until, known.by), (Some(LATER), Some(id(&owner))), "a higher role ends when it was to end");
    let (secret, for_good) = grant(&owner, Role::Admin, None);
    stage.show(&talk, &secret, Some(&for_good)).expect("longer");
    assert_eq!(stage.roll.get(&id(&talk)).and_then(|known| known.until), None);
}

#[test]
fn there_is_room_for_so_many() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let (secret, short) = grant(&owner, Role::View, Some(UnixSeconds(2_000_000_010)));
    let visitor = key();
    stage.show(&visitor, &secret, Some(&short)).expect("paired");
    while stage.roll.viewers().len() < VIEWERS {
        stage.known(Role::View);
    }
    let (guest, code) = (key(), Secret::random().expect("random"));
    stage.roll.open_window(&code, Role::View, stage.now);
    assert_eq!(stage.show(&guest, &code, None), Err(PairRefused::Full));
    stage.wall = Some(UnixSeconds(2_000_000_010));
    stage.show(&guest, &code, None).expect("in the place of one whose access ended");
    assert!(stage.roll.get(&id(&visitor)).is_none());
    let kept = Roll::from_json(&stage.roll.to_json()).expect("readable");
    assert_eq!(kept.viewers().len(), VIEWERS);
}

#[test]
fn only_those_above_act_and_each_on_itself() {
    let mut stage = Stage::new();
    let [owner, other, admin, admin2, talk] =
        [Role::Owner, Role::Owner, Role::Admin, Role::Admin, Role::Talk].map(|role| id(&stage.known(role)));
    let nobody = id(&key());
    let roll = &mut stage.roll;
    for (actor, subject, allowed) in [
        (owner, admin, true),
        (owner, other, false),
        (owner, owner, true),
        (admin, talk, true),
        (admin, admin2, false),
        (admin, owner, false),
        (talk, talk, true),
        (talk, admin, false),
        (nobody, talk, false),
    ] {
        for act in [Act::Rename(subject), Act::Revoke(subject)] {
            assert_eq!(roll.may(Actor::Viewer(actor), act), allowed, "{act:?}");
            assert!(roll.may(Actor::Board, act));
        }
    }
    assert!(roll.may(Actor::Viewer(admin), Act::List) && !roll.may(Actor::Viewer(talk), Act::List));
    assert!(roll.may(Actor::Viewer(admin), Act::Invite(Role::Talk)));
    assert!(!roll.may(Actor::Viewer(admin), Act::Invite(Role::Admin)));
    assert_eq!(roll.rename(Actor::Viewer(admin), &nobody, "x"), Err(ActRefused::UnknownViewer));
    assert_eq!(roll.rename(Actor::Viewer(talk), &nobody, "x"), Err(ActRefused::NotAllowed), "nor who is known");
    roll.rename(Actor::Viewer(talk), &talk, " Anna's\n\u{202e}phone ").expect("itself");
    assert_eq!(roll.get(&talk).map(|known| known.label.as_str()), Some("Anna'sphone"));
    assert_eq!(roll.revoke(Actor::Viewer(admin2), &owner).expect_err("above"), ActRefused::NotAllowed);
    roll.revoke(Actor::Viewer(talk), &talk).expect("itself");
    assert!(roll.get(&talk).is_none());
}

#[test]
fn a_roll_is_read_as_it_was_written() {
    let mut stage = Stage::new();
    let owner = stage.known(Role::Owner);
    let gone = stage.known(Role::View);
    stage.roll.revoke(Actor::Board, &id(&gone)).expect("known");
    stage.roll.saw(&id(&owner), Some(LATER));
    let kept = Roll::from_json(&stage.roll.to_json()).expect("readable");
    assert!(kept.viewers().eq(stage.roll.viewers()));
    assert_eq!(kept.latest(), Some(LATER));
    assert_eq!(kept.judge(&id(&gone), WALL).expect_err("gone"), Reason::Revoked);
    assert!(matches!(Roll::from_json(br#"{"v":2}"#), Err(RollError::Version(2))));
    assert!(matches!(Roll::from_json(b"{}"), Err(RollError::Damaged(_))));
    assert!(kept.window(stage.now).is_none(), "no window is kept");
}

#[test]
fn so_many_revoked_are_remembered() {
    let mut stage = Stage::new();
    let ids: Vec<_> = (0..=REVOKED)
        .map(|_| {
            let id = id(&stage.known(Role::View));
            stage.roll.revoke(Actor::Board, &id).expect("known");
            id
        })
        .collect();
    assert_eq!(stage.roll.judge(&ids[0], WALL).expect_err("gone"), Reason::NotPaired);
    assert_eq!(stage.roll.judge(&ids[1], WALL).expect_err("gone"), Reason::Revoked);
}

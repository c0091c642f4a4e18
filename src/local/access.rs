//! Who may do what with the embedded broker. Pure, apart from its locks: time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::tries::Tries;
use crate::config::Secret;

/// The user name of viewers.
pub(super) const VIEWER: &str = "viewer";
/// The user name of the daemon itself.
const CAMERA: &str = "camera";
/// Its MQTT client ids begin so, and end with the camera's id. By them it is known, once it was let in.
const CAMERA_CLIENT: &str = "lunette-";

/// Who a client of the broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The daemon.
    Camera,
    /// A page.
    Viewer,
}

/// Why a client is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Wrong or absent user name or password.
    Password,
    /// Too many wrong passwords from this address.
    Wait,
    /// Not by these means.
    Forbidden,
}

/// A client's first message, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello<'a> {
    /// The other end of the TCP connection.
    pub(super) from: Option<SocketAddr>,
    pub(super) client_id: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a [u8]>,
    /// The last will's topic.
    pub(super) will: Option<&'a str>,
}

/// The rules, and who is connected.
#[derive(Debug)]
pub(super) struct Access {
    cameras: Vec<String>,
    password: Option<Secret>,
    camera_password: Secret,
    bridged: Mutex<HashMap<SocketAddr, IpAddr>>,
    tries: Mutex<Tries>,
}

/// A connection from the bridge to the broker, known as such until this is dropped.
#[derive(Debug)]
pub(super) struct Bridged {
    access: Arc<Access>,
    from: SocketAddr,
}

impl Drop for Bridged {
    fn drop(&mut self) {
        locked(&self.access.bridged).remove(&self.from);
    }
}

impl Access {
    /// Rules for these camera ids. `password` is the viewers'; `None` lets every viewer in.
    pub(super) fn new(cameras: Vec<String>, password: Option<Secret>) -> Result<Self, getrandom::Error> {
        Ok(Self {
            cameras,
            password,
            camera_password: Secret::new(random()?),
            bridged: Mutex::default(),
            tries: Mutex::default(),
        })
    }

    /// Whether viewers give a password.
    pub(super) fn wants_password(&self) -> bool {
        self.password.is_some()
    }

    /// User name and password of the daemon.
    pub(super) fn camera_login(&self) -> (&str, &Secret) {
        (CAMERA, &self.camera_password)
    }

    /// Notes that the connection which the broker will see coming from `from` belongs to a viewer at `peer`.
    pub(super) fn bridge(self: &Arc<Self>, from: SocketAddr, peer: IpAddr) -> Bridged {
        locked(&self.bridged).insert(from, peer);
        Bridged { access: self.clone(), from }
    }

    /// Decides whether a client may come in, and as what.
    pub(super) fn admit(&self, hello: Hello<'_>, now: Instant) -> Result<Role, Denied> {
        let peer = hello.from.and_then(|from| locked(&self.bridged).get(&from).copied());
        let Some(peer) = peer else {
            // Not by the bridge: only the daemon itself comes this way.
            return self.admit_camera(hello);
        };
        // The broker publishes a will without asking the rules, so a viewer has none.
        if hello.will.is_some() || self.role(hello.client_id) == Role::Camera {
            return Err(Denied::Forbidden);
        }
        let Some(password) = &self.password else { return Ok(Role::Viewer) };
        if hello.user.is_none() && hello.password.is_none() {
            // A page that does not know yet that a password is wanted.
            return Err(Denied::Password);
        }
        if !locked(&self.tries).begin(peer, now) {
            return Err(Denied::Wait);
        }
        if hello.user == Some(VIEWER) && same(hello.password, password) {
            locked(&self.tries).succeed(peer);
            return Ok(Role::Viewer);
        }
        Err(Denied::Password)
    }

    fn admit_camera(&self, hello: Hello<'_>) -> Result<Role, Denied> {
        let ours = hello.client_id.strip_prefix(CAMERA_CLIENT).is_some_and(|camera| self.is_ours(camera));
        if !ours || hello.user != Some(CAMERA) || !same(hello.password, &self.camera_password) {
            return Err(Denied::Password);
        }
        match hello.will {
            Some(topic) if !self.may_publish(Role::Camera, topic, true) => Err(Denied::Forbidden),
            _ => Ok(Role::Camera),
        }
    }

    /// The role of a client that was admitted.
    pub(super) fn role(&self, client_id: &str) -> Role {
        if client_id.starts_with(CAMERA_CLIENT) { Role::Camera } else { Role::Viewer }
    }

    /// Whether a client may publish.
    pub(super) fn may_publish(&self, role: Role, topic: &str, retain: bool) -> bool {
        match (role, Topic::parse(topic)) {
            (Role::Camera, Some((camera, _))) => self.is_ours(camera) && !topic.contains(['#', '+']),
            (Role::Viewer, Some((_, Topic::Request))) => !retain,
            _ => false,
        }
    }

    /// Whether a client may subscribe. A viewer hears what is said to it alone: its MQTT client id begins with its viewer id.
    pub(super) fn may_subscribe(&self, role: Role, client_id: &str, filter: &str) -> bool {
        match (role, Topic::parse(filter)) {
            (Role::Camera, Some((camera, _))) => self.is_ours(camera),
            (Role::Viewer, Some((_, Topic::ForViewers))) => true,
            (Role::Viewer, Some((_, Topic::ForOne(viewer)))) => viewer_of(client_id) == Some(viewer),
            _ => false,
        }
    }

    fn is_ours(&self, camera: &str) -> bool {
        self.cameras.iter().any(|c| c == camera)
    }
}

/// What a topic below `lunette/1/<camera>/` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic<'a> {
    /// From viewers.
    Request,
    /// To all viewers.
    ForViewers,
    /// To one, whose id this is.
    ForOne(&'a str),
    Other,
}

impl<'a> Topic<'a> {
    /// The camera's id, and what the topic is for. In ids no wildcard can hide.
    fn parse(topic: &'a str) -> Option<(&'a str, Self)> {
        let (camera, rest) = topic.strip_prefix("lunette/1/")?.split_once('/')?;
        if !is_id(camera) {
            return None;
        }
        let it = match rest {
            "req" => Self::Request,
            "status" | "challenge" => Self::ForViewers,
            _ => match rest.strip_prefix("res/") {
                Some(viewer) if is_id(viewer) => Self::ForOne(viewer),
                _ => Self::Other,
            },
        };
        Some((camera, it))
    }
}

/// The viewer whose client this is: `<viewer id>`, or `<viewer id>-` and anything.
fn viewer_of(client_id: &str) -> Option<&str> {
    let viewer = client_id.split('-').next().unwrap_or_default();
    is_id(viewer).then_some(viewer)
}

/// Camera and viewer ids: 26 characters of lower-case base32.
fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}

/// Compares in a time that depends on neither content nor length.
fn same(given: Option<&[u8]>, secret: &Secret) -> bool {
    let given = Sha256::digest(given.unwrap_or_default());
    given.ct_eq(&Sha256::digest(secret.expose())).into()
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::tries::{TRIES, WINDOW};
    use super::*;
    use proptest::prelude::*;

    const CAM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
    const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbb";
    const ME: &str = "mmmmmmmmmmmmmmmmmmmmmmmmmm";

    fn access(password: Option<&str>) -> Arc<Access> {
        Arc::new(Access::new(vec![CAM.into()], password.map(Secret::new)).unwrap())
    }

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn viewer(password: &str) -> Hello<'_> {
        let password = Some(password.as_bytes());
        Hello { from: Some(at(1)), client_id: "page", user: Some(VIEWER), password, will: None }
    }

    #[test]
    fn topics_of_each_role() {
        let access = access(None);
        let topic = |rest: &str| format!("lunette/1/{CAM}/{rest}");
        let res = topic(&format!("res/{OTHER}"));
        for (t, camera_pub, camera_sub, viewer_pub, viewer_sub) in [
            (topic("req"), true, true, true, false),
            (topic("status"), true, true, false, true),
            (topic("event"), true, true, false, false),
            (topic("challenge"), true, true, false, true),
            (res, true, true, false, false),
            (topic(&format!("res/{ME}")), true, true, false, true),
            (topic("res/+"), false, true, false, false),
            (topic("#"), false, true, false, false),
            (topic("res/short"), true, true, false, false),
            (topic("status/"), true, true, false, false),
            (format!("lunette/1/{OTHER}/req"), false, false, true, false),
            (format!("lunette/1/{OTHER}/status"), false, false, false, true),
            ("lunette/1/+/status".into(), false, false, false, false),
            (format!("$share/x/lunette/1/{CAM}/req"), false, false, false, false),
            (format!("lunette/2/{CAM}/req"), false, false, false, false),
            ("#".into(), false, false, false, false),
            ("$SYS/#".into(), false, false, false, false),
            (String::new(), false, false, false, false),
        ] {
            assert_eq!(access.may_publish(Role::Camera, &t, true), camera_pub, "camera publishes {t}");
            assert_eq!(access.may_subscribe(Role::Camera, "", &t), camera_sub, "camera subscribes {t}");
            assert_eq!(access.may_publish(Role::Viewer, &t, false), viewer_pub, "viewer publishes {t}");
            assert_eq!(
                access.may_subscribe(Role::Viewer, &format!("{ME}-tab"), &t),
                viewer_sub,
                "viewer subscribes {t}"
            );
            assert!(!access.may_publish(Role::Viewer, &t, true), "viewer retains {t}");
        }
        let res = topic(&format!("res/{ME}"));
        for client in ["", "page", &ME[..25], &format!("{ME}x"), &format!("-{ME}"), OTHER, "#", "+"] {
            assert!(!access.may_subscribe(Role::Viewer, client, &res), "{client}");
        }
    }

    #[test]
    fn the_camera_comes_directly_and_viewers_by_the_bridge() {
        let (access, now) = (access(None), Instant::now());
        let (user, password) = access.camera_login();
        let id = format!("lunette-{CAM}");
        let will = format!("lunette/1/{CAM}/status");
        let camera = Hello {
            from: Some(at(2)),
            client_id: &id,
            user: Some(user),
            password: Some(password.expose().as_bytes()),
            will: Some(&will),
        };
        assert_eq!(access.admit(camera, now), Ok(Role::Camera));
        assert_eq!(access.role(&id), Role::Camera);
        assert_eq!(access.admit(Hello { will: Some("x"), ..camera }, now), Err(Denied::Forbidden));
        assert_eq!(
            access.admit(Hello { client_id: &format!("lunette-{OTHER}"), ..camera }, now),
            Err(Denied::Password)
        );
        assert_eq!(access.admit(Hello { password: None, ..camera }, now), Err(Denied::Password));
        assert_eq!(access.admit(viewer(""), now), Err(Denied::Password), "not by the bridge");

        let bridged = access.bridge(at(1), [192, 168, 1, 9].into());
        assert_eq!(access.admit(viewer(""), now), Ok(Role::Viewer));
        assert_eq!(access.admit(Hello { will: Some(&will), ..viewer("") }, now), Err(Denied::Forbidden));
        assert_eq!(access.admit(Hello { from: Some(at(1)), ..camera }, now), Err(Denied::Forbidden));
        drop(bridged);
        assert_eq!(access.admit(viewer(""), now), Err(Denied::Password));
    }

    #[test]
    fn wrong_passwords_run_out() {
        let (access, now) = (access(Some("geheim")), Instant::now());
        let _a = access.bridge(at(1), "2001:db8::1".parse().unwrap());
        let _b = access.bridge(at(2), "2001:db8:0:1::1".parse().unwrap());
        let elsewhere = Hello { from: Some(at(2)), ..viewer("geheim") };
        let nobody = Hello { user: None, password: None, ..viewer("") };
        for _ in 0..10 {
            assert_eq!(access.admit(viewer("geheim"), now), Ok(Role::Viewer), "success costs nothing");
            assert_eq!(access.admit(nobody, now), Err(Denied::Password), "nor does asking");
        }
        for _ in 0..TRIES {
            assert_eq!(access.admit(viewer("falsch"), now), Err(Denied::Password));
        }
        assert_eq!(access.admit(viewer("geheim"), now), Err(Denied::Wait));
        assert_eq!(access.admit(elsewhere, now), Ok(Role::Viewer), "another address");
        assert_eq!(access.admit(viewer("geheim"), now + WINDOW), Ok(Role::Viewer), "a minute later");
        assert_eq!(access.admit(Hello { user: Some("root"), ..viewer("geheim") }, now + WINDOW), Err(Denied::Password));
    }

    proptest! {
        #[test]
        fn a_viewers_filter_never_has_a_wildcard(filter in "(lunette/1/[a-z2-7]{26}/)?(res/)?[a-z+#/$]{0,12}([a-z2-7]{26})?") {
            let access = access(None);
            if access.may_subscribe(Role::Viewer, ME, &filter) || access.may_publish(Role::Viewer, &filter, false) {
                prop_assert!(!filter.contains(['+', '#', '$']));
            }
        }
    }
}

//! The viewers' side of signaling: their keys, and what they have open with the camera.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use lunette::keeper::Keeper;
use lunette::signal::message::Request;
use lunette::trust::watcher::{Asked, Asker, Heard, nonce_of};
use lunette::trust::{
    Asking, Binding, CameraId, Challenge, Pinned, Point, Role, Secret, SessionId, SigningKey, ViewerId,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Publish = Box<dyn Fn(&[u8]) + Send + Sync>;
type Challenged = Box<dyn Fn() -> Vec<u8> + Send + Sync>;
type Introduce = Box<dyn Fn(&Point) + Send + Sync>;
type Mailboxes = Mutex<HashMap<ViewerId, mpsc::UnboundedSender<Value>>>;

/// The viewers' side of the signaling.
pub struct Signal {
    way: Way,
    mailboxes: Mailboxes,
}

enum Way {
    /// Of a camera that is nothing but its peer connection.
    Plain(Box<dyn Fn(Value) + Send + Sync>),
    Sealed {
        camera: CameraId,
        publish: Publish,
        challenge: Challenged,
        introduce: Introduce,
        people: Mutex<People>,
    },
}

type People = HashMap<ViewerId, Person>;

struct Person {
    asker: Asker,
    open: Vec<Exchange>,
}

struct Exchange {
    session: Option<SessionId>,
    /// Of an ICE restart: the connection is bound to another.
    restart: bool,
    asked: Asked,
}

impl Signal {
    /// `ask` takes requests with their sender in `from`; what comes back is to be handed to [`Signal::deliver`].
    pub fn plain(ask: impl Fn(Value) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { way: Way::Plain(Box::new(ask)), mailboxes: Mailboxes::default() })
    }

    /// `publish` takes what goes to the request topic, `challenge` is the one of now, `introduce` makes a key known; what comes back
    /// is to be handed to [`Signal::hear`].
    pub fn sealed(camera: CameraId, publish: Publish, challenge: Challenged, introduce: Introduce) -> Arc<Self> {
        let people = Mutex::default();
        let way = Way::Sealed { camera, publish, challenge, introduce, people };
        Arc::new(Self { way, mailboxes: Mailboxes::default() })
    }

    /// A viewer that is known.
    pub fn paired(&self) -> ViewerId {
        let Way::Sealed { introduce, .. } = &self.way else { return ViewerId::random().unwrap() };
        let id = self.stranger();
        introduce(&self.people().unwrap()[&id].asker.key().point());
        id
    }

    /// A viewer that is not known.
    pub fn stranger(&self) -> ViewerId {
        let Some(mut people) = self.people() else { return ViewerId::random().unwrap() };
        let asker = Asker::new(SigningKey::generate().unwrap());
        let id = asker.id();
        people.insert(id, Person { asker, open: Vec::new() });
        id
    }

    fn people(&self) -> Option<MutexGuard<'_, People>> {
        match &self.way {
            Way::Plain(_) => None,
            Way::Sealed { people, .. } => Some(people.lock().unwrap()),
        }
    }

    fn challenge(&self) -> Option<Challenge> {
        let Way::Sealed { camera, challenge, .. } = &self.way else { return None };
        Some(Pinned::new(*camera).take(&challenge()).unwrap())
    }

    /// Asks something, as the page does.
    pub fn request(&self, from: ViewerId, request: &Request) {
        let (session, restart) = match request {
            Request::Offer(offer) => (Some(offer.session), offer.restart > 0),
            Request::Candidate { session, .. } | Request::Bye { session } => (Some(*session), false),
            _ => (None, false),
        };
        let plain = request.to_json();
        if request.goes_on()
            && let Some(mut people) = self.people()
        {
            let open = &mut people.get_mut(&from).unwrap().open;
            let exchange = open.iter_mut().rfind(|exchange| exchange.session == session);
            let payload = exchange.map(|exchange| exchange.asked.more(&plain).unwrap());
            drop(people);
            // Of a session that it never had there is nothing to say.
            payload.iter().for_each(|payload| self.publish(payload));
            return;
        }
        self.ask(from, session, restart, &plain);
    }

    /// Opens an exchange.
    pub fn ask(&self, from: ViewerId, session: Option<SessionId>, restart: bool, plain: &[u8]) {
        match &self.way {
            Way::Plain(ask) => {
                let mut message: Value = serde_json::from_slice(plain).unwrap();
                message["from"] = json!(from);
                ask(message);
            }
            Way::Sealed { .. } => {
                let challenge = self.challenge().unwrap();
                let mut people = self.people().unwrap();
                let person = people.get_mut(&from).unwrap();
                let (payload, asked) = person.asker.open(&challenge, plain).unwrap();
                person.open.push(Exchange { session, restart, asked });
                drop(people);
                self.publish(&payload);
            }
        }
    }

    /// Publishes on the request topic, as it is.
    pub fn publish(&self, payload: &[u8]) {
        if let Way::Sealed { publish, .. } = &self.way {
            publish(payload);
        }
    }

    /// Takes what came on the topic of a viewer.
    pub fn hear(&self, to: ViewerId, payload: &[u8]) {
        if !self.people().unwrap().contains_key(&to) {
            return;
        }
        let challenge = self.challenge().unwrap();
        let message = {
            let mut people = self.people().unwrap();
            let Some(person) = people.get_mut(&to) else { return };
            let nonce = nonce_of(payload).unwrap();
            let exchange = person.open.iter_mut().find(|exchange| exchange.asked.nonce() == nonce).unwrap();
            match exchange.asked.hear(payload, &challenge).unwrap() {
                Heard::Message(plain) => serde_json::from_slice(&plain).unwrap(),
                Heard::Refused(reason) => json!({"type": "turned", "reason": reason.to_string()}),
            }
        };
        self.deliver(to, message);
    }

    /// What binds the connection of a session to its exchanges; `None`: nothing does.
    pub fn binding(&self, viewer: ViewerId, session: SessionId) -> Option<Binding> {
        let people = self.people()?;
        let open = people[&viewer].open.iter().rev();
        let mut of_session = open.filter(|exchange| exchange.session == Some(session) && !exchange.restart);
        of_session.find_map(|exchange| exchange.asked.binding().cloned())
    }

    /// Hands a message to its viewer.
    pub fn deliver(&self, to: ViewerId, message: Value) {
        if let Some(mailbox) = self.mailboxes.lock().unwrap().get(&to) {
            let _ = mailbox.send(message);
        }
    }

    /// What the camera answers to a viewer.
    pub fn mailbox(&self, viewer: ViewerId) -> mpsc::UnboundedReceiver<Value> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.mailboxes.lock().unwrap().insert(viewer, sender);
        receiver
    }

    pub fn forget(&self, viewer: ViewerId) {
        self.mailboxes.lock().unwrap().remove(&viewer);
        if let Some(mut people) = self.people() {
            people.remove(&viewer);
        }
    }
}

/// Makes a key known, as a viewer that only watches.
pub fn introduce(keeper: &Keeper, key: &Point) {
    let secret = Secret::random().unwrap();
    let asking = json!({"secret": &*secret.text(), "label": "a test"});
    let asking: Asking = serde_json::from_value(asking).unwrap();
    let mut roll = keeper.roll();
    roll.open_window(&secret, Role::View, Instant::now());
    roll.pair(&keeper.camera(), key, &asking, Instant::now(), keeper.wall()).unwrap();
}

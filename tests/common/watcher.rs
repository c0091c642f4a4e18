//! A viewer of another implementation: str0m, one UDP socket, driven by hand so that loss and reorder can be made.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lunette::signal::message::{Candidate, Offer, Request};
use lunette::trust::{Binding, Fingerprint, SessionId, Side, ViewerId};
use serde_json::{Value, json};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Event, Input, Output, Rtc};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::{Signal, replay};

/// What became of a datagram on the way to the viewer.
pub enum Fate {
    Arrives,
    Lost,
    /// After the next one.
    Late,
}

/// A link of a limited rate with a queue, through which everything comes to the viewer.
pub struct Cap {
    pub bits_per_second: f64,
    /// The queue's room, in time.
    pub room: Duration,
    /// How long it takes beyond that, each way: at least, and evenly up to so much more, in order.
    pub takes: (Duration, Duration),
    free: Instant,
    queue: VecDeque<(Instant, Vec<u8>, SocketAddr)>,
    /// The way back, without a limit.
    back: VecDeque<(Instant, Vec<u8>, SocketAddr)>,
    random: u64,
    /// Bits that came through.
    pub came: f64,
}

impl Cap {
    pub fn new(bits_per_second: f64) -> Self {
        Self {
            bits_per_second,
            room: Duration::from_millis(1500),
            takes: (Duration::ZERO, Duration::ZERO),
            free: Instant::now(),
            queue: VecDeque::new(),
            back: VecDeque::new(),
            random: 0x9e37_79b9_7f4a_7c15,
            came: 0.0,
        }
    }

    /// The next packet's time on the way.
    fn takes(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.takes.0 + self.takes.1.mul_f64((self.random >> 32) as f64 / f64::from(u32::MAX))
    }

    fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        let now = Instant::now();
        self.free = self.free.max(now);
        if self.free - now > self.room {
            return;
        }
        // With the headers of UDP and IP.
        let bits = (datagram.len() + 28) as f64 * 8.0;
        self.free += Duration::from_secs_f64(bits / self.bits_per_second);
        self.came += bits;
        let comes = self.free + self.takes();
        let comes = self.queue.back().map_or(comes, |(at, ..)| comes.max(*at));
        self.queue.push_back((comes, datagram.to_vec(), from));
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddr) {
        let comes = Instant::now() + self.takes();
        let comes = self.back.back().map_or(comes, |(at, ..)| comes.max(*at));
        self.back.push_back((comes, datagram.to_vec(), to));
    }

    /// When the next datagram has come, either way.
    fn next(&self) -> Option<Instant> {
        self.queue.front().into_iter().chain(self.back.front()).map(|(at, ..)| *at).min()
    }
}

/// The next one, if it has come.
fn come(queue: &mut VecDeque<(Instant, Vec<u8>, SocketAddr)>) -> Option<(Vec<u8>, SocketAddr)> {
    let due = queue.front().is_some_and(|(at, ..)| *at <= Instant::now());
    due.then(|| queue.pop_front())?.map(|(_, datagram, from)| (datagram, from))
}

/// One picture as it came out.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    /// Of a replay camera.
    pub number: Option<u32>,
    pub key: bool,
    pub contiguous: bool,
    pub no_delay: bool,
    pub data: Arc<[u8]>,
}

pub struct Watcher {
    pub id: ViewerId,
    pub session: SessionId,
    pub rtc: Rtc,
    pub connected: bool,
    pub closed: bool,
    pub pictures: Vec<Seen>,
    pub control: Vec<Value>,
    /// Everything the camera said to this viewer by signaling.
    pub said: Vec<Value>,
    /// What the network does; gets the datagram's first bytes' kind: is it media?
    pub network: Box<dyn FnMut(bool) -> Fate + Send>,
    pub cap: Option<Cap>,
    pub offered: Instant,
    /// Keeps whole pictures; off for long runs.
    pub keep: bool,
    pub count: u64,
    /// Which stream it asks for.
    pub stream: Option<String>,
    /// Whether nothing that it sends arrives.
    pub mute: bool,
    /// How often it has restarted.
    pub restarts: u32,
    /// What it says first on the data channel; `None`: what is right.
    pub first_word: Option<String>,
    /// Whether the camera has shown that the connection is its own.
    pub bound: bool,
    /// Packets of RTP that came.
    pub media: u64,
    offer: String,
    pending: Option<SdpPendingOffer>,
    mid: Mid,
    channel: Option<ChannelId>,
    socket: UdpSocket,
    local: SocketAddr,
    signal: Arc<Signal>,
    mailbox: mpsc::UnboundedReceiver<Value>,
    late: Option<(Vec<u8>, SocketAddr)>,
}

impl Watcher {
    /// Makes a viewer, and sends its offer.
    pub async fn join(signal: Arc<Signal>) -> Self {
        let mut watcher = Self::new(signal).await;
        watcher.offer();
        watcher
    }

    pub async fn new(signal: Arc<Signal>) -> Self {
        Self::at("127.0.0.1", signal).await
    }

    /// A viewer with this address.
    pub async fn at(ip: &str, signal: Arc<Signal>) -> Self {
        let id = signal.paired();
        Self::known_as(id, ip, signal).await
    }

    /// A viewer with this id, which may be a stranger's.
    pub async fn known_as(id: ViewerId, ip: &str, signal: Arc<Signal>) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let local = socket.local_addr().unwrap();
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_h264(true)
            .set_extension(9, Extension::PlayoutDelay)
            .build(Instant::now());
        rtc.add_local_candidate(str0m::Candidate::host(local, "udp").unwrap());
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        changes.add_channel("control".into());
        let (offer, pending) = changes.apply().unwrap();
        let mailbox = signal.mailbox(id);
        Self {
            id,
            session: SessionId::random().unwrap(),
            rtc,
            connected: false,
            closed: false,
            pictures: vec![],
            control: vec![],
            said: vec![],
            network: Box::new(|_| Fate::Arrives),
            cap: None,
            offered: Instant::now(),
            keep: true,
            count: 0,
            stream: None,
            mute: false,
            restarts: 0,
            first_word: None,
            bound: false,
            media: 0,
            offer: offer.to_sdp_string(),
            pending: Some(pending),
            mid,
            channel: None,
            socket,
            local,
            signal,
            mailbox,
            late: None,
        }
    }

    /// Of its socket.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// One more candidate.
    pub fn put_into_offer(&mut self, candidate: &str) {
        self.offer = self.offer.replacen("a=ice-pwd:", &format!("a={candidate}\r\na=ice-pwd:"), 1);
    }

    /// The offer's text.
    pub fn sdp(&self) -> &str {
        &self.offer
    }

    pub fn offer(&mut self) {
        self.offered = Instant::now();
        let (session, restart) = (self.session, self.restarts);
        let offer = Offer { session, stream: self.stream.clone(), restart, sdp: self.offer.clone() };
        self.request(&Request::Offer(offer));
    }

    /// Offers again with new ICE credentials, in the same session.
    pub fn restart(&mut self) {
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().unwrap();
        (self.offer, self.pending) = (offer.to_sdp_string(), Some(pending));
        self.restarts += 1;
        self.offer();
    }

    pub fn request(&self, request: &Request) {
        self.signal.request(self.id, request);
    }

    pub fn bye(&self) {
        self.request(&Request::Bye { session: self.session });
    }

    pub fn candidate(&self, candidate: Option<Candidate>) {
        self.request(&Request::Candidate { session: self.session, candidate });
    }

    /// Asks for a key frame by RTCP.
    pub fn pli(&mut self) {
        let mid = self.mid;
        if let Some(mut writer) = self.rtc.writer(mid) {
            let _ = writer.request_keyframe(None, KeyframeRequestKind::Pli);
        }
    }

    /// Says something on the data channel.
    pub fn say(&mut self, text: &str) -> bool {
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else { return false };
        channel.write(false, text.as_bytes()).unwrap()
    }

    /// What the connection is bound by, and the fingerprints of both sides.
    pub fn binding(&mut self) -> Option<(Binding, Fingerprint, Fingerprint)> {
        let binding = self.signal.binding(self.id, self.session)?;
        let api = self.rtc.direct_api();
        let viewer = api.local_dtls_fingerprint().bytes.clone().try_into().unwrap();
        let camera = api.remote_dtls_fingerprint().unwrap().bytes.clone().try_into().unwrap();
        Some((binding, viewer, camera))
    }

    /// Shows that the connection is its own.
    fn bind(&mut self) {
        if let Some(word) = self.first_word.clone() {
            // Nothing at all is a word too.
            let _ = !word.is_empty() && self.say(&word);
        } else if let Some((binding, viewer, camera)) = self.binding() {
            let mac = binding.mac(Side::Viewer, &viewer, &camera);
            assert!(self.say(&json!({"type": "bind", "mac": mac}).to_string()));
        }
    }

    /// The last message of a type that came by signaling.
    pub fn told(&self, kind: &str) -> Option<&Value> {
        self.said.iter().rfind(|message| message["type"] == kind)
    }

    /// The last message of a type that came by the data channel.
    pub fn heard(&self, kind: &str) -> Option<&Value> {
        self.control.iter().rfind(|message| message["type"] == kind)
    }

    /// Runs until the condition holds; fails after 20 s.
    pub async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "never: {what}; connected {}, {} pictures, told {:?}",
                self.connected,
                self.pictures.len(),
                self.said.last(),
            );
            self.step(deadline).await;
        }
    }

    /// Runs for so long.
    pub async fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step(end).await;
        }
    }

    /// Waits for one thing to happen, but not beyond `end`.
    async fn step(&mut self, end: Instant) {
        let mut timeout = self.drain().min(end);
        while let Some((datagram, from)) = self.cap.as_mut().and_then(|cap| come(&mut cap.queue)) {
            self.deliver(&datagram, from);
        }
        while let Some((datagram, to)) = self.cap.as_mut().and_then(|cap| come(&mut cap.back)) {
            let _ = self.socket.try_send_to(&datagram, to);
        }
        timeout = self.cap.as_ref().and_then(Cap::next).map_or(timeout, |at| timeout.min(at));
        let mut buffer = [0; 2048];
        tokio::select! {
            received = self.socket.recv_from(&mut buffer) => {
                let (n, from) = received.unwrap();
                self.receive(&buffer[..n], from);
                // All that is there, before the clock is looked at again.
                while let Ok((n, from)) = self.socket.try_recv_from(&mut buffer) {
                    self.receive(&buffer[..n], from);
                }
            }
            Some(message) = self.mailbox.recv() => self.signaled(message),
            () = tokio::time::sleep_until(timeout.into()) => {
                let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
            }
        }
    }

    fn signaled(&mut self, message: Value) {
        if message["session"] == self.session.as_str() && message["type"] == "answer" && self.pending.is_some() {
            let answer = SdpAnswer::from_sdp_string(message["sdp"].as_str().unwrap()).unwrap();
            self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
        }
        if message["type"] == "candidate"
            && let Some(line) = message["candidate"]["candidate"].as_str()
            && let Ok(candidate) = str0m::Candidate::from_sdp_string(line)
        {
            self.rtc.add_remote_candidate(candidate);
        }
        self.said.push(message);
    }

    fn receive(&mut self, datagram: &[u8], from: SocketAddr) {
        // RFC 7983: 128–191 is RTP or RTCP; RTCP has packet types 192–223 (RFC 5761).
        let media = (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1]);
        self.media += u64::from(media);
        match (self.network)(media) {
            Fate::Lost => return,
            Fate::Late if self.late.is_none() => {
                self.late = Some((datagram.to_vec(), from));
                return;
            }
            _ => match &mut self.cap {
                Some(cap) => cap.take(datagram, from),
                None => self.deliver(datagram, from),
            },
        }
        if let Some((datagram, from)) = self.late.take() {
            self.deliver(&datagram, from);
        }
    }

    fn deliver(&mut self, datagram: &[u8], from: SocketAddr) {
        let Ok(contents) = datagram.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source: from, destination: self.local, contents };
        let _ = self.rtc.handle_input(Input::Receive(Instant::now(), receive));
        self.drain();
    }

    fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return at,
                Ok(Output::Transmit(_)) if self.mute => {}
                Ok(Output::Transmit(out)) => match &mut self.cap {
                    Some(cap) => cap.send(&out.contents, out.destination),
                    None => drop(self.socket.try_send_to(&out.contents, out.destination)),
                },
                Ok(Output::Event(event)) => self.event(event),
                Err(_) => {
                    self.closed = true;
                    return Instant::now() + Duration::from_secs(3600);
                }
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::Closed => self.closed = true,
            Event::ChannelOpen(id, _) => {
                self.channel = Some(id);
                self.bind();
            }
            Event::ChannelData(data) => {
                let message = serde_json::from_slice::<Value>(&data.data).unwrap();
                if message["type"] == "bind" {
                    assert!(self.control.is_empty(), "it comes first");
                    let (binding, viewer, camera) = self.binding().unwrap();
                    self.bound = binding.check(Side::Camera, &viewer, &camera, message["mac"].as_str().unwrap());
                    assert!(self.bound, "the camera's word is right");
                }
                self.control.push(message);
            }
            Event::MediaData(data) => {
                self.count += 1;
                let delay = (data.ext_vals.play_delay_min, data.ext_vals.play_delay_max);
                let seen = Seen {
                    at: Instant::now(),
                    number: replay::number(&data.data),
                    key: data.is_keyframe(),
                    contiguous: data.contiguous,
                    no_delay: matches!(delay, (Some(min), Some(max)) if min.numer() == 0 && max.numer() == 0),
                    data: data.data.clone(),
                };
                if !self.keep {
                    self.pictures.clear();
                }
                self.pictures.push(seen);
            }
            _ => {}
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.signal.forget(self.id);
    }
}

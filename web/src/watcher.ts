/** Watches one camera: does what `Watch` says, with a real peer connection, the real broker and the real clock. */
import { randomId } from './base32';
import { Clock } from './clock';
import { Latency } from './latency';
import type { Meter } from './meter';
import { h264Codecs, Peer } from './peer';
import { wantsWelcome } from './presence';
import type { Roster } from './roster';
import type { ControlFromCamera, Numbers } from './signal/control';
import type { Talk } from './line';
import { bye, candidate, offer, type Candidate, type FromCamera, type IceServer } from './signal/message';
import { fingerprintIn } from './trust/binding';
import type { RefusalReason } from './trust/refusal';
import type { Sample } from './stats';
import { Streams } from './streams';
import { Watch, type Effect, type Input } from './watch';
import { Ways } from './ways';

const TICK = 250;
const STATS_EACH = 1000;
const MOST_CANDIDATES = 64;

export interface Counters {
  sessions: number; offers: number; losses: number; restarts: number; answers: number; candidatesIn: number; candidatesOut: number; pongs: number;
}

/** All that belongs to one session and goes with it. */
class Session {
  peer: Peer;
  candidates: Candidate[] = [];
  offered = false;
  clock = new Clock();
  latency = new Latency();
  pings = 0;
  nextPing = 0;
  sample: Sample | undefined;
  sampling = false;
  stalled = false;
  nextSample = 0;
  numbers: Numbers = {};
  note = '';
  closed = false;
  /** the last ICE restart that was offered */
  restart = 0;
  /** each offer opens an exchange; the newest is the one that is answered */
  talks: Talk[] = [];

  constructor(readonly id: string, readonly stream: string | undefined, public ways: Ways, peer: (session: Session) => Peer) {
    this.peer = peer(this);
  }
}

export class Watcher {
  readonly watch = new Watch({ random: Math.random, id: randomId });
  readonly supported = h264Codecs().length > 0;
  readonly streams: Streams;
  /** does this browser tell which picture it shows? Believed until it has shown one without saying so */
  rtpKnown = 'requestVideoFrameCallback' in HTMLVideoElement.prototype;
  #counts = { answers: 0, candidatesIn: 0, candidatesOut: 0, pongs: 0 };
  #session: Session | undefined;
  #past: Session | undefined; // the one before: why it ended may be told a little later
  #timer: ReturnType<typeof setInterval>;
  #frameCallback = 0;
  #up = false;
  #ice: readonly IceServer[] | undefined;
  #ways: Ways | undefined; // of the last session

  constructor(
    readonly camera: string, private readonly roster: Roster, readonly video: HTMLVideoElement,
    readonly meter: Meter | undefined, chosen: string | undefined, public relayOnly: boolean,
    private readonly on: { change(): void; closing(): void; chose(stream: string): void },
  ) {
    this.streams = new Streams(chosen);
    this.#timer = setInterval(() => this.#tick(), TICK);
    if (!this.supported) this.watch.state = { is: 'stopped', why: { reason: 'unsupported', text: '' } };
    this.visibility();
    this.#onPicture();
  }

  get counters(): Counters {
    const { sessions, offers, losses, restarts } = this.watch;
    return { sessions, offers, losses, restarts, ...this.#counts };
  }
  /** What is known about the running session, for the details. */
  get session(): Pick<Session, 'sample' | 'numbers' | 'note' | 'latency' | 'clock' | 'id'> | undefined {
    return this.#session;
  }

  /** The broker or the camera's presence is different. */
  changed(): void {
    const p = this.roster.presence(this.camera);
    const up = this.roster.broker(this.camera).is === 'up';
    this.streams.listed(p.streams);
    const online = p.refusal ? undefined : p.online; // whatever it says to others
    const presence: Input = { is: 'presence', online, boot: p.boot, fresh: !wantsWelcome(p, Date.now()) };
    this.#handle(presence);
    if (up !== this.#up) this.#handle({ is: 'broker', up });
    this.#up = up;
  }

  /** The camera said so, in an exchange of this session; all else is of no interest. */
  heard(m: FromCamera, talk: Talk): void {
    const s = this.#session;
    const { id, talks } = this.#past ?? {};
    if (m.type === 'end' && m.session === id && talks?.includes(talk)) {
      return this.#handle({ is: 'end', session: id, reason: m.reason, text: m.text });
    }
    if (!s?.talks.includes(talk) || ('session' in m && m.session !== undefined && m.session !== s.id)) return;
    switch (m.type) {
      case 'answer':
        if (talk !== s.talks.at(-1) || !fingerprintIn(m.sdp)) return;
        if (m.restart === undefined && talk.exchange?.kbind) s.peer.bind(talk.exchange.kbind);
        s.note = m.note ?? '';
        s.ways.described(m.sdp, 'camera');
        this.#counts.answers++;
        return this.#handle({ is: 'answer', session: m.session, sdp: m.sdp, ...(m.restart !== undefined && { restart: m.restart }) });
      case 'candidate':
        this.#counts.candidatesIn++;
        s.ways.told(m.candidate, 'camera');
        return s.peer.candidate(m.candidate);
      case 'restart': return this.#handle({ is: 'restart', session: m.session });
      case 'ice':
        this.#ice = m.ice;
        return s.peer.configure(m.ice, this.relayOnly);
      case 'end': return this.#handle({ is: 'end', session: m.session, reason: m.reason, text: m.text });
      case 'refused':
        if (talk !== s.talks.at(-1)) return;
        if (m.reason === 'unknown_stream') this.streams.refuse();
        return this.#handle({ is: 'refused', re: m.re, session: s.id, reason: m.reason, text: m.text });
    }
  }

  /** The camera did not open what was sealed for it. */
  refused(reason: RefusalReason, talk: Talk): void {
    const s = this.#session;
    if (s && talk === s.talks.at(-1)) this.#handle({ is: 'refused', re: 'offer', session: s.id, reason, text: '' });
  }

  network(): void {
    this.#handle({ is: 'network' });
  }
  /** Why this side found no way, in the session of the moment or the one before. */
  get ways(): string {
    return (this.#session?.ways ?? this.#ways)?.why() ?? '';
  }
  /** Only by a TURN server, or by any way: from now on, and in the running session. */
  relay(only: boolean): void {
    if (only === this.relayOnly) return;
    this.relayOnly = only;
    this.#handle({ is: 'network' });
  }
  again(): void {
    if (this.supported) this.#handle({ is: 'again' });
  }
  /** Another stream of the camera, from now on. */
  choose(stream: string): void {
    this.streams.choose(stream);
    this.on.chose(stream);
    this.#askForStream();
    this.on.change();
  }
  visibility(): void {
    this.#handle({ is: 'hidden', hidden: document.hidden && document.pictureInPictureElement !== this.video });
  }

  /** `closing`: the page itself goes, so what has to be said is said at once. */
  leave(closing: boolean): void {
    const talk = this.#session?.talks.at(-1);
    if (closing && talk) this.roster.lastWord(this.camera, talk);
    this.#handle({ is: 'leave' });
    this.#forgetPast();
    clearInterval(this.#timer);
    if (this.#frameCallback) this.video.cancelVideoFrameCallback(this.#frameCallback);
    this.video.srcObject = null;
  }

  #handle(input: Input): void {
    this.#carryOut(this.watch.handle(input, performance.now()));
    this.on.change();
  }

  #tick(): void {
    const now = performance.now();
    this.#carryOut(this.watch.poll(now));
    const s = this.#session;
    this.streams.poll(now);
    this.#askForStream();
    if (s && this.watch.state.is === 'live') {
      if (s.peer.open && now >= s.nextPing) {
        s.peer.send({ type: 'ping', id: ++s.pings, t: performance.now() });
        s.nextPing = now + s.clock.pingAfter();
      }
      if (now >= s.nextSample && !s.sampling) {
        s.nextSample = now + (s.stalled ? TICK : STATS_EACH);
        void this.#sample(s);
      }
    }
    this.on.change();
  }

  async #sample(s: Session): Promise<void> {
    s.sampling = true;
    try {
      const before = s.sample;
      const sample = (s.sample = await s.peer.stats(before));
      s.stalled = sample.packets === before?.packets; // looked at more closely
      if (s.closed) return;
      this.#handle({
        is: 'media', session: s.id, packets: sample.packets, received: sample.received, decoded: sample.decoded,
        alive: this.#counts.pongs,
      });
      // Where the browser does not tell of shown pictures, a decoded one is as good.
      if (sample.decoded > 0 && !('requestVideoFrameCallback' in this.video)) this.#handle({ is: 'picture', session: s.id });
    } finally {
      s.sampling = false;
    }
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const e of effects) {
      const s = this.#session;
      if (e.do === 'open') this.#open(e.session);
      else if (e.do === 'bye') {
        s?.peer.send({ type: 'bye' });
        const talk = s?.talks.at(-1);
        if (talk) this.roster.say(this.camera, talk, bye(e.session));
      } else if (!s || s.id !== e.session) continue;
      else if (e.do === 'offer') {
        const talk = this.roster.open(this.camera, offer(s.id, e.sdp, s.stream, e.restart));
        if (talk) {
          s.talks.push(talk);
          s.offered = true;
        }
      } else if (e.do === 'restart') {
        this.roster.doubt(this.camera); // it may have lost its way, too
        this.#restart(s, e.restart);
      } else if (e.do === 'candidates') for (const c of s.candidates) this.#sendCandidate(s, c);
      else if (e.do === 'answer') this.#try(s, s.peer.answer(e.sdp));
      else if (e.do === 'key') s.peer.send({ type: 'key' });
      else if (e.do === 'close') {
        s.closed = true;
        this.#forgetPast();
        this.#past = s;
        this.#ways = s.ways;
        this.on.closing();
        s.peer.close();
        this.streams.end();
        this.#session = undefined;
      }
    }
  }

  /** The newest that the camera has named: by `ice` to this session, or by `welcome` to all. */
  #servers(): readonly IceServer[] {
    return this.#ice ?? this.roster.presence(this.camera).welcome?.ice ?? [];
  }

  #restart(s: Session, n: number): void {
    s.restart = n;
    s.candidates = [];
    s.offered = false;
    s.ways = new Ways(this.#servers(), this.relayOnly);
    s.peer.configure(this.#servers(), this.relayOnly);
    this.#try(s, s.peer.restart().then((sdp) => {
      if (!s.closed && s.restart === n) this.#handle({ is: 'offered', session: s.id, restart: n, sdp });
    }));
  }

  #forgetPast(): void {
    for (const talk of this.#past?.talks ?? []) this.roster.endTalk(this.camera, talk);
    this.#past = undefined;
  }

  #open(id: string): void {
    this.#forgetPast();
    this.#ice = undefined;
    const ice = this.#servers();
    const ways = new Ways(ice, this.relayOnly);
    const s = (this.#session = new Session(id, this.streams.begin(), ways, (s) => new Peer(ice, this.relayOnly, {
      trouble: (trouble) => s.ways.failed(trouble),
      candidate: (c) => {
        s.ways.told(c, 'mine');
        if (s.candidates.length >= MOST_CANDIDATES) return;
        s.candidates.push(c);
        if (s.offered) this.#sendCandidate(s, c);
      },
      state: (state) => this.#handle({ is: 'peer', session: id, state }),
      track: (stream) => {
        this.video.srcObject = stream;
        this.video.play().catch(() => {}); // muted: only a power saver or a closed page says no
      },
      control: (m) => this.#control(s, m),
      unbound: () => this.#handle({ is: 'unbound', session: id }),
      silent: () => this.#handle({ is: 'broken', session: id, text: 'The camera did not say who it is.' }),
    })));
    this.#try(s, s.peer.offer().then((sdp) => s.closed || this.#handle({ is: 'offered', session: id, sdp })));
  }

  #try(s: Session, work: Promise<unknown>): void {
    work.catch((e: unknown) => s.closed || this.#handle({ is: 'broken', session: s.id, text: String(e) }));
  }

  #sendCandidate(s: Session, c: Candidate): void {
    const talk = s.talks.at(-1);
    if (talk && this.roster.say(this.camera, talk, candidate(s.id, c))) this.#counts.candidatesOut++;
  }

  #control(s: Session, m: ControlFromCamera): void {
    if (m.type === 'pong') {
      this.#counts.pongs++;
      s.clock.pong(m.t, performance.now(), m.wall);
    } else if (m.type === 'camera') this.#handle({ is: 'source', session: s.id, source: { state: m.state, text: m.text } });
    else if (m.type === 'bye') this.#handle({ is: 'farewell', session: s.id });
    else if (m.type === 'restart') this.#handle({ is: 'restart', session: s.id });
    else if (m.type === 'stream') {
      const before = this.streams.chosen;
      this.streams.heard(m.id, m.text, performance.now());
      if (this.streams.chosen !== undefined && this.streams.chosen !== before) this.on.chose(this.streams.chosen);
      this.on.change();
    } else if (m.type === 'stats') {
      s.numbers = m.numbers;
      this.streams.counted(m.numbers.stream);
      if (m.numbers.rtp !== undefined && m.numbers.wall !== undefined) s.latency.reference(m.numbers.rtp, m.numbers.wall);
    }
  }

  #askForStream(): void {
    const peer = this.#session?.peer;
    if (!peer?.open) return;
    const id = this.streams.due(performance.now());
    if (id !== undefined) peer.send({ type: 'stream', id });
  }

  #onPicture(): void {
    if (!('requestVideoFrameCallback' in this.video)) return;
    this.#frameCallback = this.video.requestVideoFrameCallback((_, m) => {
      this.#onPicture();
      const s = this.#session;
      if (!s) return;
      if (this.watch.state.is !== 'live' || this.watch.state.picture === undefined) {
        this.#handle({ is: 'picture', session: s.id });
      }
      this.rtpKnown = m.rtpTimestamp !== undefined;
      const offset = s.clock.best()?.offset;
      if (m.rtpTimestamp !== undefined && offset !== undefined) s.latency.frame(m.rtpTimestamp, m.presentationTime + offset);
      void this.meter?.shown(this.video, m);
    });
  }
}

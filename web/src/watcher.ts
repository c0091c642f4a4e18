/** Watches one camera: does what `Watch` says, with a real peer connection, the real broker and the real clock. */
import { randomId } from './base32';
import { Clock } from './clock';
import { Latency } from './latency';
import type { Meter } from './meter';
import { h264Codecs, Peer } from './peer';
import { wantsWelcome } from './presence';
import type { Roster } from './roster';
import type { ControlFromCamera, Numbers } from './signal/control';
import { bye, candidate, offer, type Candidate, type FromCamera } from './signal/message';
import type { Sample } from './stats';
import { Streams } from './streams';
import { Watch, type Effect, type Input } from './watch';

const TICK = 250;
const STATS_EACH = 1000;
const MOST_CANDIDATES = 64;

export interface Counters {
  sessions: number; offers: number; losses: number; answers: number; candidatesIn: number; candidatesOut: number; pongs: number;
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
  nextSample = 0;
  numbers: Numbers = {};
  note = '';
  closed = false;

  constructor(readonly id: string, readonly stream: string | undefined, peer: (session: Session) => Peer) {
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
  #timer: ReturnType<typeof setInterval>;
  #frameCallback = 0;
  #up = false;

  constructor(
    readonly camera: string, private readonly roster: Roster, readonly video: HTMLVideoElement,
    readonly meter: Meter | undefined, chosen: string | undefined,
    private readonly on: { change(): void; closing(): void; chose(stream: string): void },
  ) {
    this.streams = new Streams(chosen);
    this.#timer = setInterval(() => this.#tick(), TICK);
    if (!this.supported) this.watch.state = { is: 'stopped', why: { reason: 'unsupported', text: '' } };
    this.visibility();
    this.#onPicture();
  }

  get counters(): Counters {
    const { sessions, offers, losses } = this.watch;
    return { sessions, offers, losses, ...this.#counts };
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
    const presence: Input = { is: 'presence', online: p.online, boot: p.boot, fresh: !wantsWelcome(p, Date.now()) };
    this.#handle(presence);
    if (up !== this.#up) this.#handle({ is: 'broker', up });
    this.#up = up;
  }

  heard(m: FromCamera): void {
    switch (m.type) {
      case 'answer':
        if (m.session === this.#session?.id) this.#session.note = m.note ?? '';
        this.#counts.answers++;
        return this.#handle({ is: 'answer', session: m.session, sdp: m.sdp });
      case 'candidate':
        this.#counts.candidatesIn++;
        if (m.session === this.#session?.id) this.#session.peer.candidate(m.candidate);
        return;
      case 'end': return this.#handle({ is: 'end', session: m.session, reason: m.reason, text: m.text });
      case 'refused':
        if (m.reason === 'unknown_stream' && m.session !== undefined && m.session === this.#session?.id) this.streams.refuse();
        return this.#handle({ is: 'refused', re: m.re, session: m.session, reason: m.reason, text: m.text });
    }
  }

  network(): void {
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
    const session = this.watch.session;
    if (closing && session) this.roster.lastWords(this.camera, bye(this.roster.viewer, session));
    this.#handle({ is: 'leave' });
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
        s.nextSample = now + STATS_EACH;
        void this.#sample(s);
      }
    }
    this.on.change();
  }

  async #sample(s: Session): Promise<void> {
    s.sampling = true;
    try {
      const sample = (s.sample = await s.peer.stats(s.sample));
      if (s.closed) return;
      this.#handle({
        is: 'media', session: s.id, packets: sample.packets, received: sample.received, decoded: sample.decoded,
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
        this.roster.send(this.camera, bye(this.roster.viewer, e.session));
      } else if (!s || s.id !== e.session) continue;
      else if (e.do === 'offer') {
        if (this.roster.send(this.camera, offer(this.roster.viewer, s.id, e.sdp, s.stream))) s.offered = true;
      } else if (e.do === 'candidates') for (const c of s.candidates) this.#sendCandidate(s, c);
      else if (e.do === 'answer') this.#try(s, s.peer.answer(e.sdp));
      else if (e.do === 'key') s.peer.send({ type: 'key' });
      else if (e.do === 'close') {
        s.closed = true;
        this.on.closing();
        s.peer.close();
        this.streams.end();
        this.#session = undefined;
      }
    }
  }

  #open(id: string): void {
    const ice = this.roster.presence(this.camera).welcome?.ice ?? [];
    const s = (this.#session = new Session(id, this.streams.begin(), (s) => new Peer(ice, {
      candidate: (c) => {
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
    })));
    this.#try(s, s.peer.offer().then((sdp) => s.closed || this.#handle({ is: 'offered', session: id, sdp })));
  }

  #try(s: Session, work: Promise<unknown>): void {
    work.catch((e: unknown) => s.closed || this.#handle({ is: 'broken', session: s.id, text: String(e) }));
  }

  #sendCandidate(s: Session, c: Candidate): void {
    if (this.roster.send(this.camera, candidate(this.roster.viewer, s.id, c))) this.#counts.candidatesOut++;
  }

  #control(s: Session, m: ControlFromCamera): void {
    if (m.type === 'pong') {
      this.#counts.pongs++;
      s.clock.pong(m.t, performance.now(), m.wall);
    } else if (m.type === 'camera') this.#handle({ is: 'source', session: s.id, source: { state: m.state, text: m.text } });
    else if (m.type === 'bye') this.#handle({ is: 'farewell', session: s.id });
    else if (m.type === 'stream') {
      const before = this.streams.chosen;
      this.streams.heard(m.id, m.text, performance.now());
      if (this.streams.chosen !== undefined && this.streams.chosen !== before) this.on.chose(this.streams.chosen);
      this.on.change();
    } else {
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

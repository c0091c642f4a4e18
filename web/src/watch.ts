/**
 * Watching one camera: what to do next, whatever happens. Pure: all time and chance is external input, and what is to
 * be done comes back as effects. One `Watch` lives from opening a camera to leaving it and has one session at a time.
 */
import { jittered, resendAfter } from './backoff';
import type { Source } from './signal/message';

/** Why there is no picture. `text` is the camera's own sentence, where it gave one. */
export interface Why { reason: string; text: string }

export type State =
  | { is: 'waiting'; for: 'broker' | 'status' | 'online' | 'restart' | 'welcome'; until?: number }
  | { is: 'opening'; session: string; since: number }
  | { is: 'asking'; session: string; since: number; sdp: string; sent: number; next: number }
  | { is: 'connecting'; session: string; since: number }
  | { is: 'live'; session: string; since: number; picture?: number; lastMedia: number; shaky?: number; blind?: number }
  | { is: 'pausing'; until: number; why: Why; session: string }
  | { is: 'stopped'; why: Why }
  | { is: 'asleep' }
  | { is: 'left' };

export type Input =
  | { is: 'broker'; up: boolean }
  | { is: 'presence'; online: boolean | undefined; boot: string | undefined; fresh: boolean }
  | { is: 'offered'; session: string; sdp: string }
  | { is: 'broken'; session: string; text: string }
  | { is: 'answer'; session: string; sdp: string }
  | { is: 'end'; session: string; reason: string; text: string }
  | { is: 'refused'; re: string; session: string | undefined; reason: string; text: string }
  | { is: 'peer'; session: string; state: RTCPeerConnectionState }
  | { is: 'media'; session: string; packets: number; received: number; decoded: number }
  | { is: 'picture'; session: string }
  | { is: 'source'; session: string; source: Source }
  | { is: 'farewell'; session: string }
  | { is: 'network' }
  | { is: 'hidden'; hidden: boolean }
  | { is: 'again' }
  | { is: 'leave' };

export type Effect =
  | { do: 'open' | 'candidates' | 'bye' | 'close' | 'key'; session: string }
  | { do: 'offer'; session: string; sdp: string }
  | { do: 'answer'; session: string; sdp: string };

const WELCOME_WAIT = 1500;
const RESTART_WAIT = 30_000;
const ASK_FOR = 60_000;
const CONNECT_FOR = 30_000;
const SHAKY_FOR = 2000;
const NO_MEDIA_FOR = 5000;
const BLIND_FOR = 5000;
const ASK_KEY_AFTER = 2000;
const SETTLED = 10_000;
const FAREWELL_WAIT = 2000;
const TOO_MANY_WAIT = 10_000;
const HIDDEN_FOR = 300_000;

/** Refusals that asking again cannot mend; those of the first kind can be mended by a new start of the camera. */
const MISUNDERSTOOD = ['bad_message', 'unknown_type', 'version', 'bad_sdp'];
const CANNOT = ['no_video', 'no_h264'];

export class Watch {
  state: State = { is: 'waiting', for: 'broker' };
  /** what the camera says of its picture source, by the data channel of this session */
  source: Source | undefined;
  sessions = 0;
  offers = 0;
  losses = 0;
  #effects: Effect[] = [];
  #up = false;
  #online: boolean | undefined;
  #boot: string | undefined;
  #fresh = false;
  #sessionBoot: string | undefined;
  #gone: string | undefined; // the boot that said `shutdown`
  #tries = 0;
  #hiddenSince: number | undefined;
  #media = { packets: -1, received: -1, asked: false };

  constructor(private readonly chance: { random(): number; id(): string }) {}

  get session(): string | undefined {
    return 'session' in this.state && this.state.is !== 'pausing' ? this.state.session : undefined;
  }

  handle(input: Input, now: number): Effect[] {
    this.#take(input, now);
    return this.poll(now);
  }

  /** To be called a few times a second: what is due by now. */
  poll(now: number): Effect[] {
    const s = this.state;
    switch (s.is) {
      case 'waiting':
        if (s.until !== undefined && now >= s.until) {
          if (s.for === 'restart') this.#gone = undefined;
          this.#begin(now, s.for === 'welcome');
        }
        break;
      case 'opening':
        if (now - s.since > CONNECT_FOR) this.#lose(now, { reason: 'failed', text: '' });
        break;
      case 'asking':
        if (now - s.since > ASK_FOR) this.#lose(now, { reason: 'silent', text: '' });
        else if (now >= s.next) this.#ask(now, s);
        break;
      case 'connecting':
        if (now - s.since > CONNECT_FOR) this.#lose(now, { reason: 'failed', text: '' });
        break;
      case 'live':
        if (s.shaky !== undefined && now - s.shaky > SHAKY_FOR) this.#lose(now, { reason: 'lost', text: '' });
        else if (s.picture !== undefined && now - s.picture > SETTLED) this.#tries = 0;
        break;
    }
    if (this.state.is === 'pausing' && now >= this.state.until) this.#begin(now);
    if (this.#hiddenSince !== undefined && now - this.#hiddenSince > HIDDEN_FOR && this.state.is !== 'stopped'
      && this.state.is !== 'left' && this.state.is !== 'asleep') {
      this.#end(true);
      this.state = { is: 'asleep' };
    }
    return this.#effects.splice(0);
  }

  #take(input: Input, now: number): void {
    const s = this.state;
    if (s.is === 'left') return;
    const mine = 'session' in input && 'session' in s && input.session === s.session;
    switch (input.is) {
      case 'broker':
        this.#up = input.up;
        if (input.up && s.is === 'waiting') this.#begin(now);
        else if (input.up && s.is === 'asking') this.#ask(now, { ...s, sent: 0 });
        else if (input.up && s.is === 'connecting') this.#do('candidates', s.session);
        break;
      case 'presence': return this.#heard(input, now);
      case 'offered':
        if (mine && s.is === 'opening') {
          this.#ask(now, { is: 'asking', session: s.session, since: now, sdp: input.sdp, sent: 0, next: now });
        }
        break;
      case 'broken':
        if (mine && s.is !== 'pausing') this.#lose(now, { reason: 'failed', text: input.text }, 1);
        break;
      case 'answer':
        if (!mine || s.is !== 'asking') break;
        this.#effects.push({ do: 'answer', session: s.session, sdp: input.sdp });
        this.state = { is: 'connecting', session: s.session, since: now };
        break;
      case 'end':
        if (mine) this.#ended(input.reason, input.text, now);
        break;
      case 'refused':
        if (s.is === 'asking' && input.re === 'offer' && (mine || input.session === undefined)) {
          this.#refused(input.reason, input.text, now);
        }
        break;
      case 'peer':
        if (mine) this.#peer(input.state, now);
        break;
      case 'media':
        if (mine && s.is === 'live') this.#progress(s, input, now);
        break;
      case 'picture':
        if (mine && s.is === 'connecting') {
          this.state = { is: 'live', session: s.session, since: now, picture: now, lastMedia: now };
        } else if (mine && s.is === 'live' && s.picture === undefined) {
          this.state = { ...s, picture: now, lastMedia: now };
        }
        break;
      case 'source':
        if (!mine || s.is === 'pausing') break;
        if (s.is === 'live' && input.source.state === 'live' && this.source?.state !== 'live') s.lastMedia = now;
        this.source = input.source;
        break;
      case 'farewell':
        // `end` says why; it goes another way and may come a little later.
        if (mine && s.is !== 'pausing') this.#lose(now, { reason: 'lost', text: '' }, 0, FAREWELL_WAIT);
        break;
      case 'network':
        if (s.is === 'pausing' && !patient(s.why)) this.#begin(now);
        else if (s.is === 'live' && s.shaky !== undefined) this.#lose(now, { reason: 'lost', text: '' });
        break;
      case 'hidden':
        this.#hiddenSince = input.hidden ? (this.#hiddenSince ?? now) : undefined;
        if (!input.hidden && s.is === 'asleep') this.#begin(now);
        break;
      case 'again':
        this.#tries = 0;
        this.#gone = undefined;
        if (s.is === 'stopped' || s.is === 'pausing' || s.is === 'waiting') this.#begin(now);
        break;
      case 'leave':
        this.#end(true);
        this.state = { is: 'left' };
        break;
    }
  }

  #heard(input: Extract<Input, { is: 'presence' }>, now: number): void {
    this.#online = input.online;
    this.#fresh = input.fresh;
    const restarted = input.online === true && this.#sessionBoot !== undefined && input.boot !== this.#sessionBoot;
    this.#boot = input.boot;
    const s = this.state;
    if (this.session !== undefined && restarted) {
      this.#tries = 0;
      this.#end(false);
      this.#begin(now);
    } else if (s.is === 'waiting' || (s.is === 'pausing' && restarted)) this.#begin(now);
    else if (s.is === 'stopped' && restarted && MISUNDERSTOOD.includes(s.why.reason)) this.#begin(now);
    else if (s.is === 'asking' && input.online === false) {
      this.#end(false);
      this.#begin(now);
    }
  }

  /** Offers, or waits for what an offer needs. */
  #begin(now: number, withoutWelcome = false): void {
    const s = this.state;
    if (!this.#up) this.state = { is: 'waiting', for: 'broker' };
    else if (this.#online === undefined) this.state = { is: 'waiting', for: 'status' };
    else if (!this.#online) this.state = { is: 'waiting', for: 'online' };
    else if (this.#gone !== undefined && this.#gone === this.#boot) {
      if (!(s.is === 'waiting' && s.for === 'restart')) {
        this.state = { is: 'waiting', for: 'restart', until: now + RESTART_WAIT };
      }
    } else if (!this.#fresh && !withoutWelcome) {
      if (!(s.is === 'waiting' && s.for === 'welcome')) {
        this.state = { is: 'waiting', for: 'welcome', until: now + WELCOME_WAIT };
      }
    } else {
      const session = this.chance.id();
      this.#sessionBoot = this.#boot;
      this.source = undefined;
      this.#media = { packets: -1, received: -1, asked: false };
      this.sessions++;
      this.state = { is: 'opening', session, since: now };
      this.#do('open', session);
    }
  }

  #ask(now: number, s: Extract<State, { is: 'asking' }>): void {
    const sent = s.sent + 1;
    if (this.#up) {
      this.offers++;
      this.#effects.push({ do: 'offer', session: s.session, sdp: s.sdp });
      this.#do('candidates', s.session);
    }
    this.state = { ...s, sent, next: now + resendAfter(sent) };
  }

  #peer(peer: RTCPeerConnectionState, now: number): void {
    const s = this.state;
    if (peer === 'connected' && s.is === 'connecting') {
      this.state = { is: 'live', session: s.session, since: now, lastMedia: now };
    } else if (peer === 'connected' && s.is === 'live') {
      const { shaky: _, ...steady } = s;
      this.state = steady;
    } else if (peer === 'disconnected' && s.is === 'live') this.state = { ...s, shaky: s.shaky ?? now };
    else if (peer === 'failed' && s.is === 'live') this.#lose(now, { reason: 'lost', text: '' });
    else if (peer === 'failed' && s.is === 'connecting') this.#lose(now, { reason: 'failed', text: '' }, 1);
  }

  #progress(s: Extract<State, { is: 'live' }>, m: Extract<Input, { is: 'media' }>, now: number): void {
    const next = { ...s };
    if (m.packets > this.#media.packets) next.lastMedia = now;
    if (m.decoded > 0) delete next.blind;
    else if (m.received > this.#media.received && m.received > 0) {
      next.blind ??= now; // whole pictures arrive and none is decoded
      if (!this.#media.asked && now - next.blind >= ASK_KEY_AFTER) {
        this.#media.asked = true; // perhaps the key frame was lost
        this.#do('key', s.session);
      }
    }
    this.#media = { ...this.#media, packets: m.packets, received: m.received };
    this.state = next;
    // Judged only here, by what was just counted: in a page that sleeps, time alone says nothing.
    if (this.source?.state === 'live' && now - next.lastMedia >= NO_MEDIA_FOR) {
      this.#lose(now, { reason: 'no_media', text: '' });
    } else if (next.blind !== undefined && now - next.blind >= BLIND_FOR) this.#stop('undecodable', '', true);
  }

  #ended(reason: string, text: string, now: number): void {
    if (reason === 'shutdown') {
      this.#end(false);
      this.#gone = this.#sessionBoot;
      this.#tries = 0;
      this.#begin(now);
    } else if (reason === 'replaced') this.#stop('replaced', text, false);
    else if (this.state.is !== 'pausing') this.#lose(now, { reason, text }, reason === 'lost' ? 0 : 1);
  }

  #refused(reason: string, text: string, now: number): void {
    if (MISUNDERSTOOD.includes(reason) || CANNOT.includes(reason)) this.#stop(reason, text, false);
    // The next offer leaves the choice of the stream to the camera: nothing to wait for.
    else if (reason === 'unknown_stream') this.#lose(now, { reason, text });
    else this.#lose(now, { reason, text }, 1, patient({ reason, text }) ? TOO_MANY_WAIT : 0);
  }

  /** Ends the session and tries again: the first time at once, then later and later. */
  #lose(now: number, why: Why, atLeastTries = 0, atLeast = 0): void {
    const session = this.#end(why.reason !== 'full' && why.reason !== 'too_many') ?? '';
    this.losses++;
    this.#tries = Math.max(this.#tries, atLeastTries);
    const wait = this.#tries === 0 ? 0 : jittered(this.#tries, this.chance.random());
    this.#tries++;
    this.state = { is: 'pausing', until: now + Math.max(wait, atLeast), why, session };
  }

  #stop(reason: string, text: string, sayBye: boolean): void {
    this.#end(sayBye);
    this.state = { is: 'stopped', why: { reason, text } };
  }

  #end(sayBye: boolean): string | undefined {
    const session = this.session;
    if (session === undefined) return undefined;
    if (sayBye) this.#do('bye', session);
    this.#do('close', session);
    return session;
  }

  #do(what: Extract<Effect, { session: string; sdp?: never }>['do'], session: string): void {
    this.#effects.push({ do: what, session });
  }
}

/** Is this a refusal that says when to come back? */
function patient(why: Why): boolean {
  return why.reason === 'full' || why.reason === 'too_many';
}

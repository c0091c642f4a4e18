/**
 * Watching one camera: what to do next, whatever happens. Pure: all time and chance is external input, and what is to
 * be done comes back as effects. One `Watch` lives from opening a camera to leaving it and has one session at a time.
 */
import { jittered, resendAfter } from './backoff';
import * as Mends from './mend';
import { CANNOT, MISUNDERSTOOD, NO_ACCESS, STALE_WAIT, patient } from './refusals';
import type { Source } from './signal/message';
import type { Effect, Input, Live, State, Why } from './states';

export type { Effect, Input, State, Why };

const WELCOME_WAIT = 1500;
const RESTART_WAIT = 30_000;
const ASK_FOR = 60_000;
const OPEN_FOR = 30_000;
/** The camera gives up a little earlier, and says why. */
const CONNECT_FOR = 11_000;
const SHAKY_FOR = 1000;
const SILENT_FOR = 1500;
/** A page that was not asked for so long slept, or its device did. */
const SLEPT = 5000;
const NO_MEDIA_FOR = 5000;
const BLIND_FOR = 5000;
const ASK_KEY_AFTER = 2000;
const SETTLED = 10_000;
const FAREWELL_WAIT = 2000;
const TOO_MANY_WAIT = 10_000;
const HIDDEN_FOR = 300_000;
const FAILED_FOR = 2000; // to the browser it has failed when a relay refuses the first candidates; others may be on their way

export class Watch {
  state: State = { is: 'waiting', for: 'broker' };
  /** what the camera says of its picture source, by the data channel of this session */
  source: Source | undefined;
  sessions = 0;
  offers = 0;
  losses = 0;
  /** ICE restarts, of all sessions */
  restarts = 0;
  #effects: Effect[] = [];
  #upSince: number | undefined;
  #restart = 0; // the last one's number in this session
  #polled: number | undefined;
  #online: boolean | undefined;
  #boot: string | undefined;
  #fresh = false;
  #sessionBoot: string | undefined;
  #gone: string | undefined; // the boot that said `shutdown`
  #tries = 0;
  #hiddenSince: number | undefined;
  #media = { packets: -1, received: -1, alive: 0, asked: false };

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
    const slept = this.#polled !== undefined && now - this.#polled > SLEPT;
    this.#polled = now;
    if (slept) this.#woke(now);
    const s = this.state;
    switch (s.is) {
      case 'waiting':
        if (s.until !== undefined && now >= s.until) {
          if (s.for === 'restart') this.#gone = undefined;
          this.#begin(now, s.for === 'welcome');
        }
        break;
      case 'opening':
        if (now - s.since > OPEN_FOR) this.#lose(now, { reason: 'failed', text: '' });
        break;
      case 'asking':
        if (now - s.since > ASK_FOR) this.#lose(now, { reason: 'silent', text: '' });
        else if (now >= s.next) this.#ask(now, s);
        break;
      case 'connecting':
        if (now - s.since > CONNECT_FOR) this.#lose(now, { reason: 'failed', text: '' });
        else if (now - (s.failed ?? now) >= FAILED_FOR) this.#lose(now, { reason: 'failed', text: '' }, 1);
        break;
      case 'live':
        if (s.mend) this.#mending(s, s.mend, now);
        else if (s.shaky !== undefined && now - s.shaky >= SHAKY_FOR) this.#mend(s, now);
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
        this.#upSince = input.up ? (this.#upSince ?? now) : undefined;
        if (input.up && s.is === 'waiting') this.#begin(now);
        else if (input.up && s.is === 'asking') this.#ask(now, { ...s, sent: 0 });
        else if (input.up && s.is === 'connecting') this.#do('candidates', s.session);
        else if (input.up && s.is === 'live' && s.mend) this.#sayAgain(s, s.mend, now);
        break;
      case 'presence': return this.#heard(input, now);
      case 'offered':
        if (mine && s.is === 'live' && s.mend?.step === 'making' && s.mend.n === input.restart) {
          this.#askMend(s, Mends.made(s.mend, input.sdp, now), now);
        } else if (mine && s.is === 'opening') {
          this.#ask(now, { is: 'asking', session: s.session, since: now, sdp: input.sdp, sent: 0, next: now });
        }
        break;
      case 'broken':
        if (mine && s.is !== 'pausing') this.#lose(now, { reason: 'failed', text: input.text }, 1);
        break;
      case 'answer':
        if (mine && s.is === 'live' && s.mend?.step === 'asking' && s.mend.n === input.restart) {
          this.#effects.push({ do: 'answer', session: s.session, sdp: input.sdp });
          this.state = { ...s, mend: Mends.answered(s.mend, now) };
        }
        if (!mine || s.is !== 'asking' || (input.restart ?? 0) !== 0) break;
        this.#effects.push({ do: 'answer', session: s.session, sdp: input.sdp });
        this.state = { is: 'connecting', session: s.session, since: now };
        break;
      case 'end':
        if (mine) this.#ended(input.reason, input.text, now);
        break;
      case 'refused':
        if (input.reason === 'stale' || input.reason === 'busy') this.#sealAnew(input.reason, mine, now);
        else if (s.is === 'asking' && input.re === 'offer' && (mine || input.session === undefined)) {
          this.#refused(input.reason, input.text, now);
        } else if (mine && s.is === 'live' && s.mend?.step === 'asking' && input.re === 'offer') {
          // Not by this session any more, then by a new one.
          if (NO_ACCESS.includes(input.reason)) this.#stop(input.reason, input.text, false);
          else if (!patient(input)) this.#lose(now, { reason: 'lost', text: '' });
          else this.state = { ...s, mend: { ...s.mend, next: now + TOO_MANY_WAIT } };
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
      case 'unbound':
        if (mine) this.#stop('binding', '', true);
        break;
      case 'farewell':
        // `end` says why; it goes another way and may come a little later.
        if (mine && s.is !== 'pausing') this.#lose(now, { reason: 'lost', text: '' }, 0, FAREWELL_WAIT);
        break;
      case 'network':
        if (s.is === 'pausing' && !patient(s.why)) this.#begin(now);
        else if (s.is === 'live') this.#mend(s, now);
        else if (s.is === 'connecting') this.#lose(now, { reason: 'lost', text: '' });
        break;
      case 'restart':
        if (mine && s.is === 'live') this.#mend(s, now);
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
    const back = input.online === true && this.#online !== true;
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
    else if (s.is === 'stopped' && back && NO_ACCESS.includes(s.why.reason)) this.#begin(now);
    else if (s.is === 'live' && s.mend && input.online === false) {
      const { mend: _, ...rest } = s;
      this.state = rest;
      this.#mend(rest, now);
    } else if (s.is === 'asking' && input.online === false) {
      this.#end(false);
      this.#begin(now);
    }
  }

  /** Offers, or waits for what an offer needs. */
  #begin(now: number, withoutWelcome = false): void {
    const s = this.state;
    if (this.#upSince === undefined) this.state = { is: 'waiting', for: 'broker' };
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
      this.#media = { packets: -1, received: -1, alive: 0, asked: false };
      this.#restart = 0;
      this.sessions++;
      this.state = { is: 'opening', session, since: now };
      this.#do('open', session);
    }
  }

  #ask(now: number, s: Extract<State, { is: 'asking' }>): void {
    const sent = s.sent + 1;
    if (this.#upSince !== undefined) {
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
    else if (peer === 'failed' && s.is === 'live') {
      this.state = { ...s, shaky: s.shaky ?? now };
      this.#mend(this.state, now);
    } else if (peer === 'closed' && s.is === 'live') this.#lose(now, { reason: 'lost', text: '' });
    else if (s.is === 'connecting') this.state = { ...s, failed: peer === 'failed' ? (s.failed ?? now) : undefined };
  }

  /** Begins an ICE restart, unless one has just begun. */
  #mend(s: Live, now: number): void {
    if (Mends.serves(s.mend, now)) return;
    if (this.#upSince !== undefined && this.#online === false) {
      // Nobody there to restart with.
      if (s.shaky !== undefined || now - s.lastMedia >= SILENT_FOR) this.#lose(now, { reason: 'lost', text: '' });
      return;
    }
    this.restarts++;
    this.state = { ...s, mend: Mends.begin(++this.#restart, s.mend, now) };
    this.#effects.push({ do: 'restart', session: s.session, restart: this.#restart });
  }

  #mending(s: Live, mend: Mends.Mend, now: number): void {
    switch (Mends.due(mend, this.#upSince, now)) {
      case 'ask': return this.#askMend(s, mend, now);
      case 'another': return this.#mend(s, now);
      case 'give up': return this.#lose(now, { reason: 'lost', text: '' });
    }
  }

  #askMend(s: Live, mend: Mends.Mend, now: number): void {
    if (this.#upSince !== undefined && mend.sdp !== undefined) {
      this.#effects.push({ do: 'offer', session: s.session, restart: mend.n, sdp: mend.sdp });
      this.#do('candidates', s.session);
      this.state = { ...s, mend: Mends.asked(mend, now) };
    } else this.state = { ...s, mend };
  }

  /** The broker is back: what went to the one before may be lost, and what was found out of another network is of no use. */
  #sayAgain(s: Live, mend: Mends.Mend, now: number): void {
    if (!Mends.serves(mend, now)) this.#mend(s, now);
    else if (mend.step === 'asking') this.#askMend(s, { ...mend, sent: 0 }, now);
    else if (mend.step === 'answered') this.#do('candidates', s.session);
  }

  /** After a sleep nothing is known: neither whether the way is still there, nor for how long it was not. */
  #woke(now: number): void {
    const s = this.state;
    if (s.is !== 'live') return;
    this.state = { ...s, lastMedia: now, ...(s.shaky !== undefined && { shaky: now }) };
    this.#mend(this.state, now);
  }

  #progress(s: Extract<State, { is: 'live' }>, m: Extract<Input, { is: 'media' }>, now: number): void {
    const next = { ...s };
    const moves = m.packets > this.#media.packets;
    if (moves) next.lastMedia = now;
    // The new way works when something comes by it; where there are no pictures to send, the control channel tells.
    if (next.mend?.step === 'answered' && next.shaky === undefined && (moves || (m.alive ?? 0) > this.#media.alive)) delete next.mend;
    if (m.decoded > 0) delete next.blind;
    else if (m.received > this.#media.received && m.received > 0) {
      next.blind ??= now; // whole pictures arrive and none is decoded
      if (!this.#media.asked && now - next.blind >= ASK_KEY_AFTER) {
        this.#media.asked = true; // perhaps the key frame was lost
        this.#do('key', s.session);
      }
    }
    this.#media = { ...this.#media, packets: m.packets, received: m.received, alive: m.alive ?? 0 };
    this.state = next;
    // Judged only here, by what was just counted: in a page that sleeps, time alone says nothing.
    const silent = this.source?.state === 'live' ? now - next.lastMedia : 0;
    if (silent >= SILENT_FOR && next.silence !== next.lastMedia && next.mend === undefined) {
      this.state = { ...next, silence: next.lastMedia }; // once for each silence
      this.#mend(this.state, now);
    } else if (silent >= NO_MEDIA_FOR && (next.mend === undefined || found(next, next.mend, now))) {
      this.#lose(now, { reason: 'no_media', text: '' });
    } else if (next.blind !== undefined && now - next.blind >= BLIND_FOR) this.#stop('undecodable', '', true);
  }

  #ended(reason: string, text: string, now: number): void {
    if (reason === 'shutdown') {
      this.#end(false);
      this.#gone = this.#sessionBoot;
      this.#tries = 0;
      this.#begin(now);
    } else if (reason === 'replaced' || reason === 'binding' || NO_ACCESS.includes(reason)) this.#stop(reason, text, false);
    else if (this.state.is !== 'pausing') this.#lose(now, { reason, text }, reason === 'lost' ? 0 : 1);
  }

  /** The request was not taken for what it was sealed with: it is due again, soon. */
  #sealAnew(reason: string, mine: boolean, now: number): void {
    const s = this.state;
    const next = now + (reason === 'stale' ? STALE_WAIT : TOO_MANY_WAIT);
    if (mine && s.is === 'asking') this.state = { ...s, next };
    else if (mine && s.is === 'live' && s.mend?.step === 'asking') this.state = { ...s, mend: { ...s.mend, next } };
  }

  #refused(reason: string, text: string, now: number): void {
    if (MISUNDERSTOOD.includes(reason) || CANNOT.includes(reason) || NO_ACCESS.includes(reason)) this.#stop(reason, text, false);
    // The next offer leaves the choice of the stream to the camera: nothing to wait for.
    else if (reason === 'unknown_stream') this.#lose(now, { reason, text });
    else this.#lose(now, { reason, text }, 1, patient({ reason }) ? TOO_MANY_WAIT : 0);
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

  #do(what: 'open' | 'candidates' | 'bye' | 'close' | 'key', session: string): void {
    this.#effects.push({ do: what, session });
  }
}

/** Has a restart found a way by which nothing comes all the same? */
function found(s: Live, mend: Mends.Mend, now: number): boolean {
  return mend.step === 'answered' && s.shaky === undefined && now - mend.at >= NO_MEDIA_FOR;
}

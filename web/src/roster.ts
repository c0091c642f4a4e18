/** All cameras and the brokers behind them: who is there, and says `hello` to each so that an offer needs no more. */
import { resendAfter } from './backoff';
import type { Camera } from './cameras';
import { keepCredentials, loadCredentials, type Credentials } from './credentials';
import type { Identity } from './identity';
import { keepSeen, loadSeen } from './kept';
import { Line, type Talk } from './line';
import { Asking } from './asking';
import {
  heardChallenge, heardLocked, heardRefusal, heardStatus, heardWelcome, reconnected, unrefused, unseen, wantsWelcome, type Presence,
} from './presence';
import { Broker, type BrokerState } from './signal/broker';
import { hello, pair, type FromCamera, type More, type Request } from './signal/message';
import type { RefusalReason } from './trust/refusal';
import { words } from './trust/words';

export interface RosterEvents {
  /** Something about this camera is different: its presence or its broker. */
  change(camera: string): void;
  message(camera: string, message: FromCamera, talk: Talk): void;
  /** The camera does not want to talk, so it said, to this request. */
  refused(camera: string, reason: RefusalReason, talk: Talk): void;
  /** The camera knows this browser. */
  known(camera: string): void;
}
/** What a pairing link says. */
export interface Ticket { secret: string; grant?: string; label: string }

interface Entry {
  camera: Camera; presence: Presence; line: Line; asking: Asking;
  /** how often it was asked, when to ask again, and by which requests */
  hellos: number; nextHello: number; talks: Talk[];
  ticket?: Ticket | undefined;
}

/** A camera that says `stale` is asked anew, once a second at most. */
const STALE_AFTER = 1000;
const LOCKED_WAIT = 4000;
const MOST_TALKS = 4;

const top = (camera: string): string => `lunette/1/${camera}/`;

export class Roster {
  junk = 0;
  #entries = new Map<string, Entry>();
  #brokers = new Map<string, Broker>();

  constructor(
    readonly identity: Identity, private readonly loginAt: string | undefined, private readonly on: RosterEvents,
  ) {
    setInterval(() => {
      if (!document.hidden) this.#sayHello();
      for (const e of this.#entries.values()) e.asking.poll(Date.now());
    }, 500);
  }

  get viewer(): string {
    return this.identity.viewer;
  }

  set(cameras: readonly Camera[]): void {
    const before = this.#entries;
    this.#entries = new Map(cameras.map((camera) => {
      const old = before.get(camera.id);
      const same = old && old.camera.broker === camera.broker;
      return [camera.id, same ? Object.assign(old, { camera }) : this.#newEntry(camera, old?.ticket)];
    }));
    const urls = new Set(cameras.map((c) => c.broker).filter((b) => b !== undefined));
    for (const [url, broker] of this.#brokers) {
      if (urls.has(url)) continue;
      broker.close();
      this.#brokers.delete(url);
    }
    for (const url of urls) {
      const broker = this.#brokers.get(url) ?? this.#newBroker(url);
      broker.subscribe(this.#at(url).flatMap((e) => this.#topics(e.camera.id)));
      broker.open();
    }
  }

  presence(camera: string): Presence {
    return this.#entries.get(camera)?.presence ?? unseen();
  }

  broker(camera: string): BrokerState {
    return this.#brokerOf(camera)?.state ?? { is: 'blocked', text: 'No broker is known for this camera. Open the whole link again.' };
  }

  /** Brokers that want a user name and password. */
  logins(): { url: string; wrong: boolean }[] {
    return [...this.#brokers.values()]
      .flatMap((b) => (b.state.is === 'login' ? [{ url: b.url, wrong: b.state.wrong }] : []));
  }

  login(url: string, credentials: Credentials, remember: boolean): void {
    keepCredentials(url, credentials, remember);
    this.#brokers.get(url)?.login(credentials);
  }

  /** Shows a pairing link to its camera, now or as soon as it is there. */
  pair(camera: string, ticket: Ticket): void {
    const e = this.#entries.get(camera);
    if (!e) return;
    e.ticket = ticket;
    e.presence = { ...unrefused(e.presence), pairing: { is: 'asking' } };
    e.hellos = 0;
    this.#sayHello();
    this.on.change(camera);
  }

  /** Opens an exchange; undefined when that cannot be done now. */
  open(camera: string, request: Request): Talk | undefined {
    if (this.#brokerOf(camera)?.state.is !== 'up') return undefined;
    return this.#entries.get(camera)?.line.open(request);
  }
  /** Says more in it. */
  say(camera: string, talk: Talk, message: More): boolean {
    if (this.#brokerOf(camera)?.state.is !== 'up') return false;
    this.#entries.get(camera)?.line.say(talk, message);
    return true;
  }
  endTalk(camera: string, talk: Talk): void {
    this.#entries.get(camera)?.line.close(talk);
  }
  /** Asks, as often as it takes, within some seconds. Rejects with a sentence. */
  ask(camera: string, request: Request): Promise<FromCamera> {
    const e = this.#entries.get(camera);
    return e ? e.asking.ask(request) : Promise.reject(new Error('This camera is not in the list any more.'));
  }

  /** `bye` for a page that is being closed. */
  lastWord(camera: string, talk: Talk): void {
    if (talk.lastWord) this.#brokerOf(camera)?.lastWords(top(camera) + 'req', talk.lastWord);
  }

  /** What the camera calls this browser from now on. */
  called(camera: string, label: string): void {
    const e = this.#entries.get(camera);
    if (e?.presence.me) e.presence = { ...e.presence, me: { ...e.presence.me, label } };
  }

  /** Back on line, or looked at again: try now what waits for later. */
  wake(): void {
    for (const broker of this.#brokers.values()) broker.open();
    this.#sayHello();
  }

  /** Asked for by the user: perhaps the camera thinks otherwise of this browser now. */
  again(camera: string): void {
    const e = this.#entries.get(camera);
    if (!e || e.presence.pairing?.is === 'asking') return;
    e.presence = unrefused(e.presence);
    e.hellos = 0;
    this.#sayHello();
    this.on.change(camera);
  }

  /** The network may be another one. */
  doubt(camera?: string): void {
    const url = camera === undefined ? undefined : this.#entries.get(camera)?.camera.broker;
    for (const broker of this.#brokers.values()) if (url === undefined || broker.url === url) broker.doubt();
  }

  close(): void {
    for (const broker of this.#brokers.values()) broker.close();
  }

  #newEntry(camera: Camera, ticket: Ticket | undefined): Entry {
    const { id } = camera;
    const change = (presence: Presence): void => {
      e.presence = presence;
      this.#sayHello();
      this.on.change(id);
    };
    const line = new Line(id, this.identity, { load: () => loadSeen(id), keep: (seen) => keepSeen(id, seen) }, {
      publish: (envelope) => this.#brokerOf(id)?.publish(top(id) + 'req', envelope) === true,
      challenge: (it) => {
        void words(it.identity).then((said) => {
          const renewed = e.presence.shown?.generation !== it.generation;
          if (renewed) e.hellos = 0;
          change(heardChallenge(e.presence, it.generation, said));
        });
      },
      status: (status) => {
        change(heardStatus(e.presence, status, Date.now()));
      },
      locked: () => {
        // With the key that was just given it should have been read: it is not asked for again and again.
        const now = Date.now();
        const given = now - (e.presence.welcome?.at ?? 0) < LOCKED_WAIT;
        if (!e.presence.locked && e.talks.length === 0) [e.hellos, e.nextHello] = given ? [1, now + LOCKED_WAIT] : [0, now];
        change(heardLocked(e.presence));
      },
      message: (message, talk) => this.#said(e, message, talk),
      refused: (reason, talk) => this.#refused(e, reason, talk),
      dropped: () => this.junk++,
    });
    const asking = new Asking((request) => this.open(id, request), (talk) => line.close(talk));
    const e: Entry = {
      camera, line, asking, hellos: 0, nextHello: 0, talks: [], ticket,
      presence: ticket ? { ...unseen(), pairing: { is: 'asking' } } : unseen(),
    };
    return e;
  }

  #newBroker(url: string): Broker {
    const broker = new Broker(url, this.viewer, url === this.loginAt, loadCredentials(url), {
      change: () => {
        for (const e of this.#at(url)) {
          if (broker.state.is === 'up') {
            e.presence = reconnected(e.presence);
            e.hellos = 0;
          }
          this.on.change(e.camera.id);
        }
      },
      message: (topic, payload) => {
        const [, , id = '', what = ''] = topic.split('/');
        const e = this.#entries.get(id);
        if (e?.camera.broker === url) e.line.heard(what, payload);
      },
      denied: (topic) => {
        const e = this.#entries.get(topic.split('/')[2] ?? '');
        if (!e) return;
        e.presence = { ...e.presence, denied: true };
        this.on.change(e.camera.id);
      },
    });
    this.#brokers.set(url, broker);
    return broker;
  }

  #said(e: Entry, message: FromCamera, talk: Talk): void {
    const { id } = e.camera;
    const mine = e.talks.includes(talk);
    if (mine && message.type === 'welcome') {
      this.#settled(e);
      e.presence = heardWelcome(e.presence, message, Date.now());
      this.on.known(id);
      this.on.change(id);
    } else if (mine && (message.type === 'paired' || (message.type === 'refused' && message.re === 'pair'))) {
      e.ticket = undefined;
      this.#settled(e);
      e.presence = { ...unrefused(e.presence), ...(message.type === 'refused' && { pairing: { is: 'refused', reason: message.reason, text: message.text } }) };
      if (message.type === 'paired') this.on.known(id);
      this.#sayHello();
      this.on.change(id);
    } else if (!e.asking.answered(message, talk)) this.on.message(id, message, talk);
  }

  #refused(e: Entry, reason: RefusalReason, talk: Talk): void {
    if (reason === 'stale') {
      if (e.talks.includes(talk)) e.nextHello = Math.min(e.nextHello, Date.now() + STALE_AFTER);
      else if (!e.asking.refused(reason, talk)) this.on.refused(e.camera.id, reason, talk);
      return;
    }
    if (reason !== 'busy' && talk.message.type !== 'pair') {
      this.#settled(e);
      e.presence = heardRefusal(e.presence, reason);
    }
    if (!e.asking.refused(reason, talk)) this.on.refused(e.camera.id, reason, talk);
    this.on.change(e.camera.id);
  }

  #sayHello(): void {
    const now = Date.now();
    for (const e of this.#entries.values()) {
      const wanted = e.ticket !== undefined ? e.presence.shown !== undefined && e.presence.online !== false : wantsWelcome(e.presence, now);
      if (!wanted) e.hellos = 0;
      else if (e.hellos === 0 || now >= e.nextHello) this.#ask(e, now);
    }
  }

  /** Shows the pairing link, if there is one that was not answered; says hello otherwise. */
  #ask(e: Entry, now: number): void {
    if (this.#brokerOf(e.camera.id)?.state.is !== 'up') return;
    const talk = e.line.open(e.ticket ? pair(e.ticket.secret, e.ticket.label, e.ticket.grant) : hello());
    if (!talk) return;
    e.talks.push(talk);
    for (const old of e.talks.splice(0, Math.max(0, e.talks.length - MOST_TALKS))) e.line.close(old);
    e.nextHello = now + resendAfter(++e.hellos);
  }

  #settled(e: Entry): void {
    for (const talk of e.talks.splice(0)) e.line.close(talk);
    e.hellos = 0;
  }

  #brokerOf(camera: string): Broker | undefined {
    const url = this.#entries.get(camera)?.camera.broker;
    return url === undefined ? undefined : this.#brokers.get(url);
  }

  #at(url: string): Entry[] {
    return [...this.#entries.values()].filter((e) => e.camera.broker === url);
  }

  /** The answers first, then what says whether it is there, then what leads to a `hello`. */
  #topics(camera: string): string[] {
    return [`${top(camera)}res/${this.viewer}`, `${top(camera)}status`, `${top(camera)}challenge`];
  }
}

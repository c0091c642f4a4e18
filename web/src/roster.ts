/** All cameras and the brokers behind them: who is there, and says `hello` to each so that an offer needs no more. */
import { resendAfter } from './backoff';
import type { Camera } from './cameras';
import { keepCredentials, loadCredentials, type Credentials } from './credentials';
import { heardEvent, heardStatus, heardWelcome, reconnected, unseen, wantsWelcome, type Presence } from './presence';
import { Broker, type BrokerState } from './signal/broker';
import { hello, parse, type FromCamera, type ToCamera } from './signal/message';

export interface RosterEvents {
  /** Something about this camera is different: its presence or its broker. */
  change(camera: string): void;
  message(camera: string, message: FromCamera): void;
}
interface Entry { camera: Camera; presence: Presence; hellos: number; nextHello: number }

const top = (camera: string): string => `lunette/1/${camera}/`;

export class Roster {
  junk = 0;
  #entries = new Map<string, Entry>();
  #brokers = new Map<string, Broker>();

  constructor(
    readonly viewer: string, private readonly loginAt: string | undefined, private readonly on: RosterEvents,
  ) {
    setInterval(() => document.hidden || this.#sayHello(), 500);
  }

  set(cameras: readonly Camera[]): void {
    const before = this.#entries;
    this.#entries = new Map(cameras.map((camera) => {
      const old = before.get(camera.id);
      const same = old && old.camera.broker === camera.broker;
      return [camera.id, same ? { ...old, camera } : { camera, presence: unseen(), hellos: 0, nextHello: 0 }];
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
    const url = this.#entries.get(camera)?.camera.broker;
    const broker = url === undefined ? undefined : this.#brokers.get(url);
    return broker?.state ?? { is: 'blocked', text: 'No broker is known for this camera. Open the whole link again.' };
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

  send(camera: string, message: ToCamera): boolean {
    const url = this.#entries.get(camera)?.camera.broker;
    return url !== undefined && this.#brokers.get(url)?.publish(top(camera) + 'req', message) === true;
  }

  /** The same for a page that is being closed. */
  lastWords(camera: string, message: ToCamera): void {
    const url = this.#entries.get(camera)?.camera.broker;
    if (url !== undefined) this.#brokers.get(url)?.lastWords(top(camera) + 'req', message);
  }

  /** Back on line, or looked at again: try now what waits for later. */
  wake(): void {
    for (const broker of this.#brokers.values()) broker.open();
    this.#sayHello();
  }

  /** The network may be another one. */
  doubt(camera?: string): void {
    const url = camera === undefined ? undefined : this.#entries.get(camera)?.camera.broker;
    for (const broker of this.#brokers.values()) if (url === undefined || broker.url === url) broker.doubt();
  }

  close(): void {
    for (const broker of this.#brokers.values()) broker.close();
  }

  #newBroker(url: string): Broker {
    const broker = new Broker(url, url === this.loginAt, loadCredentials(url), {
      change: () => {
        for (const e of this.#at(url)) {
          if (broker.state.is === 'up') {
            e.presence = reconnected(e.presence);
            e.hellos = 0;
          }
          this.on.change(e.camera.id);
        }
      },
      message: (topic, payload) => this.#heard(url, topic, payload),
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

  #heard(url: string, topic: string, payload: Uint8Array): void {
    const [, , id = '', what = ''] = topic.split('/');
    const e = this.#entries.get(id);
    if (!e || e.camera.broker !== url) return;
    const message = parse(payload);
    const now = Date.now();
    const before = e.presence;
    if (message?.type === 'status' && what === 'status') e.presence = heardStatus(before, message, now);
    else if (message?.type === 'event' && what === 'event') e.presence = heardEvent(before, message);
    else if (message?.type === 'welcome' && what === 'res') e.presence = heardWelcome(before, message, now);
    else if (!message || what !== 'res' || message.type === 'status' || message.type === 'event') {
      this.junk++;
      return;
    }
    if (before.boot !== e.presence.boot) e.hellos = 0;
    this.#sayHello();
    if (e.presence !== before) this.on.change(id);
    this.on.message(id, message);
  }

  #sayHello(): void {
    const now = Date.now();
    for (const e of this.#entries.values()) {
      if (!wantsWelcome(e.presence, now)) e.hellos = 0;
      else if (e.hellos === 0 || now >= e.nextHello) {
        if (!this.send(e.camera.id, hello(this.viewer))) continue;
        e.nextHello = now + resendAfter(++e.hellos);
      }
    }
  }

  #at(url: string): Entry[] {
    return [...this.#entries.values()].filter((e) => e.camera.broker === url);
  }

  /** The answers first: a retained status that comes at once leads to a `hello`. */
  #topics(camera: string): string[] {
    return [`${top(camera)}res/${this.viewer}`, `${top(camera)}event`, `${top(camera)}status`];
  }
}

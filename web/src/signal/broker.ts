/**
 * One connection to one MQTT broker: the only file that knows MQTT. It comes back by itself after any loss, with full
 * jitter; each connection is a new client, so nothing is left over from the one before: what matters is said again by
 * those who need it.
 */
import mqtt, { type MqttClient } from 'mqtt';
import { jittered } from '../backoff';
import { randomId } from '../base32';
import type { Credentials } from '../credentials';
import { MESSAGE_MAX } from './message';

export type BrokerState =
  | { is: 'connecting' }
  | { is: 'up' }
  | { is: 'down'; until: number }
  | { is: 'login'; wrong: boolean }
  | { is: 'blocked'; text: string }
  | { is: 'closed' };

export interface BrokerEvents {
  /** The state changed. At `up` the subscriptions have just been asked for. */
  change(): void;
  message(topic: string, payload: Uint8Array): void;
  /** The broker does not let us subscribe to this. */
  denied(topic: string): void;
}

/** CONNACK: bad user name or password, not authorized; as MQTT 3.1.1 and 5 number them. */
const REFUSED = new Set([4, 5, 134, 135]);
const KEEP_ALIVE = 30; // s
const CONNECT_TIMEOUT = 10_000;
/** An acknowledgement takes one round trip. When the network has just changed, the old connection is dead more often than slow. */
const ACK_WITHIN = 6000;
const ACK_WITHIN_IN_DOUBT = 1000;
const MOST_DOUBTS = 3;

export class Broker {
  state: BrokerState = { is: 'closed' };
  #client: MqttClient | undefined;
  #socket: WebSocket | undefined;
  #topics = new Set<string>();
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ack: { timer: ReturnType<typeof setTimeout>; at: number } | undefined;
  #doubts = 0; // times that nothing came, since something did

  constructor(
    readonly url: string, private readonly viewer: string, readonly needsLogin: boolean, private credentials: Credentials | undefined,
    private readonly on: BrokerEvents,
  ) {}

  /** Connects, or, while waiting to try again, does so now. */
  open(): void {
    if (this.state.is === 'down' || this.state.is === 'closed') this.#connect();
  }

  login(credentials: Credentials): void {
    this.credentials = credentials;
    this.#tries = 0;
    this.#drop();
    this.#connect();
  }

  /** The topics that are wanted from now on. */
  subscribe(topics: readonly string[]): void {
    const more = topics.filter((t) => !this.#topics.has(t));
    const fewer = [...this.#topics].filter((t) => !topics.includes(t));
    this.#topics = new Set(topics);
    if (this.state.is !== 'up') return;
    if (fewer.length > 0) this.#client?.unsubscribe(fewer, () => {});
    this.#subscribe(more);
  }

  /** False when there is no connection, or the message is larger than a camera would read. */
  publish(topic: string, payload: Uint8Array): boolean {
    if (this.state.is !== 'up' || !this.#client || payload.byteLength > MESSAGE_MAX) return false;
    // MQTT.js wants a Buffer, and takes a Uint8Array for one.
    this.#client.publish(topic, payload as Buffer, { qos: 1 }, () => {});
    this.#expect(ACK_WITHIN);
    return true;
  }

  /** The network may be another one: waits only shortly for a sign of life, then connects anew. */
  doubt(): void {
    if (this.state.is === 'down') this.#connect();
    else if (this.state.is === 'up') {
      this.#client?.sendPing();
      this.#expect(ACK_WITHIN_IN_DOUBT * 2 ** this.#doubts);
    }
  }

  /**
   * For a page that is being closed: goes out at once, where `publish` would wait for a turn that never comes. QoS 0.
   * Call nothing else but `close` after it.
   */
  lastWords(topic: string, payload: Uint8Array): void {
    if (this.state.is === 'up' && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(publishPacket(topic, payload));
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#ack?.timer);
    const client = this.#client;
    this.#client = undefined;
    client?.end(); // not by force: what has just been published goes out first
    this.#become({ is: 'closed' });
  }

  #connect(): void {
    clearTimeout(this.#timer);
    if (this.needsLogin && !this.credentials) return this.#become({ is: 'login', wrong: false });
    if (location.protocol === 'https:' && this.url.startsWith('ws:') && !isLoopback(this.url)) {
      return this.#become({ is: 'blocked', text: 'A page that came by https may only talk to a broker by wss.' });
    }
    this.#become({ is: 'connecting' });
    const client = mqtt.connect(this.url, {
      protocolVersion: 4, // every broker speaks it, and nothing of version 5 is needed
      clientId: `${this.viewer}-${randomId().slice(0, 8)}`, // some brokers let a viewer read only what is for it, by this
      clean: true, reconnectPeriod: 0, resubscribe: false, queueQoSZero: false,
      keepalive: KEEP_ALIVE, connectTimeout: CONNECT_TIMEOUT,
      timerVariant: 'native', // its workers would need blob: in the content security policy
      createWebsocket: (url, protocols) => (this.#socket = new WebSocket(url, protocols)),
      ...(this.credentials && { username: this.credentials.user, password: this.credentials.password }),
    });
    this.#client = client;
    const current = (): boolean => this.#client === client;
    client.on('connect', () => {
      if (!current()) return;
      this.#tries = 0;
      this.#become({ is: 'up' }, () => this.#subscribe([...this.#topics]));
    });
    client.on('packetreceive', () => {
      if (!current()) return;
      this.#doubts = 0;
      clearTimeout(this.#ack?.timer);
      this.#ack = undefined;
    });
    client.on('message', (topic, payload) => current() && this.on.message(topic, payload));
    client.on('error', (e) => {
      const code = 'code' in e ? Number(e.code) : 0;
      if (current() && REFUSED.has(code)) {
        this.#drop();
        this.#become({ is: 'login', wrong: this.credentials !== undefined });
      }
    });
    client.on('close', () => {
      if (!current()) return;
      this.#drop();
      const wait = jittered(this.#tries++, Math.random());
      this.#timer = setTimeout(() => this.#connect(), wait);
      this.#become({ is: 'down', until: performance.now() + wait });
    });
  }

  /** Something must come by then. */
  #expect(within: number): void {
    const at = performance.now() + within;
    if (this.#ack && this.#ack.at <= at) return;
    clearTimeout(this.#ack?.timer);
    const timer = setTimeout(() => {
      this.#ack = undefined;
      if (this.state.is !== 'up') return;
      this.#doubts = Math.min(MOST_DOUBTS, this.#doubts + 1);
      this.#drop();
      this.#connect();
    }, within);
    this.#ack = { timer, at };
  }

  #subscribe(topics: string[]): void {
    if (topics.length === 0) return;
    this.#client?.subscribe(topics, { qos: 1 }, (_error, _granted, packet) => {
      packet?.granted.forEach((code, i) => Number(code) >= 128 && this.on.denied(topics[i] ?? ''));
    });
  }

  #drop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#ack?.timer);
    this.#ack = undefined;
    const client = this.#client;
    this.#client = undefined;
    client?.end(true);
  }

  #become(state: BrokerState, first?: () => void): void {
    this.state = state;
    first?.();
    this.on.change();
  }
}

function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}

/** A PUBLISH with QoS 0, MQTT 3.1.1 section 3.3. */
export function publishPacket(topic: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(topic);
  const length: number[] = [];
  for (let rest = 2 + name.length + payload.length; length.length === 0 || rest > 0; rest >>= 7) {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
  }
  return Uint8Array.of(0x30, ...length, name.length >> 8, name.length & 255, ...name, ...payload);
}

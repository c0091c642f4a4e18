/**
 * The sealed line to one camera: whatever goes to it is sealed here, whatever comes of it is opened here or dropped and
 * counted. Both directions keep their order. Where the bytes travel is not known here.
 */
import { base32 } from './base32';
import { bye, parse, type FromCamera, type More, type Pair, type Request, type Status } from './signal/message';
import { readBase64url, readId, type Bytes } from './trust/bytes';
import { readChallenge, type Challenge, type Seen } from './trust/challenge';
import { kindOf, type Dropped } from './trust/envelope';
import { LAST_WORD, nonceOf, prepareOpen, seals, type Exchange, type Prepared, type Viewer } from './trust/exchange';
import { sealPair } from './trust/pair';
import { isRefusal, readRefusal, type RefusalReason } from './trust/refusal';
import { broadcastKey, openBroadcast, readBroadcast, type BroadcastKey } from './trust/status';

export interface LineEvents {
  /** False when it cannot go out now. */
  publish(envelope: Bytes): boolean;
  /** The camera has shown itself, anew: something may be asked of it. */
  challenge(it: Challenge): void;
  /** Of the camera, to this viewer; `talk` is what it belongs to. */
  message(message: FromCamera, talk: Talk): void;
  refused(reason: RefusalReason, talk: Talk): void;
  status(status: Status): void;
  /** It has a status that this page has no key for. */
  locked(): void;
  dropped(why: Dropped): void;
}

/** What is remembered of a camera, from one visit to the next. */
export interface Memory { load(): Promise<Seen | undefined>; keep(seen: Seen): Promise<void> }

/** A request to a camera, and all that belongs to it. */
export class Talk {
  exchange: Exchange | undefined;
  /** `bye`, sealed ahead: a page that is being closed has no time to seal */
  lastWord: Bytes | undefined;
  closed = false;

  constructor(readonly message: Request | Pair) {}
}

const MOST_WAITING = 128;
const MOST_TALKS = 32;

export class Line {
  challenge: Challenge | undefined;
  readonly #id: Bytes;
  #seen: Promise<Seen | undefined>;
  #ahead: { challenge: Challenge; prepared: Promise<Prepared> } | undefined;
  #talks = new Map<string, Talk>();
  #out: Promise<unknown> = Promise.resolve();
  #in: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #key: BroadcastKey | undefined;
  #status: Bytes | undefined; // the latest, as it came
  #told: { boot: string; number: number } | undefined;

  constructor(camera: string, private readonly viewer: Viewer, private readonly memory: Memory, private readonly on: LineEvents) {
    this.#id = readId(camera) ?? new Uint8Array(16);
    this.#seen = memory.load();
  }

  /** Opens an exchange. Undefined while the camera has not shown itself. */
  open(message: Request | Pair): Talk | undefined {
    if (!this.challenge) return undefined;
    const talk = new Talk(message);
    this.#later(async () => {
      const challenge = this.challenge;
      if (!challenge || talk.closed) return;
      const sealed = message.type === 'pair' ? await sealPair(this.viewer, challenge, JSON.stringify(message))
        : await seals(await this.#take(challenge), this.viewer, 'request', JSON.stringify(message));
      if (!sealed) return this.on.dropped('length');
      talk.exchange = sealed.exchange;
      this.#keep(talk);
      this.on.publish(sealed.envelope);
      this.#prepare(challenge); // the next request is likely to be a click
      if (message.type === 'offer') talk.lastWord = await sealed.exchange.more(JSON.stringify(bye(message.session)), LAST_WORD);
    });
    return talk;
  }

  /** Says more, in order, after what opened the exchange. */
  say(talk: Talk, message: More): void {
    this.#later(async () => {
      const envelope = await talk.exchange?.more(JSON.stringify(message));
      if (envelope) this.on.publish(envelope);
    });
  }

  /** Nothing more is to be heard of it. */
  close(talk: Talk): void {
    talk.closed = true;
    this.#later(async () => {
      if (talk.exchange) this.#talks.delete(base32(talk.exchange.nonce));
    });
  }

  /** What came on a topic. */
  heard(what: string, payload: Uint8Array): void {
    if (this.#waiting >= MOST_WAITING) return this.on.dropped('length');
    const bytes = new Uint8Array(payload);
    this.#waiting++;
    this.#in = this.#in.then(async () => {
      try {
        const dropped = await this.#heard(what, bytes);
        if (dropped) this.on.dropped(dropped);
      } catch {
        this.on.dropped('message'); // nothing from outside may stop the line
      } finally {
        this.#waiting--;
      }
    });
  }

  #heard(what: string, bytes: Bytes): Promise<Dropped | void> {
    switch (what) {
      case 'challenge': return this.#challenged(bytes);
      case 'status': return this.#statused(bytes);
      case 'res': return this.#answered(bytes);
      default: return Promise.resolve('kind');
    }
  }

  async #challenged(bytes: Bytes): Promise<Dropped | void> {
    const it = await readChallenge(bytes, this.#id, await this.#seen);
    if (typeof it === 'string') return it;
    if (it.number === this.challenge?.number && it.generation === this.challenge.generation) return;
    this.challenge = it;
    const { generation, number } = it;
    this.#seen = Promise.resolve({ generation, number });
    void this.memory.keep({ generation, number });
    if (this.#ahead) this.#prepare(it);
    this.on.challenge(it);
    if (this.#status) return this.#read(this.#status);
  }

  async #statused(bytes: Bytes): Promise<Dropped | void> {
    if (bytes[0] !== 0x7b) return this.#read(bytes);
    // The last will, in plain JSON: no more than silence says.
    const will = parse(bytes);
    if (will?.type !== 'status' || will.online) return 'message';
    this.#status = undefined;
    this.on.status(will);
  }

  async #read(bytes: Bytes): Promise<Dropped | void> {
    const { challenge } = this;
    this.#status = bytes; // it may come before what it is checked by
    const it = await readBroadcast(bytes, this.#id, (generation) => (generation === challenge?.generation ? challenge.signs : undefined));
    if (it === 'stale') return;
    if (typeof it === 'string') {
      this.#status = undefined;
      return it;
    }
    const boot = base32(it.boot);
    if (this.#told?.boot === boot && it.number < this.#told.number) return 'replay';
    const plain = await openBroadcast(it, this.#key);
    if (plain === 'key') {
      this.on.locked();
      return;
    }
    if (typeof plain === 'string') return plain;
    const status = parse(plain);
    if (status?.type !== 'status' || !status.online || status.boot !== boot) return 'message';
    this.#told = { boot, number: it.number };
    this.on.status(status);
  }

  async #answered(bytes: Bytes): Promise<Dropped | void> {
    const kind = kindOf(bytes);
    const talk = this.#talks.get(base32(nonceOf(bytes)));
    if (kind !== 'first' && kind !== 'next' && kind !== 'refusal') return 'kind';
    if (!talk?.exchange) return 'exchange';
    if (kind === 'refusal') {
      const signers = [this.challenge, talk.exchange.challenge].flatMap((c) => c?.signs ?? []);
      const reason = await readRefusal(bytes, this.#id, this.viewer.id, talk.exchange.nonce, signers);
      if (!isRefusal(reason)) return reason;
      this.#talks.delete(base32(talk.exchange.nonce));
      this.on.refused(reason, talk);
      return;
    }
    const plain = await talk.exchange[kind](bytes);
    if (typeof plain === 'string') return plain;
    const message = parse(plain);
    if (!message || message.type === 'status') return 'message';
    if (message.type === 'welcome') await this.#welcomed(message.key);
    this.on.message(message, talk);
    if (message.type === 'welcome' && this.#status) return this.#read(this.#status);
  }

  async #welcomed(key: string | undefined): Promise<void> {
    const bytes = key === undefined ? undefined : readBase64url(key);
    if (bytes) this.#key = await broadcastKey(bytes);
  }

  /** What was made ahead for this challenge, or makes it now. Each is good for one exchange. */
  #take(challenge: Challenge): Promise<Prepared> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead?.challenge === challenge ? ahead.prepared : prepareOpen(this.viewer, challenge);
  }

  #prepare(challenge: Challenge): void {
    const prepared = prepareOpen(this.viewer, challenge);
    prepared.catch(() => {});
    this.#ahead = { challenge, prepared };
  }

  #keep(talk: Talk): void {
    if (!talk.exchange) return;
    this.#talks.set(base32(talk.exchange.nonce), talk);
    if (this.#talks.size <= MOST_TALKS) return;
    const least = [...this.#talks].find(([, t]) => t.message.type !== 'offer') ?? [...this.#talks][0];
    if (least) this.#talks.delete(least[0]);
  }

  #later(work: () => Promise<void>): void {
    this.#out = this.#out.then(work).catch(() => this.on.dropped('key'));
  }
}

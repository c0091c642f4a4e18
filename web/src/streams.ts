/** Which of a camera's streams is shown, which one the user chose, and what has to be asked for. Pure: `now` in ms. */
import type { Stream } from './signal/message';

/** A camera that cannot make a key frame on demand switches at its next one, which may be some seconds away. */
const SWITCH_WITHIN = 15_000;
const NOTICE_FOR = 8000;

export class Streams {
  /** as `status` has them; the first is the default */
  list: readonly Stream[] = [];
  #shown: string | undefined;
  #wanted: { id: string; sent?: number; byUser: boolean } | undefined;
  #refused: string | undefined; // what an offer could not have
  #notice: { text: string; until: number } | undefined;

  /** `chosen` is what the user chose last, here or earlier. */
  constructor(public chosen: string | undefined) {}

  /** What is shown, or will be as soon as pictures come. */
  get shown(): string | undefined {
    return this.#shown ?? this.list[0]?.id;
  }
  /** What is asked for and does not come yet. */
  get wanted(): string | undefined {
    return this.#wanted && this.#has(this.#wanted.id) ? this.#wanted.id : undefined;
  }
  /** A sentence for the user: why it is not as wished. */
  get notice(): string {
    return this.#notice?.text ?? '';
  }

  listed(list: readonly Stream[]): void {
    this.list = list;
    if (this.#refused !== undefined && !this.#has(this.#refused)) this.#refused = undefined; // if it comes, it is new
  }

  /** A session begins. What to offer: the chosen stream, or nothing, which means the first. */
  begin(): string | undefined {
    const choice = this.chosen === this.#refused ? undefined : this.chosen;
    const offered = this.#has(choice) ? choice : undefined;
    this.#shown = offered;
    // A camera may list its streams only once it was opened: then the chosen one is asked for when it is listed.
    this.#wanted = choice === undefined || choice === this.shown ? undefined : { id: choice, byUser: false };
    return offered;
  }

  /** The session is over: what was asked for in it has to be asked for again. */
  end(): void {
    if (this.#wanted) this.#wanted = { id: this.#wanted.id, byUser: this.#wanted.byUser };
  }

  /** The offer of this session asked for a stream that there is not: the next one takes the first. */
  refuse(): void {
    this.#refused = this.#shown;
  }

  choose(id: string): void {
    if (!this.#has(id)) return;
    this.chosen = id;
    this.#notice = undefined;
    const asked = this.#wanted?.sent !== undefined;
    this.#wanted = id === this.shown && !asked ? undefined : { id, byUser: true };
  }

  /** The control channel is open: the stream to ask for now, each wish once. */
  due(now: number): string | undefined {
    if (!this.#wanted || this.#wanted.sent !== undefined || !this.#has(this.#wanted.id)) return undefined;
    this.#wanted.sent = now;
    return this.#wanted.id;
  }

  /** The camera says what it sends from now on. `text`: why that is not what was asked for, or why it changed. */
  heard(id: string, text: string, now: number): void {
    const wanted = this.#wanted;
    this.#shown = id;
    if (wanted?.id === id) this.#wanted = undefined;
    else if (wanted?.sent !== undefined && text === '') return; // to an earlier wish: the answer to this one is on its way
    else if (wanted?.sent !== undefined) {
      this.#wanted = undefined;
      if (!wanted.byUser) return; // kept for better days, without a word at each of them
      this.chosen = id;
      this.#say(text, now);
    } else {
      this.#wanted = undefined; // the camera has its reasons
      if (text) this.#say(text, now);
    }
  }

  /** The numbers of each second name the stream, too. */
  counted(id: string | undefined): void {
    if (id === undefined || id === this.shown) return;
    this.#shown = id;
    if (this.#wanted?.id === id) this.#wanted = undefined;
  }

  poll(now: number): void {
    if (this.#notice && now >= this.#notice.until) this.#notice = undefined;
    const wanted = this.#wanted;
    if (wanted?.sent === undefined || now - wanted.sent < SWITCH_WITHIN) return;
    this.#wanted = undefined;
    if (wanted.byUser && wanted.id !== this.shown) this.#say('The camera did not change the picture.', now);
  }

  #say(text: string, now: number): void {
    this.#notice = { text, until: now + NOTICE_FOR };
  }

  #has(id: string | undefined): boolean {
    return id !== undefined && this.list.some((s) => s.id === id);
  }
}

export interface Choice { id: string; label: string; short: string }

/** The streams in words: by their sizes, or, where these do not tell them apart, by their names. */
export function choices(list: readonly Stream[]): Choice[] {
  const sizes = list.map((s) => (s.width && s.height ? `${s.width} × ${s.height}` : ''));
  const told = sizes.every((s) => s !== '') && new Set(sizes).size === sizes.length;
  const rows = new Set(list.map((s) => s.height)).size === list.length;
  return list.map((s, i) => {
    if (!told) return { id: s.id, label: streamName(s.id), short: streamName(s.id) };
    return { id: s.id, label: sizes[i] ?? '', short: rows ? `${s.height}p` : streamName(s.id) };
  });
}

export function streamName(id: string): string {
  return (id[0] ?? '').toUpperCase() + id.slice(1);
}

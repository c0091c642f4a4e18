/** Questions to a camera that have one answer: repeated until it comes, given up after some seconds. Pure but for its callers. */
import { resendAfter } from './backoff';
import type { Talk } from './line';
import type { FromCamera, Request } from './signal/message';
import type { RefusalReason } from './trust/refusal';

const GIVE_UP = 10_000;

interface Question {
  request: Request; talks: Talk[]; since: number; sent: number; next: number;
  answer(m: FromCamera): void; fail(e: Error): void;
}

export class Asking {
  #questions = new Set<Question>();

  constructor(private readonly open: (request: Request) => Talk | undefined, private readonly close: (talk: Talk) => void) {}

  ask(request: Request, now = Date.now()): Promise<FromCamera> {
    return new Promise((answer, fail) => {
      this.#questions.add({ request, talks: [], since: now, sent: 0, next: now, answer, fail });
      this.poll(now);
    });
  }

  poll(now: number): void {
    for (const q of this.#questions) {
      if (now - q.since > GIVE_UP) this.#end(q, () => q.fail(new Error('The camera does not answer.')));
      else if (now >= q.next) {
        const talk = this.open(q.request);
        if (!talk) continue;
        q.talks.push(talk);
        q.next = now + resendAfter(++q.sent);
      }
    }
  }

  /** Was it the answer to a question? */
  answered(message: FromCamera, talk: Talk): boolean {
    const q = this.#of(talk);
    if (q) this.#end(q, () => (message.type === 'refused' ? q.fail(new Error(message.text || message.reason)) : q.answer(message)));
    return q !== undefined;
  }

  refused(reason: RefusalReason, talk: Talk): boolean {
    const q = this.#of(talk);
    if (!q) return false;
    if (reason === 'stale') q.next = Math.min(q.next, Date.now() + 1000);
    else if (reason !== 'busy') this.#end(q, () => q.fail(new Error('The camera does not know this browser any more.')));
    return true;
  }

  #of(talk: Talk): Question | undefined {
    return [...this.#questions].find((q) => q.talks.includes(talk));
  }

  #end(q: Question, how: () => void): void {
    this.#questions.delete(q);
    for (const talk of q.talks) this.close(talk);
    how();
  }
}

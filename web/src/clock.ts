/**
 * How far the camera's wall clock is from this page's own clock, by `ping` and `pong` (RFC 5905, section 8, with one
 * remote stamp). Pure. Of the latest samples the one with the shortest round trip is believed: it has the least room
 * for an error, which is at most half of that round trip.
 */
const KEEP = 16;

export interface Offset {
  /** camera's wall clock (Unix ms) = this page's clock (ms, `performance.now()`) + offset */
  offset: number;
  roundTrip: number;
}

export class Clock {
  #samples: Offset[] = [];

  /** `sent` and `received` by this page's clock, `wall` by the camera's. */
  pong(sent: number, received: number, wall: number): void {
    const roundTrip = received - sent;
    if (!(roundTrip >= 0)) return;
    this.#samples.push({ offset: wall - (sent + received) / 2, roundTrip });
    if (this.#samples.length > KEEP) this.#samples.shift();
  }

  best(): Offset | undefined {
    let best: Offset | undefined;
    for (const s of this.#samples) if (!best || s.roundTrip <= best.roundTrip) best = s;
    return best;
  }

  /** When to ping next: quickly at first, so that a number is there soon; rarely later. */
  pingAfter(): number {
    return this.#samples.length < 5 ? 200 : 3000;
  }
}

/**
 * How old a picture is when it is shown. The camera tells, once a second, the RTP timestamp of one picture and its wall
 * clock when that one was captured; the others follow, since RTP time runs at 90 kHz. Pure.
 */
const KEEP = 150;

export class Latency {
  #reference: { rtp: number; wall: number } | undefined;
  #ages: number[] = [];

  reference(rtp: number, wall: number): void {
    this.#reference = { rtp, wall };
  }

  /** A picture with this RTP timestamp was shown at `shown` by the camera's wall clock. Its age in ms. */
  frame(rtp: number, shown: number): number | undefined {
    if (!this.#reference) return undefined;
    const age = shown - (this.#reference.wall + rtpBetween(this.#reference.rtp, rtp) / 90);
    // An hour off is no latency but a broken clock or a reference of another session.
    if (!Number.isFinite(age) || Math.abs(age) > 3_600_000) return undefined;
    this.#ages.push(age);
    if (this.#ages.length > KEEP) this.#ages.shift();
    return age;
  }

  /** The median of the last few seconds. */
  p50(): number | undefined {
    return median(this.#ages);
  }
}

/** Ticks from one 32-bit RTP timestamp to another, the short way round: right within ±6.6 hours at 90 kHz. */
export function rtpBetween(from: number, to: number): number {
  return (to - from) | 0;
}

export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

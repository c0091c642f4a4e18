/** How long to wait before trying again. Pure: chance comes in as an argument. */

const LONGEST = 30_000;

/** Full jitter: anything up to 1 s, 2 s, 4 s … 30 s, so that a thousand pages do not come back in the same moment. */
export function jittered(tries: number, random: number): number {
  return Math.max(100, random * Math.min(LONGEST, 1000 * 2 ** Math.min(tries, 16)));
}

/** An unanswered request goes out again after 2, 4, 8 … at most 30 s. `sent` is how often it has been sent so far. */
export function resendAfter(sent: number): number {
  return Math.min(LONGEST, 1000 * 2 ** Math.min(sent, 16));
}

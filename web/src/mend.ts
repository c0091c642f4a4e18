/** Mending a running session whose way is lost, by ICE restarts over the signaling that stays. Pure: `now` in ms. */
import { resendAfter } from './backoff';

/** An answered restart that has found no way by then is followed by another: either side may have new addresses. */
const ANOTHER_AFTER = 8000;
/** Restarts that come one upon the other are one. */
const TOGETHER = 1000;
/** The camera keeps a session so long without a sign of life. A broker that comes back is worth another try. */
const GIVE_UP = 28_000;

/** `making` the offer, `asking` the camera, or `answered`: now the two look for a way. */
export interface Mend {
  step: 'making' | 'asking' | 'answered';
  /** the restart's number in its session */
  n: number;
  /** when the first of them began, and when the latest step did */
  since: number;
  at: number;
  sdp?: string;
  sent: number;
  next: number;
}

export function begin(n: number, before: Mend | undefined, now: number): Mend {
  return { step: 'making', n, since: before?.since ?? now, at: now, sent: 0, next: Infinity };
}

/** Is there a restart already that will do? */
export function serves(mend: Mend | undefined, now: number): boolean {
  return mend !== undefined && now - mend.at < TOGETHER;
}

export function made(mend: Mend, sdp: string, now: number): Mend {
  return { ...mend, step: 'asking', sdp, at: now, next: now };
}

/** The offer goes out, now and again until it is answered. */
export function asked(mend: Mend, now: number): Mend {
  const sent = mend.sent + 1;
  return { ...mend, sent, next: now + resendAfter(sent - 1) };
}

export function answered(mend: Mend, now: number): Mend {
  const { sdp: _, ...rest } = mend;
  return { ...rest, step: 'answered', at: now };
}

/** `upSince`: since when the broker has been there; undefined: it is not. */
export function due(mend: Mend, upSince: number | undefined, now: number): 'ask' | 'another' | 'give up' | undefined {
  if (now - Math.max(mend.since, upSince ?? 0) > GIVE_UP) return 'give up';
  if (upSince === undefined) return undefined;
  if (mend.step === 'asking') return now >= mend.next ? 'ask' : undefined;
  return now - mend.at > ANOTHER_AFTER ? 'another' : undefined;
}

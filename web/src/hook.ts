/**
 * `window.lunette`: what the browser tests read. Read only, and of no use to anyone else: nothing here changes anything,
 * and `frames` stays empty unless the address says `meter=1`.
 */
import type { Metered } from './meter';
import type { Sample } from './stats';
import type { Counters } from './watcher';

export interface Hook {
  readonly view: 'list' | 'live';
  readonly camera: string | undefined;
  /** the state of the watch: waiting, opening, asking, connecting, live, pausing, stopped, asleep, left; none in the list */
  readonly state: string | undefined;
  readonly session: string | undefined;
  /** the stream that is shown, and the one that is asked for and does not come yet */
  readonly stream: string | undefined;
  readonly wanted: string | undefined;
  /** has this session shown a picture? */
  readonly picture: boolean;
  readonly counters: Counters | undefined;
  /** capture to present, median ms, by the data channel's clock */
  readonly latencyMs: number | undefined;
  readonly frames: readonly Metered[];
  readonly missed: number;
  readonly junk: number;
  /** who this browser is: its id, and its key in words; the camera's key in words; what it may do there; why it may not */
  readonly viewer: string;
  readonly words: string;
  readonly cameraWords: string | undefined;
  readonly role: string | undefined;
  readonly refusal: string | undefined;
  /** ms since the page's start: when the view was opened, when its first picture was shown */
  readonly opened: number | undefined;
  readonly firstPicture: number | undefined;
  stats(): Sample | undefined;
}

declare global {
  interface Window { readonly lunette?: Hook }
}

export function expose(hook: Hook): void {
  Object.defineProperty(window, 'lunette', { value: Object.freeze(hook), writable: false, configurable: false });
}

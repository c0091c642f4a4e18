/** What a `Watch` can be in, what it hears, and what it wants done. */
import type { Mend } from './mend';
import type { Source } from './signal/message';

/** Why there is no picture. `text` is the camera's own sentence, where it gave one. */
export interface Why { reason: string; text: string }

export type State =
  | { is: 'waiting'; for: 'broker' | 'status' | 'online' | 'restart' | 'welcome'; until?: number }
  | { is: 'opening'; session: string; since: number }
  | { is: 'asking'; session: string; since: number; sdp: string; sent: number; next: number }
  | { is: 'connecting'; session: string; since: number; failed?: number | undefined }
  | { is: 'live'; session: string; since: number; picture?: number; lastMedia: number; shaky?: number; blind?: number; silence?: number; mend?: Mend }
  | { is: 'pausing'; until: number; why: Why; session: string }
  | { is: 'stopped'; why: Why }
  | { is: 'asleep' }
  | { is: 'left' };

export type Live = Extract<State, { is: 'live' }>;

export type Input =
  | { is: 'broker'; up: boolean }
  | { is: 'presence'; online: boolean | undefined; boot: string | undefined; fresh: boolean }
  | { is: 'offered'; session: string; restart?: number; sdp: string }
  | { is: 'broken'; session: string; text: string }
  | { is: 'answer'; session: string; restart?: number; sdp: string }
  | { is: 'end'; session: string; reason: string; text: string }
  | { is: 'refused'; re: string; session: string | undefined; reason: string; text: string }
  | { is: 'peer'; session: string; state: RTCPeerConnectionState }
  | { is: 'media'; session: string; packets: number; received: number; decoded: number; alive?: number }
  | { is: 'picture'; session: string }
  | { is: 'source'; session: string; source: Source }
  | { is: 'farewell'; session: string }
  /** the channel is not the one that was agreed upon */
  | { is: 'unbound'; session: string }
  | { is: 'network' }
  | { is: 'restart'; session: string }
  | { is: 'hidden'; hidden: boolean }
  | { is: 'again' }
  | { is: 'leave' };

export type Effect =
  | { do: 'open' | 'candidates' | 'bye' | 'close' | 'key'; session: string }
  | { do: 'restart'; session: string; restart: number }
  | { do: 'offer'; session: string; restart?: number; sdp: string }
  | { do: 'answer'; session: string; sdp: string };

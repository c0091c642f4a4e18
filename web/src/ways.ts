/** Which ways this side found to reach the camera and be reached, and why there are no more, in plain words. Pure. */
import type { Candidate, IceServer } from './signal/message';

/** What a browser says of a STUN or TURN server (RTCPeerConnectionIceErrorEvent). */
export interface Trouble { code: number; url: string; text: string }

const MOST_TROUBLES = 32;

export class Ways {
  mine = new Set<string>();
  camera = new Set<string>();
  troubles: Trouble[] = [];

  constructor(readonly servers: readonly IceServer[], readonly relayOnly: boolean) {}

  told(c: Candidate, to: 'mine' | 'camera'): void {
    if (c) this.described(`a=${c.candidate}`, to);
  }
  /** All candidates in a session description. */
  described(sdp: string, to: 'mine' | 'camera'): void {
    for (const [, kind = ''] of sdp.matchAll(/^a=candidate:.* typ (host|srflx|prflx|relay)\b/gm)) {
      this[to].add(kind === 'prflx' ? 'srflx' : kind);
    }
  }
  failed(trouble: Trouble): void {
    if (this.troubles.length < MOST_TROUBLES) this.troubles.push(trouble);
  }

  /** Why there may be no connection, and what helps; empty when nothing is known to be wrong here. */
  why(): string {
    const turn = this.servers.flatMap((s) => s.urls).filter((u) => u.startsWith('turn'));
    const said: string[] = [];
    if (this.mine.has('relay')) {
      if (!this.camera.has('relay')) said.push('This device has a TURN server to relay, but the camera did not come through to it.');
    } else if (turn.length === 0) {
      said.push(this.relayOnly
        ? 'Only relayed connections are wanted, but the camera names no TURN server. Allow direct ones in the details, or add [[ice]] to the camera’s config.'
        : 'There is no direct way, and the camera names no TURN server that could relay. Add one to its config: [[ice]].');
    } else said.push(...this.#turnTroubles(turn));
    if (this.camera.size === 0) said.push('The camera told no way to reach it.');
    if (this.mine.size === 0 && !this.relayOnly) said.push('This browser found no network.');
    return said.join(' ');
  }

  /** One sentence for each thing that is wrong with the TURN servers, the telling ones first. */
  #turnTroubles(turn: readonly string[]): string[] {
    const mine = this.troubles.filter((t) => t.url.startsWith('turn'));
    const hosts = (of: readonly { url: string }[]): string => [...new Set(of.map((t) => host(t.url)))].join(', ');
    const refused = mine.filter((t) => t.code === 401 || t.code === 403 || t.code === 441);
    const full = mine.filter((t) => t.code === 486 || t.code === 508);
    const unreachable = mine.filter((t) => t.code === 701 && !refused.some((r) => host(r.url) === host(t.url)));
    const out: string[] = [];
    if (refused.length > 0) {
      out.push(`The TURN server ${hosts(refused)} refused the credentials. Look at [[ice]] in the camera’s config, and at the clocks of camera and server.`);
    }
    if (full.length > 0) out.push(`The TURN server ${hosts(full)} takes no more connections.`);
    if (unreachable.length > 0) {
      out.push(`The TURN server ${hosts(unreachable)} cannot be reached from here. Another network, or a TURN server with TLS on port 443, may help.`);
    }
    if (out.length === 0) out.push(`The TURN server ${hosts(turn.map((url) => ({ url })))} has not answered.`);
    return out;
  }
}

/** The server's name alone. */
function host(url: string): string {
  return /^turns?:(\[[^\]]*\]|[^:?]+)/.exec(url)?.[1] ?? url;
}

/** What a session costs and how it goes, out of the browser's getStats. Pure but for the call itself. */

export interface Sample {
  at: number;
  bytes: number; packets: number; lost: number;
  received: number; decoded: number; dropped: number; freezes: number;
  width?: number; height?: number; fps?: number; kbps?: number; roundTrip?: number; codec?: string;
  /** ms that a picture waits in the browser before it is decoded, on average since the sample before */
  buffered?: number;
  bufferTotal: number; bufferCount: number;
  path?: Path;
}
/** `protocol`: to the TURN server, where this side has one; `by`: whose it is. */
export interface Path { kind: 'direct' | 'nat' | 'relay'; protocol: string; by?: 'here' | 'camera' | 'both' }

/** Browsers differ in what they give; each field is looked at before it is believed. */
export type Report = Record<string, unknown> & { id: string; type: string };

export async function sample(pc: RTCPeerConnection, before: Sample | undefined): Promise<Sample> {
  const stats = await pc.getStats();
  const reports: Report[] = [];
  stats.forEach((report: Report) => reports.push(report));
  return read(reports, before, performance.now());
}

export function read(reports: readonly Report[], before: Sample | undefined, at: number): Sample {
  const inbound = reports.find((r) => r.type === 'inbound-rtp' && (r.kind ?? r.mediaType) === 'video');
  const byId = new Map(reports.map((r) => [r.id, r]));
  const pair = selectedPair(reports, byId);
  const n = (key: string): number => number(inbound?.[key]) ?? 0;
  const s: Sample = {
    at, bytes: n('bytesReceived'), packets: n('packetsReceived'), lost: n('packetsLost'),
    received: n('framesReceived'), decoded: n('framesDecoded'), dropped: n('framesDropped'), freezes: n('freezeCount'),
    bufferTotal: n('jitterBufferDelay'), bufferCount: n('jitterBufferEmittedCount'),
    ...optional('width', number(inbound?.frameWidth)), ...optional('height', number(inbound?.frameHeight)),
    ...optional('fps', number(inbound?.framesPerSecond)),
    ...optional('roundTrip', seconds(pair?.currentRoundTripTime)),
    ...optional('path', pair && pathOf(byId.get(string(pair.localCandidateId)), byId.get(string(pair.remoteCandidateId)))),
  };
  const codec = byId.get(string(inbound?.codecId));
  if (codec) s.codec = `${string(codec.mimeType)} ${string(codec.sdpFmtpLine)}`.trim();
  if (before && at > before.at && s.bytes >= before.bytes) {
    s.kbps = Math.round(((s.bytes - before.bytes) * 8) / (at - before.at));
    s.fps ??= Math.round(((s.decoded - before.decoded) * 1000) / (at - before.at));
    const count = s.bufferCount - before.bufferCount;
    if (count > 0) s.buffered = ((s.bufferTotal - before.bufferTotal) * 1000) / count;
  }
  return s;
}

function selectedPair(reports: readonly Report[], byId: ReadonlyMap<string, Report>): Report | undefined {
  const transport = reports.find((r) => r.type === 'transport' && r.selectedCandidatePairId);
  return byId.get(string(transport?.selectedCandidatePairId))
    ?? reports.find((r) => r.type === 'candidate-pair' && (r.selected === true || (r.nominated === true && r.state === 'succeeded')));
}

/** Direct, through a NAT, or by a relay; and by what. */
export function pathOf(local: Report | undefined, remote: Report | undefined): Path {
  if (local?.candidateType === 'relay') {
    const told = string(local.relayProtocol) || (/^turns:/.test(string(local.url)) ? 'tls' : string(local.protocol) || 'udp');
    return { kind: 'relay', protocol: told.toUpperCase(), by: remote?.candidateType === 'relay' ? 'both' : 'here' };
  }
  const protocol = (string(local?.protocol) || 'udp').toUpperCase();
  if (remote?.candidateType === 'relay') return { kind: 'relay', protocol, by: 'camera' };
  return { kind: [local, remote].some((c) => c && outside(c)) ? 'nat' : 'direct', protocol };
}

/** Was this address learned from outside? A peer-reflexive address of one's own network is no NAT. */
function outside(candidate: Report): boolean {
  const address = string(candidate.address) || string(candidate.ip);
  if (candidate.candidateType === 'srflx') return !isPrivate(address);
  return candidate.candidateType === 'prflx' && address !== '' && !isPrivate(address);
}

export function isPrivate(address: string): boolean {
  return /^(10\.|127\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(address)
    || /^(::1$|fe[89ab]|f[cd])/i.test(address) || address.endsWith('.local');
}

export function pathWords(path: Path): string {
  switch (path.kind) {
    case 'direct': return `Direct, over ${path.protocol}`;
    case 'nat': return `Direct through NAT, over ${path.protocol}`;
    case 'relay':
      if (path.by === 'camera') return 'Relayed by the camera’s TURN server';
      return `Relayed by TURN${path.by === 'both' ? ' on both sides' : ''}, over ${path.protocol}`;
  }
}

function number(x: unknown): number | undefined {
  return typeof x === 'number' && Number.isFinite(x) ? x : undefined;
}
function seconds(x: unknown): number | undefined {
  const s = number(x);
  return s === undefined ? undefined : s * 1000;
}
function string(x: unknown): string {
  return typeof x === 'string' ? x : '';
}
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

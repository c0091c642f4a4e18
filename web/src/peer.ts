/** One peer connection to a camera: makes the offer, takes the answer, carries the picture and the control channel. */
import { LABEL, parseControl, type ControlFromCamera, type ControlToCamera } from './signal/control';
import type { Candidate, IceServer } from './signal/message';
import { sample, type Sample } from './stats';
import { bindingHolds, bindingMac, fingerprintIn, fingerprintOf, type Fingerprints } from './trust/binding';
import { base64url, readBase64url, type Bytes } from './trust/bytes';
import type { Trouble } from './ways';

export interface PeerEvents {
  candidate(candidate: Candidate): void;
  state(state: RTCPeerConnectionState): void;
  /** Pictures may be shown: the channel is bound. */
  track(stream: MediaStream): void;
  control(message: ControlFromCamera): void;
  /** The other end of the channel is not the camera that was asked; or it does not say. */
  unbound(): void;
  silent(): void;
  /** A STUN or TURN server is of no use. */
  trouble(trouble: Trouble): void;
}

const MOST_CANDIDATES = 64;
const MOST_EARLY = 32;
/** So soon after the connection is there, the camera has said who it is. */
const BOUND_WITHIN = 8000;

/** The H.264 variants and retransmission, in the browser's own order. Empty where there is no H.264. */
export function h264Codecs(): RTCRtpCodec[] {
  const codecs = globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs ?? [];
  if (!codecs.some((c) => /^video\/h264$/i.test(c.mimeType))) return [];
  return codecs.filter((c) => /^video\/(h264|rtx)$/i.test(c.mimeType));
}

export class Peer {
  #pc: RTCPeerConnection;
  #control: RTCDataChannel;
  #early: RTCIceCandidateInit[] | undefined = [];
  #closed = false;
  #kbind: Bytes | undefined;
  #introduced = false;
  #bound = false;
  #said: unknown[] | undefined; // what came before the camera's binding was checked, that first
  #stream: MediaStream | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ice: readonly IceServer[], relayOnly: boolean, private readonly on: PeerEvents) {
    this.#pc = connection(ice, relayOnly);
    this.#pc.onicecandidateerror = (e) => this.on.trouble({ code: e.errorCode, url: e.url ?? '', text: e.errorText ?? '' });
    this.#pc.onicecandidate = (e) => {
      // an empty candidate ends one generation, null ends them all: the second is enough
      if (e.candidate?.candidate !== '') this.on.candidate(e.candidate ? (e.candidate.toJSON() as Candidate) : null);
    };
    this.#pc.onconnectionstatechange = () => {
      const { connectionState: state } = this.#pc;
      if (state === 'connected' && !this.#bound) this.#timer ??= setTimeout(() => this.#bound || this.#closed || this.on.silent(), BOUND_WITHIN);
      this.on.state(state);
    };
    this.#pc.ontrack = (e) => {
      // Says "no buffering" where the browser listens; the camera says it too, by the playout-delay extension.
      if ('jitterBufferTarget' in e.receiver) e.receiver.jitterBufferTarget = 0;
      this.#stream = new MediaStream([e.track]);
      if (this.#bound) this.on.track(this.#stream);
    };
    this.#control = this.#pc.createDataChannel(LABEL);
    this.#control.onclose = () => this.on.control({ type: 'bye' }); // the camera closed it
    this.#control.onopen = () => void this.#sayBinding().catch(() => this.#closed || this.on.unbound());
    this.#control.onmessage = (e) => this.#heard(e.data);
  }

  /** Open, and both sides have said who they are. */
  get open(): boolean {
    return this.#bound && this.#introduced && this.#control.readyState === 'open';
  }

  /** The key that binds the channel to the exchange that brought it about. */
  bind(kbind: Bytes): void {
    this.#kbind ??= kbind;
  }

  async offer(): Promise<string> {
    const video = this.#pc.addTransceiver('video', { direction: 'recvonly' });
    video.setCodecPreferences?.(h264Codecs());
    const offer = await this.#pc.createOffer();
    await this.#pc.setLocalDescription(offer);
    return offer.sdp ?? '';
  }

  /** Servers, credentials or wishes for the next time that ways are looked for. */
  configure(ice: readonly IceServer[], relayOnly: boolean): void {
    try {
      this.#pc.setConfiguration(configuration(ice, relayOnly));
    } catch {
      // a server that this browser does not take: those from before go on
    }
  }

  /** Looks for new ways; the connection, its keys and its channel stay (RFC 8839, section 4.4.1.1.1). */
  async restart(): Promise<string> {
    this.#early = [];
    const offer = await this.#pc.createOffer({ iceRestart: true });
    await this.#pc.setLocalDescription(offer);
    return offer.sdp ?? '';
  }

  async answer(sdp: string): Promise<void> {
    await this.#pc.setRemoteDescription({ type: 'answer', sdp });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const c of early) this.#add(c);
  }

  /** Those that come before the answer wait for it. */
  candidate(c: Candidate): void {
    if (this.#closed || c === null || c.candidate === '') return;
    if (!this.#early) this.#add(c);
    else if (this.#early.length < MOST_CANDIDATES) this.#early.push(c);
  }

  send(message: ControlToCamera): void {
    if (this.open) this.#control.send(JSON.stringify(message));
  }

  stats(before: Sample | undefined): Promise<Sample> {
    return sample(this.#pc, before);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#pc.onicecandidate = this.#pc.onicecandidateerror = this.#pc.onconnectionstatechange = this.#pc.ontrack = null;
    this.#control.onopen = this.#control.onmessage = this.#control.onclose = null;
    this.#pc.close();
  }

  #heard(data: unknown): void {
    if (this.#bound) return this.#take(data);
    if (this.#said) {
      if (this.#said.length < MOST_EARLY) this.#said.push(data);
      return;
    }
    this.#said = [];
    const failed = (): void => {
      if (!this.#closed) this.on.unbound();
    };
    this.#checkBinding(data).then((holds) => {
      if (this.#closed) return;
      if (!holds) return failed();
      this.#bound = true;
      if (this.#stream) this.on.track(this.#stream);
      for (const early of this.#said?.splice(0) ?? []) this.#take(early);
    }, failed);
  }

  #take(data: unknown): void {
    const message = parseControl(data);
    if (message && message.type !== 'bind') this.on.control(message);
  }

  async #sayBinding(): Promise<void> {
    const [kbind, prints] = [this.#kbind, await this.#prints()];
    if (!kbind || !prints) return this.on.unbound();
    const mac = base64url(await bindingMac(kbind, prints));
    if (this.#closed) return;
    this.#control.send(JSON.stringify({ type: 'bind', mac } satisfies ControlToCamera));
    this.#introduced = true;
  }

  async #checkBinding(data: unknown): Promise<boolean> {
    const first = parseControl(data);
    const [kbind, prints] = [this.#kbind, await this.#prints()];
    const mac = first?.type === 'bind' ? readBase64url(first.mac) : undefined;
    return kbind !== undefined && prints !== undefined && mac !== undefined && bindingHolds(kbind, prints, mac);
  }

  /** Of both certificates: the camera's as the handshake showed it, where the browser tells. */
  async #prints(): Promise<Fingerprints | undefined> {
    const viewer = fingerprintIn(this.#pc.localDescription?.sdp ?? '');
    const [shown] = this.#pc.sctp?.transport.getRemoteCertificates?.() ?? [];
    const camera = shown ? await fingerprintOf(shown) : fingerprintIn(this.#pc.remoteDescription?.sdp ?? '');
    return viewer && camera && { viewer, camera };
  }

  #add(c: RTCIceCandidateInit): void {
    // A candidate that this browser does not understand costs only itself.
    this.#pc.addIceCandidate(c).catch(() => {});
  }
}

function configuration(ice: readonly IceServer[], relayOnly: boolean): RTCConfiguration {
  const iceServers = ice.map((s) => ({ ...s, urls: [...s.urls] }));
  return { iceServers, bundlePolicy: 'max-bundle', iceTransportPolicy: relayOnly ? 'relay' : 'all' };
}

function connection(ice: readonly IceServer[], relayOnly: boolean): RTCPeerConnection {
  try {
    return new RTCPeerConnection(configuration(ice, relayOnly));
  } catch {
    return new RTCPeerConnection(configuration([], relayOnly)); // a server that this browser does not take
  }
}

/** One peer connection to a camera: makes the offer, takes the answer, carries the picture and the control channel. */
import { LABEL, parseControl, type ControlFromCamera, type ControlToCamera } from './signal/control';
import type { Candidate, IceServer } from './signal/message';
import { sample, type Sample } from './stats';
import type { Trouble } from './ways';

export interface PeerEvents {
  candidate(candidate: Candidate): void;
  state(state: RTCPeerConnectionState): void;
  track(stream: MediaStream): void;
  control(message: ControlFromCamera): void;
  /** A STUN or TURN server is of no use. */
  trouble(trouble: Trouble): void;
}

const MOST_CANDIDATES = 64;

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

  constructor(ice: readonly IceServer[], relayOnly: boolean, private readonly on: PeerEvents) {
    this.#pc = connection(ice, relayOnly);
    this.#pc.onicecandidateerror = (e) => this.on.trouble({ code: e.errorCode, url: e.url ?? '', text: e.errorText ?? '' });
    this.#pc.onicecandidate = (e) => {
      // an empty candidate ends one generation, null ends them all: the second is enough
      if (e.candidate?.candidate !== '') this.on.candidate(e.candidate ? (e.candidate.toJSON() as Candidate) : null);
    };
    this.#pc.onconnectionstatechange = () => this.on.state(this.#pc.connectionState);
    this.#pc.ontrack = (e) => {
      // Says "no buffering" where the browser listens; the camera says it too, by the playout-delay extension.
      if ('jitterBufferTarget' in e.receiver) e.receiver.jitterBufferTarget = 0;
      this.on.track(new MediaStream([e.track]));
    };
    this.#control = this.#pc.createDataChannel(LABEL);
    this.#control.onclose = () => this.on.control({ type: 'bye' }); // the camera closed it
    this.#control.onmessage = (e) => {
      const message = parseControl(e.data);
      if (message) this.on.control(message);
    };
  }

  get open(): boolean {
    return this.#control.readyState === 'open';
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
    this.#pc.onicecandidate = this.#pc.onicecandidateerror = this.#pc.onconnectionstatechange = this.#pc.ontrack = null;
    this.#control.onmessage = this.#control.onclose = null;
    this.#pc.close();
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

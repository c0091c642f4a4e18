/**
 * Reads the test card's stamp out of each shown picture: how old it is by the wall clocks, and whether it is whole.
 * For tests; it runs only when the address says `meter=1`.
 */
import { decodeRow, sinceStamp, stampRow } from './stamp';

export interface Metered {
  /** RTP timestamp, where the browser tells */
  rtp: number | undefined;
  /** Unix ms mod 2^32 at capture; undefined when the stamp is broken or absent */
  stamp: number | undefined;
  /** Unix ms when the picture was shown, by this machine's wall clock */
  present: number;
  latencyMs: number | undefined;
  corrupt: boolean;
  /** pixels */
  width: number;
  height: number;
}

const MOST = 600;

export class Meter {
  readonly frames: Metered[] = [];
  /** pictures that were shown without a callback, and those that were gone before they could be read */
  missed = 0;
  mismatched = 0;
  #clock = clockOffset();
  #presented = 0;
  #buffer = new Uint8Array(0);
  #canvas: CanvasRenderingContext2D | undefined;

  async shown(video: HTMLVideoElement, m: VideoFrameCallbackMetadata): Promise<void> {
    if (this.#presented && m.presentedFrames > this.#presented + 1) this.missed += m.presentedFrames - this.#presented - 1;
    this.#presented = m.presentedFrames;
    const stamp = await this.#read(video, m.mediaTime);
    if (stamp === 'gone') {
      this.mismatched++;
      return;
    }
    const present = performance.timeOrigin + m.presentationTime + this.#clock;
    this.frames.push({
      rtp: m.rtpTimestamp, stamp, present, corrupt: stamp === undefined, width: m.width, height: m.height,
      latencyMs: stamp === undefined ? undefined : sinceStamp(stamp, present),
    });
    if (this.frames.length > MOST) this.frames.shift();
  }

  async #read(video: HTMLVideoElement, mediaTime: number): Promise<number | undefined | 'gone'> {
    try {
      if ('VideoFrame' in globalThis) return await this.#readFrame(video, mediaTime);
    } catch {
      // a pixel format that cannot be copied: the canvas can
    }
    return this.#readCanvas(video);
  }

  /** Cheap: copies two rows of the picture, without a conversion. */
  async #readFrame(video: HTMLVideoElement, mediaTime: number): Promise<number | undefined | 'gone'> {
    const frame = new VideoFrame(video);
    try {
      if (Math.abs(frame.timestamp / 1e6 - mediaTime) > 0.0015) return 'gone'; // a newer picture than the callback's
      const seen = frame.visibleRect ?? { x: 0, y: 0, width: frame.codedWidth, height: frame.codedHeight };
      const rect = { x: seen.x, y: seen.y + stampRow(seen.height), width: seen.width, height: 2 };
      const size = frame.allocationSize({ rect });
      if (this.#buffer.length !== size) this.#buffer = new Uint8Array(size);
      const [plane] = await frame.copyTo(this.#buffer, { rect });
      const planar = /^(I4|NV12)/.test(frame.format ?? '');
      return decodeRow(this.#buffer, seen.width, (plane?.offset ?? 0) + (planar ? 0 : 1), planar ? 1 : 4);
    } finally {
      frame.close();
    }
  }

  #readCanvas(video: HTMLVideoElement): number | undefined {
    const { videoWidth: width, videoHeight: height } = video;
    if (width === 0) return undefined;
    this.#canvas ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true, alpha: false }) ?? undefined;
    const c = this.#canvas;
    if (!c) return undefined;
    if (c.canvas.width !== width) Object.assign(c.canvas, { width, height: 2 });
    c.drawImage(video, 0, stampRow(height), width, 1, 0, 0, width, 1);
    return decodeRow(c.getImageData(0, 0, width, 1).data, width, 1, 4);
  }
}

/** Date.now() minus (timeOrigin + now()): the wall clock may have been stepped since the page's time origin was taken. */
function clockOffset(): number {
  let best = Infinity;
  for (let i = 0; i < 30; i++) {
    const before = Date.now();
    let after = before;
    while (after === before) after = Date.now(); // the moment in which it ticks over
    const offset = after - (performance.timeOrigin + performance.now());
    if (Math.abs(offset) < Math.abs(best)) best = offset;
  }
  return best;
}

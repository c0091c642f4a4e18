/** The live view: the picture, what is the matter with it, and its buttons. */
import type { Words } from '../words';
import { DetailsPanel } from './panel';
import { h, icon, iconButton, setData, setText } from './dom';
import { Quality } from './quality';

export interface LiveActions { back(): void; again(): void; quality(stream: string): void; relay(only: boolean): void; link(): void }
const IDLE_AFTER = 3000;

export class LiveView {
  readonly element: HTMLElement;
  readonly video = h('video', { id: 'video', attributes: { playsinline: '', autoplay: '', 'aria-label': 'Live picture' } });
  readonly panel: DetailsPanel;
  readonly quality: Quality;
  #still = h('canvas', { class: 'still', attributes: { 'aria-hidden': 'true' } });
  #name = h('h1', { id: 'name' });
  #pill = h('span', { text: 'Live' });
  #title = h('p', { class: 'title', id: 'state' });
  #more = h('p', { class: 'more', id: 'state-more' });
  #again: HTMLButtonElement;
  #link: HTMLButtonElement;
  #full: HTMLButtonElement;
  #details: HTMLButtonElement;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(camera: string, private readonly actions: LiveActions) {
    this.video.muted = true;
    this.video.disableRemotePlayback = true;
    this.panel = new DetailsPanel(() => this.toggleDetails(), actions.relay);
    this.quality = new Quality(actions.quality);
    this.#again = h('button', { class: 'plain', id: 'again', text: 'Try now', attributes: { type: 'button' }, on: { click: actions.again } });
    this.#link = h('button', { class: 'plain', id: 'paste-link', text: 'I have a link…', attributes: { type: 'button' }, on: { click: actions.link } });
    this.#full = iconButton('full', 'Full screen (f)', 'fullscreen', () => this.toggleFull());
    this.#full.hidden = !canFull(this.video);
    this.#details = iconButton('details', 'Details (d)', 'details-button', () => this.toggleDetails());
    this.#details.setAttribute('aria-expanded', 'false');
    this.#details.setAttribute('aria-controls', 'details');
    const pip = iconButton('pip', 'Picture in picture (p)', 'pip', () => this.togglePip());
    pip.hidden = !document.pictureInPictureEnabled;
    this.element = h('main', { class: 'live', data: { view: 'live', camera, tone: 'busy' } },
      h('div', { class: 'stage' },
        this.video, this.#still,
        h('div', { class: 'veil' }, h('div', { class: 'spinner' }), h('div', { class: 'sign' }, icon('offline')),
          this.#title, this.#more, h('div', { class: 'ways' }, this.#again, this.#link)),
        h('div', { class: 'bar upper' }, iconButton('back', 'Back (Esc)', 'back', actions.back), this.#name,
          h('span', { class: 'badge', id: 'pill' }, h('i', { class: 'dot' }), this.#pill)),
        this.quality.notice,
        h('div', { class: 'bar lower' }, this.quality.element, pip, this.#details, this.#full)),
      this.panel.element);
    for (const type of ['pointermove', 'pointerdown', 'focusin', 'keydown'] as const) {
      this.element.addEventListener(type, () => this.#stir());
    }
    this.element.addEventListener('fullscreenchange', () => {
      this.#full.replaceChildren(icon(document.fullscreenElement ? 'unfull' : 'full'));
    });
    this.#stir();
  }

  update(name: string, words: Words): void {
    setText(this.#name, name);
    setText(this.#title, words.title);
    setText(this.#more, words.more ?? '');
    this.#again.hidden = !words.again;
    this.#link.hidden = !words.link;
    if (words.tone === 'live') this.#still.hidden = true;
    if (words.link && (!this.#still.hidden || this.video.srcObject)) {
      // Who may not look has no last picture either.
      this.#still.hidden = true;
      this.#still.width = 0;
      this.video.srcObject = null;
    }
    setData(this.element, 'tone', words.tone);
  }

  /** Keeps the last picture on view, dimmed, while there is no newer one. */
  freeze(): void {
    const picture = grab(this.video, 1280);
    if (!picture) return;
    this.#still.width = picture.width;
    this.#still.height = picture.height;
    this.#still.getContext('2d')?.drawImage(picture, 0, 0);
    this.#still.hidden = false;
  }

  key(key: string): boolean {
    if (key === 'f') this.toggleFull();
    else if (key === 'd') this.toggleDetails();
    else if (key === 'p') this.togglePip();
    else if (key === 'q') this.quality.next();
    else if (key !== 'Escape') return false;
    else if (this.panel.open) this.toggleDetails();
    else this.actions.back();
    return true;
  }

  toggleDetails(): void {
    this.panel.toggle();
    this.#details.setAttribute('aria-expanded', String(this.panel.open));
    this.element.classList.toggle('with-details', this.panel.open);
  }

  toggleFull(): void {
    if (document.fullscreenElement) void document.exitFullscreen().catch(() => {});
    else if (this.element.requestFullscreen) void this.element.requestFullscreen().catch(() => {});
    else (this.video as WebKitVideo).webkitEnterFullscreen?.();
  }

  togglePip(): void {
    if (document.pictureInPictureElement) void document.exitPictureInPicture().catch(() => {});
    else if (document.pictureInPictureEnabled) void this.video.requestPictureInPicture().catch(() => {});
  }

  close(): void {
    clearTimeout(this.#idle);
    if (document.fullscreenElement) void document.exitFullscreen().catch(() => {});
    if (document.pictureInPictureElement === this.video) void document.exitPictureInPicture().catch(() => {});
    this.element.remove();
  }

  #stir(): void {
    clearTimeout(this.#idle);
    this.element.classList.remove('idle');
    this.#idle = setTimeout(() => this.element.classList.add('idle'), IDLE_AFTER);
  }
}

/** iPhones can show only the video itself on the full screen. */
type WebKitVideo = HTMLVideoElement & { webkitEnterFullscreen?(): void };
function canFull(video: WebKitVideo): boolean {
  return document.fullscreenEnabled || video.webkitEnterFullscreen !== undefined;
}

/** The picture of the moment, at most so many pixels wide. */
export function grab(video: HTMLVideoElement, widest: number): HTMLCanvasElement | undefined {
  if (video.videoWidth === 0) return undefined;
  const scale = Math.min(1, widest / video.videoWidth);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The page: which view is shown, and what reaches it. */
import { Cameras, type Camera } from './cameras';
import type { Config } from './config';
import { loadCredentials, local } from './credentials';
import { rows as detailRows } from './details';
import type { Hook } from './hook';
import { fragment, parseFragment, type Link } from './link';
import { Meter } from './meter';
import { Roster } from './roster';
import { choices } from './streams';
import { addDialog, loginDialog, settingsDialog } from './ui/forms';
import type { Dialog } from './ui/dialog';
import { ListView, type Row } from './ui/list';
import { grab, LiveView } from './ui/live';
import { Watcher } from './watcher';
import { badge, describe } from './words';

interface Live { camera: string; view: LiveView; watcher: Watcher; opened: number; firstPicture: number | undefined }

export class App {
  #cameras: Cameras;
  #roster: Roster;
  #list: ListView;
  #live: Live | undefined;
  #stills = new Map<string, HTMLCanvasElement>();
  #login: { dialog: Dialog; url: string } | undefined;
  #declined = new Set<string>();
  #said = '';
  #fromList = false;

  constructor(
    config: Config, viewer: string, private readonly root: HTMLElement, private readonly voice: HTMLElement,
  ) {
    this.#cameras = new Cameras(config, local());
    this.#roster = new Roster(viewer, config.login ? config.broker : undefined, {
      change: () => this.#changed(),
      message: (camera, m) => this.#live?.camera === camera && this.#live.watcher.heard(m),
    });
    this.#list = new ListView({
      add: () => addDialog(config.broker !== undefined, (link) => this.#add(link)),
      settings: (id) => this.#settings(id),
      login: (id) => {
        const url = this.#cameras.find(id)?.broker;
        if (url) this.#declined.delete(url);
        this.#askLogin();
      },
    });
    this.#route();
    this.#listen();
    setInterval(() => this.#live || this.#showList(), 1000); // the countdown of a broker that is away
  }

  hook(): Hook {
    const app = this;
    return {
      get view() { return app.#live ? 'live' as const : 'list' as const; },
      get camera() { return app.#live?.camera; },
      get state() { return app.#live?.watcher.watch.state.is; },
      get session() { return app.#live?.watcher.watch.session; },
      get stream() { return app.#live?.watcher.streams.shown; },
      get wanted() { return app.#live?.watcher.streams.wanted; },
      get picture() {
        const s = app.#live?.watcher.watch.state;
        return s?.is === 'live' && s.picture !== undefined;
      },
      get counters() { return app.#live?.watcher.counters; },
      get latencyMs() { return app.#live?.watcher.session?.latency.p50(); },
      get frames() { return [...(app.#live?.watcher.meter?.frames ?? [])]; },
      get missed() { return app.#live?.watcher.meter?.missed ?? 0; },
      get junk() { return app.#roster.junk; },
      get opened() { return app.#live?.opened; },
      get firstPicture() { return app.#live?.firstPicture; },
      stats: () => structuredClone(app.#live?.watcher.session?.sample),
    };
  }

  /** Shows what the address says. */
  #route(): void {
    const link = parseFragment(location.hash);
    if (link.camera) {
      this.#cameras.add({ id: link.camera, ...(link.name && { name: link.name }), ...(link.broker && { broker: link.broker }) });
      const clean = fragment({ camera: link.camera, meter: link.meter });
      if (clean !== location.hash) history.replaceState(history.state, '', clean);
    }
    this.#roster.set(this.#cameras.all());
    if (this.#live?.camera === link.camera && this.#live) return;
    const left = this.#live?.camera;
    this.#closeLive();
    if (link.camera) {
      this.#fromList ||= left === undefined && this.#list.element.isConnected;
      this.#list.element.remove();
      this.#openLive(link.camera, link.meter);
    } else {
      this.#fromList = false;
      this.root.append(this.#list.element);
      this.#showList();
      this.#list.focus(left);
    }
    this.#changed();
  }

  #openLive(camera: string, metered: boolean): void {
    const view = new LiveView(camera, { back: () => this.#back(), again: () => this.#live?.watcher.again(), quality: (stream) => this.#live?.watcher.choose(stream), relay: (only) => {
      this.#cameras.relay(camera, only);
      this.#live?.watcher.relay(only);
    } });
    this.root.append(view.element);
    const opened = performance.now();
    const { stream, relay } = this.#cameras.find(camera) ?? {};
    view.panel.relayOnly = relay === true;
    const watcher = new Watcher(camera, this.#roster, view.video, metered ? new Meter() : undefined, stream, relay === true, {
      change: () => this.#showLive(),
      closing: () => view.freeze(),
      chose: (stream) => this.#cameras.choose(camera, stream),
    });
    this.#live = { camera, view, watcher, opened, firstPicture: undefined };
    view.video.addEventListener('leavepictureinpicture', () => watcher.visibility());
    watcher.changed();
  }

  #closeLive(closing = false): void {
    const live = this.#live;
    if (!live) return;
    const still = grab(live.view.video, 640);
    if (still) this.#stills.set(live.camera, still);
    this.#live = undefined;
    live.watcher.leave(closing);
    live.view.close();
  }

  #showLive(): void {
    const live = this.#live;
    if (!live) return;
    const { watch, session, streams } = live.watcher;
    const presence = this.#roster.presence(live.camera);
    const words = describe({
      state: watch.state, broker: this.#roster.broker(live.camera), presence, source: watch.source, now: performance.now(), ways: live.watcher.ways,
    });
    if (words.tone === 'live') live.firstPicture ??= performance.now();
    live.view.update(this.#name(live.camera), words);
    live.view.quality.update(choices(streams.list), streams.shown, streams.wanted, streams.notice);
    document.title = `${this.#name(live.camera)} – Lunette`;
    this.#say(words.title);
    if (live.view.panel.open) {
      live.view.panel.update(session ? detailRows({
        sample: session.sample, numbers: session.numbers, note: session.note, latency: session.latency.p50(),
        clock: session.clock.best(), presence, streams, metered: live.watcher.meter?.frames,
        rtpKnown: live.watcher.rtpKnown,
      }) : []);
    }
  }

  #showList(): void {
    document.title = 'Lunette';
    const now = performance.now();
    this.#list.update(this.#cameras.all().map((c): Row => ({
      id: c.id, href: fragment({ camera: c.id, meter: false }), name: this.#name(c.id), still: this.#stills.get(c.id),
      ...badge(this.#roster.broker(c.id), this.#roster.presence(c.id), now),
    })));
  }

  #changed(): void {
    this.#askLogin();
    if (this.#live) this.#live.watcher.changed();
    else this.#showList();
  }

  /** The user's name for it, the link's, the config's, the camera's own; at last a piece of its id. */
  #name(id: string): string {
    return this.#cameras.find(id)?.name ?? (this.#roster.presence(id).name || `Camera ${id.slice(0, 4)}`);
  }

  #add(link: Link): void {
    if (!link.camera) return;
    const known = this.#cameras.find(link.camera);
    this.#cameras.add({ id: link.camera, ...(link.name && { name: link.name }), ...(link.broker && { broker: link.broker }) });
    if (known && link.name) this.#cameras.rename(link.camera, link.name);
    this.#roster.set(this.#cameras.all());
    this.#changed();
  }

  #settings(id: string): void {
    const camera: Camera | undefined = this.#cameras.find(id);
    if (!camera) return;
    settingsDialog(camera, this.#name(id), {
      rename: (name) => {
        if (name !== (camera.name ?? '')) this.#cameras.rename(id, name);
        this.#changed();
      },
      remove: () => {
        this.#cameras.remove(id);
        this.#roster.set(this.#cameras.all());
        this.#changed();
      },
    });
  }

  #askLogin(): void {
    const wanted = this.#roster.logins();
    if (this.#login && !wanted.some((w) => w.url === this.#login?.url)) this.#login.dialog.close();
    const next = wanted.find((w) => !this.#declined.has(w.url));
    if (this.#login || !next) return;
    const dialog = loginDialog(next.url, next.wrong, loadCredentials(next.url)?.user ?? '', (c, remember) => this.#roster.login(next.url, c, remember), () => {
      this.#login = undefined;
      if (this.#roster.logins().some((w) => w.url === next.url)) this.#declined.add(next.url);
    });
    this.#login = { dialog, url: next.url };
  }

  #back(): void {
    if (this.#fromList) history.back();
    else {
      history.replaceState(null, '', location.pathname + location.search);
      this.#route();
    }
  }

  #say(text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.voice.textContent = text;
  }

  #listen(): void {
    addEventListener('hashchange', () => this.#route());
    const network = (): void => {
      this.#roster.wake();
      this.#roster.doubt();
      this.#live?.watcher.network();
    };
    addEventListener('online', network);
    onOtherNetwork(network);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#roster.wake();
      this.#live?.watcher.visibility();
    });
    addEventListener('pagehide', () => {
      this.#closeLive(true);
      this.#roster.close();
    });
    addEventListener('pageshow', (e) => {
      if (!e.persisted) return;
      this.#roster.wake();
      this.#route();
    });
    addEventListener('keydown', (e) => {
      if (!this.#live || e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
      if (this.#live.view.key(e.key)) e.preventDefault();
    });
  }
}

/** From Wi-Fi to mobile and back, where the browser tells (Network Information API). It also tells of mere speed. */
function onOtherNetwork(then: () => void): void {
  const connection = (navigator as { connection?: EventTarget & { type?: string } }).connection;
  let before = connection?.type;
  connection?.addEventListener('change', () => {
    if (connection.type === before) return;
    before = connection.type;
    if (before !== 'none') then();
  });
}

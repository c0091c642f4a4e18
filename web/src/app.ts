/** The page: which view is shown, and what reaches it. */
import { pageUrl, takeLink } from './address';
import { guessLabel } from './agent';
import { Cameras, type Camera } from './cameras';
import type { Config } from './config';
import { loadCredentials, local } from './credentials';
import { rows as detailRows } from './details';
import type { Hook } from './hook';
import { keepKeys, type Identity } from './identity';
import { invitation } from './invite';
import { cleanName, fragment, type Link } from './link';
import { Meter } from './meter';
import { people, watchers, day } from './people';
import { Roster } from './roster';
import { rename, revoke, viewers, type Viewers } from './signal/message';
import { choices } from './streams';
import { mayInvite } from './trust/grant';
import { accessDialog } from './ui/access';
import { addDialog, loginDialog, moveDialog, settingsDialog } from './ui/forms';
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
  readonly #askLink: () => void;
  /** who watches the camera of the live view, for those who may know */
  #watching = { camera: '', names: '', asked: 0, count: 0 };

  /** `words`: this browser's key in words. `link`: what the address said when the page came. */
  constructor(
    config: Config, private readonly identity: Identity, private readonly words: string, link: Link,
    private readonly root: HTMLElement, private readonly voice: HTMLElement,
  ) {
    this.#cameras = new Cameras(config, local());
    this.#roster = new Roster(identity, config.login ? config.broker : undefined, {
      change: () => this.#changed(),
      message: (camera, m, talk) => this.#live?.camera === camera && this.#live.watcher.heard(m, talk),
      refused: (camera, reason, talk) => this.#live?.camera === camera && this.#live.watcher.refused(reason, talk),
      known: (camera) => this.#cameras.paired(camera, identity.viewer, this.#roster.presence(camera).name),
    });
    this.#list = new ListView({
      add: () => this.#askLink(),
      settings: (id) => this.#settings(id),
      login: (id) => {
        const url = this.#cameras.find(id)?.broker;
        if (url) this.#declined.delete(url);
        this.#askLogin();
      },
    });
    this.#askLink = () => void addDialog(config.broker !== undefined, (link) => this.#add(link));
    this.#route(link);
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
      viewer: this.identity.viewer,
      words: this.words,
      get cameraWords() { return app.#live && app.#roster.presence(app.#live.camera).shown?.words; },
      get role() { return app.#live && app.#roster.presence(app.#live.camera).me?.role; },
      get refusal() { return app.#refusal(); },
      get opened() { return app.#live?.opened; },
      get firstPicture() { return app.#live?.firstPicture; },
      stats: () => structuredClone(app.#live?.watcher.session?.sample),
    };
  }

  #refusal(): string | undefined {
    const live = this.#live;
    if (!live) return undefined;
    const { pairing, refusal } = this.#roster.presence(live.camera);
    const { state } = live.watcher.watch;
    return (pairing?.is === 'refused' ? pairing.reason : undefined) ?? refusal ?? (state.is === 'stopped' ? state.why.reason : undefined);
  }

  /** Takes up what a link says of a camera; pairs with it where it can. */
  #adopt(link: Link): void {
    if (!link.camera) return this.#roster.set(this.#cameras.all());
    const known = this.#cameras.find(link.camera);
    const move = known?.paired !== undefined && known.broker !== undefined && link.broker !== undefined && link.broker !== known.broker;
    const { camera: id, name, broker } = link;
    this.#cameras.add({ id, ...(name && { name }), ...(broker && !move && { broker }) });
    this.#roster.set(this.#cameras.all());
    if (link.secret) {
      void keepKeys();
      this.#roster.pair(id, { secret: link.secret, label: link.label ?? guessLabel(navigator.userAgent), ...(link.grant && { grant: link.grant }) });
    }
    if (!move || !broker) return;
    moveDialog(this.#name(id), known.broker ?? '', broker, () => {
      this.#cameras.add({ id, broker });
      this.#roster.set(this.#cameras.all());
      this.#changed();
    });
  }

  /** Shows what the address says. */
  #route(link = takeLink()): void {
    this.#adopt(link);
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
    const view = new LiveView(camera, { back: () => this.#back(), again: () => {
      this.#roster.again(camera);
      this.#live?.watcher.again();
    }, quality: (stream) => this.#live?.watcher.choose(stream), link: () => this.#askLink(), relay: (only) => {
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
    const still = this.#refusal() === undefined ? grab(live.view.video, 640) : undefined;
    if (still) this.#stills.set(live.camera, still);
    else if (this.#refusal() !== undefined) this.#stills.delete(live.camera);
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
      lost: this.#lost(live.camera), state: watch.state, broker: this.#roster.broker(live.camera), presence, source: watch.source, now: performance.now(), ways: live.watcher.ways,
    });
    if (words.tone === 'live') live.firstPicture ??= performance.now();
    live.view.update(this.#name(live.camera), words);
    live.view.quality.update(choices(streams.list), streams.shown, streams.wanted, streams.notice);
    document.title = `${this.#name(live.camera)} – Lunette`;
    this.#say(words.title);
    if (live.view.panel.open) {
      this.#askWhoWatches(live.camera, session?.numbers.viewers ?? 0);
      live.view.panel.update(session ? detailRows({
        sample: session.sample, numbers: session.numbers, note: session.note, latency: session.latency.p50(),
        clock: session.clock.best(), presence, watching: this.#watching.camera === live.camera ? this.#watching.names : '', words: this.words, streams, metered: live.watcher.meter?.frames,
        rtpKnown: live.watcher.rtpKnown,
      }) : []);
    }
  }

  #showList(): void {
    document.title = 'Lunette';
    const now = performance.now();
    this.#list.update(this.#cameras.all().map((c): Row => ({
      id: c.id, href: fragment({ camera: c.id, meter: false }), name: this.#name(c.id), still: this.#stills.get(c.id),
      ...badge(this.#roster.broker(c.id), this.#roster.presence(c.id), now, this.#lost(c.id)),
    })));
  }

  /** Did the camera know this browser by another key? */
  #lost(id: string): boolean {
    const paired = this.#cameras.find(id)?.paired;
    return paired !== undefined && paired !== this.identity.viewer;
  }

  /** The names of those who watch, for whom the camera tells them: when their number is another, and now and again. */
  #askWhoWatches(camera: string, count: number): void {
    const before = this.#watching;
    const now = performance.now();
    if (!mayInvite(this.#roster.presence(camera).me?.role)) return;
    if (before.camera === camera && now - before.asked < (before.count === count ? 10_000 : 1000)) return;
    this.#watching = { camera, names: before.camera === camera ? before.names : '', asked: now, count };
    void this.#viewers(camera).then((list) => {
      if (this.#watching.camera === camera) this.#watching.names = watchers(list.viewers, this.identity.viewer);
    }, () => {});
  }

  async #viewers(camera: string): Promise<Viewers> {
    const answer = await this.#roster.ask(camera, viewers());
    if (answer.type !== 'viewers') throw new Error('The camera gave no list.');
    return answer;
  }

  #changed(): void {
    this.#askLogin();
    if (this.#live) this.#live.watcher.changed();
    else this.#showList();
  }

  /** The user's name for it, the link's, the config's, the camera's own; at last a piece of its id. */
  #name(id: string): string {
    const { name, own } = this.#cameras.find(id) ?? {};
    return name ?? (this.#roster.presence(id).name || own || `Camera ${id.slice(0, 4)}`);
  }

  #add(link: Link): void {
    if (!link.camera) return;
    const known = this.#cameras.find(link.camera);
    this.#adopt(link);
    if (known && link.name) this.#cameras.rename(link.camera, link.name);
    this.#changed();
  }

  #access(id: string): void {
    const role = this.#roster.presence(id).me?.role;
    if (!role) return;
    accessDialog(this.#name(id), role, {
      list: async () => {
        const list = await this.#viewers(id);
        return { people: people(list.viewers, this.identity.viewer, this.#roster.presence(id).me?.role, Date.now() / 1000), more: list.more ?? 0 };
      },
      rename: async (viewer, label) => {
        await this.#roster.ask(id, rename(viewer, cleanName(label)));
        if (viewer === this.identity.viewer) this.#roster.called(id, cleanName(label));
      },
      remove: async (viewer) => void (await this.#roster.ask(id, revoke(viewer))),
      invite: async (wish) => {
        const now = Date.now() / 1000;
        const camera = { ...(this.#cameras.find(id) ?? { id }), name: this.#name(id) };
        const { link, before } = await invitation(pageUrl(), camera, this.identity, { ...wish, label: cleanName(wish.label) }, now);
        return { link, until: day(before, now) };
      },
    });
  }

  #settings(id: string): void {
    const camera: Camera | undefined = this.#cameras.find(id);
    if (!camera) return;
    const { me, shown } = this.#roster.presence(id);
    settingsDialog(camera, this.#name(id), {
      label: me?.label, cameraWords: shown?.words, viewerWords: this.words, mayInvite: mayInvite(me?.role),
    }, {
      label: async (label) => {
        await this.#roster.ask(id, rename(this.identity.viewer, cleanName(label)));
        this.#roster.called(id, cleanName(label));
      },
      access: () => this.#access(id),
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

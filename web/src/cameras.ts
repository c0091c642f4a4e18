/** The cameras that this browser knows: those of config.json, and those added by link, kept in localStorage. */
import type { Config } from './config';
import { brokerUrl, cleanName } from './link';
import { isId, isRecord } from './signal/message';

/**
 * `name` is what the user or the link calls it; without one, the camera's own name is shown. `stream` is the one that the
 * user last chose to see; `relay`: only relayed connections to it are wanted; `paired`: as whom it knows this browser;
 * `own`: what it called itself then.
 */
export interface Camera { id: string; name?: string; broker?: string; stream?: string; relay?: boolean; paired?: string; own?: string }
interface Kept { cameras: Camera[]; hidden: string[] }

const KEY = 'lunette.cameras';
const MOST = 200;

export class Cameras {
  #kept: Kept;

  constructor(readonly config: Config, readonly storage: Pick<Storage, 'getItem' | 'setItem'> | undefined) {
    this.#kept = this.#load();
  }

  /** In a stable order: the preset ones first. */
  all(): Camera[] {
    const own = new Map(this.#kept.cameras.map((c) => [c.id, c]));
    const preset = this.config.cameras.filter((c) => !this.#kept.hidden.includes(c.id));
    const list = preset.map((c) => this.#placed({ ...c, ...own.get(c.id) }));
    for (const c of this.#kept.cameras) if (!preset.some((p) => p.id === c.id)) list.push(this.#placed(c));
    return list;
  }

  find(id: string): Camera | undefined {
    return this.all().find((c) => c.id === id);
  }

  /** By a link. A name that the user gave stays; a broker in the link is the newer knowledge. */
  add(camera: Camera): void {
    const before = this.#kept.cameras.find((c) => c.id === camera.id);
    const preset = this.config.cameras.some((c) => c.id === camera.id);
    if (preset && !camera.broker && !camera.name) return this.#store({ hidden: this.#without(camera.id) });
    const name = before?.name ?? camera.name;
    const broker = camera.broker ?? before?.broker;
    const { stream, relay, paired, own } = before ?? {};
    this.#put({ id: camera.id, ...(name && { name }), ...(broker && { broker }), ...(stream && { stream }), ...(relay && { relay }), ...(paired && { paired }), ...(own && { own }) });
  }

  /** The camera knows this viewer. */
  paired(id: string, viewer: string, name = ''): void {
    const before = this.find(id);
    const own = cleanName(name) || before?.own;
    if (!before || (before.paired === viewer && before.own === own)) return;
    this.#put({ ...(this.#kept.cameras.find((c) => c.id === id) ?? { id }), paired: viewer, ...(own && { own }) });
  }

  choose(id: string, stream: string): void {
    this.#put({ ...(this.#kept.cameras.find((c) => c.id === id) ?? { id }), stream });
  }

  relay(id: string, only: boolean): void {
    const { relay: _, ...rest } = this.#kept.cameras.find((c) => c.id === id) ?? { id };
    this.#put({ ...rest, ...(only && { relay: true }) });
  }

  rename(id: string, to: string): void {
    const name = cleanName(to);
    const { name: _, ...rest } = this.#kept.cameras.find((c) => c.id === id) ?? { id };
    this.#put({ ...rest, ...(name && { name }) });
  }

  remove(id: string): void {
    const preset = this.config.cameras.some((c) => c.id === id);
    this.#store({
      cameras: this.#kept.cameras.filter((c) => c.id !== id),
      hidden: preset ? [...this.#without(id), id] : this.#without(id),
    });
  }

  #placed(c: Camera): Camera {
    const broker = c.broker ?? this.config.broker;
    return { ...c, ...(broker && { broker }) };
  }

  #put(camera: Camera): void {
    const at = this.#kept.cameras.findIndex((c) => c.id === camera.id);
    const cameras = at < 0 ? [...this.#kept.cameras, camera] : this.#kept.cameras.with(at, camera);
    this.#store({ cameras: cameras.slice(-MOST), hidden: this.#without(camera.id) });
  }

  #without(id: string): string[] {
    return this.#kept.hidden.filter((h) => h !== id);
  }

  #store(change: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...change };
    try {
      this.storage?.setItem(KEY, JSON.stringify(this.#kept));
    } catch {
      // full or forbidden: it holds as long as the page is open
    }
  }

  #load(): Kept {
    try {
      const m: unknown = JSON.parse(this.storage?.getItem(KEY) ?? '{}');
      if (!isRecord(m)) return { cameras: [], hidden: [] };
      const cameras: Camera[] = [];
      for (const c of Array.isArray(m.cameras) ? m.cameras.slice(0, MOST) : []) {
        if (!isRecord(c) || !isId(c.id) || cameras.some((o) => o.id === c.id)) continue;
        const name = typeof c.name === 'string' ? cleanName(c.name) : '';
        const own = typeof c.own === 'string' ? cleanName(c.own) : '';
        const broker = typeof c.broker === 'string' ? brokerUrl(c.broker, undefined) : undefined;
        const stream = typeof c.stream === 'string' && c.stream.length <= 64 ? c.stream : '';
        cameras.push({ id: c.id, ...(name && { name }), ...(broker && { broker }), ...(stream && { stream }), ...(c.relay === true && { relay: true }), ...(isId(c.paired) && { paired: c.paired }), ...(own && { own }) });
      }
      return { cameras, hidden: (Array.isArray(m.hidden) ? m.hidden : []).filter(isId).slice(0, MOST) };
    } catch {
      return { cameras: [], hidden: [] };
    }
  }
}

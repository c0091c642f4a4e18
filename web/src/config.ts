/** `config.json` beside the page: what its host presets. None is fine: then the links tell everything. */
import { brokerUrl, cleanName } from './link';
import { isId, isRecord } from './signal/message';

export interface Config { broker: string | undefined; login: boolean; cameras: { id: string; name?: string }[] }

export function parseConfig(x: unknown, page: string): Config {
  const m = isRecord(x) ? x : {};
  const cameras: Config['cameras'] = [];
  for (const c of Array.isArray(m.cameras) ? m.cameras.slice(0, 200) : []) {
    if (!isRecord(c) || !isId(c.id) || cameras.some((o) => o.id === c.id)) continue;
    const name = typeof c.name === 'string' ? cleanName(c.name) : '';
    cameras.push({ id: c.id, ...(name && { name }) });
  }
  return {
    broker: typeof m.broker === 'string' ? brokerUrl(m.broker, page) : undefined,
    login: m.login === 'password',
    cameras,
  };
}

export async function loadConfig(): Promise<Config> {
  const page = location.href;
  try {
    const response = await fetch('config.json', { cache: 'no-cache', signal: AbortSignal.timeout(10_000) });
    return parseConfig(response.ok ? await response.json() : {}, page);
  } catch {
    return parseConfig({}, page);
  }
}

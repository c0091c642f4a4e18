// Real ends for the browser tests: the daemon, mosquitto, a static host for the page, Chromium. Each is started on free
// ports with fresh folders, and ended by its own process id.
import { execFile, spawn } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
export const binary = process.env.TEST_BINARY ?? path.join(root, 'target/debug/lunette');

/** What a test opened, closed in the reverse order at its end. */
export class Stage {
  #closers = [];
  #dir = fs.mkdtempSync(path.join(os.tmpdir(), 'lunette-test-'));

  folder(name) {
    const dir = path.join(this.#dir, name);
    fs.mkdirSync(dir, { recursive: true });
    return dir;
  }

  onClose(closer) {
    this.#closers.push(closer);
  }

  async close() {
    for (const closer of this.#closers.reverse()) await closer();
    fs.rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** `lunette run ARGS`, until it says where it is (`--local`) or that it is connected. */
  async lunette(args, { state = this.folder('state'), ready = /https?:\/\/\S+/, inside = [], env = {} } = {}) {
    const [command, ...first] = [...inside, binary];
    const daemon = start(command, [...first, 'run', '--state', state, ...args], { env: { ...process.env, NO_COLOR: '1', ...env } });
    this.onClose(() => daemon.stop());
    const [text] = await daemon.says(ready);
    const camera = known(state);
    // The link that is printed lets one browser in; `link` is the page alone.
    return Object.assign(daemon, { link: text.replace(/#.*/, ''), printed: text, camera, state });
  }

  /** mosquitto with a TCP and a WebSocket listener. */
  async mosquitto(ports, address = '127.0.0.1') {
    const [tcp, ws] = ports ?? [await freePort(), await freePort()];
    const config = path.join(this.folder('mosquitto'), 'mosquitto.conf');
    fs.writeFileSync(config, `listener ${tcp} ${address}\nlistener ${ws} ${address}\nprotocol websockets\nallow_anonymous true\nuser root\n`);
    const broker = start('mosquitto', ['-c', config], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
    this.onClose(() => broker.stop());
    await broker.says(/mosquitto version \S+ running/);
    return Object.assign(broker, { tcp, ws });
  }

  /** The built page on a static host, as one would host it oneself; with a certificate, by HTTPS. Returns its address. */
  async host(config, tls, extra) {
    const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
    const dist = path.join(root, 'web/dist');
    const answer = (request, response) => {
      const name = path.normalize(new URL(request.url, 'http://x').pathname);
      if (name === '/config.json' && config) return response.end(JSON.stringify(config));
      const beside = extra && fs.existsSync(path.join(extra, name)) && name !== '/';
      const file = path.join(beside ? extra : dist, name === '/' ? 'index.html' : name);
      if (!file.startsWith(beside ? extra : dist) || !fs.existsSync(file)) {
        response.statusCode = 404;
        return response.end();
      }
      response.setHeader('content-type', types[path.extname(file)] ?? 'application/octet-stream');
      response.end(fs.readFileSync(file));
    };
    const server = tls ? https.createServer(tls, answer) : http.createServer(answer);
    server.listen(...(tls ? [443] : [0, '127.0.0.1']));
    await once(server, 'listening');
    this.onClose(() => {
      server.closeAllConnections();
      server.close();
    });
    return tls ? 'https://page.example.net/' : `http://127.0.0.1:${server.address().port}/`;
  }

  /** A browser with an empty profile. Pages of one browser hide each other, and a hidden one shows no pictures. */
  async browser(options = {}) {
    const context = await chromium.launchPersistentContext(this.folder(`chromium-${this.#closers.length}`), {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      viewport: { width: 1280, height: 800 },
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
      ],
      ...options,
    });
    this.onClose(() => context.close());
    return context;
  }
}

/** Starts a program; its output is kept, and can be waited for. */
export function start(command, args, options) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const lines = [];
  const waiting = new Set();
  const exited = new Promise(resolve => {
    child.on('error', e => resolve(`could not start ${command}: ${e.message}`));
    child.on('exit', (code, signal) => resolve(code ?? signal));
  });
  // What the daemon logs is searched by scripts/logs.sh.
  if (path.basename(command) === 'lunette') {
    const folder = path.join(import.meta.dirname, '../../target/tmp/logs');
    fs.mkdirSync(folder, { recursive: true });
    child.stderr.pipe(fs.createWriteStream(path.join(folder, `browser-${process.pid}-${child.pid}.log`)));
  }
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      lines.push(line);
      for (const look of waiting) look(line);
    });
  }
  const self = {
    pid: child.pid,
    stdin: child.stdin,
    lines,
    exited,
    /** Waits for a line, from now or (by default) from the start. */
    says(pattern, { from = 0, timeout = 30_000 } = {}) {
      return new Promise((resolve, reject) => {
        const fail = why => {
          waiting.delete(look);
          reject(new Error(`${command}: ${why} before ${pattern}; it said:\n${lines.slice(-30).join('\n')}`));
        };
        const timer = setTimeout(() => fail('timeout'), timeout);
        const look = line => {
          const match = line.match(pattern);
          if (!match) return false;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(match);
          return true;
        };
        if (lines.slice(from).some(look)) return;
        waiting.add(look);
        exited.then(code => { clearTimeout(timer); fail(`ended (${code})`); });
      });
    },
    onLine: look => void waiting.add(look),
    signal: name => child.kill(name),
    /** Ends it, gently at first. */
    async stop(name = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill(name);
      const timer = setTimeout(() => child.kill('SIGKILL'), 8000);
      const code = await exited;
      clearTimeout(timer);
      return code;
    },
  };
  return self;
}

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The camera of a state folder, which browsers can be paired with from now on. */
export function known(state) {
  const camera = cameraOf(state);
  pairsBy(camera, role => pairing(state, role));
  return camera;
}

/** A camera's id: 128 bits of SHA-256 over its key, in base32. */
function cameraOf(state) {
  const { x, y } = createPublicKey(fs.readFileSync(path.join(state, 'identity.pem'))).export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const bits = [...createHash('sha256').update(point).digest().subarray(0, 16)].map(b => b.toString(2).padStart(8, '0')).join('');
  return bits.padEnd(130, '0').match(/.{5}/g).map(five => 'abcdefghijklmnopqrstuvwxyz234567'[parseInt(five, 2)]).join('');
}

/** `lunette COMMAND`, beside a daemon that runs; what it says. */
export async function command(state, ...args) {
  const { stdout } = await promisify(execFile)(binary, [...args, '--state', state], { env: { ...process.env, NO_COLOR: '1' } });
  return stdout;
}

/** `lunette pair`: what a link needs to have to let one browser in. */
async function pairing(state, role) {
  const said = await command(state, 'pair', ...(role ? ['--role', role] : []));
  const [, secret] = said.match(/[#&]p=([\w-]{22})\b/) ?? [];
  if (!secret) throw new Error(`lunette pair printed no link:\n${said}`);
  return secret;
}

const pairs = new Map();
const within = new WeakMap();
/** How a camera opens its door to one more browser. */
export function pairsBy(camera, how) {
  pairs.set(camera, how);
}

/** What to add to a camera's link, so that this browser is let in: nothing, if it was already, from this page. */
export async function invitation(context, link, camera, role) {
  const at = `${new URL(link).origin} ${camera}`;
  const here = within.get(context) ?? within.set(context, new Set()).get(context);
  if (here.has(at)) return '';
  here.add(at);
  return `&p=${await pairs.get(camera)(role)}`;
}

/** Opens the live view with the meter on, paired if it must be, and waits for the first picture. */
export async function watch(context, link, camera, role) {
  const page = await open(context, `${link}#c=${camera}${await invitation(context, link, camera, role)}&meter=1`);
  await live(page);
  return page;
}

export async function open(context, url) {
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', e => page.errors.push(e.message));
  page.on('console', message => {
    if (message.text().includes('Content Security Policy')) page.errors.push(message.text());
  });
  await page.goto(url);
  return page;
}

/** Waits until pictures are shown, in a session that is not `other`. */
export async function live(page, other, timeout = 30_000) {
  const shown = old => window.lunette?.state === 'live' && window.lunette.picture && window.lunette.session !== old;
  await page.waitForFunction(shown, other, { timeout }).catch(async e => {
    const seen = await page.evaluate(() => ({ ...window.lunette, text: document.querySelector('#state')?.textContent }));
    throw new Error(`no picture: ${JSON.stringify(seen)}\n${e.message}`);
  });
}

/** Waits for `count` more pictures and returns their meterings. */
export async function pictures(page, count, timeout = 30_000) {
  const from = await page.evaluate(() => window.lunette.frames.at(-1)?.present ?? 0);
  const more = ([from, count]) => window.lunette.frames.filter(f => f.present > from).length >= count;
  await page.waitForFunction(more, [from, count], { timeout });
  return page.evaluate(from => window.lunette.frames.filter(f => f.present > from), from);
}

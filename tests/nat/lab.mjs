// The lab's inhabitants, for tests that run inside of `lab run`: coturn, mosquitto and the page's host on its internet, the
// daemon in one home, Chromium in another. All of it is encrypted by certificates of the lab's own authority.
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Stage, invitation, live, open, pictures, start } from '../browser/harness.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const inside = host => ['nsenter', `--net=/run/netns/${host}`, '--'];

export class Lab extends Stage {
  secret = 'the secret of the lab';
  #at = { cam: 'A', view: 'B' };
  #families = { cam: 4, view: 4 };

  /** Ends all of it, and leaves the network as the next one wants to find it. */
  async close() {
    for (const [host, home] of [['cam', 'A'], ['view', 'B']]) {
      this.place(host, home);
      this.family(host, 4);
      this.net('nat', home, 'cone');
    }
    await super.close();
  }

  /** `lab ARGS`: changes the network. */
  net(...args) {
    execFileSync(path.join(here, 'lab'), args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** An authority, and a certificate for each server. */
  certify() {
    const dir = (this.ca = this.folder('ca'));
    const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    for (const authority of ['ca', 'stranger']) {
      openssl('req', '-x509', ...key, '-days', '30', '-subj', `/CN=Authority ${authority} of the lab`, '-keyout', `${authority}.key`, '-out', `${authority}.pem`);
    }
    const issue = (file, name, number, authority = 'ca') => {
      fs.writeFileSync(path.join(dir, 'ext'), `subjectAltName=DNS:${name}.example.net,IP:203.0.113.${number},IP:2001:db8::${number}\nextendedKeyUsage=serverAuth\n`);
      openssl('req', ...key, '-subj', `/CN=${name}.example.net`, '-keyout', `${file}.key`, '-out', 'csr');
      openssl('x509', '-req', '-in', 'csr', '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial', '-days', '30', '-extfile', 'ext', '-out', `${file}.pem`);
    };
    Object.entries({ page: 1, turn: 10, turn2: 11, broker: 20 }).forEach(([name, number]) => issue(name, name, number));
    issue('impostor', 'turn', 10, 'stranger');
    // What a user does who adds an authority to his browser.
    this.home = this.folder('home');
    const nss = `sql:${path.join(this.home, '.pki/nssdb')}`;
    fs.mkdirSync(path.join(this.home, '.pki/nssdb'), { recursive: true });
    execFileSync('certutil', ['-N', '-d', nss, '--empty-password']);
    execFileSync('certutil', ['-A', '-d', nss, '-n', 'lab', '-t', 'C,,', '-i', this.pem('ca')]);
  }

  pem = name => path.join(this.ca, `${name}.pem`);
  key = name => path.join(this.ca, `${name}.key`);

  /** coturn, with the config of the docs; what differs here is put into it, and must be found in it. */
  async coturn(host = 'turn', { secret = this.secret, certificate = host } = {}) {
    let config = fs.readFileSync(path.join(here, '../../docs/turnserver.conf'), 'utf8');
    const folder = this.folder(`coturn-${host}`);
    for (const [name, value] of [['static-auth-secret', secret], ['cert', this.pem(certificate)], ['pkey', this.key(certificate)]]) {
      const line = new RegExp(`^${name}=.*$`, 'm');
      if (!line.test(config)) throw new Error(`docs/turnserver.conf has no line ${name}=`);
      config = config.replace(line, `${name}=${value}`);
    }
    const file = path.join(folder, 'turnserver.conf');
    fs.writeFileSync(file, config);
    // Debian's unit gives the pid file on the command line too; user database and folder are the package's there.
    const [command, ...args] = [...inside(host), 'turnserver', '-c', file, '--pidfile', path.join(folder, 'pid'), '--userdb', path.join(folder, 'db')];
    const turn = start(command, args, { cwd: folder });
    this.onClose(() => turn.stop('SIGKILL'));
    await this.listening(host, 'tcp', 443);
    await this.listening(host, 'udp', 3478);
    return turn;
  }

  /** mosquitto: `mqtts` for cameras, `wss` for pages, and both by 443. */
  async broker() {
    const file = path.join(this.folder('mosquitto'), 'mosquitto.conf');
    const tls = `cafile ${this.pem('ca')}\ncertfile ${this.pem('broker')}\nkeyfile ${this.key('broker')}\n`;
    fs.writeFileSync(file, `user root\nallow_anonymous true\nlistener 8883\n${tls}listener 443\nprotocol websockets\n${tls}`);
    const [command, ...args] = [...inside('broker'), 'mosquitto', '-c', file];
    const broker = start(command, args, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
    this.onClose(() => broker.stop());
    await broker.says(/mosquitto version \S+ running/);
    await this.listening('broker', 'tcp', 443);
    return broker;
  }

  /** Until something listens on the port. */
  async listening(host, protocol, port, timeout = 10_000) {
    const [command, ...args] = [...inside(host), 'ss', '-Hln', protocol === 'tcp' ? '-t' : '-u', `sport = ${port}`];
    for (const end = Date.now() + timeout; ;) {
      if (execFileSync(command, args).length > 0) return;
      if (Date.now() > end) throw new Error(`nothing listens on ${protocol} port ${port} of ${host}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  /** The camera's daemon, until it is connected to its broker. `more` is appended to its config. */
  async camera(more = '', { env, kbits = 1000, size = '640x480' } = {}) {
    const config = path.join(this.folder('config'), 'lunette.toml');
    fs.writeFileSync(config, `camera = "testcard"\nname = "Garden"\n[video]\nsize = "${size}"\nbitrate = "${kbits} kbit/s"\n`
      + `[signal.mqtt]\nurl = "wss://broker.example.net/mqtt"\nca_file = "${this.pem('ca')}"\n${more}`);
    const daemon = await this.lunette(['--config', config], {
      ready: /connected to the broker/, inside: inside('cam'), env: { SSL_CERT_FILE: this.pem('ca'), ...env },
    });
    return daemon;
  }

  /** Chromium in the viewer's home. It hides its addresses behind mDNS names, as it does for everybody. */
  async viewer() {
    const wrapper = path.join(this.folder('bin'), 'chromium');
    fs.writeFileSync(wrapper, `#!/bin/sh\nexec ${inside('view').join(' ')} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`, { mode: 0o755 });
    const browser = await this.browser({ executablePath: wrapper, env: { ...process.env, HOME: this.home } });
    await browser.addInitScript(() => {
      // The peer connections of the page, so that a test can ask the browser itself.
      window.peers = [];
      const Real = window.RTCPeerConnection;
      window.RTCPeerConnection = class extends Real {
        constructor(...args) {
          super(...args);
          window.peers.push(this);
        }
      };
    });
    return browser;
  }

  /** The internet and the browser; `extra` is a folder whose files stand beside the page. */
  async up({ extra } = {}) {
    this.certify();
    await this.broker();
    const tls = { key: fs.readFileSync(this.key('page')), cert: fs.readFileSync(this.pem('page')) };
    const config = {};
    this.page = await this.host(config, tls, extra);
    Object.assign(config, { broker: 'wss://broker.example.net/mqtt', login: 'none', cameras: [] });
    this.chromium = await this.viewer();
  }

  /** Puts a wire in the place of the camera's cable. `set` says what it does from then on, `up` being what the camera sends. */
  async wire() {
    execFileSync('ip', ['-n', 'cam', 'link', 'del', 'eth0']);
    const wire = start(path.join(here, 'wire'), ['cam:eth0', 'natA:cam'], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.onClose(() => wire.stop('SIGKILL'));
    await wire.says(/ready/);
    this.net('wire', 'cam');
    const set = async asked => {
      const from = wire.lines.length;
      wire.stdin.write(`${JSON.stringify(asked)}\n`);
      const [line] = await wire.says(/^\{.*/, { from });
      return JSON.parse(line);
    };
    return { set };
  }

  /** Plugs a host into a home, unless it is there. */
  place(host, home) {
    if (this.#at[host] !== home) this.net('move', host, home);
    this.#at[host] = home;
  }

  /** Which addresses a host has: 4, 6 or 46. */
  family(host, family) {
    if (this.#families[host] !== family) this.net('family', host, family);
    this.#families[host] = family;
  }

  /** `[[ice]]` with these servers, and the secret that coturn knows. */
  ice(urls, { secret = this.secret, ca = 'ca' } = {}) {
    if (urls.length === 0) return '';
    const file = path.join(this.folder('secrets'), 'turn');
    fs.writeFileSync(file, secret, { mode: 0o600 });
    const turn = urls.some(url => url.startsWith('turn'));
    const tls = urls.some(url => url.startsWith('turns:'));
    return `[[ice]]\nurls = ${JSON.stringify(urls)}\n${turn ? `secret_file = "${file}"\n` : ''}${tls ? `ca_file = "${this.pem(ca)}"\n` : ''}`;
  }

  /** Credentials as coturn's `use-auth-secret` wants them, good for so many seconds. */
  credentials(seconds = 3600, secret = this.secret) {
    const username = `${Math.floor(Date.now() / 1000) + seconds}:lab`;
    return { username, credential: createHmac('sha1', secret).update(username).digest('base64') };
  }

  /** A page that watches the camera. */
  async watch(daemon, browser = this.chromium) {
    return open(browser, `${this.page}#c=${daemon.camera}${await invitation(browser, this.page, daemon.camera)}&meter=1`);
  }
}

/** Those that are not whole. A video of 2×2 is none of the camera's: Chromium shows it when a session begins. */
export const broken = frames => frames.filter(f => f.corrupt && f.width > 2);

/** Waits for pictures, all of them whole, and tells the path that the browser chose. */
export async function seen(page, { count = 15, timeout = 20_000, other } = {}) {
  await live(page, other, timeout);
  const shown = await pictures(page, count, timeout);
  const corrupt = broken(shown);
  if (corrupt.length > 0) throw new Error(`${corrupt.length} of ${shown.length} pictures are corrupt`);
  return route(page);
}

/** The selected pair, as the browser knows it: `local` and `remote` type, and by what a relay of ours is reached. */
async function route(page) {
  return page.evaluate(async () => {
    const stats = await window.peers.at(-1).getStats();
    const all = [...stats.values()];
    const transport = all.find(r => r.type === 'transport');
    const pair = stats.get(transport.selectedCandidatePairId);
    const [local, remote] = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
    return {
      local: local.candidateType, remote: remote.candidateType, relay: local.relayProtocol, address: local.address ?? '', peer: remote.address ?? '',
      said: window.lunette.stats()?.path,
    };
  });
}

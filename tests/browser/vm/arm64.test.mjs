// The arm64 package on an emulated arm64 Debian with systemd as process 1, watched by Chromium beside it. Started by
// tests/vm/run, in a network namespace that has the machine on its TAP.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, live, pairsBy, pictures, watch } from '../harness.mjs';
import { Machine, PATIENCE } from './machine.mjs';

const { VM_IMAGE: image, VM_DEB: deb, VM_LOG: folder } = process.env;
const stage = new Stage();
let machine, broker, link, browser, page, camera;

/** How long things took, for whoever reads the log. */
const took = (what, since) => console.log(`# ${what}: ${((Date.now() - since) / 1000).toFixed(1)} s`);

before(async () => {
  const start = Date.now();
  broker = await stage.mosquitto([1883, 9001], '10.77.0.1');
  machine = await Machine.boot(image, folder);
  stage.onClose(() => machine.stop());
  took('boot to ssh and all units', start);
}, { timeout: 600_000 });
after(() => stage.close());

const install = async file => {
  await machine.ok('cat >/tmp/lunette.deb', { input: file });
  return machine.ok('DEBIAN_FRONTEND=noninteractive dpkg -i --force-confdef --force-confold /tmp/lunette.deb 2>&1');
};

/** Asks for a link that lets somebody in; the camera that it names can be watched from then on. */
async function pairable(place = '') {
  const ask = async () => (await machine.ok(`lunette pair${place}`)).match(/#c=([a-z2-7]{26})&p=([\w-]{22})/);
  const [, camera] = await ask();
  pairsBy(camera, async () => (await ask())[2]);
  return camera;
}

test('a fresh installation is enabled, is calm, and says what it waits for', async () => {
  const start = Date.now();
  await install(deb);
  took('installed', start);
  assert.equal(await machine.ok('uname -m && dpkg-query -W -f \'${Architecture} ${Status}\' lunette'), 'aarch64\narm64 install ok installed');
  assert.equal(await machine.ok('systemctl is-enabled lunette'), 'enabled');
  assert.equal((await machine.unit('lunette', 'ActiveState')).ActiveState, 'inactive');
  assert.match((await machine.run('systemctl status --no-pager lunette')).text, /there is no broker/);
  assert.equal(await machine.ok('systemctl is-system-running; systemctl --failed --no-legend'), 'running');
  assert.match(await machine.ok('id lunette'), /groups=.*\(video\)/);
});

test('systemd finds nothing wrong with what the package brings', async () => {
  const units = '/usr/lib/systemd/system/lunette.service /usr/lib/systemd/system/lunette@.service';
  assert.equal((await machine.run(`systemd-analyze verify --man=no ${units}`)).text, '');
  const levels = await machine.ok(`systemd-analyze security --no-pager --offline=yes ${units} | grep -o 'exposure level.*: [0-9.]*'`);
  for (const level of levels.split('\n')) assert.ok(Number(level.split(': ').at(-1)) <= 1.3, level);
  await machine.ok('udevadm verify /usr/lib/udev/rules.d/70-lunette.rules');
  assert.match(await machine.ok('systemd-sysusers --dry-run /usr/lib/sysusers.d/lunette.conf && systemd-tmpfiles --dry-run --create /usr/lib/tmpfiles.d/lunette.conf && echo good'), /good$/);
});

test('the commands run on ARM', async () => {
  assert.match(await machine.ok('lunette check'), /^The config is good/);
  assert.match(await machine.ok('lunette probe'), /\S/);
  const doctor = await machine.run('lunette doctor --json');
  assert.ok(JSON.parse(doctor.out), doctor.text);
  assert.match(await machine.ok('lunette --version'), /^lunette \d/);
});

test('a mistake in the config ends it for good, with the reason', async () => {
  await machine.ok('mkdir -p /etc/lunette/lunette.d && printf \'[video]\\nsise = "1x1"\\n\' >/etc/lunette/lunette.d/10-test.toml');
  assert.notEqual((await machine.run('systemctl start lunette')).code, 0);
  const unit = await machine.unit('lunette', 'ActiveState', 'ExecMainStatus', 'NRestarts');
  assert.deepEqual(unit, { ActiveState: 'failed', ExecMainStatus: '2', NRestarts: '0' });
  assert.match((await machine.run('systemctl status --no-pager lunette')).text, /did you mean `size`/);
});

test('with a broker it is ready, and says so; the password is a credential that only root can read', async () => {
  const config = ['camera = "testcard"', 'name = "Board"', '[video]', 'size = "320x240"', 'fps = 5', '[signal.mqtt]',
    'url = "mqtt://10.77.0.1:1883"', 'user = "camera"', 'password_file = "mqtt-password"'];
  await machine.ok(`printf '%s\\n' '${config.join("' '")}' >/etc/lunette/lunette.d/10-test.toml`);
  await machine.ok('install -m 600 /dev/stdin /etc/lunette/mqtt-password <<<secret && mkdir -p /etc/systemd/system/lunette.service.d');
  const dropIn = path.join(import.meta.dirname, '../../../systemd/drop-in/credentials.conf');
  await machine.ok('cat >/etc/systemd/system/lunette.service.d/credentials.conf && systemctl daemon-reload', { input: dropIn });
  const start = Date.now();
  await machine.ok('systemctl restart lunette');
  took('started, till READY=1', start);
  const unit = await machine.unit('lunette', 'ActiveState', 'NRestarts', 'Type', 'WatchdogUSec');
  assert.deepEqual(unit, { ActiveState: 'active', NRestarts: '0', Type: 'notify', WatchdogUSec: '30s' });
  await machine.property('lunette', 'StatusText', '^idle: nobody watches; broker connected$');
  camera = await pairable();
  assert.equal(await machine.ok('stat -c "%U %a" /var/lib/lunette /var/lib/lunette/dtls.pem'), 'lunette 700\nlunette 600');
  assert.match(await machine.ok('ps -o user= -C lunette'), /^lunette$/);
  // The viewers’ UDP port is open from the start; nothing listens for connections.
  assert.doesNotMatch(await machine.ok('ss -Hlntp'), /lunette/);
});

test('its own WebRTC reaches Chromium', async () => {
  link = await stage.host({ broker: `ws://10.77.0.1:${broker.ws}`, login: 'none', cameras: [{ id: camera, name: 'Board' }] });
  browser = await stage.browser();
  const start = Date.now();
  page = await watch(browser, link, camera).catch(async e => {
    throw new Error(`${e.message}\n${(await machine.run('journalctl --no-pager -n 50 -u lunette')).text}`);
  });
  took('first picture', start);
  const seen = await pictures(page, 25, PATIENCE);
  assert.deepEqual(seen.filter(f => f.corrupt), [], 'every stamp is readable');
  await machine.property('lunette', 'StatusText', '^live: test card 320×240 at 5 fps; 1 viewer; broker connected$');
  const { MainPID } = await machine.unit('lunette', 'MainPID');
  console.log(`# resident while watched: ${await machine.ok(`grep VmRSS /proc/${MainPID}/status`)}`);
});

test('a daemon that hangs is ended and started anew by systemd, and the page is back by itself', async () => {
  const before = await machine.unit('lunette', 'MainPID', 'NRestarts');
  const session = await page.evaluate(() => window.lunette.session);
  const start = Date.now();
  await machine.ok(`kill -STOP ${before.MainPID}`);
  await machine.property('lunette', 'NRestarts', '^1$');
  took('hung, till started anew', start);
  assert.match(await machine.ok('journalctl --no-pager -u lunette'), /Watchdog timeout/);
  await machine.property('lunette', 'ActiveState', '^active$');
  assert.notEqual((await machine.unit('lunette', 'MainPID')).MainPID, before.MainPID);
  await live(page, session, PATIENCE);
  took('hung, till the page shows pictures again', start);
  await pictures(page, 5, PATIENCE);
});

test('a real V4L2 camera, by its stable name, in the sandbox, as an instance of the template', async () => {
  await machine.ok('modprobe vivid n_devs=1 node_types=0x1 && udevadm settle');
  assert.match(await machine.ok('readlink -f /dev/lunette/platform-vivid.0'), /^\/dev\/video\d+$/);
  assert.match(await machine.ok('lunette probe'), /vivid/);
  const config = ['name = "Front"', '[camera.v4l2]', 'device = "/dev/lunette/platform-vivid.0"', '[video]', 'size = "320x180"',
    'fps = 5', '[signal.mqtt]', 'url = "mqtt://10.77.0.1:1883"'];
  await machine.ok(`printf '%s\\n' '${config.join("' '")}' >/etc/lunette/front.toml && systemctl start lunette@front`);
  await machine.until('test -S /var/lib/lunette/front/control.sock', { what: 'the template\'s control socket' });
  const front = await pairable(' --state /var/lib/lunette/front');
  assert.notEqual(front, camera);
  await page.close();
  const start = Date.now();
  const second = await watch(browser, `${link.replace(/\/$/, '')}/`, front).catch(async e => {
    throw new Error(`${e.message}\n${(await machine.run('journalctl --no-pager -n 50 -u lunette@front')).text}`);
  });
  took('first picture of vivid', start);
  await second.waitForFunction(() => window.lunette.stats()?.decoded > 10, undefined, { timeout: PATIENCE });
  await machine.property('lunette@front', 'StatusText', '^live: .*vivid.*; 1 viewer; broker connected$');
  // Unplugged and plugged in again while it is watched. (A module in use cannot be unloaded.)
  await machine.ok('echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind');
  await machine.property('lunette@front', 'StatusText', '^lost: ');
  assert.equal((await machine.run('test -e /dev/lunette/platform-vivid.0')).code, 1);
  const decoded = await second.evaluate(() => window.lunette.stats()?.decoded);
  const back = Date.now();
  await machine.ok('echo vivid.0 >/sys/bus/platform/drivers/vivid/bind');
  await machine.property('lunette@front', 'StatusText', '^live: ');
  const more = old => window.lunette.state === 'live' && window.lunette.stats()?.decoded > 0 && window.lunette.stats().decoded !== old;
  await second.waitForFunction(more, decoded, { timeout: PATIENCE });
  took('plugged in again, till the page shows pictures', back);
  assert.equal((await machine.unit('lunette@front', 'NRestarts')).NRestarts, '0');
  await second.close();
});

test('an upgrade starts what runs anew, and keeps config and identity', async () => {
  const root = path.join(folder, 'newer');
  execFileSync('dpkg-deb', ['-R', deb, root]);
  const control = path.join(root, 'DEBIAN/control');
  fs.writeFileSync(control, fs.readFileSync(control, 'utf8').replace(/^Version: .*$/m, line => `${line}+newer`));
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', root, path.join(folder, 'newer.deb')]);
  const before = await machine.unit('lunette', 'MainPID');
  const front = await machine.unit('lunette@front', 'MainPID');
  await install(path.join(folder, 'newer.deb'));
  await machine.property('lunette', 'StatusText', 'broker connected$');
  assert.notEqual((await machine.unit('lunette', 'MainPID')).MainPID, before.MainPID);
  assert.notEqual((await machine.unit('lunette@front', 'MainPID')).MainPID, front.MainPID);
  assert.equal(await pairable(), camera);
  assert.match(await machine.ok('cat /etc/lunette/lunette.d/10-test.toml'), /Board/);
  assert.match(await machine.ok('dpkg-query -W lunette'), /newer$/);
});

test('removed, nothing runs and what is the user\'s is kept; purged, that is gone too', async () => {
  await machine.ok('dpkg -r lunette 2>&1');
  assert.equal((await machine.run('pgrep -x lunette')).code, 1, 'nothing of it runs');
  assert.equal((await machine.run('systemctl is-active lunette lunette@front | sort -u')).out, 'inactive');
  await machine.ok('test ! -e /usr/bin/lunette && test ! -e /usr/lib/systemd/system/lunette.service');
  await machine.ok('test -e /etc/lunette/lunette.toml && test -e /var/lib/lunette/identity.pem');
  await machine.ok('dpkg -P lunette 2>&1');
  await machine.ok('test ! -e /var/lib/lunette && test ! -e /etc/lunette/lunette.toml');
  assert.equal(await machine.ok('systemctl daemon-reload; systemctl is-system-running; systemctl --failed --no-legend'), 'running');
});

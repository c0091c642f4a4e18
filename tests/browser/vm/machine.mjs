// An emulated arm64 machine: QEMU without acceleration, Debian's kernel, a network card on the namespace's TAP.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { start } from '../harness.mjs';

/** A machine may be emulated on one that has other things to do. */
export const PATIENCE = 240_000;

export class Machine {
  #qemu;
  #ssh;

  /** Starts it; `folder` is for its console and its ssh connection. */
  static async boot(image, folder) {
    const self = new Machine();
    const drive = `file=${path.join(image, 'disk')},format=raw,if=none,id=disk,snapshot=on`;
    self.console = path.join(folder, 'console');
    self.#qemu = start('qemu-system-aarch64', [
      '-M', 'virt,gic-version=3', '-cpu', 'cortex-a72', '-accel', 'tcg,thread=multi', '-smp', '2', '-m', '1024',
      '-nodefaults', '-display', 'none', '-no-reboot', '-serial', `file:${self.console}`,
      '-kernel', path.join(image, 'vmlinuz'), '-initrd', path.join(image, 'initrd'),
      '-append', 'root=/dev/vda rw console=ttyAMA0 quiet systemd.show_status=0 panic=-1',
      '-drive', drive, '-device', 'virtio-blk-pci,drive=disk', '-device', 'virtio-rng-pci',
      '-netdev', 'tap,id=net,ifname=tap0,script=no,downscript=no', '-device', 'virtio-net-pci,netdev=net,romfile=',
    ]);
    self.#ssh = [
      '-i', path.join(image, 'key'), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
      '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=20', '-o', 'ControlMaster=auto',
      '-o', `ControlPath=${path.join(folder, 'ssh')}`, '-o', 'ControlPersist=600', 'root@10.77.0.2',
    ];
    self.exited = self.#qemu.exited;
    await self.until('true', { what: 'ssh to the machine', timeout: 2 * PATIENCE });
    // "degraded" would end it too.
    await self.until('systemctl is-system-running | grep -qvE "initializing|starting"', { what: 'a machine that is up' });
    return self;
  }

  /** Runs a shell command; `input` is a file for its standard input. Never fails: returns exit code and output. */
  run(command, { input, timeout = PATIENCE } = {}) {
    return new Promise(resolve => {
      const child = execFile('ssh', [...this.#ssh, command], { timeout, maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
        resolve({ code: error ? error.code ?? error.signal : 0, out: stdout.trim(), text: `${stdout}${stderr}`.trim() }));
      child.stdin.on('error', () => {});
      if (input) fs.createReadStream(input).pipe(child.stdin);
      else child.stdin.end();
    });
  }

  /** The output of a command that must succeed. */
  async ok(command, options) {
    const done = await this.run(command, options);
    if (done.code !== 0) throw new Error(`${command}: exit code ${done.code}\n${done.text}`);
    return done.out;
  }

  /** Waits until a command succeeds, and returns its output. */
  async until(command, { what = command, timeout = PATIENCE } = {}) {
    const end = Date.now() + timeout;
    for (;;) {
      const done = await this.run(command, { timeout: 60_000 });
      if (done.code === 0) return done.out;
      const over = await Promise.race([this.exited, new Promise(r => setTimeout(r, 500))]);
      if (over !== undefined || Date.now() > end) {
        const said = fs.existsSync(this.console) ? fs.readFileSync(this.console, 'utf8').slice(-2000) : '';
        throw new Error(`never: ${what}\n${done.text}\nqemu: ${this.#qemu.lines.join('\n')}\nconsole: ${said}`);
      }
    }
  }

  /** A unit's properties. */
  async unit(name, ...properties) {
    const lines = (await this.ok(`systemctl show ${name} -p ${properties.join(',')}`)).split('\n');
    return Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  }

  /** Waits until a unit's property fits an extended regular expression. */
  property(name, property, fits) {
    return this.until(`systemctl show ${name} -P ${property} | grep -E '${fits}'`, { what: `${property} of ${name}: ${fits}` });
  }

  async stop() {
    await new Promise(resolve => execFile('ssh', ['-O', 'exit', ...this.#ssh], resolve));
    await this.#qemu.stop('SIGKILL');
  }
}

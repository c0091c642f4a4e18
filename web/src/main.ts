/** Starts the page. */
import { App } from './app';
import { loadConfig } from './config';
import { expose } from './hook';
import { takeLink } from './address';
import { loadIdentity } from './identity';
import { words } from './trust/words';
import { h } from './ui/dom';

async function main(root: HTMLElement, voice: HTMLElement): Promise<void> {
  const link = takeLink(); // at once: a secret is not to stay in the address
  if (!globalThis.isSecureContext || !globalThis.RTCPeerConnection) {
    const text = globalThis.isSecureContext ? 'This browser cannot do WebRTC, which carries the picture.'
      : 'Browsers let this page work only when it comes by https, or from this same device. Open its https address.';
    root.append(h('main', { class: 'plain', data: { view: 'unable' } }, h('h1', { text: 'Lunette' }), h('p', { text })));
    return;
  }
  const [config, identity] = await Promise.all([loadConfig(), loadIdentity()]);
  expose(new App(config, identity, await words(identity.point), link, root, voice).hook());
}

const root = document.getElementById('app');
const voice = document.getElementById('announce');
if (root && voice) void main(root, voice);

/** The dialogs of the page: add a camera, its settings, sign in. */
import type { Credentials } from '../credentials';
import { fragment, parsePasted, type Link } from '../link';
import { Dialog, field } from './dialog';
import { h, icon } from './dom';

export function addDialog(hasBroker: boolean, add: (link: Link) => void): Dialog {
  const link = field('Link or camera id', 'add-link', {
    placeholder: 'https://…/#c=…', required: '', spellcheck: 'false', autocapitalize: 'none', inputmode: 'url',
  });
  const name = field('Name (if you like)', 'add-name', { maxlength: '64', placeholder: 'Front door' });
  return new Dialog('add-dialog', 'Add a camera', [
    h('p', { class: 'hint', text: 'Lunette prints a link when it starts on the device with the camera.' }),
    link.row, name.row,
  ], [
    {
      label: 'Add', kind: 'main',
      action: () => {
        const it = parsePasted(link.input.value);
        if (!it?.camera) return 'That is neither a camera’s link nor its id. An id has 26 letters and digits.';
        if (!it.broker && !hasBroker) return 'The id alone does not say where the camera is. Paste the whole link.';
        const called = name.input.value.trim();
        add({ ...it, ...(called && { name: called }) });
      },
    },
    { label: 'Cancel', action: () => {} },
  ]);
}

export interface SettingsActions { rename(name: string): void; remove(): void }

export function settingsDialog(
  camera: { id: string; name?: string; broker?: string }, shownName: string, actions: SettingsActions,
): Dialog {
  const name = field('Name', 'camera-name', { maxlength: '64', placeholder: shownName }, camera.name ?? '');
  const url = location.href.replace(/#.*$/, '') + fragment({
    camera: camera.id, meter: false, ...(camera.name && { name: camera.name }), ...(camera.broker && { broker: camera.broker }),
  });
  const said = h('span', { text: 'Copy link' });
  const copy = h('button', {
    class: 'plain wide', id: 'copy-link', attributes: { type: 'button' },
    on: {
      click: () => void navigator.clipboard.writeText(url).then(
        () => { said.textContent = 'Copied'; }, () => { said.textContent = 'Copying is not allowed here'; }),
    },
  }, icon('copy'), said);
  const dialog = new Dialog('camera-dialog', shownName, [
    name.row, copy, h('p', { class: 'hint id', text: camera.id }),
  ], [
    { label: 'Save', kind: 'main', action: () => actions.rename(name.input.value) },
    { label: 'Cancel', action: () => {} },
    { label: 'Remove…', kind: 'danger', action: () => confirmRemoval(shownName, actions.remove) },
  ]);
  return dialog;
}

function confirmRemoval(name: string, remove: () => void): void {
  new Dialog('remove-dialog', `Remove “${name}”?`, [
    h('p', { class: 'hint', text: 'Only this browser forgets it. The camera itself goes on as before, and its link adds it again.' }),
  ], [
    { label: 'Remove', kind: 'danger', action: remove },
    { label: 'Keep', action: () => {} },
  ]);
}

export function loginDialog(
  broker: string, wrong: boolean, lastUser: string, login: (c: Credentials, remember: boolean) => void, onClose: () => void,
): Dialog {
  const user = field('User name', 'login-user', { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: '' }, lastUser);
  const password = field('Password', 'login-password', { type: 'password', autocomplete: 'current-password', required: '' });
  const remember = h('input', { id: 'login-remember', attributes: { type: 'checkbox' } });
  const dialog = new Dialog('login-dialog', 'Sign in', [
    h('p', { class: 'hint' }, 'The broker at ', h('b', { text: new URL(broker).host }), ' asks who you are.'),
    user.row, password.row, h('label', { class: 'check' }, remember, h('span', { text: 'Remember on this device' })),
  ], [
    { label: 'Sign in', kind: 'main', action: () => login({ user: user.input.value, password: password.input.value }, remember.checked) },
    { label: 'Not now', action: () => {} },
  ], onClose);
  if (lastUser) password.input.focus();
  if (wrong) dialog.say('The broker does not know this user name and password.');
  return dialog;
}

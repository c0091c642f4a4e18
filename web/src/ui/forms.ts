/** The dialogs of the page: add a camera, its settings, sign in. */
import type { Credentials } from '../credentials';
import { pageUrl } from '../address';
import { fragment, parsePasted, type Link } from '../link';
import { Dialog, field } from './dialog';
import { h, icon } from './dom';

export function addDialog(hasBroker: boolean, add: (link: Link) => void): Dialog {
  const link = field('Link', 'add-link', {
    placeholder: 'https://…/#c=…&p=…', required: '', spellcheck: 'false', autocapitalize: 'none', inputmode: 'url',
  });
  const name = field('Name (if you like)', 'add-name', { maxlength: '64', placeholder: 'Front door' });
  return new Dialog('add-dialog', 'Add a camera', [
    h('p', { class: 'hint', text: 'Lunette prints a link when it is first started on the device with the camera; `lunette pair` prints another one. The camera’s owner can send you an invitation.' }),
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

/** What is known of the camera and of this browser's place at it. */
export interface Standing { label: string | undefined; cameraWords: string | undefined; viewerWords: string; mayInvite: boolean }
export interface SettingsActions { rename(name: string): void; label(label: string): Promise<void>; remove(): void; access(): void }

export function settingsDialog(
  camera: { id: string; name?: string; broker?: string }, shownName: string, standing: Standing, actions: SettingsActions,
): Dialog {
  const name = field('Name', 'camera-name', { maxlength: '64', placeholder: shownName }, camera.name ?? '');
  const label = field('This browser is called', 'viewer-label', { maxlength: '64' }, standing.label ?? '');
  label.row.hidden = standing.label === undefined;
  const access = h('button', { class: 'plain wide', id: 'who-may-look', attributes: { type: 'button' }, on: { click: () => { dialog.close(); actions.access(); } } },
    icon('people'), h('span', { text: 'Who may look…' }));
  access.hidden = !standing.mayInvite;
  const url = pageUrl() + fragment({
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
    name.row, label.row, access, copy,
    h('p', { class: 'hint', text: 'The link is for browsers that are paired. Others need an invitation.' }),
    h('dl', { class: 'keys' },
      h('dt', { text: 'Camera’s key' }), h('dd', { id: 'camera-words', text: standing.cameraWords ?? 'Not seen yet' }),
      h('dt', { text: 'This browser’s' }), h('dd', { id: 'viewer-words', text: standing.viewerWords }),
      h('dt', { text: 'Camera id' }), h('dd', { class: 'id', text: camera.id })),
  ], [
    {
      label: 'Save', kind: 'main',
      action: async () => {
        actions.rename(name.input.value);
        const called = label.input.value.trim();
        if (standing.label === undefined || called === standing.label || called === '') return undefined;
        return actions.label(called).then(() => undefined, (e: Error) => e.message);
      },
    },
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

/** A link says that a camera which is known is to be found by another broker: it may be somebody else who says so. */
export function moveDialog(name: string, from: string, to: string, move: () => void): Dialog {
  return new Dialog('move-dialog', 'Another broker?', [
    h('p', { class: 'hint' }, 'This link says that ', h('b', { text: name }), ' is now found by way of ', h('b', { text: new URL(to).host }),
      ', and not of ', h('b', { text: new URL(from).host }), '. Whoever runs that one learns when you look, but sees no picture.'),
  ], [
    { label: 'Stay', kind: 'main', action: () => {} },
    { label: 'Use the new one', action: move },
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

/** Who may look at a camera: the list, and the dialogs to invite, rename and remove. */
import { ACCESS_FOR, LINK_GOOD, type Wish } from '../invite';
import type { Person } from '../people';
import { roleWords } from '../details';
import { isBelow, ROLES, type Role } from '../trust/grant';
import { Dialog, field, select } from './dialog';
import { h, icon } from './dom';
import { qr } from './qr';

export interface AccessActions {
  /** Rejects with a sentence, like all of these. */
  list(): Promise<{ people: Person[]; more: number }>;
  rename(id: string, label: string): Promise<void>;
  remove(id: string): Promise<void>;
  invite(wish: Wish): Promise<{ link: string; until: string }>;
}

const EACH = 3000;

export function accessDialog(camera: string, role: Role, actions: AccessActions): Dialog {
  const list = h('ul', { class: 'people', id: 'people' });
  const wait = h('p', { class: 'hint', id: 'people-wait', text: 'Asking the camera…' });
  let shown = '';
  const update = async (): Promise<void> => {
    try {
      const { people, more } = await actions.list();
      wait.textContent = more > 0 ? `${more} more do not fit in here. \`lunette viewers\` lists them all.` : '';
      wait.hidden = more === 0;
      dialog.say('');
      if (JSON.stringify(people) === shown) return; // a button under the finger stays where it is
      shown = JSON.stringify(people);
      list.replaceChildren(...people.map((p) => entry(p)));
    } catch (e) {
      dialog.say(sentence(e));
    }
  };
  const entry = (p: Person): HTMLLIElement => h('li', { data: { viewer: p.id, now: String(p.now) } },
    h('div', { class: 'who' }, h('b', { text: p.name }), h('span', { class: 'role', text: p.role }), p.me && h('span', { class: 'role me', text: 'This browser' })),
    h('p', { class: 'hint seen' }, h('i', { class: 'dot' }), p.seen),
    h('p', { class: 'hint', text: p.since }),
    h('p', { class: 'hint words', text: p.words }),
    (p.mayRename || p.mayRemove) && h('div', { class: 'acts' },
      p.mayRename && h('button', { class: 'small', text: 'Rename', attributes: { type: 'button' }, on: { click: () => renameDialog(p, actions, update) } }),
      p.mayRemove && h('button', { class: 'small bad', text: 'Remove', attributes: { type: 'button' }, on: { click: () => removeDialog(p, actions, update) } })));
  const invite = h('button', { class: 'plain wide', id: 'invite', attributes: { type: 'button' }, on: { click: () => inviteDialog(camera, role, actions) } },
    icon('add'), h('span', { text: 'Invite somebody…' }));
  const timer = setInterval(() => void update(), EACH);
  const dialog = new Dialog('access-dialog', 'Who may look', [h('p', { class: 'hint', text: camera }), invite, wait, list],
    [{ label: 'Done', kind: 'main', action: () => {} }], () => clearInterval(timer));
  dialog.element.classList.add('wide');
  void update();
  return dialog;
}

function renameDialog(p: Person, actions: AccessActions, then: () => Promise<void>): void {
  const label = field('Name', 'viewer-name', { maxlength: '64', required: '' }, p.name);
  new Dialog('rename-dialog', 'What is it called?', [label.row], [
    { label: 'Save', kind: 'main', action: () => attempt(actions.rename(p.id, label.input.value).then(then)) },
    { label: 'Cancel', action: () => {} },
  ]);
}

function removeDialog(p: Person, actions: AccessActions, then: () => Promise<void>): void {
  new Dialog('revoke-dialog', `Remove “${p.name}”?`, [
    h('p', { class: 'hint', text: `${p.now ? 'It is watching now; its picture ends at once. ' : ''}It can look again only with a new invitation. What it invited and was not used is void, too.` }),
  ], [
    { label: 'Remove', kind: 'danger', action: () => attempt(actions.remove(p.id).then(then)) },
    { label: 'Keep', action: () => {} },
  ]);
}

function inviteDialog(camera: string, role: Role, actions: AccessActions): void {
  const label = field('For (if you like)', 'invite-label', { maxlength: '64', placeholder: 'Anna’s phone' });
  // `talk` is for sound, which there is not yet.
  const may = ROLES.filter((r): r is 'view' | 'admin' => (r === 'view' || r === 'admin') && isBelow(r, role));
  const what = select('What it may do', 'invite-role', may.map((r) => [INVITED[r], r]));
  const good = select('The link is good for', 'invite-good', LINK_GOOD.map(([name, s]) => [name, String(s)]), String(LINK_GOOD[1]?.[1]));
  const lasts = select('For how long it may', 'invite-lasts', ACCESS_FOR.map(([name, s]) => [name, String(s)]));
  new Dialog('invite-dialog', 'Invite somebody', [
    label.row, what.row, good.row, lasts.row,
    h('p', { class: 'hint', text: 'The link lets one browser in. Give it only to whom it is for.' }),
  ], [
    {
      label: 'Make a link', kind: 'main',
      action: () => attempt(actions.invite({
        role: what.input.value as Wish['role'], good: Number(good.input.value), lasts: Number(lasts.input.value), label: label.input.value.trim(),
      }).then(({ link, until }) => linkDialog(camera, what.input.value as Role, label.input.value.trim(), link, until))),
    },
    { label: 'Cancel', action: () => {} },
  ]);
}

function linkDialog(camera: string, role: Role, label: string, link: string, until: string): void {
  const said = h('span', { text: 'Copy link' });
  const copy = h('button', { class: 'plain wide', id: 'copy-invitation', data: { link }, attributes: { type: 'button' }, on: {
    click: () => void navigator.clipboard.writeText(link).then(() => { said.textContent = 'Copied'; }, () => { said.textContent = 'Copying is not allowed here'; }),
  } }, icon('copy'), said);
  const canShare = typeof navigator.share === 'function';
  const share = canShare && h('button', { class: 'plain wide', id: 'share-invitation', text: 'Share…', attributes: { type: 'button' }, on: {
    click: () => void navigator.share({ title: camera, url: link }).catch(() => {}),
  } });
  new Dialog('link-dialog', label ? `Invitation for ${label}` : 'Invitation', [
    h('p', { class: 'hint', text: `${camera}, as ${roleWords(role).toLowerCase()}. Scan it, or send the link. It lets one browser in, until ${until}.` }),
    qr(link, 'The link as a QR code'), h('div', { class: 'pair' }, copy, share),
  ], [{ label: 'Done', kind: 'main', action: () => {} }]);
}

const INVITED = { view: 'Look', admin: 'Look, invite and remove others' };

/** What went wrong, as a dialog shows it. */
async function attempt(work: Promise<unknown>): Promise<string | void> {
  try {
    await work;
  } catch (e) {
    return sentence(e);
  }
}

function sentence(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

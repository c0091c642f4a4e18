/** The list of cameras. */
import { h, icon, iconButton, setData, setText } from './dom';

export interface Row { id: string; href: string; name: string; state: string; word: string; line: string; still?: HTMLCanvasElement | undefined }
export interface ListActions { add(): void; settings(id: string): void; login(id: string): void }

export class ListView {
  readonly element: HTMLElement;
  #cards = new Map<string, Card>();
  #list = h('ul', { class: 'cards', id: 'cameras' });
  #empty: HTMLElement;

  constructor(private readonly actions: ListActions) {
    const add = h('button', { class: 'main', id: 'add-camera', attributes: { type: 'button', 'aria-label': 'Add camera' }, on: { click: actions.add } },
      icon('add'), h('span', {}, 'Add', h('span', { class: 'long', text: ' camera' })));
    this.#empty = h('section', { class: 'empty', id: 'empty' },
      h('div', { class: 'mark' }, icon('brand')),
      h('h2', { text: 'No cameras yet' }),
      h('p', { text: 'Start Lunette on the device that has the camera. It prints a link that lets one browser in: open it here, or paste it.' }),
      h('button', { class: 'main', id: 'add-first', attributes: { type: 'button' }, on: { click: actions.add } },
        icon('add'), h('span', { text: 'Add a camera' })));
    this.element = h('main', { class: 'list', data: { view: 'list' } },
      h('header', { class: 'top' }, h('h1', {}, icon('brand'), h('span', { text: 'Lunette' })), add),
      this.#empty, this.#list);
  }

  update(rows: readonly Row[]): void {
    this.#empty.hidden = rows.length > 0;
    this.#list.hidden = rows.length === 0;
    this.element.classList.toggle('none', rows.length === 0);
    const ids = new Set(rows.map((r) => r.id));
    for (const [id, card] of this.#cards) {
      if (ids.has(id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    rows.forEach((row, i) => {
      let card = this.#cards.get(row.id);
      if (!card) this.#cards.set(row.id, (card = new Card(row.id, this.actions)));
      card.update(row);
      if (this.#list.children[i] !== card.element) this.#list.insertBefore(card.element, this.#list.children[i] ?? null);
    });
  }

  focus(id: string | undefined): void {
    const card = id === undefined ? undefined : this.#cards.get(id);
    card?.element.querySelector('a')?.focus({ preventScroll: false });
  }
}

class Card {
  readonly element: HTMLLIElement;
  #state = '';
  #name = h('h2');
  #line = h('p');
  #word = h('span');
  #sign = h('div', { class: 'sign' });
  #tile: HTMLElement;
  #link: HTMLAnchorElement;
  #more: HTMLButtonElement;
  #still: HTMLCanvasElement | undefined;

  constructor(id: string, actions: ListActions) {
    this.#tile = h('div', { class: 'tile' }, this.#sign, h('span', { class: 'badge' }, h('i', { class: 'dot' }), this.#word));
    this.#link = h('a', {
      class: 'open',
      on: {
        click: (e) => {
          if (this.#state !== 'login') return;
          e.preventDefault();
          actions.login(id);
        },
      },
    }, this.#tile, h('div', { class: 'text' }, this.#name, this.#line));
    this.#more = iconButton('more', '', '', () => actions.settings(id));
    this.#more.removeAttribute('id');
    this.#more.classList.add('more');
    this.element = h('li', { class: 'card', data: { camera: id } }, this.#link, this.#more);
  }

  update(row: Row): void {
    setData(this.element, 'state', row.state);
    setText(this.#name, row.name);
    setText(this.#line, row.line);
    setText(this.#word, row.word);
    if (this.#link.getAttribute('href') !== row.href) this.#link.setAttribute('href', row.href);
    const label = `Options for ${row.name}`;
    if (this.#more.title !== label) {
      this.#more.title = label;
      this.#more.setAttribute('aria-label', label);
    }
    if (this.#state !== row.state) {
      this.#sign.replaceChildren(icon(row.state === 'login' || row.state === 'denied' ? 'lock'
        : row.state === 'offline' || row.state === 'lost' || row.state === 'down' ? 'offline' : 'camera'));
    }
    this.#state = row.state;
    if (this.#still !== row.still) {
      this.#still?.remove();
      if (row.still) this.#tile.prepend(row.still);
      this.#still = row.still;
    }
  }
}

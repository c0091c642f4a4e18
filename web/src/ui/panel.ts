/** The details panel: a list of what is known about the running session. */
import type { Row } from '../details';
import { h, iconButton, setText } from './dom';

export class DetailsPanel {
  readonly element: HTMLElement;
  #list = h('dl');
  #rows = new Map<string, { row: HTMLElement; value: HTMLElement; how: HTMLElement }>();
  #none = h('p', { class: 'hint', text: 'Nothing to tell yet: there is no connection.' });

  #relay = h('input', { id: 'relay-only', attributes: { type: 'checkbox' } });

  constructor(onClose: () => void, relay: (only: boolean) => void) {
    this.#relay.addEventListener('change', () => relay(this.#relay.checked));
    this.element = h('aside', { class: 'details', id: 'details', attributes: { 'aria-label': 'Details' } },
      h('header', {}, h('h2', { text: 'Details' }), iconButton('close', 'Close details (d)', 'details-close', onClose)),
      this.#none, this.#list,
      h('label', { class: 'check' }, this.#relay, h('span', { text: 'Only through a TURN server' })),
      h('p', { class: 'hint', text: 'Then the camera and this device do not learn each other’s addresses.' }));
    this.element.hidden = true;
  }

  set relayOnly(only: boolean) {
    this.#relay.checked = only;
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  toggle(): void {
    this.element.hidden = !this.element.hidden;
  }

  update(rows: readonly Row[]): void {
    this.#none.hidden = rows.length > 0;
    const keys = new Set(rows.map((r) => r.key));
    for (const [key, { row }] of this.#rows) row.hidden = !keys.has(key);
    for (const r of rows) {
      let it = this.#rows.get(r.key);
      if (!it) {
        const value = h('dd', { data: { detail: r.key } });
        const how = h('dd', { class: 'how' });
        this.#rows.set(r.key, (it = { value, how, row: h('div', {}, h('dt', { text: r.label }), value, how) }));
        this.#list.append(it.row);
      }
      setText(it.value, r.value);
      setText(it.how, r.how ?? '');
    }
    // in the order of `rows`, also when one came late
    rows.forEach((r, i) => {
      const row = this.#rows.get(r.key)?.row;
      const shown = [...this.#list.children].filter((c) => !(c as HTMLElement).hidden);
      if (row && shown[i] !== row) this.#list.insertBefore(row, shown[i] ?? null);
    });
  }
}

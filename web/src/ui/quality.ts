/** Which of the camera's streams is shown, for cameras that have more than one: a row of sizes. */
import type { Choice } from '../streams';
import { h, setData, setText } from './dom';

export class Quality {
  readonly element: HTMLElement;
  /** why it is not as wished; stands apart, so that it is seen when the buttons are not */
  readonly notice = h('p', { class: 'notice', id: 'notice', attributes: { role: 'status' } });
  #options = h('div', { class: 'options', attributes: { role: 'radiogroup', 'aria-labelledby': 'quality-name' } });
  #voice = h('span', { class: 'unseen', attributes: { role: 'status' } });
  #choices: readonly Choice[] = [];
  #inputs = new Map<string, HTMLInputElement>();
  #wanted: string | undefined;

  constructor(private readonly choose: (id: string) => void) {
    this.element = h('div', { class: 'quality', id: 'quality', title: 'Quality (q)' },
      h('span', { class: 'name', id: 'quality-name', text: 'Quality' }), this.#options, this.#voice);
    this.element.hidden = true;
  }

  update(choices: readonly Choice[], shown: string | undefined, wanted: string | undefined, notice: string): void {
    if (JSON.stringify(choices) !== JSON.stringify(this.#choices)) this.#build(choices);
    this.element.hidden = choices.length < 2;
    const current = wanted ?? shown;
    for (const [id, input] of this.#inputs) {
      if (input.checked !== (id === current)) input.checked = id === current;
      if (input.parentElement) setData(input.parentElement, 'state', id === wanted ? 'wanted' : id === shown ? 'shown' : '');
    }
    if (wanted !== this.#wanted) {
      this.#options.setAttribute('aria-busy', String(wanted !== undefined));
      const label = choices.find((c) => c.id === current)?.label ?? '';
      setText(this.#voice, wanted === undefined ? `The picture is ${label}` : `Changing to ${label}…`);
      this.#wanted = wanted;
    }
    setText(this.notice, notice);
  }

  /** Chooses the one after the one that is chosen, round and round. */
  next(): void {
    if (this.element.hidden) return;
    const at = this.#choices.findIndex((c) => this.#inputs.get(c.id)?.checked);
    const next = this.#choices[(at + 1) % this.#choices.length];
    if (next) this.choose(next.id);
  }

  #build(choices: readonly Choice[]): void {
    const focused = [...this.#inputs].find(([, input]) => input === document.activeElement)?.[0];
    this.#choices = choices;
    this.#inputs.clear();
    this.#options.replaceChildren(...choices.map((c) => {
      const input = h('input', {
        attributes: { type: 'radio', name: 'quality', value: c.id, 'aria-label': c.label },
        on: { change: () => this.choose(c.id) },
      });
      this.#inputs.set(c.id, input);
      return h('label', { data: { stream: c.id, state: '' } }, input,
        h('span', {}, h('span', { class: 'long', text: c.label }), h('span', { class: 'short', text: c.short })));
    }));
    if (focused !== undefined) this.#inputs.get(focused)?.focus();
  }
}

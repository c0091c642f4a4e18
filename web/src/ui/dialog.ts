/** A modal dialog with a form: a title, its fields, an error line and its buttons. */
import { h } from './dom';

export interface DialogButton { label: string; kind?: 'main' | 'danger'; action(): string | void | Promise<string | void> }

export class Dialog {
  readonly element: HTMLDialogElement;
  readonly #error = h('p', { class: 'error', attributes: { role: 'alert' } });

  /** The first button is what Enter does. An action that gives a text keeps the dialog open and shows it. */
  constructor(id: string, title: string, fields: Node[], buttons: DialogButton[], private readonly onClose = (): void => {}) {
    const [main] = buttons;
    const form = h('form', { on: { submit: (e) => { e.preventDefault(); if (main) this.#run(main); } } },
      h('h2', { text: title, id: `${id}-title` }), ...fields, this.#error,
      h('div', { class: 'buttons' }, ...buttons.map((b) => h('button', {
        class: b.kind ?? 'plain', text: b.label, attributes: { type: b === main ? 'submit' : 'button' },
        on: b === main ? {} : { click: () => this.#run(b) },
      }))));
    this.element = h('dialog', { id, attributes: { 'aria-labelledby': `${id}-title` } }, form);
    this.element.addEventListener('close', () => {
      this.element.remove();
      this.onClose();
    });
    this.element.addEventListener('pointerdown', (e) => {
      if (e.target === this.element) this.close(); // beside it
    });
    document.body.append(this.element);
    this.element.showModal();
  }

  say(error: string): void {
    this.#error.textContent = error;
  }

  close(): void {
    this.element.close();
  }

  #run(button: DialogButton): void {
    const outcome = button.action();
    if (!(outcome instanceof Promise)) return this.#done(outcome);
    this.say('');
    this.#busy(true);
    void outcome.then((error) => {
      this.#busy(false);
      this.#done(error);
    });
  }

  #done(error: string | void): void {
    if (error) this.say(error);
    else this.close();
  }

  #busy(busy: boolean): void {
    this.element.setAttribute('aria-busy', String(busy));
    for (const b of this.element.querySelectorAll<HTMLButtonElement>('.buttons button')) b.disabled = busy;
  }
}

/** `options`: what is shown, and what it means. */
export function select(
  label: string, id: string, options: readonly [string, string][], chosen = options[0]?.[1] ?? '',
): { row: HTMLLabelElement; input: HTMLSelectElement } {
  const input = h('select', { id }, ...options.map(([text, value]) => h('option', { text, attributes: { value } })));
  input.value = chosen;
  return { input, row: h('label', { class: 'field' }, h('span', { text: label }), input) };
}

export function field(
  label: string, id: string, attributes: Record<string, string> = {}, value = '',
): { row: HTMLLabelElement; input: HTMLInputElement } {
  const input = h('input', { id, attributes: { autocomplete: 'off', ...attributes } });
  input.value = value;
  return { input, row: h('label', { class: 'field' }, h('span', { text: label }), input) };
}

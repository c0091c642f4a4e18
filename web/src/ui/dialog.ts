/** A modal dialog with a form: a title, its fields, an error line and its buttons. */
import { h } from './dom';

export interface DialogButton { label: string; kind?: 'main' | 'danger'; action(): string | void }

export class Dialog {
  readonly element: HTMLDialogElement;
  readonly #error = h('p', { class: 'error', attributes: { role: 'alert' } });

  /** The first button is what Enter does. An action that returns a text keeps the dialog open and shows it. */
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
    const error = button.action();
    if (error) this.say(error);
    else this.close();
  }
}

export function field(
  label: string, id: string, attributes: Record<string, string> = {}, value = '',
): { row: HTMLLabelElement; input: HTMLInputElement } {
  const input = h('input', { id, attributes: { autocomplete: 'off', ...attributes } });
  input.value = value;
  return { input, row: h('label', { class: 'field' }, h('span', { text: label }), input) };
}

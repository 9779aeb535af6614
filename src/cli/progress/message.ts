import type { Paint } from '../format/colour.ts'
import { printable } from '../format/printable.ts'
import type { MessageKind } from './renderer.ts'

/** A message as a line for people. */
export function messageLine(kind: MessageKind, text: string, paint: Paint): string {
  switch (kind) {
    case 'warning':
      return `tare: ${paint('yellow', 'warning')}: ${printable(text)}\n`
    case 'debug':
      return `${paint('dim', `tare: ${printable(text)}`)}\n`
  }
}

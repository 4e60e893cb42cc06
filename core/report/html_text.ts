/** Builds HTML in which every value is escaped. */
import { plain } from './printable.ts'

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = string | number | Html | readonly Html[] | null | undefined

/** A template tag: values are escaped, unless they are made by this tag; lists are joined. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.map((part, at) => part + (at < values.length ? textOf(values[at]) : '')).join(''))
}

function textOf(value: Value): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(({ text }) => text).join('')
  return escapeHtml(String(value))
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Also spells out control characters, and those that reverse the order of the text. */
export function escapeHtml(text: string): string {
  return plain(text).replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)
}

/** Keeps secret values out of everything that is printed or stored. */
import { shellQuoted } from '../text/shell.ts'

/** A set of strings that must never be shown; `mask` replaces each occurrence. */
export class Secrets {
  private values: string[] = []

  /** Adds a value; very short ones are left out, since masking them would garble every text without hiding anything. */
  add(value: unknown): void {
    if (typeof value !== 'string' || value.length < 4) return
    const forms = [value, ...secretLines(value)].flatMap(formsOf)
    for (const form of new Set(forms)) if (!this.values.includes(form)) this.values.push(form)
    // Longest first: a secret that contains another one must vanish whole.
    this.values.sort((a, b) => b.length - a.length)
  }

  mask(text: string): string {
    let masked = text
    for (const value of this.values) if (masked.includes(value)) masked = masked.replaceAll(value, '********')
    return masked
  }

  /** The same value with every string in it masked. */
  maskDeep<T>(value: T): T {
    if (this.values.length === 0) return value
    return JSON.parse(JSON.stringify(value), (_, v) => (typeof v === 'string' ? this.mask(v) : v)) as T
  }

  get empty(): boolean {
    return this.values.length === 0
  }
}

/** As it stands in a URL, in JSON, in a command, and in XML. */
function formsOf(value: string): string[] {
  return [value, encoded(value), JSON.stringify(value).slice(1, -1), shellQuoted(value), inXml(value)]
}

function inXml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** A lone surrogate has no form in a URL. */
function encoded(value: string): string {
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'))
}

/** Of a key file each line counts by itself: a tool may print only one of them. */
function secretLines(value: string): string[] {
  if (!value.includes('\n')) return []
  return value.split('\n').filter((line) => line.length >= 16 && !line.startsWith('-----'))
}

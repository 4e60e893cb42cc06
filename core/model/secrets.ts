/** Keeps secret values out of everything that is printed or stored. */
import { lineMask } from './line_mask.ts'
import { secretLineFinder } from './secret_lines.ts'
import { hasSecretName, noNames, type OwnNames } from './secret_names.ts'
import { maskNamed, maskValues, secretsInside } from './secret_text.ts'
import { maskCuts } from './shorten.ts'
import { mergeSpans, type Span, Spelling } from './spelling.ts'

export type { Span } from './spelling.ts'

/** Replaces a secret. */
export const mask = '********'

/**
 * Marks a line of masked text that differs from a line of another text only in its secrets, so that a diff shows both; the
 * diff removes it (U+2063, an invisible separator).
 */
export const differenceMark = '\u2063'

/** Length from which a value is masked: masking shorter ones would garble every text and hide nothing. */
const minLength = 4
/** Each line of a secret with several lines is masked from this length on, and a shorter one if it has letters and digits. */
const minLineLength = 8

/** A set of texts that are never displayed or stored; `mask` replaces each occurrence in any spelling. */
export class Secrets {
  private readonly spellings = new Map<string, Spelling>()
  private ownNames: OwnNames = noNames

  /** @param base its texts and names are masked as well; it does not get what is added here */
  constructor(private readonly base: Secrets | null = null) {}

  /** Adds a value, also without the blanks around it; its single lines where it has several; and its forms in base64 and hexadecimal. */
  add(value: unknown): void {
    if (typeof value !== 'string') return
    const text = value.trim()
    for (const one of [value, text, ...secretLines(text)]) if (one.length >= minLength) this.learn(one)
    if (text.length >= minLength) for (const one of encodedForms(text)) this.learn(one)
  }

  /** Adds names that the user counts as secret, and names that are not secret although they sound so. */
  useNames({ secret, open }: OwnNames): void {
    this.ownNames = joinNames(this.ownNames, { secret, open })
  }

  private get names(): OwnNames {
    return this.base === null ? this.ownNames : joinNames(this.base.names, this.ownNames)
  }

  private allSpellings(): readonly (readonly [text: string, spelling: Spelling])[] {
    return [...(this.base?.allSpellings() ?? []), ...this.spellings]
  }

  /** Replaces every known secret, and values where secrets usually are: in a URL, an option or a header. */
  mask(text: string): string {
    return maskValues(this.maskKnownAndCut(text), this.names)
  }

  /**
   * Also replaces the values of names that sound secret, such as `DB_PASSWORD = …`: for a file of the host or the output of
   * a command, which may contain secrets that are not known here.
   */
  maskForeign(text: string): string {
    return maskNamed(this.maskKnownAndCut(text), this.names)
  }

  /** Returns `maskForeign` for lines that arrive one by one: a secret such as a private key has several. */
  foreignLineMask(): (line: string) => string {
    return lineMask(
      (text) => this.maskForeign(text),
      () => this.names,
    )
  }

  /** Returns the value with every string in it masked. */
  maskDeep<T>(value: T): T {
    return JSON.parse(JSON.stringify(value) ?? 'null', (_, v) => (typeof v === 'string' ? this.mask(v) : v)) as T
  }

  /** Decides by a name, such as `DB_PASSWORD`, whether its value is secret. */
  hasSecretName(name: string): boolean {
    return hasSecretName(name, this.names)
  }

  /** Returns the positions of known secrets in a text, in order and without overlaps. */
  spans(text: string): readonly Span[] {
    return mergeSpans(this.allSpellings().flatMap(([, one]) => one.in(text)))
  }

  private maskKnownAndCut(text: string): string {
    return maskCuts(
      this.maskKnown(text),
      this.allSpellings().map(([secret]) => secret),
      mask,
    )
  }

  private maskKnown(text: string): string {
    let result = ''
    let at = 0
    for (const { start, end } of this.spans(text)) {
      result += `${text.slice(at, start)}${mask}`
      at = end
    }
    return at === 0 ? text : result + text.slice(at)
  }

  private learn(text: string): void {
    if (!this.spellings.has(text)) this.spellings.set(text, new Spelling(text))
  }
}

function joinNames(one: OwnNames, other: OwnNames): OwnNames {
  return { secret: [...one.secret, ...other.secret], open: [...one.open, ...other.open] }
}

/** Returns the lines of a secret, and the values of names in it: a tool may print only one of them. */
function secretLines(value: string): string[] {
  if (!value.includes('\n')) return []
  const isInKey = secretLineFinder(hasSecretName)
  const lines = value.split('\n').map((line) => line.trim())
  return [...lines.filter((line) => isSecretLine(line, isInKey(line))), ...secretsInside(value)]
}

/** Short words such as `true` or `}` would garble what is printed and hide nothing. */
function isSecretLine(line: string, isInKey: boolean): boolean {
  if (line.startsWith('-----')) return false
  return isInKey || line.length >= minLineLength || (/[A-Za-z]/.test(line) && /\d/.test(line))
}

function encodedForms(value: string): readonly string[] {
  const base64 = base64Forms(value)
  const hexadecimal = Buffer.from(value, 'utf8').toString('hex')
  const urlSafe = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))
  return [...new Set([...base64, ...urlSafe, hexadecimal, hexadecimal.toUpperCase()])]
}

/** Returns the parts that are in the base64 form of every text with the value, such as `user:password`: one for each shift. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8')
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    // Characters at the ends also hold bits of the neighbours.
    const form = encoded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
    return form.length >= 8 ? [form] : []
  })
}

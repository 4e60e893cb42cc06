/** Rendering of handlebars templates: strict, without HTML escapes, with helpers for configuration files. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type Handlebars from 'handlebars'
import { ConvergeError } from '../core/model/errors.ts'

export interface TemplateProps {
  readonly path: string
  readonly source: string
  readonly name?: string | undefined
  readonly variables: Readonly<Record<string, unknown>>
}

let engine: typeof Handlebars | undefined
const compiled = new Map<string, Handlebars.TemplateDelegate>()

/** Loads handlebars: only runs with templates pay for it. */
export async function prepareTemplates(): Promise<void> {
  if (engine !== undefined) return
  const { default: handlebars } = await import('handlebars')
  const own = handlebars.create()
  for (const [name, helper] of Object.entries(helpers)) own.registerHelper(name, helper)
  engine = own
}

/** Reads a template beside a recipe: `readTemplate(import.meta.url, 'haproxy.cfg.hbs')`. */
export function readTemplate(from: string, name: string): string {
  return readFileSync(fileURLToPath(new URL(name, from)), 'utf8')
}

/**
 * @throws ConvergeError TEMPLATE_ERROR, naming template, line and what is undefined or misspelt
 */
export function renderTemplate({ path, source, name, variables }: TemplateProps): string {
  if (engine === undefined) throw new ConvergeError('templates are not prepared', { code: 'INTERNAL' })
  try {
    let render = compiled.get(source)
    if (render === undefined) {
      render = engine.compile(source, { strict: true, noEscape: true, preventIndent: true })
      compiled.set(source, render)
    }
    return render(variables)
  } catch (error) {
    throw templateError(error, name ?? path, Object.keys(variables))
  }
}

function templateError(error: unknown, name: string, known: readonly string[]): ConvergeError {
  const message = error instanceof Error ? error.message : String(error)
  const missing = /^"(.+?)" not defined in .* - (\d+):(\d+)/.exec(message)
  if (missing)
    return new ConvergeError(`the template ${name} speaks of ${missing[1]}, which is not among its variables`, {
      code: 'TEMPLATE_ERROR',
      source: { file: name, line: Number(missing[2]), column: Number(missing[3]) + 1 },
      hint: `it gets: ${known.length > 0 ? [...known].sort().join(', ') : 'none'}`,
      cause: error,
    })
  const parse = /^Parse error on line (\d+):\n([\s\S]*)$/.exec(message)
  if (parse)
    return new ConvergeError(`the template ${name} cannot be read`, {
      code: 'TEMPLATE_ERROR',
      source: { file: name, line: Number(parse[1]) },
      output: parse[2],
      hint: 'handlebars wants every {{#block}} closed by {{/block}}, and names without spaces',
      cause: error,
    })
  return new ConvergeError(`the template ${name} cannot be rendered: ${message}`, {
    code: 'TEMPLATE_ERROR',
    source: { file: name },
    cause: error,
  })
}

/** Values in configuration files are words, numbers and booleans; anything else is a mistake. */
function word(value: unknown, helper: string): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new Error(`${helper} takes a string, a number or a boolean, not ${value === null ? 'null' : typeof value}`)
}

function words(value: unknown, helper: string): string[] {
  if (!Array.isArray(value)) throw new Error(`${helper} takes a list, not ${value === null ? 'null' : typeof value}`)
  return value.map((item) => word(item, helper))
}

const helpers: Readonly<Record<string, Handlebars.HelperDelegate>> = {
  /** The items one a line, indented by four spaces, as ini files continue a value. */
  iniList: (value: unknown) =>
    words(value, 'iniList')
      .map((item) => `\n    ${item}`)
      .join(''),
  /** Items joined by a separator, a space where none is given. */
  join: (value: unknown, separator: unknown) =>
    words(value, 'join').join(typeof separator === 'string' ? separator : ' '),
  /** In double quotes, with backslashes and quotes escaped. */
  quote: (value: unknown) => `"${word(value, 'quote').replace(/[\\"]/g, '\\$&')}"`,
  /** In single quotes as a POSIX shell wants it. */
  shellQuote: (value: unknown) => `'${word(value, 'shellQuote').replaceAll("'", "'\\''")}'`,
  json: (value: unknown) => JSON.stringify(value),
  /** `{{#eachSorted map}}{{@key}}={{this}}{{/eachSorted}}`: in the order of the keys, whatever order they came in. */
  eachSorted(this: unknown, map: unknown, options: Handlebars.HelperOptions) {
    if (typeof map !== 'object' || map === null) throw new Error('eachSorted takes a map')
    const entries = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return entries
      .map(([key, value], index) =>
        options.fn(value, {
          data: { ...options.data, key, index, first: index === 0, last: index === entries.length - 1 },
        }),
      )
      .join('')
  },
  eq: (a: unknown, b: unknown) => a === b,
}

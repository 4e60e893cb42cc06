/** Rendering of handlebars templates: strict, without HTML escapes, with helpers for configuration files. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type Handlebars from 'handlebars'
import { ConvergeError } from '../core/model/errors.ts'
import { type Engine, Mistake, makeEngine } from './strict_handlebars.ts'

export interface TemplateProps {
  readonly path: string
  readonly source: string
  readonly name?: string | undefined
  readonly variables: Readonly<Record<string, unknown>>
}

let engine: Engine | undefined
const compiled = new Map<string, Handlebars.TemplateDelegate>()

/** Loads handlebars: only runs with templates pay for it. */
export async function prepareTemplates(): Promise<void> {
  if (engine !== undefined) return
  const { default: handlebars } = await import('handlebars')
  engine = makeEngine(handlebars)
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
      render = engine.compile(source)
      compiled.set(source, render)
    }
    return render(given(variables))
  } catch (error) {
    throw templateError(error, name ?? path, Object.keys(variables))
  }
}

/** What is given as undefined is not given. */
function given(variables: TemplateProps['variables']): TemplateProps['variables'] {
  for (const name in variables)
    if (variables[name] === undefined)
      return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
  return variables
}

function templateError(error: unknown, name: string, known: readonly string[]): ConvergeError {
  const message = error instanceof Error ? error.message : String(error)
  const place = / - (\d+):(\d+)$/.exec(message)
  const line = place?.[1] ?? (error instanceof Mistake ? error.line : undefined)
  const source = { file: name, ...(line === undefined ? {} : { line: Number(line) }) }
  const missing = /^"(.+?)" not defined in |^Cannot use 'in' operator to search for '(.+?)' in /.exec(message)
  if (missing)
    return new ConvergeError(
      `the template ${name} speaks of ${missing[1] ?? missing[2]}, which is not among its variables`,
      {
        code: 'TEMPLATE_ERROR',
        source: place ? { ...source, column: Number(place[2]) + 1 } : source,
        hint: `it gets: ${known.length > 0 ? [...known].sort().join(', ') : 'none'}`,
        cause: error,
      },
    )
  const parse = /^Parse error on line (\d+):\n([\s\S]*)$/.exec(message)
  if (parse)
    return new ConvergeError(`the template ${name} cannot be read`, {
      code: 'TEMPLATE_ERROR',
      source: { file: name, line: Number(parse[1]) },
      output: parse[2],
      hint: 'handlebars wants every {{#block}} closed by {{/block}}, and names without spaces',
      cause: error,
    })
  return new ConvergeError(`the template ${name} cannot be rendered: ${message.replace(/ - \d+:\d+$/, '')}`, {
    code: 'TEMPLATE_ERROR',
    source,
    hint: error instanceof Mistake ? error.hint : undefined,
    cause: error,
  })
}

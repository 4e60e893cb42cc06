/** Reads and renders handlebars templates: strict, without HTML escapes, with helpers for configuration files. */
import { fileURLToPath } from 'node:url'
import type Handlebars from 'handlebars'
import { readInputFile } from '../../core/host/input_file.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { utf8Text } from '../../core/model/utf8.ts'
import { makeEngine, type TemplateEngine, TemplateMistake } from './strict_handlebars.ts'

export interface TemplateProps {
  readonly path: string
  readonly source: string
  readonly name?: string | undefined
  readonly variables: Readonly<Record<string, unknown>>
}

let engine: TemplateEngine | undefined
const compiled = new Map<string, Handlebars.TemplateDelegate>()

/** Loads handlebars; only runs with templates need it. */
export async function prepareTemplates(): Promise<void> {
  if (engine !== undefined) return
  const { default: handlebars } = await import('handlebars')
  engine = makeEngine(handlebars)
}

/** The paths of templates, by their text: a recipe passes only the text to the resource. */
const files = new Map<string, string>()

/**
 * Reads a template beside a recipe: `readTemplate(import.meta.url, 'haproxy.cfg.hbs')`.
 * @throws NO_FILE, NOT_UTF8
 */
export function readTemplate(from: string, name: string): string {
  const path = fileURLToPath(new URL(name, from))
  try {
    const text = utf8Text(readInputFile(path), path)
    files.set(text, path)
    return text
  } catch (error) {
    if (error instanceof ConvergeError) throw error
    throw new ConvergeError(
      `cannot read the template ${path}: ${asConvergeError(error).message.replace(/^.*: /, '')}`,
      {
        code: 'NO_FILE',
        hint: 'put the template beside the file that calls readTemplate, or correct its name',
        usage: true,
        cause: error,
      },
    )
  }
}

/**
 * Renders a template.
 * @throws TEMPLATE_ERROR with the template and its line; the engine adds the line of the recipe
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
    throw templateError(error, name ?? files.get(source) ?? `inline template of ${path}`, Object.keys(variables))
  }
}

/** Removes variables whose value is undefined. */
function given(variables: TemplateProps['variables']): TemplateProps['variables'] {
  for (const name in variables)
    if (variables[name] === undefined)
      return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
  return variables
}

function templateError(error: unknown, name: string, known: readonly string[]): ConvergeError {
  const message = error instanceof Error ? error.message : String(error)
  const [, at, column] = / - (\d+):(\d+)$/.exec(message) ?? []
  const parse = /^Parse error on line (\d+):\n([\s\S]*)$/.exec(message)
  const line = at ?? parse?.[1] ?? (error instanceof TemplateMistake ? error.line : undefined)
  const place = [name, line, column === undefined ? undefined : Number(column) + 1].filter((part) => part !== undefined)
  const refuse = (what: string, hint?: string, output?: string) =>
    new ConvergeError(`${place.join(':')}: ${what}`, { code: 'TEMPLATE_ERROR', hint, output, cause: error })
  const missing = /^"(.+?)" not defined in |^Cannot use 'in' operator to search for '(.+?)' in /.exec(message)
  if (missing)
    return refuse(
      `"${missing[1] ?? missing[2]}" is not among the variables of the template`,
      `it gets: ${known.length > 0 ? [...known].sort().join(', ') : 'none'}`,
    )
  if (parse)
    return refuse(
      'the template cannot be parsed',
      'close every {{#block}} by {{/block}}, and use names without spaces',
      parse[2],
    )
  const partial = /^The partial (\S+) could not be found/.exec(message)
  if (partial)
    return refuse(`there is no partial ${partial[1]}`, 'templates have no partials: pass the text as a variable')
  return refuse(
    `the template cannot be rendered: ${message.replace(/ - \d+:\d+$/, '')}`,
    error instanceof TemplateMistake ? error.hint : undefined,
  )
}

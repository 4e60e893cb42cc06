/** Renders the templates of recipes, and checks their variables. */
import type Handlebars from 'handlebars'
import { ConvergeError } from '../../core/model/errors.ts'
import { isPlainObject } from '../../core/model/reference.ts'
import { readBeside } from './read_beside.ts'
import { makeEngine, type TemplateEngine, TemplateMistake } from './strict_handlebars.ts'
import type { TemplateVariables, VariableUse } from './template_variables.ts'

export interface TemplateProps {
  readonly path: string
  readonly source: string
  readonly name?: string | undefined
  readonly variables: Readonly<Record<string, unknown>>
}

let engine: TemplateEngine | undefined
const compiled = new Map<string, Handlebars.TemplateDelegate>()
const analysed = new Map<string, TemplateVariables>()

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
  const hint = 'put the template beside the file that calls readTemplate, or correct its name'
  const { path, text } = readBeside(from, name, 'the template', hint)
  files.set(text, path)
  return text
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
    return render(setVariables(variables))
  } catch (error) {
    throw templateError(error, { source, name: nameOf(source, name, path) }, Object.keys(variables))
  }
}

/**
 * Compares the variables that a template reads with those that it gets, without rendering it. Branches that this host does
 * not take count, and the values may be references.
 * @param properties of the resource; one that is a reference is not checked
 * @returns warnings about variables that the template does not read
 * @throws TEMPLATE_ERROR for variables that it does not get, with the template and the line
 */
export function checkVariables(properties: Partial<Record<keyof TemplateProps, unknown>>): readonly string[] {
  const { path, source, name, variables } = properties
  if (engine === undefined || typeof source !== 'string' || !isPlainObject(variables)) return []
  const template = { source, name: nameOf(source, name, path) }
  const names = Object.keys(variables)
  const found = variablesIn(template, names)
  const missing = found.read.filter((use) => !names.includes(use.name))
  if (missing.length > 0) throw missingVariables(template.name, missing, names)
  if (found.readsAll) return []
  const read = [...found.read.map((use) => use.name), ...found.perhaps]
  return names
    .filter((variable) => !read.includes(variable))
    .map((variable) => `${template.name}: the template does not use the variable "${variable}"`)
}

/**
 * Checks the syntax and the helpers of a template file.
 * @throws TEMPLATE_ERROR with the line
 */
export async function checkTemplate(file: { readonly path: string; readonly text: string }): Promise<void> {
  await prepareTemplates()
  try {
    engine?.variables(file.text)
  } catch (error) {
    const { message, code, hint, output, cause } = templateError(error, { source: file.text, name: file.path }, [])
    throw new ConvergeError(message, { code, hint, output, cause, usage: true })
  }
}

function variablesIn(template: Template, names: readonly string[]): TemplateVariables {
  const known = analysed.get(template.source)
  if (known !== undefined) return known
  try {
    const found = (engine as TemplateEngine).variables(template.source)
    analysed.set(template.source, found)
    return found
  } catch (error) {
    throw templateError(error, template, names)
  }
}

function missingVariables(template: string, missing: readonly VariableUse[], names: readonly string[]): ConvergeError {
  const [first, ...more] = missing as readonly [VariableUse, ...VariableUse[]]
  const others = more.map(({ name, line }) => `"${name}" in line ${line}`)
  const rest = others.length === 0 ? '' : `, and neither is ${others.join(' or ')}`
  const message = `"${first.name}" is not among the variables of the template${rest}`
  return new ConvergeError(`${template}:${first.line}:${first.column}: ${message}`, {
    code: 'TEMPLATE_ERROR',
    hint: gets(names),
  })
}

const gets = (names: readonly string[]): string =>
  `it gets: ${names.length > 0 ? [...names].sort().join(', ') : 'none'}`

const nameOf = (source: string, name: unknown, path: unknown): string =>
  typeof name === 'string' ? name : (files.get(source) ?? `inline template of ${String(path)}`)

/** Removes variables whose value is undefined. */
function setVariables(variables: TemplateProps['variables']): TemplateProps['variables'] {
  for (const name in variables)
    if (variables[name] === undefined)
      return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
  return variables
}

interface Template {
  readonly source: string
  /** Its file, for messages. */
  readonly name: string
}

function templateError(error: unknown, { source, name }: Template, names: readonly string[]): ConvergeError {
  const message = error instanceof Error ? error.message : String(error)
  const [, at, column] = / - (\d+):(\d+)$/.exec(message) ?? []
  const parse = /^Parse error on line (\d+):\n([\s\S]*)$/.exec(message)
  const [, absent, property] = /^Cannot read properties of (undefined|null) \(reading '(.+)'\)$/.exec(message) ?? []
  const mistakeLine = error instanceof TemplateMistake ? error.line : undefined
  const line = at ?? parse?.[1] ?? mistakeLine ?? (property === undefined ? undefined : lineOf(property, source))
  const position = [name, line, column === undefined ? undefined : Number(column) + 1].filter(
    (part) => part !== undefined,
  )
  const refuse = (message: string, hint?: string, output?: string) =>
    new ConvergeError(`${position.join(':')}: ${message}`, { code: 'TEMPLATE_ERROR', hint, output, cause: error })
  const missing = /^"(.+?)" not defined in |^Cannot use 'in' operator to search for '(.+?)' in /.exec(message)
  const absentName = missing?.[1] ?? missing?.[2]
  if (absentName !== undefined && names.includes(absentName))
    return refuse(
      `the variable "${absentName}" has no value: it is undefined`,
      'pass a value, or print it in a block that tests it: {{#if name}}',
    )
  if (absentName !== undefined && nestedName(absentName, source))
    return refuse(
      `a value in the template has no member "${absentName}"`,
      `correct the name; the template ${gets(names).replace(/^it /, '')}`,
    )
  if (missing) return refuse(`"${absentName}" is not among the variables of the template`, gets(names))
  if (property !== undefined)
    return refuse(
      `the value before ".${property}" is ${absent}`,
      'correct the name, pass the value, or print it in a block that tests it: {{#if name}}',
    )
  if (parse)
    return refuse(
      'the template cannot be parsed',
      'close every {{#block}} by {{/block}}, and use names without spaces',
      parse[2],
    )
  const partial = /^The partial (\S+) could not be found/.exec(message)
  if (partial) return refuse(`unknown partial ${partial[1]}`, 'templates have no partials: pass the text as a variable')
  return refuse(
    `the template cannot be rendered: ${message.replace(/ - \d+:\d+$/, '')}`,
    error instanceof TemplateMistake ? error.hint : undefined,
  )
}

/** Whether a template reads a name as a member of a value, or within a block that changes the context. */
function nestedName(name: string, source: string): boolean {
  return source.includes(`.${name}`) || /\{\{#(each|with|eachSorted)\b/.test(source)
}

/** Returns the line of the only expression that reads a property; undefined if there are several. */
function lineOf(property: string, source: string): number | undefined {
  const lines = source.split('\n').flatMap((line, index) => (line.includes(`.${property}`) ? [index + 1] : []))
  return lines.length === 1 ? lines[0] : undefined
}

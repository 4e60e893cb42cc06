/** Writes the reference pages from the definitions; with --check it only reports whether they are current. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ZodType } from 'zod'
import { attributeSchemas } from '../attributes/index.ts'
import { placeholderOf, synopsisOf } from '../core/cli/command_line/help.ts'
import { type CommandSpec, commands } from '../core/cli/command_specs/list.ts'
import { stackJsonSchema } from '../core/fleet/stack/json_schema.ts'
import { attributesJsonSchema, type JsonSchema } from '../core/node/schema.ts'
import { describeResource } from '../core/report/reference.ts'
import { definitions } from '../resources/definitions.ts'

const directory = fileURLToPath(new URL('reference/', import.meta.url))
const note = '<!-- Written by `npm run docs` from the code: change it there. -->\n'

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

function resourcesPage(): string {
  const parts = [
    `# Resources\n${note}
Every resource also takes \`when\`, \`onlyIf\`, \`notIf\`, \`retries\`, \`retryDelay\`, \`timeout\`, \`ignoreFailure\`, \`sensitive\` and \`after\`
([how a run works](../how-a-run-works.md)), and has the output \`digest\` for other resources. \`converge resources NAME\` prints the same.
`,
  ]
  for (const name of Object.keys(definitions).sort()) {
    const definition = definitions[name]
    if (!definition) continue
    const { functionName, doc, mirrors, props, examples } = describeResource(definition)
    parts.push(`## ${name}\n\n${doc}${mirrors ? `\n\nMirrors: ${mirrors}.` : ''}\n`)
    parts.push('| property | type | |\n|---|---|---|')
    for (const prop of props)
      parts.push(`| \`${prop.name}\`${prop.required ? '' : ' (optional)'} | ${cell(prop.type)} | ${cell(prop.doc)} |`)
    parts.push('', '```ts', ...examples.map((example) => `${functionName}(r, ${example})`), '```', '')
  }
  return `${parts.join('\n')}\n`
}

function attributesPage(): string {
  const schema = attributesJsonSchema(attributeSchemas as Readonly<Record<string, ZodType>>)
  const rows: string[] = []
  walk(schema, [], rows)
  return `# Attributes\n${note}
The keys of custom JSON and node JSON. \`*\` stands for a name that you choose. \`converge attributes --explain KEY\` prints the source
of a value. \`converge attributes --schema\` prints this page as JSON Schema for your editor.

| key | type | default | |
|---|---|---|---|
${rows.join('\n')}
`
}

function walk(schema: JsonSchema, path: readonly string[], rows: string[]): void {
  const properties = schema.properties as Record<string, JsonSchema> | undefined
  const more = schema.additionalProperties as JsonSchema | boolean | undefined
  const inner = Object.entries(properties ?? {})
  if (path.length > 0 && inner.length === 0) rows.push(row(schema, path))
  for (const [name, child] of inner) walk(child, [...path, name], rows)
  const rest = schema['x-unused-rest']
  if (typeof rest === 'string')
    rows.push(`| \`${path.join('.')}.*\` | any | | Other keys. **No effect**: ${cell(rest)}. |`)
  if (typeof more === 'object' && Object.keys((more.properties as object | undefined) ?? {}).length > 0)
    walk(more, [...path, '*'], rows)
}

function row(schema: JsonSchema, path: readonly string[]): string {
  const unit = typeof schema['x-unit'] === 'string' ? ` (${schema['x-unit']})` : ''
  const mirrors = mirrored(schema['x-mirrors'], path)
  const secret = schema['x-sensitive'] === true ? ' Never displayed.' : ''
  const effect = effectOf(schema)
  const standard = 'default' in schema ? `\`${cell(JSON.stringify(schema.default))}\`` : ''
  return `| \`${path.join('.')}\` | ${cell(typeOf(schema))}${unit} | ${standard} | ${cell(String(schema.description ?? ''))}${mirrors}${secret}${effect} |`
}

/** Describes whether an attribute has an effect, and which other attributes it needs. */
function effectOf(schema: JsonSchema): string {
  const hint = (text: string) => ` **No effect**: ${text}.`
  if (typeof schema['x-unused'] === 'string') return hint(schema['x-unused'])
  const keys = Object.entries((schema['x-unused-keys'] ?? {}) as Record<string, string>)
  const ofKeys = keys.map(([key, text]) => ` \`${key}\` has no effect: ${text}.`).join('')
  const needs = schema['x-needs'] as readonly (readonly string[])[] | undefined
  if (needs === undefined) return ofKeys
  const words = needs.map((some) => some.map(needText).join(' or '))
  return `${ofKeys} Needs ${words.join(', and ')}.`
}

function needText(need: string): string {
  const name = `\`${need.replace(/^!?\.?/, '')}\``
  return need.startsWith('!') ? `${name} to be off` : name
}

/** Names what an attribute mirrors, unless that is the attribute of the same name. */
function mirrored(mirrors: unknown, path: readonly string[]): string {
  const sameName = path.map((key) => `['${key}']`).join('')
  return typeof mirrors !== 'string' || mirrors.endsWith(`node${sameName}`) ? '' : ` Mirrors ${mirrors}.`
}

/** Descriptions of the definitions in the schema of a stack file. */
const named: Readonly<Record<string, string>> = {
  '#/$defs/customJson': 'attributes, a JSON Patch, the path of a file, or a list of these',
  '#/$defs/overlay': 'an object',
  '#/$defs/patch': 'a JSON Patch',
}

function typeOf(schema: JsonSchema): string {
  if (typeof schema.$ref === 'string') return named[schema.$ref] ?? 'any'
  // The paragraph above the table explains that a text may be elsewhere.
  if (Array.isArray(schema.anyOf) && schema.anyOf.some((one: JsonSchema) => one.$ref === '#/$defs/elsewhere'))
    return typeOf({ ...schema, anyOf: schema.anyOf.filter((one: JsonSchema) => one.$ref !== '#/$defs/elsewhere') })
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  if (Array.isArray(schema.anyOf)) return [...new Set((schema.anyOf as JsonSchema[]).map(typeOf))].join(' or ')
  if (Array.isArray(schema.type)) return schema.type.join(' or ')
  if (schema.type === 'array') return `list${schema.items ? ` of ${typeOf(schema.items as JsonSchema)}` : ''}`
  return typeof schema.type === 'string' ? schema.type : 'any'
}

function stackPage(): string {
  const rows: string[] = []
  walk(stackJsonSchema({}), [], rows)
  return `# Stack file\n${note}
The keys of a stack file; \`*\` stands for a name that you choose. [How to write one](../stack.md). A text may be [a reference](../stack.md#secrets):
\`{"$file": "PATH"}\`, \`{"$env": "NAME"}\`, \`{"$age": "FILE", "key": "NAME"}\`, \`{"$sops": "FILE", "key": "NAME"}\`,
\`{"$command": ["PROGRAM", "ARGUMENT"]}\`. \`converge stack schema\` prints this page as JSON Schema for your editor.

| key | type | |
|---|---|---|
${rows.map((one) => one.replace(/^(\|[^|]*\|(?:\\\||[^|])*\|) {2}\|/, '$1')).join('\n')}
`
}

function commandsPage(): string {
  const parts = [
    `# Commands\n${note}
\`\`\`
converge [--role ROLE[,ROLE]] [--event EVENT] [options]
converge COMMAND [options]
\`\`\`

Exit status: 0 nothing to do or all done, 1 failed, 2 wrong usage or invalid input, 3 something changed (with \`--detailed-exit-code\`).
\`status\` exits with 1 if a service is down, and \`doctor\` if something is missing or unknown.
`,
  ]
  for (const spec of commands) parts.push(commandSection(spec))
  return parts.join('\n')
}

function commandSection(spec: CommandSpec): string {
  const { name, description, details, options, examples } = spec
  const title = name === 'apply' ? 'apply (or no command at all)' : synopsisOf(spec)
  const rows = Object.entries(options).map(([option, spec]) => {
    const { description: text, alias, default: standard } = spec
    const short = alias === undefined ? '' : `, \`-${alias}\``
    const shown = `\`--${option}${placeholderOf(spec)}\`${short}`
    return `| ${shown} | ${cell(text)}${standard === undefined ? '' : `. Default: \`${standard}\`.`} |`
  })
  const lines = examples.map(([line, text]) => `${line.replace('$0', 'converge')}   # ${text}`)
  const parts = [`## ${title}`, `${description}.${details ? ` ${details}` : ''}`]
  if (lines.length > 0) parts.push(`\`\`\`\n${lines.join('\n')}\n\`\`\``)
  if (rows.length > 0)
    parts.push(
      `<details><summary>Options of ${name}</summary>\n\n| option | |\n|---|---|\n${rows.join('\n')}\n\n</details>`,
    )
  return `${parts.join('\n\n')}\n`
}

const pages: Readonly<Record<string, () => string>> = {
  'resources.md': resourcesPage,
  'attributes.md': attributesPage,
  'commands.md': commandsPage,
  'stack.md': stackPage,
}

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

const stale = Object.entries(pages).filter(([name, page]) => current(directory + name) !== page())
if (process.argv.includes('--check')) {
  if (stale.length > 0) {
    process.stderr.write(`docs/reference is not current (${stale.map(([name]) => name).join(', ')}): npm run docs\n`)
    process.exitCode = 1
  }
} else {
  mkdirSync(directory, { recursive: true })
  for (const [name, page] of stale) writeFileSync(directory + name, page())
}

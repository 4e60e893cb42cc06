/** Represents a buildout configuration as data, and renders its text. */

export interface Option {
  readonly name: string
  /** `+=` adds to the value in the extended files. */
  readonly op: '=' | '+='
  /** The lines of the value; none if it is empty. */
  readonly values: readonly string[]
}

export interface Section {
  readonly name: string
  /** The section whose options this one takes over (`<=`). */
  readonly extends?: string
  readonly options: readonly Option[]
}

/** The user's own text at its position: it may continue the section above it, and have sections itself. */
export interface RawText {
  readonly raw: string
}

export type BuildoutCfg = readonly (Section | RawText)[]

/** Makes an option with one value or a list of values. */
export function option(name: string, value: string | readonly string[], op: Option['op'] = '='): Option {
  return { name, op, values: (typeof value === 'string' ? [value] : value).filter((line) => line !== '') }
}

/** Makes a reference to another option, which buildout substitutes; without a section, to one of the same section. */
export function reference(section: string, name: string): string {
  return `\${${section}:${name}}`
}

/** Makes an option that adds to an extended list; none for an empty list. */
export function additions(name: string, values: readonly string[]): Option[] {
  return values.length > 0 ? [option(name, values, '+=')] : []
}

function renderOption({ name, op, values }: Option): string {
  const [first, ...more] = values
  // On a line of its own, a value that begins with # or ; would be a comment for some parsers.
  if (op === '=' && more.length === 0) return first === undefined ? `${name} ${op}\n` : `${name} ${op} ${first}\n`
  return [`${name} ${op}`, ...values.map((line) => `    ${line}`), ''].join('\n')
}

function renderBlock(block: Section | RawText): string {
  if ('raw' in block) return block.raw.endsWith('\n') ? block.raw : `${block.raw}\n`
  const inherited = block.extends === undefined ? '' : `<= ${block.extends}\n`
  return `[${block.name}]\n${inherited}${block.options.map(renderOption).join('')}`
}

/** Renders a configuration; the same data always gives the same text. */
export function renderBuildoutCfg(cfg: BuildoutCfg): string {
  return cfg.map(renderBlock).join('\n')
}

/** A buildout configuration as data, and its text. */

export interface Option {
  readonly name: string
  /** `+=` adds to what the extended files say. */
  readonly op: '=' | '+='
  /** The lines of the value; none where it is empty. */
  readonly values: readonly string[]
}

export interface Section {
  readonly name: string
  /** The section whose options this one takes over (`<=`). */
  readonly extends?: string
  readonly options: readonly Option[]
}

/** Text of the user's own, in place: it may go on with the section above it and have sections itself. */
export interface RawText {
  readonly raw: string
}

export type BuildoutCfg = readonly (Section | RawText)[]

/** An option with one value, or with a list of them. */
export function option(name: string, value: string | readonly string[], op: Option['op'] = '='): Option {
  return { name, op, values: (typeof value === 'string' ? [value] : value).filter((line) => line !== '') }
}

/** The value of another option, filled in by buildout; without a section one of the same section. */
export function reference(section: string, name: string): string {
  return `\${${section}:${name}}`
}

/** A list that adds to the extended one: nothing where there is nothing to add. */
export function additions(name: string, values: readonly string[]): Option[] {
  return values.length > 0 ? [option(name, values, '+=')] : []
}

function renderOption({ name, op, values }: Option): string {
  const [first, ...more] = values
  // What begins with # or ; would be a comment for some readers if it stood on a line of its own.
  if (op === '=' && more.length === 0) return first === undefined ? `${name} ${op}\n` : `${name} ${op} ${first}\n`
  return [`${name} ${op}`, ...values.map((line) => `    ${line}`), ''].join('\n')
}

function renderBlock(block: Section | RawText): string {
  if ('raw' in block) return block.raw.endsWith('\n') ? block.raw : `${block.raw}\n`
  const inherited = block.extends === undefined ? '' : `<= ${block.extends}\n`
  return `[${block.name}]\n${inherited}${block.options.map(renderOption).join('')}`
}

/** The text of a configuration; the same data always gives the same text. */
export function renderBuildoutCfg(cfg: BuildoutCfg): string {
  return cfg.map(renderBlock).join('\n')
}

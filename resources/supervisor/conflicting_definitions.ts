/** Finds other definitions of a program of converge: supervisord merges all its files, and the last definition wins. */
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { groupPrograms, parseSections, programTypes, type Section } from './sections.ts'

interface OwnProgram {
  readonly name: string
  readonly confDir: string
}

export interface Conflict {
  readonly message: string
  readonly hint: string
}

/**
 * Throws if another file defines the program too, or adds it to a group.
 * @throws PROGRAM_TAKEN
 */
export function refuseConflict(host: HostReader, program: OwnProgram): void {
  const found = findConflict(host, program)
  if (found !== null) throw new ConvergeError(found.message, { code: 'PROGRAM_TAKEN', hint: found.hint })
}

/** Returns another definition of a program; null if there is none. */
export function findConflict(host: HostReader, { name, confDir }: OwnProgram): Conflict | null {
  const ownPath = `${confDir}/${name}.conf`
  const ownText = host.readText(ownPath)
  for (const path of includedFiles(host, confDir)) {
    if (path === ownPath) continue
    const text = readOrEmpty(host, path)
    // A link to the same file defines the same.
    if (!text.includes(name) || text === ownText) continue
    for (const section of parseSections(text)) {
      const conflict = conflictInFile(section, { name, own: ownPath, path })
      if (conflict !== null) return conflict
    }
  }
  return null
}

function conflictInFile(
  section: Section,
  { name, own: ownPath, path }: { readonly name: string; readonly own: string; readonly path: string },
): Conflict | null {
  const title = `[${section.type}:${section.name}]`
  const defines = [...programTypes, 'group'].includes(section.type) && section.name === name
  if (defines)
    return {
      message: `supervisor program ${name} is defined twice: in ${ownPath}, and as ${title} in ${path}`,
      hint: `remove ${title} from ${path}: supervisord merges both, and the last file wins`,
    }
  if (section.type !== 'group' || !groupPrograms(section).includes(name)) return null
  return {
    message: `supervisor program ${name}, defined in ${ownPath}, is added to a group by ${title} in ${path}`,
    hint: `remove ${name} from programs of ${title} in ${path}: supervisord would know it as ${section.name}:${name} only`,
  }
}

/**
 * Returns all files that a supervisord reads: its own configuration beside the directory, and the files that this
 * includes.
 */
function includedFiles(host: HostReader, confDir: string): string[] {
  const directory = confDir.slice(0, confDir.lastIndexOf('/'))
  const main = `${directory}/supervisord.conf`
  const included = parseSections(readOrEmpty(host, main)).find(({ type }) => type === 'include')
  const patterns = included?.options.get('files')?.split(/\s+/) ?? []
  const globs = patterns
    .filter((pattern) => pattern !== '')
    // Values that only supervisord knows, such as its environment, match anything.
    .map((pattern) => pattern.replaceAll('%(here)s', directory).replaceAll(/%\([^)]*\)s/g, '*'))
    .map((pattern) => (pattern.startsWith('/') ? pattern : `${directory}/${pattern}`))
  const files = (globs.length > 0 ? globs : [`${confDir}/*.conf`]).flatMap((glob) => expandGlob(host, glob))
  return [...new Set([main, ...files])]
}

/** Expands a pattern as Python's glob does, except character classes, which match any character. */
function expandGlob(host: HostReader, glob: string): string[] {
  let paths = ['']
  for (const part of glob.split('/').slice(1)) {
    if (part === '' || part === '.') continue
    if (!/[*?[]/.test(part)) {
      paths = paths.map((path) => (part === '..' ? path.slice(0, path.lastIndexOf('/')) : `${path}/${part}`))
      continue
    }
    const pattern = new RegExp(
      `^${part.replace(/\[[^\]]*\]|[*?]|[^\w]/g, (sign) => patterns[sign] ?? escapedSign(sign))}$`,
    )
    paths = paths.flatMap((path) =>
      host
        .list(path === '' ? '/' : path)
        .filter((name) => pattern.test(name) && (!name.startsWith('.') || part.startsWith('.')))
        .map((name) => `${path}/${name}`),
    )
  }
  return paths.filter((path) => host.stat(path)?.kind === 'file')
}

const patterns: Readonly<Record<string, string>> = { '*': '.*', '?': '.' }

function escapedSign(text: string): string {
  return text.startsWith('[') ? '.' : `\\${text}`
}

/** Returns the text of a file; empty if it is missing, or this account may not read it. */
function readOrEmpty(host: HostReader, path: string): string {
  try {
    return host.readText(path) ?? ''
  } catch (error) {
    if (['EACCES', 'EPERM', 'NOT_A_FILE'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

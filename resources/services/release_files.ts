/** The files of a release that a program loads: those it starts from, the paths of the release in them, and so on. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { absolutePath } from '../../core/model/units.ts'
import { realPath } from '../real_path.ts'

export const loadsProp = z
  .strictObject({
    current: absolutePath.describe('Link to the current release'),
    paths: z
      .array(z.string().regex(/^[^/]/, { error: 'a path relative to the release' }))
      .min(1)
      .describe('Files and directories of the release that the program starts from, such as `bin/zeoserver`'),
  })
  .describe(
    'Files of a release that it loads. Where they are those of its last restart, with all paths of the release in their texts, a change of what `when` lists restarts nothing',
  )

type Loads = z.output<typeof loadsProp>
/** Digests by path in the release. */
export type LoadedFiles = Readonly<Record<string, string>>

const mostFiles = 2000
const mostBytes = 64 * 1024 * 1024
const unreadable = ['NOT_A_FILE', 'FILE_TOO_LARGE', 'NOT_READABLE', 'EACCES', 'EPERM']

/**
 * Paths of the release itself appear as `@` in what is compared, so that two releases with the same content are equal.
 * @returns null where that cannot be known: a file is missing, is not readable, or there is too much of it
 */
export function loadedFiles(host: HostReader, { current, paths }: Loads): LoadedFiles | null {
  const target = host.readLink(current)
  if (target === null) return null
  const declared = posix.resolve(posix.dirname(current), target)
  const scan = new Scan(host, realPath(host, declared), [declared, current])
  try {
    return paths.every((path) => scan.add(path, true)) ? scan.found : null
  } catch (error) {
    const code = error instanceof ConvergeError ? error.code : (error as NodeJS.ErrnoException).code
    if (unreadable.includes(code ?? '')) return null
    throw error
  }
}

/** Paths whose content differs, with those that only one of both has. */
export function differences(one: LoadedFiles, other: LoadedFiles): string[] {
  const paths = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...paths].filter((path) => one[path] !== other[path]).sort()
}

class Scan {
  readonly found: Record<string, string> = {}
  private bytes = 0

  constructor(
    private readonly host: HostReader,
    private readonly release: string,
    /** Its other names, through links. */
    private readonly alsoNamed: readonly string[],
  ) {}

  /** Whether all of it was read. What a text names need not exist, such as a file that the program creates. */
  add(path: string, isRequired = false): boolean {
    const name = posix.normalize(path).replace(/\/$/, '')
    if (name in this.found || name === '.' || name.startsWith('..')) return true
    const link = this.linkOn(name)
    if (link !== null) return this.addLink(link)
    const stat = this.host.lstat(`${this.release}/${name}`)
    if (stat === null) return !isRequired
    if (Object.keys(this.found).length >= mostFiles) return false
    if (stat.kind === 'directory') {
      this.found[name] = 'directory'
      const names = this.host.list(`${this.release}/${name}`).filter((one) => !/^__pycache__$|\.py[co]$/.test(one))
      return names.every((one) => this.add(`${name}/${one}`))
    }
    return stat.kind === 'file' ? this.addFile(name, stat.size) : true
  }

  /** The first link on the way to a path, which may lead out of the release, such as to the directory of shared eggs. */
  private linkOn(name: string): string | null {
    const words = name.split('/')
    const ways = words.map((_, index) => words.slice(0, index + 1).join('/'))
    return ways.find((way) => this.host.lstat(`${this.release}/${way}`)?.kind === 'link') ?? null
  }

  private addLink(name: string): boolean {
    const target = this.host.readLink(`${this.release}/${name}`) ?? ''
    if (name in this.found) return true
    this.found[name] = `link to ${this.withoutRelease(target)}`
    const whole = posix.resolve(posix.dirname(`${this.release}/${name}`), target)
    return whole.startsWith(`${this.release}/`) ? this.add(whole.slice(this.release.length + 1)) : true
  }

  private addFile(name: string, size: number): boolean {
    this.bytes += size
    if (this.bytes > mostBytes) return false
    const content = this.host.readBytes(`${this.release}/${name}`)
    if (content === null) return false
    const text = this.withoutRelease(content.toString('latin1'))
    this.found[name] = digestOf(withSortedPaths(name, text)).slice(0, 16)
    const paths = namedIn(text)
    return paths?.every((path) => this.add(path)) ?? false
  }

  private withoutRelease(text: string): string {
    return [this.release, ...this.alsoNamed].reduce((all, name) => all.replaceAll(name, '@'), text)
  }
}

/** Also as zc.buildout writes them with `relative-paths`: `join(base, 'eggs/x')`. Null where definitions expand too far. */
function namedIn(content: string): string[] | null {
  const text = expanded(content)
  if (text === null) return null
  const absolute = [...text.matchAll(/@\/([^\s'"<>:;,()[\]{}$\\]+)/g)]
  const relative = [...text.matchAll(/\bjoin\(base, '([^']+)'\)/g)]
  return [...absolute, ...relative].map(([, path = '']) => path)
}

/** A configuration by ZConfig with its definitions in place: `%define INSTANCE @/parts/x` names no file yet. */
function expanded(text: string): string | null {
  const definition = /^[ \t]*%define[ \t]+(\w+)[ \t]+(.*)$/gm
  const values = new Map([...text.matchAll(definition)].map(([, name = '', value = '']) => [name.toLowerCase(), value]))
  if (values.size === 0) return text
  let length = text.length
  const replaced = (whole: string, name: string) => {
    const value = values.get(name.toLowerCase()) ?? whole
    length += value.length
    return length > mostBytes ? '' : value
  }
  const result = text.replace(definition, '').replace(/\$\{?(\w+)\}?/g, replaced)
  return length > mostBytes ? null : result
}

/**
 * zc.buildout lists the same eggs in another order where it has to build them first, and plone.recipe.zeoserver writes those of
 * `runzeo` and `etc/.eggs` in the order of a set.
 */
function withSortedPaths(name: string, text: string): string {
  const sorted = (list: string, separator: string) => list.split(separator).filter(Boolean).sort().join(separator)
  if (name.endsWith('/.eggs')) return sorted(text, '\n')
  return text
    .replace(
      /^(sys\.path\[0:0\] = \[\n)((?:[ \t]+.*\n)+)/m,
      (_, head: string, lines: string) => head + sorted(lines, '\n'),
    )
    .replace(/^(PYTHONPATH=")(.*)"$/m, (_, head: string, list: string) => `${head}${sorted(list, ':')}"`)
}

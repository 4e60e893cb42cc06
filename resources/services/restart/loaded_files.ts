/** Finds and digests the files of a release that a program loads, starting with those that it is started from. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { HostReader } from '../../../core/host/types.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { digestOf } from '../../../core/model/json.ts'
import { absolutePath } from '../../../core/model/units.ts'
import { realPath } from '../../files/real_path.ts'

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
 * Reads the files and those that they name. Paths of the release itself are replaced by `@`, so that two releases with
 * the same content are equal.
 * @returns null if the files cannot be known: one is missing or unreadable, or the content is too large
 */
export function loadedFiles(host: HostReader, { current, paths }: Loads): LoadedFiles | null {
  const target = host.readLink(current)
  if (target === null) return null
  const declared = posix.resolve(posix.dirname(current), target)
  const scan = new Scan(host, realPath(host, declared), [declared, current])
  try {
    return paths.every((path) => scan.add(path, true)) ? scan.files : null
  } catch (error) {
    const code = error instanceof ConvergeError ? error.code : (error as NodeJS.ErrnoException).code
    if (unreadable.includes(code ?? '')) return null
    throw error
  }
}

/** Returns the paths whose content differs, and the paths that only one side has. */
export function changedPaths(before: LoadedFiles, after: LoadedFiles): string[] {
  const paths = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...paths].filter((path) => before[path] !== after[path]).sort()
}

class Scan {
  readonly files: Record<string, string> = {}
  private bytes = 0

  constructor(
    private readonly host: HostReader,
    private readonly release: string,
    /** Other names of the release, through links. */
    private readonly alsoNamed: readonly string[],
  ) {}

  /**
   * Adds a file. A path that a text names need not exist, such as a file that the program creates.
   * @returns whether all content was read
   */
  add(path: string, isRequired = false): boolean {
    const name = posix.normalize(path).replace(/\/$/, '')
    if (name in this.files || name === '.' || name.startsWith('..')) return true
    const link = this.linkOn(name)
    if (link !== null) return this.addLink(link)
    const stat = this.host.lstat(`${this.release}/${name}`)
    if (stat === null) return !isRequired
    if (Object.keys(this.files).length >= mostFiles) return false
    if (stat.kind === 'directory') {
      this.files[name] = 'directory'
      const names = this.host.list(`${this.release}/${name}`).filter((one) => !/^__pycache__$|\.py[co]$/.test(one))
      return names.every((one) => this.add(`${name}/${one}`))
    }
    return stat.kind === 'file' ? this.addFile(name, stat.size) : true
  }

  /**
   * Returns the first link on the way to a path. It may lead out of the release, such as to the directory of shared
   * eggs.
   */
  private linkOn(name: string): string | null {
    const words = name.split('/')
    const ways = words.map((_, index) => words.slice(0, index + 1).join('/'))
    return ways.find((way) => this.host.lstat(`${this.release}/${way}`)?.kind === 'link') ?? null
  }

  private addLink(name: string): boolean {
    const target = this.host.readLink(`${this.release}/${name}`) ?? ''
    if (name in this.files) return true
    this.files[name] = `link to ${this.withoutRelease(target)}`
    const whole = posix.resolve(posix.dirname(`${this.release}/${name}`), target)
    return whole.startsWith(`${this.release}/`) ? this.add(whole.slice(this.release.length + 1)) : true
  }

  private addFile(name: string, size: number): boolean {
    this.bytes += size
    if (this.bytes > mostBytes) return false
    const content = this.host.readBytes(`${this.release}/${name}`)
    if (content === null) return false
    const text = this.withoutRelease(content.toString('latin1'))
    this.files[name] = digestOf(withSortedPaths(name, text)).slice(0, 16)
    const paths = namesInText(text)
    return paths?.every((path) => this.add(path)) ?? false
  }

  private withoutRelease(text: string): string {
    return [this.release, ...this.alsoNamed].reduce((masked, name) => masked.replaceAll(name, '@'), text)
  }
}

/**
 * Returns the paths in a text, also as zc.buildout writes them with `relative-paths`: `join(base, 'eggs/x')`. Null if
 * definitions expand too far.
 */
function namesInText(content: string): string[] | null {
  const text = expandDefinitions(content)
  if (text === null) return null
  const absolute = [...text.matchAll(/@\/([^\s'"<>:;,()[\]{}$\\]+)/g)]
  const relative = [...text.matchAll(/\bjoin\(base, '([^']+)'\)/g)]
  return [...absolute, ...relative].map(([, path = '']) => path)
}

/** Replaces the definitions in a ZConfig file: `%define INSTANCE @/parts/x` does not name a file itself. */
function expandDefinitions(text: string): string | null {
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
 * Sorts paths whose order varies between builds. zc.buildout lists the same eggs in another order if it must build them
 * first. plone.recipe.zeoserver writes the eggs of `runzeo` and `etc/.eggs` in the order of a set.
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

/**
 * Keeps a Python environment with packages of exact versions, made with venv and pip, and replaces an incomplete one.
 */

import { basename } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { inTheWay, readDisposable, writeDisposable } from '../../core/model/file_errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, minutes } from '../../core/model/units.ts'
import { findProgram } from '../commands/find_program.ts'
import { fileOwner } from '../files/ownership.ts'
import { makeEnvironment } from './make_environment.ts'
import {
  creationNote,
  installedVersions,
  markFile,
  packageName,
  readMark,
  sameVersion,
  writeMark,
} from './venv_files.ts'
import { versionLimits } from './version_limits.ts'

const version = z.string().regex(/^$|^(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z\d.]+)?$/, {
  error: "an exact version as PyPI writes it, e.g. '4.3.0', or '' for any",
})

const props = z.strictObject({
  path: absolutePath.describe('Path of the environment; its directory must exist'),
  python: z
    .string()
    .regex(/^[^\0\s]+$/)
    .default('python3')
    .describe('The Python it is made with: a name on the PATH of the account, or a full path; default python3'),
  packages: z
    .record(z.string().regex(/^[A-Za-z\d]([\w.-]*[A-Za-z\d])?$/, { error: 'the name of a package' }), version)
    .default({})
    .describe(
      "Packages by name with their exact versions; '' for the installed version, or the newest if none is installed",
    ),
  newPython: z
    .enum(['renew', 'keep'])
    .default('renew')
    .describe(
      "Action if `python` is another program than the one that created it. 'renew' (default) creates it again. 'keep' leaves it to the programs that were built with it, and fails if its Python is missing",
    ),
  user: z
    .string()
    .min(1)
    .optional()
    .describe('Account that owns it and that installs; default: the account of the run'),
  group: z.string().min(1).optional().describe('Its group; default: that of the account'),
  timeout: duration.default(() => minutes(10)).describe('How long pip may take; default 10 min'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /**
   * `unfinished`: possibly incomplete; it is replaced. `orphaned`: the Python that made it is missing, too. `other`:
   * something else is at the path.
   */
  kind: z.enum(['absent', 'environment', 'unfinished', 'orphaned', 'other']),
  /** The program that it was made with, links followed. */
  python: z.string().nullable(),
  /** The program that `python` resolves to now. */
  chosen: z.string().nullable(),
  /** Versions of the declared packages; null: not installed; `any` if any version is accepted. */
  packages: z.record(z.string(), z.string().nullable()),
})
type State = z.output<typeof state>

function read(host: HostReader, { path, python, user, packages }: Props): State {
  const { kind, madeWith, found } = readEnvironment(host, path)
  const versions = Object.entries(packages).map(([name, target]) => {
    const installed = found.get(packageName(name))
    if (installed === undefined) return [name, null]
    if (target === '') return [name, 'any']
    return [name, sameVersion(installed, target) ? target : installed]
  })
  return {
    kind,
    python: madeWith,
    chosen: findProgram(host, python, user),
    packages: Object.fromEntries(versions) as State['packages'],
  }
}

interface Environment {
  readonly kind: State['kind']
  readonly madeWith: string | null
  /** Versions of the installed packages by normalised name. */
  readonly found: ReadonlyMap<string, string>
}

function readEnvironment(host: HostReader, path: string): Environment {
  const nothing = { madeWith: null, found: new Map<string, string>() }
  const incomplete = (madeWith: string | null): Environment => {
    const isOrphaned = madeWith !== null && host.stat(madeWith)?.kind !== 'file'
    return { ...nothing, kind: isOrphaned ? 'orphaned' : 'unfinished', madeWith }
  }
  // A run that was killed while it replaced the environment by one with the same Python noted that Python.
  const noted = readDisposable(host, creationNote(path))
  if (noted?.startsWith('/') === true) return incomplete(noted)
  const stat = host.stat(path)
  if (stat === null) return { ...nothing, kind: host.lstat(path) === null ? 'absent' : 'other' }
  if (stat.kind !== 'directory') return { ...nothing, kind: 'other' }
  // A run that was killed while it wrote the mark left a temporary file with this prefix.
  const names = host.list(path).filter((name) => !name.startsWith(`.${markFile}.`))
  if (names.length === 0) return { ...nothing, kind: 'absent' }
  if (host.lstat(creationNote(path)) !== null) return incomplete(null)
  if (!names.includes(markFile) && !names.includes('pyvenv.cfg')) return { ...nothing, kind: 'other' }
  const madeWith = readMark(host, path)
  const isComplete = madeWith !== null && names.includes('pyvenv.cfg')
  if (!isComplete || host.stat(`${path}/bin/python`)?.kind !== 'file') return incomplete(madeWith)
  const found = installedVersions(host, path)
  // Both venv and virtualenv install pip. It is missing if somebody has removed or replaced files of the environment.
  return found.has('pip') ? { kind: 'environment', madeWith, found } : incomplete(madeWith)
}

/**
 * Warns that the environment keeps its Python, or throws if that Python is missing. Packages built with one Python have
 * compiled parts that another one cannot load.
 */
function warnAboutPython(path: string, word: string, { kind, python, chosen }: State, context: Context): void {
  const hint = `set converge.python to ${basename(chosen ?? '')}, or python_major_version of the app to its version: the next deploy makes another environment with it`
  if (kind !== 'orphaned') return context.warn(`it still uses ${python}, although ${word} is ${chosen} now; ${hint}`)
  throw new ConvergeError(
    `${path} was made with ${python}, which is gone, and what was built with that does not run with ${chosen}`,
    { code: 'PYTHON_CHANGED', hint: `install ${python} again; or ${hint}` },
  )
}

/** @param isKept whether it is the Python of the environment before, although another one was chosen */
async function createEnvironment(host: Host, props: Props, python: string, isKept: boolean): Promise<void> {
  const { path, user, group } = props
  const account = fileOwner(host, { user, group })
  // The note comes first: whatever of the environment is left after a kill was made by converge and may be removed.
  writeDisposable(host, creationNote(path), isKept ? python : '', { ...account, mode: '0644' })
  host.remove(path)
  host.makeDirectory(path, account)
  writeMark(host, path, null, account)
  await makeEnvironment(host, props, python)
}

export const virtualenv = defineResource(
  {
    type: 'virtualenv',
    doc: 'Keeps a Python environment with the declared packages in exact versions. An incomplete environment is created again.',
    mirrors: 'venv and pip of Python; the cookbook’s virtualenv of an application',
    examples: [
      { path: '/srv/www/site/shared/venv', user: 'deploy', packages: { 'zc.buildout': '6.0.1', setuptools: '84.2.1' } },
      { path: '/opt/supervisor', python: '/usr/bin/python3', packages: { supervisor: '4.3.0' } },
    ],
    reach: 'paths',
    key: ({ path }) => path,
    props,
    state,
  },
  {
    read,
    desired({ path, packages, python: word, newPython }, now, context): State {
      if (now.kind === 'other') throw inTheWay(`${path} exists, but is not a Python environment`, path)
      const versions = Object.entries(packages).map(([name, target]) => [name, target === '' ? 'any' : target])
      const another = now.python !== null && now.chosen !== null && now.chosen !== now.python
      if (another && newPython === 'keep') warnAboutPython(path, word, now, context)
      // A Python that is missing (yet) is no reason to remove an environment that works.
      const python = another && newPython === 'keep' ? now.python : (now.chosen ?? now.python)
      return { kind: 'environment', python, chosen: now.chosen, packages: Object.fromEntries(versions) }
    },
    async apply(host, props, { now, desired }) {
      const { path, python, user, group, packages, timeout } = props
      const chosen = findProgram(host, python, user)
      const account = fileOwner(host, { user, group })
      if (now.kind !== 'environment' || now.python !== desired.python) {
        if (chosen === null)
          throw new ConvergeError(`there is no ${python} on this host`, {
            code: 'NO_PROGRAM',
            hint: python.startsWith('/')
              ? 'install that Python, or correct the path of python'
              : `install it (apt-get install ${python} ${python}-venv), or set python to the full path of another one`,
          })
        await createEnvironment(host, props, desired.python ?? chosen, desired.python !== chosen)
      } else writeMark(host, path, null, account)
      // All packages, not only those that differ: else the requirements of one might change another.
      const target = [
        ...Object.entries(packages).map(([name, exact]) => (exact === '' ? name : `${name}==${exact}`)),
        ...versionLimits(packages),
      ]
      const pip = [`${path}/bin/python`, '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', ...target]
      if (Object.keys(packages).length > 0) await host.run(pip, { user, group, timeout })
      // The environment must be on the disk before its mark.
      await host.run(['sync', '-f', path])
      writeMark(host, path, desired.python ?? chosen, account)
      host.remove(creationNote(path))
    },
    predict(host, { path }, { now, desired }, { name }) {
      if (now.kind !== 'environment' || now.python !== desired.python) {
        host.remove(path)
        host.makeDirectory(path)
      }
      writeMark(host, path, desired.python, {})
      for (const part of ['bin', 'lib']) host.unknown(`${path}/${part}`, name)
    },
    paths: ({ path }) => [path],
    outputs: ({ path }) => ({ bin: `${path}/bin` }),
    placeholders: ({ path }) => ({ bin: `${path}/bin` }),
  },
)

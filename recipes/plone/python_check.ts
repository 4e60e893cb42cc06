/** Checks whether the Python of an app is installed, and can create environments. */
import { basename } from 'node:path'
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { describeLocation } from '../../core/model/errors.ts'
import { findProgram } from '../../resources/commands/find_program.ts'
import { install, missing, ok } from '../checks/findings.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'

/** The Python that runs virtualenv for a Python 2, which cannot create environments itself. */
const bootstrapPython = 'python3'

export function pythonChecks(node: SiteNode, host: HostReader, app: BuildoutApp): HostCheck[] {
  const { python } = app.build
  return [
    { what: python, run: () => installed(node, host, app) },
    { what: 'python venv', run: () => environment(host, app) },
  ]
}

async function installed(node: SiteNode, host: HostReader, app: BuildoutApp): Promise<Finding> {
  const { python } = app.build
  const path = findProgram(host, python, app.account.user)
  if (path !== null) {
    const version = await versionOf(host, path)
    return version === null
      ? missing(`${path} does not run`, `repair or reinstall it: ${path} --version must succeed`)
      : ok(`${path}, ${version}`)
  }
  const name = packageOf(python)
  if (name !== null && (await isAvailable(host, name)))
    return missing('not on the PATH', install(host, name, `${name}-venv`))
  const { key, where } = settingOf(node, app)
  return missing(
    `not on the PATH, and this distribution has no package of that name; ${key} asks for it${where}`,
    `install it by other means as /usr/local/bin/${basename(python)}, or set ${key} to a Python of this host`,
  )
}

/** Returns the attribute that names the Python, and its location. */
export function settingOf(
  node: SiteNode,
  { name: app, attributes: own }: BuildoutApp,
): { readonly key: string; readonly where: string } {
  const key = own.python_major_version ? `deploy.${app}.python_major_version` : 'converge.python'
  const source = node.run.locate?.(key)
  return { key, where: source === undefined ? '' : ` (${describeLocation(source)})` }
}

async function environment(host: HostReader, { build: { python }, account }: BuildoutApp): Promise<Finding> {
  const path = findProgram(host, python, account.user)
  if (path === null) return missing(`requires ${python}`, `install ${python}, then run converge doctor again`)
  const version = await versionOf(host, path)
  if (version === null) return missing(`${path} does not run`, `repair or reinstall it: ${path} --version must succeed`)
  const maker = version.startsWith('2.') ? bootstrapPython : path
  const { status } = await host.query([maker, '-c', 'import venv, ensurepip'], { accept: 'any' })
  if (status === 0) return ok(maker === path ? 'can be made' : `can be made, by virtualenv on ${maker}`)
  const name = packageOf(maker) ?? 'python3'
  return missing(`${maker} lacks the modules venv and ensurepip`, install(host, `${name}-venv`))
}

async function versionOf(host: HostReader, path: string): Promise<string | null> {
  const script = 'import sys; sys.stdout.write("%d.%d.%d" % sys.version_info[:3])'
  const { status, stdout } = await host.query([path, '-c', script], { accept: 'any' })
  return status === 0 ? stdout : null
}

/** Returns the Debian package of a Python; null for a path, whose package is unknown. */
function packageOf(python: string): string | null {
  const name = basename(python)
  return /^python3(\.\d+)?$|^python2\.7$/.test(name) && (!python.includes('/') || python.startsWith('/usr/bin/'))
    ? name
    : null
}

async function isAvailable(host: HostReader, name: string): Promise<boolean> {
  if (host.which('apt-cache') === null) return false
  const { stdout } = await host.query(['apt-cache', 'policy', name], { accept: 'any', environment: { LC_ALL: 'C' } })
  return /^ {2}Candidate: (?!\(none\))/m.test(stdout)
}

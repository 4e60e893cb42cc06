/** Chooses the Python of an app, and the virtualenv of its buildout. */
import { basename } from 'node:path'
import { digestOf } from '../../core/model/json.ts'
import type { SiteNode } from '../node.ts'
import type { AppAttributes, SiteAttributes } from '../site/site_attributes.ts'
import { buildoutSetting } from './site.ts'

/** The version of zc.buildout without `buildout_version`: that of the example and the tests. */
const defaultBuildout = '6.0.1'

/** The last versions of packages that run on older Pythons. */
const lastFor: readonly (readonly [python: RegExp, packages: Readonly<Record<string, string>>])[] = [
  [/^(python|pypy)-?2(\.\d+)*$/, { 'zc.buildout': '2.13.8', setuptools: '44.1.1' }],
  [/^python3\.5$/, { 'zc.buildout': '3.0.1' }],
  [/^python3\.[678]$/, { 'zc.buildout': '3.4' }],
  [/^python3\.9$/, { 'zc.buildout': '5.2.0' }],
]

/** Returns the Python that builds an app: a command or a path. */
export function pythonOf({ converge }: Pick<SiteAttributes, 'converge'>, app: AppAttributes): string {
  return app.python_major_version ? `python${app.python_major_version}` : (converge?.python ?? 'python3')
}

/** Decides by its name whether this is a Python 2. */
export function isPython2(python: string): boolean {
  return /^(python|pypy)-?2(\.\d+)*$/.test(basename(python))
}

export interface Environment {
  /** Name of its directory below `shared`. */
  readonly name: string
  /** Python that creates it. */
  readonly python: string
  /** Packages with their exact versions; empty for any. */
  readonly packages: Readonly<Record<string, string>>
}

/**
 * Returns the environment for a choice of Python and packages. Its path is an input of the release: a change makes
 * another environment and a new release, while existing releases keep the environment that their scripts name. So old
 * environments stay until `undeploy --purge`.
 *
 * The version behind a word like `python3` is not part of the choice. It is unknown before the first setup has
 * installed Python, so the second run would use another name and build everything again. After an upgrade of the host,
 * the operator must therefore set `python_major_version` or `converge.python`; until then virtualenv keeps the
 * environment unchanged.
 */
export function environmentOf(node: SiteNode, name: string, app: AppAttributes): Environment {
  const python = pythonOf(node, app)
  const last = lastFor.find(([name]) => name.test(basename(python)))?.[1]
  const version = buildoutSetting(node, name, 'buildout_version')
  const packages = {
    'zc.buildout': defaultBuildout,
    ...last,
    ...(version ? { 'zc.buildout': version } : {}),
    ...Object.fromEntries(
      (app.packages ?? node.deploy_python.packages).map(({ name, version }) => [name, version ?? '']),
    ),
  }
  const directory = `env-${basename(python)}-${digestOf({ python, packages }).slice(0, 8)}`
  return { name: directory, python, packages }
}

/** The Python of an app, and the environment its buildout runs in. */
import { basename } from 'node:path'
import { digestOf } from '../../core/model/json.ts'
import type { PloneNode } from '../node.ts'
import { buildoutSetting } from './site.ts'
import type { AppAttributes } from './types.ts'

/** zc.buildout of the virtualenv where no `buildout_version` is set: the one the example and the tests build with. */
const defaultBuildout = '6.0.1'

export interface Environment {
  /** Name of its directory, below `shared`. */
  readonly name: string
  /** The Python it is made with. */
  readonly python: string
  /** Packages with their exact versions; empty for any. */
  readonly packages: Readonly<Record<string, string>>
}

/**
 * Each choice of Python and packages has an environment of its own, and its path is one of the inputs of a release: a
 * change makes a new one beside, and a new release with it, while what runs, and what may be rolled back to, keeps the
 * one its scripts name. So the old ones stay, until `undeploy --purge`.
 *
 * The version behind a word like `python3` is not part of it: before the first setup has installed Python nobody can know
 * it, and a name that differs from the first run to the second would build all anew. An upgrade of the machine therefore
 * has to be told (`python_major_version`, `converge.python`); virtualenv keeps the environment as it is until then.
 */
export function environmentOf(node: PloneNode, app: string, own: AppAttributes): Environment {
  const python = own.python_major_version ? `python${own.python_major_version}` : node.converge.python
  const packages = {
    'zc.buildout': buildoutSetting(node, app, 'buildout_version') || defaultBuildout,
    ...Object.fromEntries(
      (own.packages ?? node.deploy_python.packages).map(({ name, version }) => [name, version ?? '']),
    ),
  }
  return { name: `env-${basename(python)}-${digestOf({ python, packages }).slice(0, 8)}`, python, packages }
}

/** Converts an app of a stack file to the attributes that OpsWorks would write below `deploy`. */
import type { JsonObject } from '../../node/merge.ts'
import type { KeyPath } from '../../node/path.ts'
import { fileText, type Search } from './external_values.ts'
import type { StackContent } from './schema.ts'
import type { StackApp } from './stack.ts'

type GivenApp = NonNullable<StackContent['apps']>[string]

/** Keys below `deploy.<app>` that have another key in the stack file. */
const stackPaths: Readonly<Record<string, KeyPath>> = {
  application_type: ['type'],
  ssl_support: ['ssl'],
  ssl_certificate: ['ssl', 'certificate'],
  ssl_certificate_key: ['ssl', 'key'],
  ssl_certificate_ca: ['ssl', 'chain'],
}

/** Returns the path within an app of the stack file for a path below `deploy.<app>`. */
export function stackFilePath(path: KeyPath): KeyPath {
  const [first = '', second] = path
  if (first === 'scm' && second === 'scm_type') return ['scm', 'type']
  return stackPaths[first] ?? path
}

/**
 * Converts an app.
 * @param search collects the files that cannot be read
 */
export function appOf(name: string, app: GivenApp, search: Search): StackApp {
  const { name: title = name, type = 'other', scm, ssl, layers = null, ...rest } = app
  const read = (text: string | undefined, ...path: KeyPath) => keyText(text, ['apps', name, ...path], search)
  const { type: kind, ssh_key, ...source } = scm ?? {}
  const certificate = {
    ssl_support: true,
    ssl_certificate: read(ssl?.certificate, 'ssl', 'certificate'),
    ssl_certificate_key: read(ssl?.key, 'ssl', 'key'),
    ssl_certificate_ca: read(ssl?.chain, 'ssl', 'chain'),
  }
  const deploy = {
    application: name,
    application_type: type,
    scm: { scm_type: kind ?? 'git', ...source, ssh_key: read(ssh_key, 'scm', 'ssh_key') },
    ...rest,
    ...(ssl === undefined ? {} : certificate),
  }
  // Without undefined values.
  return { name, title, type, layers, deploy: JSON.parse(JSON.stringify(deploy)) as JsonObject }
}

/** Returns the text of a key or certificate; any other text is the path of its file. */
function keyText(text: string | undefined, path: KeyPath, search: Search): string | undefined {
  if (text === undefined) return undefined
  if (!text.includes('-----BEGIN')) return fileText(text, path, search)
  search.secrets.add(text)
  return text
}

/** Computes the files of the app in the base directory of Jetty (`run`): realms, XML, and its lines for start.d. */
import { posix } from 'node:path'
import { appIni } from '../../attributes/jetty_base.ts'
import { shellWords } from '../../core/text/shell.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'

export interface BaseFiles {
  /** Content by path in the release. */
  readonly written: Readonly<Record<string, string>>
  /** Path in the built release by path in the release. */
  readonly copied: Readonly<Record<string, string>>
  /** Path in the release by name below `shared`. */
  readonly links: Readonly<Record<string, string>>
}

/** The base directory of Jetty in a release. */
const directory = 'run'
/** @throws INVALID_ATTRIBUTE for a shared file that the attributes of the app link to the release already */
export function baseFiles({ jetty_app: { files, ini, app_name }, deploy }: SiteNode): BaseFiles {
  const values = new AttributeWriter()
  const base = { written: {}, copied: {}, links: {} } as Record<keyof BaseFiles, Record<string, string>>
  const linked = Object.keys(deploy[app_name]?.symlink_before_migrate ?? {}).map((name) => posix.join(name))
  for (const [name, { content, path, shared }] of Object.entries(files)) {
    if (shared !== undefined && linked.includes(posix.join(shared)))
      values.refuse(
        `jetty_app.files.${name}`,
        `links to ${shared}, which the release links to already`,
        'link each shared file once',
      )
    if (content !== undefined) base.written[`${directory}/${name}`] = content
    if (path !== undefined) base.copied[`${directory}/${name}`] = path
    if (shared !== undefined) base.links[shared] = `${directory}/${name}`
  }
  values.check()
  if (ini.length > 0) base.written[`${directory}/${appIni}`] = `${ini.join('\n')}\n`
  return base
}

/** Returns the lines of the build that copy files of the release into the base. */
export function copyCommands({ copied }: BaseFiles): string[] {
  return Object.entries(copied).flatMap(([to, from]) => [
    shellWords(['mkdir', '-p', '--', posix.dirname(to)]),
    shellWords(['cp', '-fL', '--', from, to]),
    shellWords(['chmod', '0640', '--', to]),
  ])
}

/** The lines of Jetty's log after which it answers every request with 503. */
export const failedContext = [
  {
    text: 'Failed startup of context',
    hints: {
      'No LoginService':
        'add an XML file to jetty_app.files with a LoginService for the realm-name in web.xml of the war, and name that file in jetty_app.ini; for an example, see "Add a login" in docs/port-swap.md',
    },
  },
]

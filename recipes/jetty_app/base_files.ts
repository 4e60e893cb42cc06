/** Computes the files of the app in the base directory of Jetty (`run`): realms, XML, and its lines for start.d. */
import { posix } from 'node:path'
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
const base = 'run'
const ownIni = 'start.d/converge.ini'
const appIni = 'start.d/app.ini'

/** The properties that the role sets, each with advice for operators who set it too. */
const ownProperties: Readonly<Record<string, string>> = {
  'jetty.home': 'set jetty_app.jetty_home',
  'jetty.base': 'remove the line: converge sets the base of each release',
  'jetty.http.port': 'set jetty_app.ports; visitors come through nginx, which listens at jetty_app.http_port',
  'jetty.http.host': 'remove the line: Jetty listens at the loopback address, and visitors come through nginx',
  'jetty.deploy.monitoredDir': 'remove the line; jetty_app.war and jetty_app.context decide what is deployed',
  'jetty.deploy.scanInterval': 'remove the line: a release never changes, a deploy starts another process',
}

/** @throws INVALID_ATTRIBUTE (several at once as INVALID_INPUT) for names, sources and lines that cannot be used */
export function baseFiles({ jetty_app: { files, ini, app_name }, deploy }: SiteNode): BaseFiles {
  const values = new AttributeWriter()
  const found = { written: {}, copied: {}, links: {} } as Record<keyof BaseFiles, Record<string, string>>
  const linked = Object.keys(deploy[app_name]?.symlink_before_migrate ?? {}).map((name) => posix.join(name))
  for (const [name, { content, path, shared }] of Object.entries(files)) {
    const key = `jetty_app.files.${name}`
    checkName(values, key, name, Object.keys(files))
    const given = [content, path, shared].filter((one) => one !== undefined)
    if (given.length !== 1)
      values.refuse(
        key,
        given.length === 0 ? 'has no content' : 'has several sources',
        'set one of content (the text), path (a file of the release) and shared (a file below the shared directory)',
      )
    if (shared !== undefined && (linked.includes(posix.join(shared)) || Object.hasOwn(found.links, shared)))
      values.refuse(key, `links to ${shared}, which the release links to already`, 'link each shared file once')
    if (content !== undefined) found.written[`${base}/${name}`] = content
    if (path !== undefined) found.copied[`${base}/${name}`] = path
    if (shared !== undefined) found.links[shared] = `${base}/${name}`
  }
  for (const [index, one] of ini.entries()) checkLine(values, `jetty_app.ini[${index}]`, one)
  values.check()
  if (ini.length > 0) found.written[`${base}/${appIni}`] = `${ini.join('\n')}\n`
  return found
}

function checkName(values: AttributeWriter, key: string, name: string, names: readonly string[]): void {
  const tidy = posix.normalize(name).replace(/\/$/, '')
  const parent = names.find((other) => other !== name && tidy.startsWith(`${posix.normalize(other)}/`))
  if (tidy === '.') values.refuse(key, 'is not the name of a file', 'name a file, such as etc/realm.xml')
  else if (tidy !== name) values.refuse(key, 'is not written in its shortest form', `write it as ${tidy}`)
  else if ([ownIni, appIni].includes(tidy))
    values.refuse(key, 'is a file that converge writes', 'put your lines into jetty_app.ini')
  else if (['start.d', 'logs', 'etc', 'lib', 'modules', 'resources'].includes(tidy))
    values.refuse(key, 'is a directory of Jetty', `name a file in it, such as ${tidy}/app.xml`)
  else if (/^webapps(\/|$)/.test(tidy))
    values.refuse(
      key,
      'would not be read: Jetty deploys the war of the release only',
      'put the XML file into etc, and name it in jetty_app.ini',
    )
  else if (parent !== undefined) values.refuse(key, `lies below the file ${parent}`, 'rename one of them')
}

function checkLine(values: AttributeWriter, key: string, line: string): void {
  const name = /^\s*(?:-D)?([\w.]+?)\s*[?+]?=/.exec(line)?.[1] ?? ''
  const hint = Object.hasOwn(ownProperties, name) ? ownProperties[name] : undefined
  if (hint !== undefined) values.refuse(key, `sets ${name}, which converge sets`, hint)
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

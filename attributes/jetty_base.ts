/** Defines the schemas for files and lines in the base directory of Jetty, without what the role writes itself. */
import { posix } from 'node:path'
import * as z from 'zod'
import { optional, shape } from './fields.ts'
import { checkedText, line, pathBelow, relativePath, releasePath, text } from './texts.ts'

/** The file for the properties that the role sets. */
export const roleIni = 'start.d/converge.ini'
/** The file for the lines of `jetty_app.ini`. */
export const appIni = 'start.d/app.ini'

/** The properties that the role sets, each with advice for operators who set it too. */
const roleProperties: Readonly<Record<string, string>> = {
  'jetty.home': 'set jetty_app.jetty_home',
  'jetty.base': 'remove the line: converge sets the base of each release',
  'jetty.http.port': 'set jetty_app.ports; visitors come through nginx, which listens on jetty_app.http_port',
  'jetty.http.host': 'remove the line: Jetty listens on the loopback address, and visitors come through nginx',
  'jetty.deploy.monitoredDir': 'remove the line; jetty_app.war and jetty_app.context decide what is deployed',
  'jetty.deploy.scanInterval': 'remove the line: a release never changes, a deploy starts another process',
}

function expectedFileName(name: string): string | null {
  const normalized = posix.normalize(name).replace(/\/$/, '')
  if (normalized === '.') return 'the name of a file, such as etc/realm.xml'
  if (normalized !== name) return `in its shortest form: write it as ${normalized}`
  if ([roleIni, appIni].includes(normalized))
    return 'allowed: converge writes this file; put your lines into jetty_app.ini'
  if (['start.d', 'logs', 'etc', 'lib', 'modules', 'resources'].includes(normalized))
    return `a file: it is a directory of Jetty; name a file in it, such as ${normalized}/app.xml`
  if (/^webapps(\/|$)/.test(normalized))
    return 'read by Jetty, which deploys only the war of the release; put the XML file into etc, and name it in jetty_app.ini'
  return null
}

const fileName = pathBelow().superRefine((name, context) => {
  const message = expectedFileName(name)
  if (message !== null) context.addIssue({ code: 'custom', message })
})

const baseFile = () =>
  shape({
    content: optional(text(), 'Text of the file.', { sensitive: true }),
    path: optional(relativePath(), 'A file of the release that is copied, once the release is built.'),
    shared: optional(releasePath(), 'A file below the shared directory of the app that the release links to.'),
  }).refine(({ content, path, shared }) => [content, path, shared].filter((one) => one !== undefined).length === 1, {
    error:
      'exactly one of content (the text), path (a file of the release) and shared (a file below the shared directory)',
  })

/** Files by their path in the base directory. */
export const baseFiles = () =>
  z.record(fileName, baseFile()).superRefine((files, context) => {
    const names = Object.keys(files)
    const shared = new Set<string>()
    for (const [name, file] of Object.entries(files)) {
      const parent = names.find((other) => name.startsWith(`${other}/`))
      if (parent !== undefined)
        context.addIssue({ code: 'custom', path: [name], message: `a path that is not below the file ${parent}` })
      if (file.shared === undefined) continue
      const target = posix.join(file.shared)
      if (shared.has(target))
        context.addIssue({ code: 'custom', path: [name, 'shared'], message: 'a file that no other entry links to' })
      shared.add(target)
    }
  })

/** A line for the start.d of Jetty. */
export const iniLine = () =>
  checkedText('jettyIniLine', (text) => {
    if (!line().safeParse(text).success) return 'text on one line'
    const name = /^\s*(?:-D)?([\w.]+?)\s*[?+]?=/.exec(text)?.[1] ?? ''
    const advice = Object.hasOwn(roleProperties, name) ? roleProperties[name] : undefined
    return advice === undefined ? null : `a line that does not set ${name}, which converge sets (${advice})`
  })

/** Refuses two sites with the same host name and port, of which nginx would silently serve the first. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { formatPath } from '../../core/node/path.ts'
import { isOwnFile, serverBlocks } from '../../resources/web/nginx_servers.ts'
import type { SiteNode } from '../node.ts'
import type { AppAttributes } from '../site/site_attributes.ts'
import { appAttributes } from '../site/site_attributes.ts'
import type { Nginx } from './nginx.ts'
import { givenCertificate } from './tls.ts'

export interface Claim {
  /** Names of the site's files in nginx's directory. */
  readonly files: readonly string[]
  readonly ports: readonly number[]
  /** Host names; none means every name that no other site has. */
  readonly names: readonly string[]
}

/** The attributes of a web app that set its host names and ports. */
export interface Addresses {
  readonly domains: readonly string[]
  readonly http_port: number
  readonly https_port: number
}

/** Returns the site's own names, else those of the app; none means any. */
export function namesOf(own: AppAttributes, { domains }: Addresses): readonly string[] {
  return domains.length > 0 ? domains : (own.domains ?? [])
}

export function claimOf(app: string, own: AppAttributes, asked: Addresses): Claim {
  const { http_port, https_port } = asked
  const ports = [http_port, ...(givenCertificate(own) === null ? [] : [https_port])]
  return { files: [app], ports, names: namesOf(own, asked) }
}

/** The cookbook's names for the files of the frontend's site, without TLS and with it. */
export const frontendFiles = ['instances', 'instances-ssl'] as const

/** The name that stands for every name that no other site has. */
export const anyName = '_'
/** The claims of this run, whose sites are not on the host yet. */
const claims = new WeakMap<Recipe<SiteNode>, Claim[]>()

/**
 * Checks that no other site in this run or in this host's nginx has one of the names at one of the ports.
 * @throws SITE_TAKEN
 */
export function claimNames(r: Recipe<SiteNode>, node: SiteNode, nginx: Nginx, claim: Claim): void {
  const { enabled } = nginx
  const own = spoken(claim)
  const isOther = (file: string) => !claim.files.includes(file)
  const { host } = node.run
  const made = claims.get(r) ?? []
  claims.set(r, [...made, claim])
  const declared = made.flatMap(({ files: [file = ''], ...one }) =>
    isOther(file) ? [{ file, names: spoken(one) }] : [],
  )
  const known = declared.map(({ file }) => file)
  const served = (host?.list(enabled) ?? []).filter((file) => isOther(file) && !known.includes(file))
  const textOf = (path: string) => (host?.stat(path)?.kind === 'file' ? (host.readText(path) ?? '') : '')
  const there = served.map((file) => ({ file, names: asked(node, file) ?? namesIn(textOf(`${enabled}/${file}`)) }))
  if (host !== null && own.some((one) => one.endsWith(` ${anyName}`))) refuseOtherDefault(host, nginx, claim)
  for (const { file, names } of [...declared, ...there]) {
    const [taken] = own.filter((one) => names.includes(one))
    if (taken !== undefined) throw refused(claim, file, taken)
  }
}

/** Refuses a second default server at a port, as nginx does; ignores Debian's own, whose link will be removed. */
function refuseOtherDefault(host: HostReader, { enabled, confDir }: Nginx, { files, ports }: Claim): void {
  const paths = [
    ...host.list(enabled).flatMap((name) => (name === 'default' ? [] : [`${enabled}/${name}`])),
    ...host.list(confDir).flatMap((name) => (name.endsWith('.conf') ? [`${confDir}/${name}`] : [])),
  ]
  for (const path of paths) {
    const text = host.stat(path)?.kind === 'file' ? (host.readText(path) ?? '') : ''
    if (isOwnFile(text)) continue
    const port = serverBlocks(text).flatMap(({ defaultAt }) => defaultAt.filter((one) => ports.includes(one)))[0]
    if (port === undefined) continue
    const site = frontendFiles.some((own) => files.includes(own)) ? 'the frontend' : files[0]
    throw new ConvergeError(`${path} is the default server of nginx at port ${port}, and ${site} has to be`, {
      code: 'SITE_TAKEN',
      hint: `remove default_server from ${path}, or give ${site} ${site === 'the frontend' ? '' : 'domains or '}another port`,
      usage: true,
    })
  }
}

/** Returns the names that the attributes give an app of this host, because its site may change in this run. */
function asked(node: SiteNode, file: string): string[] | null {
  const one = [node.port_app, node.jetty_app, node.php_app].find(({ app_name }) => app_name === file)
  return one === undefined ? null : spoken(claimOf(file, appAttributes(node, file), one))
}

function refused({ files: [file = ''] }: Claim, other: string, taken: string): ConvergeError {
  const [port = '', name = ''] = taken.split(' ')
  const what = name === anyName ? 'for every name that no other site has' : `for ${name}`
  const isFrontend = (name: string) => frontendFiles.some((own) => own === name)
  const [one, another] = [file, other].map((name) => (isFrontend(name) ? 'the frontend' : name))
  // The frontend has neither domains nor an undeploy: the app beside it changes.
  const changing = isFrontend(file) ? other : file
  const removed = isFrontend(other) ? file : other
  return new ConvergeError(`the sites of ${one} and of ${another} both answer ${what} at port ${port}`, {
    code: 'SITE_TAKEN',
    attribute: formatPath(['deploy', changing, 'domains']),
    hint: `give ${changing} domains or a port of its own, or undeploy ${removed}: nginx would show only one of them`,
    usage: true,
  })
}

function spoken({ ports, names }: Omit<Claim, 'files'>): string[] {
  // Host names are compared without regard to case; regular expressions are not.
  const known = names.map((name) => (name.startsWith('~') ? name : name.toLowerCase()))
  return ports.flatMap((port) => (known.length === 0 ? [anyName] : known).map((name) => `${port} ${name}`))
}

/** Returns the names in a file that converge has written; files of others may have any layout. */
function namesIn(text: string): string[] {
  if (!text.startsWith('# Written by converge')) return []
  return text
    .split(/^server \{$/m)
    .slice(1)
    .flatMap((block) => {
      const ports = [...block.matchAll(/^\s*listen (\d+)/gm)].map(([, port]) => Number(port))
      const names = /^\s*server_name (.+);$/m.exec(block)?.[1]?.split(' ') ?? []
      return spoken({ ports, names: /^\s*listen .*\bdefault_server\b/m.test(block) ? [anyName, ...names] : names })
    })
}

/** Refuses two sites with the same host name and port, of which nginx would silently serve the first. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { formatPath } from '../../core/node/path.ts'
import { isOwnFile, serverBlocks } from '../../resources/web/nginx_servers.ts'
import { type NginxFiles, nginxFilesOf } from '../../resources/web/nginx_sites.ts'
import type { SiteNode } from '../node.ts'
import type { AppAttributes } from '../site/site_attributes.ts'
import { appAttributes } from '../site/site_attributes.ts'
import { appCertificate } from './app_certificate.ts'
import type { Nginx } from './nginx.ts'

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
export function namesOf(app: AppAttributes, { domains }: Addresses): readonly string[] {
  return domains.length > 0 ? domains : (app.domains ?? [])
}

export function claimOf(name: string, app: AppAttributes, site: Addresses): Claim {
  const { http_port, https_port } = site
  const ports = [http_port, ...(appCertificate(app) === null ? [] : [https_port])]
  return { files: [name], ports, names: namesOf(app, site) }
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
  const isOther = (file: string) => !claim.files.includes(file)
  const earlier = claims.get(r) ?? []
  claims.set(r, [...earlier, claim])
  // Of an app that stays stopped, this run declares no site.
  const isDeclared = (file: string) => r.has('file', `${nginx.available}/${file}`)
  const declared = earlier.flatMap(({ files: [file = ''], ...one }) =>
    isOther(file) && isDeclared(file) ? [{ file, names: claimedAddresses(one) }] : [],
  )
  refuseTaken(claim, declared)
  r.given(nginxFilesOf(nginx), (files) => {
    const known = declared.map(({ file }) => file)
    const served = files.enabled.filter(({ name }) => isOther(name) && !known.includes(name))
    if (claimedAddresses(claim).some((one) => one.endsWith(` ${anyName}`))) refuseOtherDefault(files, claim)
    refuseTaken(
      claim,
      served.map(({ name, text }) => ({ file: name, names: requestedAddresses(node, name) ?? namesIn(text) })),
    )
  })
}

function refuseTaken(claim: Claim, others: readonly { readonly file: string; readonly names: readonly string[] }[]) {
  for (const { file, names } of others) {
    const [taken] = claimedAddresses(claim).filter((one) => names.includes(one))
    if (taken !== undefined) throw nameClash(claim, file, taken)
  }
}

/** Refuses a second default server at a port, as nginx does; ignores Debian's own, whose link will be removed. */
function refuseOtherDefault({ enabled, common }: NginxFiles, { files, ports }: Claim): void {
  for (const { path, text } of [...enabled.filter(({ name }) => name !== 'default'), ...common]) {
    if (isOwnFile(text)) continue
    const port = serverBlocks(text).flatMap(({ defaultAt }) => defaultAt.filter((one) => ports.includes(one)))[0]
    if (port === undefined) continue
    const site = frontendFiles.some((file) => files.includes(file)) ? 'the frontend' : files[0]
    throw new ConvergeError(`${path} is the default server of nginx at port ${port}, and ${site} must be`, {
      code: 'SITE_TAKEN',
      hint: `remove default_server from ${path}, or give ${site} ${site === 'the frontend' ? '' : 'domains or '}another port`,
      usage: true,
    })
  }
}

/** Returns the names that the attributes give an app of this host, because its site may change in this run. */
function requestedAddresses(node: SiteNode, file: string): string[] | null {
  const one = [node.port_app, node.jetty_app, node.php_app].find(({ app_name }) => app_name === file)
  return one === undefined ? null : claimedAddresses(claimOf(file, appAttributes(node, file), one))
}

function nameClash({ files: [file = ''] }: Claim, other: string, taken: string): ConvergeError {
  const [port = '', name = ''] = taken.split(' ')
  const what = name === anyName ? 'for every name that no other site has' : `for ${name}`
  const isFrontend = (name: string) => frontendFiles.some((file) => file === name)
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

function claimedAddresses({ ports, names }: Omit<Claim, 'files'>): string[] {
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
      return claimedAddresses({
        ports,
        names: /^\s*listen .*\bdefault_server\b/m.test(block) ? [anyName, ...names] : names,
      })
    })
}

/** Makes nginx answer 404 for host names without a site, at each port of the sites that converge has written. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isPackagedFile } from '../packages/dpkg.ts'
import { answersAnyName, isOwnFile, type ServerBlock, serverBlocks } from './nginx_servers.ts'

const props = z.strictObject({
  app: z.string().min(1).describe('The app whose site has been added, changed or removed before'),
  enabled: absolutePath.describe('Directory of the sites that nginx serves'),
  confDir: absolutePath.describe('Directory of configuration that nginx reads before the sites: it gets the files'),
  ports: z
    .array(z.int().min(1).max(65_535))
    .default([])
    .describe(
      "Ports of the app's site: nginx is also reloaded if someone has changed their default site, loaded it, and restored it; default: none",
    ),
  answered: z
    .array(z.int().min(1).max(65_535))
    .default([])
    .describe(
      'Ports at which a site that this run sets up later answers all names: they get no default site; default: none',
    ),
  distribution: z
    .strictObject({
      link: absolutePath.describe('Link by which nginx serves it'),
      file: absolutePath.describe('Path where the package installed it'),
    })
    .optional()
    .describe(
      'The default site of the distribution: where it is served unchanged, its link is removed; a changed one stays the default site. Default: there is none',
    ),
})
type Props = z.output<typeof props>

const files = z.record(z.string(), z.string())
const state = z.strictObject({
  /** Existing default sites, by path. */
  files,
  /** Default sites that the sites of this host need, by path. */
  needed: files,
  /** Whether nginx serves the distribution's default site unchanged. */
  distribution: z.boolean(),
})
type State = z.output<typeof state>

interface Site {
  readonly isOwn: boolean
  readonly servers: readonly ServerBlock[]
}

const pathOf = (confDir: string, port: number) => `${confDir}/converge-default-${port}.conf`
const fileName = /^converge-default-\d+\.conf$/

function readOrEmpty(host: HostReader, path: string): string {
  return host.stat(path)?.kind === 'file' ? (host.readText(path) ?? '') : ''
}

function servesDistribution(host: HostReader, { distribution }: Props): boolean {
  if (distribution === undefined) return false
  const { link, file } = distribution
  return host.lstat(link)?.kind === 'link' && host.readLink(link) === file && isPackagedFile(host, file)
}

function readSites(host: HostReader, props: Props): Site[] {
  const { enabled, confDir, distribution } = props
  const enabledLink = servesDistribution(host, props) ? distribution?.link : undefined
  const paths = [
    ...host
      .list(confDir)
      .flatMap((name) => (/^[^.].*\.conf$/.test(name) && !fileName.test(name) ? [`${confDir}/${name}`] : [])),
    ...host.list(enabled).flatMap((name) => (name.startsWith('.') ? [] : [`${enabled}/${name}`])),
  ]
  return paths.flatMap((path) => {
    if (path === enabledLink) return []
    const text = readOrEmpty(host, path)
    return [{ isOwn: isOwnFile(text), servers: serverBlocks(text) }]
  })
}

/** Returns the ports at which a site of converge has names and leaves all other names to the default server. */
function portsWithNames(sites: readonly Site[]): number[] {
  const ports = sites.flatMap(({ isOwn, servers }) => {
    if (!isOwn) return []
    const answersAny = servers.flatMap(({ defaultAt }) => defaultAt)
    return servers.flatMap(({ ports }) => ports).filter((port) => !answersAny.includes(port))
  })
  return [...new Set(ports)].sort((a, b) => a - b)
}

/**
 * Decides whether another site answers all other names at a port: someone else's, which stays in place, or the default
 * server of converge, such as the frontend.
 */
function hasOtherDefault(sites: readonly Site[], port: number): boolean {
  return sites.some(({ isOwn, servers }) =>
    servers.some((server) =>
      isOwn ? server.defaultAt.includes(port) : server.ports.includes(port) && answersAnyName(server),
    ),
  )
}

/**
 * Renders a default site, without `default_server`: a site that has this mark takes precedence. Without such a site,
 * nginx uses the one that it reads first.
 */
function render(port: number, sites: readonly Site[]): string {
  const tls = sites
    .flatMap(({ isOwn, servers }) => (isOwn ? servers : []))
    .find(({ tlsAt, text }) => tlsAt.includes(port) && /\sssl_certificate\s/.test(text))
  const directives = tls === undefined ? [] : (tls.text.match(tlsDirective) ?? []).map((line) => line.trim())
  return `# Written by converge, changes are overwritten.
# Answers for host names that no site of this port has.
server {
${[`listen ${port}${tls === undefined ? '' : ' ssl http2'};`, 'server_name _;', ...directives, 'return 404;'].map((line) => `    ${line}`).join('\n')}
}
`
}

/** The TLS directives to copy from the first site: nginx shows its certificate for unknown names. */
const tlsDirective =
  /^\s*ssl_(?:certificate|certificate_key|protocols|ciphers|prefer_server_ciphers|session_\w+) [^;]+;/gm

function neededFiles(host: HostReader, props: Props): Record<string, string> {
  const sites = readSites(host, props)
  const ports = portsWithNames(sites).filter((port) => !props.answered.includes(port) && !hasOtherDefault(sites, port))
  return Object.fromEntries(ports.map((port) => [pathOf(props.confDir, port), render(port, sites)]))
}

export const nginx_default_sites = defineResource(
  {
    type: 'nginx_default_sites',
    doc: 'Keeps a site that answers 404 at each port where the sites of converge have names. Without it, the first of them would answer unknown host names. If someone has written such a site, converge writes none.',
    examples: [{ app: 'shop', enabled: '/etc/nginx/sites-enabled', confDir: '/etc/nginx/conf.d' }],
    reach: 'paths',
    key: ({ app }) => app,
    props,
    state,
  },
  {
    read(host, props): State {
      const names = host.list(props.confDir).filter((name) => fileName.test(name))
      const paths = names.map((name) => `${props.confDir}/${name}`)
      return {
        files: Object.fromEntries(paths.map((path) => [path, readOrEmpty(host, path)])),
        needed: neededFiles(host, props),
        distribution: servesDistribution(host, props),
      }
    },
    paths: ({ confDir, ports }) => ports.map((port) => pathOf(confDir, port)),
    desired: ({ confDir, answered }, { needed, distribution }): State => ({
      files: needed,
      needed,
      // The distribution's site listens on port 80 only. The site that answers there removes it as well.
      distribution: distribution && needed[pathOf(confDir, 80)] === undefined && !answered.includes(80),
    }),
    apply(host, props, { now, desired }) {
      if (now.distribution && !desired.distribution && props.distribution) host.remove(props.distribution.link)
      for (const path of Object.keys(now.files)) if (desired.files[path] === undefined) host.remove(path)
      for (const [path, text] of Object.entries(desired.files))
        if (now.files[path] !== text) host.writeFile(path, text, { mode: '0644' })
    },
    words(_, { now, desired }) {
      const ports = (files: State['files']) => Object.keys(files).map((path) => /-(\d+)\.conf$/.exec(path)?.[1] ?? '')
      const removed = ports(now.files).filter((port) => !ports(desired.files).includes(port))
      const remainingPorts = ports(desired.files)
      return [
        ...(remainingPorts.length > 0 ? [`404 for unknown host names at port ${remainingPorts.join(', ')}`] : []),
        ...(now.distribution && !desired.distribution ? ["without the distribution's default site"] : []),
        ...(removed.length > 0 ? [`no default site at port ${removed.join(', ')}`] : []),
      ].join('; ')
    },
  },
)

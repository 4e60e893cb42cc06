/** Refuses a Zope client that shares blobs with its ZEO server, but looks for them in another directory. */
import { posix } from 'node:path'
import * as z from 'zod'
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isOnNetworkMount } from '../files/mounts.ts'
import { type ClientBlobs, clientBlobs, type ServerBlobs, serverBlobs } from './blob_config.ts'
import { isThisHost } from './own_addresses.ts'

const clientConfig = 'parts/client1/etc/zope.conf'
const serverConfig = 'parts/zeoserver/etc/zeo.conf'

const props = z.strictObject({
  app: z.string().min(1).describe('Name of the app that is deployed'),
  client: absolutePath.describe('Directory of the release with the Zope clients'),
  servers: z
    .array(absolutePath)
    .min(1)
    .describe('Directories of releases that may have the ZEO server of this host; the first that matches counts'),
})
type Props = z.output<typeof props>

const location = z.strictObject({ directory: z.string(), file: z.string() })
const state = z.strictObject({
  /** The directories of the first storage that has two different ones; null if there is none. */
  differs: z.strictObject({ client: location, server: location }).nullable(),
})
type State = z.output<typeof state>

interface Server extends ServerBlobs {
  readonly release: string
}

export const blob_directories = defineResource(
  {
    type: 'blob_directories',
    doc: 'Refuses a release whose clients share the blob directory of a ZEO server on this host, but have another directory in their configuration. With it, every upload would fail.',
    examples: [
      {
        app: 'plone_instances',
        client: '/srv/www/plone_instances/releases/000042-1a2b3c4d',
        servers: ['/srv/www/zeoserver/current'],
      },
    ],
    reach: 'paths',
    key: ({ app }) => app,
    props,
    state,
  },
  {
    read: (host, props, context): State => ({ differs: difference(host, props, context) }),
    desired({ app }, now) {
      if (now.differs === null) return now
      const { client, server } = now.differs
      throw new ConvergeError(
        `${app}: the clients share blobs with the ZEO server, but use another directory, so every upload fails: ${client.directory} (${client.file}) and ${server.directory} (${server.file})`,
        {
          code: 'BLOB_DIRECTORIES_DIFFER',
          hint: 'set plone_blobs.blob_dir to one directory and deploy the ZEO server and its clients; or set plone_instances.shared_blobs to false',
        },
      )
    },
    apply: () => undefined,
  },
)

function difference(host: HostReader, props: Props, context: Context): State['differs'] {
  const file = `${props.client}/${clientConfig}`
  const shared = clientBlobs(readOrEmpty(host, file)).filter((client) => client.shared)
  const servers = shared.length === 0 ? [] : configuredServers(host, props)
  for (const client of shared) {
    const server = servers.find(({ address }) => client.servers.some((other) => reaches(host, other, address)))
    const directory = posix.resolve(props.client, client.directory)
    if (server === undefined) {
      warnOfLocalBlobs(host, client, directory, context)
      continue
    }
    const stored = server.directories.get(client.storage)
    if (stored === undefined) continue
    const serverDirectory = posix.resolve(server.release, stored)
    if (resolvedPath(host, directory) === resolvedPath(host, serverDirectory)) continue
    return {
      client: { directory: resolvedPath(host, directory), file },
      server: { directory: resolvedPath(host, serverDirectory), file: `${server.release}/${serverConfig}` },
    }
  }
  return null
}

function warnOfLocalBlobs(host: HostReader, { servers }: ClientBlobs, directory: string, context: Context): void {
  if (servers.length === 0 || servers.some((address) => isLocal(host, address))) return
  if (isOnNetworkMount(host, directory)) return
  context.warn(
    `shared-blob is on, and ${resolvedPath(host, directory)} is on a disk of this host: the ZEO server at ${servers.join(', ')} must see the same directory, or every upload fails. Mount it, or set plone_instances.shared_blobs to false`,
  )
}

function configuredServers(host: HostReader, { servers }: Props): Server[] {
  return servers.flatMap((release) => {
    const blobs = serverBlobs(readOrEmpty(host, `${release}/${serverConfig}`))
    return blobs === null ? [] : [{ ...blobs, release }]
  })
}

function isLocal(host: HostReader, address: string): boolean {
  return address.startsWith('/') || isThisHost(host, splitAddress(address).name)
}

/** Decides whether a client that connects to one address reaches the server that listens on the other. */
function reaches(host: HostReader, to: string, at: string): boolean {
  if (to.startsWith('/') || at.startsWith('/')) return resolvedPath(host, to) === resolvedPath(host, at)
  return splitAddress(to).port === splitAddress(at).port && isLocal(host, to)
}

function splitAddress(address: string): { readonly name: string; readonly port: string } {
  const [, name = '', port = ''] = /^(?:(.*):)?(\d+)$/.exec(address) ?? []
  return { name, port }
}

function readOrEmpty(host: HostReader, path: string): string {
  return host.stat(path)?.kind === 'file' ? (host.readText(path) ?? '') : ''
}

/** Warns of a ZEO server that listens on the loopback address only, although hosts beside its own have clients. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { serverBlobs } from './blob_config.ts'

const props = z.strictObject({
  app: z.string().min(1).describe('Name of the app that is deployed'),
  server: absolutePath.describe('Directory of the release with the ZEO server'),
  clients: z.array(z.string().min(1)).describe('Names of the other hosts that have clients of this server'),
})
const state = z.strictObject({})

export const zeo_address = defineResource(
  {
    type: 'zeo_address',
    doc: 'Warns if the ZEO server of a release listens on the loopback address, and other hosts have clients of it: they could not connect.',
    examples: [{ app: 'zeoserver', server: '/srv/www/zeoserver/releases/000042-1a2b3c4d', clients: ['app1'] }],
    reach: 'paths',
    key: ({ app }) => app,
    props,
    state,
  },
  {
    read(host, { server, clients }, context) {
      const problem = loopbackProblem(host, server, clients)
      if (problem !== null) context.warn(`${problem.message} (${problem.remedy})`)
      return {}
    },
    desired: (_, now) => now,
    apply: () => undefined,
  },
)

export interface Problem {
  readonly message: string
  /** Advice for the operator, in the imperative. */
  readonly remedy: string
}

const longestList = 3

/** Returns why the clients of other hosts cannot connect, from the zeo.conf of a release; null if they can. */
export function loopbackProblem(host: HostReader, release: string, clients: readonly string[]): Problem | null {
  if (clients.length === 0) return null
  const file = `${release}/parts/zeoserver/etc/zeo.conf`
  const text = host.stat(file)?.kind === 'file' ? (host.readText(file) ?? '') : ''
  const address = serverBlobs(text)?.address ?? ''
  const port = loopbackPort(address)
  if (port === null) return null
  const more = clients.length - longestList
  const names = `${clients.slice(0, longestList).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return {
    message: `the ZEO server listens on ${address} only (${file}), so the clients of ${names} cannot connect`,
    remedy: `set "address = 0.0.0.0:${port}", or the private address of this host, in the part [zeoserver] of the buildout, and deploy`,
  }
}

/** Returns the port of an address on the loopback interface; null for any other address. */
function loopbackPort(address: string): string | null {
  const [, name = '', port = ''] = /^(.+):(\d+)$/.exec(address) ?? []
  return /^(localhost(\..*)?|127(\.\d+){3}|\[?::1\]?)$/i.test(name) ? port : null
}

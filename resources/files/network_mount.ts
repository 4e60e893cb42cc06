/** Requires that a directory is on a network file system that answers, as an attribute declares. */
import * as z from 'zod'
import { mountAnswer, silentAfter, unreachableMount } from '../../core/host/network_mounts.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isOnNetworkMount } from './mounts.ts'

const props = z.strictObject({
  attribute: z.string().min(1).describe('The attribute that requires the mount'),
  path: absolutePath.describe('A directory that several hosts share; links are followed'),
  account: z
    .string()
    .min(1)
    .optional()
    .describe('Account that must own the directory, which servers compare by number; default: no check'),
  hint: z.string().optional().describe('Instruction for the operator if it is not mounted'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  mounted: z.boolean(),
  answer: z.enum(['answers', 'silent', 'disconnected', 'missing']),
  /** Account that owns the directory, or its number; null: it does not exist, or no account is declared. */
  owner: z.string().nullable(),
})
type State = z.output<typeof state>

export const network_mount = defineResource(
  {
    type: 'network_mount',
    doc: 'Fails unless a directory is on a mounted network file system that answers, such as NFS or GlusterFS; it mounts nothing.',
    examples: [
      { attribute: 'plone_instances.nfs_blobs', path: '/srv/blobs' },
      { attribute: 'plone_instances.nfs_blobs', path: '/srv/blobs/blobstorage', account: 'deploy' },
    ],
    reach: 'paths',
    key: ({ attribute }) => attribute,
    props,
    state,
  },
  {
    async read(host, { path, account }): Promise<State> {
      const answer = await mountAnswer(host, path)
      // Any further look at the path would wait for the server as well.
      if (answer === 'silent' || answer === 'disconnected') return { mounted: true, answer, owner: null }
      const mounted = isOnNetworkMount(host, path)
      const owner = account === undefined || !mounted ? null : ownerOf(host, path)
      return { mounted, answer: account !== undefined && mounted && owner === null ? 'missing' : 'answers', owner }
    },
    desired(props, now): State {
      if (!now.mounted) throw notMounted(props)
      if (now.answer === 'silent' || now.answer === 'disconnected') throw unreachable(props, now.answer)
      const { account, path } = props
      if (now.answer === 'missing')
        throw new ConvergeError(`the mounted file system has no directory ${path}`, {
          code: 'NOT_MOUNTED',
          hint: `create it on the server of the mount, owned by the account ${account}`,
        })
      if (account !== undefined && now.owner !== account)
        throw new ConvergeError(`${path} on the mounted file system belongs to ${now.owner}, not to ${account}`, {
          code: 'WRONG_OWNER',
          hint: `give ${account} the same number on all hosts, which this shows: id -u ${account}; then chown the directory on the server`,
        })
      return now
    },
    apply: () => undefined,
  },
)

function ownerOf(host: HostReader, path: string): string | null {
  const uid = host.stat(path)?.uid
  return uid === undefined ? null : (host.accountById(uid)?.name ?? `uid ${uid}`)
}

function notMounted({ attribute, path, hint }: Props): ConvergeError {
  return new ConvergeError(`${attribute} is set, but no network file system is mounted at ${path}`, {
    code: 'NOT_MOUNTED',
    hint: hint ?? `mount it and add it to /etc/fstab, or set ${attribute} to false`,
  })
}

function unreachable({ attribute, path }: Props, answer: 'silent' | 'disconnected'): ConvergeError {
  const reason =
    answer === 'silent' ? `has not answered within ${silentAfter} seconds` : 'is not connected to its server'
  return unreachableMount(`${attribute} is set, but the file system mounted at ${path} ${reason}`)
}

/** Requires that a directory is on a network file system, as an attribute declares. */
import * as z from 'zod'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isOnNetworkMount } from './mounts.ts'

const props = z.strictObject({
  attribute: z.string().min(1).describe('The attribute that says so'),
  path: absolutePath.describe('A directory that several hosts share; links are followed'),
  hint: z.string().optional().describe('Instruction for the operator if it is not mounted'),
})

const state = z.strictObject({ mounted: z.boolean() })

export const network_mount = defineResource(
  {
    type: 'network_mount',
    doc: 'Fails unless a directory is on a mounted network file system, such as NFS or GlusterFS; it mounts nothing.',
    examples: [{ attribute: 'plone_instances.nfs_blobs', path: '/srv/blobs' }],
    reach: 'paths',
    key: ({ attribute }) => attribute,
    props,
    state,
  },
  {
    read: (host, { path }) => ({ mounted: isOnNetworkMount(host, path) }),
    desired({ attribute, path, hint }, now) {
      if (now.mounted) return now
      throw new ConvergeError(`${attribute} is true, but no network file system is mounted at ${path}`, {
        code: 'NOT_MOUNTED',
        hint: hint ?? `mount it and add it to /etc/fstab, or set ${attribute} to false`,
      })
    },
    apply: () => undefined,
  },
)

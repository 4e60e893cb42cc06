/** Generates a secret once and stores it in a file; it is never displayed. */
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { describeFileKind, inTheWay } from '../../core/model/file_errors.ts'
import { Unknown } from '../../core/model/reference.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { applyOwnership, desiredOwnership, ownershipProps, ownershipState, readOwnership } from './ownership.ts'

const state = z.strictObject({
  kind: z.enum(['absent', 'file', 'directory', 'link', 'other']),
  /** The secret itself; empty if there is none. */
  value: z.string(),
  ...ownershipState,
})
type State = z.output<typeof state>

const { owner, group } = ownershipProps
const privately = <P extends object>(props: P) => ({ ...props, mode: '0600' })

export const random_secret = defineResource(
  {
    type: 'random_secret',
    doc: 'Keeps a random secret in a file that only its owner may read. It is made once; an existing file is used as it is.',
    examples: [{ path: '/etc/haproxy/stats-password' }],
    reach: 'paths',
    key: ({ path }) => path,
    props: z.strictObject({
      path: absolutePath.describe('Path of the file; its directory must exist'),
      bytes: z
        .int()
        .min(16)
        .max(256)
        .default(18)
        .describe('Number of random bytes; default 18, which gives 24 characters'),
      owner,
      group,
    }),
    state,
  },
  {
    read(host, props, context): State {
      const stat = host.lstat(props.path)
      if (stat === null) return { kind: 'absent', value: '', mode: null, owner: null, group: null }
      const value = stat.kind === 'file' ? (host.readText(props.path) ?? '').trim() : ''
      context.secret(value)
      const kind = stat.kind === 'file' && value === '' ? 'absent' : stat.kind
      return { kind, value, ...readOwnership(host, privately(props), stat) }
    },
    desired(props, now): State {
      if (now.kind !== 'absent' && now.kind !== 'file')
        throw inTheWay(
          `${props.path} is ${describeFileKind(now.kind)}, but a file with a secret was declared`,
          props.path,
        )
      return { kind: 'file', value: now.value, ...desiredOwnership(privately(props)) }
    },
    apply(host, props, { now }) {
      if (now.value !== '') return applyOwnership(host, props.path, now, privately(props))
      host.writeFile(props.path, `${randomBytes(props.bytes).toString('base64url')}\n`, privately(props))
    },
    predict(host, props, { now }, { name }) {
      if (now.value === '') host.unknown(props.path, name)
    },
    outputs: ({ path }, { value }) => ({
      value: value === '' ? (new Unknown(`random_secret ${path}`) as unknown as string) : value,
    }),
    // Records of dependent resources must not contain its digest: a weak secret could be guessed from it.
    fingerprint: ({ path }, { value }) => (value === '' ? new Unknown(`random_secret ${path}`) : true),
    placeholders: () => ({ value: 'generated-once' }),
    paths: ({ path }) => [path],
  },
)

/** Manages one symbolic link, which is replaced atomically. */
import { posix } from 'node:path'
import * as z from 'zod'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath, systemText } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { shellWords } from '../../core/text/shell.ts'

const props = requiredUnlessAbsent(
  z.strictObject({
    path: absolutePath.describe('Path of the link; its directory must exist'),
    target: systemText
      .min(1)
      .optional()
      .describe('Target, absolute or relative to the directory of the link; it may be missing; required unless absent'),
    absent: z.boolean().optional().describe('Remove the link instead; default false'),
    owner: z
      .string()
      .min(1)
      .optional()
      .describe('Account that owns the link when it is made; default: the account of the run'),
    group: z
      .string()
      .min(1)
      .optional()
      .describe('Group that owns the link when it is made; default: the group of the run'),
  }),
  'target',
).refine(({ path, target }) => path !== target, { error: 'the link would point to itself', path: ['target'] })

const state = z.strictObject({
  kind: z.enum(['absent', 'link', 'file', 'directory', 'other']),
  target: z.string().nullable(),
})
type State = z.output<typeof state>

/**
 * Returns a hint for what is at the path. A directory may contain data that belongs at the link's target, such as
 * blobs.
 */
function blockedHint(props: { readonly path: string; readonly target?: string | undefined }, kind: string): string {
  const { path, target } = props
  const moveCommand = shellWords(['mv', path, `${path}.old`])
  if (kind !== 'directory' || target === undefined)
    return `check whether it is still needed, then move it away: ${moveCommand}`
  const targetPath = posix.resolve(posix.dirname(path), target)
  const copyCommand = shellWords(['cp', '-a', `${path}/.`, `${targetPath}/`])
  return `stop what writes there; if its data is still needed, copy it to the target of the link: ${copyCommand}; then move the directory away: ${moveCommand}`
}

const kindNames: Readonly<Record<string, string>> = {
  file: 'real file',
  directory: 'real directory',
  other: 'pipe, socket or device',
}

export const symlink = defineResource(
  {
    type: 'symlink',
    doc: 'Keeps a symbolic link at `path` that points to `target`. A change replaces it with rename(2), so that there is no moment without it.',
    mirrors: "Chef's link resource, symlink(7)",
    examples: [{ path: '/srv/site/current', target: '/srv/site/releases/42' }],
    reach: 'paths',
    key: (props) => props.path,
    props,
    state,
  },
  {
    read(host, { path }): State {
      const stat = host.lstat(path)
      if (stat === null) return { kind: 'absent', target: null }
      return { kind: stat.kind, target: stat.kind === 'link' ? host.readLink(path) : null }
    },
    desired(props, now): State {
      if (now.kind !== 'absent' && now.kind !== 'link')
        throw new ConvergeError(`${props.path} is a ${kindNames[now.kind] ?? now.kind}, not a link`, {
          code: 'IN_THE_WAY',
          hint: blockedHint(props, now.kind),
        })
      return props.absent ? { kind: 'absent', target: null } : { kind: 'link', target: props.target ?? '' }
    },
    paths: (props) => [props.path],
    words: (_, { now, desired }) => {
      if (desired.target === null) return 'removed'
      // A report shows both targets of a link that changes.
      return now.target === null ? `-> ${desired.target}` : ''
    },
    apply(host, { path, target, absent, owner, group }) {
      if (absent || target === undefined) host.remove(path)
      else host.replaceLink(path, target, { owner, group })
    },
  },
)

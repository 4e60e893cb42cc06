/** Marks a release complete: the last step of its build, and a requirement for the switch to it. */
import * as z from 'zod'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { writeDisposable } from '../../core/model/file_errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { metadataDirectory } from './releases.ts'

const props = z.strictObject({
  release: absolutePath.describe('Directory of the release, as git_release gives it'),
  owner: z.string().min(1).optional().describe('Account that owns the mark; default: that of the run'),
  group: z.string().min(1).optional().describe('Group that owns the mark; default: that of the run'),
})
type Props = z.output<typeof props>

const state = z.strictObject({ complete: z.boolean() })

export const release_complete = defineResource(
  {
    type: 'release_complete',
    doc: 'Marks a release complete once all of it is on the disk. Without the mark it never becomes current, and is no target of a rollback.',
    examples: [{ release: '/srv/www/site/releases/000042-1a2b3c4d', owner: 'deploy' }],
    reach: 'paths',
    key: ({ release }) => release,
    props,
    state,
  },
  {
    read: (host, { release }) => ({ complete: host.lstat(markPath(release)) !== null }),
    desired: () => ({ complete: true }),
    async apply(host, props) {
      requireRelease(host, props)
      // After a power cut, the mark must not exist without the files, which must reach the disk first.
      await host.run(['sync', '-f', props.release])
      writeMark(host, props)
    },
    words: () => 'complete',
    predict(host, props) {
      requireRelease(host, props)
      writeMark(host, props)
    },
  },
)

function markPath(release: string): string {
  return `${release}/${metadataDirectory}/complete`
}

function requireRelease(host: Host, { release }: Props): void {
  if (host.lstat(`${release}/${metadataDirectory}`)?.kind !== 'directory')
    throw new ConvergeError(`${release} is not a release: git_release did not create it`, {
      code: 'NO_SUCH_RELEASE',
      hint: 'declare git_release() first, and give its path',
    })
}

function writeMark(host: Host, { release, owner, group }: Props): void {
  const time = new Date(host.now() * 1000).toISOString()
  writeDisposable(host, markPath(release), `${time}\n`, { mode: '0644', owner, group })
}

/** Refuses a switch to a release that has failed its smoke test, until the release or the test changes. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isCurrentRelease } from '../commands/app_command.ts'
import { readFailure } from './failure_mark.ts'
import { trialDigest, trialProps } from './smoke_test.ts'

const props = z.strictObject({
  app: z.string().min(1).describe('Name of the app'),
  release: absolutePath.describe('Directory of the release, as git_release gives it'),
  current: absolutePath.describe('Link to the current release: that one is tried again'),
  ...trialProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** When and why the release failed this same test; null if it did not. */
  failed: z.strictObject({ time: z.string(), reason: z.string() }).nullable(),
})

function readSameFailure(host: HostReader, props: Props): z.output<typeof state>['failed'] {
  const failure = readFailure(host, props.release)
  if (failure === null || failure.test !== trialDigest(props)) return null
  if (isCurrentRelease(host, props.current, props.release)) return null
  return { time: failure.time, reason: failure.reason }
}

export const release_trial = defineResource(
  {
    type: 'release_trial',
    doc: 'Refuses a release that has failed its smoke test and is no longer current. Visitors do not get it again until the release or the test changes.',
    examples: [
      {
        app: 'site',
        release: '/srv/www/site/releases/000042-1a2b3c4d',
        current: '/srv/www/site/current',
        requests: [{ port: 8081, path: '/Plone' }],
      },
    ],
    reach: 'paths',
    key: ({ app }) => app,
    props,
    state,
  },
  {
    read: (host, props) => ({ failed: readSameFailure(host, props) }),
    desired({ app, release }, now) {
      if (now.failed === null) return now
      const id = release.slice(release.lastIndexOf('/') + 1)
      throw new ConvergeError(
        `${app}: release ${id} failed its smoke test on ${now.failed.time} and was not switched to again: ${now.failed.reason}`,
        {
          code: 'RELEASE_FAILED_BEFORE',
          hint: 'deploy another commit or configuration; if the cause was elsewhere and is gone, add --retry-failed',
        },
      )
    },
    apply: () => undefined,
  },
)

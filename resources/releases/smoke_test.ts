/** Tests a deployed release with commands and HTTP requests; after a failure the run can roll back. */
import * as z from 'zod'
import type { Host } from '../../core/host/types.ts'
import { askPastCaches, cachedProblem, uncachedHeaders } from '../../core/model/cached_answer.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { isMaintenancePage, testHeader, testHeaderValue } from '../../core/model/test_request.ts'
import { absolutePath, Duration, duration, seconds } from '../../core/model/units.ts'
import { appCommandProps, commandProp, deployVariables, refuseRoot, runAppCommand } from '../commands/app_command.ts'
import { reachOfAccount } from '../reach.ts'
import { Deadline } from '../services/deadline.ts'
import { httpReadyProp } from '../services/readiness/ready_props.ts'
import { markFailed, removeFailedMark } from './failure_mark.ts'

const request = httpReadyProp.omit({ kind: true, warmPaths: true }).extend({
  contains: z.string().min(1).optional().describe('Text that the answer must contain'),
})
type Request = z.output<typeof request>

/** The tests that a release must pass. */
export const trialProps = {
  commands: z.array(commandProp).default([]).describe('Commands that must succeed, one after the other'),
  requests: z.array(request).default([]).describe('Requests that must be answered with the given status and text'),
  deadline: duration
    .default(() => seconds(60))
    .describe('How long the requests are tried again, and each command may take; default 60 s'),
}

/** Returns the digest of a test: a release that failed one test may pass another. */
export function trialDigest({ commands, requests, deadline }: z.output<z.ZodObject<typeof trialProps>>): string {
  return digestOf([requests, commands, deadline.ms])
}

const { timeout: _, ...appProps } = appCommandProps
const props = z.strictObject({
  ...trialProps,
  commit: z.string().optional().describe('What CONVERGE_COMMIT says; default: nothing'),
  rollback: z
    .boolean()
    .default(false)
    .describe('Roll back to the previous release at once after a failure; default false'),
  live: absolutePath
    .optional()
    .describe('The release that was current before this run: if it is the tested one, a failure causes no rollback'),
  ...appProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({ passedFor: z.string().nullable() })

const recordKey = ({ app }: Props) => `smoke_test ${app}`
/**
 * Returns the record during a test: if the test is interrupted, the next run still treats the release as newly
 * deployed.
 */
const trialMark = ({ directory }: Props) => `begun in ${directory}`

async function runTests(host: Host, props: Props, context: Context): Promise<void> {
  const deadline = new Deadline(host, props.deadline)
  for (const one of props.requests) await waitForResponse(host, one, deadline, context)
  for (const command of props.commands) {
    context.progress(typeof command === 'string' ? command : command.join(' '))
    const environment = deployVariables(props, 'smoke_test')
    await runAppCommand(host, { ...props, timeout: props.deadline }, command, { onLine: context.progress, environment })
  }
}

async function waitForResponse(host: Host, request: Request, deadline: Deadline, context: Context): Promise<void> {
  const url = `http://${request.host}:${request.port}${request.path}`
  context.progress(url)
  for (;;) {
    const problem = await responseProblem(host, request, deadline.left, context)
    if (problem === null) return
    if (!(await deadline.pause()))
      throw new ConvergeError(`${url}: ${problem}, for ${deadline.limit}`, { code: 'SMOKE_TEST_FAILED' })
  }
}

/** The bytes of a page that are searched for the text. */
const enoughOfPage = 8 * 1024 * 1024

/** The header that lets the request pass the maintenance page of this host. */
const ownHeader = { [testHeader]: testHeaderValue }

async function responseProblem(host: Host, request: Request, left: number, context: Context): Promise<string | null> {
  const { statusMin, statusMax, contains, host: at, port, path, headers } = request
  try {
    const timeout = new Duration(Math.max(1000, Math.min(left, 10_000)))
    const sent = { ...uncachedHeaders, ...ownHeader, ...headers }
    const requestOptions = { host: at, port, headers: sent, timeout, enough: enoughOfPage }
    const { answer, cached } = await askPastCaches(path, (path) => host.request({ ...requestOptions, path }))
    if (cached !== null) return cachedProblem(cached)
    const { status, body } = answer
    // The web server of another host does not accept the header of this host.
    if (isMaintenancePage(answer) && (status < statusMin || status > statusMax)) {
      context.warn(
        `http://${at}:${port}${path} is closed for maintenance: the app was not tested there (end the maintenance, and request that page)`,
      )
      return null
    }
    if (status < statusMin || status > statusMax) return `it answered with HTTP status ${status}`
    return contains === undefined || body.includes(contains) ? null : `its answer does not contain '${contains}'`
  } catch (error) {
    return asConvergeError(error).message
  }
}

function failureError({ app, rollback }: Props, error: ConvergeError, fresh: boolean): ConvergeError {
  const rollsBack = rollback && fresh
  return new ConvergeError(`${app} did not pass its smoke test: ${error.message}`, {
    code: 'SMOKE_TEST_FAILED',
    output: error.output,
    hint: error.hint ?? (rollsBack ? undefined : 'correct the app and deploy again, or roll back'),
    ...(rollsBack ? { recovery: 'rollback' } : {}),
    cause: error,
  })
}

export const smoke_test = defineResource(
  {
    type: 'smoke_test',
    doc: 'Tries out what was deployed when what `when` lists has changed: requests first, then commands. Until it has passed, each run tries again.',
    examples: [
      {
        app: 'site',
        directory: '/srv/www/site/releases/000042-1a2b3c4d',
        requests: [{ port: 8081, path: '/Plone', contains: 'Welcome' }],
        commands: [['bin/smoke', '--quick']],
        user: 'deploy',
        rollback: true,
      },
    ],
    reach: reachOfAccount,
    key: ({ app }) => app,
    props,
    state,
    when: 'cause',
  },
  {
    read: (host, props) => ({ passedFor: host.recorded(recordKey(props)) }),
    desired: ({ requests, commands }, _, { cause }) => ({ passedFor: digestOf([cause, requests, commands]) }),
    async apply(host, props, { desired }, context) {
      const fresh = props.live !== props.directory || host.recorded(recordKey(props)) === trialMark(props)
      if (fresh) host.record(recordKey(props), trialMark(props))
      try {
        if (props.commands.length > 0) refuseRoot(host, props, 'the smoke test')
        await runTests(host, props, context)
      } catch (thrown) {
        const error = asConvergeError(thrown)
        const { directory, user: owner, group } = props
        markFailed(host, directory, { test: trialDigest(props), reason: error.message }, { owner, group })
        throw failureError(props, error, fresh)
      }
      removeFailedMark(host, props.directory)
      host.record(recordKey(props), desired.passedFor ?? '')
    },
    words: () => 'try it out',
    recovery: ({ rollback }) => (rollback ? 'rollback' : undefined),
    predict(host, props, { desired }) {
      if (props.commands.length > 0) refuseRoot(host, props, 'the smoke test')
      host.record(recordKey(props), desired.passedFor ?? '')
    },
  },
)

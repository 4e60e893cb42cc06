/** Runs `converge deploy --console`: starts a deployment in a console, and prints it to its end. */
import { addEvents, emptyView, type LogLine, type RolloutEvent } from '../../console/browser/rollout_model.ts'
import { readInputFile } from '../../host/input_file.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import { oneLine } from '../../report/printable.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print, printJson, useColor } from '../print.ts'
import { usage } from '../usage.ts'
import { ConsoleClient, consoleUrl } from './client.ts'

/** The part of a deployment that this command reads. */
interface Deployment {
  readonly id: number
  readonly state: string
  readonly reason: string | null
}

export async function deployByConsole(args: Arguments, secrets: Secrets): Promise<ExitStatus> {
  const url = consoleUrl(args.console ?? '')
  const token = readToken(args)
  secrets.add(token)
  const isJson = args.jsonOutput === true
  const color = args.color ?? useColor(process.stdout)
  const printLine = (text: string) => {
    if (!isJson) print(`${secrets.mask(text)}\n`, color)
  }
  const client = new ConsoleClient({ url, token, onLost: (reason) => printLine(`${oneLine(reason)}; trying again`) })
  const stack = args.stack ?? (await onlyStack(client, url))
  const { id } = await client.post<Deployment>(`/api/stacks/${encodeURIComponent(stack)}/deployments`, request(args))
  const page = `${url.origin}/#/deployment/${id}`
  printLine(`deployment ${id} of ${oneLine(stack)}: ${page}`)
  if (args.follow === false) {
    if (isJson) printJson({ event: 'requested', deployment: id, page })
    return 0
  }
  return follow(client, { id, page, isJson, printLine })
}

interface FollowedDeployment {
  readonly id: number
  readonly page: string
  readonly isJson: boolean
  readonly printLine: (text: string) => void
}

async function follow(
  client: ConsoleClient,
  { id, page, isJson, printLine: say }: FollowedDeployment,
): Promise<ExitStatus> {
  let deployment: Deployment = { id, state: '', reason: null }
  let view = emptyView
  for await (const { kind, data } of client.events(id)) {
    if (kind === 'state') {
      const before = deployment
      deployment = JSON.parse(data) as Deployment
      if (isJson) printJson({ event: 'state', deployment })
      else if (before.state !== deployment.state || before.reason !== deployment.reason) say(stateLine(deployment))
    } else if (kind === 'message') {
      const event = JSON.parse(data) as RolloutEvent
      if (isJson) printJson(event)
      const update = addEvents(view, [event])
      view = update.view
      for (const line of update.lines) say(logLine(line))
    }
  }
  if (deployment.state === 'succeeded') return 0
  throw new ConvergeError(`deployment ${id} ${describeEnd(deployment)}`, {
    code: 'DEPLOYMENT_FAILED',
    hint: `see ${page}`,
  })
}

function stateLine({ state, reason }: Deployment): string {
  return reason === null ? state : `${state}: ${oneLine(reason)}`
}

function describeEnd({ state, reason }: Deployment): string {
  const how = { failed: 'failed', 'rolled back': 'failed and was rolled back' }[state] ?? `was ${state}`
  return reason === null ? how : `${how}: ${oneLine(reason)}`
}

function logLine({ host, text, kind }: LogLine): string {
  const words = [host, kind === 'warning' ? 'warning' : undefined].flatMap((word) => word ?? [])
  return oneLine([...words.map((word) => `${word}:`), text].join(' '))
}

/** Returns the request as the API takes it; the console checks the values. */
function request(args: Arguments): object {
  const { app, layer, host, revision, strategy, batch, maxFailures, rollbackOnFailure, comment } = args
  return {
    action: 'deploy',
    automatic: true,
    apps: app ?? [],
    layers: layer ?? [],
    hosts: host ?? [],
    revision,
    strategy,
    batch,
    maxFailures,
    rollbackOnFailure,
    comment,
  }
}

/**
 * Returns the stack of the token.
 * @throws USAGE if there are several, or none
 */
async function onlyStack(client: ConsoleClient, url: URL): Promise<string> {
  const stacks = await client.get<readonly { readonly name: string }[]>('/api/stacks')
  const [first, ...others] = stacks.map(({ name }) => name)
  if (first !== undefined && others.length === 0) return first
  throw usage(
    first === undefined
      ? `the token permits no stack of ${url.origin}`
      : `--stack is missing: the token permits ${[first, ...others].map(oneLine).join(', ')}`,
    'name the stack of the console with --stack NAME',
  )
}

/**
 * Reads the token.
 * @throws USAGE if there is none, or one that a header cannot contain
 */
function readToken({ tokenFile }: Arguments): string {
  const text = tokenFile === undefined ? process.env.CONVERGE_TOKEN : readInputFile(tokenFile).toString()
  const token = text?.trim() ?? ''
  const origin = tokenFile === undefined ? 'the environment variable CONVERGE_TOKEN' : `the file ${tokenFile}`
  if (token === '')
    throw usage(
      tokenFile === undefined ? 'there is no token' : `${origin} is empty`,
      'make a token in the console, and set CONVERGE_TOKEN or name a file with --token-file',
    )
  if (!/^[\x21-\x7e]+$/.test(token))
    throw usage(
      `${origin} contains no token: it has spaces or other characters that tokens do not have`,
      'copy the token again',
    )
  return token
}

/** Runs `converge stack hooks install|remove|show`: has the schedulers of the hosts call their lifecycle events. */
import pLimit from 'p-limit'
import { loadState } from '../../fleet/records/stack_state.ts'
import { recordedOnline } from '../../fleet/rollout/online_hosts.ts'
import { oneLine } from '../../fleet/screen/text.ts'
import { nodeDocuments } from '../../fleet/stack/documents.ts'
import type { FleetEvent } from '../../fleet/types.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { HookView } from '../catalogue.ts'
import { timeOf } from '../hooks.ts'
import { author } from '../inputs.ts'
import type { Arguments } from '../options.ts'
import { print, printError, printJson } from '../print.ts'
import type { ExitStatus } from '../process.ts'
import type { StackCall } from './call.ts'
import { fleetHosts } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { howMany } from './request.ts'
import { rolloutOf } from './rollout.ts'
import { placed, selected } from './select.ts'
import { stateDirectoryOf } from './state_directory.ts'

const words = ['install', 'remove', 'show']

export async function hooks<N>(call: StackCall<N>): Promise<ExitStatus> {
  const { args } = call
  const { name = '', interval, jitter } = args
  if (!words.includes(name))
    throw new ConvergeError(
      name === '' ? 'missing argument: install, remove or show' : `unknown hooks action ${name}`,
      {
        code: 'USAGE',
        hint: nearest(name, words) ?? 'converge stack hooks install, remove or show',
        usage: true,
      },
    )
  checkRhythm(name, { interval, jitter })
  if (name === 'show') return show(call)
  if (args.dryRun) return rolloutOf('plan')({ ...call, args: { ...args, event: [`hooks_${name}`] } })
  return rolloutOf('hooks')(call)
}

function checkRhythm(word: string, times: Pick<Arguments, 'interval' | 'jitter'>): void {
  for (const [option, text] of Object.entries(times)) {
    if (text === undefined) continue
    if (word !== 'install')
      throw new ConvergeError(`--${option} does not apply to hooks ${word}`, {
        code: 'USAGE',
        hint: `converge stack hooks install --${option} ${text}`,
        usage: true,
      })
    timeOf(option, text, option === 'interval' ? 1 : 0)
  }
}

interface Seen {
  readonly host: string
  readonly hooks?: readonly HookView[]
  readonly error?: ConvergeError
}

/** Shows the hooks of the hosts, without locking a host or recording anything. */
async function show<N>(call: StackCall<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const inputs = await stackInputs(call)
  const { stack } = inputs
  const online = recordedOnline(stack, loadState(stateDirectoryOf(stack)))
  const hosts = placed(stack, () => ({ apps: [], events: new Set<string>(), migrating: [] }))
  const names = selected(stack, hosts, args)
  const members = await fleetHosts(call, inputs, {
    hosts: hosts.filter(({ name }) => names.has(name)),
    tell: (event) => warn(secrets.maskDeep(event)),
    screen: { pause: () => undefined, resume: () => undefined },
    rollout: `look-hooks-${process.pid}-${Date.now().toString(36)}`,
    by: author(),
  })
  const limit = pLimit(howMany(args.parallel))
  const seen = await limit.map(members, async ({ name, roles, client }): Promise<Seen> => {
    try {
      await client.connect(false)
      const said = await client.query('hooks', { roles, documents: nodeDocuments(stack, name, { online }) })
      return { host: name, hooks: hooksIn(said) }
    } catch (thrown) {
      return { host: name, error: asConvergeError(thrown) }
    } finally {
      client.close()
    }
  })
  const shown = secrets.maskDeep(seen.map(({ host, hooks, error }) => ({ host, hooks, error: error?.toJSON() })))
  if (args.jsonOutput) printJson(shown, 2)
  else print(secrets.mask(seen.flatMap(lines).join('')))
  return seen.every(({ hooks }) => hooks?.every(({ installed }) => installed)) ? 0 : 1
}

/** @throws REMOTE_FAILED if the host's answer is no list of hooks */
function hooksIn(said: unknown): readonly HookView[] {
  const hooks = (said as { readonly hooks?: unknown } | null)?.hooks
  const isHook = (one: unknown) => {
    const { name, installed, detail } = (one ?? {}) as Partial<Record<keyof HookView, unknown>>
    return typeof name === 'string' && typeof installed === 'boolean' && typeof detail === 'string'
  }
  if (Array.isArray(hooks) && hooks.every(isHook)) return hooks as readonly HookView[]
  throw new ConvergeError('the answer of the host to converge hooks show is not a list of hooks', {
    code: 'REMOTE_FAILED',
  })
}

function lines({ host, hooks = [], error }: Seen): string[] {
  if (error)
    return [`${host}  failed     ${oneLine(error.message)}${error.hint ? `\n  hint: ${oneLine(error.hint)}` : ''}\n`]
  return hooks.map(
    ({ name, installed, detail }) =>
      `${host}  ${installed ? 'installed' : 'absent   '}  ${oneLine(name)}${installed ? `  ${oneLine(detail)}` : ''}\n`,
  )
}

function warn(event: FleetEvent): void {
  if (event.event === 'warning' || event.event === 'note') printError(`${event.event}: ${oneLine(event.message)}\n`)
}

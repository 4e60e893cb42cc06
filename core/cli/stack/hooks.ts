/** Runs `converge stack hooks install|remove|show`: the hooks on the hosts that run their lifecycle events. */
import pLimit from 'p-limit'
import { loadState } from '../../fleet/records/stack_state.ts'
import { recordedOnline } from '../../fleet/rollout/state/online_hosts.ts'
import { oneLine } from '../../fleet/screen/text.ts'
import { nodeDocuments } from '../../fleet/stack/documents.ts'
import type { FleetEvent } from '../../fleet/types.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { HookView } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import { scheduleSeconds } from '../commands/hooks.ts'
import type { ExitStatus } from '../exit_status.ts'
import { author } from '../inputs/read_inputs.ts'
import { print, printError, printJson } from '../print.ts'
import { fleetHosts } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { rolloutOf } from './rollout.ts'
import { parallelHosts } from './rollout_request.ts'
import { selectableHosts, selectHostNames } from './select.ts'
import type { StackCommand } from './stack_command.ts'
import { stateDirectoryOf } from './state_directory.ts'

const actions = ['install', 'remove', 'show']

export async function hooks<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args } = call
  const { argument: action = '', interval, jitter } = args
  if (!actions.includes(action))
    throw new ConvergeError(
      action === '' ? 'missing argument: install, remove or show' : `unknown hooks action ${action}`,
      {
        code: 'USAGE',
        hint: nearest(action, actions) ?? 'converge stack hooks install, remove or show',
        usage: true,
      },
    )
  checkSchedule(action, { interval, jitter })
  if (action === 'show') return show(call)
  if (args.dryRun) return rolloutOf('plan')({ ...call, args: { ...args, event: [`hooks_${action}`] } })
  return rolloutOf('hooks')(call)
}

function checkSchedule(action: string, times: Pick<Arguments, 'interval' | 'jitter'>): void {
  for (const [option, text] of Object.entries(times)) {
    if (text === undefined) continue
    if (action !== 'install')
      throw new ConvergeError(`--${option} does not apply to hooks ${action}`, {
        code: 'USAGE',
        hint: `converge stack hooks install --${option} ${text}`,
        usage: true,
      })
    scheduleSeconds(option, text, option === 'interval' ? 1 : 0)
  }
}

interface HostHooks {
  readonly host: string
  readonly hooks?: readonly HookView[]
  readonly error?: ConvergeError
}

/** Shows the hooks of the hosts, without locking a host or recording anything. */
async function show<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const inputs = await stackInputs(call)
  const { stack } = inputs
  const online = recordedOnline(stack, loadState(stateDirectoryOf(stack)))
  const hosts = selectableHosts(stack, () => ({ apps: [], events: new Set<string>(), appsToMigrate: [] }))
  const names = selectHostNames(stack, hosts, args)
  const selectedHosts = await fleetHosts(call, inputs, {
    hosts: hosts.filter(({ name }) => names.has(name)),
    emit: (event) => warn(secrets.maskDeep(event)),
    screen: { pause: () => undefined, resume: () => undefined },
    rollout: `look-hooks-${process.pid}-${Date.now().toString(36)}`,
    by: author(),
  })
  const limit = pLimit(parallelHosts(args))
  const results = await limit.map(selectedHosts, async ({ name, roles, client }): Promise<HostHooks> => {
    try {
      await client.connect(false)
      const answer = await client.query('hooks', { roles, documents: nodeDocuments(stack, name, { online }) })
      return { host: name, hooks: hooksIn(answer) }
    } catch (thrown) {
      return { host: name, error: asConvergeError(thrown) }
    } finally {
      client.close()
    }
  })
  const shown = secrets.maskDeep(results.map(({ host, hooks, error }) => ({ host, hooks, error: error?.toJSON() })))
  if (args.jsonOutput) printJson(shown, 2)
  else print(secrets.mask(results.flatMap(hostLines).join('')))
  return results.every(({ hooks }) => hooks?.every(({ installed }) => installed)) ? 0 : 1
}

/** @throws REMOTE_FAILED if the host's answer is no list of hooks */
function hooksIn(answer: unknown): readonly HookView[] {
  const hooks = (answer as { readonly hooks?: unknown } | null)?.hooks
  const isHook = (one: unknown) => {
    const { name, installed, detail } = (one ?? {}) as Partial<Record<keyof HookView, unknown>>
    return typeof name === 'string' && typeof installed === 'boolean' && typeof detail === 'string'
  }
  if (Array.isArray(hooks) && hooks.every(isHook)) return hooks as readonly HookView[]
  throw new ConvergeError('the answer of the host to converge hooks show is not a list of hooks', {
    code: 'REMOTE_FAILED',
  })
}

function hostLines({ host, hooks = [], error }: HostHooks): string[] {
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

/** Restarts services one after the other for what changed, each ready before the next; a restart that is due stays due. */
import * as z from 'zod'
import type { Host, HostReader } from '../core/host/types.ts'
import { ConvergeError } from '../core/model/errors.ts'
import { digestOf, sameJson } from '../core/model/json.ts'
import { type Context, defineResource } from '../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../core/model/units.ts'
import { placeOf, recordOf } from './services/due.ts'
import { managerOf, readerOf } from './services/manager.ts'
import { Roll } from './services/roll.ts'
import { nameProp, providerProp, readyProp, serviceStates } from './services/types.ts'

const service = z.strictObject({
  name: nameProp.describe('Name of the program or unit'),
  configuration: z
    .string()
    .optional()
    .describe('Digest of what only this one depends on, such as `program.digest`; it is restarted when that changes'),
  ready: readyProp.optional().describe('How it shows that it is ready; default: running is enough'),
  log: absolutePath.optional().describe('Log whose end is shown when it fails; default: what its manager keeps'),
  delay: duration.optional().describe('Pause before this one, instead of the `delay` of all'),
})

const props = z
  .strictObject({
    services: z.array(service).min(1).describe('In the order they are restarted in'),
    provider: providerProp
      .default({ kind: 'systemd' })
      .describe('What keeps them running; default: systemd, or init scripts where no systemd runs'),
    delay: duration
      .default(() => seconds(0))
      .describe('Pause between two restarts of services that were running; default 0. Cookbook: restart_delay'),
    deadline: duration
      .default(() => seconds(120))
      .describe('How long each may take to stop, start and become ready; default 120 s'),
    force: z
      .string()
      .min(1)
      .optional()
      .describe('Names one command that restarts all regardless of changes: each is restarted once for each name'),
  })
  .refine(({ services }) => new Set(services.map(({ name }) => name)).size === services.length, {
    error: 'each service once',
    path: ['services'],
  })
type Props = z.output<typeof props>
type Service = z.output<typeof service>

const state = z.record(
  z.string(),
  z.strictObject({
    state: z.enum(serviceStates),
    /** Digest of what it was last restarted for; null: never, as far as is known here. */
    restartedFor: z.string().nullable(),
  }),
)
type State = z.output<typeof state>

/** A forced restart is counted apart: else the next ordinary run would restart everything to count it as its own. */
function recordKey({ force, provider }: Props, name: string, context: Context): string {
  if (force !== undefined) return `forced restart ${placeOf(provider, name)}`
  return recordOf('restart', provider, name, context)
}

function dueFor(given: Props, { configuration }: Service, { cause }: Context): string {
  return given.force ?? digestOf([cause, configuration ?? null])
}

async function read(host: HostReader, given: Props, context: Context): Promise<State> {
  const reader = readerOf(host, given.provider)
  const found: State = {}
  for (const { name } of given.services)
    found[name] = {
      state: (await reader.status(name)).state,
      restartedFor: host.recorded(recordKey(given, name, context)),
    }
  return found
}

function desired(given: Props, context: Context): State {
  return Object.fromEntries(
    given.services.map((one) => [one.name, { state: 'running' as const, restartedFor: dueFor(given, one, context) }]),
  )
}

function recordDone(host: Host, given: Props, one: Service, context: Context): void {
  host.record(recordKey(given, one.name, context), dueFor(given, one, context))
}

async function restartAll(host: Host, given: Props, context: Context): Promise<void> {
  const manager = managerOf(host, given.provider)
  await manager.refresh()
  // Looked at anew: in a further try some of them are done.
  const [now, wanted] = [await read(host, given, context), desired(given, context)]
  const due = given.services.filter(({ name }) => !sameJson(now[name], wanted[name]))
  const roll = new Roll(host, manager, given.deadline, context)
  let restarted = 0
  for (const [index, one] of due.entries()) {
    const wasRunning = now[one.name]?.state === 'running'
    if (wasRunning && restarted > 0) await wait(host, given, one, context)
    context.progress(`${wasRunning ? 'restarting' : 'starting'} ${one.name} (${index + 1} of ${due.length})`)
    try {
      await roll.restart(one)
    } catch (error) {
      throw told(error, due, index, now)
    }
    recordDone(host, given, one, context)
    if (wasRunning) restarted++
  }
}

async function wait(host: Host, given: Props, one: Service, context: Context): Promise<void> {
  const delay = one.delay ?? given.delay
  if (delay.ms === 0) return
  context.progress(`waiting ${delay} before ${one.name}`)
  await host.sleep(delay)
}

/** The failure of one, told with what it means for the others. */
function told(error: unknown, due: readonly Service[], index: number, now: State): unknown {
  if (!(error instanceof ConvergeError)) return error
  const names = (from: readonly Service[]) => from.map(({ name }) => name).join(', ')
  const rest = due.slice(index + 1)
  const isUp = ({ name }: Service) => now[name]?.state === 'running'
  const parts = [
    ['restarted before it', due.slice(0, index)],
    ['left on the old process', rest.filter(isUp)],
    ['not started', rest.filter((one) => !isUp(one))],
  ] as const
  const outcome = parts.filter(([, some]) => some.length > 0).map(([word, some]) => `; ${word}: ${names(some)}`)
  const { code, hint, output, message } = error
  const again = `mend it, then run again: it goes on with ${due[index]?.name}`
  return new ConvergeError(`${message}${outcome.join('')}`, {
    code,
    output,
    hint: hint === undefined ? again : `${hint}; ${again}`,
    cause: error,
  })
}

export const service_restart = defineResource(
  {
    type: 'service_restart',
    doc: 'Keeps services running, and restarts them one at a time when what `when` lists has changed since they were last restarted. The next is touched only when the one before answers; the first that does not come up ends it.',
    mirrors: 'supervisorctl restart, systemctl restart',
    examples: [
      {
        services: [
          { name: 'site-client1', ready: { port: 8081, warmPaths: ['/news'] } },
          { name: 'site-client2', ready: { port: 8082 } },
        ],
        provider: { kind: 'supervisor' as const },
        delay: seconds(5),
      },
      { services: [{ name: 'varnish' }], provider: { kind: 'systemd' as const } },
    ],
    key: ({ services }) => services.map(({ name }) => name).join(' '),
    props,
    state,
    readsAhead: true,
    when: 'cause',
  },
  {
    read,
    desired: (given, _, context): State => desired(given, context),
    apply: (host, given, _, context) => restartAll(host, given, context),
    words: ({ services }, { now, desired }) => {
      const due = services.filter(({ name }) => !sameJson(now[name], desired[name]))
      const names = (up: boolean) =>
        due.filter(({ name }) => (now[name]?.state === 'running') === up).map(({ name }) => name)
      const parts = [
        ['restart', names(true)],
        ['start', names(false)],
      ] as const
      return parts.flatMap(([word, some]) => (some.length > 0 ? [`${word} ${some.join(', ')}`] : [])).join('; ')
    },
    predict(host, given, change, context) {
      for (const one of given.services)
        if (!sameJson(change.now[one.name], change.desired[one.name])) recordDone(host, given, one, context)
    },
  },
)

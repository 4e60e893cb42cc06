/** Defines a resource type for tests of the engine: a value stored in a file, with faults on demand. */
import { z } from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'

const props = z.strictObject({
  name: z.string(),
  value: z.string().optional(),
  list: z.array(z.string()).optional(),
})

export interface Faults {
  /** Called before each apply with its number, counted from 1; an error that it throws is the failure. */
  readonly apply?: (count: number, context: Context, host: Host) => void | Promise<void>
  readonly read?: (host: HostReader, context: Context, name: string) => void | Promise<void>
  /** Whether the resource reports changes that it did not make. */
  readonly appliesNothing?: boolean
  readonly readsAhead?: boolean
  readonly when?: 'gate' | 'cause'
}

const state = z.strictObject({ value: z.string().nullable(), cause: z.string().nullable() })
type State = z.output<typeof state>

/** Makes a new type at each call, so that tests do not share their faults. */
export function probe(faults: Faults = {}, type = 'probe') {
  let count = 0
  return defineResource(
    {
      type,
      doc: 'A value kept in a file.',
      examples: [{ name: 'a', value: 'x' }],
      key: (props) => props.name,
      props,
      state,
      readsAhead: faults.readsAhead,
      when: faults.when,
    },
    {
      read(host, { name }, context): State | Promise<State> {
        const found = (): State => ({
          value: host.readText(`/srv/${name}`),
          cause: faults.when === 'cause' ? host.recorded(`probe ${name}`) : null,
        })
        const first = faults.read?.(host, context, name)
        return first instanceof Promise ? first.then(found) : found()
      },
      desired: ({ value, list }, _, { cause }): State => ({
        value: value ?? list?.join(' ') ?? '',
        cause: faults.when === 'cause' ? cause : null,
      }),
      async apply(host, { name }, { desired }, context) {
        count++
        await faults.apply?.(count, context, host)
        if (faults.appliesNothing) return
        host.writeFile(`/srv/${name}`, desired.value ?? '')
        if (faults.when === 'cause' && desired.cause !== null) host.record(`probe ${name}`, desired.cause)
      },
      outputs: ({ name }, { value }): { path: string; value: string } => ({ path: `/srv/${name}`, value: value ?? '' }),
      paths: ({ name }) => [typeof name === 'string' ? `/srv/${name}` : null],
    },
  )
}

export function fault(message = 'it broke', code = 'BROKEN'): ConvergeError {
  return new ConvergeError(message, { code })
}

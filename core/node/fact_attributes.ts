/** Defines the facts that attributes may state as well, and makes the facts the lowest layer of attributes. */
import * as z from 'zod'
import { isPrivateAddress } from '../text/private_address.ts'
import type { Address, Facts } from './facts.ts'

/** Facts that attributes may state as well, as the node JSON of Chef does: a stated value takes precedence. */
export interface FactAttributes {
  readonly cpu: { readonly total: number }
  readonly memory: { readonly total: number }
  readonly hostname: string
  readonly fqdn: string | null
}

/** Chef writes memory as `4053280kB`. */
const bytesOf = (value: unknown): unknown => {
  const found = typeof value === 'string' ? /^\s*(\d{1,15})\s*(kB)?\s*$/.exec(value) : null
  return found === null ? value : Number(found[1]) * (found[2] === undefined ? 1 : 1024)
}

const numberOf = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value

function noted<S extends z.ZodType>(schema: S, description: string, more: Record<string, unknown> = {}): S {
  z.globalRegistry.add(schema, { description, cookbook: null, ...more })
  return schema
}

function open<T extends z.ZodRawShape>(shape: T, description: string) {
  return noted(z.looseObject(shape), description, { open: true })
}

const makers = {
  cpu: () =>
    open(
      {
        total: noted(
          z.preprocess(numberOf, z.int().min(1)).optional(),
          'CPUs of the host; default: those that the system has.',
        ),
      },
      'Processors of the host.',
    ),
  memory: () =>
    open(
      {
        total: noted(
          z.preprocess(bytesOf, z.number().min(0)).optional(),
          'Memory of the host; default: that of the system.',
          {
            unit: 'bytes',
          },
        ),
      },
      'Memory of the host.',
    ),
  hostname: () => noted(z.string().min(1), 'Short name of the host; default: that of the system.'),
  fqdn: () => noted(z.nullable(z.string()), 'Full name of the host; null if it is unknown.'),
}

const schemas = new Map<string, z.ZodType>()

/** Returns the schema of a fact that attributes may state, and creates it the first time; undefined for other keys. */
export function factSchema(key: string): z.ZodType | undefined {
  if (!Object.hasOwn(makers, key)) return undefined
  const schema = schemas.get(key) ?? makers[key as keyof typeof makers]()
  schemas.set(key, schema)
  return schema
}

export const factKeys: readonly string[] = Object.keys(makers)

/**
 * Returns the facts as the lowest layer of attributes. If the JSON has no `opsworks.instance`, this host is put there. If it has one,
 * nothing is added to it, because it may describe another host.
 *
 * @param instance name of this host for `opsworks.instance`, or null where the JSON has one
 */
export function factLayer(facts: Facts, instance: string | null): Readonly<Record<string, unknown>> {
  const stated = { cpu: facts.cpu, memory: facts.memory, hostname: facts.hostname, fqdn: facts.fqdn }
  if (instance === null) return stated
  const name = instance === facts.hostname ? (facts.fqdn ?? instance) : instance
  const address = privateAddress(facts.addresses)
  return {
    ...stated,
    opsworks: { instance: { hostname: instance, private_ip: address, private_dns_name: name, layers: [] } },
  }
}

/** Returns the address at which other hosts of a private network reach this host; a public one only if there is no other. */
function privateAddress(addresses: readonly Address[]): string {
  const usable = addresses.filter(({ internal, address }) => !internal && !linkLocal.test(address))
  const ipv4 = usable.filter(({ family }) => family === 'IPv4')
  const isPrivate = ({ address }: Address) => isPrivateAddress(address)
  const [first = ipv4[0] ?? usable.find(isPrivate) ?? usable[0]] = ipv4.filter(isPrivate)
  return first?.address ?? '127.0.0.1'
}

const linkLocal = /^(?:169\.254\.|fe[89ab])/i

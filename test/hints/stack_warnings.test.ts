/** Proves the hints of the warnings about a stack, which do not stop a command: triggers each, then follows it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadStack } from '../../core/fleet/stack/load.ts'
import { type Arrow, missingAnswers, portClashes, type Service } from '../../core/fleet/stack/services.ts'
import { scratch } from '../support/machine.ts'
import type { Proof } from '../support/proofs.ts'

interface WarningProof extends Proof {
  readonly broken: () => Promise<readonly (string | undefined)[]>
  readonly repaired: () => Promise<readonly (string | undefined)[]>
}

const stack = join(scratch(t), 'stack.json')

/** Returns the hints of a stack whose two hosts have these differences. */
async function hintsOf(web1: object, web2: object): Promise<(string | undefined)[]> {
  const host = { address: 'gate.example.com', layers: ['app'] }
  const hosts = { web1: { ...host, port: 2201, ...web1 }, web2: { ...host, port: 2202, ...web2 } }
  writeFileSync(stack, JSON.stringify({ name: 'shop', layers: { app: {} }, hosts }))
  return (await loadStack(stack)).warnings.map(({ hint }) => hint)
}

const service = (name: string, port: number): Service => ({
  ...{ name, role: name, ports: [port], isVisited: false, asks: [] },
})
const clashes = async (...hosts: (readonly Service[])[]) =>
  portClashes(hosts.map((services, at) => ({ host: `web${at + 1}`, services }))).map(({ hint }) => hint)

/** A client at host `app1` that connects to host `db1`. */
const answers = async (to: Service | null) => {
  const arrow: Arrow = { from: { host: 'app1', service: service('client', 8081) }, to: { host: 'db1', service: to } }
  return missingAnswers([arrow], new Set(['app1', 'db1'])).map(({ hint }) => hint)
}

const proofs: readonly WarningProof[] = [
  {
    source: 'core/fleet/stack/addresses.ts',
    hint: 'set private_ip or private_dns_name to the address at which the other hosts reach each of them',
    broken: () => hintsOf({}, {}),
    repaired: () => hintsOf({ private_ip: '10.0.0.1' }, { private_dns_name: 'web2.internal' }),
  },
  {
    source: 'core/fleet/stack/services.ts',
    hint: 'give one of them other ports, or move it to another host',
    broken: () => clashes([service('solr', 8080), service('jetty', 8080)]),
    repaired: () => clashes([service('solr', 8080), service('jetty', 8081)]),
  },
  {
    source: 'core/fleet/stack/services.ts',
    hint: 'give one of them other ports, or move it to another host',
    broken: () => clashes([service('solr', 8080), service('jetty', 8080)]),
    repaired: () => clashes([service('solr', 8080)], [service('jetty', 8080)]),
  },
  {
    source: 'core/fleet/stack/services.ts',
    hint: 'correct the address, or give that host a role that answers there',
    broken: () => answers(null),
    repaired: () => answers(service('zeo', 8001)),
  },
]

for (const { source, hint, broken, repaired } of proofs)
  t.test(`${source}: ${hint}`, async (t) => {
    t.strictSame(await broken(), [hint], 'the hint is given')
    t.strictSame(await repaired(), [], 'there is no warning left')
  })

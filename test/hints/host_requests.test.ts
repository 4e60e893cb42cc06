/** Proves the hints about requests, downloads and dry runs: triggers each, then follows it. */
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { z } from 'zod'
import { downloadInto, request } from '../../core/host/request.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { defineResource } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { failureOf, planOf, run } from '../support/contract.ts'
import { scratch } from '../support/machine.ts'
import { type CallProof, hintPattern, proveCalls } from '../support/proofs.ts'

t.test('the hints about requests work', async (t) => {
  const server = createServer((request, answer) => {
    if (request.url === '/endless') {
      const block = Buffer.alloc(1024 * 1024)
      const more = () => void (answer.destroyed || answer.write(block, () => setImmediate(more)))
      return more()
    }
    if (request.url === '/closed' && request.headers.authorization !== `Basic ${btoa('me:secret')}`)
      answer.statusCode = 401
    answer.end('yes')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const into = fs.openSync(`${scratch(t)}/file`, 'w')
  t.teardown(() => fs.closeSync(into))
  const source = 'core/host/request.ts'
  const download = (path: string, more: object = {}) => downloadInto(`http://127.0.0.1:${port}${path}`, into, more)
  const proofs: CallProof[] = [
    {
      source: 'core/host/request.ts',
      hint: 'check that the address is right, and that its page ends',
      broken: () => request({ port, path: '/endless', timeout: seconds(30) }),
      repaired: () => request({ port, path: '/page', timeout: seconds(30) }),
    },
    {
      source,
      hint: 'give user and password for it',
      broken: () => download('/closed'),
      repaired: () => download('/closed', { user: 'me', password: 'secret' }),
    },
    {
      source,
      hint: 'fetch the file again from its source; change sha256 only if the source publishes the new digest',
      broken: () => download('/page', { sha256: '0'.repeat(64) }),
      repaired: () => download('/page', { sha256: '8a798890fe93817163b10b5f7bd2ca4d25d84c52739a645a889c173eee7d9d3d' }),
    },
  ]
  proveCalls(t, proofs)
})

t.test('the hints about dry runs work', async (t) => {
  const proof = {
    source: 'core/host/virtual.ts',
    hint: "give the resource type, whose apply runs commands, a 'predict' function that states their known effects",
  }
  const state = z.strictObject({ made: z.boolean() })
  const type = (predict?: (host: { writeFile(path: string, text: string): void }) => void) =>
    defineResource(
      { type: 'made', doc: 'x', examples: [], key: () => 'm', props: z.strictObject({}), state },
      {
        read: (host) => ({ made: host.lstat('/srv/made') !== null }),
        desired: () => ({ made: true }),
        apply: async (host) => void (await host.run(['touch', '/srv/made'])),
        ...(predict && { predict }),
      },
    )
  const plan = (thing: ReturnType<typeof type>) =>
    run(
      planOf((r) => thing(r, {})),
      new VirtualHost({ base: new VirtualHost().given('/srv', null) }),
      'plan',
    )
  t.match(failureOf(await plan(type())), { hint: hintPattern(proof.hint) })
  t.equal(failureOf(await plan(type((host) => host.writeFile('/srv/made', '')))), undefined)
})

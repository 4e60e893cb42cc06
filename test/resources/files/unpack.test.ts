/** Tests what tar itself unpacks: members that are no files, directories or links are refused. */
import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { pack } from 'tar-stream'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { archive } from '../../../resources/files/archive.ts'
import { failureOf, planOf } from '../../support/contract.ts'
import { scratch } from '../../support/machine.ts'

/** Unpacks an archive with a file and one more member, and returns the failure and what is left. */
async function unpacked(t: Test, member: Parameters<ReturnType<typeof pack>['entry']>[0]) {
  const directory = scratch(t)
  const tar = pack()
  tar.entry({ name: 'a' }, 'A')
  tar.entry(member)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  writeFileSync(`${directory}/a.tar`, Buffer.concat(chunks))
  const host = new LocalHost(`${directory}/state`)
  const plan = planOf((r) => archive(r, { url: `${directory}/a.tar`, into: `${directory}/into` }))
  const failure = failureOf(await converge(plan, host, { id: 'test', mode: 'run' }))
  await host.close()
  return { failure, left: host.list(directory).filter((name) => name !== 'state') }
}

t.test('refuses a named pipe', async (t) => {
  const { failure, left } = await unpacked(t, { name: 'b/pipe', type: 'fifo' })
  t.match(failure, { code: 'UNSAFE_ARCHIVE', output: /^b\/pipe is a device, a pipe or a socket$/ })
  t.strictSame(left, ['a.tar'])
})

for (const type of ['character-device', 'block-device'] as const)
  t.test(`refuses a ${type}`, async (t) => {
    const { failure, left } = await unpacked(t, { name: 'null', type, devmajor: 1, devminor: 3 })
    // Only root can make one: tar itself fails for other accounts.
    t.match(failure, { code: process.getuid?.() === 0 ? 'UNSAFE_ARCHIVE' : 'BAD_ARCHIVE' })
    t.strictSame(left, ['a.tar'])
  })

t.test('unpacks the same archive with a directory in its place', async (t) => {
  const { failure, left } = await unpacked(t, { name: 'b', type: 'directory' })
  t.equal(failure, undefined)
  t.strictSame(left, ['a.tar', 'into'])
})

/** Tests that the operator's own Node is uploaded if it fits, and that this decision needs no DNS query. */
import t from 'tap'
import { architectures } from '../../../../core/fleet/program_format.ts'
import { findRuntime, parseHostFacts } from '../../../../core/fleet/remote/runtime.ts'

const machine = Object.entries(architectures).find(([, arch]) => arch === process.arch)?.[0]

t.test('looks up no name of a remote address', { skip: process.platform !== 'linux' || !machine }, async (t) => {
  // Node's report resolves the name of each open connection, one after the other, and blocks meanwhile.
  const reports = t.capture(process.report, 'getReport')
  const runtimes = { cacheDirectory: t.testdir(), programs: {} }
  const items = await Promise.all(
    ['glibc', 'musl'].map((libc) =>
      findRuntime(parseHostFacts(`kernel=Linux\nmachine=${machine}\nlibc=${libc}\n`), '/a', runtimes).catch(
        ({ code }: { code: string }) => code,
      ),
    ),
  )
  t.equal(items.filter((item) => item === 'NO_RUNTIME').length, 1, 'of the two kinds of libc one fits')
  t.strictSame(reports(), [])
})

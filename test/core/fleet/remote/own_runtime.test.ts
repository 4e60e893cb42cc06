/** The operator's own Node is brought where it fits; to find out, nobody outside is asked. */
import t from 'tap'
import { architectures } from '../../../../core/fleet/machines.ts'
import { hostFacts, runtimeFor } from '../../../../core/fleet/remote/runtime.ts'

const machine = Object.entries(architectures).find(([, arch]) => arch === process.arch)?.[0]

t.test('no name of any far end is looked up', { skip: process.platform !== 'linux' || !machine }, async (t) => {
  // It asks a resolver for the name of each open connection, one after the other, while nothing else goes on.
  const asked = t.capture(process.report, 'getReport')
  const runtimes = { cacheDirectory: t.testdir(), given: {} }
  const items = await Promise.all(
    ['glibc', 'musl'].map((libc) =>
      runtimeFor(hostFacts(`kernel=Linux\nmachine=${machine}\nlibc=${libc}\n`), '/a', runtimes).catch(
        ({ code }: { code: string }) => code,
      ),
    ),
  )
  t.equal(items.filter((item) => item === 'NO_RUNTIME').length, 1, 'of the two kinds of libc one fits')
  t.strictSame(asked(), [])
})

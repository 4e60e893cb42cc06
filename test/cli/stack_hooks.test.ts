/** Tests that `converge stack hooks` rejects invalid arguments before it connects to a host. */
import t from 'tap'
import { Sandbox } from '../support/program.ts'

t.test('refuses invalid arguments', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'stack.json': JSON.stringify({
      name: 'shop',
      layers: { all: {} },
      hosts: { web1: { address: '127.0.0.1', port: 9, layers: ['all'] } },
    }),
  })
  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /missing argument: install, remove or show/],
    [['instal'], /unknown hooks action instal\n.*did you mean install/],
    [['install', '--interval', '0s'], /--interval takes a time/],
    [['remove', '--interval', '5m'], /--interval does not apply to hooks remove\n.*hooks install --interval 5m/],
    [['show', '--jitter', '5m'], /--jitter does not apply to hooks show/],
    [['show', '--parallel', 'all'], /--parallel takes a number of hosts/],
  ]
  for (const [words, message] of refused) {
    const { status, stderr } = await sandbox.converge(['stack', 'hooks', ...words], { bare: true })
    t.equal(status, 2, words.join(' '))
    t.match(stderr, message, words.join(' '))
  }
})

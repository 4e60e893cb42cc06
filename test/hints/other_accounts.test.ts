/** Proves the hints for files of another account: triggers each as nobody, then follows it as root. */
import { chmodSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof } from '../support/proofs.ts'

interface AccountProof extends Proof {
  readonly words: string
  /** Files that only root may read. */
  readonly closed: string
}

const host = { address: '127.0.0.1', layers: ['app'] }
const files = {
  'stack.json': JSON.stringify({ name: 'shop', layers: { app: {} }, hosts: { web1: host } }),
  '.converge/shop/deployments/README': '',
  'site.json': '{}',
}

const proofs: readonly AccountProof[] = [
  {
    source: 'core/cli/stack/state_directory.ts',
    hint: 'run the command as the account that owns these records, which is the only one that may read them',
    words: 'stack deployments',
    closed: '.converge/shop',
  },
  {
    source: 'core/cli/inputs/read_inputs.ts',
    hint: 'run as an account that may read it',
    words: 'render --role solr --prefix root --state-dir state --config-dir etc --json site.json',
    closed: 'site.json',
  },
]

for (const { source, hint, words, closed } of proofs)
  t.test(`${source}: ${hint}`, async (t) => {
    if (!needs(t, ['root', 'nobody'])) return
    const sandbox = new Sandbox(t)
    sandbox.write(files)
    chmodSync(sandbox.at(closed), 0o700)
    const run = (account?: string) => sandbox.converge(words.split(' '), { bare: true, account })
    const before = await run('nobody')
    t.not(before.status, 0)
    t.match(/^ +hint: (.*)$/m.exec(before.stderr)?.[1], hintPattern(hint), 'the hint is printed', { before })
    const after = await run()
    t.equal(after.status, 0, 'the account that owns it succeeds', { after })
  })

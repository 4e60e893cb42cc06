/** Tests that the reason of a failed command is displayed, at any position in its output. */
import t, { type Test } from 'tap'
import { linesOf, Sandbox } from '../support/program.ts'

const args = ['deploy', '--role', 'site', '--recipes', 'recipes']

async function runFailing(t: Test, command: string, more: readonly string[] = []) {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': `
      import { execute, role } from 'converge-engine'
      export default role<any>('site', {
        deploy(r) { execute(r, { name: 'build', command: ${JSON.stringify(command)}, cwd: process.cwd(), environment: { HOME: process.cwd() } }) },
      })`,
  })
  const result = await sandbox.converge([...args, ...more])
  t.equal(result.status, 1)
  return { ...result, sandbox }
}

t.test('prints a reason that many lines follow', async (t) => {
  const command = 'echo "the reason" >&2; sleep 0.2; seq 300; exit 1'
  const { stdout, sandbox } = await runFailing(t, command)
  t.match(stdout, /\n {4}\| the reason\n {4}\| 1\n/)
  t.match(stdout, /\n {4}\| … 231 lines left out; all of it: \S+\/state\/runs\/000001\.jsonl\n/)
  t.match(stdout, /\n {4}\| 300\n/)
  const [journal = []] = sandbox.journals()
  const failed = journal.find(({ event }) => event === 'resource')
  t.equal(String(failed?.output).split('\n').length, 301, 'the journal has the whole output')
  const json = await runFailing(t, command, ['--json-output'])
  const sent = linesOf(json.stdout).find(({ event }) => event === 'resource') as { failure?: { output?: string } }
  t.match(sent.failure?.output, /^the reason\n1\n(.|\n)*… 231 lines left out; all of it: (.|\n)*\n300$/)
  t.notOk('output' in sent, 'another program gets what a person sees')
})

t.test('prints why npm ci fails without a lock file', async (t) => {
  const { stdout } = await runFailing(t, 'echo "{}" >package.json; npm ci; status=$?; seq 100; exit $status')
  t.match(stdout, /EUSAGE|package-lock\.json/)
})

t.test('reports a command that printed nothing', async (t) => {
  const { stdout } = await runFailing(t, 'echo; exit 4')
  t.match(stdout, /exited with status 4, and printed nothing/)
  t.notMatch(stdout, /^ *\| *$/m)
})

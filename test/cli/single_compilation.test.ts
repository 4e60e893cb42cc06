/** Tests that a run compiles its recipes once, before it has the lock, and that a query reads the host after that. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

/** A role that reports each compilation of its events, and declares a file by the text of another. */
const recipe = `
  import { defineQuery, derived, file, queried, role, smoke_test } from 'converge-engine'
  const at = (name) => process.cwd() + '/' + name
  const mode = defineQuery({ name: 'the mode', read: (host) => host.readText(at('mode'))?.trim() ?? null, unread: null })
  const said = (event) => process.stderr.write('compiled ' + event + '\\n')
  export default role('site', {
    deploy(r, node) {
      said('deploy, host ' + ('host' in node.run))
      file(r, { path: at('copy'), content: derived(queried(mode), (text) => 'mode ' + text) })
      r.given(mode, (text) => void (text !== null && file(r, { path: at(text), content: '' })))
      smoke_test(r, { app: 'site', directory: process.cwd(), commands: ['test ! -e broken'], rollback: true, allowRoot: true })
    },
    rollback(r) {
      said('rollback')
      r.given(mode, (text) => void file(r, { path: at('back from ' + text), content: '' }))
    },
  })`

const sandboxOf = (test: Test) => {
  const sandbox = new Sandbox(test)
  sandbox.write({ 'recipes/site.ts': recipe })
  return sandbox
}
const args = ['deploy', '--role', 'site', '--recipes', 'recipes']
const compiled = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('compiled '))

t.test('recipes run once, and what depends on the host follows it', async (t) => {
  const sandbox = sandboxOf(t)
  sandbox.write({ mode: 'first' })
  const { status, stderr } = await sandbox.converge(args)
  t.equal(status, 0)
  t.strictSame(compiled(stderr), ['compiled deploy, host false', 'compiled rollback'])
  t.ok(fs.existsSync(sandbox.at('first')))
  t.equal(fs.readFileSync(sandbox.at('copy'), 'utf8'), 'mode first')
  const again = await sandbox.converge([...args, '--detailed-exit-code'])
  t.equal(again.status, 0, 'nothing to do')
})

t.test('the rollback is compiled with the deploy, and bound to the host after it', async (t) => {
  const sandbox = sandboxOf(t)
  sandbox.write({ mode: 'first', broken: '' })
  const { status, stderr } = await sandbox.converge(args)
  t.equal(status, 1)
  t.strictSame(compiled(stderr), ['compiled deploy, host false', 'compiled rollback'])
  t.ok(fs.existsSync(sandbox.at('back from first')))
})

t.test('a dry run and a run that waits for the lock compile once, too', async (t) => {
  const sandbox = sandboxOf(t)
  sandbox.write({ mode: 'first' })
  const dry = await sandbox.converge(['plan', ...args.slice(1), '--event', 'deploy'])
  t.strictSame(compiled(dry.stderr), ['compiled deploy, host false'])
  t.match(dry.stdout, /first/)
  sandbox.write({ mode: 'first', 'recipes/slow.ts': slow })
  const other = sandbox.converge(['--role', 'slow', '--recipes', 'recipes', '--event', 'wait'])
  while (!fs.existsSync(sandbox.at('waiting'))) await new Promise((resolve) => setTimeout(resolve, 20))
  const { status, stderr } = await sandbox.converge([...args, '--wait', '30'])
  t.equal((await other).status, 0)
  t.equal(status, 0)
  t.strictSame(compiled(stderr), ['compiled deploy, host false', 'compiled rollback'])
  t.ok(fs.existsSync(sandbox.at('second')), 'it follows what the other run has left')
})

/** A role whose event holds the lock for a moment, and changes what the other role depends on. */
const slow = `
  import { execute, role } from 'converge-engine'
  export default role('slow', { events: {
    wait(r) { execute(r, { name: 'wait', command: 'touch waiting; sleep 2; echo second > mode', cwd: process.cwd() }) },
  } })`

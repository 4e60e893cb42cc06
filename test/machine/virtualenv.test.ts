/** Tests real virtualenvs with packages from the index, as root for another account, and as that account. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { failureOf, patchOf } from '../support/contract.ts'
import { directoryOf, needs, sameAs, scratch } from '../support/machine.ts'

const isRoot = process.getuid?.() === 0
const python = '/usr/bin/python3'
/** Skips tests that do not depend on the account in the second run. */
const brief = { skip: process.env.CONVERGE_TEST_BRIEF !== undefined }

type Props = Parameters<typeof virtualenv>[1]

function plan(props: Props) {
  return compile([role<unknown>('test', { deploy: (r) => void virtualenv(r, props) })], ['deploy'], {})
}

t.test('creates an environment, accepts it, changes its version, and creates an incomplete one again', async (t) => {
  if (!needs(t, ['python3 venv', 'pip registry', ...(isRoot ? (['nobody'] as const) : [])])) return
  const directory = scratch(t)
  const home = directoryOf(directory, 'home', isRoot ? 'nobody' : undefined)
  const path = `${home}/venv`
  const host = new LocalHost(`${directory}/state`)
  const props = (version: string): Props => ({
    path,
    python,
    packages: { roman: version },
    ...(isRoot ? { user: 'nobody' } : {}),
  })
  const run = (version = '5.2') => converge(plan(props(version)), host, { id: 't', mode: 'run' })
  const imported = () =>
    spawnSync(`${path}/bin/python`, ['-c', 'import roman; print(roman.toRoman(4))'], { encoding: 'utf8', cwd: '/' })
      .stdout

  const planned = await converge(plan(props('5.2')), new VirtualHost({ base: host }), { id: 'p', mode: 'plan' })
  t.notOk(existsSync(path), 'a dry run makes nothing')
  const first = await run()
  t.strictSame(failureOf(first), undefined)
  t.strictSame(patchOf(planned), patchOf(first))
  t.equal(imported(), 'IV\n')
  if (isRoot) {
    const { uid } = statSync(`${path}/bin/python3`)
    t.not(uid, undefined)
    t.equal(statSync(`${path}/lib`).uid, Number(spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).stdout))
  }
  t.equal((await run()).outcome, 'unchanged')

  t.test('creates an environment for another version', brief, async (t) => {
    const report = await run('4.2')
    t.strictSame(failureOf(report), undefined)
    t.strictSame(patchOf(report), ['replace /packages/roman = "4.2"'])
    t.equal((await run('4.2')).outcome, 'unchanged')
    t.equal((await run('4.2.0')).outcome, 'unchanged', 'written otherwise')
  })

  t.test('creates it again after pip was killed', async (t) => {
    writeFileSync(`${path}/.converge.json`, '{"python":null}\n')
    rmSync(`${path}/lib/python${version()}/site-packages/pip`, { recursive: true })
    t.strictSame(failureOf(await run()), undefined)
    t.equal(imported(), 'IV\n')
    t.equal((await run()).outcome, 'unchanged')
  })

  t.test('reports a version that does not exist', brief, async (t) => {
    t.match(failureOf(await run('0.0.1')), {
      code: 'COMMAND_FAILED',
      output: /No matching distribution found for roman==0\.0\.1/,
    })
    t.strictSame(failureOf(await run()), undefined, 'and it is whole again afterwards')
  })

  t.test('creates it again if its Python is missing', async (t) => {
    rmSync(`${path}/bin/python`)
    t.match(patchOf(await run()), [/\/packages\/roman/, /\/kind = "environment"/])
    t.equal(imported(), 'IV\n')
  })
  function version(): string {
    return /^version = (\d+\.\d+)/m.exec(readFileSync(`${path}/pyvenv.cfg`, 'utf8'))?.[1] ?? ''
  }
})

t.test('reports a Python without ensurepip', async (t) => {
  if (!needs(t, ['root', 'python3 venv'])) return
  const directory = scratch(t)
  // Simulates Debian's python3 without python3-venv, for one process only.
  const [empty, wrapper] = [directoryOf(directory, 'empty'), `${directory}/python`]
  const find = 'import ensurepip, os; print(os.path.dirname(ensurepip.__file__))'
  const ensurepip = spawnSync(python, ['-c', find], { encoding: 'utf8' }).stdout.trim()
  const script = `mount --bind ${empty} ${ensurepip} && exec ${python} "$@"`
  writeFileSync(wrapper, `#!/bin/sh\nexec unshare --mount sh -c '${script}' sh "$@"\n`)
  chmodSync(wrapper, 0o755)
  const host = new LocalHost(`${directory}/state`)
  const make = (chosen: string) =>
    converge(plan({ path: `${directory}/venv`, python: chosen }), host, { id: 't', mode: 'run' })
  t.match(failureOf(await make(wrapper)), {
    code: 'NO_ENSUREPIP',
    hint: /install both modules for this Python, or set python to \/usr\/bin\/python3 and install python3[\d.]*-venv$/,
  })
  t.strictSame(failureOf(await make(python)), undefined, 'and where it is installed then, it is made')
})

t.test('an ordinary user creates environments as well', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  sameAs(t, 'nobody', fileURLToPath(import.meta.url))
})

/** Tests a virtualenv for a real Python 2.7 with the last zc.buildout that supports it, and a buildout in it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import t from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { failureOf } from '../support/contract.ts'
import { needs, scratch } from '../support/machine.ts'

/** Finds Python 2.7: current distributions have no package of it, so it exists only if it was built from source. */
function python2(): string | undefined {
  const versions = `${process.env.PYENV_ROOT ?? `${homedir()}/.pyenv`}/versions`
  const built = existsSync(versions) ? readdirSync(versions).filter((name) => name.startsWith('2.7')) : []
  return [
    ...built.map((name) => `${versions}/${name}/bin/python2.7`),
    '/usr/local/bin/python2.7',
    '/usr/bin/python2.7',
  ].find((path) => existsSync(path))
}

t.test('creates an environment with Python 2.7', async (t) => {
  const python = python2()
  if (python === undefined) return t.pass('skipped', { skip: 'no Python 2.7 is installed here' })
  if (!needs(t, ['python3 venv', 'pip registry'])) return
  const directory = scratch(t)
  const path = `${directory}/env`
  const props = { path, python, packages: { 'zc.buildout': '2.13.8', setuptools: '44.1.1' } }
  const plan = compile([role<unknown>('t', { deploy: (r) => void virtualenv(r, props) })], ['deploy'], {})
  const run = () => converge(plan, new LocalHost(`${directory}/state`), { id: 't', mode: 'run' })
  t.strictSame(failureOf(await run()), undefined)
  t.equal((await run()).outcome, 'unchanged')
  t.notOk(existsSync(`${path}/.virtualenv`), 'the tool is gone')
  writeFileSync(`${directory}/buildout.cfg`, '[buildout]\nparts =\n')
  const buildout = spawnSync(`${path}/bin/buildout`, ['buildout:abi-tag-eggs=true'], {
    cwd: directory,
    encoding: 'utf8',
  })
  t.equal(buildout.status, 0, buildout.stderr)
  const version = spawnSync(`${path}/bin/python`, ['--version'], { encoding: 'utf8' })
  t.match(version.stderr, /^Python 2\.7/)
})

/** Tests the options of commands about releases with the built program. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { scratch } from '../support/machine.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

/** Makes a host with three releases of a port-app, whose second release was rolled back. */
function host(t: Test) {
  const directory = scratch(t)
  const app = join(directory, 'p/srv/www/shop')
  for (const id of ['000001-1a2b3c4d', '000002-2a2b3c4d', '000003-3a2b3c4d']) {
    mkdirSync(join(app, 'releases', id, '.converge'), { recursive: true })
    writeFileSync(join(app, 'releases', id, '.converge/complete'), '')
  }
  writeFileSync(join(app, 'releases/.history'), '000001-1a2b3c4d\n000003-3a2b3c4d\n')
  symlinkSync(join(app, 'releases/000003-3a2b3c4d'), join(app, 'current'))
  mkdirSync(join(directory, 'etc'))
  const json = join(directory, 'site.json')
  writeFileSync(json, JSON.stringify({ port_app: { app_name: 'shop', command: 'serve %{port}' } }))
  const words = [
    '--role',
    'port-app',
    '--json',
    json,
    '--prefix',
    join(directory, 'p'),
    '--config-dir',
    join(directory, 'etc'),
  ]
  const run = (...args: readonly string[]) => {
    const env = { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env })
    return { status, stdout, stderr }
  }
  return { run, words, state: ['--prefix', join(directory, 'p')] }
}

t.test('releases marks the rollback target, and a shell completes --to', async (t) => {
  const { run, words } = host(t)
  const lines = run('releases', ...words).stdout.split('\n')
  t.strictSame(
    lines.flatMap((line) => /^ {2}[* ] (\d+).*a rollback goes here$/.exec(line)?.[1] ?? []),
    ['000001'],
  )
  const { stdout } = run('--complete', 'rollback', ...words, '--to', '')
  t.strictSame(stdout.trim().split('\n'), ['000002-2a2b3c4d', '000001-1a2b3c4d'])
  t.equal(run('--complete', 'rollback', '--to', '').stdout.trim(), '', 'without a role there is nothing to complete')
})

t.test('refuses a release that does not exist or is ambiguous as wrong usage', async (t) => {
  const { run, words } = host(t)
  for (const to of ['000009', 'nope', '00000', 'other=000001', 'shop=000009', 'shop='])
    for (const command of ['rollback', 'rollback --dry-run']) {
      const { status, stderr } = run(...command.split(' '), ...words, '--to', to)
      t.equal(status, 2, `${command} --to ${to}`)
      t.match(stderr, /^error: /)
    }
})

t.test('status --quiet prints only what is down', async (t) => {
  const { run, words } = host(t)
  const { status, stdout } = run('status', ...words, '--quiet')
  t.equal(status, 1)
  t.match(stdout, /^down {2}shop {2}shop-9090 {2}.*\n$/)
})

t.test('lock and plan accept --by', async (t) => {
  const { run, words, state } = host(t)
  t.match(run('lock', ...state, '--by', 'ann', '-m', 'release day').stdout, /^deploys are locked by ann/)
  t.not(run('plan', ...words, '--event', 'deploy', '--by', 'ann').status, 2)
  t.equal(run('unlock', ...state, '--quiet').stdout, '')
})

/** Tests `converge secrets` and references to secrets in a stack file, beside the real age. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs, scratch } from '../support/machine.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

interface CallOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

function workspace(t: Test) {
  const directory = scratch(t)
  const call = (args: readonly string[], { input = '', env = {} }: CallOptions = {}) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      cwd: directory,
      encoding: 'utf8',
      input,
      env: { PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: directory, ...env },
    })
    return { status, stdout, stderr }
  }
  const passes = (args: readonly string[], options?: CallOptions) => {
    const { status, stdout, stderr } = call(args, options)
    t.equal(status, 0, `${args.join(' ')}: ${stderr}`)
    return stdout
  }
  return { directory, call, passes }
}

t.test('creates a file, and sets, displays, edits and encrypts its values', async (t) => {
  const { directory, call, passes } = workspace(t)
  t.match(passes(['secrets', 'init']), /created your identity: .*keys\.txt[\s\S]*created secrets\.age for 1 recipient,/)
  t.equal(statSync(`${directory}/.config/sops/age/keys.txt`).mode & 0o777, 0o600)
  passes(['secrets', 'set', 'database.password'], { input: 'pa: "ss" #1\n' })
  passes(['secrets', 'set', 'key'], { input: 'line one\nline two\n' })
  t.equal(passes(['secrets', 'show', 'database.password']), 'pa: "ss" #1\n')
  t.equal(passes(['secrets', 'show', 'key']), 'line one\nline two\n\n')
  t.match(passes(['secrets', 'show']), /^# Keys and values, in YAML\./, 'comments stay')
  const encrypted = readFileSync(`${directory}/secrets.age`, 'utf8')
  t.match(encrypted, /^-----BEGIN AGE ENCRYPTED FILE-----\n/)

  t.match(call(['secrets', 'init']), { status: 2, stderr: /secrets\.age exists already/ })
  t.match(call(['secrets', 'set', 'key.below'], { input: 'x' }), { status: 2, stderr: /key is a value, not an object/ })
  for (const key of ['a..b', '.a', 'a.'])
    t.match(call(['secrets', 'set', key], { input: 'x' }), {
      status: 2,
      stderr: /invalid key ".*": a part of it is empty/,
    })
  t.match(call(['secrets', 'set', 'other']), { status: 2, stderr: /standard input is empty/ })
  t.equal(readFileSync(`${directory}/secrets.age`, 'utf8'), encrypted, 'nothing was written')

  const EDITOR = `sh -c 'echo "token: t-1" >> "$1"' editor`
  t.equal(passes(['secrets', 'edit'], { env: { EDITOR } }), 'changed secrets.age\n')
  t.equal(passes(['secrets', 'show', 'token']), 't-1\n')
  t.equal(passes(['secrets', 'edit'], { env: { EDITOR: 'true' } }), 'secrets.age is unchanged\n')
  const breaks = call(['secrets', 'edit'], { env: { EDITOR: `sh -c 'echo "token: [" > "$1"' editor` } })
  t.match(breaks, { status: 2, stderr: /edit it again[\s\S]*error: secrets\.age:2: invalid YAML/ })
  const appends = call(['secrets', 'edit'], { env: { EDITOR: `sh -c 'echo "token: [" >> "$1"' editor` } })
  t.equal(appends.status, 2, 'an editor that changes the text each time')
  t.match(call(['secrets', 'edit'], { env: { EDITOR: 'false' } }), { status: 2, stderr: /the editor "false" ended/ })
  t.equal(passes(['secrets', 'show', 'token']), 't-1\n', 'the refused text was not saved')
  t.strictSame(
    readdirSync(directory).filter((name) => name.startsWith('converge-secrets-')),
    [],
    'no draft remains',
  )
})

t.test('keeps numbers and booleans as they are written, and refuses text that is not UTF-8', async (t) => {
  const { directory, call, passes } = workspace(t)
  passes(['secrets', 'init'])
  const values = { pin: '0123', code: '1e3', octal: '0o17', hex: '0x1F', long: '12345678901234567890', flag: 'True' }
  const lines = Object.entries(values).map(([key, value]) => `${key}: ${value}`)
  writeFileSync(`${directory}/new`, `${lines.join('\n')}\n`)
  passes(['secrets', 'edit'], { env: { EDITOR: `cp ${directory}/new` } })
  for (const [key, value] of Object.entries(values)) t.equal(passes(['secrets', 'show', key]), `${value}\n`, key)
  const latin = Buffer.from('k\xfcche', 'latin1')
  writeFileSync(`${directory}/latin`, latin)
  const set = spawnSync('sh', ['-c', `'${process.execPath}' '${program}' secrets set word < latin`], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: directory },
  })
  t.match(set, { status: 2, stderr: /standard input/ })
  t.match(call(['secrets', 'edit'], { env: { EDITOR: `cp ${directory}/latin` } }), { status: 2, stderr: /UTF-8/ })
  t.equal(passes(['secrets', 'show', 'pin']), '0123\n')
})

t.test('a colleague reads the file after rekey, and age itself reads it', async (t) => {
  if (!needs(t, ['age'])) return
  const { directory, call, passes } = workspace(t)
  passes(['secrets', 'init'])
  passes(['secrets', 'set', 'token'], { input: 't-1' })
  const colleague = `${directory}/colleague.txt`
  const recipient = /age1\S+/.exec(spawnSync('age-keygen', ['-o', colleague], { encoding: 'utf8' }).stderr)?.[0] ?? ''
  const env = { SOPS_AGE_KEY_FILE: colleague }
  t.match(call(['secrets', 'show'], { env }), {
    status: 2,
    stderr: /not encrypted for any identity of .*colleague\.txt/,
  })
  writeFileSync(`${directory}/secrets.age.recipients`, `${recipient} # a colleague\n`, { flag: 'a' })
  t.equal(passes(['secrets', 'rekey']), 'encrypted secrets.age for 2 recipients\n')
  t.equal(passes(['secrets', 'show', 'token'], { env }), 't-1\n')
  const decrypted = spawnSync('age', ['-d', '-i', colleague, 'secrets.age'], { cwd: directory, encoding: 'utf8' })
  t.match(decrypted.stdout, /^token: t-1$/m)
  writeFileSync(`${directory}/secrets.age.recipients`, 'age1nonsense\n')
  t.match(call(['secrets', 'rekey']), { status: 2, stderr: /invalid age recipient "age1nonsense"/ })
  t.equal(passes(['secrets', 'show', 'token'], { env }), 't-1\n', 'the file is as before')
})

t.test('a stack takes secrets from age and from commands, and displays none', async (t) => {
  const { directory, call, passes } = workspace(t)
  passes(['secrets', 'init'])
  passes(['secrets', 'set', 'database.password'], { input: 'age-planted-1' })
  const stack = (more: object) =>
    writeFileSync(
      `${directory}/stack.json`,
      JSON.stringify({
        name: 'shop',
        layers: { app: { roles: ['port-app'] } },
        hosts: { web1: { address: '10.0.0.1', layers: ['app'] } },
        apps: {
          shop: {
            scm: { repository: '/srv/shop.git' },
            environment: {
              DB_PASSWORD: { $age: 'secrets.age', key: 'database.password' },
              ONE: { $command: ['sh', '-c', 'echo run >> runs; echo command-planted-1'] },
              TWO: { $command: ['sh', '-c', 'echo run >> runs; echo command-planted-1'] },
            },
          },
        },
        custom_json: { port_app: { app_name: 'shop', command: 'node server.js --port %{port}' } },
        ...more,
      }),
    )
  stack({})
  const shown = call(['stack', 'show'])
  t.equal(shown.status, 0, shown.stderr)
  t.notMatch(shown.stdout + shown.stderr, /planted/)
  t.equal(readFileSync(`${directory}/runs`, 'utf8'), 'run\n', 'the same command runs once')
  const failing = { $command: ['sh', '-c', 'echo planted-in-vain; echo "not logged in" >&2; exit 4'] }
  stack({ custom_json: { port_app: { app_name: 'shop', command: failing } } })
  const failed = call(['stack', 'check'])
  t.match(failed, { status: 2, stderr: /custom_json\.port_app\.command: sh -c .* exited with status 4/ })
  t.match(failed.stderr, /not logged in/)
})

t.test('a stack file of somebody else runs no command unless it is named', async (t) => {
  if (process.getuid?.() !== 0) return void t.comment('only root can make a file of somebody else')
  const { directory, call } = workspace(t)
  const { status } = spawnSync('chown', ['nobody', directory])
  t.equal(status, 0)
  writeFileSync(
    `${directory}/stack.json`,
    JSON.stringify({
      name: 'shop',
      layers: { app: { roles: ['base'] } },
      hosts: { web1: { address: '10.0.0.1', layers: ['app'] } },
      custom_json: { site: { password: { $command: ['touch', 'was-run'] } } },
    }),
  )
  spawnSync('chown', ['nobody', `${directory}/stack.json`])
  t.match(call(['stack', 'check']), { status: 2, stderr: /stack\.json is not run without being named/ })
  t.notOk(existsSync(`${directory}/was-run`))
  t.match(call(['stack', 'check', '--stack', './stack.json']), { stderr: /touch was-run printed nothing/ })
  t.ok(existsSync(`${directory}/was-run`), 'named, it runs')
})

/** Tests commands whose files are devices, pipes, loops and directories, and whose standard streams are broken. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { makeSocket } from '../support/hostile.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

const stack = JSON.stringify({
  name: 'site',
  layers: { app: { roles: ['base'] } },
  hosts: { web1: { address: '192.0.2.1', layers: ['app'] } },
})
const recipe = `
  import { file, role } from 'converge-engine'
  export default role<any>('web', {
    deploy(r, node) {
      for (const name of ['a', 'b', 'c']) file(r, { path: node.converge.prefix + '/' + name, content: name.repeat(20000) })
    },
  })`

/** A directory with what the commands need, and a journal for the report. */
async function prepared(t: Test): Promise<Sandbox> {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'stack.json': stack, 'recipes/web.ts': recipe, 'p/x': '', 'other/x': '' })
  const { status, stderr } = await sandbox.converge([
    'deploy',
    '--role',
    'web',
    '--recipes',
    'recipes',
    '--prefix',
    'p',
  ])
  t.equal(status, 0, stderr)
  return sandbox
}

const writers: Readonly<Record<string, readonly string[]>> = {
  'plan --out': ['plan', '--role', 'web', '--recipes', 'recipes', '--prefix', 'p', '--state-dir', 'state', '--out'],
  'report --out': ['report', '--state-dir', 'state', '--out'],
  'stack show --graph': ['stack', 'show', '--stack', 'stack.json', '--graph'],
}

interface Kind {
  readonly put: (path: string) => void
  readonly message: string
}

const outputs: Readonly<Record<string, Kind>> = {
  'a device': { put: (path) => spawnSync('mknod', [path, 'c', '1', '3']), message: 'a character device' },
  'a link to a device': { put: (path) => fs.symlinkSync('/dev/null', path), message: 'a character device' },
  'a named pipe': { put: (path) => spawnSync('mkfifo', [path]), message: 'a named pipe' },
  'a socket': { put: makeSocket, message: 'a socket' },
  'a directory': { put: (path) => fs.mkdirSync(path), message: 'a directory' },
}

t.test('an option never replaces a device, a pipe or a directory by its output', async (t) => {
  if (!needs(t, ['root'])) return
  const sandbox = await prepared(t)
  for (const [command, words] of Object.entries(writers))
    for (const [name, { put, message }] of Object.entries(outputs))
      await t.test(`${command}: ${name}`, async (t) => {
        const path = sandbox.at('output')
        fs.rmSync(path, { recursive: true, force: true })
        put(path)
        const before = fs.lstatSync(path)
        const { status, stderr } = await sandbox.converge([...words, 'output'], { bare: true })
        t.equal(status, 2)
        t.match(
          stderr,
          new RegExp(`error: cannot write the \\w+ to output: it is ${message}, not a regular file\\n  hint: `),
        )
        const { ino, mode } = fs.lstatSync(path)
        t.strictSame({ ino, mode }, { ino: before.ino, mode: before.mode }, 'it is still there')
      })
})

t.test('an option replaces a regular file by its output', async (t) => {
  const sandbox = await prepared(t)
  for (const words of Object.values(writers)) {
    sandbox.write({ output: 'before' })
    const { status, stderr } = await sandbox.converge([...words, 'output'], { bare: true })
    t.equal(status, 0, stderr)
    t.not(sandbox.read('output'), 'before')
    t.equal(fs.statSync(sandbox.at('output')).mode & 0o077, 0, 'for this account only')
  }
})

const plan = '--role base --prefix p --state-dir state'

/** A script for sh, and what the command prints to standard error; `@` is the directory. */
const broken: Readonly<
  Record<string, { readonly script: string; readonly message: string; readonly status?: number }>
> = {
  'standard input is a directory': {
    script: `converge plan ${plan} --json - --config-dir etc < etc`,
    message:
      'error: cannot read standard input: it is a directory\n  hint: redirect it from a file or a pipe that can be read\n',
  },
  'standard input is open for writing only': {
    script: `converge plan ${plan} --json - 0> other`,
    message: 'error: cannot read standard input: it is not open for this\n  hint: ',
  },
  'standard input is closed': {
    script: `converge plan ${plan} --json - <&-`,
    message: 'error: standard input:1:1: there is nothing in it\n  hint: ',
  },
  'standard input of a secret is a directory': {
    script: `converge secrets init --file s.age && converge secrets set a --file s.age < etc`,
    message: 'error: cannot read standard input: it is a directory\n  hint: ',
  },
  'the state directory is a link to itself': {
    script: 'ln -s loop loop; converge deploy --role base --prefix p --state-dir loop',
    message:
      'error: cannot keep state in @/loop: stat @/loop: too many symbolic links\n  hint: give --prefix DIR or --state-dir DIR',
  },
  'the prefix is a dangling link': {
    script: 'ln -s nowhere dangling; converge plan --role base --prefix dangling',
    message: 'error: --prefix dangling: is not a directory\n  hint: give a directory',
  },
  'a file of the host is a dangling link': {
    script: `ln -s nowhere etc/a.json; converge plan ${plan} --config-dir etc`,
    message:
      'error: --config-dir etc/a.json: no such file or directory\n  hint: it is a link to nowhere, which does not exist: correct or remove the link\n',
  },
  'a file of the host is a link to itself': {
    script: `ln -s a.json etc/a.json; converge plan ${plan} --config-dir etc`,
    message: 'error: --config-dir etc/a.json: too many symbolic links\n  hint: check the path',
  },
  'the name of a file has two lines': {
    script: `: > 'etc/a\nerror: b.json'; converge plan ${plan} --config-dir etc`,
    message: 'error: etc/a error: b.json:1:1: there is nothing in it\n  hint: ',
  },
  'standard output is a full disk': {
    script: `converge plan ${plan} > /dev/full`,
    message:
      'error: a part of the output was lost: no space left on the device\n  hint: free some space (df -h shows where), then run again to finish\n',
    status: 1,
  },
}

t.test('broken streams and paths are reported with what to do', async (t) => {
  for (const [name, { script, message, status = 2 }] of Object.entries(broken))
    await t.test(name, async (t) => {
      const sandbox = new Sandbox(t)
      const result = await sandbox.shell(script, { bare: true, env: { SOPS_AGE_KEY_FILE: sandbox.at('key') } })
      const stderr = result.stderr.replaceAll(sandbox.directory, '@')
      t.equal(result.status, status, stderr)
      t.ok(stderr.includes(message), stderr)
      t.notMatch(stderr, /node:internal|\n\s+at /, 'without a stack trace')
    })
})

t.test('a run ends although its output cannot be written', async (t) => {
  const sandbox = await prepared(t)
  const words = '--role web --recipes recipes --prefix other'
  const { stderr } = await sandbox.shell(`converge deploy ${words} > /dev/full; echo "status $?" >&2`)
  t.match(stderr, /error: a part of the output was lost: no space left on the device\n[\s\S]*status 1\n$/)
  t.strictSame(fs.readdirSync(sandbox.at('other')).sort(), ['a', 'b', 'c', 'x'], 'each resource is applied')
  const { stdout } = await sandbox.shell(`converge deploy ${words}`)
  t.match(stdout, /nothing to do/, 'the next run has nothing to do')
})

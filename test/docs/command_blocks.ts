/** Proves the blocks of the documentation about secrets and about new recipes: runs their commands in a directory of their own. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { parse as parseYaml } from 'yaml'
import { scratch } from '../support/machine.ts'
import type { Block } from './blocks.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))
const colleague = 'age1q3alhepq773qmzsrg7486jngmp2sy3mtwuvct690r3082w3n7pxq2clul8'

/** Makes a directory in which `converge` is on the PATH, and returns a function that runs a shell line in it. */
function commandDirectory(t: Test) {
  const directory = scratch(t)
  mkdirSync(`${directory}/bin`)
  writeFileSync(`${directory}/bin/converge`, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`)
  chmodSync(`${directory}/bin/converge`, 0o755)
  writeFileSync(`${directory}/password.txt`, 'a password\n')
  const run = (line: string, input = 'a password\n') => {
    const env = { PATH: `${directory}/bin:${process.env.PATH}`, HOME: directory, EDITOR: 'true' }
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd: directory, encoding: 'utf8', input, env })
    t.equal(status, 0, `${line}: ${stderr}`)
    return stdout
  }
  return { directory, run }
}

/** Runs the commands of a block in a directory that has an encrypted file, except for those that create it. */
export function secretsExample(t: Test, { text }: Block): void {
  const { run } = commandDirectory(t)
  if (!text.includes('secrets init')) {
    run('converge secrets init')
    run('converge secrets set database.password')
    run('cp secrets.age staging.age; cp secrets.age.recipients staging.age.recipients')
  }
  for (const line of text.split('\n')) if (line !== '') run(line.replace('age1…', colleague))
}

/** Compares the lines that a session on a terminal prints; paths and keys differ. */
export function secretsSession(t: Test, { text }: Block): void {
  const { directory, run } = commandDirectory(t)
  const lines = text.split('\n')
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('$ ')) continue
    const end = lines.findIndex((next, at) => at > index && next.startsWith('$ '))
    const expected = lines.slice(index + 1, end === -1 ? undefined : end)
    // Standard input is not a terminal here, so the command does not ask.
    const printed = expected.filter((one) => one !== '' && !one.startsWith('Value of '))
    const plain = (one: string) => one.replaceAll(directory, '/home/anna').replace(/age1\w+/, 'age1')
    const actual = run(line.slice(2)).trimEnd().split('\n')
    t.strictSame(actual.map(plain), printed.map(plain), line)
  }
}

/** Checks a stack file whose app refers to the encrypted file. */
export function secretsReference(t: Test, { text }: Block): void {
  const { directory, run } = commandDirectory(t)
  run('converge secrets init')
  run('converge secrets set database.password')
  const { apps } = parseYaml(text) as { apps: { shop: object } }
  const stack = {
    name: 'shop',
    layers: { app: { roles: ['port-app'] } },
    hosts: { web1: { address: '10.0.0.11', layers: ['app'], cpus: 2 } },
    apps: { shop: { ...apps.shop, scm: { repository: '/srv/shop.git', revision: 'main' } } },
    custom_json: { port_app: { app_name: 'shop', command: 'node server.js --port %{port}' } },
  }
  writeFileSync(`${directory}/stack.json`, JSON.stringify(stack))
  run('converge stack check')
}

/** Runs the commands of a block in a new directory of recipes, or beside one if the commands name it. */
export function recipesExample(t: Test, { text }: Block): void {
  const { run } = commandDirectory(t)
  run('converge new recipes my-recipes')
  const directory = text.includes('my-recipes') ? '.' : 'my-recipes'
  for (const line of text.split('\n'))
    if (line !== '') run(`cd ${directory} && ${line.replace('new recipes my-', 'new recipes other-')}`)
}

/** Tests stack files from an untrusted source: they load or are rejected quickly, and never read without a limit. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { loadStack } from '../../../../core/fleet/stack/load.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { hostileKinds } from '../../../support/hostile.ts'
import { scratch } from '../../../support/machine.ts'

const base = { name: 'small', layers: { app: {} }, hosts: { one: { address: '10.0.0.1', layers: ['app'] } } }

/** Returns the error of loading a file; null if it loads. */
async function refusal(file: string): Promise<ConvergeError | null> {
  try {
    await loadStack(file)
    return null
  } catch (error) {
    if (error instanceof ConvergeError && error.usage) return error
    throw error
  }
}

const kinds = hostileKinds.filter(({ name }) => !/of root$/.test(name))

t.test('refuses pipes, devices and endless files', async (t) => {
  for (const { name, put } of kinds) {
    const directory = scratch(t)
    const bad = join(directory, 'bad')
    put(bad, '')
    const file = join(directory, 'stack.json')
    for (const more of [
      { custom_json: { a: { $file: 'bad' } } },
      { custom_json: 'bad' },
      { apps: { site: { ssl: { certificate: 'bad', key: 'bad' } } } },
    ]) {
      writeFileSync(file, JSON.stringify({ ...base, ...more }))
      t.match((await refusal(file))?.message, /cannot be read|not a valid stack/, `${name}: ${Object.keys(more)}`)
    }
    t.match((await refusal(bad))?.message, /cannot be read/, `${name} as the stack file`)
  }
})

t.test('refuses documents that expand, nest deeply or pollute prototypes', async (t) => {
  const directory = scratch(t)
  const aliases = Array.from(
    { length: 30 },
    (_, at) => `x-${at + 1}: &a${at + 1} [${'*a'.concat(String(at), ',').repeat(9)}]`,
  )
  const contents: Readonly<Record<string, string>> = {
    'bomb.yaml': `x-0: &a0 [1]\n${aliases.join('\n')}\n${JSON.stringify(base).slice(1, -1)}`,
    'deep.json': `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    'deep.yaml': `a: ${'['.repeat(5_000)}${']'.repeat(5_000)}`,
    'proto.json': `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${JSON.stringify(base).slice(1)}`,
    'proto.yaml': 'name: x\n__proto__: {polluted: 1}\nhosts: {__proto__: {polluted: 1}}\nlayers: {}\n',
    'tag.yaml': 'name: !!js/function "function () { process.exit(7) }"\nlayers: {}\nhosts: {}\n',
  }
  for (const [name, content] of Object.entries(contents)) {
    writeFileSync(join(directory, name), content)
    t.ok(await refusal(join(directory, name)), name)
  }
  t.equal(({} as Record<string, unknown>).polluted, undefined)
})

t.test('refuses names that are paths or options', async (t) => {
  const file = join(scratch(t), 'stack.json')
  for (const name of [
    '../x',
    'a/b',
    '-oProxyCommand=x',
    '\x1b[2J',
    'a\nb',
    '',
    '.',
    '__proto__',
    '7',
    'x'.repeat(101),
  ]) {
    const host = JSON.stringify(base.hosts.one)
    writeFileSync(file, `{"name":"a","layers":{"app":{}},"hosts":{${JSON.stringify(name)}:${host}}}`)
    t.ok(await refusal(file), JSON.stringify(name))
  }
  for (const key of ['address', 'user', 'jump', 'identity'])
    for (const value of ['a\nb', 'a\0b']) {
      writeFileSync(file, JSON.stringify({ ...base, hosts: { one: { ...base.hosts.one, [key]: value } } }))
      t.ok(await refusal(file), `${key} ${JSON.stringify(value)}`)
    }
})

t.test('refuses accounts and jump hosts with signs of a shell, which ssh gives to a shell for %r', async (t) => {
  const file = join(scratch(t), 'stack.json')
  const problem = async (host: object) => {
    writeFileSync(file, JSON.stringify({ ...base, hosts: { one: { ...base.hosts.one, ...host } } }))
    return refusal(file)
  }
  for (const sign of ['$(id)', '`id`', 'a;id', 'a|id', 'a&id', 'a>b', 'a<b', "a'b", 'a"b', '${IFS}'])
    for (const host of [{ user: sign }, { jump: `${sign}@gate` }, { address: `${sign}.example.com` }])
      t.ok(await problem(host), JSON.stringify(host))
  for (const host of [
    { user: 'CORP\\ann' },
    { user: 'ann@example.com' },
    { user: 'Ann Lee' },
    { jump: 'ann.b$@gate:22' },
  ])
    t.equal(await problem(host), null, JSON.stringify(host))
})

t.test('refuses a file of attributes whose whole content is a text from elsewhere', async (t) => {
  const directory = scratch(t)
  const file = join(directory, 'stack.json')
  writeFileSync(join(directory, 'text'), 'a: 1\n')
  writeFileSync(join(directory, 'common.yaml'), '\n{ $file: text }\n')
  writeFileSync(file, JSON.stringify({ ...base, custom_json: 'common.yaml' }))
  t.match(await refusal(file), {
    message: 'common.yaml: expected attributes or a JSON Patch, got the text of a file or a variable',
    source: { file: 'common.yaml', line: 2, column: 1 },
    hint: 'name the file itself in the stack file, not a file that refers to it',
  })
})

t.test('refuses accounts and jump hosts that ssh would read as options', async (t) => {
  const file = join(scratch(t), 'stack.json')
  const load = async (ssh: object) => {
    writeFileSync(file, JSON.stringify({ ...base, ssh }))
    return refusal(file)
  }
  for (const user of ['-oProxyCommand=x', '-l', '-'])
    t.match(await load({ user }), { message: /^ssh.user: expected the name of an account, without/ }, user)
  for (const jump of ['-J', '-oX=y', 'ann@-oX', 'one,-oX', 'one, -oX', 'one,ann@-oX'])
    t.match(await load({ jump }), { message: /^ssh.jump: expected \[user@\]host/ }, jump)
  for (const good of [{ user: 'DOMAIN\\a-user' }, { jump: 'a-b, ann@c-d:22' }, { jump: 'none' }])
    t.equal(await load(good), null, JSON.stringify(good))
})

t.test('refuses more hosts than a stack can have', { timeout: 20_000 }, async (t) => {
  const file = join(scratch(t), 'stack.json')
  const hosts = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`h${at}`, base.hosts.one]))
  writeFileSync(file, JSON.stringify({ ...base, hosts }))
  t.equal((await refusal(file))?.message, 'hosts: 100,000 entries, more than the limit of 10,000')
})

t.test('refuses a directory in place of the file', async (t) => {
  const directory = scratch(t)
  t.match(await refusal(directory), {
    message: `the stack file ${directory} cannot be read: it is a directory, not a regular file`,
    hint: `name the file itself, such as --stack ${directory}/stack.yaml`,
  })
})

t.test('any bytes load or give one error', async (t) => {
  const directory = scratch(t)
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((one) => Buffer.from(one)),
    fc.string({ unit: 'binary' }).map((one) => Buffer.from(one)),
    fc.json().map((one) => Buffer.from(one)),
    fc.tuple(fc.nat(200), fc.string()).map(([at, more]) => {
      const text = JSON.stringify(base)
      return Buffer.from(text.slice(0, at) + more + text.slice(at))
    }),
  )
  await fc.assert(
    fc.asyncProperty(bytes, fc.constantFrom('json', 'yaml'), async (content, kind) => {
      writeFileSync(join(directory, `stack.${kind}`), content)
      await refusal(join(directory, `stack.${kind}`))
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 400) },
  )
})

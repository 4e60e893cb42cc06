/** Tests arbitrary stack files: each one loads, or is rejected with a usage error that reveals no secret. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { nodeDocuments } from '../../../../core/fleet/stack/documents.ts'
import { loadStack } from '../../../../core/fleet/stack/load.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { scratch } from '../../../support/machine.ts'

const secret = 'open-sesame-42'

const stack = {
  name: 'small',
  region: 'eu',
  layers: { app: { name: 'App', roles: ['zeo-client'], attributes: [{ a: 1 }], packages: ['zip'] }, db: {} },
  hosts: {
    one: { address: '10.0.0.1', layers: ['app'], cpus: 2, attributes: [{ op: 'add', path: '/a', value: 1 }] },
    two: { address: 'two.test', layers: ['app', 'db'], port: 2222, jump: 'gate', sudo: 'password', prefix: '/home/me' },
  },
  apps: {
    site: {
      scm: { repository: '/srv/site.git', password: { $env: 'SECRET' } },
      environment: { TOKEN: { $env: 'SECRET' } },
      domains: ['a.test'],
    },
  },
  custom_json: { b: { password: secret } },
  ssh: { user: 'admin' },
  health: { url: ['http://a.test/'], status: 200 },
  environments: { staging: { name: 'other', hosts: { one: null } }, next: [{ op: 'remove', path: '/hosts/one' }] },
}

/** Returns every path in a value. */
function paths(value: unknown, path: readonly string[] = []): string[][] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return [[...path], ...inner.flatMap(([key, child]) => paths(child, [...path, key]))]
}

function changed(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((item, index) => (String(index) === key ? changed(item, rest, by) : item))
  return { ...(value as object), [key]: changed((value as Record<string, unknown>)[key], rest, by) }
}

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    secret,
    '',
    'app',
    '..',
    [[]],
    { $env: 'SECRET' },
    { $env: 'NONE' },
    { $file: '/nonexistent' },
    { $file: 7 },
  ),
)

t.test('any value at any place loads or gives one error', async (t) => {
  const path = join(scratch(t), 'stack.json')
  const keyPath = fc.constantFrom(...paths(stack))
  const changes = fc.array(fc.tuple(keyPath, anything), { minLength: 1, maxLength: 2 })
  const environment = fc.constantFrom(undefined, 'staging', 'next', 'none')
  let taken = 0
  await fc.assert(
    fc.asyncProperty(changes, environment, async (all, environment) => {
      let content: unknown = stack
      for (const [at, by] of all)
        content = paths(content).some((one) => one.join() === at.join()) ? changed(content, at, by) : content
      writeFileSync(path, JSON.stringify(content))
      try {
        const loaded = await loadStack(path, { environment, variables: { SECRET: secret } })
        for (const { name } of loaded.hosts) nodeDocuments(loaded, name, { online: new Set() })
        taken++
      } catch (error) {
        if (!(error instanceof ConvergeError && error.usage)) throw error
        const reported = JSON.stringify(error.toJSON())
        // An error may quote a value that the file itself contains, unless its place makes it a secret.
        if (!JSON.stringify(all).includes(secret) && reported.includes(secret))
          throw new Error(`it shows a secret: ${reported}`)
      }
    }),
    { numRuns: 500 },
  )
  t.ok(taken > 20, `${taken} were taken`)
})

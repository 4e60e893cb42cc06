/** Tests which secrets of earlier runs a command of the operator reads from a host. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { storedSecrets } from '../../../../core/fleet/operate/stored_secrets.ts'
import { Secrets } from '../../../../core/model/secrets.ts'
import { scratch } from '../../../support/machine.ts'
import { connectionTo, shell } from '../../../support/shell_hosts.ts'

const never = new AbortController().signal

function stateWith(t: Test, inputs: Readonly<Record<string, string>>): string {
  const state = scratch(t)
  for (const [name, content] of Object.entries(inputs)) {
    mkdirSync(`${state}/inputs/${name}`, { recursive: true })
    writeFileSync(`${state}/inputs/${name}/secrets.json`, content)
  }
  return state
}

const read = (t: Test, state: string) => storedSecrets(connectionTo(t, shell(), state), never)

t.test('reads the texts of all inputs, each once', async (t) => {
  const state = stateWith(t, { one: '["a secret", "both"]\n', two: '[\n "both",\n "zwölf\\nlines"\n]\n' })
  t.strictSame([...(await read(t, state))].sort(), ['a secret', 'both', 'zwölf\nlines'])
})

t.test('ignores links, and files that are not lists of texts', async (t) => {
  const state = stateWith(t, { one: '["kept", 1, null, ["x"]]', two: '{"a": "b"}', three: '["cut', four: '' })
  mkdirSync(`${state}/inputs/five`)
  writeFileSync(`${state}/elsewhere`, '["elsewhere"]')
  symlinkSync(`${state}/elsewhere`, `${state}/inputs/five/secrets.json`)
  mkdirSync(`${state}/inputs/six/secrets.json`, { recursive: true })
  t.strictSame(await read(t, state), ['kept'])
})

t.test('reads nothing from a host without runs', async (t) => {
  t.strictSame(await read(t, scratch(t)), [])
})

t.test('limits how much it reads from a host', async (t) => {
  const many = JSON.stringify(Array.from({ length: 5000 }, (_, index) => `text ${index}`))
  t.equal((await read(t, stateWith(t, { many }))).length, 1000)
  t.strictSame(await read(t, stateWith(t, { long: JSON.stringify(['x'.repeat(5_000_000)]) })), [])
})

t.test('an interrupt ends the wait', async (t) => {
  const interrupt = new AbortController()
  const reading = storedSecrets(connectionTo(t, shell({ startup: 'sleep 30' }), scratch(t)), interrupt.signal)
  interrupt.abort()
  await t.rejects(reading, { code: 'INTERRUPTED' })
})

t.test('secrets of a host hide its texts, and those that all hosts have', async (t) => {
  const all = new Secrets()
  const one = new Secrets(all)
  one.add('of one host')
  all.add('of all hosts')
  all.useNames({ secret: ['garden'], open: [] })
  const text = 'of one host, of all hosts\ngarden=tulip'
  t.equal(one.maskForeign(text), '********, ********\ngarden=********')
  t.equal(all.maskForeign(text), 'of one host, ********\ngarden=********')
})

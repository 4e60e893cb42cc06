/** Tests the warning about text that JavaScript makes of values that are no text: built-in roles do not cause it. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { doubtfulText } from '../../../core/compile/doubtful_text.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { file } from '../../../resources/files/file.ts'
import { planned } from '../../support/role_plans.ts'

const doubtful = / contains "/

t.test('finds the first doubtful text, with its property and line', async (t) => {
  t.match(doubtfulText({ path: '/srv/a', content: 'a\nport = undefined\nb' }), {
    words: 'property content contains "undefined"',
    text: 'property content contains "undefined": port = undefined',
  })
  t.match(doubtfulText({ command: ['a', '[object Object]'] }), {
    words: 'property command.1 contains "[object Object]"',
  })
  t.match(doubtfulText({ size: 'NaN' }), { text: 'property size contains "NaN"' })
  t.match(doubtfulText({ path: '/srv/undefined' }), { words: 'property path contains "undefined"' })
  t.match(doubtfulText({ content: `undefined ${'x'.repeat(100)}` })?.text, /: undefined x{50}\.\.\.$/)
})

t.test('accepts these words in code, in templates and within other words', async (t) => {
  t.equal(doubtfulText({ path: '/srv/a.js', content: 'return undefined' }), null)
  t.equal(doubtfulText({ source: 'undefined' }), null)
  t.equal(doubtfulText({ content: 'BANaNA, notundefined, [object]' }), null)
  t.equal(doubtfulText({ mode: '0644', list: [1, null, undefined] }), null)
})

t.test('a plan warns of it once, at the resource', async (t) => {
  const web = role('web', {
    deploy: (r: Recipe<unknown>) => void file(r, { path: '/srv/a', content: `port = ${[][0]}\n` }),
  })
  t.match(compile([web], ['deploy'], {}).warnings, [
    /^file \/srv\/a: property content contains "undefined": port = undefined/,
  ])
})

const directory = new URL('../../../fixtures/golden/', import.meta.url)

for (const name of readdirSync(directory).filter((name) => name !== 'default-attributes.json'))
  t.test(`no built-in role causes it: ${name}`, async (t) => {
    const { role: own, node } = JSON.parse(readFileSync(new URL(name, directory), 'utf8'))
    const { warnings, resources } = await planned(own, node, { event: 'setup,deploy,configure' })
    t.ok(resources.length > 0)
    t.strictSame(
      warnings.filter((text) => doubtful.test(text)),
      [],
    )
  })

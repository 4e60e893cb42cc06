/**
 * Tests that problems with a recipe's properties reveal no secrets: quoted, truncated, in a list, or marked as
 * sensitive.
 */
import fc from 'fast-check'
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { asConvergeError } from '../../../core/model/errors.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { shellWords } from '../../../core/text/shell.ts'
import { probe } from '../../support/faulty_resource.ts'

const thing = probe()

function problemText(secrets: Secrets, deploy: (r: Recipe<unknown>) => void): string {
  const mask = (text: string) => secrets.mask(text)
  try {
    compile([role<unknown>('site', { deploy })], ['deploy'], {}, { mask })
  } catch (error) {
    return JSON.stringify(asConvergeError(error).masked(mask))
  }
  return ''
}

t.test('masks values before it quotes or cuts them', (t) => {
  const secrets = new Secrets()
  const quoted = `s3"cr'et\\with\nnew line`
  const long = 'long-secret-'.repeat(8)
  for (const secret of [quoted, long]) secrets.add(secret)
  for (const value of [{ a: quoted }, { a: [long] }, { a: `password=${long}` }, 7]) {
    const reported = problemText(secrets, (r) => void thing(r, { name: 'x', value: value as unknown as string }))
    t.match(reported, /property value: expected string/)
    t.notMatch(reported, /s3|cr'|with|long-sec/)
  }
  t.match(
    problemText(secrets, (r) => void thing(r, { name: 'x', value: { a: 'open' } as unknown as string })),
    'open',
  )
  t.end()
})

t.test('displays no value of a sensitive resource, known as a secret or not', (t) => {
  const reported = problemText(new Secrets(), (r) => {
    thing(r, { name: 'x', value: { key: 'open' } as unknown as string, sensitive: true })
  })
  t.match(reported, /got \{\\"key\\":\\"\*+\\"/)
  t.notMatch(reported, 'open')
  t.end()
})

t.test('masks any secret in JSON and in commands', (t) => {
  fc.assert(
    fc.property(fc.string({ minLength: 6, unit: 'binary' }), (secret) => {
      const secrets = new Secrets()
      secrets.add(secret)
      const inJson = JSON.stringify({ secret: `<${secret}>` })
      return (
        secrets.mask(inJson) === '{"secret":"<********>"}' &&
        /^echo ('<\*{8}>'|\*{8})$/.test(secrets.mask(shellWords(['echo', `<${secret}>`])))
      )
    }),
  )
  t.end()
})

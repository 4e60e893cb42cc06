/** Tests that files which are not UTF-8 are rejected, each with its name and the byte. */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

t.test('refuses text that is not UTF-8, and names the file and the byte', async (t) => {
  const sandbox = new Sandbox(t)
  const latin = (text: string) => Buffer.from(text, 'latin1')
  sandbox.write({ 'good.ts': `import { role } from 'converge-engine'\nexport default role('x', { configure() {} })\n` })
  writeFileSync(sandbox.at('site.json'), latin('{"deploy": {"app": {"environment": {"A": "M\u00fcller"}}}}'))
  writeFileSync(sandbox.at('site.yaml'), latin('deploy:\n  app: {environment: {A: M\u00fcller}}\n'))
  writeFileSync(sandbox.at('stack.yaml'), latin('name: M\u00fcller\n'))
  writeFileSync(sandbox.at('secrets.json'), latin('["M\u00fcller"]'))
  writeFileSync(
    sandbox.at('recipe.ts'),
    latin(`import { role } from 'converge-engine'\nexport default role('M\u00fcller', {})\n`),
  )
  writeFileSync(sandbox.at('utf16.json'), Buffer.from('\ufeff{}', 'utf16le'))
  const words = ['attributes', '--json']
  const cases: [string[], RegExp][] = [
    [[...words, 'site.json'], /site\.json:1:44.*is not UTF-8: byte 0xfc at offset 43/s],
    [[...words, 'site.yaml'], /site\.yaml:2:27.*byte 0xfc/s],
    [['stack', 'check', '--stack', 'stack.yaml'], /stack\.yaml:1:8.*byte 0xfc/s],
    [['attributes', '--secrets', 'secrets.json'], /secrets\.json is not UTF-8/],
    [[...words, 'utf16.json'], /encoded as UTF-16LE/],
    [
      ['plan', '--role', 'x', '--recipes', 'recipe.ts'],
      /recipe\.ts.*is not UTF-8.*hint: convert it, for example from Latin-1: iconv/s,
    ],
  ]
  for (const [args, expected] of cases) {
    const { status, stderr } = await sandbox.converge(args, { bare: args[0] === 'stack' })
    t.equal(status, 2, args.join(' '))
    t.match(stderr, expected)
  }
})

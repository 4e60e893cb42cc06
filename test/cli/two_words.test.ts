/** Commands of two words: found, explained and completed by both, and mistaken ones told with the nearest. */
import t from 'tap'
import { Sandbox } from '../support/program.ts'

t.test('help and mistakes', async (t) => {
  const place = new Sandbox(t)
  const { stdout } = await place.converge(['stack', 'check', '--help'])
  t.match(stdout, /^Find what is wrong with a stack/)
  t.match(stdout, '\nUsage:\n  converge stack check [OPTION ...]\n')
  t.equal((await place.converge(['help', 'stack', 'check'])).stdout, stdout)
  for (const [args, told] of [
    [['stack'], /^error: converge stack takes a command after it\n {2}hint: there are: .*\bcheck, show, schema\b/],
    [['stack', 'chek'], /^error: there is no command stack chek\n {2}hint: did you mean check\?/],
    [['stak'], /^error: there is no command stak\n {2}hint: did you mean stack\?/],
    [['schema'], /^error: there is no command schema\n {2}hint: did you mean converge stack schema\?/],
    [
      ['stack', 'check', 'now'],
      /^error: stack check takes no word after it: now\n {2}hint: converge stack check --help/,
    ],
    [
      ['stack', 'schema', '--graph', 'x'],
      /^error: stack schema does not take --graph\n {2}hint: --graph is for stack show/,
    ],
    [['help', 'stack', 'chek'], /^error: there is no command stack chek/],
  ] as const) {
    const { status, stderr } = await place.converge(args, { bare: true })
    t.equal(status, 2)
    t.match(stderr, told)
  }
})

t.test('completion', async (t) => {
  const place = new Sandbox(t)
  const complete = async (...words: string[]) =>
    (await place.converge(['--complete', ...words])).stdout.split('\n').filter((word) => word !== '')
  t.ok((await complete('st')).includes('stack'))
  t.ok((await complete('stack', '')).includes('schema'))
  t.ok((await complete('help', 'stack', '')).includes('check'))
  t.ok((await complete('stack', 'show', '--')).includes('--graph'))
  t.notOk((await complete('stack', 'check', '--')).includes('--graph'))
  t.strictSame(await complete('stack', 'show', ''), [], 'nothing but options comes after it')
})

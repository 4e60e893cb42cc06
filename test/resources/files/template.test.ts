/** Tests template: rendering files, the mistakes it reports, and the helpers. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { directory } from '../../../resources/files/directory.ts'
import { checkTemplate, prepareTemplates, renderTemplate } from '../../../resources/files/render_template.ts'
import { template } from '../../../resources/files/template.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const path = '/srv/site.conf'
const name = 'site.conf.hbs'
const fails = (source: string, expected: RegExp, variables: Record<string, unknown> = {}) => ({
  name: `refused: ${JSON.stringify(source)}`,
  props: { path, source, name, variables },
  fails: expected,
})

contract(t, template, [
  {
    name: 'creates a missing file',
    props: { path, source: 'port = {{port}}\n', variables: { port: 8081 }, mode: '0640' },
    changes: ['replace /mode = "0640"', 'replace /content = "port = 8081\\n"', 'replace /kind = "file"'],
    then: (t, host) => t.equal(host.readText(path), 'port = 8081\n'),
  },
  {
    name: 'replaces a different file',
    props: { path, source: '{{a}}', variables: { a: 'new' } },
    given: (host) => host.given(path, 'old', '0600'),
    changes: ['replace /content = "new"'],
    then: (t, host) => t.equal(host.lstat(path)?.mode, '0600'),
  },
  {
    name: 'leaves a correct file unchanged',
    props: { path, source: '{{a}}', variables: { a: 'x' } },
    given: (host) => host.given(path, 'x'),
    changes: [],
  },
  {
    name: 'corrects the mode',
    props: { path, source: 'x', variables: {}, mode: '0600' },
    given: (host) => host.given(path, 'x'),
    changes: ['replace /mode = "0600"'],
  },
  {
    name: 'fails if a directory has its path',
    props: { path, source: 'x', variables: {} },
    given: (host) => host.given(path, null),
    fails: /is a directory.*mv/s,
  },
  {
    name: 'writes text without escapes for HTML, in any script, with CRLF',
    props: { path, source: '{{a}}\r\n<é&>\r\n', variables: { a: '<b> & "ü" 日本' } },
    then: (t, host) => t.equal(host.readText(path), '<b> & "ü" 日本\r\n<é&>\r\n'),
  },
  {
    name: 'renders a template of five megabytes',
    props: {
      path,
      source: `{{#each lines}}${'x'.repeat(1000)} {{this}}\n{{/each}}`,
      variables: { lines: Array.from({ length: 5000 }, (_, i) => i) },
    },
    changes: ['replace /content = "(50', 'replace /kind'],
    then: (t, host) => t.equal(host.readText(path)?.split('\n')[4999], `${'x'.repeat(1000)} 4999`),
  },
  {
    name: 'renders a large template without variables',
    props: { path, source: 'y'.repeat(5 * 1024 * 1024), variables: {} },
    then: (t, host) => t.equal(host.lstat(path)?.size, 5 * 1024 * 1024),
  },
  fails('a\nport = {{prot}}\n', /site\.conf\.hbs:2:\d+: "prot" is not among .*it gets: name, port/s, {
    port: 1,
    name: 'x',
  }),
  fails('{{a.b}}', /a value in the template has no member "b"/, { a: {} }),
  fails('{{#if on}}x{{/if}}', /"on" is not among .*it gets: none/s),
  fails('{{#each rows}}x{{/each}}', /"rows" is not among/),
  fails('{{#each rows}}{{nam}}{{/each}}', /a value in the template has no member "nam"/, { rows: [{ name: 1 }] }),
  fails('a\n{{#if on}}\nb\n', /site\.conf\.hbs:\d+: the template cannot be parsed.*close every/s, { on: true }),
  fails('{{two words', /cannot be parsed/),
  fails('{{"a"}}', /a printed value must be .*not a map/, { a: {} }),
  fails('{{"b"}}', /"b" is not among/, { a: 1 }),
  fails('{{12}}', /"12" is not among/, { a: 1 }),
  fails('{{qoute a}}', /unknown helper qoute.*did you mean quote\?/s, { a: 1 }),
  fails('{{a}}', /a printed value must be .*not null/, { a: null }),
  fails('{{a}}', /not a list/, { a: [1] }),
  fails('{{a.b}}', /not a map/, { a: { b: {} } }),
  fails('{{lookup a b}}', /lookup finds no x/, { a: {}, b: 'x' }),
  fails('{{#each a}}{{b}}{{/each}}', /a value in the template has no member "b"/, { a: ['text'] }),
  fails('{{#unless (eq a c)}}x{{/unless}}', /"c" is not among/, { a: 1 }),
  fails('{{#a}}x{{/a}}', /"a" is not among/),
  fails('{{iniList a}}', /iniList takes a list, not a string/, { a: 'x' }),
  fails('{{join a}}', /join must be a string, a number or a boolean, not a map/, { a: [{}] }),
  fails('{{quote a}}', /quote must be .*not null/, { a: null }),
  fails('{{#eachSorted a}}{{/eachSorted}}', /eachSorted takes a map/, { a: 'x' }),
  fails('{{> part}}', /unknown partial part/),
])

t.test('refuses deep nesting, for which the parser would take minutes', async (t) => {
  await prepareTemplates()
  const nested = {
    blocks: (depth: number) => `a\n${'{{#if a}}'.repeat(depth)}x${'{{/if}}'.repeat(depth)}`,
    'inverse blocks': (depth: number) => `a\n${'{{^b}}'.repeat(depth)}x${'{{/b}}'.repeat(depth)}`,
    'else if': (depth: number) => `a\n{{#if b}}${'{{else if a}}x'.repeat(depth - 1)}{{/if}}`,
    parentheses: (depth: number) => `a\n{{json ${'(eq '.repeat(depth)}a a${' a)'.repeat(depth - 1)})}}`,
  }
  for (const [name, source] of Object.entries(nested)) {
    t.match(render(source(100), { a: 1, b: [] }), /^a\n(x|true|false)$/, name)
    for (const depth of [101, 20_000])
      t.throws(() => render(source(depth), { a: 1, b: [] }), {
        code: 'TEMPLATE_ERROR',
        message: /:2: the template cannot be rendered: blocks, else if or parentheses are nested more than 100 deep$/,
      })
  }
  const wide = '{{#if b}}x{{else if a}}{{^}}{{/if}}{{^b}}{{/b}}((('.repeat(1000)
  t.equal(render(wide, { a: 1, b: [] }), '((('.repeat(1000), 'many blocks beside each other')
})

const render = (source: string, variables: Record<string, unknown>) => renderTemplate({ path, source, variables })

t.test('renders with each helper', async (t) => {
  await prepareTemplates()
  t.equal(render('extends ={{iniList a}}\n', { a: ['x.cfg', 'y.cfg'] }), 'extends =\n    x.cfg\n    y.cfg\n')
  t.equal(render('parts ={{iniList a}}', { a: [] }), 'parts =')
  t.equal(render('{{"a b"}} {{[a b]}}', { 'a b': 1 }), '1 1')
  t.equal(render('{{join a}} {{join a ", "}}', { a: ['x', 1, true] }), 'x 1 true x, 1, true')
  t.equal(render('{{quote a}}', { a: 'say "hi" \\o/' }), '"say \\"hi\\" \\\\o/"')
  t.equal(render('{{shellQuote a}}', { a: "it's $HOME" }), "'it'\\''s $HOME'")
  t.equal(render('{{json a}}', { a: { b: [1, null] } }), '{"b":[1,null]}')
  const map = { b: 2, a: 1, c: 3 }
  t.equal(
    render('{{#eachSorted m}}{{@key}}={{this}}{{#unless @last}},{{/unless}}{{/eachSorted}}', { m: map }),
    'a=1,b=2,c=3',
  )
  t.equal(render('{{#if (eq a 1)}}one{{else}}other{{/if}}', { a: 1 }), 'one')
})

t.test('an error names the template with its line, and the line of the recipe', async (t) => {
  const atLine = (line: number) => new RegExp(`^${name}:${line}:`)
  const failure = async (source: string) => {
    const plan = planOf((r) => template(r, { path, source, name, variables: { here: 1 } }))
    const report = await run(plan, new VirtualHost())
    return report.resources[0]?.failure
  }
  t.match(await failure('one\ntwo\n  {{gone}}\n'), { code: 'TEMPLATE_ERROR', message: atLine(3) })
  t.match(await failure('one\n{{#if here}}\n{{/each}}\n'), { message: atLine(2) })
  t.match(await failure('one\n{{quote\n\n'), { message: atLine(2) })
  t.match(await failure('one\n{{iniList here}}\n'), { message: atLine(2) })
  t.match(await failure('one\n{{nohelper here}}\n'), { message: atLine(2) })
})

t.test('prints empty values', async (t) => {
  await prepareTemplates()
  t.equal(render('[{{a}}][{{b}}][{{c}}]', { a: 0, b: false, c: '' }), '[0][false][]')
  t.throws(() => render('{{a}}', { a: undefined }), ConvergeError)
  t.throws(() => render('{{constructor}}', {}), ConvergeError)
})

t.test('reports a missing value inside a block with its line', async (t) => {
  const source = 'a\n{{#each hosts as |host|}}\n{{host.address.port}}\n{{/each}}\n'
  t.throws(() => render(source, { hosts: [{ name: 'web1' }] }), {
    code: 'TEMPLATE_ERROR',
    message: /:3: the value before "\.port" is undefined$/,
    hint: /^correct the name/,
  })
  t.equal(render(source, { hosts: [{ address: { port: 80 } }] }), 'a\n80\n')
})

t.test('compares variables with the template before anything is rendered', async (t) => {
  const runOf = (source: string, variables: object, more: object = {}) =>
    run(
      planOf((r) => {
        const before = directory(r, { path: '/srv' })
        template(r, { path, source, name, variables: { ...variables, later: before.digest }, ...more })
      }),
      new VirtualHost(),
    )
  const failed = async (source: string, variables: object, more?: object) => {
    const { resources, outcome } = await runOf(source, variables, more)
    t.equal(outcome, 'failed')
    return resources.map(({ failure }) => failure?.message).find((message) => message !== undefined)
  }
  t.match(await failed('{{later}}\n  {{  cert}}', {}), /:2:7: "cert" is not among/)
  t.match(await failed('{{#if tls}}{{later}}\ncert={{cert}}{{/if}}', { tls: false }), /:2:8: "cert" is not among/)
  t.match(await failed('{{later}}\n{{#each a}}{{x}}{{../b}}{{/each}}', { a: [] }), /:2:19: "b" is not among/)
  t.match(await failed('{{later}}{{@root.c}}', {}), /"c" is not among/)
  t.match(await failed('{{later}}{{join a "x"}}{{b}}\n{{c}}', { a: [] }), /"b" is .*, and neither is "c" in line 2$/)
  t.match(await failed('{{later}}{{d}}', {}, { onlyIf: false }), /"d" is not among/, 'a skipped resource too')

  const warned = async (source: string, variables: object) => {
    const { warnings, outcome } = await runOf(source, variables)
    t.not(outcome, 'failed', source)
    return warnings
  }
  t.match(await warned('{{later}}', { host: 1, port: 2 }), [
    new RegExp(`^${name}: the template does not use the variable "host" \\(.*template.test.ts:`),
    /"port"/,
  ])
  t.same(await warned('{{later}}{{#if a}}{{b}}{{else}}{{c}}{{/if}}', { a: true, b: 1, c: 2 }), [])
  t.same(await warned('{{#each a as |b|}}{{b.c}}{{b}}{{@index}}{{/each}}{{later}}', { a: [] }), [])
  t.same(
    await warned('{{#with a}}{{x}}{{/with}}{{#eachSorted m}}{{this}}{{/eachSorted}}{{later}}', { a: { x: 1 }, m: {} }),
    [],
  )
  t.same(await warned('{{#a}}{{b}}{{/a}}{{later}}', { a: false, b: 1 }), [], 'b may be a variable or a member')
  t.same(await warned('{{json this}}', { a: 1 }), [])
  t.same(await warned('{{later}}{{#if a}}{{b}}{{/if}}', { a: '', b: undefined }), [])
})

t.test('an override of a template gets the same variables', async (t) => {
  const plan = planOf((r) => {
    template(r, { path, source: '{{a}}{{b}}', variables: { a: 1, b: 2 } })
    r.override(template, path, { source: '{{a}}' })
  })
  t.same((await run(plan, new VirtualHost())).warnings, [])
})

t.test('checks a template file without variables', async (t) => {
  await checkTemplate({ path: '/r/a.hbs', text: '{{a}}{{#if b}}{{quote c}}{{/if}}' })
  await t.rejects(checkTemplate({ path: '/r/a.hbs', text: 'x\n{{#if b}}' }), {
    message: /^\/r\/a\.hbs:2: the template cannot be parsed/,
  })
  await t.rejects(checkTemplate({ path: '/r/a.hbs', text: 'x\n{{quot b}}' }), {
    message: '/r/a.hbs:2: the template cannot be rendered: unknown helper quot',
    hint: 'did you mean quote?',
  })
})

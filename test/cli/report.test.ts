/** Tests `converge report`: a page of its own, in which nothing of others is HTML, and no secret is shown. */
import * as fs from 'node:fs'
import t from 'tap'
import { htmlReport } from '../../core/report/html_report.ts'
import { Sandbox } from '../support/program.ts'

const attack = `<script>alert(1)</script>"'&\u202e`

t.test('escapes everything that others write', async (t) => {
  const about = { type: 'file', key: attack, role: attack, event: attack, durationMs: 1 }
  const failure = {
    code: 'X',
    message: attack,
    hint: attack,
    output: attack,
    source: { file: attack, line: 1 },
    problems: [{ code: 'X', message: attack, hint: attack }],
  }
  const start = { id: attack, mode: 'run' as const, roles: [attack], events: [attack], started: attack, resources: 1 }
  const page = htmlReport({
    host: attack,
    start: { ...start, selection: { only: [attack], skip: [] } },
    resources: [
      { ...about, name: attack, outcome: 'failed', failure },
      {
        ...about,
        name: attack,
        outcome: 'changed',
        words: attack,
        reason: attack,
        patch: [{ op: 'replace', path: `/${attack}`, value: attack }],
        diff: [`+${attack}`],
        commits: {
          from: attack,
          to: attack,
          added: 2,
          removed: 0,
          newest: [{ commit: attack, author: attack, subject: attack }],
        },
        comparedWith: { path: attack, isSame: false },
      },
      { ...about, name: attack, outcome: 'skipped', reason: attack },
    ],
    warnings: [attack],
    notes: [attack],
    end: null,
  })
  t.notMatch(page, '<script')
  t.notMatch(page, '\u202e')
  t.match(page, '&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u202e')
  t.match(page, `content="default-src 'none'; style-src 'unsafe-inline'"`)
  const tags = new Set([...page.matchAll(/<\/?([a-z0-9]+)/g)].map(([, name]) => name))
  const known =
    'html head meta title style body header h1 span p dl div dt dd main section h2 article h3 table tr th td ins pre ul li strong code'
  t.strictSame(
    [...tags].filter((name) => !known.split(' ').includes(name ?? '')),
    [],
  )
})

t.test('renders the journal of a run into one private file', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': `
import { execute, file, role } from 'converge-engine'
export default role('site', {
  setup(r, node) {
    file(r, { path: process.cwd() + '/page', content: 'new\\npassword: ' + node.deploy.site.database.password })
    execute(r, { name: 'broken', command: 'echo said; exit 3' })
  },
})
`,
    'site.json': JSON.stringify({ deploy: { site: { database: { password: 'tiger-lily-17' } } } }),
    page: 'old\n',
  })
  const report = (...words: string[]) =>
    sandbox.converge(['report', '--state-dir', sandbox.state, ...words], { bare: true })
  t.match((await report()).stderr, /^error: there is no journal in /)
  await sandbox.converge(['setup', '--role', 'site', '--recipes', 'recipes', '--json', 'site.json'])
  const { status, stderr } = await report('--out', 'report.html')
  t.equal(status, 0, stderr)
  t.equal((fs.statSync(sandbox.at('report.html')).mode & 0o777).toString(8), '600')
  const page = sandbox.read('report.html')
  t.notMatch(page, /[^\x00-\x7f]/, 'a browser that ignores the charset reads the same')
  t.match(page, '<span class="add">+new')
  t.match(page, /<strong>[^<]*exited with status 3/)
  t.match(page, 'said')
  t.notMatch(page, 'tiger-lily')
  t.equal((await report('--journal', '1')).stdout, page)
  t.match((await report('--journal', '7')).stderr, 'there is no journal of run 7')
})

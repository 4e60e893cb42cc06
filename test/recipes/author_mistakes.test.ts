/** Tests mistakes in recipes: each is caught by the compiler, a plan or a run, at the line of the author. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mistakes } from '../support/author_mistakes.ts'
import { scratch } from '../support/machine.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const imports =
  "import { cron, defineAttributes, defineQuery, defineResource, directory, execute, file, type Handle, type NodeWith, packages, placed, type PloneNode, queried, readTemplate, type Recipe, recipeFile, role, roles, seconds, service, stack, symlink, systemd_unit, template, virtualenv, z } from 'converge-engine'"

const place = scratch(t)
const env = { ...process.env, XDG_CACHE_HOME: `${place}/cache`, NO_COLOR: '1' }

/** Runs a program without the module that tap loads into every child process. */
const run = (...argv: string[]) =>
  spawnSync('env', ['-u', 'NODE_OPTIONS', ...argv], { encoding: 'utf8', cwd: place, env })

const cases = mistakes.map((mistake, index) => {
  const directory = `${place}/${index}`
  const text = `${imports}\n${mistake.recipe}\n`
  mkdirSync(directory)
  for (const [name, content] of Object.entries({ 'web.ts': text, ...mistake.files }))
    writeFileSync(`${directory}/${name}`, content)
  writeFileSync(`${directory}/site.json`, JSON.stringify(mistake.attributes ?? {}))
  return { ...mistake, directory, line: text.split('\n').findIndex((line) => line.includes('// here')) + 1 }
})

writeFileSync(`${place}/package.json`, '{ "type": "module" }')
const compilerOptions = {
  paths: { 'converge-engine': [`${root}recipes/api.ts`] },
  noEmit: true,
  noUnusedLocals: false,
  typeRoots: [`${root}node_modules/@types`],
}
const files = cases.map(({ directory }) => `${directory}/web.ts`)
writeFileSync(
  `${place}/tsconfig.json`,
  JSON.stringify({ extends: `${root}tsconfig.json`, compilerOptions, include: [], files }),
)
const compiled = run(`${root}node_modules/.bin/tsc`, '-p', place, '--pretty', 'false').stdout

const outputs: string[] = []

for (const [index, { name, compiler, found, message, isWarning = false, directory, line }] of cases.entries())
  t.test(name, async (t) => {
    const diagnostics = compiled.split(/^(?=\S+\(\d+,\d+\): error)/m)
    const own = diagnostics.filter((text) => text.startsWith(`${index}/web.ts(`))
    if (compiler === undefined) t.strictSame(own, [])
    else
      t.ok(
        own.some((text) => text.startsWith(`${index}/web.ts(${line},`) && compiler.test(text)),
        'compiler',
        { own },
      )
    const words = [
      found,
      '--role',
      'web',
      '--recipes',
      directory,
      '--json',
      `${directory}/site.json`,
      '--config-dir',
      directory,
    ]
    // Below a prefix, root changes nothing else.
    const event = found === 'plan' ? ['--event', 'deploy'] : ['--prefix', `${directory}/p`]
    const { status, stdout, stderr } = run(
      process.execPath,
      `${root}dist/start.cjs`,
      ...words,
      ...event,
      '--state-dir',
      `${directory}/state`,
    )
    const output = `${stdout}${stderr}`
    outputs.push(output)
    t.equal(status === 0, isWarning, 'exit status', { output })
    t.match(output, message)
    // A file without a role has no line for it.
    t.match(output, line === 0 ? /web\.ts/ : new RegExp(`web\\.ts:${line}\\b`), 'the line of the author')
  })

/** Rows about mistakes that no recipe file alone can have; other tests cause them. */
const elsewhere = [
  'recipes cannot be compiled here',
  '... was packed for converge ...',
  'it asks for import.meta.url, and is in no directory of recipes',
  '... is not run without being named: ...',
  'it would change the system outside the prefix ...',
]

/** Rows of another section about mistakes in recipes. */
const further = [
  '... is declared twice with different properties',
  '... which is not declared before it',
  '... of the role ... is asynchronous',
  '... has no property ...',
]

t.test('the table of mistakes in the documentation has the words of the program', async (t) => {
  const page = readFileSync(`${root}docs/troubleshooting.md`, 'utf8')
  const rows = (text: string) => [...text.matchAll(/^\| ([^|]*) \|/gm)].map(([, cell = '']) => cell)
  const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, message = '']) => message)
  const own = rows(page.split('## Your own recipes')[1] ?? '').flatMap(quoted)
  t.ok(own.length > 15)
  for (const message of further) t.ok(rows(page).flatMap(quoted).includes(message), `the page has: ${message}`)
  for (const message of [...own.filter((one) => !elsewhere.includes(one)), ...further]) {
    const words = message.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    const pattern = new RegExp(words.join('[^\\n]*'))
    t.ok(
      outputs.some((output) => pattern.test(output)),
      message,
    )
  }
})

/** Follows the examples of CONTRIBUTING.md in a copy of the project: a new resource type and a new role. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { scratch } from '../support/machine.ts'
import { type Block, blocksOf, project } from './blocks.ts'

const name = 'CONTRIBUTING.md'
const page = readFileSync(join(project, name), 'utf8')
const lines = page.split('\n')
const copy = scratch(t)
const copied = ['core', 'resources', 'recipes', 'attributes', 'test', 'docs', 'fixtures', 'bench']
for (const path of [
  ...copied,
  'package.json',
  'tsconfig.json',
  'build.mjs',
  'package-lock.json',
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
])
  cpSync(join(project, path), join(copy, path), { recursive: true })
symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))

/** Returns the paragraph before a block. */
function introduction({ line }: Block): string {
  const above = lines.slice(0, line - 1)
  while (above.at(-1) === '') above.pop()
  return above.slice(above.lastIndexOf('') + 1).join(' ')
}

/** Writes a new file, or inserts lines into a file after the line that the page names. */
function write(t: Test, block: Block): void {
  const text = introduction(block)
  const file = /^`([^`]+)`:$/.exec(text)?.[1]
  if (file !== undefined) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    writeFileSync(join(copy, file), block.text)
    return
  }
  const [, path = '', after = ''] = /Add to `([^`]+)`, after `([^`]+)`:$/.exec(text) ?? []
  const content = readFileSync(join(copy, path), 'utf8')
  t.equal(content.split(`${after}\n`).length, 2, `${path} has the line "${after}" once`)
  writeFileSync(join(copy, path), content.replace(`${after}\n`, `${after}\n${block.text}`))
}

function run(t: Test, command: string): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-euc', command], { cwd: copy, encoding: 'utf8' })
  t.equal(status, 0, `${command}\n${stdout}${stderr}`)
  return stdout
}

// Copies, compiles and builds the project.
t.setTimeout(300_000)

t.test('the examples work', async (t) => {
  const blocks = blocksOf(name, page)
  const examples = blocks.filter(({ heading }) => /^Add a (resource type|role)$/.test(heading))
  t.equal(examples.length, 8)
  for (const block of examples.filter(({ language }) => language === 'ts')) write(t, block)
  run(t, 'npx tsc --noEmit -p .')
  // Without the pages of a coverage report, and in this process group.
  for (const { text } of examples.filter(({ language }) => language === 'sh'))
    run(t, text.replaceAll('npx tap ', 'node --import=tsx '))
  t.match(readFileSync(join(copy, 'docs/reference/resources.md'), 'utf8'), /login_banner/)
})

t.test('each path and each script that the page names exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { scripts: object }
  for (const [, script = ''] of page.matchAll(/npm run ([\w:]+)/g)) t.ok(script in scripts, script)
  const named = [...page.matchAll(/`((?:core|test|docs|attributes)\/[\w./-]+\.(?:ts|md))`/g)].map(
    ([, path = '']) => path,
  )
  for (const path of new Set(named)) if (!path.includes('login_banner')) t.ok(existsSync(join(project, path)), path)
})

t.test('each directory that ARCHITECTURE.md names exists', async (t) => {
  const architecture = readFileSync(join(project, 'ARCHITECTURE.md'), 'utf8')
  const named = [...architecture.matchAll(/`((?:core|test|docs|attributes|recipes|resources)\/[\w./-]*)`/g)]
  for (const path of new Set(named.map(([, path = '']) => path))) t.ok(existsSync(join(project, path)), path)
})

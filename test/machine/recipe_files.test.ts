/** Tests files and directories of a recipe on a real system: as root, in a directory of another account, and as an ordinary user. */
import * as fs from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { file } from '../../resources/files/file.ts'
import { recipeDirectory, recipeFile } from '../../resources/files/recipe_files.ts'
import { remote_directory } from '../../resources/files/remote_directory.ts'
import { failureOf, patchOf, planOf } from '../support/contract.ts'
import { directoryOf, needs, sameAs, scratch } from '../support/machine.ts'

type Plan = ReturnType<typeof planOf>

const isRoot = process.getuid?.() === 0
const nobody = 65_534
const binary = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff, 0xfe, 0x0a])

/** Makes the directory of a recipe, with a binary file, an executable one, links and a circle of links. */
function recipe(t: Test): string {
  const directory = scratch(t)
  for (const name of ['shop/sub/deep', 'shop/empty', 'linked'])
    fs.mkdirSync(`${directory}/${name}`, { recursive: true })
  fs.writeFileSync(`${directory}/shop/a.conf`, 'a\n')
  fs.writeFileSync(`${directory}/shop/logo.png`, binary)
  fs.writeFileSync(`${directory}/shop/grün – ü.txt`, 'ü\r\n')
  fs.writeFileSync(`${directory}/shop/sub/deep/run`, '#!/bin/sh\n')
  fs.chmodSync(`${directory}/shop/sub/deep/run`, 0o755)
  fs.writeFileSync(`${directory}/linked/more`, 'more\n')
  fs.symlinkSync('../linked', `${directory}/shop/link`)
  fs.symlinkSync('../logo.png', `${directory}/shop/sub/logo.png`)
  fs.symlinkSync('..', `${directory}/shop/sub/up`)
  return pathToFileURL(`${directory}/web.ts`).href
}

/** Lists everything below a directory with its mode; follows no links. */
function listed(directory: string, below = ''): Record<string, string> {
  const entries = fs.readdirSync(`${directory}/${below}`).sort()
  return Object.assign(
    {},
    ...entries.map((entry) => {
      const name = `${below}${entry}`
      const stat = fs.lstatSync(`${directory}/${name}`)
      const mode = stat.isSymbolicLink() ? 'link' : (stat.mode & 0o7777).toString(8).padStart(4, '0')
      return { [name]: mode, ...(stat.isDirectory() ? listed(directory, `${name}/`) : {}) }
    }),
  )
}

const complete = {
  'a.conf': '0644',
  'grün – ü.txt': '0644',
  link: '0755',
  'link/more': '0644',
  'logo.png': '0644',
  sub: '0755',
  'sub/deep': '0755',
  'sub/deep/run': '0755',
  'sub/logo.png': '0644',
}

/** Runs a plan: its dry run writes nothing and predicts the patch, and the second run changes nothing. */
async function run(t: Test, plan: Plan, base: string): Promise<void> {
  const host = new LocalHost(`${base}/state`)
  const before = listed(base)
  const dry = await converge(plan, new VirtualHost({ base: host }), { id: 'x', mode: 'plan' })
  t.strictSame(listed(base), before, 'the dry run writes nothing')
  const real = await converge(plan, host, { id: 'x', mode: 'run' })
  t.strictSame(failureOf(real), undefined)
  t.strictSame(patchOf(dry), patchOf(real), 'the dry run predicts the patch')
  t.match(await converge(plan, host, { id: 'x', mode: 'run' }), { outcome: 'unchanged' })
}

t.test('installs the directory of a recipe, and purges others', async (t) => {
  const base = scratch(t)
  const path = `${base}/shop`
  const source = recipeDirectory(recipe(t), 'shop')
  const plan = (props: object = {}) => planOf((r) => void remote_directory(r, { path, source, ...props }))
  await run(t, plan(), base)
  t.strictSame(listed(path), complete)
  t.strictSame(fs.readFileSync(`${path}/logo.png`), binary)
  t.strictSame(fs.readFileSync(`${path}/sub/logo.png`), binary, 'the file behind a link of the recipe')

  const outside = directoryOf(base, 'outside')
  fs.writeFileSync(`${outside}/kept`, 'kept')
  fs.writeFileSync(`${path}/logo.png`, 'text')
  fs.chmodSync(`${path}/sub/deep/run`, 0o600)
  fs.chmodSync(`${path}/sub`, 0o700)
  fs.rmSync(`${path}/a.conf`)
  fs.symlinkSync(`${outside}/kept`, `${path}/a.conf`)
  fs.symlinkSync(outside, `${path}/sub/away`)
  fs.mkdirSync(`${path}/sub/old/deep`, { recursive: true })
  fs.writeFileSync(`${path}/sub/old/deep/x`, 'x')
  fs.writeFileSync(`${path}/own`, 'mine', { mode: 0o640 })
  await run(t, plan(), base)
  const surplus = {
    own: '0640',
    'sub/away': 'link',
    'sub/old': '0755',
    'sub/old/deep': '0755',
    'sub/old/deep/x': '0644',
  }
  t.strictSame(listed(path), { ...complete, ...surplus }, 'without purge')
  await run(t, plan({ purge: true }), base)
  t.strictSame(listed(path), complete)
  t.strictSame(fs.readFileSync(`${path}/logo.png`), binary)
  t.strictSame(listed(outside), { kept: '0644' }, 'nothing is written or removed through a link')
  t.equal(fs.readFileSync(`${outside}/kept`, 'utf8'), 'kept')

  await run(t, plan({ purge: true, mode: '0640', directoryMode: '2750' }), base)
  const modes = Object.entries(complete).map(([name]) => [
    name,
    fs.statSync(`${path}/${name}`).isDirectory() ? '2750' : '0640',
  ])
  t.strictSame(listed(path), Object.fromEntries(modes))
})

t.test('installs a file of a recipe, text or binary', async (t) => {
  const base = scratch(t)
  const from = recipe(t)
  const plan = (name: string, props: object = {}) =>
    planOf((r) => void file(r, { path: `${base}/file`, source: recipeFile(from, name), ...props }))
  for (const name of ['shop/logo.png', 'shop/a.conf', 'shop/link/more', 'shop/grün – ü.txt']) {
    await run(t, plan(name), base)
    t.strictSame(fs.readFileSync(`${base}/file`), fs.readFileSync(new URL(name, from)), name)
  }
  await run(t, plan('shop/logo.png', { mode: '0600' }), base)
  t.match(listed(base), { file: '0600' })
  const verified = (name: string) => plan(name, { verify: { command: ['grep', '-q', 'a', '%{path}'] } })
  await run(t, verified('shop/a.conf'), base)
  const refused = await converge(verified('shop/logo.png'), new LocalHost(`${base}/state`), { id: 'x', mode: 'run' })
  t.match(failureOf(refused), { message: /grep rejects the new content/ })
  t.equal(fs.readFileSync(`${base}/file`, 'utf8'), 'a\n')
})

t.test('gives the files to another account, and follows no links of that account', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const base = scratch(t)
  const path = `${base}/shop`
  const source = recipeDirectory(recipe(t), 'shop')
  const plan = planOf((r) => void remote_directory(r, { path, source, purge: true, owner: 'nobody' }))
  await run(t, plan, base)
  for (const name of ['.', ...Object.keys(complete)]) t.equal(fs.statSync(`${path}/${name}`).uid, nobody, name)

  const precious = directoryOf(base, 'precious')
  fs.writeFileSync(`${precious}/a`, 'precious', { mode: 0o600 })
  for (const [name, target] of [
    ['a.conf', `${precious}/a`],
    ['own', precious],
  ]) {
    fs.rmSync(`${path}/${name}`, { force: true })
    fs.symlinkSync(`${target}`, `${path}/${name}`)
    fs.lchownSync(`${path}/${name}`, nobody, nobody)
  }
  await run(t, plan, base)
  t.strictSame(listed(path), complete)
  t.match(fs.statSync(`${precious}/a`), { uid: 0, mode: 0o100600 })
  t.equal(fs.readFileSync(`${precious}/a`, 'utf8'), 'precious')

  fs.rmSync(`${path}/sub`, { recursive: true })
  fs.symlinkSync(precious, `${path}/sub`)
  const refused = await converge(plan, new LocalHost(`${base}/state`), { id: 'x', mode: 'run' })
  t.match(failureOf(refused), { code: 'IN_THE_WAY', message: /sub is a link, but a directory was declared/ })
  t.strictSame(listed(precious), { a: '0600' })
})

t.test('an ordinary user cannot give files to another account, and gets an error', async (t) => {
  // Root may; the run as an ordinary user below has this test.
  if (isRoot) return
  const base = scratch(t)
  const plan = planOf(
    (r) => void file(r, { path: `${base}/file`, source: recipeFile(recipe(t), 'shop/logo.png'), owner: 'root' }),
  )
  const report = await converge(plan, new LocalHost(`${base}/state`), { id: 'x', mode: 'run' })
  t.match(failureOf(report), { code: 'EPERM' })
  t.notOk(fs.existsSync(`${base}/file`), 'a file of another owner is not left behind')
})

t.test('as an ordinary user', async (t) => {
  if (process.env.CONVERGE_TEST_BRIEF !== undefined) return t.pass('skipped', { skip: 'this is that run' })
  if (!needs(t, ['root', 'nobody'])) return
  sameAs(t, 'nobody', fileURLToPath(import.meta.url))
})

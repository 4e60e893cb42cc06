/**
 * Tests the parts of the program: licences, a bill of materials, pinned packages, and an install without a compiler.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import { needs, scratch } from './support/machine.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const text = (file: string) => readFileSync(join(root, file), 'utf8')

interface LockedPackage {
  readonly version: string
  readonly integrity?: string
  readonly resolved?: string
  readonly dev?: boolean
  readonly link?: boolean
}

const lock = JSON.parse(text('package-lock.json')) as { readonly packages: Readonly<Record<string, LockedPackage>> }
const locked = Object.entries(lock.packages).filter(([path]) => path !== '')
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/** Returns the directories of the packages that the program, the console and its pages contain. */
async function bundledPackages(): Promise<Set<string>> {
  const { sources } = JSON.parse(text('dist/converge.cjs.map')) as { readonly sources: readonly string[] }
  const { metafile } = await build({
    entryPoints: ['core/console/main.ts', 'core/console/browser/main.tsx'],
    ...{ bundle: true, metafile: true, write: false, outdir: 'unused', absWorkingDir: root, platform: 'node' },
    ...{ jsx: 'automatic', jsxImportSource: 'preact' },
  })
  const files = [...sources, ...Object.keys(metafile.inputs)]
  return new Set(files.flatMap((file) => /^(?:\.\.\/)*(.*node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []))
}

t.test('dist has the licence of each bundled package', async (t) => {
  const bundled = await bundledPackages()
  for (const name of ['zod', 'handlebars', 'hono', 'preact']) t.ok(bundled.has(`node_modules/${name}`), name)
  const licenses = text('dist/THIRD-PARTY-LICENSES.txt')
  for (const directory of bundled) {
    const { version } = lock.packages[directory] as LockedPackage
    t.ok(licenses.includes(`\n${nameOf(directory)} ${version} (`), directory)
    const file = readdirSync(join(root, directory)).find((name) => /^(licen[cs]e|copying)([.-]|$)/i.test(name))
    t.ok(licenses.includes(text(join(directory, file ?? '')).trim()), `the text of ${directory}`)
  }
})

t.test('the bill of materials lists each bundled package with its digest', async (t) => {
  const bom = JSON.parse(text('dist/sbom.cdx.json')) as {
    readonly bomFormat: string
    readonly metadata: { readonly component: { readonly name: string; readonly version: string } }
    readonly components: readonly {
      readonly name: string
      readonly version: string
      readonly purl: string
      readonly hashes: readonly { readonly alg: string; readonly content: string }[]
    }[]
  }
  const { name, version } = JSON.parse(text('package.json')) as { readonly name: string; readonly version: string }
  t.match(bom, { bomFormat: 'CycloneDX', specVersion: /^1\.\d$/, metadata: { component: { name, version } } })
  const listed = new Set(bom.components.map((one) => `${one.name}@${one.version}`))
  const expected = new Set(locked.filter(([, { dev }]) => !dev).map(([path, one]) => `${nameOf(path)}@${one.version}`))
  t.strictSame([...listed].sort(), [...expected].sort())
  for (const directory of await bundledPackages())
    t.ok(listed.has(`${nameOf(directory)}@${lock.packages[directory]?.version}`), directory)
  for (const { purl, hashes } of bom.components) {
    t.match(purl, /^pkg:npm\//)
    t.match(hashes, [{ alg: 'SHA-512', content: /^[0-9a-f]{128}$/ }])
  }
  t.notMatch(text('dist/sbom.cdx.json'), dirname(root), 'no path of the computer that built it')
})

t.test('the lock file pins each package', async (t) => {
  for (const [path, { version, integrity, resolved, link }] of locked) {
    t.match(version, /^\d+\.\d+\.\d+/, path)
    t.match(integrity, /^sha512-/, path)
    t.equal(resolved, undefined, `${path}: installed from whichever registry is set`)
    t.equal(link, undefined, path)
  }
})

t.test('the audit fails for grave vulnerabilities, and reports an unreachable registry', async (t) => {
  const directory = scratch(t)
  const audit = (npm: string) => {
    const bin = join(directory, String(Math.random()))
    mkdirSync(bin)
    spawnSync('sh', ['-c', 'cat > "$0/npm" && chmod 755 "$0/npm"', bin], { input: `#!/bin/sh\n${npm}\n` })
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
    return spawnSync(process.execPath, [join(root, '.ci/audit.mjs')], { env, encoding: 'utf8' })
  }
  const report = (severity: string) =>
    audit(`echo '{"vulnerabilities": {"a": {"name": "a", "severity": "${severity}", "range": "<2"}}}'; exit 1`)
  t.match(report('high'), { status: 1, stdout: /a <2: high\n.*1 of them high or critical/ })
  t.match(report('low'), { status: 0, stdout: /a <2: low\n/ })
  t.match(audit(`echo '{"vulnerabilities": {}}'`), { status: 0, stdout: /^audit: 0 vulnerable packages/ })
  const away = audit(`echo '{"message": "connect ECONNREFUSED"}'; exit 1`)
  t.match(away, { status: 0, stdout: /^audit: not checked: connect ECONNREFUSED\n$/ })
  t.match(audit('exit 3'), { status: 0, stdout: /^audit: not checked: npm audit ended with status 3\n$/ })
})

t.test('npm ci needs no compiler', async (t) => {
  if (!needs(t, ['npm registry'])) return
  const directory = scratch(t)
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(root, file), join(directory, file))
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  for (const tool of ['node', 'npm', 'sh', 'env'])
    symlinkSync(spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(), join(bin, tool))
  const env = { HOME: process.env.HOME, npm_config_registry: registry(), PATH: bin }
  for (const tool of ['cc', 'gcc', 'g++', 'make', 'python3'])
    t.not(spawnSync('sh', ['-c', `command -v ${tool}`], { env, encoding: 'utf8' }).status, 0, `${tool} is out of reach`)
  const args = ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund']
  const { status, stderr } = spawnSync('npm', args, { cwd: directory, env, encoding: 'utf8' })
  t.equal(status, 0, stderr)
  cpSync(join(root, 'dist'), join(directory, 'dist'), { recursive: true })
  const script = "require('ssh2'); require('esbuild')"
  t.match(spawnSync('node', ['-e', script], { cwd: directory, env, encoding: 'utf8' }), { status: 0, stderr: '' })
  const started = spawnSync('node', ['dist/start.cjs', '--version'], { cwd: directory, env, encoding: 'utf8' })
  t.match(started, { status: 0, stderr: '', stdout: /^\d+\.\d+\.\d+/ })
})

function registry(): string {
  return spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim()
}

/**
 * Bundles the program: dist/converge.cjs is the whole program in one file, dist/start.cjs starts it quickly.
 *
 * A run that finds nothing to do should take little longer than Node itself. So the bundle is CommonJS, which Node loads
 * faster; each module in it loads on demand; and start.cjs loads the code that V8 has compiled ahead.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const dist = `${root}dist`
const { name, version, license } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

/** Returns a plugin that replaces the modules whose path matches the filter. */
const replace = (name, filter, contents, resolveDir) => ({
  name,
  setup({ onResolve, onLoad }) {
    onResolve({ filter }, ({ path }) => ({ path, namespace: name }))
    onLoad({ filter: /.*/, namespace: name }, () => ({ contents, resolveDir }))
  },
})

/** Loads what each of these files exports when it is first used: making the schemas of all resource types takes 10 ms. */
const lazyFiles = ['resources/index.ts', 'recipes/roles.ts', 'recipes/data.ts']

function lazyExports() {
  const lazyModule = (file) => {
    const text = readFileSync(`${root}${file}`, 'utf8')
    const lines = [...text.matchAll(/^export \{ ([\w, ]+) \} from '(\.\/[\w/]+\.ts)'$/gm)]
    if (lines.length !== text.match(/from '\.\//g)?.length) throw new Error(`${file}: expected each export on one line`)
    const getters = lines.flatMap(([, names, from]) =>
      names.split(', ').map((one) => {
        const [name, publicName = name] = one.split(' as ')
        return `${publicName}: () => require('${from}').${name}`
      }),
    )
    return `
    const all = { ${getters.join(', ')} }
    for (const name in all) {
      let value
      Object.defineProperty(exports, name, { enumerable: true, get: () => (value ??= all[name]()) })
    }`
  }
  return {
    name: 'lazy',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/(index|roles|data)\.ts$/ }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path)
        return lazyFiles.some((one) => file === `${root}${one}`) ? { path: file, namespace: 'lazy' } : null
      })
      onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => ({
        contents: lazyModule(path.slice(root.length)),
        resolveDir: dirname(path),
      }))
    },
  }
}

const locales = `${root}node_modules/zod/v4/locales`
const onlyEnglish = "export { default as en } from './en.js'"

mkdirSync(dist, { recursive: true })
// V8 would accept the cache of an earlier bundle of the same length for this one.
for (const name of readdirSync(dist)) if (name.endsWith('.cache')) rmSync(`${dist}/${name}`)

const { metafile } = await build({
  metafile: true,
  entryPoints: ['recipes/converge.ts'],
  outfile: 'dist/converge.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // A script that start.cjs runs has require(), and no import().
  supported: { 'dynamic-import': false },
  sourcemap: true,
  sourcesContent: false,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'external',
  external: ['esbuild', 'ssh2'],
  // Its main file is UMD, and a bundler cannot follow the requires there.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  define: { CONVERGE_VERSION: JSON.stringify(version), 'import.meta.url': '__url' },
  banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href" },
  plugins: [
    lazyExports(),
    // It has a bundle of its own, for Node 22.
    {
      name: 'console',
      setup: ({ onResolve }) =>
        onResolve({ filter: /\/console\/main\.ts$/ }, () => ({ path: './console.cjs', external: true })),
    },
    // The same for the libraries of NATS: only agents and the control plane load them.
    {
      name: 'nats',
      setup: ({ onResolve }) => onResolve({ filter: /\/nats\.ts$/ }, () => ({ path: './nats.cjs', external: true })),
    },
    // converge prints English messages only. The messages of zod in sixty languages are a third of the bundle.
    replace('locales', /\/locales\/index\.js$/, onlyEnglish, locales),
    // converge uses only the parser of yargs; the file that exports it imports half of the rest.
    replace('yargs', /^yargs\/helpers$/, "export { default as Parser } from 'yargs-parser'", root),
    // handlebars requires it optionally.
    replace('source-map', /^source-map$/, '', root),
  ],
  absWorkingDir: root,
  logLevel: 'warning',
})
requireAscii('converge.cjs')
const consoleInputs = await buildConsole()
const natsInputs = await buildAgent()
// The modules that recipes and their tests import outside a run. In a run, recipes get the engine itself.
await build({
  entryPoints: ['recipes/testing/library.ts'],
  outfile: 'dist/library.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  packages: 'external',
  define: { CONVERGE_VERSION: JSON.stringify(version), 'import.meta.url': '__url' },
  banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href" },
  absWorkingDir: root,
  logLevel: 'warning',
})
writeEntry('api.cjs', 'recipes')
writeEntry('testing.cjs', 'testing')
copyFileSync(`${root}recipes/start.cjs`, `${dist}/start.cjs`)
chmodSync(`${dist}/start.cjs`, 0o755)
// Another name for the same program.
writeFileSync(`${dist}/converge.mjs`, "#!/usr/bin/env node\nimport './start.cjs'\n", { mode: 0o755 })
writeFileSync(
  `${dist}/THIRD-PARTY-LICENSES.txt`,
  licenses([...Object.keys(metafile.inputs), ...consoleInputs, ...natsInputs]),
)
writeFileSync(`${dist}/sbom.cdx.json`, `${JSON.stringify(billOfMaterials(), null, 2)}\n`)
compileAhead()

/** Bundles the console apart: hosts and most commands never load it. @returns the paths of what it contains */
async function buildConsole() {
  const server = await build({
    metafile: true,
    entryPoints: ['core/console/main.ts'],
    outfile: 'dist/console.cjs',
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'external',
    absWorkingDir: root,
    plugins: [replace('locales', /\/locales\/index\.js$/, onlyEnglish, locales)],
    logLevel: 'warning',
  })
  const pages = await build({
    metafile: true,
    entryPoints: [{ in: 'core/console/browser/main.tsx', out: 'app' }, 'core/console/browser/app.css'],
    outdir: 'dist/console',
    bundle: true,
    platform: 'browser',
    format: 'iife',
    target: ['chrome120', 'firefox120', 'safari17'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify: true,
    absWorkingDir: root,
    logLevel: 'warning',
  })
  for (const file of ['index.html', 'icon.svg'])
    copyFileSync(`${root}core/console/browser/${file}`, `${dist}/console/${file}`)
  return [server, pages].flatMap(({ metafile }) => Object.keys(metafile.inputs))
}

/** Bundles the agent, and the libraries of NATS, apart. @returns the paths of what they contain */
async function buildAgent() {
  const { metafile } = await build({
    metafile: true,
    entryPoints: { nats: 'core/bus/nats.ts', agent: 'core/agent/main.ts' },
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    define: { CONVERGE_VERSION: JSON.stringify(version) },
    plugins: [replace('locales', /\/locales\/index\.js$/, onlyEnglish, locales)],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'external',
    absWorkingDir: root,
    logLevel: 'warning',
  })
  return Object.keys(metafile.inputs)
}

/** Fails for a character that start.cjs, which reads latin1, would display as two others. */
function requireAscii(file) {
  const found = /.{0,60}[^\x00-\x7f].{0,20}/.exec(readFileSync(`${dist}/${file}`, 'utf8'))
  // The bundler escapes characters in strings, except in a template with a tag.
  if (found !== null) throw new Error(`dist/${file} is not ASCII: ${found[0]}`)
}

/** Writes an entry of the package: a part of the library, with the names by which ES modules import it. */
function writeEntry(file, part) {
  const names = Object.keys(createRequire(import.meta.url)(`${dist}/library.cjs`)[part])
  const annotation = `0 && (module.exports = { ${names.join(', ')} })`
  writeFileSync(`${dist}/${file}`, `module.exports = require('./library.cjs').${part}\n${annotation}\n`)
}

/** Returns the licences of all bundled packages. */
function licenses(inputs) {
  const directories = new Set(
    inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  )
  const texts = [...directories].sort().map((directory) => {
    const about = JSON.parse(readFileSync(`${root}${directory}/package.json`, 'utf8'))
    const file = readdirSync(`${root}${directory}`).find((one) => /^(licen[cs]e|copying)([.-]|$)/i.test(one))
    if (file === undefined) throw new Error(`${directory}: the bundled package has no licence file`)
    const text = readFileSync(`${root}${directory}/${file}`, 'utf8').trim()
    return `${about.name} ${about.version} (${about.license})\n\n${text}\n`
  })
  return `${name} contains the packages below, each under its own licence.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`
}

/** Lists all packages of the program as CycloneDX. The same lock file gives the same text. */
function billOfMaterials() {
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'))
  const used = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev)
  const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  const refOf = (path) => (path === '' ? name : `${nameOf(path)}@${packages[path].version}`)
  const purlOf = (path) => `pkg:npm/${nameOf(path).replace('@', '%40')}@${packages[path].version}`
  // Search as Node does: beside the package that requires it, then in the parent directories.
  const found = (path, wanted) => {
    for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
      const place = `${at === '' ? '' : `${at}/`}node_modules/${wanted}`
      if (packages[place] !== undefined) return [refOf(place)]
      if (at === '') return []
    }
  }
  const needs = ({ dependencies, optionalDependencies }) => Object.keys({ ...dependencies, ...optionalDependencies })
  const unique = (all, key) => [...new Map(all.map((one) => [one[key], one])).values()]
  const components = used.map(([path, { version, integrity, license, optional }]) => ({
    type: 'library',
    'bom-ref': refOf(path),
    name: nameOf(path),
    version,
    scope: optional ? 'optional' : 'required',
    purl: purlOf(path),
    licenses: license === undefined ? [] : [{ expression: license }],
    hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex') }],
  }))
  const dependencies = [['', packages['']], ...used].map(([path, one]) => ({
    ref: refOf(path),
    dependsOn: needs(one).flatMap((wanted) => found(path, wanted)),
  }))
  const content = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: { type: 'application', 'bom-ref': name, name, version, licenses: [{ expression: license }] },
    },
    components: unique(components, 'bom-ref'),
    dependencies: unique(dependencies, 'ref'),
  }
  const digits = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  const uuid = `${digits.slice(0, 8)}-${digits.slice(8, 12)}-5${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`
  return { ...content, serialNumber: `urn:uuid:${uuid}` }
}

/** Runs the program as most runs do, and stores the code that V8 compiled. */
function compileAhead() {
  const place = mkdtempSync(`${tmpdir()}/converge-build-`)
  const recipe = `${place}/recipe.ts`
  writeFileSync(
    recipe,
    `import { directory, role, symlink, template } from 'converge-engine'
    export default role('built', { deploy(r) {
      directory(r, { path: '${place}/d' })
      template(r, { path: '${place}/d/f', source: '{{a}}', variables: { a: 1 }, mode: '0640' })
      symlink(r, { path: '${place}/d/l', target: 'f' })
    } })`,
  )
  const run = ['--role', 'built', '--recipes', recipe, '--state-dir', `${place}/state`, '--config-dir', place]
  const child = `
    const vm = require('node:vm')
    const { Script } = vm
    let program
    vm.Script = class extends Script { constructor(...args) { super(...args); program ??= this } }
    const { compiled } = require(${JSON.stringify(`${dist}/start.cjs`)})
    process.on('exit', () => require('node:fs').writeFileSync(compiled, program.createCachedData()))`
  const env = { ...process.env, XDG_CACHE_HOME: `${place}/cache` }
  // Each run loads the code that the previous one stored, and adds to it.
  for (const args of [run, run, ['--help']]) {
    const { status, stderr } = spawnSync(process.execPath, ['-e', child, '-', ...args], { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`converge ${args.join(' ')}: ${stderr}`)
  }
  rmSync(place, { recursive: true, force: true })
}

/** Runs `converge test`: compiles the tests of a directory of recipes, and runs them with the test runner of Node.js. */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin } from 'esbuild'
import { compileModule } from '../../load/bundle.ts'
import { ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { utf8Text } from '../../model/utf8.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'

const testFile = /\.test\.[cm]?[jt]s$/
const templateFile = /\.hbs$/
const skippedNames = /^(node_modules|\..*)$/

/**
 * Runs the tests of a directory, or one file, whatever its name.
 * @throws NO_TESTS if the directory has no tests, InvalidInput with the mistakes in templates and tests
 */
export async function recipeTests<N>(args: Arguments, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const directory = args.argument ?? '.'
  const isFile = fs.statSync(directory, { throwIfNoEntry: false })?.isFile() === true
  const files = isFile ? [directory] : filesBelow(directory, testFile)
  if (files.length === 0)
    throw new ConvergeError(`there are no tests in ${resolve(directory)}: no file ends in .test.ts`, {
      code: 'NO_TESTS',
      hint: 'write a test, such as test/motd.test.ts, or name the directory: converge test DIR',
      usage: true,
    })
  await checkTemplates(filesBelow(directory, templateFile), catalogue)
  const output = fs.mkdtempSync(join(tmpdir(), 'converge-test-'))
  try {
    const compiled = await compileTests(files, directory, output, catalogue.engineDirectory())
    return await runTests(compiled, args)
  } finally {
    fs.rmSync(output, { recursive: true, force: true })
  }
}

function filesBelow(path: string, pattern: RegExp): string[] {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  if (stat === undefined)
    throw new ConvergeError(`${path}: there is no such file or directory`, {
      code: 'NO_FILE',
      hint: `check the path, which is relative to the working directory, ${process.cwd()}`,
      usage: true,
    })
  if (!stat.isDirectory()) return pattern.test(path) ? [path] : []
  return fs
    .readdirSync(path, { withFileTypes: true })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      if (skippedNames.test(entry.name)) return []
      if (entry.isDirectory()) return filesBelow(join(path, entry.name), pattern)
      return pattern.test(entry.name) ? [join(path, entry.name)] : []
    })
}

/** Checks all templates, even those of recipes that no test runs. */
async function checkTemplates<N>(paths: readonly string[], catalogue: Catalogue<N>): Promise<void> {
  const problems: ConvergeError[] = []
  for (const path of paths)
    try {
      await catalogue.checkTemplate({ path, text: utf8Text(fs.readFileSync(path), path) })
    } catch (error) {
      problems.push(...problemsOf(error))
    }
  throwProblems(problems, 'the templates have mistakes')
}

/** @returns paths of the compiled tests */
async function compileTests(
  files: readonly string[],
  directory: string,
  output: string,
  engine: string,
): Promise<readonly string[]> {
  const base = fs.statSync(directory).isDirectory() ? directory : dirname(directory)
  const problems: ConvergeError[] = []
  const compiled: string[] = []
  for (const file of files) {
    const outfile = join(output, relative(base, file).replace(/\.[cm]?[jt]s$/, '.mjs'))
    try {
      const { outputFiles } = await compileModule(resolve(file), {
        outfile,
        directory: dirname(resolve(file)),
        moduleUrl: (path) => JSON.stringify(pathToFileURL(path).href),
        standalone: { plugins: [resolveEngineModules(engine), refuseOtherRunners()] },
      })
      fs.mkdirSync(dirname(outfile), { recursive: true })
      for (const { path, contents } of outputFiles) fs.writeFileSync(path, contents)
      compiled.push(outfile)
    } catch (error) {
      problems.push(...problemsOf(error))
    }
  }
  throwProblems(problems, 'the tests cannot be compiled')
  return compiled
}

/** Resolves the modules of the package to those of this program, whether or not the package is installed there. */
function resolveEngineModules(engine: string): Plugin {
  const files: Readonly<Record<string, string>> = {
    'converge-engine': 'api.cjs',
    'converge-engine/testing': 'testing.cjs',
  }
  return {
    name: 'engine-modules',
    setup(build) {
      build.onResolve({ filter: /^converge-engine(\/testing)?$/ }, ({ path }) => ({
        path: pathToFileURL(join(engine, files[path] ?? '')).href,
        external: true,
      }))
    },
  }
}

/** Refuses tests that only another runner can run. */
function refuseOtherRunners(): Plugin {
  return {
    name: 'other-runners',
    setup(build) {
      build.onResolve({ filter: /^(vitest|tap|@jest\/globals|mocha)$/ }, ({ path }) => ({
        errors: [{ text: `converge test runs tests of node:test, not of ${path}` }],
      }))
    },
  }
}

function runTests(files: readonly string[], args: Arguments): Promise<ExitStatus> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const nameOptions = (args.only ?? []).map((pattern) => `--test-name-pattern=${pattern}`)
  const update = args.updateSnapshots === true ? { CONVERGE_UPDATE_SNAPSHOTS: '1' } : {}
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', '--test', '--test-reporter=spec', ...nameOptions, ...files],
    { stdio: 'inherit', env: { ...env, ...update } },
  )
  return new Promise((end, reject) => {
    child.once('error', reject)
    child.once('close', (status) => end(status === 0 ? 0 : 1))
  })
}

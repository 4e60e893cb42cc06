/** Runs `converge new`: creates a directory of recipes, a role or a resource type, and overwrites nothing. */
import * as fs from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import vm from 'node:vm'
import { ConvergeError } from '../../model/errors.ts'
import { factKeys } from '../../node/fact_attributes.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print } from '../print.ts'
import { directoryFiles, resourceFiles, roleFiles } from './scaffold_files.ts'

/** The role of a new directory. */
const firstRole = 'motd'

/**
 * @param what `recipes`, `role` or `resource`
 * @throws ConvergeError if the name is not valid, or a file exists
 */
export async function scaffold<N>(what: string, args: Arguments, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const { argument: name } = args
  if (name === undefined)
    throw new ConvergeError(`missing argument: the name of the ${what === 'recipes' ? 'directory' : what}`, {
      code: 'USAGE',
      hint: what === 'recipes' ? 'converge new recipes my-recipes' : `converge new ${what} NAME`,
      usage: true,
    })
  if (what === 'recipes') return newDirectory(name, catalogue.engineDirectory())
  requireRecipes()
  if (what === 'role') await checkRoleName(name, catalogue)
  else await checkTypeName(name, catalogue)
  const files = what === 'role' ? roleFiles(name) : resourceFiles(name)
  writeNewFiles('.', files)
  print('\nRun the test:\n  npx converge test\n')
  return 0
}

function newDirectory(path: string, engineDirectory: string): ExitStatus {
  const directory = resolve(path)
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  const files = {
    ...directoryFiles({ name: name || 'recipes', engine: engineVersion(directory, engineDirectory) }),
    ...roleFiles(firstRole),
  }
  writeNewFiles(path, files)
  print(`\nInstall the packages, and run the test:\n  cd ${path}\n  npm install\n  npx converge test\n`)
  return 0
}

/**
 * Determines how npm installs this very program for the new directory: as the project that contains it does, or from its
 * directory.
 */
function engineVersion(directory: string, engineDirectory: string): string {
  const engine = dirname(fs.realpathSync(engineDirectory))
  const local = (path: string) => `file:${relative(directory, path)}`
  const project = engine.endsWith(join(sep, 'node_modules', 'converge-engine')) ? dirname(dirname(engine)) : null
  const manifest = project === null ? null : join(project, 'package.json')
  if (project === null || manifest === null || !fs.existsSync(manifest)) return local(engine)
  const { dependencies, devDependencies } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as Manifest
  const version = dependencies?.['converge-engine'] ?? devDependencies?.['converge-engine']
  if (version === undefined) return local(engine)
  return version.startsWith('file:') ? local(resolve(project, version.slice('file:'.length))) : version
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

function requireRecipes(): void {
  if (fs.existsSync('converge.config.ts') && fs.existsSync('recipes')) return
  throw new ConvergeError(`${process.cwd()} is not a directory of recipes: it lacks converge.config.ts or recipes/`, {
    code: 'NO_RECIPES',
    hint: 'change to the directory of your recipes, or make one: converge new recipes my-recipes',
    usage: true,
  })
}

async function checkRoleName<N>(name: string, catalogue: Catalogue<N>): Promise<void> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw invalidName(
      `${JSON.stringify(name)} is not a valid role name`,
      'use lower-case letters, digits and "-", such as queue-worker',
    )
  const key = name.replaceAll('-', '_')
  const reserved = [...Object.keys(await catalogue.schemas()), ...factKeys, 'facts', 'run']
  if (Object.hasOwn(catalogue.roles, name) || reserved.includes(key))
    throw invalidName(
      `converge has the ${Object.hasOwn(catalogue.roles, name) ? `role ${name}` : `attribute ${key}`} already`,
      'choose another name; to extend a built-in role, see "Extend a built-in role" in docs/writing-recipes.md',
    )
}

async function checkTypeName<N>(name: string, catalogue: Catalogue<N>): Promise<void> {
  if (!/^[a-z][a-z0-9]+(_[a-z0-9]+)*$/.test(name) || isReserved(name))
    throw invalidName(
      `${JSON.stringify(name)} is not a valid name of a resource type`,
      'use two or more lower-case letters, digits and "_", and no reserved word of TypeScript, such as login_banner',
    )
  if (Object.hasOwn(await catalogue.resources(), name))
    throw invalidName(
      `converge has the resource type ${name} already`,
      `choose another name; converge resources ${name} describes the built-in type`,
    )
}

function isReserved(name: string): boolean {
  try {
    // It only compiles.
    new vm.Script(`'use strict'; const ${name} = 1`)
    return false
  } catch {
    return true
  }
}

function invalidName(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'INVALID_NAME', hint, usage: true })
}

function writeNewFiles(directory: string, files: Readonly<Record<string, string>>): void {
  const paths = Object.keys(files).sort()
  const present = paths.filter((path) => fs.lstatSync(join(directory, path), { throwIfNoEntry: false }) !== undefined)
  if (present.length > 0)
    throw new ConvergeError(`${present.map((path) => join(directory, path)).join(', ')} exists already`, {
      code: 'FILE_EXISTS',
      hint: 'choose another name, or move the file away: nothing is overwritten',
      usage: true,
    })
  for (const path of paths) {
    const target = join(directory, path)
    fs.mkdirSync(dirname(target), { recursive: true })
    fs.writeFileSync(target, files[path] ?? '', { flag: 'wx' })
    print(`created ${target}\n`)
  }
}

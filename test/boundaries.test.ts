/**
 * Tests that imports between directories point one way, and that only certain directories use files, processes and
 * sockets.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import type { SiteNode } from '../recipes/node.ts'
import { roleNode } from './support/role_plans.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    if (statSync(path).isDirectory()) return files(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

interface Arrow {
  readonly from: string
  readonly to: string
}

const arrows: Arrow[] = ['core', 'resources', 'recipes', 'attributes'].flatMap((room) =>
  files(join(root, room)).flatMap((path) =>
    ts.preProcessFile(readFileSync(path, 'utf8'), true, true).importedFiles.map(({ fileName }) => ({
      from: relative(root, path),
      to: fileName.startsWith('.') ? relative(root, resolve(dirname(path), fileName)) : fileName,
    })),
  ),
)

/** The imports that each directory may make from the others. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'core/text': [],
  'core/model': ['core/host/types.ts', 'core/text'],
  'core/host': ['core/model', 'core/text'],
  'core/node': ['core/model', 'core/text'],
  'core/compile': ['core/model', 'core/text', 'core/host/types.ts'],
  'core/report': ['core/model'],
  'core/converge': [
    'core/model',
    'core/host/resolved_path.ts',
    'core/host/types.ts',
    'core/host/state_directory.ts',
    'core/compile',
    'core/report',
  ],
  'core/load': [
    'core/model',
    'core/node',
    'core/host/directories.ts',
    'core/host/input_file.ts',
    'core/compile',
    'core/report',
  ],
  'core/secrets': [
    'core/model',
    'core/text',
    'core/host/home_path.ts',
    'core/host/input_file.ts',
    'core/host/replace_file.ts',
    'core/host/start_failure.ts',
  ],
  'core/bus': [
    'core/secrets',
    'core/model',
    'core/host/directories.ts',
    'core/host/lock.ts',
    'core/host/replace_file.ts',
  ],
  'core/agent': [
    'core/report/printable.ts',
    'core/bus',
    'core/secrets',
    'core/model',
    'core/host/directories.ts',
    'core/host/replace_file.ts',
  ],
  'core/fleet': [
    'core/bus',
    'core/secrets',
    'core/model',
    'core/text',
    'core/node',
    'core/report',
    'core/host/types.ts',
    'core/host/directories.ts',
    'core/host/home_path.ts',
    'core/host/input_file.ts',
    'core/host/lock.ts',
    'core/host/replace_file.ts',
    'core/host/start_failure.ts',
  ],
  'core/console': [
    'core/fleet/screen/changes.ts',
    'core/fleet/screen/host_status.ts',
    'core/fleet/screen/status.ts',
    'core/fleet/types.ts',
    'core/host/lock.ts',
    'core/host/proc.ts',
    'core/model',
    'core/node/explain.ts',
    'core/report',
  ],
  'core/cli': ['core'],
  attributes: ['core/model', 'core/node', 'core/text'],
  resources: [
    'core/model',
    'core/host/mounts.ts',
    'core/host/network_mounts.ts',
    'core/host/resolved_path.ts',
    'core/text',
    'core/host/types.ts',
    'core/host/accounts.ts',
    'core/host/input_directory.ts',
    'core/host/input_file.ts',
  ],
  recipes: [
    'attributes',
    'resources',
    'core/model',
    'core/text',
    'core/compile',
    'core/cli/catalogue.ts',
    'core/cli/main.ts',
    // The functions that a stack.ts file uses.
    'core/fleet/stack/define.ts',
    'core/fleet/stack/schema.ts',
    'core/host/network_mounts.ts',
    'core/host/types.ts',
    'core/node',
    'core/load/own_attributes.ts',
    'core/load/recipes.ts',
    'core/report/events.ts',
    'core/report/printable.ts',
  ],
  'recipes/testing': ['attributes', 'recipes', 'resources', 'core'],
}

function roomOf(path: string): string {
  if (path.startsWith('recipes/testing/')) return 'recipes/testing'
  return path.startsWith('core/') ? path.split('/').slice(0, 2).join('/') : (path.split('/')[0] ?? path)
}

t.test('imports point from recipes to resources to the core, never back', async (t) => {
  t.ok(arrows.length > 100, 'the imports were found')
  for (const { from, to } of arrows) {
    if (!/^(core|resources|recipes|attributes)\//.test(to)) continue
    const [room, target] = [roomOf(from), roomOf(to)]
    if (room === target) continue
    const may = allowed[room] ?? []
    if (!may.some((one) => to === one || to.startsWith(`${one}/`))) t.fail(`${from} imports ${to}`)
  }
})

t.test('the rooms of a rollout import one way: its course, what works on hosts, what they share', async (t) => {
  const rooms = ['core/fleet/rollout', 'core/fleet/rollout/hosts', 'core/fleet/rollout/state']
  const roomAt = (path: string) => rooms.indexOf(dirname(path))
  const within = arrows.filter(({ from, to }) => roomAt(from) >= 0 && roomAt(to) >= 0)
  t.ok(within.length > 50, 'the imports were found')
  for (const { from, to } of within) if (roomAt(to) < roomAt(from)) t.fail(`${from} imports ${to}`)
})

t.test('only the host touches files, processes and sockets of the system', async (t) => {
  const touching = /^node:(fs|fs\/promises|child_process|net|http|https|dgram|tls)$/
  // These modules read files that the user wrote, each where it enters the program; facts are read once.
  const mayRead =
    /^core\/(agent|bus|console|host|cli|load|secrets)\/|^core\/fleet\/((ssh|remote|records|health|stack)\/|program_format\.ts$)|^core\/node\/facts\.ts$|^core\/compile\/source\.ts$|^recipes\/testing\/snapshot\.ts$/
  for (const { from, to } of arrows) if (touching.test(to) && !mayRead.test(from)) t.fail(`${from} imports ${to}`)
})

t.test('no recipe reads the host', async (t) => {
  // @ts-expect-error: the run of a node has no host.
  const hostOf = (node: SiteNode) => node.run.host
  t.equal(hostOf(roleNode({})), undefined)
  const reading = [
    [/\brun\??\.host\b|\{[^}]*\bhost\b[^}]*\} = (node\.)?run\b/, 'the run of a node has no host'],
    [/\bdefineQuery\(/, 'resources/ defines what is read'],
    [/\bnew LocalHost\b|\bgatherFacts\b/, 'the command line makes the host and its facts'],
  ] as const
  for (const path of files(join(root, 'recipes')))
    for (const [pattern, why] of reading)
      if (pattern.test(readFileSync(path, 'utf8'))) t.fail(`${relative(root, path)} reads the host: ${why}`)
})

t.test('only the entry ends the process', async (t) => {
  for (const room of ['core', 'resources', 'recipes', 'attributes'])
    for (const path of files(join(root, room))) {
      const name = relative(root, path)
      if (/process\.exit\b|process\.exitCode/.test(readFileSync(path, 'utf8')) && name !== 'recipes/converge.ts')
        t.fail(`${name} ends the process`)
    }
})

/** Returns the shortest chain of imports from a file back to the same file; null if there is none. */
function importCircle(start: string, imports: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const chains = [[start]]
  const visited = new Set<string>()
  for (let chain = chains.shift(); chain !== undefined; chain = chains.shift())
    for (const next of imports.get(chain.at(-1) ?? '') ?? []) {
      if (next === start) return [...chain, start]
      if (visited.has(next)) continue
      visited.add(next)
      chains.push([...chain, next])
    }
  return null
}

t.test('no file imports itself through others', async (t) => {
  const imports = new Map<string, string[]>()
  for (const { from, to } of arrows) imports.set(from, [...(imports.get(from) ?? []), to])
  const reported = new Set<string>()
  for (const file of imports.keys()) {
    if (reported.has(file)) continue
    const circle = importCircle(file, imports)
    if (circle === null) continue
    for (const member of circle) reported.add(member)
    // Imports of types count: two modules that need each other's types are one module, or lack a third.
    t.fail(circle.join(' → '))
  }
})

/**
 * Tests that imports between directories point one way, and that only certain directories use files, processes and
 * sockets.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

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
  'core/converge': ['core/model', 'core/host/types.ts', 'core/host/state_files.ts', 'core/compile', 'core/report'],
  'core/load': ['core/model', 'core/host/directories.ts', 'core/host/input_file.ts', 'core/compile', 'core/report'],
  'core/fleet': [
    'core/model',
    'core/text',
    'core/node',
    'core/report',
    'core/host/types.ts',
    'core/host/directories.ts',
    'core/host/input_file.ts',
    'core/host/lock.ts',
  ],
  'core/cli': ['core'],
  attributes: ['core/model', 'core/node'],
  resources: [
    'core/model',
    'core/host/mounts.ts',
    'core/text',
    'core/host/types.ts',
    'core/host/accounts.ts',
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
    'core/host/types.ts',
    'core/node',
    'core/load/recipes.ts',
    'core/report/events.ts',
    'core/report/printable.ts',
  ],
}

function roomOf(path: string): string {
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

t.test('only the host touches files, processes and sockets of the machine', async (t) => {
  const touching = /^node:(fs|fs\/promises|child_process|net|http|https|dgram|tls)$/
  // These modules read files that the user wrote, each where it enters the program; facts are read once.
  const mayRead =
    /^core\/(host|cli|load)\/|^core\/fleet\/((ssh|remote|records|health|stack)\/|program_format\.ts$)|^core\/node\/facts\.ts$|^core\/compile\/source\.ts$/
  for (const { from, to } of arrows) if (touching.test(to) && !mayRead.test(from)) t.fail(`${from} imports ${to}`)
})

t.test('only the entry ends the process', async (t) => {
  for (const room of ['core', 'resources', 'recipes', 'attributes'])
    for (const path of files(join(root, room))) {
      const name = relative(root, path)
      if (/process\.exit\b|process\.exitCode/.test(readFileSync(path, 'utf8')) && name !== 'recipes/converge.ts')
        t.fail(`${name} ends the process`)
    }
})

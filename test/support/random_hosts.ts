/** Generates recipes, and hosts to run them on, for properties of the engine. */
import { chmodSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { z } from 'zod'
import { compile, type Plan } from '../../core/compile/compile.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { type CommandHandler, VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import { type Reference, Unknown, under } from '../../core/model/reference.ts'
import { type Check, type CommonOptions, defineResource, type Handle } from '../../core/model/resource.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { template } from '../../resources/files/template.ts'

/** Makes a directory whose name is only known during the run, like that of a release. */
const later = defineResource(
  {
    type: 'later',
    doc: 'A directory with a number of its own.',
    examples: [{ root: '/srv' }],
    key: () => 'one',
    props: z.strictObject({ root: z.string() }),
    state: z.strictObject({ path: z.string().nullable() }),
  },
  {
    read: (host, { root }) => ({ path: host.lstat(`${root}/n42`) === null ? null : `${root}/n42` }),
    desired: (_, now) => ({ path: now.path ?? 'made' }),
    apply: (host, { root }) => host.makeDirectory(`${root}/n42`),
    predict: () => undefined,
    fingerprint: (_, { path }) => (path === 'made' ? new Unknown('later one') : path),
    outputs: (_, { path }) => ({ path: path?.startsWith('/') ? path : (new Unknown('later one') as never as string) }),
  },
)

/** Parents of paths: existing, possibly missing, behind a link, made by a command, and known later. */
const parents = ['/srv', '/srv/t0', '/srv/t1', '/srv/l0', '/srv/missing', '/srv/x0', 'later'] as const
const contents = ['', 'a', 'b\n', 'later', 'earlier'] as const
const modes = ['0600', '0644', undefined] as const

const optionsOf = fc.record({
  ignoreFailure: fc.boolean(),
  when: fc.option(fc.array(fc.nat(9), { minLength: 1, maxLength: 2 }), { freq: 3, nil: undefined }),
  onlyIf: fc.option(fc.oneof(fc.boolean(), fc.nat(9)), { freq: 4, nil: undefined }),
})
const place = fc.constantFrom(...parents)
const kinds = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    place,
    content: fc.constantFrom(...contents),
    mode: fc.constantFrom(...modes),
    absent: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('template' as const),
    place,
    content: fc.constantFrom('a', 'b'),
    mode: fc.constantFrom(...modes),
    broken: fc.constantFrom(false, false, false, true),
  }),
  fc.record({
    kind: fc.constant('directory' as const),
    place,
    mode: fc.constantFrom('0700', '0755', undefined),
    parents: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('base' as const),
    name: fc.constantFrom('t0', 't1'),
    mode: fc.constantFrom('0700', undefined),
  }),
  fc.record({ kind: fc.constant('gone' as const), name: fc.constantFrom('g0', 'g1') }),
  fc.record({
    kind: fc.constant('symlink' as const),
    name: fc.constantFrom('l0', 'own'),
    target: fc.constantFrom('/srv/t0', 't1', '/srv/none', 'later'),
  }),
  fc.record({ kind: fc.constant('make' as const), name: fc.constantFrom('x0', 'x1'), deep: fc.boolean() }),
  fc.record({ kind: fc.constant('note' as const) }),
  fc.record({ kind: fc.constant('later' as const) }),
)
const specs = fc.array(fc.tuple(kinds, optionsOf), { minLength: 1, maxLength: 10 })
export type Specs = typeof specs extends fc.Arbitrary<infer T> ? T : never

/** Declares the resources of the specs; skips a path that another resource already has. */
export function planFor(list: Specs, root = '/srv', { digests = true } = {}): Plan {
  const handles: Handle[] = []
  const paths: string[] = []
  // An object written through a link before the recipe changes its target would go elsewhere in the next run.
  const turned = list.findIndex(([spec]) => spec.kind === 'symlink' && spec.name === 'l0')
  const stable = list.map(([spec, options], index): Specs[number] =>
    'place' in spec && spec.place === '/srv/l0' && index < turned
      ? [{ ...spec, place: '/srv' }, options]
      : [spec, options],
  )
  const deploy = (r: Recipe<unknown>) => {
    for (const [index, spec] of stable.entries()) declare(r, spec, { index, root, handles, paths, digests })
  }
  return compile([role<unknown>('generated', { deploy })], ['deploy'], {})
}

interface Declaring {
  readonly index: number
  readonly root: string
  readonly handles: Handle[]
  readonly paths: string[]
  readonly digests: boolean
}

/** Maps a generated path, which is below /srv, to the directory of the test on a real file system. */
function at(root: string, path: string): string {
  return path.startsWith('/srv') ? root + path.slice(4) : path
}

function declare(
  r: Recipe<unknown>,
  [spec, given]: Specs[number],
  { index, root, handles, paths, digests }: Declaring,
): void {
  const options = optionsFor(given, handles, paths)
  const one = r.has('later', 'one')
    ? ({ path: { ...later(r, { root }).path } } as { path: Reference<string> })
    : undefined
  const inside = (name: string, where: (typeof parents)[number]) =>
    where !== 'later' ? `${at(root, where)}/${name}` : one ? under(one.path, name) : `${root}/${name}`
  const remember = (path: string | Reference<string>, handle: Handle) => {
    handles.push(handle)
    if (typeof path === 'string') paths.push(path)
  }
  switch (spec.kind) {
    case 'file': {
      const path = inside(`f${index}`, spec.place)
      // The number of runs of a command is not content on which two hosts must agree.
      const first = handles.find(({ resource }) => resource.type !== 'execute')
      const content =
        spec.content === 'later'
          ? (one?.path ?? 'x')
          : spec.content === 'earlier'
            ? (digests && first?.digest) || 'y'
            : spec.content
      return remember(
        path,
        spec.absent
          ? file(r, { path, absent: true, ...options })
          : file(r, { path, content, mode: spec.mode, ...options }),
      )
    }
    case 'template': {
      const path = inside(`f${index}`, spec.place)
      const source = spec.broken ? '{{typo}}' : 'v = {{v}}\n'
      return remember(path, template(r, { path, source, variables: { v: spec.content }, mode: spec.mode, ...options }))
    }
    case 'directory': {
      const path = inside(`d${index}`, spec.place)
      return remember(path, directory(r, { path, mode: spec.mode, parents: spec.parents, ...options }))
    }
    case 'base':
      if (r.has('directory', `${root}/${spec.name}`)) return
      return remember(
        `${root}/${spec.name}`,
        directory(r, { path: `${root}/${spec.name}`, mode: spec.mode, ...options }),
      )
    case 'gone':
      if (r.has('directory', `${root}/${spec.name}`)) return
      return remember(`${root}/${spec.name}`, directory(r, { path: `${root}/${spec.name}`, absent: true, ...options }))
    case 'symlink': {
      const path = spec.name === 'own' ? `${root}/k${index}` : `${root}/${spec.name}`
      if (r.has('symlink', path)) return
      return remember(
        path,
        symlink(r, {
          path,
          target: at(root, spec.target) === 'later' ? (one?.path ?? 't0') : at(root, spec.target),
          ...options,
        }),
      )
    }
    case 'make': {
      const creates = `${root}/${spec.name}${spec.deep ? '/deep' : ''}`
      if (['', '/deep'].some((end) => r.has('execute', `make ${root}/${spec.name}${end}`))) return
      return remember(creates, execute(r, { command: ['make', creates], creates, ...options }))
    }
    case 'note':
      handles.push(execute(r, { name: `note ${index}`, command: ['note', `${index}`], ...options }))
      return
    case 'later':
      // The path is not known in advance.
      if (!r.has('later', 'one')) handles.push(later(r, { root }))
  }
}

function optionsFor(
  { ignoreFailure, when, onlyIf }: Specs[number][1],
  handles: readonly Handle[],
  paths: readonly string[],
): CommonOptions {
  const causes = (when ?? []).flatMap((at) => handles[at % Math.max(1, handles.length)] ?? [])
  const path = typeof onlyIf === 'number' ? paths[onlyIf % Math.max(1, paths.length)] : undefined
  const check: Check | undefined =
    path === undefined ? undefined : { description: `${path} is there`, check: (host) => host.stat(path) !== null }
  const guard = check ?? (typeof onlyIf === 'boolean' ? onlyIf : undefined)
  return {
    ignoreFailure,
    ...(causes.length > 0 ? { when: causes } : {}),
    ...(guard === undefined ? {} : { onlyIf: guard }),
  }
}

type Entry = null | { file: string; mode: string } | { link: string } | 'directory'
const entryWith = (...targets: string[]): fc.Arbitrary<Entry> =>
  fc.oneof(
    fc.constant(null),
    fc.record({ file: fc.constantFrom('', 'a', 'b\n', 'v = a\n'), mode: fc.constantFrom('0600', '0644') }),
    fc.record({ link: fc.constantFrom(...targets) }),
    fc.constant('directory' as const),
  )
const entry = entryWith('/srv/t0', 't1', '/srv/none', '/srv/t0/f1')
// With two names for one directory, a recipe could conflict with itself.
const innerEntry = entryWith('/srv/none', '/srv/t0/f1')
const noLink = entry.filter((one) => one === null || one === 'directory' || !('link' in one))
const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
/** The initial files: directories first, then their entries. */
const states: fc.Arbitrary<State> = fc.record({
  bases: fc.record({
    ...Object.fromEntries(['t0', 't1', 'g0', 'g1'].map((name) => [name, noLink])),
    // A plan cannot predict that a command fails.
    ...Object.fromEntries(['x0', 'x1'].map((name) => [name, fc.constantFrom<Entry>(null, 'directory')])),
  }),
  links: fc.record(Object.fromEntries(['l0', ...numbers.map((n) => `k${n}`)].map((name) => [name, entry]))),
  inner: fc.dictionary(
    fc.constantFrom(
      ...['', '/t0', '/t1', '/x0', '/g0'].flatMap((base) => numbers.map((n) => `${base}/${n % 2 ? 'f' : 'd'}${n}`)),
    ),
    innerEntry,
    { maxKeys: 12 },
  ),
  made: fc.boolean(),
})
export interface State {
  readonly bases: Readonly<Record<string, Entry>>
  readonly links: Readonly<Record<string, Entry>>
  readonly inner: Readonly<Record<string, Entry>>
  readonly made: boolean
}

export const worlds = fc.record({ specs, state: states })

const commands: CommandHandler = ([program, path = ''], _, host) => {
  // The engine sees a command as one change: a kill can happen before or after it, but not inside it.
  if (program === 'make' && host.lstat(path) === null) host.given(path, 'made')
  return {}
}

export function hostFor(state: State, options: VirtualOptions = {}, root = '/srv'): VirtualHost {
  const host = new VirtualHost({ ...options, commands })
  host.given(root, null)
  for (const [path, one] of entriesOf(state, (path) => host.lstat(at(root, path)))) {
    if (one === 'directory') host.given(at(root, path), null)
    else if ('link' in one) host.given(at(root, path), { link: at(root, one.link) })
    else host.given(at(root, path), one.file, one.mode)
  }
  return host
}

/** Creates the same state on a real file system, below a directory made for it. */
export function writeState(state: State, root: string): void {
  const stat = (path: string) => {
    const found = lstatSync(at(root, path), { throwIfNoEntry: false })
    return found ? { kind: found.isDirectory() ? 'directory' : 'other' } : null
  }
  for (const [path, one] of entriesOf(state, stat)) {
    if (one === 'directory') mkdirSync(at(root, path), { mode: 0o755 })
    else if ('link' in one) symlinkSync(at(root, one.link), at(root, path))
    else {
      writeFileSync(at(root, path), one.file)
      chmodSync(at(root, path), Number.parseInt(one.mode, 8))
    }
  }
}

/** Yields the entries to create, each directory before its entries; skips entries without a parent directory. */
function* entriesOf(
  { bases, links, inner, made }: State,
  stat: (path: string) => { kind: string } | null,
): Generator<[string, Exclude<Entry, null>]> {
  const all = [...Object.entries(bases), ...Object.entries(links)].map(([name, one]) => [`/srv/${name}`, one] as const)
  const below = Object.entries(inner).map(([path, one]) => [`/srv${path}`, one] as const)
  for (const [path, one] of [...all, ...below, ['/srv/n42', made ? 'directory' : null] as const]) {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (one !== null && stat(parent)?.kind === 'directory' && stat(path) === null) yield [path, one]
  }
}

/** Lists all files of a host below a directory, as texts to compare. */
export function listFiles(host: HostReader, path = '/srv'): string[] {
  const stat = host.lstat(path)
  if (stat === null) return []
  const own = stat.kind === 'file' ? host.readText(path) : stat.kind === 'link' ? host.readLink(path) : ''
  const names = stat.kind === 'directory' ? host.list(path) : []
  const line = `${path} ${stat.kind} ${stat.kind === 'link' ? '' : stat.mode} ${JSON.stringify(own)}`
  return [line, ...names.flatMap((name) => listFiles(host, `${path}/${name}`))]
}

/** Generated recipes and generated hosts to run them on, for properties of the engine. */
import fc from 'fast-check'
import { z } from 'zod'
import { compile, type Plan } from '../../core/compile/compile.ts'
import { type Recipe, role } from '../../core/compile/recipe.ts'
import { type CommandHandler, VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import { type Reference, Unknown, under } from '../../core/model/reference.ts'
import { type Check, type CommonOptions, defineResource, type Handle } from '../../core/model/resource.ts'
import { directory } from '../../resources/directory.ts'
import { execute } from '../../resources/execute.ts'
import { file } from '../../resources/file.ts'
import { symlink } from '../../resources/symlink.ts'
import { template } from '../../resources/template.ts'

/** Makes a directory whose name only the run itself finds out, as a release does. */
const later = defineResource(
  {
    type: 'later',
    doc: 'A directory with a number of its own.',
    examples: [{}],
    key: () => 'one',
    props: z.strictObject({}),
    state: z.strictObject({ path: z.string().nullable() }),
  },
  {
    read: (host) => ({ path: host.list('/srv').find((name) => name === 'n42') ? '/srv/n42' : null }),
    desired: (_, now) => ({ path: now.path ?? 'made' }),
    apply: (host) => host.makeDirectory('/srv/n42'),
    predict: () => undefined,
    fingerprint: (_, { path }) => (path === 'made' ? new Unknown('later one') : path),
    outputs: (_, { path }) => ({ path: path?.startsWith('/') ? path : (new Unknown('later one') as never as string) }),
  },
)

/** Where things go: plain, in directories that may not be there, behind a link, in what a command makes, known later. */
const places = ['/srv', '/srv/t0', '/srv/t1', '/srv/l0', '/srv/missing', '/srv/x0', 'later'] as const
const contents = ['', 'a', 'b\n', 'later', 'earlier'] as const
const modes = ['0600', '0644', undefined] as const

const optionsOf = fc.record({
  ignoreFailure: fc.boolean(),
  when: fc.option(fc.array(fc.nat(9), { minLength: 1, maxLength: 2 }), { freq: 3, nil: undefined }),
  onlyIf: fc.option(fc.oneof(fc.boolean(), fc.nat(9)), { freq: 4, nil: undefined }),
})
const place = fc.constantFrom(...places)
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

/** Declares what a spec says; a place already taken is left to the one who has it. */
export function planFor(list: Specs): Plan {
  const handles: Handle[] = []
  const paths: string[] = []
  // What goes behind a link before the recipe turns it elsewhere would go elsewhere in the next run.
  const turned = list.findIndex(([spec]) => spec.kind === 'symlink' && spec.name === 'l0')
  const stable = list.map(([spec, options], index): Specs[number] =>
    'place' in spec && spec.place === '/srv/l0' && index < turned
      ? [{ ...spec, place: '/srv' }, options]
      : [spec, options],
  )
  const deploy = (r: Recipe<unknown>) => {
    for (const [index, spec] of stable.entries()) declare(r, spec, index, handles, paths)
  }
  return compile([role<unknown>('generated', { deploy })], ['deploy'], {})
}

function declare(
  r: Recipe<unknown>,
  [spec, given]: Specs[number],
  index: number,
  handles: Handle[],
  paths: string[],
): void {
  const options = optionsFor(given, handles, paths)
  const one = r.has('later', 'one') ? ({ path: { ...later(r, {}).path } } as { path: Reference<string> }) : undefined
  const inside = (name: string, where: (typeof places)[number]) =>
    where !== 'later' ? `${where}/${name}` : one ? under(one.path, name) : `/srv/${name}`
  const remember = (path: string | Reference<string>, handle: Handle) => {
    handles.push(handle)
    if (typeof path === 'string') paths.push(path)
  }
  switch (spec.kind) {
    case 'file': {
      const path = inside(`f${index}`, spec.place)
      // How often a command ran is no content that two hosts have to agree on.
      const first = handles.find(({ resource }) => resource.type !== 'execute')
      const content =
        spec.content === 'later'
          ? (one?.path ?? 'x')
          : spec.content === 'earlier'
            ? (first?.digest ?? 'y')
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
      if (r.has('directory', `/srv/${spec.name}`)) return
      return remember(`/srv/${spec.name}`, directory(r, { path: `/srv/${spec.name}`, mode: spec.mode, ...options }))
    case 'gone':
      if (r.has('directory', `/srv/${spec.name}`)) return
      return remember(`/srv/${spec.name}`, directory(r, { path: `/srv/${spec.name}`, absent: true, ...options }))
    case 'symlink': {
      const path = spec.name === 'own' ? `/srv/k${index}` : `/srv/${spec.name}`
      if (r.has('symlink', path)) return
      return remember(
        path,
        symlink(r, { path, target: spec.target === 'later' ? (one?.path ?? 't0') : spec.target, ...options }),
      )
    }
    case 'make': {
      const creates = `/srv/${spec.name}${spec.deep ? '/deep' : ''}`
      if (['', '/deep'].some((end) => r.has('execute', `make /srv/${spec.name}${end}`))) return
      return remember(creates, execute(r, { command: ['make', creates], creates, ...options }))
    }
    case 'note':
      handles.push(execute(r, { name: `note ${index}`, command: ['note', `${index}`], ...options }))
      return
    case 'later':
      // Its path is nobody's to know beforehand.
      if (!r.has('later', 'one')) handles.push(later(r, {}))
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
// Two names for one directory would let a recipe fight with itself.
const innerEntry = entryWith('/srv/none', '/srv/t0/f1')
const noLink = entry.filter((one) => one === null || one === 'directory' || !('link' in one))
const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
/** What is there from the start: directories first, then what lies in them. */
const states = fc.record({
  bases: fc.record(Object.fromEntries(['t0', 't1', 'x0', 'x1', 'g0', 'g1'].map((name) => [name, noLink]))),
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
export type State = typeof states extends fc.Arbitrary<infer T> ? T : never

export const worlds = fc.record({ specs, state: states })

const commands: CommandHandler = ([program, path = ''], _, host) => {
  // A command's own work is no single change: it can be killed before and after, which is what the engine sees.
  if (program === 'make' && host.lstat(path) === null) host.given(path, 'made')
  return {}
}

export function hostFor({ bases, links, inner, made }: State, options: VirtualOptions = {}): VirtualHost {
  const host = new VirtualHost({ ...options, commands })
  const give = (path: string, one: Entry) => {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (one === null || host.lstat(path) !== null || host.lstat(parent)?.kind !== 'directory') return
    if (one === 'directory') host.given(path, null)
    else if ('link' in one) host.given(path, one)
    else host.given(path, one.file, one.mode)
  }
  for (const [name, one] of Object.entries(bases)) give(`/srv/${name}`, one)
  for (const [name, one] of Object.entries(links)) give(`/srv/${name}`, one)
  for (const [path, one] of Object.entries(inner)) give(`/srv${path}`, one)
  if (made) host.given('/srv/n42', null)
  return host
}

/** All files of a host below a directory, as a text to compare. */
export function dump(host: VirtualHost, path = '/srv'): string[] {
  const stat = host.lstat(path)
  if (stat === null) return []
  const own = stat.kind === 'file' ? host.readText(path) : stat.kind === 'link' ? host.readLink(path) : ''
  const below = stat.kind === 'directory' ? host.list(path).flatMap((name) => dump(host, `${path}/${name}`)) : []
  return [`${path} ${stat.kind} ${stat.kind === 'link' ? '' : stat.mode} ${JSON.stringify(own)}`, ...below]
}

/**
 * Proves the hints about releases, recipes and templates: triggers each by the call that returns it, then follows it.
 */
import t from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { file } from '../../resources/files/file.ts'
import { commitOfName } from '../../resources/git/resolve_revision.ts'
import { rollbackTarget } from '../../resources/releases/release_selection.ts'
import { nextId, type Release } from '../../resources/releases/releases.ts'
import { proveCalls } from '../support/proofs.ts'

t.test('the hints about releases work', async (t) => {
  const source = 'resources/releases/release_selection.ts'
  const release = (id: string) => ({ id, commit: id.slice(7), isManaged: true, complete: true }) as unknown as Release
  const releases = [release('000001-aaaaaaaa'), release('000002-aaaaaaab')]
  const host = new VirtualHost().given('/srv/releases/999999-aaaaaaaa', null)
  proveCalls(t, [
    {
      source,
      hint: 'give the whole id',
      broken: () => rollbackTarget(releases, '00000'),
      repaired: () => rollbackTarget(releases, '000001-aaaaaaaa'),
    },
    {
      source: 'resources/releases/releases.ts',
      hint: 'remove the directory with that number if it is not a release, else start with a new releases directory',
      broken: () => nextId(host, '/srv/releases', 'aaaaaaaa'),
      repaired: () => {
        host.remove('/srv/releases/999999-aaaaaaaa')
        return nextId(host, '/srv/releases', 'aaaaaaaa')
      },
    },
  ])
})

t.test('the hints about revisions work', async (t) => {
  const refs = new Map([
    ['refs/heads/v1', 'a'.repeat(40)],
    ['refs/tags/v1', 'b'.repeat(40)],
  ])
  proveCalls(t, [
    {
      source: 'resources/git/resolve_revision.ts',
      hint: 'write refs/heads/v1 or refs/tags/v1',
      broken: () => commitOfName(refs, 'v1', 'ssh://git/site'),
      repaired: () => commitOfName(refs, 'refs/heads/v1', 'ssh://git/site'),
    },
  ])
})

t.test('the hints about roles and recipes work', async (t) => {
  const source = 'core/compile/role.ts'
  const run = (deploy: (r: Recipe<unknown>) => unknown) =>
    compile([role<unknown>('test', { deploy: deploy as never })], ['deploy'], {})
  const base = role<unknown>('base', { deploy: () => undefined })
  proveCalls(t, [
    {
      source,
      hint: "role('status-page', { ... })",
      broken: () => role('status page', { deploy: () => undefined }),
      repaired: () => role('status-page', { deploy: () => undefined }),
    },
    {
      source,
      hint: 'check the import: the file must export the role under this name, and must not import this file itself',
      broken: () => role('web', { extends: undefined } as never),
      repaired: () => role('web', { extends: base }),
    },
    {
      source,
      hint: 'to define an event of your own, write events: { reindexAll(r, node) { ... } }',
      broken: () => role('web', { reindexAll: () => undefined } as never),
      repaired: () => role('web', { events: { reindexAll: () => undefined } }),
    },
    {
      source,
      hint: 'deploy(r, node) { ... }',
      broken: () => role('web', {}),
      repaired: () => role('web', { deploy: () => undefined }),
    },
    {
      source,
      hint: 'deploy(r, node) { ... }',
      broken: () => role('web', { deploy: 'date' } as never),
      repaired: () => role('web', { deploy: () => undefined }),
    },
    {
      source: 'core/compile/recipe_run.ts',
      hint: 'remove async: a recipe only declares resources; read the host in a check or in a resource',
      broken: () => run(async () => undefined),
      repaired: () => run(() => undefined),
    },
    {
      source: 'core/compile/recipe_run.ts',
      hint: 'check the import: the file must export the role under this name',
      broken: () => run((r) => r.include(undefined as never, 'deploy')),
      repaired: () => run((r) => r.include(base, 'deploy')),
    },
    {
      source: 'core/compile/recipe_run.ts',
      hint: 'it has: deploy',
      broken: () => run((r) => r.include(base, 'configure')),
      repaired: () => run((r) => r.include(base, 'deploy')),
    },
    {
      source: 'core/compile/declaration_problems.ts',
      hint: 'remove one of them, or declare both alike; they differ in: content',
      broken: () =>
        run((r) => {
          file(r, { path: '/srv/a', content: 'a' })
          file(r, { path: '/srv/a', content: 'b' })
        }),
      repaired: () =>
        run((r) => {
          file(r, { path: '/srv/a', content: 'a' })
          file(r, { path: '/srv/a', content: 'a' })
        }),
    },
    {
      source: 'core/compile/props.ts',
      hint: 'it has: …',
      broken: () => run((r) => file(r, { path: '/srv/a', content: 'a', qqqqqqqqq: 1 } as never)),
      repaired: () => run((r) => file(r, { path: '/srv/a', content: 'a', mode: '0600' })),
    },
    {
      source: 'core/compile/props.ts',
      hint: 'converge resources file shows its properties',
      broken: () => run((r) => file(r, { path: 'a', content: 'a' })),
      repaired: () => run((r) => file(r, { path: '/srv/a', content: 'a' })),
    },
  ])
})

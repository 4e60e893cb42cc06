/** Proves the hints about declarations in recipes and the end of a run: triggers each, then follows it. */
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { compile } from '../../core/compile/compile.ts'
import { type OverridesFunction, type Recipe, type Role, role } from '../../core/compile/role.ts'
import { callWithLimit, repeatInterrupted } from '../../core/compile/time_limit.ts'
import { withDeadline } from '../../core/converge/deadline.ts'
import { refuseOutside } from '../../core/converge/prefix.ts'
import { StatePatch } from '../../core/converge/state_patch.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { defineAttributes } from '../../core/load/own_attributes.ts'
import { defineQuery } from '../../core/model/query.ts'
import { derived, reference } from '../../core/model/reference.ts'
import { defineResource } from '../../core/model/resource.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { milliseconds, seconds } from '../../core/model/units.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import { group } from '../../resources/accounts/group.ts'
import { execute } from '../../resources/commands/execute.ts'
import { file } from '../../resources/files/file.ts'
import { planOf, run } from '../support/contract.ts'
import { probe } from '../support/faulty_resource.ts'
import { hintPattern, type Proof, proveCalls } from '../support/proofs.ts'

type Declare = (r: Recipe<unknown>) => void

t.test('the hints about changes outside the prefix work', async (t) => {
  const source = 'core/converge/prefix.ts'
  const patch = () => StatePatch.between({}, {}, { secrets: new Secrets(), sensitive: false })
  const below = (declare: Declare) => async () => {
    for (const resource of planOf(declare).resources)
      await refuseOutside('/tmp/try', { resource, props: resource.props, patch })
  }
  proveCalls(t, [
    {
      source,
      hint: 'set contained: true if the command changes nothing outside the prefix; else try the role in a copy of the system with converge verify',
      broken: below((r) => execute(r, { command: ['touch', '/tmp/try/x'] })),
      repaired: below((r) => execute(r, { command: ['touch', '/tmp/try/x'], contained: true })),
    },
    {
      source,
      hint: 'run converge verify to try the role in a copy of the system, or leave out --prefix to change this system',
      broken: below((r) => group(r, { name: 'web' })),
      repaired: () => planOf((r) => group(r, { name: 'web' })),
    },
    {
      source,
      hint: 'pass the path through placed(node, path), or try the role in a copy of the system with converge verify',
      broken: below((r) => file(r, { path: '/etc/motd', content: 'x' })),
      repaired: below((r) => file(r, { path: '/tmp/try/etc/motd', content: 'x' })),
    },
  ])
})

t.test('the hints about failures of the compilation work', async (t) => {
  const thing = probe()
  const keyed = (key: (props: { readonly name: string }) => string) =>
    defineResource(
      { type: 'keyed', doc: 'x', examples: [], key, props: z.strictObject({ name: z.string() }), state: z.null() },
      { read: () => null, desired: () => null, apply: () => undefined },
    )
  const site = role('site', { deploy: (r: Recipe<unknown>) => void thing(r, { name: 'a' }) })
  const files = (content: string) => (r: Recipe<unknown>) => {
    for (let at = 0; at < 200; at++) file(r, { path: `/srv/${at}`, content })
    thing(r, { name: 'a' })
  }
  const endless: Record<string, unknown> = {}
  endless.itself = endless
  const call = thing as unknown as (...given: unknown[]) => unknown
  const later = defineQuery({ name: 'later', read: async () => '', unread: '' as never })
  const now = defineQuery({ name: 'now', read: () => '', unread: '' })
  const writing = defineQuery({ name: 'now', read: (host) => `${Object(host).remove('/srv/a')}`, unread: '' })
  const recipeThatThrows = (thrown: unknown) =>
    role('site', {
      deploy: () => {
        throw thrown
      },
    })
  const roleThat = (deploy: Declare, overrides: OverridesFunction<unknown> = () => undefined) =>
    role('site', { deploy, overrides })
  const recipeThatIncludes = (event: string) => {
    const one: Role<unknown> = role('one', { deploy: (r) => r.include(other, event), setup: () => undefined })
    const other: Role<unknown> = role('other', { deploy: (r) => r.include(one, event), setup: () => undefined })
    return () => compile([one], ['deploy'], {})
  }
  const countTo = (end: number) => () => {
    let count = 0
    while (count < end) count = Math.min(count + 1, 1e9)
    return count
  }
  const late = (declare: (r: Recipe<unknown>) => void) => () => {
    let kept: Recipe<unknown> | undefined
    planOf((r) => {
      kept = r
    })
    if (kept) declare(kept)
  }
  proveCalls(t, [
    {
      source: 'core/model/reference.ts',
      hint: 'pass a function that makes the text: derived(env.bin, (bin) => `exec ${bin}/tool`)',
      broken: () => `exec ${reference('virtualenv /srv/env', 'bin')}`,
      repaired: () => derived(reference<string>('virtualenv /srv/env', 'bin'), (bin) => `exec ${bin}/tool`),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'remove async from read; host.readText, host.list and host.stat return their values at once',
      broken: () => planOf((r) => r.given(later, () => undefined)).bind(new VirtualHost({})),
      repaired: () => planOf((r) => r.given(now, () => undefined)).bind(new VirtualHost({})),
    },
    {
      source: 'core/model/read_only.ts',
      hint: 'move the change to a resource, and use readText, list, stat and the like here',
      broken: () => planOf((r) => r.given(writing, () => undefined)).bind(new VirtualHost({})),
      repaired: () => planOf((r) => r.given(now, () => undefined)).bind(new VirtualHost({})),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'call it in the recipe itself: remove async, await and timers around it',
      broken: late((r) => r.note('done')),
      repaired: () => planOf((r) => r.note('done')),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'remove one of these includes, or move what both need to a function that both call',
      broken: recipeThatIncludes('deploy'),
      repaired: recipeThatIncludes('setup'),
    },
    {
      source: 'core/compile/source.ts',
      hint: "throw an error, which has a line: throw new Error('...')",
      broken: () => compile([recipeThatThrows('no space')], ['deploy'], {}),
      repaired: () =>
        t.throws(() => compile([recipeThatThrows(new Error('no space'))], ['deploy'], {}), {
          message: /no space/,
          hint: undefined,
        }),
    },
    {
      source: 'core/compile/role.ts',
      hint: 'remove it from events: deploy is a lifecycle event',
      broken: () => role('site', { deploy: () => undefined, events: { deploy: () => undefined } }),
      repaired: () => role('site', { deploy: () => undefined }),
    },
    {
      source: 'core/load/own_attributes.ts',
      hint: 'correct the default, or the schema',
      broken: () => defineAttributes('shop_a', z.object({ n: z.number().min(5).default(2) })),
      repaired: () => defineAttributes('shop_a', z.object({ n: z.number().min(5).default(6) })),
    },
    {
      source: 'core/load/own_attributes.ts',
      hint: 'remove async from the functions of refine and check',
      broken: () =>
        defineAttributes(
          'shop_b',
          z.object({
            n: z
              .string()
              .refine(async () => true)
              .default('x'),
          }),
        ),
      repaired: () =>
        defineAttributes(
          'shop_b',
          z.object({
            n: z
              .string()
              .refine(() => true)
              .default('x'),
          }),
        ),
    },
    {
      source: 'core/load/own_attributes.ts',
      hint: 'write z.record(z.string(), ...)',
      broken: () => defineAttributes('shop_c', z.object({ n: z.map(z.string(), z.string()) })),
      repaired: () => defineAttributes('shop_c', z.object({ n: z.record(z.string(), z.string()) })),
    },
    {
      source: 'core/compile/call.ts',
      hint: "write r.note('...') with the message",
      broken: () => planOf((r) => r.note(undefined as never)),
      repaired: () => planOf((r) => r.note('done')),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'write probe(r, { ... }); converge resources probe lists its properties',
      broken: () => planOf((r) => call(r, 'a')),
      repaired: () => planOf((r) => call(r, { name: 'a' })),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'write options such as onlyIf beside the properties: probe(r, { ..., onlyIf: ... })',
      broken: () => planOf((r) => call(r, { name: 'a' }, { onlyIf: true })),
      repaired: () => planOf((r) => call(r, { name: 'a', onlyIf: true })),
    },
    {
      source: 'core/compile/props.ts',
      hint: 'write the character itself, without escapes',
      broken: () => planOf((r) => thing(r, { name: '\ud83d' })),
      repaired: () => planOf((r) => thing(r, { name: '😀' })),
    },
    {
      source: 'core/compile/compile.ts',
      hint: 'they have: deploy',
      broken: () => compile([site], ['qqqqqqqq'], {}),
      repaired: () => compile([site], ['deploy'], {}),
    },
    {
      source: 'core/compile/faults.ts',
      hint: 'correct the reported ones, then run again',
      broken: () => planOf(files(5 as never)),
      repaired: () => planOf(files('5')),
    },
    {
      source: 'core/compile/options.ts',
      hint: 'leave out what is undefined: this run does not declare that resource',
      broken: () => planOf((r) => thing(r, { name: 'b', when: [thing(r, { name: 'a' }), undefined as never] })),
      repaired: () => planOf((r) => thing(r, { name: 'b', when: [thing(r, { name: 'a' })] })),
    },
    {
      source: 'core/node/parse_layer.ts',
      hint: 'declare texts, numbers, lists and objects only',
      broken: () => objectLayer({ site: { self: endless } } as never, 'the role web', 'stack'),
      repaired: () => objectLayer({ site: { self: ['x'] } }, 'the role web', 'stack'),
    },
    {
      source: 'core/compile/props.ts',
      hint: 'give plain data: texts, numbers, lists and objects',
      broken: () => planOf((r) => thing(r, { name: 'a', list: endless as never })),
      repaired: () => planOf((r) => thing(r, { name: 'a', list: ['x'] })),
    },
    {
      source: 'core/compile/declaration_problems.ts',
      hint: 'declare it first: source order is run order',
      broken: () => planOf((r) => file(r, { path: '/srv/x', content: reference<string>('probe a', 'value') })),
      repaired: () =>
        planOf((r) => {
          thing(r, { name: 'a' })
          file(r, { path: '/srv/x', content: reference<string>('probe a', 'value') })
        }),
    },
    {
      source: 'core/compile/declaration_problems.ts',
      hint: 'return a text that identifies one keyed from the key function of its definition',
      broken: () => planOf((r) => keyed(() => '')(r, { name: 'a' })),
      repaired: () => planOf((r) => keyed(({ name }) => name)(r, { name: 'a' })),
    },
    {
      source: 'core/compile/call.ts',
      hint: "name the event after the role: r.include(roles.frontend, 'setup')",
      broken: () => planOf((r) => r.include(site, undefined as never)),
      repaired: () => planOf((r) => r.include(site, 'deploy')),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'remove async: it only declares resources',
      broken: () => planOf((r) => r.given(now, async () => undefined)),
      repaired: () => planOf((r) => r.given(now, () => undefined)),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'declare the resource in an event of the role',
      broken: () =>
        compile(
          [
            roleThat(
              () => undefined,
              (r) => thing(r as Recipe<unknown>, { name: 'a' }),
            ),
          ],
          ['deploy'],
          {},
        ),
      repaired: () => compile([roleThat((r) => thing(r, { name: 'a' }))], ['deploy'], {}),
    },
    {
      source: 'core/compile/role.ts',
      hint: 'start with a letter, and use only letters, digits, "_" and "-": events: { tidy_up(r, node) { ... } }',
      broken: () => role('site', { events: { 'tidy up': () => undefined } }),
      repaired: () => role('site', { events: { tidy_up: () => undefined } }),
    },
    {
      source: 'core/compile/call.ts',
      hint: 'use a type that converge resources lists',
      broken: () => asUser((r) => r.has('qqqqqqqq', '/srv/a')),
      repaired: () => asUser((r) => r.has('file', '/srv/a')),
    },
    {
      source: 'core/compile/props.ts',
      hint: 'write when: [handle] in the resource that reacts, with the handle that the declaration of this one returns',
      broken: () => planOf((r) => call(r, { name: 'a', notifies: ['restart', 'b'] })),
      repaired: () => planOf((r) => thing(r, { name: 'b', when: [thing(r, { name: 'a' })] })),
    },
    {
      source: 'core/compile/time_limit.ts',
      hint: 'find the loop that does not end; a recipe only declares resources',
      broken: () =>
        repeatInterrupted(() => callWithLimit(countTo(Infinity), { subject: 'x', limit: milliseconds(50) })),
      repaired: () => callWithLimit(countTo(10), { subject: 'x' }),
    },
    {
      source: 'core/model/resource.ts',
      hint: 'write the path or name itself, or pass the handle in when or after',
      broken: () => planOf((r) => file(r, { path: '/srv/a', content: `${thing(r, { name: 'a' })}` })),
      repaired: () => planOf((r) => file(r, { path: '/srv/a', content: 'a', when: [thing(r, { name: 'a' })] })),
    },
    {
      source: 'core/model/resource.ts',
      hint: 'probe(r, { ... })',
      broken: () => planOf(() => (thing as unknown as (props: object) => unknown)({ name: 'a' })),
      repaired: () => planOf((r) => thing(r, { name: 'a' })),
    },
  ])
})

interface RunProof extends Proof {
  readonly broken: Declare
  readonly repaired: Declare
}

function proveRuns(t: Test, proofs: readonly RunProof[]): void {
  for (const { source, hint, broken, repaired } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      const failures = async (declare: Declare, mode: 'run' | 'plan' = 'run') => {
        const { resources } = await run(planOf(declare), new VirtualHost().given('/srv', null), mode)
        return resources.flatMap(({ failure }) => failure ?? [])
      }
      t.match(await failures(broken), [{ hint: hintPattern(hint) }], 'the hint is given')
      t.strictSame(await failures(repaired), [], 'the run succeeds')
    })
}

t.test('the hints about failures during a run work', async (t) => {
  const thing = probe()
  const plain = defineResource(
    { type: 'plain', doc: 'x', examples: [], key: () => 'p', props: z.strictObject({}), state: z.null() },
    { read: () => null, desired: () => null, apply: () => undefined },
  )
  const recipeThatUses = (output: string) => (r: Recipe<unknown>) => {
    thing(r, { name: 'a', value: 'x' })
    file(r, { path: '/srv/x', content: reference<string>('probe a', output) })
  }
  const usingPlain = (output: string) => (r: Recipe<unknown>) => {
    plain(r, {})
    file(r, { path: '/srv/x', content: reference<string>('plain p', output) })
  }
  const recipeWithDesired = (desired: () => null) =>
    defineResource(
      { type: 'plain', doc: 'x', examples: [], key: () => 'p', props: z.strictObject({}), state: z.null() },
      { read: () => null, desired, apply: () => undefined },
    )
  const stated = (read: () => boolean) =>
    defineResource(
      { type: 'stated', doc: 'x', examples: [], key: () => 's', props: z.strictObject({}), state: z.boolean() },
      { read, desired: () => true, apply: () => undefined, paths: () => [] },
    )
  const slow = probe({ apply: () => new Promise((resolve) => setTimeout(resolve, 60)) })
  proveRuns(t, [
    {
      source: 'core/converge/outputs.ts',
      hint: 'give it the same guard, or let the run stop there',
      broken: (r) => file(r, { path: '/srv/x', content: thing(r, { name: 'a', onlyIf: false }).value }),
      repaired: (r) =>
        file(r, { path: '/srv/x', content: thing(r, { name: 'a', onlyIf: false }).value, onlyIf: false }),
    },
    {
      source: 'core/converge/outputs.ts',
      hint: 'it has: digest, path, value',
      broken: recipeThatUses('pth'),
      repaired: recipeThatUses('path'),
    },
    {
      source: 'core/converge/outputs.ts',
      hint: 'it has only: digest',
      broken: usingPlain('pth'),
      repaired: usingPlain('digest'),
    },
    {
      source: 'core/converge/deadline.ts',
      hint: 'give it a longer timeout, or find out what it waits for',
      broken: (r) => slow(r, { name: 'a', timeout: milliseconds(10) }),
      repaired: (r) => slow(r, { name: 'a', timeout: seconds(30) }),
    },
    {
      source: 'core/converge/guards.ts',
      hint: "return true or false: check: (host) => host.which('java') !== null",
      broken: (r) => thing(r, { name: 'a', onlyIf: { description: 'java', check: () => undefined as never } }),
      repaired: (r) => thing(r, { name: 'a', onlyIf: { description: 'java', check: () => true } }),
    },
    {
      source: 'core/converge/apply_change.ts',
      hint: 'find out what else changes it at the same time, or correct the resource type',
      broken: (r) => probe({ appliesNothing: true })(r, { name: 'a', value: 'x' }),
      repaired: (r) => probe()(r, { name: 'a', value: 'x' }),
    },
    {
      source: 'core/converge/step.ts',
      hint: 'remove async from desired: it depends on the properties and the state only; read the host in read',
      broken: (r) => recipeWithDesired((async () => null) as never)(r, {}),
      repaired: (r) => recipeWithDesired(() => null)(r, {}),
    },
    {
      source: 'core/converge/apply_change.ts',
      hint: 'correct read, or the schema state of the resource type',
      broken: (r) => stated((() => 5) as never)(r, {}),
      repaired: (r) => stated(() => true)(r, {}),
    },
    {
      source: 'core/compile/source.ts',
      hint: 'correct the code at the line that is named',
      broken: (r) => wrong('undefined.length')(r, {}),
      repaired: (r) => wrong('null')(r, {}),
    },
  ])

  t.test('work that does not end', async (t) => {
    const proof = {
      source: 'core/converge/deadline.ts',
      hint: 'find out what it waits for, and end it: it did not stop at its deadline',
    }
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    let end: () => void = () => undefined
    const work = () => new Promise<void>((resolve) => (end = resolve))
    const endless = withDeadline(seconds(1), work)
    mock.timers.tick(1000)
    await setImmediate()
    mock.timers.tick(10_000)
    await t.rejects(endless, { code: 'STILL_RUNNING', hint: hintPattern(proof.hint) })
    end()
    const again = withDeadline(seconds(1), work)
    end()
    await t.resolves(again)
  })
})

/** Runs a recipe of a user's file, outside of the engine. */
function asUser(declare: Declare): unknown {
  const text = 'return (r) => declare(r)\n//# sourceURL=file:///srv/recipes/web.js'
  return planOf(new Function('declare', text)(declare) as Declare)
}

/** Defines a resource type in a user's file, outside of the engine. */
function wrong(expression: string) {
  const read = new Function(`return (${expression})\n//# sourceURL=file:///srv/recipes/wrong.js`) as () => null
  return defineResource(
    { type: 'wrong', doc: 'x', examples: [], key: () => 'w', props: z.strictObject({}), state: z.null() },
    { read, desired: () => null, apply: () => undefined },
  )
}

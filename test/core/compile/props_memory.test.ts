/** Tests that compiling many hosts in sequence gives the same plans as compiling each of them alone. */
import fc from 'fast-check'
import t from 'tap'
import * as z from 'zod'
import { compile } from '../../../core/compile/compile.ts'
import { PropsMemory } from '../../../core/compile/props_memory.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { asConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { derived, isReference, partsOf, reference } from '../../../core/model/reference.ts'
import { defineResource } from '../../../core/model/resource.ts'
import { duration, seconds } from '../../../core/model/units.ts'

const thing = defineResource(
  {
    type: 'thing',
    doc: 'A thing.',
    mirrors: 'none',
    examples: [{ name: 'a' }],
    key: ({ name }) => name,
    props: z.strictObject({
      name: z.string(),
      limit: duration.default(() => seconds(5)),
      list: z.array(z.union([z.string(), z.number()])).default(['usual']),
      more: z.record(z.string(), z.string().max(3)).optional(),
      mark: z.string().trim().optional(),
    }),
    state: z.null(),
  },
  { read: async () => null, desired: () => null, apply: async () => undefined },
)

type Given = Readonly<Record<string, unknown>>

const values = {
  limit: fc.constantFrom(seconds(1), seconds(2), 'soon'),
  list: fc.array(fc.constantFrom<unknown>('a', 'b', 1, null), { maxLength: 2 }),
  more: fc.dictionary(fc.constantFrom('k', 'l'), fc.constantFrom('v', 'w', 'long'), { maxKeys: 2 }),
  mark: fc.constantFrom<unknown>('x', ' y ', undefined, { ref: 'one' }, { ref: 'two' }),
}
const host = fc.array(fc.record(values, { requiredKeys: [] }), { maxLength: 3 })

/** Builds new references for each host, as recipes do. */
function declared(one: Given, at: number): Given {
  const { mark } = one as { mark?: { ref?: string } }
  const name = `t${at}`
  if (mark?.ref === undefined) return { name, ...one }
  return { name, ...one, mark: derived(reference<string>('thing t0', 'digest'), (text) => `${text} ${mark.ref}`) }
}

const thingOf = (things: readonly Given[]) =>
  role<unknown>('things', {
    deploy(r: Recipe<unknown>) {
      thing(r, { name: 't0' })
      for (const [at, one] of things.entries()) thing(r, declared(one, at + 1) as never)
    },
  })

/** Returns the plan or its problems, with references replaced by their values. */
function outcome(things: readonly Given[], memory?: PropsMemory): unknown {
  const shown = (value: unknown): unknown =>
    isReference(value) ? partsOf(value).transform?.('digest' as never) : JSON.parse(JSON.stringify(value ?? null))
  try {
    const { resources } = compile([thingOf(things)], ['deploy'], {}, memory === undefined ? {} : { memory })
    return resources.map(({ name, props }) => [
      name,
      Object.entries(props as object)
        .map(([key, value]) => [key, shown(value)])
        .sort(),
    ])
  } catch (error) {
    const all = error instanceof InvalidInput ? error.problems : [asConvergeError(error)]
    return all.map(({ message, source }) => ({ message, hasSource: source !== undefined }))
  }
}

t.test('gives the same plans and problems as without earlier hosts', async (t) => {
  fc.assert(
    fc.property(fc.array(host, { minLength: 1, maxLength: 5 }), (hosts) => {
      const memory = new PropsMemory()
      for (const things of hosts) t.strictSame(outcome(things, memory), outcome(things))
    }),
  )
})

t.test('notices an object that a recipe changes later', async (t) => {
  const memory = new PropsMemory()
  const list: unknown[] = ['a']
  outcome([{ list }], memory)
  list.push(null)
  t.match(outcome([{ list }], memory), [{ message: /list/, hasSource: true }])
})

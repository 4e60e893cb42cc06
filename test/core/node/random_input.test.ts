/** Tests arbitrary input for the node: it builds, or every problem is a usage error with a position. */
import fc from 'fast-check'
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { explain } from '../../../core/node/explain.ts'
import { gatherFacts } from '../../../core/node/facts.ts'
import { buildNode } from '../../../core/node/node.ts'
import { objectLayer, parseLayer } from '../../../core/node/parse_layer.ts'
import { attributesJsonSchema, type JsonSchema } from '../../../core/node/schema.ts'

const facts = gatherFacts()

/** Returns the problems of work that may fail only because of its input. */
async function problemsOf(work: () => Promise<unknown>): Promise<readonly ConvergeError[]> {
  try {
    await work()
    return []
  } catch (thrown) {
    if (thrown instanceof InvalidInput) return thrown.problems
    if (thrown instanceof ConvergeError && thrown.usage) return [thrown]
    throw thrown
  }
}

const isComplete = ({ message, source, code }: ConvergeError) =>
  message.length > 0 &&
  !/undefined|\[object|Invalid input|NaN/.test(message) &&
  source?.file !== undefined &&
  code !== 'INTERNAL'

const name = fc.oneof(
  fc.constantFrom(...Object.keys(attributeSchemas), 'cpu', 'memory', 'hostname', 'constructor', '__proto__'),
  fc.string(),
)
const value = fc.jsonValue({ maxDepth: 4 })

t.test('any JSON below known keys loads or gives errors with a place', async () => {
  const property = fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 6 }), async (any) => {
    const text = JSON.stringify(any, null, 1)
    const problems = await problemsOf(async () => {
      const node = buildNode({
        layers: [await parseLayer({ text, file: 'a.json', kind: 'stack' })],
        facts,
        schemas: attributeSchemas,
      })
      for (const key of Object.keys(node.attributes)) explain(node, [key])
    })
    return problems.every((problem) => isComplete(problem) && problem.source?.line !== undefined)
  })
  const examples: [Record<string, never>][] = [[JSON.parse('{"a": [{"__proto__": [{"": -127466010483821300}]}]}')]]
  await fc.assert(property, { numRuns: 300, examples })
})

/** Generates values that the JSON Schema allows, each of which is sometimes replaced by an arbitrary one. */
function valuesFor(json: JsonSchema): fc.Arbitrary<unknown> {
  const types = ([] as unknown[]).concat(json.type ?? [])
  const own = (json.properties ?? {}) as Record<string, JsonSchema>
  const right = json.anyOf
    ? fc.oneof(...(json.anyOf as JsonSchema[]).map(valuesFor))
    : json.enum
      ? fc.constantFrom(...(json.enum as unknown[]))
      : types.includes('object') && Object.keys(own).length > 0
        ? fc.record(Object.fromEntries(Object.entries(own).map(([key, child]) => [key, valuesFor(child)])), {
            requiredKeys: [],
          })
        : types.includes('object')
          ? fc.dictionary(
              fc.constantFrom('a', 'b', 'web-1'),
              valuesFor((json.additionalProperties ?? {}) as JsonSchema),
              { maxKeys: 2 },
            )
          : types.includes('array')
            ? fc.array(valuesFor((json.items ?? {}) as JsonSchema), { maxLength: 2 })
            : types.includes('boolean')
              ? fc.oneof(fc.boolean(), fc.constantFrom('true', 'False'))
              : types.includes('number') || types.includes('integer')
                ? fc.oneof(fc.integer({ min: 0, max: 600 }), fc.nat(99).map(String))
                : fc.constantFrom('text', '/srv/x', 'a b', '', '1.2', 'http://u:p4ss@h/')
  return fc.oneof({ weight: 40, arbitrary: right }, { weight: 1, arbitrary: value })
}

t.test('nearly valid attributes load or give errors with a place', async (t) => {
  const { properties } = attributesJsonSchema(attributeSchemas) as { properties: Record<string, JsonSchema> }
  let built = 0
  const any = fc
    .constantFrom(...Object.entries(properties))
    .chain(([key, json]) => valuesFor(json).map((one) => ({ [key]: one })))
  const property = fc.asyncProperty(any, async (attributes) => {
    const problems = await problemsOf(async () => {
      const node = buildNode({
        layers: [objectLayer(attributes, 'role x', 'role')],
        facts,
        schemas: attributeSchemas,
        foreignKeys,
      })
      JSON.stringify(node.attributes)
      built++
    })
    return problems.every(isComplete)
  })
  await fc.assert(property, { numRuns: 300 })
  t.ok(built > 20, 'some of them are right')
})

const jsonLike = fc
  .array(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '"a"',
      '1',
      'null',
      ' ',
      '\n',
      '\\',
      '//',
      '/*',
      '*/',
      "'",
      'x',
      '-',
      '\t',
      '&a',
      '*a',
      '!t',
      '|',
      '#',
      '---',
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''))

for (const file of ['a.json', 'a.yaml'])
  t.test(`any text as ${file} loads or gives errors with a place`, async () => {
    const property = fc.asyncProperty(fc.oneof(jsonLike, fc.string()), async (text) => {
      const problems = await problemsOf(() => parseLayer({ text, file, kind: 'stack' }))
      return problems.every(isComplete)
    })
    await fc.assert(property, { numRuns: 500 })
  })

t.test('any patch loads or gives errors with a place', async () => {
  const pointer = fc.oneof(
    fc.constantFrom(
      '/deploy',
      '/deploy/site/domains/0',
      '/deploy/site/domains/-',
      '/tmpdir/tmpfs',
      '/constructor/x',
      '/toString',
      '/a~1b',
      '/deploy_buildout/extends/1',
    ),
    fc.string(),
  )
  const operation = fc.oneof(
    fc.record(
      { op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'), path: pointer, from: pointer, value },
      { requiredKeys: ['op', 'path'] },
    ),
    value,
  )
  const below = objectLayer({ deploy: { site: { domains: ['a', 'b'] } } }, 'below', 'stack')
  const before = JSON.stringify(below.value)
  const property = fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 4 }), async (operations) => {
    const problems = await problemsOf(async () => {
      const patch = await parseLayer({ text: JSON.stringify(operations), file: 'patch.json', kind: 'host' })
      buildNode({ layers: [below, patch], facts, schemas: attributeSchemas })
    })
    const clean = ({} as Record<string, unknown>).x === undefined && !('x' in Object)
    return clean && problems.every(isComplete) && JSON.stringify(below.value) === before
  })
  await fc.assert(property, { numRuns: 400 })
})

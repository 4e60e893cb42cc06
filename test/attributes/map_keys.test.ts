/**
 * Tests that every map of the attributes refuses keys with a NUL character or a line break, and that a key `__proto__` is left out
 * with a warning.
 */
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { type AttributePath, mapAttributes } from '../support/text_attributes.ts'

/** Values, of which every map accepts one. */
const values = ['{"name":"ann"}', '"ab"', '1', '{}', '[]', '{"content":"a"}']
const usualKeys = ['x', 'X_Y', '/x', 'x.example.com', '2001', 'nofile']
const refusedKeys = ['a\0b', '\0', 'a\nb', 'a\rb', 'a\n', 'a\x1bb', 'a\x9bb']

/** Keys that a path requires beside the one that it names. */
const beside: Readonly<Record<string, string>> = { environment: '"cmd":"bin/worker",' }

/** Builds JSON as text, because `__proto__` in an object literal is no key. */
const nested = (path: AttributePath, key: string, value: string): string =>
  [...path, key].reduceRight((inside, name, at) => {
    if (name === '#') return `[${inside}]`
    const others = path[at - 1] === '#' ? (beside[name] ?? '') : ''
    return `{${others}${JSON.stringify(name === '*' ? 'x' : name)}:${inside}}`
  }, value)

interface Outcome {
  readonly isAccepted: boolean
  /** The names of warnings. */
  readonly warnings: readonly string[]
}

async function outcome(text: string): Promise<Outcome> {
  try {
    const layer = await parseAttributes({ text, file: 'site.json', kind: 'deployment' })
    const built = buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys })
    // Attributes are validated when they are read.
    for (const key of Object.keys(JSON.parse(text))) JSON.stringify((built.attributes as Record<string, unknown>)[key])
    return { isAccepted: true, warnings: built.warnings.map(({ code }) => code) }
  } catch (error) {
    if (!(error instanceof ConvergeError)) throw error
    return { isAccepted: false, warnings: [] }
  }
}

/** Returns the outcomes of the values that a map accepts below a key. */
async function accepted(path: AttributePath, key: string): Promise<Outcome[]> {
  const outcomes = await Promise.all(values.map((value) => outcome(nested(path, key, value))))
  return outcomes.filter(({ isAccepted }) => isAccepted)
}

const maps = mapAttributes()
t.ok(maps.length > 15, `${maps.length} maps`)
for (const path of maps) {
  const name = path.join('.')
  const usual = await Promise.all(usualKeys.map((key) => accepted(path, key)))
  t.ok(usual.flat().length > 0, `${name} accepts a usual key`)
  for (const key of refusedKeys) t.strictSame(await accepted(path, key), [], `${name} refuses ${JSON.stringify(key)}`)
  const left = await outcome(nested(path, '__proto__', '{"x":1}'))
  t.ok(!left.isAccepted || left.warnings.includes('UNSAFE_KEY'), `${name} warns of __proto__`)
}
t.notOk('x' in {}, 'no prototype is changed')

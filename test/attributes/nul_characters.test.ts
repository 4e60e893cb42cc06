/** Tests that every text attribute refuses a NUL character, which no file name, argument or variable can hold. */
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { type AttributePath, textAttributes } from '../support/text_attributes.ts'

const nul = 'a\0b'

const nested = (path: AttributePath, value: unknown): unknown =>
  path.reduceRight<unknown>((inside, key) => (key === '#' ? [inside] : { [key === '*' ? 'x' : key]: inside }), value)

async function messageOf(json: unknown): Promise<string> {
  const layer = await parseAttributes({ text: JSON.stringify(json), file: 'site.json', kind: 'deployment' })
  try {
    const { attributes } = buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys })
    // Attributes are validated when they are read.
    JSON.stringify(attributes)
    for (const key of Object.keys(json as object)) JSON.stringify((attributes as Record<string, unknown>)[key])
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

const all = textAttributes()
t.ok(all.length > 200, `${all.length} attributes`)
const accepted = []
let others = 0
for (const path of all) {
  if ((await messageOf(nested(path, nul))) === '') accepted.push(path.join('.'))
  if ((await messageOf(nested(path, 'ab'))) === '') others++
}
t.strictSame(accepted, [])
t.ok(others > 150, `${others} of them accept another text`)

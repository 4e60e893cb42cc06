/**
 * Tests every attribute that is a path: a value that no release or file system can have is refused by the schema, with
 * its file, line and key. A resource would name a line of the recipe, or fail in the middle of a run.
 */
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { ConvergeError, InvalidInput } from '../../core/model/errors.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { configurationOrError, withAttribute } from '../support/hostile_attributes.ts'
import { hostileSituations } from '../support/hostile_situations.ts'
import { type AttributePath, textAttributes } from '../support/text_attributes.ts'

t.setTimeout(600_000)

const nested = (path: AttributePath, value: string): unknown =>
  path.reduceRight<unknown>((inside, key) => (key === '#' ? [inside] : { [key === '*' ? 'x' : key]: inside }), value)

/** Returns the value as recipes read it; null for one that the schema refuses. */
async function readValue(path: AttributePath, text: string): Promise<unknown> {
  const json = nested(path, text)
  const layer = await parseAttributes({ text: JSON.stringify(json), file: 'site.json', kind: 'deployment' })
  try {
    const { attributes } = buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys })
    const keys = path.map((key) => (key === '#' ? 0 : key === '*' ? 'x' : key))
    return keys.reduce<unknown>((value, key) => (value instanceof Object ? Reflect.get(value, key) : value), attributes)
  } catch (error) {
    if (error instanceof ConvergeError) return null
    throw error
  }
}

const accepts = async (path: AttributePath, text: string) => (await readValue(path, text)) !== null
const long = 'a'.repeat(256)
const oddPaths = ['.git', '.converge/x', 'a//b', './a', 'a/', 'a/./b', '.', long]

t.test('every path in a release or below a directory', async (t) => {
  const paths: AttributePath[] = []
  // A revision of git is not a path: it has no blanks.
  for (const path of textAttributes())
    if ((await accepts(path, 'zqx/a b')) && !(await accepts(path, '../zqx'))) paths.push(path)
  t.ok(paths.length > 10, `${paths.length} attributes`)
  for (const path of paths) {
    const name = path.join('.')
    t.equal(await readValue(path, './a//b/'), 'a/b', `${name} drops empty parts`)
    t.notOk(await accepts(path, long), `${name} refuses a name that file systems refuse`)
  }
  let refused = 0
  for (const { role, json } of hostileSituations)
    for (const path of paths)
      for (const value of oddPaths) {
        if (path[0] !== 'deploy_buildout' && !((path[0] ?? '') in json)) continue
        const result = await configurationOrError(role, withAttribute(json, path, value))
        if (!(result instanceof ConvergeError)) continue
        refused++
        for (const { source, message } of result instanceof InvalidInput ? result.problems : [result])
          if (source?.file !== 'site.json')
            t.fail(`${role}: ${path.join('.')} = ${value}: refused without its place: ${message}`)
      }
  t.ok(refused > 20, `${refused} refused`)
})

t.test('every absolute path', async (t) => {
  const paths: AttributePath[] = []
  for (const path of textAttributes())
    if ((await accepts(path, '/zqx/mark')) && !(await accepts(path, '/../zqx'))) paths.push(path)
  t.ok(paths.length > 10, `${paths.length} attributes`)
  for (const path of paths)
    t.notOk(await accepts(path, `/a/${long}`), `${path.join('.')} refuses a name that file systems refuse`)
})

t.test('refuses two spellings of one path as keys of a map', async (t) => {
  const links = { 'conf.d/': 'a', 'conf.d': 'b' }
  const json = { deploy: { site: { symlink_before_migrate: links } } }
  const layer = await parseAttributes({ text: JSON.stringify(json, null, 1), file: 'site.json', kind: 'deployment' })
  const read = () =>
    buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys }).attributes.deploy
  t.throws(read, { message: /symlink_before_migrate.*another path than "conf\.d\/"/, source: { line: 6 } })
})

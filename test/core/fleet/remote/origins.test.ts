/** Tests that messages of a host name the operator's files and lines, and not the uploaded copies. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { inputFileArguments, inputFiles } from '../../../../core/fleet/remote/host_inputs.ts'
import { nodeDocuments } from '../../../../core/fleet/stack/documents.ts'
import { loadStack } from '../../../../core/fleet/stack/load.ts'
import { originsOf, withOrigins } from '../../../../core/node/origins.ts'
import { parseLayer } from '../../../../core/node/parse_layer.ts'
import type { KeyPath } from '../../../../core/node/path.ts'
import { Sandbox } from '../../../support/program.ts'

const stackFile = `name: shop
layers:
  app:
    roles: [port-app]
    attributes: layer.json
hosts:
  web1:
    address: 10.0.0.1
    layers: [app]
    attributes:
      no_such_attribute: 1
apps:
  shop:
    scm: { repository: /srv/shop.git }
    attributes:
      ssl_support: true
custom_json:
  - op: add
    path: /port_app
    value: { app_name: shop, command: bin/serve }
`

const layerFile = `{
  "port_app": {
    "health": { "path": "/" },
    "helath": { "path": "/ok" }
  }
}
`

/**
 * Uploads files.
 * @returns the host's files, and the options that name them
 */
async function uploaded(t: Test, files: Readonly<Record<string, string>>) {
  const sandbox = new Sandbox(t)
  sandbox.write(files)
  const stack = await loadStack(sandbox.at('stack.yaml'))
  const documents = nodeDocuments({ ...stack, file: 'stack.yaml' }, 'web1', { online: new Set(['web1']) })
  for (const [name, { content }] of inputFiles(documents, [])) {
    const path = join(sandbox.at('inputs'), name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
  return { sandbox, words: inputFileArguments(documents, sandbox.at('inputs')) }
}

t.test('warnings about attributes name their place in the stack file', async (t) => {
  const { sandbox, words } = await uploaded(t, { 'stack.yaml': stackFile, 'layer.json': layerFile })
  const { stderr, stdout, status } = await sandbox.converge(['attributes', '--explain', 'port_app', ...words])
  t.equal(status, 0, stderr)
  t.match(stderr, /stack\.yaml:11:7: no_such_attribute/)
  t.match(stderr, /layer\.json:4:5: port_app\.helath/)
  t.notMatch(`${stderr}${stdout}`, 'inputs/')
  t.match(stdout, /stack\.yaml:20:\d+ "bin\/serve"/)
})

t.test('mistakes name their place in the stack file', async (t) => {
  const wrong = layerFile.replace('"/" }', '5 }')
  const { sandbox, words } = await uploaded(t, { 'stack.yaml': stackFile, 'layer.json': wrong })
  const { stderr, status } = await sandbox.converge(['attributes', ...words])
  t.equal(status, 2)
  t.match(stderr, /layer\.json:3:\d+: port_app\.health\.path/)
  t.notMatch(stderr, 'inputs/')
})

t.test('reads the documents if the list of places is damaged', async (t) => {
  const { sandbox, words } = await uploaded(t, { 'stack.yaml': stackFile, 'layer.json': layerFile })
  for (const text of ['', '{', '[1]', '{"node.json": {"files": 1}}']) {
    writeFileSync(sandbox.at('inputs/custom/.stack'), text)
    const { status, stderr } = await sandbox.converge(['attributes', '--explain', 'port_app.command', ...words])
    t.equal(status, 0, stderr)
  }
})

function paths(value: unknown, path: KeyPath = []): KeyPath[] {
  if (typeof value !== 'object' || value === null) return [path]
  const isList = Array.isArray(value)
  return [path, ...Object.entries(value).flatMap(([key, child]) => paths(child, [...path, isList ? Number(key) : key]))]
}

t.test('each key path keeps its place, and an unknown one gets that of its parent', async (t) => {
  const key = fc.oneof(fc.constantFrom('a/b', '~1', 'a.b', '0', ''), fc.string({ maxLength: 4 }))
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.dictionary(key, tie('tree')), fc.array(tie('tree'))),
  }))
  await fc.assert(
    fc.asyncProperty(fc.dictionary(key, tree), async (value) => {
      const layer = await parseLayer({ text: JSON.stringify(value, null, 2), file: 'site.json', kind: 'stack' })
      const origins = JSON.parse(JSON.stringify(originsOf({ name: 'site.json', ...layer })))
      const uploaded = await parseLayer({ text: JSON.stringify(value), file: '/in/node.json', kind: 'stack' })
      const read = withOrigins(uploaded, origins)
      for (const path of paths(layer.value))
        for (const what of ['value', 'key'] as const) t.strictSame(read.locate(path, what), layer.locate(path, what))
      t.strictSame(read.locate(['no', 'such', 'key']), layer.locate([]))
    }),
    { numRuns: 100 },
  )
})

/** Tests shared values: a node is the same as with copies of them, and each value is parsed once. */
import fc from 'fast-check'
import t from 'tap'
import * as z from 'zod'
import { attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { neutralFacts } from '../../../core/node/facts.ts'
import type { JsonObject } from '../../../core/node/merge.ts'
import { buildNode } from '../../../core/node/node.ts'
import { objectLayer } from '../../../core/node/parse_layer.ts'
import { jsonCopy, share } from '../../../core/node/shared_values.ts'

const facts = neutralFacts

/** Returns the whole node, or all of its problems. */
function answerOf(layers: readonly JsonObject[]): unknown {
  try {
    const built = buildNode({
      layers: layers.map((one, index) => objectLayer(one, `${index}.json`, 'stack')),
      facts,
      schemas: attributeSchemas,
      foreignKeys,
    })
    const { attributes, warnings, secrets } = built
    return { attributes: JSON.parse(JSON.stringify(attributes)), warnings, secrets, state: built.states.at(-1) }
  } catch (error) {
    if (!(error instanceof ConvergeError && error.usage)) throw error
    return (error instanceof InvalidInput ? error.problems : [error]).map((problem) => problem.toJSON())
  }
}

const scalar = fc.constantFrom<unknown>('text', '10.0.0.1', 'http://user:hidden@host/', '8', 5, true, null, -1)
const mapOf = (names: readonly string[], value: fc.Arbitrary<unknown>, maxKeys = 3) =>
  fc.dictionary(fc.constantFrom(...names), value, { maxKeys })
const host = mapOf(['private_ip', 'public_dns_name', 'backends', 'status', 'db_password', 'ipp', 'extra'], scalar)
const layer = fc.record(
  {
    instances: fc.oneof({ weight: 9, arbitrary: mapOf(['web1', 'web2'], host) }, scalar),
    name: scalar,
  },
  { requiredKeys: [] },
)
const app = mapOf(['scm', 'domains', 'environment', 'migrate', 'migrat', 'database'], fc.oneof(scalar, host), 4)
const attributes = fc.record(
  {
    opsworks: fc.record({ layers: mapOf(['web', 'app'], layer), instance: host }, { requiredKeys: [] }),
    deploy: mapOf(['site', 'other'], app),
    converge: fc.record(
      { secret_names: fc.subarray(['extra', 'name']), open_names: fc.subarray(['db_password']) },
      { requiredKeys: [] },
    ),
    unknown: host,
  },
  { requiredKeys: [] },
) as fc.Arbitrary<JsonObject>

t.test('shared values give the same node as copies, also the second time', async (t) => {
  const property = fc.property(attributes, attributes, attributes, (common, custom, own) => {
    const plain = JSON.stringify(answerOf([common, custom, own]))
    const [sharedCommon, sharedCustom] = [share(jsonCopy(common)), share(jsonCopy(custom))]
    // Parts of a value may be shared although the value itself is not.
    const parts = Object.fromEntries(Object.entries(common).map(([key, one]) => [key, share(jsonCopy(one))]))
    return [
      [sharedCommon, sharedCustom, own],
      [sharedCommon, sharedCustom, own],
      [parts, sharedCustom, own],
      [parts, custom, share(jsonCopy(own))],
    ].every((layers) => JSON.stringify(answerOf(layers)) === plain)
  })
  fc.assert(property, { numRuns: 500 })
  t.end()
})

t.test('parses a shared value once for all nodes', async (t) => {
  let parsed = 0
  const name = z.string().transform((text) => {
    parsed++
    return text
  })
  const schemas = { site: z.looseObject({ hosts: z.record(z.string(), name).default({}) }) }
  const hosts = share(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`h${index}`, `web${index}`])))
  const custom = share({ site: { hosts: { h1: 'other' } } })
  const nodes = Array.from({ length: 20 }, (_, index) => {
    const layers = [
      objectLayer({ site: { hosts, number: index } }, 'stack', 'stack'),
      objectLayer(custom, 'custom', 'stack'),
    ]
    return buildNode({ layers, facts, schemas }).attributes.site
  })
  t.equal(parsed, 50)
  t.ok(nodes.every((site) => site.hosts === nodes[0]?.hosts))
  t.match(nodes[7], { number: 7, hosts: { h0: 'web0', h1: 'other', h49: 'web49' } })
})

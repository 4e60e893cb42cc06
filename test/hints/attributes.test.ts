/** Proves the hints about attributes and the files they are in: triggers each, then follows it. */
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { asConvergeError, InvalidInput } from '../../core/model/errors.ts'
import { environmentLayer } from '../../core/node/environment.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { type CommandProof, hintPattern, type Proof, proveCalls, proveCommands } from '../support/proofs.ts'

const broken = 'render --role solr --prefix @/root --json @/site.json'
const file = (source: string, hint: string, before: unknown, after: unknown): CommandProof => ({
  source,
  hint,
  broken,
  files: { 'site.json': JSON.stringify(before) },
  changed: { 'site.json': JSON.stringify(after) },
})

t.test('the hints about values work', async (t) => {
  const source = 'core/node/problems.ts'
  proveCommands(t, [
    file(source, 'leave the key out to get the default, …', { plone_instances: { site_id: null } }, {}),
    file(
      source,
      'put it in quotes: "8110"',
      { plone_zeoserver: { readiness: { address: 8110 } } },
      { plone_zeoserver: { readiness: { address: '8110' } } },
    ),
    file(
      source,
      'write true or false, without quotes',
      { plone_instances: { enable_celery: 'yes' } },
      { plone_instances: { enable_celery: true } },
    ),
    file(source, 'put it in brackets: ["base"]', { converge: { roles: 'base' } }, { converge: { roles: ['base'] } }),
  ])
})

t.test('the hints about attributes with too many entries or mistakes work', async (t) => {
  const source = 'core/node/validate.ts'
  const apps = (count: number, app: object) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`site${at}`, app]))
  proveCommands(t, [
    file(source, 'remove entries that this host does not need', { deploy: apps(10_001, {}) }, { deploy: apps(2, {}) }),
  ])

  t.test('mistakes that are not listed', async (t) => {
    const proof = { source, hint: 'correct the listed ones, then run again' }
    const deploy = apps(201, { scm: 1 })
    const run = async () => {
      const layer = await parseAttributes({ text: JSON.stringify({ deploy }), file: 'site.json', kind: 'host' })
      return buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys })
    }
    const correctListed = async () => {
      const failure = await run().catch((thrown: unknown) => thrown)
      const problems = failure instanceof InvalidInput ? failure.problems : [asConvergeError(failure)]
      for (const { attribute } of problems) {
        const [, app] = /^deploy\.(\w+)\.scm$/.exec(attribute ?? '') ?? []
        if (app !== undefined) deploy[app] = {}
      }
      return problems
    }
    t.match((await correctListed()).at(-1), { hint: hintPattern(proof.hint) }, 'the hint is given')
    t.match(await correctListed(), [{ attribute: 'deploy.site200.scm' }], 'the next run lists the rest')
    await t.resolves(run(), 'the run succeeds')
  })
})

t.test('the hint about half a character works', async (t) => {
  proveCalls(t, [
    {
      source: 'core/node/parse_layer.ts',
      hint: 'write the character itself, without escapes',
      broken: () => parseAttributes({ text: '{"tmpdir": "\\ud83d"}', file: 'site.json', kind: 'deployment' }),
      repaired: () => parseAttributes({ text: '{"tmpdir": "😀"}', file: 'site.json', kind: 'deployment' }),
    },
  ])
})

t.test('the hints about files of other programs work', async (t) => {
  const source = 'core/node/foreign_files.ts'
  proveCommands(t, [
    {
      source,
      hint: 'use it on one host: converge plan --role ROLE --node-json @/node.json; in a stack file it can be the custom_json',
      broken: 'stack check --stack @/node.json',
      repaired: 'plan --role base --prefix @/root --node-json @/node.json',
      files: { 'node.json': '{"opsworks": {}, "deploy": {}}' },
    },
    file(
      source,
      'decrypt it with knife data bag show, and copy the attributes in it to a file with mode 0600',
      { id: 'mail', password: { encrypted_data: 'x', cipher: 'aes-256-cbc' } },
      { converge: {} },
    ),
    file(source, 'name a file with attributes', { name: 'site', version: '1.0.0', dependencies: {} }, { converge: {} }),
  ])
})

t.test('the hints about environment variables work', async (t) => {
  proveCalls(t, [
    {
      source: 'core/node/environment.ts',
      hint: 'write CONVERGE_ATTR_<key>__<key>, e.g. CONVERGE_ATTR_plone_instances__relstorage__db__password',
      broken: () => environmentLayer({ CONVERGE_ATTR_: 'x' }),
      repaired: () => environmentLayer({ CONVERGE_ATTR_plone_instances__relstorage__db__password: 'x' }),
    },
  ])
})

interface WarningProof extends Proof {
  readonly before: string
  readonly after: string
}

t.test('the hints about warnings work', async (t) => {
  const hintsOf = async (text: string) => {
    const layer = await parseAttributes({ text, file: 'site.json', kind: 'host' })
    const node = buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys })
    return node.warnings.map(({ hint = '' }) => hint)
  }
  const proofs: readonly WarningProof[] = [
    {
      source: 'core/node/parse_layer.ts',
      hint: 'keep one of them',
      before: '{"converge": {},\n"converge": {}}',
      after: '{"converge": {}}',
    },
    {
      source: 'core/node/node.ts',
      hint: 'check that this is the file you mean: converge attributes lists what there is',
      before: '{"one": 1, "two": 2}',
      after: '{"converge": {}}',
    },
    {
      source: 'core/node/validate.ts',
      hint: 'did you mean deploy?',
      before: '{"converge": {}, "deploi": {}}',
      after: '{"converge": {}, "deploy": {}}',
    },
  ]
  for (const { source, hint, before, after } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      t.match(await hintsOf(before), [hintPattern(hint)])
      t.strictSame(await hintsOf(after), [])
    })
})

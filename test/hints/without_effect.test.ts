/** Proves the hints about attributes that have no effect or another meaning: triggers each as a warning, then follows it. */
import t from 'tap'
import { attributeSchemas } from '../../attributes/index.ts'
import { ineffectiveAttributes } from '../../core/node/ineffective.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { parseLayer } from '../../core/node/parse_layer.ts'
import { withVerbatimNumbers } from '../../core/node/written_numbers.ts'
import { hintPattern, type Proof } from '../support/proofs.ts'
import { planned } from '../support/role_plans.ts'

interface WarningProof extends Proof {
  readonly broken: () => Promise<readonly string[]>
  readonly repaired: () => Promise<readonly string[]>
}

const given = async (json: JsonObject) => ineffectiveAttributes(json, attributeSchemas, json).map(({ hint }) => hint)
/** The hint of a recipe is in brackets at the end of its warning. */
const frontend = async (json: JsonObject) =>
  (await planned('frontend', json, { event: 'configure' })).warnings.flatMap(
    (warning) => / has no effect \((.*)\)$/.exec(warning)?.[1] ?? [],
  )
const own = async (text: string) =>
  withVerbatimNumbers(await parseLayer({ text, file: 'a.yaml', kind: 'stack' }), attributeSchemas).warnings.map(
    ({ hint = '' }) => hint,
  )
const beat = { celerybeat: true }
const client = (name: string) => ({ hostname: name, private_ip: '10.0.0.1', status: 'online' })
const opsworks = { layers: { plone_instances: { instances: { a: client('a'), b: client('b') } } } }

const proofs: readonly WarningProof[] = [
  {
    source: 'core/node/written_numbers.ts',
    hint: 'write it in quotes if it is a text, and without the zero if it is a number',
    broken: () => own('own: { retries: 05, code: 007 }'),
    repaired: () => own('own: { retries: 5, code: "007" }'),
  },
  {
    source: 'core/node/ineffective.ts',
    hint: 'set plone_instances.enable_celery, or remove plone_instances.celerybeat',
    broken: () => given({ plone_instances: beat }),
    repaired: () => given({ plone_instances: { ...beat, enable_celery: true } }),
  },
  {
    source: 'core/node/ineffective.ts',
    hint: 'set plone_instances.enable_celery, or remove plone_instances.celerybeat',
    broken: () => given({ plone_instances: beat }),
    repaired: () => given({ plone_instances: {} }),
  },
  {
    source: 'recipes/frontend/ineffective_settings.ts',
    hint: 'add news.example.com to plone_instances.subsites',
    broken: () => frontend({ plone_instances: { subsite_config: { 'news.example.com': '# x' } } }),
    repaired: () =>
      frontend({
        plone_instances: {
          subsite_config: { 'news.example.com': '# x' },
          subsites: { 'news.example.com': '/Plone/news' },
        },
      }),
  },
  {
    source: 'recipes/frontend/ineffective_settings.ts',
    hint: 'HAProxy gets …, so that a request passes all clients; set it to 0 for none',
    broken: () => frontend({ opsworks, haproxy: { retries: 1 } }),
    repaired: () => frontend({ opsworks, haproxy: { retries: 0 } }),
  },
]

for (const { source, hint, broken, repaired } of proofs)
  t.test(`${source}: ${hint}`, async (t) => {
    const pattern = hintPattern(hint)
    t.ok(
      (await broken()).some((one) => pattern.test(one)),
      'the hint is given',
    )
    t.strictSame(await repaired(), [], 'there is no warning left')
  })

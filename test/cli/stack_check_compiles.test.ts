/** Tests that whatever `stack check` accepts compiles in every rollout, and that check reports certain mistakes. */
import fc from 'fast-check'
import t from 'tap'
import { deployedOnAll } from '../../core/cli/stack/apps.ts'
import { draftHosts } from '../../core/cli/stack/compile_stack.ts'
import { compileStackHost } from '../../core/cli/stack/host_check.ts'
import { draftInputs, openStack, stackInputs } from '../../core/cli/stack/inputs.ts'
import { StackNodes } from '../../core/cli/stack/nodes.ts'
import { expectedDomain } from '../../core/model/domain_name.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { Sandbox } from '../support/program.ts'

const scm = { repository: '/srv/site.git' }
const roles = ['zeo-server', 'zeo-client', 'solr', 'frontend', 'port-app', 'jetty-app', 'php-app', 'base', 'celerybeat']
const layerNames = ['plone_instances', 'zeoserver', 'app', 'lb', 'spare']
const appNames = ['plone_instances', 'zeoserver', 'plone_solr', 'shop', 'docs']
const events = ['setup', 'configure', 'deploy', 'start', 'stop', 'restart', 'shutdown', 'undeploy', 'build']

/** Generates mostly the first value, and sometimes one of the others. */
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })

const domain = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom('shop.example.com', 'Shop.a.test', '*.example.com', 'www.example.*', '.a.test', 'site'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('http://a.test', 'a b', 'a.test.', 'w*.a.test', 'a.*.test', 'münchen.de', 'a:80', ''),
  },
)
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const layer = fc.record({ roles: fc.uniqueArray(fc.constantFrom(...roles), { maxLength: 3 }) })
const host = fc.record({
  layers: fc.uniqueArray(fc.constantFrom(...layerNames), { minLength: 1, maxLength: 2 }),
  user: some(fc.constantFrom('root', 'deploy', 'jane')),
  sudo: some(fc.constantFrom<boolean | 'password'>(true, false, 'password')),
  prefix: some(mostly('/home/jane/site', '/opt/with blank')),
  cpus: some(fc.integer({ min: 1, max: 64 })),
  status: some(fc.constantFrom('online', 'stopped')),
})
const app = fc.record({
  scm: fc.constantFrom(scm, { ...scm, type: 'directory' }, { ...scm, revision: 'main' }),
  domains: some(fc.uniqueArray(domain, { maxLength: 2 })),
  layers: some(fc.uniqueArray(fc.constantFrom(...layerNames), { maxLength: 2 })),
  environment: some(fc.dictionary(fc.constantFrom('A', 'PATH', 'LANG'), mostly('x', 'a"b', 'a\'"b', '50%'))),
  user: some(mostly('www', 'root', 'with blank')),
  migrate: some(mostly(false, true)),
})
const attributes = fc.record(
  {
    port_app: fc.record({
      app_name: mostly('shop', 'docs', '../x'),
      command: mostly('node server.js %{port}', 'serve', ''),
    }),
    php_app: fc.record({ app_name: fc.constantFrom('docs', 'shop'), index: mostly('index.php', 'a b') }),
    plone_instances: fc.record({
      instance_count: mostly<unknown>(1, 3, '2', 'x'),
      nfs_blobs: fc.boolean(),
      site_id: mostly('Plone', 'a/b'),
    }),
    haproxy: fc.record({ client_timeout: mostly('1m', 'a while') }),
    converge: fc.record({ allow_root: fc.boolean() }),
  },
  { requiredKeys: ['port_app'] },
)
const stackFile = fc.record({
  name: fc.constant('shop'),
  layers: fc.record(Object.fromEntries(layerNames.map((name) => [name, layer]))),
  hosts: fc.dictionary(fc.constantFrom('web1', 'web2', 'db1'), host, { minKeys: 1, maxKeys: 3 }),
  apps: fc.dictionary(fc.constantFrom(...appNames), app, { maxKeys: 4 }),
  custom_json: attributes,
  environments: fc.constantFrom({}, { staging: { custom_json: { port_app: { app_name: 'docs' } } } }),
})
type StackContent = typeof stackFile extends fc.Arbitrary<infer T> ? T : never

function file({ hosts, ...content }: StackContent): string {
  const addressed = Object.entries(hosts).map(([name, one], index) => [
    name,
    { address: `10.0.0.${index + 1}`, ...one },
  ])
  return JSON.stringify({ ...content, hosts: Object.fromEntries(addressed) })
}

const sandbox = new Sandbox(t)

function callOf(environment: string | undefined) {
  const args = { stack: sandbox.at('stack.json'), environment }
  return { args, catalogue, secrets: new Secrets(), endProcess: () => undefined } as unknown as Parameters<
    typeof stackInputs<Parameters<typeof catalogue.checks>[0]>
  >[0]
}

/** Returns the problems and warnings of check, as text. */
async function checked(environment?: string) {
  const call = callOf(environment)
  const { inputs, draft } = await draftInputs(call, await openStack(call), environment)
  const { problems, concerns } = await draftHosts(call, inputs, draft)
  return {
    problems: [...draft.problems, ...problems].map(({ message }) => message),
    warnings: [...inputs.stack.warnings, ...concerns].map(({ message }) => message),
  }
}

t.test('a stack that check accepts compiles in every rollout', async (t) => {
  const counts = { accepted: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(stackFile, async (content) => {
      sandbox.write({ 'stack.json': file(content) })
      for (const environment of [undefined, ...Object.keys(content.environments)]) {
        const { problems } = await checked(environment)
        counts[problems.length === 0 ? 'accepted' : 'refused']++
        if (problems.length > 0) continue
        const call = callOf(environment)
        const inputs = await stackInputs(call)
        for (const event of events) await deployedOnAll(call, inputs, [event])
        const nodes = await StackNodes.of(call, inputs)
        for (const one of inputs.stack.hosts) await compileStackHost(call, nodes, one)
      }
    }),
    { numRuns: 80 },
  )
  t.comment(`${counts.accepted} accepted, ${counts.refused} refused`)
  t.ok(counts.accepted > 5, 'stacks that are accepted')
  t.ok(counts.refused > 5, 'stacks that are refused')
})

t.test('check refuses what a rollout would refuse', async (t) => {
  let refused = 0
  await fc.assert(
    fc.asyncProperty(stackFile, async (content) => {
      sandbox.write({ 'stack.json': file(content) })
      const call = callOf(undefined)
      try {
        const inputs = await stackInputs(call)
        await deployedOnAll(call, inputs, ['deploy'])
      } catch (error) {
        if (!(error instanceof ConvergeError)) throw error
        refused++
        const { problems } = await checked()
        if (problems.length === 0) throw error
      }
    }),
    { numRuns: 40 },
  )
  t.ok(refused > 0, 'stacks that a rollout refuses')
})

t.test('check reports domains that no request matches, apps that no host deploys, layers without hosts', async (t) => {
  await fc.assert(
    fc.asyncProperty(stackFile, async (content) => {
      sandbox.write({ 'stack.json': file(content) })
      const { problems, warnings } = await checked()
      const wrong = Object.entries(content.apps).flatMap(([name, { domains = [] }]) =>
        domains.flatMap((one, index) => (expectedDomain(one) === null ? [] : [`${name}.domains[${index}]: `])),
      )
      for (const path of wrong)
        if (!problems.some((message) => message.includes(path))) throw new Error(`${path} is not reported`)
      if (problems.length > 0) return
      const used = new Set(Object.values(content.hosts).flatMap(({ layers }) => layers))
      for (const name of layerNames)
        if (!used.has(name) && !warnings.includes(`no host is in the layer ${name}`)) throw new Error(`layer ${name}`)
      for (const [name, { layers }] of Object.entries(content.apps))
        if (layers !== undefined && !layers.some((one) => used.has(one)))
          if (!warnings.some((message) => message.startsWith(`no host deploys the app ${name}`)))
            throw new Error(`app ${name}`)
    }),
    { numRuns: 40 },
  )
  t.pass('each is reported')
})

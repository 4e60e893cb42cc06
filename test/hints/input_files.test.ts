/** Proves the hints about the files of attributes: triggers each, then follows it. */
import t from 'tap'
import { type CommandProof, proveCommands } from '../support/proofs.ts'

const broken = 'render --role solr --prefix @/root --json @/site.json'

function file(source: string, hint: string, before: unknown, after: unknown, name = 'site.json'): CommandProof {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  return {
    source,
    hint,
    broken: broken.replace('site.json', name),
    files: { [name]: text(before) },
    changed: { [name]: text(after) },
  }
}
const domain = { op: 'add', path: '/deploy/site/domains/-', value: 'www.example.com' }
const site = { op: 'add', path: '/deploy/site', value: { domains: [] } }

t.test('the hints about layers work', async (t) => {
  const source = 'core/node/parse_layer.ts'
  proveCommands(t, [
    file(source, 'it is read as JSON; comments and trailing commas are fine', '{"a": ', '{/* none */ "converge": {},}'),
    file(source, 'the attributes are inside a text: take it out of its quotes, for example with jq -r .', '"{}"', '{}'),
    file(source, 'write {} for no attributes, or [ ... ] for a JSON Patch', '', '{}'),
    file(source, 'nest at most 200 levels', `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`, '{}'),
  ])
})

t.test('the hint about large files of YAML works', async (t) => {
  const proof = { source: 'core/node/parse_layer.ts', hint: 'write it as JSON, or divide it' }
  const text = 'text '.repeat(1 << 20)
  const [one, two] = [`x-one: "${text}"`, `x-two: "${text}"`]
  const large = { broken: broken.replace('site.json', 'site.yaml'), files: { 'site.yaml': `${one}\n${two}` } }
  proveCommands(t, [
    {
      ...proof,
      ...large,
      repaired: broken,
      changed: { 'site.json': JSON.stringify({ 'x-one': text, 'x-two': text }) },
    },
    {
      ...proof,
      ...large,
      repaired: `${broken.replace('site.json', 'one.yaml')} --json @/two.yaml`,
      changed: { 'one.yaml': one, 'two.yaml': two },
    },
  ])
})

t.test('the hints about YAML work', async (t) => {
  const source = 'core/node/yaml_text.ts'
  const site = (revision: string) => `deploy: {site: {scm: {revision: ${revision}}}}`
  const nested = [...'bcdefghi'].map((name, at) => `x-${name}: &${name} [${`*${'abcdefgh'[at]},`.repeat(9)}]`)
  proveCommands(t, [
    file(source, 'check the indentation, quotes and brackets there', 'converge: {', 'converge: {}', 'site.yaml'),
    file(
      source,
      'indent with spaces: YAML does not allow tabs',
      'deploy:\n\tsite: {}',
      'deploy:\n  site: {}',
      'site.yaml',
    ),
    file(source, 'write a file for each document', 'converge: {}\n---\ndeploy: {}', 'converge: {}', 'site.yaml'),
    file(source, 'remove the tag, or put the text in quotes', site('!main'), site("'!main'"), 'site.yaml'),
    file(
      source,
      'define the anchor (&name) above the alias (*name), or put the text in quotes',
      `deploy: *site`,
      `deploy: &site {}`,
      'site.yaml',
    ),
    file(source, 'write the values without aliases', ['x-a: &a [1]', ...nested].join('\n'), 'deploy: {}', 'site.yaml'),
    file(source, 'write the value there without the alias', 'deploy: &a {site: *a}', 'deploy: {site: {}}', 'site.yaml'),
    file(source, 'merge maps only, as in <<: *defaults', 'deploy: {<<: 5}', 'deploy: {<<: {}}', 'site.yaml'),
    file(source, 'remove or rename one of the keys', 'deploy: {}\ndeploy: {}', 'deploy: {}', 'site.yaml'),
  ])
})

t.test('the hints about patches work', async (t) => {
  const source = 'core/node/patch.ts'
  proveCommands(t, [
    file(
      source,
      'write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"}',
      [site, { op: 'add', path: '/deploy/site/domains/-' }],
      [site, domain],
    ),
    file(
      source,
      'an array in a layer is a JSON Patch (RFC 6902); write each operation as an object',
      ['a'],
      [site, domain],
    ),
    file(source, 'use one of …', [{ ...site, op: 'qqqqqqqq' }], [site]),
    file(source, 'write "/deploy/site"', [{ ...site, path: 'deploy.site' }], [site]),
    file(
      source,
      'use a number from 0, or - for the end',
      [site, { ...domain, path: '/deploy/site/domains/end' }],
      [site, domain],
    ),
    file(
      source,
      'items count from 0',
      [site, domain, { op: 'remove', path: '/deploy/site/domains/1' }],
      [site, domain, { op: 'remove', path: '/deploy/site/domains/0' }],
    ),
  ])
})

t.test('the hints about files of other programs work', async (t) => {
  const source = 'core/node/foreign_files.ts'
  proveCommands(t, [
    file(
      source,
      "merge the levels into one object: jq '(.default // {}) * (.normal // {}) * (.override // {})' … > node.json",
      { default: { converge: {} }, normal: {}, override: {}, chef_type: 'node' },
      { converge: {} },
    ),
    file(
      source,
      "merge its attributes: jq '(.default_attributes // {}) * (.override_attributes // {})' … > node.json",
      { default_attributes: { converge: {} } },
      { converge: {} },
    ),
    file(
      source,
      'copy the object below CustomJson of the AWS::OpsWorks::Stack resource into a file; layers and instances belong in a stack file',
      { AWSTemplateFormatVersion: '2010-09-09' },
      {},
    ),
    file(
      source,
      'take the custom JSON out of it: jq .Resources.S.Properties.CustomJson … > custom.json; layers and instances belong in a stack file',
      { Resources: { S: { Type: 'AWS::OpsWorks::Stack', Properties: { CustomJson: { converge: {} } } } } },
      { converge: {} },
    ),
    {
      source,
      hint: 'it holds no attributes: leave the file out',
      broken,
      repaired: 'render --role solr --prefix @/root',
      files: { 'site.json': '{"Volumes": []}' },
    },
    {
      source,
      hint: 'use it with the stack commands: converge stack check --stack …',
      broken,
      repaired: 'stack check --stack @/site.json',
      files: {
        'site.json':
          '{"name": "a", "layers": {"base": {"roles": ["base"]}}, "hosts": {"web1": {"layers": ["base"], "address": "10.0.0.1"}}}',
      },
    },
    file(
      source,
      'copy the custom_json of its aws_opsworks_stack into a file',
      { terraform_version: '1.5.0', resources: [] },
      {},
    ),
  ])
})

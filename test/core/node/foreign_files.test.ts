/**
 * Tests files of other tools in place of attributes or of a stack file: one error that names the kind of file and what
 * to do.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import { loadStack } from '../../../core/fleet/stack/load.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { gatherFacts } from '../../../core/node/facts.ts'
import { buildNode } from '../../../core/node/node.ts'
import { parseAttributes } from '../../../core/node/parse_layer.ts'
import { scratch } from '../../support/machine.ts'

interface Case {
  readonly name: string
  readonly file?: string
  readonly value: unknown
  readonly message: string
  readonly hint: RegExp
}

const cases: readonly Case[] = [
  {
    name: 'knife node show --format json',
    value: { name: 'app1', chef_environment: 'prod', run_list: [], normal: { plone_instances: { per_cpu: 3 } } },
    message: 'a node of a Chef server, with an object for each level of precedence',
    hint: /jq '\(\.default \/\/ \{\}\) \* \(\.normal \/\/ \{\}\) \* \(\.override \/\/ \{\}\)' '?a\.json'? > node\.json$/,
  },
  {
    name: 'levels without more',
    value: { default: { haproxy: {} }, override: {}, automatic: { cpu: {} } },
    message: 'a node of a Chef server, with an object for each level of precedence',
    hint: /^merge the levels/,
  },
  {
    name: 'a Chef role',
    value: { name: 'web', json_class: 'Chef::Role', default_attributes: { haproxy: {} }, run_list: [] },
    message: 'a Chef role',
    hint: /default_attributes/,
  },
  {
    name: 'an encrypted data bag',
    value: { id: 'mail', password: { encrypted_data: 'x', iv: 'y', version: 1, cipher: 'aes-256-cbc' } },
    message: 'an encrypted item of a Chef data bag',
    hint: /^decrypt it with knife/,
  },
  {
    name: 'a Chef environment',
    value: { name: 'prod', cookbook_versions: {}, override_attributes: {} },
    message: 'a Chef environment',
    hint: /override_attributes/,
  },
  {
    name: 'a template with custom JSON',
    value: {
      AWSTemplateFormatVersion: '2010-09-09',
      Parameters: {},
      Resources: { Site: { Type: 'AWS::OpsWorks::Stack', Properties: { CustomJson: {} } } },
    },
    message: 'a CloudFormation template',
    hint: /jq \.Resources\.Site\.Properties\.CustomJson/,
  },
  {
    name: 'a template without a version, with a name for no shell',
    value: { Resources: { 'a; rm': { Type: 'AWS::OpsWorks::Stack', Properties: { CustomJson: {} } } } },
    message: 'a CloudFormation template',
    hint: /^copy the object below CustomJson/,
  },
  {
    name: 'a template in YAML, with short functions',
    file: 'a.yaml',
    value:
      'AWSTemplateFormatVersion: "2010-09-09"\nResources:\n  S:\n    Properties: { Name: !Ref X, More: !Sub "A" }\n',
    message: 'a CloudFormation template',
    hint: /CustomJson/,
  },
  {
    name: 'describe-stacks',
    value: { Stacks: [{ Name: 'x', CustomJson: '{}' }] },
    message: 'what aws opsworks prints for Stacks',
    hint: /jq -r '\.Stacks\[0\]\.CustomJson'/,
  },
  {
    name: 'describe-layers, in pages',
    value: { Layers: [], NextToken: 'x' },
    message: 'what aws opsworks prints for Layers',
    hint: /Layers\[0\]/,
  },
  {
    name: 'describe-permissions',
    value: { Permissions: [] },
    message: 'what aws opsworks prints for Permissions',
    hint: /leave the file out/,
  },
  {
    name: 'the state of Terraform',
    value: { version: 4, terraform_version: '1.9.0', resources: [] },
    message: 'a file of Terraform',
    hint: /custom_json/,
  },
  {
    name: 'a package.json',
    value: { name: 'x', version: '1.0.0', dependencies: {} },
    message: 'a package.json of npm',
    hint: /attributes/,
  },
]

async function errorOf(work: Promise<unknown>): Promise<ConvergeError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ConvergeError) return error
  throw new Error(`expected an error, got ${String(error)}`)
}

for (const { name, file = 'a.json', value, message, hint } of cases)
  t.test(name, async (t) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const error = await errorOf(parseAttributes({ text, file, kind: 'deployment' }))
    t.match(error, { message: `expected attributes, got ${message}`, hint, usage: true, source: { file } })
  })

t.test('recognizes a stack file in place of attributes, and attributes in place of a stack file', async (t) => {
  const directory = scratch(t)
  const stack = join(directory, 'a stack.json')
  writeFileSync(stack, JSON.stringify({ name: 'x', layers: {}, hosts: {} }))
  const attributes = join(directory, 'node.json')
  writeFileSync(attributes, JSON.stringify({ opsworks: {}, deploy: {} }))
  const template = join(directory, 'template.json')
  writeFileSync(template, JSON.stringify({ Resources: { A: { Type: 'AWS::OpsWorks::Layer' } } }))
  const text = JSON.stringify({ name: 'x', layers: {}, hosts: {} })
  const first = await errorOf(parseAttributes({ text, file: 'a stack.json', kind: 'deployment' }))
  t.match(first, { message: 'expected attributes, got a stack file', hint: /--stack 'a stack\.json'$/ })
  const second = await errorOf(loadStack(attributes))
  t.match(second, { message: 'expected a stack file, got attributes of a host', hint: /--node-json/ })
  const compose = join(directory, 'compose.json')
  writeFileSync(compose, JSON.stringify({ name: 'x', services: {}, volumes: {}, networks: {}, configs: {} }))
  t.match(await errorOf(loadStack(compose)), {
    message: 'expected a stack file, got a file with other keys: services, volumes, networks and 1 more',
    hint: /--stack FILE/,
  })
  t.match(await errorOf(loadStack(template)), { message: 'expected a stack file, got a CloudFormation template' })
})

t.test('accepts attributes with a run list', async (t) => {
  const value = { run_list: ['recipe[plone_buildout]'], plone_instances: { per_cpu: 3 }, opsworks: {}, deploy: {} }
  t.ok(await parseAttributes({ text: JSON.stringify(value), file: 'a.json', kind: 'stack' }))
})

t.test('the hint for a text that contains JSON names jq', async (t) => {
  const error = await errorOf(parseAttributes({ text: '"{\\"deploy\\": {}}"', file: 'a.json', kind: 'stack' }))
  t.match(error.hint, /jq -r \./)
})

t.test('warns once about a file with only unknown keys', async (t) => {
  const warningsOf = async (value: object) => {
    const layer = await parseAttributes({ text: JSON.stringify(value), file: 'a.json', kind: 'stack' })
    const node = buildNode({ layers: [layer], facts: gatherFacts(), schemas: attributeSchemas, foreignKeys })
    return node.warnings.map(({ message }) => message)
  }
  const many = Object.fromEntries(Array.from({ length: 13 }, (_, at) => [`other_${at}`, { at }]))
  t.strictSame(await warningsOf(many), [
    'none of its 13 keys is a known attribute: other_0, other_1, other_2, other_3, other_4, …',
  ])
  t.equal((await warningsOf({ ...many, plone_instances: {} })).length, 13)
  t.equal((await warningsOf({ mine: {} })).length, 1)
})

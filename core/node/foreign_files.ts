/** Recognizes files of other tools that are not attributes, and explains what to do with each. */
import { ConvergeError, type SourceLocation } from '../model/errors.ts'
import { shellWord } from '../text/shell.ts'
import { isObject, type JsonObject } from './merge.ts'

interface ForeignFile {
  /** Kind of the file. */
  readonly description: string
  /** How to get attributes out of it, or where it belongs. */
  readonly hint: string
}

/** The expected content of a file. */
export type Expected = 'attributes' | 'a stack file'

/** @returns an error for a file of another tool, or of the other kind; undefined for everything else */
export function foreignFileError(
  value: unknown,
  file: string,
  source: SourceLocation,
  expected: Expected,
): ConvergeError | undefined {
  if (!isObject(value)) return undefined
  const all = [...recognizers, ...(expected === 'attributes' ? [stackFile] : [nodeJson, noStackFile])]
  const found = all.flatMap((recognize) => recognize(value, shellWord(file)) ?? [])[0]
  return found && errorOf(found, source, expected)
}

/** Returns an error for a YAML template of CloudFormation, whose short functions such as !Ref no other reader understands. */
export function foreignTextError(text: string, file: string): ConvergeError | undefined {
  if (!/^['"]?AWSTemplateFormatVersion\b/m.test(text)) return undefined
  return errorOf(template({}, shellWord(file)), { file }, 'attributes')
}

function errorOf({ description: what, hint }: ForeignFile, source: SourceLocation, expected: Expected): ConvergeError {
  return new ConvergeError(`expected ${expected}, got ${what}`, { code: 'FOREIGN_FILE', source, hint, usage: true })
}

type Recognizer = (value: JsonObject, file: string) => ForeignFile | undefined

const chefLevels = ['default', 'normal', 'override', 'automatic']

const chefNode: Recognizer = (value, file) => {
  const levels = chefLevels.filter((level) => isObject(value[level]))
  const isNode = value.json_class === 'Chef::Node' || value.chef_type === 'node' || 'chef_environment' in value
  if (!isNode && levels.length < 2) return undefined
  const merged = ['default', 'normal', 'override'].map((level) => `(.${level} // {})`).join(' * ')
  return {
    description: 'a node of a Chef server, with an object for each level of precedence',
    hint: `merge the levels into one object: jq '${merged}' ${file} > node.json`,
  }
}

const chefRole: Recognizer = (value, file) =>
  isObject(value.default_attributes) || isObject(value.override_attributes)
    ? {
        description: `a ${value.chef_type === 'environment' || 'cookbook_versions' in value ? 'Chef environment' : 'Chef role'}`,
        hint: `merge its attributes: jq '(.default_attributes // {}) * (.override_attributes // {})' ${file} > node.json`,
      }
    : undefined

const dataBag: Recognizer = (value) =>
  Object.values(value).some((one) => isObject(one) && 'encrypted_data' in one && 'cipher' in one)
    ? {
        description: 'an encrypted item of a Chef data bag',
        hint: 'decrypt it with knife data bag show, and copy the attributes in it to a file with mode 0600',
      }
    : undefined

const cloudFormation: Recognizer = (value, file) => {
  const resources = isObject(value.Resources) ? Object.values(value.Resources) : []
  const isTemplate = resources.some((resource) => isObject(resource) && /^AWS::/.test(String(resource.Type)))
  return isTemplate || 'AWSTemplateFormatVersion' in value ? template(value, file) : undefined
}

function template({ Resources }: JsonObject, file: string): ForeignFile {
  const stacks = Object.entries(isObject(Resources) ? Resources : {}).filter(
    ([, one]) => isObject(one) && isObject(one.Properties) && 'CustomJson' in one.Properties,
  )
  const [name] = stacks[0] ?? []
  const text = 'copy the object below CustomJson of the AWS::OpsWorks::Stack resource into a file'
  return {
    description: 'a CloudFormation template',
    hint:
      name === undefined || !/^\w+$/.test(name)
        ? `${text}; layers and instances belong in a stack file`
        : `take the custom JSON out of it: jq .Resources.${name}.Properties.CustomJson ${file} > custom.json; layers and instances belong in a stack file`,
  }
}

/** Output of `aws opsworks describe-*`, by the key of its list. */
const awsHints: Readonly<Record<string, (file: string) => string>> = {
  Stacks: (file) => `take the custom JSON out of it: jq -r '.Stacks[0].CustomJson' ${file} > custom.json`,
  StackSummary: () => 'describe-stacks prints the custom JSON; hosts, layers and apps belong in a stack file',
  Layers: (file) =>
    `take the custom JSON of a layer out of it: jq -r '.Layers[0].CustomJson' ${file} > layer.json; the layers belong in a stack file`,
  Deployments: (file) =>
    `take the custom JSON of a deployment out of it: jq -r '.Deployments[0].CustomJson' ${file} > custom.json`,
  Instances: () => 'write the instances as hosts of a stack file, see converge stack --help',
  Apps: () => 'write the apps into a stack file, or each as deploy.NAME of the custom JSON',
}

const otherLists = [
  'Commands',
  'Permissions',
  'UserProfiles',
  'Volumes',
  'RaidArrays',
  'ElasticIps',
  'ElasticLoadBalancers',
  'RdsDbInstances',
  'EcsClusters',
  'AgentVersions',
  'ServiceErrors',
  'LoadBasedAutoScalingConfigurations',
  'TimeBasedAutoScalingConfigurations',
]

const awsDescription: Recognizer = (value, file) => {
  const [key = '', ...more] = Object.keys(value).filter((one) => one !== 'NextToken' && one !== 'ResponseMetadata')
  if (more.length > 0 || (!Object.hasOwn(awsHints, key) && !otherLists.includes(key))) return undefined
  const hint = Object.hasOwn(awsHints, key) ? awsHints[key]?.(file) : undefined
  return {
    description: `what aws opsworks prints for ${key}`,
    hint: hint ?? 'it holds no attributes: leave the file out',
  }
}

const stackFile: Recognizer = ({ layers, hosts }, file) =>
  isObject(layers) && isObject(hosts)
    ? { description: 'a stack file', hint: `use it with the stack commands: converge stack check --stack ${file}` }
    : undefined

const nodeJson: Recognizer = ({ opsworks, deploy, layers, hosts }, file) =>
  layers === undefined && hosts === undefined && (isObject(opsworks) || isObject(deploy))
    ? {
        description: 'attributes of a host',
        hint: `use it on one host: converge plan --role ROLE --node-json ${file}; in a stack file it can be the custom_json`,
      }
    : undefined

const stackKeys = [
  'region',
  'layers',
  'hosts',
  'apps',
  'custom_json',
  'recipes',
  'ssh',
  'health',
  'environments',
  'runtime',
]

const noStackFile: Recognizer = (value) => {
  const keys = Object.keys(value).filter((key) => key !== 'name' && !key.startsWith('x-'))
  if (keys.length === 0 || keys.some((key) => stackKeys.includes(key))) return undefined
  const shown = keys.length > 3 ? `${keys.slice(0, 3).join(', ')} and ${keys.length - 3} more` : keys.join(', ')
  return {
    description: `a file with other keys: ${shown}`,
    hint: 'name the stack file with --stack FILE; converge stack schema prints the keys that it takes',
  }
}

const terraform: Recognizer = (value) =>
  'terraform_version' in value || isObject(value.terraform)
    ? { description: 'a file of Terraform', hint: 'copy the custom_json of its aws_opsworks_stack into a file' }
    : undefined

const npmPackage: Recognizer = (value) =>
  typeof value.name === 'string' && (isObject(value.dependencies) || isObject(value.scripts)) && 'version' in value
    ? { description: 'a package.json of npm', hint: 'name a file with attributes' }
    : undefined

const recognizers = [chefNode, chefRole, dataBag, cloudFormation, awsDescription, terraform, npmPackage]

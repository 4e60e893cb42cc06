/** Runs `converge stack show`: shows the hosts, layers and services of a stack as tables, JSON, or a picture. */
import picocolors from 'picocolors'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { widthOf } from '../../fleet/screen/text.ts'
import { rolesOf } from '../../fleet/stack/documents.ts'
import { graphOf } from '../../fleet/stack/graph.ts'
import { serviceText } from '../../fleet/stack/layout.ts'
import { arrowsOf, type HostServices } from '../../fleet/stack/services.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import { withOwnAttributes } from '../../load/own_attributes.ts'
import { sensitivePathsOf } from '../../node/notes.ts'
import { valueAt } from '../../node/path.ts'
import type { ExitStatus } from '../exit_status.ts'
import { writeOutputFile } from '../output_file.ts'
import { print, printContent, printJson, useColor } from '../print.ts'
import { type CompiledStack, compileStack } from './compile_stack.ts'
import { stackInputs } from './inputs.ts'
import type { StackCommand } from './stack_command.ts'

export async function show<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const inputs = await stackInputs(call)
  const { stack } = inputs
  const compiled = await compileStack(call, inputs)
  const { services } = compiled
  if (args.graph !== undefined) {
    const svg = secrets.mask(graphOf(stack, services))
    if (args.graph === '-') {
      printContent(svg)
      return 0
    }
    writeGraph(args.graph, svg)
  }
  const color = args.color ?? useColor(process.stdout)
  if (args.jsonOutput)
    printJson(secrets.maskDeep({ ...describeStack(stack, services), ...(await secretMarks(call, compiled)) }), 2)
  else print(secrets.mask(tables(stack, services, picocolors.createColors(color))), color)
  return 0
}

function writeGraph(file: string, text: string): void {
  writeOutputFile(file, text, {
    failure: `cannot write the graph to ${file}`,
    code: 'CANNOT_WRITE_GRAPH',
    hint: 'give --graph a file in an existing directory that this account may write to',
  })
}

function tables(
  stack: Stack,
  services: readonly HostServices[],
  paint: ReturnType<typeof picocolors.createColors>,
): string {
  const running = new Map(services.map((one) => [one.host, one.services]))
  const inLayer = (name: string) => stack.hosts.filter(({ layers }) => layers.includes(name))
  const title = `${paint.bold(stack.name)}${stack.environment === null ? '' : ` (${stack.environment})`}`
  const layers = stack.layers.map(({ name, roles }) => [
    name,
    roles.join(' '),
    describeNames(inLayer(name).map((host) => host.name)),
  ])
  const hosts = stack.hosts.map((host) => [
    host.name,
    formatAddress(host),
    host.layers.join(' '),
    host.status === 'stopped' ? 'stopped' : (running.get(host.name) ?? []).map(serviceText).join(', '),
  ])
  const apps = stack.apps.map(({ name, deploy, layers: appLayers }) => [
    name,
    String(valueAt(deploy, ['scm', 'repository']) ?? ''),
    String(valueAt(deploy, ['scm', 'revision']) ?? ''),
    (appLayers ?? []).join(' '),
  ])
  const parts = [
    table(['layer', 'roles', 'hosts'], layers, paint.dim),
    table(['host', 'address', 'layers', 'services'], hosts, paint.dim),
    ...(apps.length > 0 ? [table(['app', 'repository', 'revision', 'layers'], apps, paint.dim)] : []),
  ]
  return `${[title, ...parts].join('\n\n')}\n`
}

function formatAddress({ address, port }: StackHost): string {
  return port === undefined || port === 22 ? address : `${address} port ${port}`
}

/** Formats columns as wide as their content; leaves out an empty last column. */
function table(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  dim: (text: string) => string,
): string {
  const hasLastColumn = rows.some((row) => (row[columns.length - 1] ?? '') !== '')
  const head = hasLastColumn ? columns : columns.slice(0, -1)
  const widths = head.map((name, column) => Math.max(...[name, ...rows.map((row) => row[column] ?? '')].map(widthOf)))
  const lineOf = (row: readonly string[]) =>
    widths
      .map((width, column) => (row[column] ?? '') + ' '.repeat(width - widthOf(row[column] ?? '')))
      .join('  ')
      .trimEnd()
  return [dim(lineOf(head)), ...rows.map(lineOf)].join('\n')
}

/** Returns which attributes are secret, for programs that show attributes of the stack. */
async function secretMarks<N>({ catalogue }: StackCommand<N>, { secretNames }: CompiledStack): Promise<object> {
  return { secretAttributes: sensitivePathsOf(withOwnAttributes(await catalogue.schemas())), secretNames }
}

function describeStack(stack: Stack, services: readonly HostServices[]): object {
  const running = new Map(services.map((one) => [one.host, one.services]))
  return {
    stack: stack.name,
    environment: stack.environment,
    layers: stack.layers.map(({ name, title, roles }) => ({
      name,
      title,
      roles,
      hosts: stack.hosts.filter(({ layers }) => layers.includes(name)).map((host) => host.name),
    })),
    hosts: stack.hosts.map((host) => ({
      name: host.name,
      address: host.address,
      port: host.port ?? null,
      user: host.user ?? null,
      layers: host.layers,
      roles: rolesOf(stack, host.name),
      status: host.status,
      services: running.get(host.name) ?? [],
    })),
    apps: stack.apps.map(({ name, title, layers, deploy }) => ({
      name,
      title,
      layers,
      repository: valueAt(deploy, ['scm', 'repository']),
      revision: valueAt(deploy, ['scm', 'revision']) ?? null,
      domains: deploy.domains ?? [],
    })),
    arrows: arrowsOf(stack, services).map(({ from, to }) => ({
      from: { host: from.host, service: from.service.name },
      to: 'outside' in to ? to : { host: to.host, service: to.service?.name ?? null },
    })),
  }
}

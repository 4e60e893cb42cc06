/** What has to fit together in a stack file beyond the kinds of its values. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import type { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { NodeWarning } from '../../node/layers.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { placeOf, problemAt, type Search, unreadable } from './elsewhere.ts'
import type { StackContent } from './schema.ts'

type Where = Pick<Search, 'locate' | 'directory'>

/** The stack's recipes as absolute paths; what is not there is told, and left out. */
export function recipeProblems({ recipes = [] }: StackContent, search: Search): string[] {
  return recipes.flatMap((recipe, index) => {
    const place = placeOf(recipe, search.directory)
    if (existsSync(place)) return [place]
    const path = ['recipes', index]
    search.problems.push(
      problemAt(`${formatPath(path)}: there is no ${recipe}`, search.locate(path), `it is looked for at ${place}`),
    )
    return []
  })
}

/** @param roles names there are; null: they are not checked */
export function layerProblems(
  { layers, apps = {} }: StackContent,
  roles: readonly string[] | null,
  where: Where,
): ConvergeError[] {
  const problems: ConvergeError[] = []
  for (const [name, layer] of Object.entries(layers))
    if (roles !== null)
      problems.push(...unknownNames(layer.roles ?? [], ['layers', name, 'roles'], 'role', roles, where))
  const known = Object.keys(layers)
  for (const [name, app] of Object.entries(apps)) {
    problems.push(...unknownNames(app.layers ?? [], ['apps', name, 'layers'], 'layer', known, where))
    problems.push(...appProblems(name, app, where))
  }
  return problems
}

function unknownNames(
  names: readonly string[],
  path: KeyPath,
  what: string,
  known: readonly string[],
  { locate }: Where,
): ConvergeError[] {
  return names.flatMap((name, index) => {
    const at = [...path, index]
    if (known.includes(name)) return []
    const hint = nearest(name, known) ?? `there are: ${[...known].sort().join(', ')}`
    return [problemAt(`${formatPath(at)}: there is no ${what} ${name}`, locate(at), hint)]
  })
}

function appProblems(name: string, { scm, ssl }: NonNullable<StackContent['apps']>[string], { locate }: Where) {
  const problems: ConvergeError[] = []
  const path = ['apps', name]
  if (scm?.repository === undefined)
    problems.push(
      problemAt(
        `${formatPath(path)} has no repository`,
        locate([...path, 'scm']),
        'scm: { repository: … } says where its source is',
      ),
    )
  const given = [ssl?.certificate, ssl?.key].filter((one) => one !== undefined).length
  if (ssl !== undefined && given < 2)
    problems.push(
      problemAt(`${formatPath([...path, 'ssl'])} needs a certificate and its key`, locate([...path, 'ssl'], 'key')),
    )
  return problems
}

export function hostProblems(content: StackContent, where: Where): ConvergeError[] {
  const { hosts, layers, ssh } = content
  const known = Object.keys(layers)
  const problems: ConvergeError[] = []
  if (Object.keys(hosts).length === 0)
    problems.push(problemAt('there is no host', where.locate(['hosts'], 'key'), 'hosts: { web1: { address: … } }'))
  if (known.length === 0)
    problems.push(problemAt('there is no layer', where.locate(['layers'], 'key'), 'layers: { app: { roles: […] } }'))
  for (const [name, host] of Object.entries(hosts)) {
    const path = ['hosts', name]
    problems.push(...addressProblems(host.address, [...path, 'address'], where))
    problems.push(...unknownNames(host.layers, [...path, 'layers'], 'layer', known, where))
    if (host.layers.length === 0)
      problems.push(
        problemAt(
          `${formatPath(path)} is in no layer`,
          where.locate([...path, 'layers']),
          `layers: [${known.join(', ')}], those that it belongs to`,
        ),
      )
    if (host.private_ip !== undefined && isIP(host.private_ip) === 0)
      problems.push(
        problemAt(
          `${formatPath([...path, 'private_ip'])}: ${host.private_ip} is no IP address`,
          where.locate([...path, 'private_ip']),
          'a name goes into private_dns_name',
        ),
      )
    if (host.identity !== undefined) problems.push(...keyProblems(host.identity, [...path, 'identity'], where))
  }
  if (ssh?.identity !== undefined) problems.push(...keyProblems(ssh.identity, ['ssh', 'identity'], where))
  problems.push(...twins(content, where))
  return problems
}

const dnsName =
  /^(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/

function addressProblems(address: string, path: KeyPath, { locate }: Where): ConvergeError[] {
  const numbers = /^[\d.]+$/.test(address)
  if (isIP(address) > 0 || (dnsName.test(address) && !numbers)) return []
  const hint = address.includes('@')
    ? `the account goes into user: ${address.split('@')[0]}`
    : /^[^:]+:\d+$/.test(address)
      ? `the port goes into port: ${address.split(':')[1]}`
      : 'an IPv4 or IPv6 address, or a DNS name'
  return [problemAt(`${formatPath(path)}: ${JSON.stringify(address)} is no address of a host`, locate(path), hint)]
}

/** A key that cannot be read fails at the first host, long after the command was given. */
function keyProblems(identity: string, path: KeyPath, where: Where): ConvergeError[] {
  const place = placeOf(identity, where.directory)
  try {
    accessSync(place, constants.R_OK)
    if (statSync(place).isFile()) return []
    return [problemAt(`${formatPath(path)}: ${identity} is no file`, where.locate(path), 'the file of a private key')]
  } catch (error) {
    return [unreadable(identity, path, where, error)]
  }
}

/** Two hosts at one address and port are one host under two names; behind different jump hosts they are not. */
function twins({ hosts, ssh }: StackContent, { locate }: Where): ConvergeError[] {
  const seen = new Map<string, string>()
  return Object.entries(hosts).flatMap(([name, host]) => {
    const port = host.port ?? ssh?.port ?? 22
    const key = `${host.address.toLowerCase()} ${port} ${host.jump ?? ssh?.jump ?? ''}`
    const other = seen.get(key)
    seen.set(key, other ?? name)
    if (other === undefined) return []
    return [
      problemAt(
        `hosts.${name} and hosts.${other} have one address, ${host.address} port ${port}`,
        locate(['hosts', name, 'address']),
        'give each its own; one host that does both is one entry, with the layers of both',
      ),
    ]
  })
}

/** Odd, and no mistake for certain. */
export function layerWarnings({ layers, hosts }: StackContent, { locate }: Where): NodeWarning[] {
  const used = new Set(Object.values(hosts).flatMap((host) => host.layers))
  return Object.keys(layers)
    .filter((name) => !used.has(name))
    .map((name) => ({
      code: 'EMPTY_LAYER' as const,
      message: `no host is in the layer ${name}`,
      path: formatPath(['layers', name]),
      source: locate(['layers', name], 'key'),
    }))
}

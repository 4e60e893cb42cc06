/** Reads the golden cases: node JSONs with the files that the cookbook writes for them. */
import { readdirSync, readFileSync } from 'node:fs'
import { attributeSchemas, defaultAttributes } from '../../attributes/index.ts'
import { withRoles } from '../../recipes/plone/site.ts'
import type { SiteAttributes } from '../../recipes/site/site_attributes.ts'

type Json = { [key: string]: unknown }

/** A change to a node: merged over the defaults key by key, arrays and scalars replace. */
export type NodeJson = Json

export interface GoldenCase {
  readonly file: string
  readonly role: string
  readonly attributes: SiteAttributes
  readonly expected: {
    readonly deploy_cfg?: Record<string, Record<string, string[]>>
    readonly init_commands?: readonly { name: string; cmd: string; args?: string; delay?: number }[]
    readonly environment?: Record<string, string>
  }
}

/**
 * Translates the cookbook's text to Python 3: it supports Python 2 only, and its MySQL driver has a successor with the
 * same module name.
 */
export function forPython3(text: string): string {
  return text.replaceAll('"MySQL-python"', '"mysqlclient"')
}

const directory = new URL('../../fixtures/golden/', import.meta.url)

function read(file: string): Json {
  return JSON.parse(forPython3(readFileSync(new URL(file, directory), 'utf8')))
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over === undefined ? base : over
  const merged: Json = { ...base }
  for (const [key, value] of Object.entries(over)) merged[key] = merge(base[key], value)
  return merged
}

/** Merges the JSONs over the defaults without validation; later JSONs take precedence. */
export function nodeOf(...json: readonly NodeJson[]): SiteAttributes {
  const { deploy: defaults, ...rest } = defaultAttributes()
  const node = json.reduce<Json>((merged, next) => merge(merged, next) as Json, rest)
  const template = JSON.stringify((defaults as Json)['<app>'])
  const apps = Object.entries((node.deploy ?? {}) as Json).map(([app, given]) => [
    app,
    merge(JSON.parse(template.replaceAll('<app>', app)), given),
  ])
  return { ...node, deploy: Object.fromEntries(apps) } as unknown as SiteAttributes
}

/** Parses a node JSON with the schemas. */
function attributesOf(node: Json): SiteAttributes {
  const parsed: Json = { cpu: node.cpu }
  for (const [key, schema] of Object.entries(attributeSchemas)) parsed[key] = schema.parse(node[key])
  return parsed as unknown as SiteAttributes
}

/** Returns every case of the given roles. */
export function goldenCases(roles: readonly string[]): GoldenCase[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json') && file !== 'default-attributes.json')
    .map((file): GoldenCase => {
      const { role, node, relstorage_pack_layer, expected } = read(file) as Json & { role: string; node: Json }
      const attributes = withRoles(attributesOf(node), relstorage_pack_layer ? ['relstorage-pack'] : [])
      return { file, role, attributes, expected: expected as GoldenCase['expected'] }
    })
    .filter(({ role }) => roles.includes(role))
}

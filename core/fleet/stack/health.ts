/** Builds the health gate of a stack, with the Host header for each page. */
import { isIP } from 'node:net'
import { omitUndefined } from '../../model/omit_undefined.ts'
import { firstName } from '../../text/domain.ts'
import type { StackContent } from './schema.ts'
import type { StackApp, StackHealth, StackHost } from './stack.ts'

type Given = NonNullable<StackContent['health']>

interface Parts {
  readonly apps: readonly StackApp[]
  readonly hosts: readonly StackHost[]
}

export function healthOf(health: StackContent['health'], parts: Parts): StackHealth | null {
  if (health === undefined) return null
  const { url = [], status = { min: 200, max: 399 }, command, headers = {}, deadline_seconds = 60, successes } = health
  const pages = [url].flat().map((one) => ({ url: one, host: hostOf(one, health, parts), headers }))
  return {
    pages,
    status: typeof status === 'number' ? { min: status, max: status } : status,
    command,
    environment: environmentOf(health, pages[0], parts.apps),
    deadlineSeconds: deadline_seconds,
    successes: successes ?? defaultSuccesses(parts.hosts.length),
  }
}

/** Enough for a balancer that asks its servers in turn to reach each server of a stack of usual size. */
function defaultSuccesses(hosts: number): number {
  return Math.min(100, Math.max(10, 4 * hosts))
}

/** Returns the Host header. A URL with an address of the stack needs one, because the site answers to its own name. */
function hostOf(url: string, { host }: Given, { apps, hosts }: Parts): string | undefined {
  if (host !== undefined || !URL.canParse(url)) return host
  const name = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const domains = apps.flatMap(domainsOf)
  const isAddress = isIP(name) > 0 || name === 'localhost' || hosts.some((one) => addressesOf(one).includes(name))
  return isAddress && !domains.includes(name) ? siteOf(apps)?.domain : undefined
}

function addressesOf({ name, address, privateIp, privateDnsName, publicDnsName, ip }: StackHost): unknown[] {
  return [name, address, privateIp, privateDnsName, publicDnsName, ip]
}

function domainsOf({ deploy }: StackApp): string[] {
  return Array.isArray(deploy.domains) ? deploy.domains.filter((one) => typeof one === 'string') : []
}

/** Returns the first app of the file that has a domain. */
function siteOf(apps: readonly StackApp[]): { readonly domain: string; readonly scheme: string } | undefined {
  for (const app of apps) {
    const domain = firstName(domainsOf(app))
    if (domain !== undefined) return { domain, scheme: app.deploy.ssl_support === true ? 'https' : 'http' }
  }
  return undefined
}

/** Returns the environment of the health command: the page that is checked, else the start page of the site. */
function environmentOf(
  { host }: Given,
  page: { readonly url: string; readonly host: string | undefined } | undefined,
  apps: readonly StackApp[],
): Record<string, string> {
  const site = siteOf(apps)
  const target = page ?? (site && { url: `${site.scheme}://${site.domain}/`, host })
  if (target === undefined || !URL.canParse(target.url)) return omitUndefined({ CONVERGE_HEALTH_HOST: host })
  return { CONVERGE_HEALTH_URL: target.url, CONVERGE_HEALTH_HOST: target.host ?? new URL(target.url).host }
}

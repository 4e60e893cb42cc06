/** Keeps the hosts of the stack in /etc/hosts, as OpsWorks did. */
import type { Recipe } from '../../core/compile/role.ts'
import { block_in_file } from '../../resources/files/block_in_file.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from './attribute_writer.ts'
import { systemSetting } from './system_setting.ts'

const path = '/etc/hosts'
const name = 'hosts of the stack'

/** Declares the block of the stack; other lines of the file stay. */
export function hostsFile(r: Recipe<SiteNode>, node: SiteNode): void {
  const { hosts_file } = node.converge
  if (hosts_file === null) return
  systemSetting(r, node, {
    attribute: ['converge', 'hosts_file'],
    leftOut: `${path} stays as it is: a change needs root and the whole system`,
    declare() {
      if (!hosts_file) return void block_in_file(r, { path, name, absent: true })
      const block = entries(node).map((line) => `${line}\n`)
      block_in_file(r, { path, name, block: block.join('') })
    },
  })
}

/** Returns a line for the private address of each host, and one for its public address with `-ext` at the name. */
function entries({ opsworks }: SiteNode): string[] {
  const hosts = new Map(Object.values(opsworks.layers).flatMap(({ instances }) => Object.entries(instances ?? {})))
  return [...hosts].sort(byName).flatMap(([host, { private_ip, ip }]) => {
    // Programs look up host names only; a host of the stack may have another name.
    if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host)) return []
    return [...line(private_ip, host), ...line(ip, `${host}-ext`)]
  })
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}

function line(address: string | null | undefined, host: string): string[] {
  return isSet(address) && /^[0-9a-fA-F.:]+$/.test(address) ? [`${address} ${host}`] : []
}

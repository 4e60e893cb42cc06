/** Imitates nft(8) on the host in memory: one table, whose rules are in a file of the host. */
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'

const rulesFile = '/proc/fake/nftables'

/** Installs nft, and sshd with an established connection. */
export function giveNft(host: VirtualHost): void {
  host.given('/usr/bin/nft', '', '0755').given('/usr/bin/sshd', '', '0755').given('/etc/ssh/sshd_config', '#Port 99\n')
  // 203.0.113.7 is connected to port 22.
  host.given(
    '/proc/net/tcp',
    '  sl  local_address\n   0: 0100000A:0016 0771 01\n   1: 0100000A:0016 077100CB:D431 01 0\n',
  )
  host.given('/etc', null)
}

export const nft: CommandHandler = ([program, ...args], _, host) => {
  if (program !== 'nft') return null
  const rules = host.readText(rulesFile) || null
  if (args.includes('list'))
    return rules === null ? { status: 1, stderr: 'Error: No such file or directory' } : { stdout: rules }
  if (args[0] === 'delete') {
    host.given(rulesFile, '')
    return {}
  }
  const text = host.readText(args.at(-1) ?? '') ?? ''
  if (text.includes('/99')) return { status: 1, stderr: 'Error: invalid prefix' }
  if (args[0] === '-f') host.given(rulesFile, text)
  return {}
}

/** Changes the rules as an operator does. */
export function changeRules(host: VirtualHost): void {
  host.given(rulesFile, 'table inet converge {\n}\n')
}

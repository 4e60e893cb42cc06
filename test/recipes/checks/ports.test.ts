/** Tests what `doctor` says of the ports of storage servers, whose sockets belong to the kernel or are known late. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { portChecks } from '../../../recipes/checks/ports.ts'
import { roleNode } from '../../support/role_plans.ts'

interface Socket {
  readonly port: number
  readonly address?: string
  /** Name of the process; null for a socket of the kernel. */
  readonly program: string | null
}

/** Returns a host with listening sockets. */
function hostWithSockets(sockets: readonly Socket[]): VirtualHost {
  const rows = sockets.map(({ port, address = '00000000' }, index) => {
    const hex = port.toString(16).toUpperCase()
    return `   ${index}: ${address}:${hex} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 ${index + 1} 1\n`
  })
  const host = new VirtualHost().given('/proc/net/tcp', rows.join(''))
  for (const [index, { program }] of sockets.entries())
    if (program !== null)
      host
        .given(`/proc/${index + 100}/comm`, `${program}\n`)
        .given(`/proc/${index + 100}/fd/3`, { link: `socket:[${index + 1}]` })
  return host
}

async function findings(role: string, sockets: readonly Socket[]): Promise<Record<string, string>> {
  const checks = portChecks(roleNode({}), hostWithSockets(sockets), [role])
  const found = await Promise.all(checks.map(async ({ what, run }) => [what, (await run())?.detail ?? '']))
  return Object.fromEntries(found)
}

t.test('names the ports of GlusterFS, with the random ones of its bricks', async (t) => {
  const open = 'listens there, at all addresses of this host'
  t.strictSame(
    await findings('gluster-server', [
      { port: 24_007, program: 'glusterd' },
      { port: 59_199, program: 'glusterfsd' },
      { port: 50_000, program: 'glusterfsd', address: '0100007F' },
      { port: 49_153, program: 'another' },
      { port: 8080, program: 'glusterfsd' },
    ]),
    {
      'port 24007': `glusterd ${open}`,
      'port 50000': 'a brick of GlusterFS listens there',
      'port 59199': `a brick of GlusterFS ${open}`,
    },
  )
  t.strictSame(await findings('gluster-server', []), { 'port 24007': 'free for glusterd' })
})

t.test('takes the sockets of the kernel for those of the NFS server', async (t) => {
  const server = { 111: 'systemd', 2049: null, 32765: 'rpc.statd', 32767: 'rpc.mountd', 32768: null }
  const sockets = Object.entries(server).map(([port, program]) => ({ port: Number(port), program }))
  const found = await findings('nfs-server', sockets)
  const open = 'nfs-server listens there, at all addresses of this host'
  t.strictSame(found, Object.fromEntries(Object.keys(server).map((port) => [`port ${port}`, open])))
  const foreign = await findings('nfs-server', [{ port: 2049, program: 'another' }])
  t.match(foreign['port 2049'], /^taken by another \(process 100 of root\), and nfs-server needs it$/)
})

t.test('does not take a socket of the kernel for that of another service', async (t) => {
  const found = await findings('gluster-server', [{ port: 24_007, program: null }])
  t.match(found['port 24007'], /^taken by a process of root/)
})

/** Defines the role nfs-server: exports the directory of shared blobs by the kernel NFS server. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Handle } from '../../core/model/resource.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { declareAccount } from '../app/account.ts'
import { appOnHost } from '../app/app.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'
import { appName } from '../plone/site.ts'
import { blobClients } from '../site/blob_servers.ts'

const header = '# Written by converge, changes are overwritten.'
const exportsFile = '/etc/exports.d/converge.exports'

/** Root of a client has no more rights than any other account there. */
const exportOptions = 'rw,sync,no_subtree_check,root_squash'

function nfsServer(node: SiteNode): PackagedService {
  const { nfs_export_dir } = node.plone_blobs
  const clients = blobClients(node)
  const isSystemd = node.facts.init === 'systemd'
  return {
    name: isSystemd ? 'nfs-server' : 'nfs-kernel-server',
    packageName: 'nfs-kernel-server',
    program: 'rpc.nfsd',
    ready: { kind: 'tcp', port: 2049, host: '127.0.0.1' },
    files(r) {
      requireKernelServer(r)
      exportedDirectories(r, node)
      declareExports(
        r,
        `${header}\n"${nfs_export_dir}"${clients.map((client) => ` ${client}(${exportOptions})`).join('')}\n`,
      )
      return [daemonSettings(r, node, isSystemd)]
    },
    remove: (r) => declareExports(r, null),
  }
}

/** Says why the service cannot start, which its own message does not. */
function requireKernelServer(r: Recipe<SiteNode>): void {
  const message = 'this kernel has no NFS server (nfsd), as in most containers'
  execute(r, {
    name: 'the kernel has an NFS server',
    command: ['sh', '-c', `modprobe nfsd 2>/dev/null || { echo "$1" >&2; exit 1; }`, 'sh', message],
    notIf: {
      description: 'the kernel has an NFS server',
      check: (host: HostReader) => /\bnfsd\b/.test(host.readText('/proc/filesystems') ?? ''),
    },
  })
}

/** Root of a client reads the exported directory as nobody, so everybody can enter it. */
function exportedDirectories(r: Recipe<SiteNode>, node: SiteNode): void {
  const { nfs_export_dir } = node.plone_blobs
  const app = appOnHost(node, appName(node, 'zeo-client'), 'app_name')
  declareAccount(r, app)
  directory(r, { path: nfs_export_dir, parents: true, mode: '0755', owner: 'root', group: 'root' })
  directory(r, { path: `${nfs_export_dir}/blobstorage`, mode: '0750', ...app.owner })
  directory(r, { path: `${nfs_export_dir}/tmp`, mode: '1777', owner: 'root', group: 'root' })
}

/** A file in a directory of its own: lines of others in /etc/exports stay. A restart would interrupt all clients. */
function declareExports(r: Recipe<SiteNode>, content: string | null): void {
  directory(r, { path: '/etc/exports.d', mode: '0755' })
  const declared = content === null ? { absent: true } : { content, mode: '0644' }
  const changed = file(r, { path: exportsFile, ...declared })
  execute(r, { name: 'the NFS server reads its exports', command: ['exportfs', '-ra'], when: [changed] })
}

function daemonSettings(r: Recipe<SiteNode>, node: SiteNode, isSystemd: boolean): Handle {
  const { port, threads, v2, v3, v4 } = node.nfs
  const versions = Object.entries({ vers2: v2, vers3: v3, vers4: v4 })
  const lines = [
    '[nfsd]',
    `threads=${threads}`,
    ...versions.flatMap(([name, on]) => (on === null ? [] : [`${name}=${on ? 'y' : 'n'}`])),
    '[mountd]',
    `port=${port.mountd}`,
    '[statd]',
    `port=${port.statd}`,
    `outgoing-port=${port.statd_out}`,
    '[lockd]',
    `port=${port.lockd}`,
    `udp-port=${port.lockd}`,
  ]
  directory(r, { path: '/etc/nfs.conf.d', mode: '0755' })
  const content = `${header}\n${lines.join('\n')}\n`
  const changed = file(r, { path: '/etc/nfs.conf.d/converge.conf', content, mode: '0644' })
  directory(r, { path: '/etc/modprobe.d', mode: '0755' })
  // The module reads its ports when it is loaded.
  file(r, {
    path: '/etc/modprobe.d/converge-lockd.conf',
    content: `${header}\noptions lockd nlm_udpport=${port.lockd} nlm_tcpport=${port.lockd}\n`,
    mode: '0644',
  })
  if (isSystemd)
    execute(r, {
      name: 'rpc.statd takes its ports',
      command: ['systemctl', 'try-restart', 'rpc-statd'],
      when: [changed],
    })
  return changed
}

export default packagedServiceRole('nfs-server', 'Shared blobs, exported by NFS', nfsServer)

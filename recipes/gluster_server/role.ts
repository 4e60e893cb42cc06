/** Defines the role gluster-server: one brick of the GlusterFS volume of shared blobs; the first server manages the volume. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Handle } from '../../core/model/resource.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { gluster_volume } from '../../resources/files/gluster_volume.ts'
import { mount } from '../../resources/files/mount.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'
import { isSet } from '../site/attribute_writer.ts'
import { blobClients, glusterServers } from '../site/blob_servers.ts'
import { isOwnAddress } from '../site/own_address.ts'

const state = '/var/lib/glusterd'

function glusterServer(node: SiteNode): PackagedService {
  const { gluster_export_dir, gluster_store_config_in_exports } = node.plone_blobs
  return {
    name: 'glusterd',
    packageName: 'glusterfs-server',
    program: 'glusterd',
    ready: { kind: 'tcp', port: 24_007, host: '127.0.0.1' },
    files(r) {
      directory(r, { path: gluster_export_dir, parents: true, mode: '0755', owner: 'root', group: 'root' })
      directory(r, { path: `${gluster_export_dir}/brick`, mode: '0755', owner: 'root', group: 'root' })
      return gluster_store_config_in_exports ? [storeState(r, `${gluster_export_dir}/gluster-config`)] : []
    },
    afterStart: (r) => declareVolume(r, node),
  }
}

/** Keeps what glusterd knows of the volume beside the brick, with what it knew before. */
function storeState(r: Recipe<SiteNode>, directoryPath: string): Handle {
  directory(r, { path: directoryPath, mode: '0755', owner: 'root', group: 'root' })
  execute(r, { command: ['cp', '-a', state, `${directoryPath}/glusterd`], creates: `${directoryPath}/glusterd` })
  return mount(r, { path: state, device: `${directoryPath}/glusterd`, type: 'none', options: ['bind', 'nofail'] })
}

/** Only the first server changes the volume: two that do so at a time refuse each other. */
function declareVolume(r: Recipe<SiteNode>, node: SiteNode): void {
  const own = node.opsworks.instance.private_ip
  const servers = glusterServers(node)
  const [first] = servers
  if (first !== undefined && !isOwnAddress(node, first)) return
  const self = first ?? (isSet(own) ? own : node.facts.hostname)
  const { gluster_volume: name, gluster_export_dir } = node.plone_blobs
  gluster_volume(r, {
    name,
    self,
    servers: [self, ...servers.filter((server) => server !== self)],
    brick: `${gluster_export_dir}/brick`,
    options: {
      'performance.cache-size': '256MB',
      // Every host that reaches the port could mount the volume otherwise.
      'auth.allow': [...new Set(['127.0.0.1', ...blobClients(node)])].join(','),
    },
  })
}

export default packagedServiceRole('gluster-server', 'A brick of the GlusterFS volume of shared blobs', glusterServer)

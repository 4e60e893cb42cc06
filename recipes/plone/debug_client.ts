/** Prepares a Zope client for debugging: beside the running clients, without a port, and with a cache of its own. */
import type { DebugClient } from '../../core/cli/catalogue.ts'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { listReleases, metadataDirectory } from '../../resources/releases/releases.ts'
import { clientScript } from '../../resources/zope/temporary_cache.ts'
import type { SiteNode } from '../node.ts'
import { buildoutApp } from './buildout_app.ts'
import { programs } from './programs.ts'

/**
 * Writes the script and the configuration of the client into the current release.
 * @throws NO_DEBUG_CLIENT without a release that has a Zope client
 */
export function debugClient(node: SiteNode, host: Host): DebugClient {
  const app = buildoutApp(node, 'zeo-client')
  const release = listReleases(host, app.releases, app.current).find(({ current }) => current)
  if (release?.isManaged !== true || !release.complete)
    throw new ConvergeError(`${app.name} has no current release: a debug client runs in it`, {
      code: 'NO_DEBUG_CLIENT',
      hint: 'deploy the app first',
    })
  const directory = `${release.path}/${metadataDirectory}/debug-${process.pid}`
  host.makeDirectory(directory, { ...app.owner, mode: '0700' })
  const remove = () => host.remove(directory)
  try {
    const script = clientScript(host, release.path, app.owner, directory)
    if (script === null)
      throw new ConvergeError(`the release ${release.id} has no Zope client: no script in bin names a zope.conf`, {
        code: 'NO_DEBUG_CLIENT',
        hint: 'add a part of plone.recipe.zope2instance to the buildout, such as client1, and deploy',
      })
    const client = programs(node, 'zeo-client', { deployTo: app.deployTo }).find(({ port }) => port !== undefined)
    const { account, name } = app
    return {
      app: name,
      release: release.id,
      script,
      directory: release.path,
      account,
      remove,
      environment: client?.environment ?? {},
    }
  } catch (error) {
    remove()
    throw error
  }
}

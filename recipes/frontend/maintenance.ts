/** The page that visitors get instead of the site while it is worked on: nginx sends it as long as its file is there. */
import { type PloneNode, placed } from '../node.ts'
import { appName } from '../plone/site.ts'

/** Where nginx looks, and every account may: the state directory is for converge alone. */
export function maintenanceDirectory(node: PloneNode): string {
  return placed(node, '/var/www/converge/maintenance')
}

/**
 * The file that switches an app's maintenance page on: while it is there, every request but those for statistics and
 * certificates is answered with 503 and its content. nginx looks at each request; nothing has to be reloaded.
 * @param app name of the app; default: that of the clients, `plone_instances.app_name`
 */
export function maintenancePage(node: PloneNode, app: string = appName(node, 'zeo-client')): string {
  return `${maintenanceDirectory(node)}/${app}.html`
}

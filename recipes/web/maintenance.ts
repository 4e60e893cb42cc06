/** Switches the maintenance page of a site on and off; the web server checks for its file at each request. */
import type { RecipeFunction } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { ClosedSite } from '../../core/model/app_status.ts'
import { maintenanceHeader, testHeader, testHeaderValue } from '../../core/model/test_request.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { maintenance_record, maintenanceRecord } from '../../resources/services/maintenance_record.ts'
import { orUnreadable } from '../app/stopped.ts'
import { type SiteNode, underPrefix } from '../node.ts'

/** Returns the directory of the pages, which nginx can read, unlike the state directory of converge. */
export function maintenanceDirectory(node: SiteNode): string {
  return underPrefix(node, '/var/www/converge/maintenance')
}

/** Returns the file that switches an app's page on: while it exists, nginx answers each request with 503 and it. */
export function maintenancePage(node: SiteNode, app: string): string {
  return `${maintenanceDirectory(node)}/${app}.html`
}

/**
 * Returns directives of a server block that set `$closed` while the page exists. Requests of converge's own tests from
 * this host pass, because they test the app and not the page.
 */
export function closedDirectives(page: string): readonly string[] {
  return [
    'set $closed "";',
    `if (-f ${nginxWord(page)}) {`,
    '    set $closed 1;',
    '}',
    `set $test "$remote_addr=$server_addr $http_${testHeader.toLowerCase().replaceAll('-', '_')}";`,
    `if ($test ~ "^(.+)=\\1 ${testHeaderValue}$") {`,
    '    set $closed "";',
    '}',
  ]
}

/** The directive that marks answers with this page, to distinguish them from those of the app. */
export const maintenanceHeaderDirective = `add_header ${maintenanceHeader} on always;`

/** Returns for `status` whether the site of an app is closed, and by whom. */
export function closedSite(node: SiteNode, host: HostReader, app: string): ClosedSite | null {
  if (host.lstat(maintenancePage(node, app)) === null) return null
  return orUnreadable(() => maintenanceRecord(host, app)) ?? { by: null, at: null }
}

/** Returns the events of a role with a web server. Only `maintenance_off` removes the page; a deploy does not. */
export function maintenanceEvents(
  appOf: (node: SiteNode) => string,
): Readonly<Record<'maintenance_on' | 'maintenance_off', RecipeFunction<SiteNode>>> {
  return {
    maintenance_on(r, node) {
      const { page, message } = node.run.options
      const content = typeof page === 'string' ? page : usualPage(typeof message === 'string' ? message : undefined)
      const app = appOf(node)
      directory(r, { path: maintenanceDirectory(node), parents: true })
      // Record it first: a run that is killed in between leaves a record without effect, not a closed site without one.
      maintenance_record(r, { app, by: node.run.by })
      file(r, { path: maintenancePage(node, app), content, mode: '0644' })
    },
    maintenance_off(r, node) {
      const app = appOf(node)
      file(r, { path: maintenancePage(node, app), absent: true })
      maintenance_record(r, { app, closed: false })
    },
  }
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function usualPage(message = 'We are working on this site. Please come back in a few minutes.'): string {
  const text = message.replace(/[&<>"]/g, (sign) => escapes[sign] ?? sign)
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Back soon</title>
  <style>body { font: 1.25rem/1.5 sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem }</style>
</head>
<body>
  <h1>Back soon</h1>
  <p>${text}</p>
</body>
</html>
`
}

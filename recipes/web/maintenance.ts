/** Switches the page on and off that visitors get while a site is worked on; the web server looks for its file at each request. */
import { dirname } from 'node:path'
import type { RecipeFunction } from '../../core/compile/recipe.ts'
import { maintenanceHeader, testHeader, testHeaderValue } from '../../core/model/test_request.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { directory } from '../../resources/directory.ts'
import { file } from '../../resources/file.ts'
import { type PloneNode, placed } from '../node.ts'

/** Where nginx looks, and every account may: the state directory is for converge alone. */
export function maintenanceDirectory(node: PloneNode): string {
  return placed(node, '/var/www/converge/maintenance')
}

/** The file that switches an app's page on: while it is there, nginx answers every request with 503 and its content. */
export function maintenancePage(node: PloneNode, app: string): string {
  return `${maintenanceDirectory(node)}/${app}.html`
}

/**
 * Directives of a server block that set `$closed` while the page is there. Requests of converge's own tests from this very
 * host pass: what is tested is the app, and not the page.
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

/** Tells an answer of this page from one of the app. */
export const maintenanceHeaderDirective = `add_header ${maintenanceHeader} on always;`

/** Events of a role with a web server. Visitors are back with `maintenance_off`, and only with it: no deploy takes the page away. */
export function maintenanceEvents(
  pathOf: (node: PloneNode) => string,
): Readonly<Record<'maintenance_on' | 'maintenance_off', RecipeFunction<PloneNode>>> {
  return {
    maintenance_on(r, node) {
      const { page, message } = node.run.options
      const content = typeof page === 'string' ? page : usualPage(typeof message === 'string' ? message : undefined)
      directory(r, { path: dirname(pathOf(node)), parents: true })
      file(r, { path: pathOf(node), content, mode: '0644' })
    },
    maintenance_off: (r, node) => void file(r, { path: pathOf(node), absent: true }),
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

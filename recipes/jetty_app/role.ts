/** Defines the role jetty-app: a Java web application, each release in a JVM of its own. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import { type Recipe, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { shellWords } from '../../core/text/shell.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { directory } from '../../resources/files/directory.ts'
import { remote_file } from '../../resources/files/remote_file.ts'
import { type App, appOnHost } from '../app/app.ts'
import { environmentOf, type Source, sourceOf } from '../app/checkout.ts'
import { missing, ok } from '../checks/findings.ts'
import { fileCheck } from '../checks/programs.ts'
import type { SiteNode } from '../node.ts'
import type { Server } from '../port_app/server.ts'
import { serverEvents } from '../port_app/server_role.ts'
import { nginxOf } from '../web/nginx.ts'
import { baseFiles, copyCommands, failedContext } from './base_files.ts'

/** The source of the war that the attributes name: exactly one of these. */
type WarSource = 'file' | 'url' | 'path'

function server(node: SiteNode): Server {
  const { app_name, java, jvm_options, jetty_home, ...settings } = node.jetty_app
  const appWithoutFiles = appOnHost(node, app_name, 'jetty_app.app_name')
  const links = { ...appWithoutFiles.attributes.symlink_before_migrate, ...baseFiles(node).links }
  const app: App = { ...appWithoutFiles, attributes: { ...appWithoutFiles.attributes, symlink_before_migrate: links } }
  const jetty = [
    `-jar`,
    `${jetty_home}/start.jar`,
    `jetty.home=${jetty_home}`,
    'jetty.base=run',
    'jetty.http.port=%{port}',
  ]
  const command = [shellWords([java]), jvm_options, shellWords(jetty)].filter((part) => part.trim() !== '').join(' ')
  return {
    app,
    nginx: nginxOf(node, app),
    settings,
    key: 'jetty_app',
    program: { command, environment: environmentOf(app, supervisorVariable) },
    fatal: failedContext,
  }
}

/** @throws INVALID_ATTRIBUTE for two sources, or an incomplete one */
function warSource({ jetty_app: { war } }: SiteNode): WarSource | null {
  const sources = (['file', 'url', 'path'] as const).filter((name) => war[name])
  const refuse = (message: string, hint: string) => {
    throw new ConvergeError(message, { code: 'INVALID_ATTRIBUTE', attribute: 'jetty_app.war', hint, usage: true })
  }
  if (sources.length > 1)
    refuse(
      `jetty_app.war has ${sources.join(' and ')}`,
      `keep one of them: ${sources.map((name) => `jetty_app.war.${name}`).join(' or ')}`,
    )
  if (war.url && !war.sha256)
    refuse(
      'jetty_app.war.url needs jetty_app.war.sha256',
      'set jetty_app.war.sha256 to what sha256sum prints for the war',
    )
  return sources[0] ?? null
}

/** Puts a war from a file or URL into a directory of its own, which is the source of the release. */
function source(r: Recipe<SiteNode>, node: SiteNode, { app }: Server): Source | null {
  const { war } = node.jetty_app
  const from = warSource(node)
  if (from === null) return null
  if (from === 'path') return sourceOf(app)
  const incoming = `${app.shared}/incoming`
  directory(r, { path: incoming, mode: '0755', ...app.owner })
  remote_file(r, {
    path: `${incoming}/app.war`,
    url: (from === 'file' ? war.file : war.url) ?? '',
    ...(war.sha256 ? { sha256: war.sha256 } : {}),
    ...(war.user ? { user: war.user } : {}),
    ...(war.password ? { password: war.password } : {}),
    mode: '0644',
    ...app.owner,
  })
  return { repository: incoming, scmType: 'directory' }
}

/** Returns the build script. Jetty follows links to name a context, so webapps must contain the war itself. */
function build(node: SiteNode): string {
  const { build_command, war, context, jetty_modules } = node.jetty_app
  const path = war.path ?? 'app.war'
  const settings = [
    ...jetty_modules.map((name) => `--module=${name}`),
    'jetty.http.host=127.0.0.1',
    'jetty.deploy.monitoredDir=../webapps',
    'jetty.deploy.scanInterval=0',
  ]
  return [
    ...(build_command === null ? [] : [shellWords(['sh', '-c', build_command])]),
    'mkdir -p webapps run/start.d',
    // Every account can enter a release, and Jetty writes its logs of requests with the mode 0644.
    'mkdir -p -m 0750 run/logs',
    `cp -fL -- ${shellWords([path, `webapps/${context}.war`])}`,
    ...copyCommands(baseFiles(node)),
    `printf '%s\\n' ${shellWords(settings)} > run/start.d/converge.ini`,
  ].join('\n')
}

function checks({ jetty_app }: SiteNode, host: HostReader): HostCheck[] {
  const { jetty_home, war } = jetty_app
  const file = war.file
  const installedWar =
    file === null
      ? []
      : [
          {
            what: file,
            run: () =>
              host.stat(file) === null
                ? missing('does not exist', 'copy the war to this path, or correct jetty_app.war.file')
                : ok('exists'),
          },
        ]
  return [fileCheck(host, `${jetty_home}/start.jar`, 'jetty9'), ...installedWar]
}

export default role<SiteNode>('jetty-app', {
  doc: 'A Java web application in Jetty, each release in a JVM of its own, replaced without a gap',
  apps: ({ jetty_app: { app_name, war } }) => (war.file || war.url || war.path ? [app_name] : []),
  ...serverEvents({
    role: 'jetty-app',
    server,
    packages: ['jetty9', 'default-jre-headless'],
    programs: { java: 'default-jre-headless' },
    source,
    build,
    files: (node) => baseFiles(node).written,
    noSource: () => ({
      attribute: ['jetty_app', 'war'],
      message: 'jetty_app.war has neither file nor url nor path, so jetty-app has nothing to deploy',
      hint: 'set one of them, or remove the role',
    }),
    links: { webapps: 'webapps', run: 'run' },
    checks,
  }),
})

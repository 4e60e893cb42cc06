/** Defines the role port-app: any server from a repository that takes its port from the command or the environment. */
import { role } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { shellWords } from '../../core/text/shell.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { appOnHost } from '../app/app.ts'
import { environmentOf, sourceOf } from '../app/checkout.ts'
import { noRepository } from '../attribute_warning.ts'
import { withRepository } from '../deployed_apps.ts'
import type { SiteNode } from '../node.ts'
import { nginxOf } from '../web/nginx.ts'
import type { Server } from './server.ts'
import { serverEvents } from './server_role.ts'

const mark = '%{port}'

/** @throws INVALID_ATTRIBUTE if there is no command, or if neither it nor its environment contains the port */
function server(node: SiteNode): Server {
  const { app_name, command } = node.port_app
  const app = appOnHost(node, app_name, 'port_app.app_name')
  const environment = environmentOf(app, supervisorVariable)
  const refuse = (message: string, hint: string) => {
    throw new ConvergeError(message, { code: 'INVALID_ATTRIBUTE', attribute: 'port_app.command', hint, usage: true })
  }
  const example = 'name the port by %{port}: "port_app": {"command": "node server.js --port %{port}"}'
  if (command.trim() === '') refuse('port_app.command is not set: there is nothing to run', example)
  if (![command, ...Object.values(environment)].some((text) => text.includes(mark)))
    refuse(`port_app.command does not say ${mark}, nor does deploy.${app_name}.environment`, example)
  return { app, nginx: nginxOf(node, app), settings: node.port_app, key: 'port_app', program: { command, environment } }
}

export default role<SiteNode>('port-app', {
  doc: 'Any server that takes a port, such as gunicorn or node, replaced without a gap',
  apps: (node) => withRepository(node, node.port_app.app_name),
  ...serverEvents({
    role: 'port-app',
    server,
    packages: [],
    programs: {},
    source: (_, __, { app }) => sourceOf(app),
    build: ({ port_app: { build_command } }) =>
      build_command === null ? null : shellWords(['sh', '-c', build_command]),
    noSource: ({ port_app }) => noRepository('port-app', port_app.app_name),
    links: {},
  }),
})

/** Defines the attributes of a server that takes a port, which the role port-app deploys. */
import { field, group } from './fields.ts'
import { line } from './texts.ts'
import { health, turns, webSite } from './web_app.ts'

export const port_app = () =>
  group(
    'The server of the role port-app: anything that takes a port, such as gunicorn or node.',
    {
      app_name: field(line(), 'port_app', 'Name of the application, as below `deploy`, whose repository holds it.'),
      command: field(
        line(),
        '',
        'Command to run in the release, quoted as for a shell; %{port} stands for the port, here or in the environment.',
      ),
      ...turns(),
      health: health('a new process'),
      ...webSite(),
    },
    { cookbook: null },
  )

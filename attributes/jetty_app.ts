/** Defines the attributes of a Java web application in Jetty, which the role jetty-app deploys. */
import { field, group, list, orNull } from './fields.ts'
import { baseFiles, iniLine } from './jetty_base.ts'
import { configuredPath, line, path, relativePath, sha256 } from './texts.ts'
import { health, turns, webSite } from './web_app.ts'

const war = () =>
  group('Where the war comes from: a file, a URL, or `deploy.<app>.scm` and a path in that repository.', {
    file: field(orNull(path()), null, 'A war on this host.'),
    url: field(orNull(line()), null, 'A war to fetch; `sha256` belongs to it.'),
    sha256: field(orNull(sha256()), null, 'Digest that the war must have.'),
    user: field(orNull(line()), null, 'Account at that server, for basic authentication.'),
    password: field(orNull(line()), null, 'Password of that account.', { sensitive: true }),
    path: field(orNull(relativePath()), null, 'Path of the war in the repository, once it is built.'),
  })

export const jetty_app = () =>
  group(
    'The web application of the role jetty-app.',
    {
      app_name: field(line(), 'jetty_app', 'Name of the application, as below `deploy`.'),
      war: war(),
      context: field(line(), 'ROOT', 'Name of the war in webapps: ROOT is served at /, any other name at /name.'),
      java: field(line(), 'java', 'Java that runs it: a command or an absolute path.'),
      jvm_options: field(line(), '', 'Options of the JVM, as -Xmx512m, quoted as for a shell.'),
      jetty_home: field(configuredPath(), '/usr/share/jetty9', 'Directory that Jetty was unpacked into.'),
      jetty_modules: field(list(line()), ['server', 'http', 'deploy'], 'Modules of Jetty that are switched on.', {
        mirrors: 'start.jar --list-modules',
      }),
      files: field(
        baseFiles(),
        {},
        'Files in the base directory of Jetty (jetty.base), by their path in it, such as etc/realm.xml: each has content, path or shared. Other content makes another release.',
      ),
      ini: field(
        list(iniLine()),
        [],
        'Lines for the start.d of Jetty, one each: a module (--module=NAME), an XML file (etc/realm.xml) or a property (NAME=VALUE).',
        { mirrors: 'start.jar --help' },
      ),
      ...turns(),
      health: health('a new JVM'),
      ...webSite(),
    },
    { cookbook: null },
  )

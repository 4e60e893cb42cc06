/** Tests that warnings about attributes name file, line and a remedy. */
import t from 'tap'
import { Sandbox } from '../support/program.ts'

const cases: readonly (readonly [role: string, site: string, warning: RegExp])[] = [
  [
    'php-app',
    '{\n  "deploy": {\n    "www": {}\n  },\n  "php_app": {"app_name": "www"}\n}',
    /site\.json:3:\d+: deploy\.www\.scm\.repository is not set: php-app has nothing to deploy \(set deploy\.www\.scm\.repository, or remove the role\)/,
  ],
  [
    'port-app',
    '{\n  "deploy": {"a.b": {\n    "scm": {}\n  }},\n  "port_app": {"app_name": "a.b", "command": "serve %{port}"}\n}',
    /site\.json:3:\d+: deploy\["a\.b"\]\.scm\.repository is not set: port-app has nothing to deploy/,
  ],
  [
    'port-app',
    '{\n  "deploy": {"www": {\n    "scm": {"repository": "/srv/www.git"},\n    "ssl_support": true\n  }},\n  "port_app": {"app_name": "www", "command": "serve %{port}"}\n}',
    /site\.json:4:\d+: deploy\.www\.ssl_support is true, but there is no TLS: .* \(set ssl_certificate and ssl_certificate_key beside it, or remove it\)/,
  ],
  [
    'frontend',
    '{\n  "deploy": {"plone_instances": {\n    "ssl_support": true\n  }}\n}',
    /site\.json:3:\d+: deploy\.plone_instances\.ssl_support is true, but there is no TLS: /,
  ],
  [
    'base',
    '{\n  "converge": {\n    "packages": ["zip"]\n  }\n}',
    /site\.json:3:\d+: packages \(zip\) are left out: .* \(remove them, or the prefix .*\)/,
  ],
]

for (const [role, site, warning] of cases)
  t.test(`${role} warns: ${warning.source}`, async (t) => {
    const sandbox = new Sandbox(t)
    sandbox.write({ 'site.json': site })
    const event = role === 'base' ? 'setup' : role === 'frontend' ? 'configure' : 'deploy'
    const words = ['--role', role, '--json', 'site.json', '--prefix', sandbox.at('host')]
    const { stdout, stderr } = await sandbox.converge(['plan', '--event', event, ...words])
    t.match(stdout, warning, stderr)
    t.equal(stdout.match(new RegExp(warning.source, 'g'))?.length, 1, 'once')
  })

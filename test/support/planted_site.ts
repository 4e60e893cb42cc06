/** Builds the attributes of a site with a secret in each place that can hold one. */
import type { PlantedSecrets } from './planted_secrets.ts'

type Json = { [key: string]: unknown }

/** Characters that some language treats as special. */
const shapes = [
  '%@%%',
  '#@;',
  '$@$$',
  "'@'",
  ' @ ',
  '\\@\\n',
  '/@?x=1&y',
  'ü@€',
  '{@}',
  '<@&>',
  '+@=',
  ':@,',
  '%(here)s@',
  '!@`',
  '(@)|',
]
/** Names of variables that look like secrets. */
const names = [
  ...['SECRET_KEY_BASE', 'PGPASS', 'MYSQL_PWD', 'CREDENTIALS', 'ENCRYPTION_KEY', 'COOKIE_SALT', 'GH_PAT', 'API_TOKEN'],
  ...[
    'AWS_SECRET_ACCESS_KEY',
    'STRIPE_API_KEY',
    'SENTRY_DSN',
    'SMTP_PASSWORD',
    'JWT_SECRET',
    'SESSION_KEY',
    'REDIS_PASS',
  ],
  ...[
    'PRIVATE_KEY',
    'PASSPHRASE',
    'LDAP_PASSWD',
    'dbToken',
    'MASTER_KEY',
    'WEBHOOK_SIGNING_KEY',
    'oauth_client_secret',
    'DB_PASSWORD_2',
    'HMAC_KEY',
    'AUTH_TOKEN_OLD',
    'passwords',
  ],
]
/** Names that are secret only because of `converge.secret_names`. */
export const ownNames = ['LOGIN_PIN', 'UNLOCK_CODE']

/** Builds an environment with a secret under each name, and inside values with a format of their own. */
export function plantedEnvironment(secrets: PlantedSecrets, app: string): Json {
  const plain = [...names, ...ownNames].map((name, index) => [
    name,
    secrets.make(`${app}: ${name}`, shapes[index % shapes.length]),
  ])
  const inside = (what: string) => secrets.make(`${app}: ${what}`)
  return {
    ...Object.fromEntries(plain),
    DATABASE_URL: `postgresql://shop:${inside('password of a URL')}@db.example.com/shop`,
    BROKER: `amqp://u:${inside('password of a broker')}@mq.example.com:5672//`,
    MIRROR: `https://${inside('user name of a URL')}@git.example.com/x.git`,
    CALLBACK: `https://hooks.example.com/in?id=7&token=${inside('token of a URL')}&x=1`,
    STARTER: `tool --user shop --password=${inside('option of a command')} --verbose`,
    HEADER: `Authorization: Bearer ${inside('header')}`,
    PLAIN_VALUE: 'not-secret-at-all',
  }
}

/** Builds attributes with a secret at each attribute that its schema marks as secret. */
export function plantedAttributes(secrets: PlantedSecrets, repository: string): Json {
  const at = (path: string, shape?: string) => secrets.make(path, shape)
  const archive = (name: string) => ({
    url: `https://files.example.com/${name}.tgz`,
    path: 'shared',
    user: 'shop',
    password: at(`password of archive ${name}`, '@%'),
  })
  const scm = (app: string) => ({
    scm_type: 'git',
    repository,
    user: 'robot',
    password: at(`deploy.${app}.scm.password`, '/@+'),
    ssh_key: `-----BEGIN OPENSSH PRIVATE KEY-----\n${at(`deploy.${app}.scm.ssh_key`, 'MIIEpAIBAAKCAQEA@')}\n${at(`deploy.${app}.scm.ssh_key, second line`, 'MIIEpAIBAAKCAQEA@')}\n-----END OPENSSH PRIVATE KEY-----\n`,
  })
  const app = (name: string) => ({
    scm: scm(name),
    environment: plantedEnvironment(secrets, name),
    domains: [`${name}.example.com`],
    database: {
      adapter: 'postgresql',
      host: 'db.example.com',
      database: name,
      username: name,
      password: at(`deploy.${name}.database.password`, '$@%'),
    },
    ssl_support: true,
    ssl_certificate: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    ssl_certificate_key: `-----BEGIN PRIVATE KEY-----\n${at(`deploy.${name}.ssl_certificate_key`, 'MIIEvQIBADANBgkq@')}\n-----END PRIVATE KEY-----\n`,
    buildout_cache_archives: [archive(name)],
  })
  return {
    plone_instances: {
      app_name: 'site',
      instance_count: 1,
      zeo: { address: '127.0.0.1:8001' },
      relstorage: {
        db: {
          dsn: `dbname=zodb password=${at('plone_instances.relstorage.db.dsn')}`,
          password: at('plone_instances.relstorage.db.password', '@'),
        },
      },
    },
    plone_zeoserver: { app_name: 'zeo' },
    ebs_snapshots: { aws_key: at('ebs_snapshots.aws_key'), aws_secret: at('ebs_snapshots.aws_secret', '/@+') },
    haproxy: { stats_password: at('haproxy.stats_password', '@#') },
    deploy_buildout: { cache_archives: [archive('all')] },
    newrelic: {
      license: at('newrelic.license'),
      application_monitoring: { license: at('newrelic.application_monitoring.license') },
      server_monitoring: { license: at('newrelic.server_monitoring.license') },
    },
    jetty_app: {
      app_name: 'war',
      war: {
        url: 'https://files.example.com/a.war',
        sha256: '0'.repeat(64),
        user: 'shop',
        password: at('jetty_app.war.password'),
      },
      files: { 'etc/local.properties': { content: `key = ${at('jetty_app.files.*.content', 'some more text @')}\n` } },
    },
    php_app: { app_name: 'php' },
    port_app: { app_name: 'shop', command: 'serve %{port}' },
    converge: { secret_names: ownNames, open_names: ['PLAIN_TOKEN'] },
    deploy: {
      shop: app('shop'),
      site: app('site'),
      zeo: app('zeo'),
      php: app('php'),
      war: { environment: plantedEnvironment(secrets, 'war') },
    },
  }
}

/** Builds a file that converge did not write, with secrets that are not in any attribute. */
export function plantedForeignFile(secrets: PlantedSecrets, name: string): string {
  const at = (what: string, shape?: string) => secrets.make(`${name}: ${what}`, shape)
  return [
    `DB_PASSWORD=${at('assignment')}`,
    `export API_TOKEN="${at('quoted', ' @ ')}"`,
    `smtp_password: ${at('YAML')}`,
    `{"client_secret": "${at('JSON', '\\"@')}", "user": "ann"}`,
    `    SECRET_KEY_BASE ${at('zope.conf')}`,
    `url = https://ann:${at('URL')}@example.com/x`,
    `url = https://${at('user name of a URL')}@example.com/x`,
    `GET /in?token=${at('query')}&x=1`,
    `run --password=${at('option')}`,
    `Authorization: Bearer ${at('header')}`,
    `curl -H 'X-Api-Key: ${at('own header')}'`,
    `run --password ${at('option without a sign')} --verbose`,
    `<password>${at('XML')}</password>`,
    `<add key="db_password" value="${at('XML attribute')}"/>`,
    `'password' => '${at('PHP')}',`,
    `define('DB_PASSWORD', '${at('PHP constant')}');`,
    `machine example.com login ann password ${at('netrc')}`,
    `requirepass ${at('redis')}`,
    `DB_PASSWORD_2=${at('name with a number')}`,
    `"passwords": ["${at('list')}"]`,
    `WP_NONCE_KEY=${at('WordPress key')}`,
    `HMAC_KEY: ${at('HMAC key')}`,
    'private_key: |',
    '  -----BEGIN RSA PRIVATE KEY-----',
    `  ${at('PEM', 'MIIEpAIBAAKCAQEA@')}`,
    `  ${at('PEM, second line', 'MIIEpAIBAAKCAQEA@')}`,
    '  -----END RSA PRIVATE KEY-----',
    '',
  ].join('\n')
}

/** Builds a stack file with a secret in each place that accepts one; `env` and `files` hold the values it refers to. */
export function plantedStack(secrets: PlantedSecrets) {
  const env = { SHOP_PIN: secrets.make('$env', '%@#'), DB_PASSWORD: secrets.make('$env of a password', "'@") }
  const files = {
    'secrets/token': `${secrets.make('$file', '$@;')}\n`,
    'secrets/shop.key': `-----BEGIN PRIVATE KEY-----\n${secrets.make('ssl.key', 'MIIEvQIBADANBgkq@')}\n-----END PRIVATE KEY-----\n`,
    'secrets/deploy-key': `-----BEGIN OPENSSH PRIVATE KEY-----\n${secrets.make('scm.ssh_key', 'MIIEvQIBADANBgkq@')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    'shop.crt': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  }
  const stack = {
    name: 'shop',
    layers: {
      web: {
        roles: ['port-app'],
        attributes: { port_app: { command: 'serve %{port}' }, layer_password: secrets.make('attributes of a layer') },
      },
    },
    hosts: {
      web1: {
        address: '127.0.0.1',
        port: 1,
        layers: ['web'],
        attributes: { host_token: secrets.make('attributes of a host', '"@') },
      },
    },
    apps: {
      port_app: {
        scm: {
          repository: `https://ann:${secrets.make('URL of a repository')}@127.0.0.1:1/shop.git`,
          password: secrets.make('scm.password', '/@'),
          ssh_key: 'secrets/deploy-key',
        },
        environment: {
          ...plantedEnvironment(secrets, 'stack'),
          VALUE: { $env: 'SHOP_PIN' },
          OTHER: { $file: 'secrets/token' },
        },
        database: {
          adapter: 'postgresql',
          host: 'db',
          database: 'shop',
          username: 'shop',
          password: { $env: 'DB_PASSWORD' },
        },
        domains: ['shop.example.com'],
        ssl: { certificate: 'shop.crt', key: 'secrets/shop.key' },
      },
    },
    custom_json: { site: { api_key: secrets.make('custom_json') }, own: { $env: 'SHOP_PIN' } },
    environments: {
      staging: { apps: { port_app: { environment: { STAGING_PASSWORD: secrets.make('environment layer') } } } },
    },
  }
  return { stack, env, files }
}

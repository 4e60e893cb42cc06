/** Secrets that nobody knows are masked by their place in a text. */
import t from 'tap'
import { hasSecretName } from '../../../core/model/secret_names.ts'
import { secretsInside } from '../../../core/model/secret_text.ts'
import { Secrets } from '../../../core/model/secrets.ts'

t.test('names that sound secret, and names that do not', (t) => {
  const secret = `DB_PASSWORD smtp_password SECRET_KEY_BASE DJANGO_SECRET_KEY PGPASS PGPASSWORD MYSQL_PWD CREDENTIALS
    AWS_CREDENTIALS ENCRYPTION_KEY COOKIE_SALT GH_PAT github_token dbPassword apiToken SENTRY_DSN api_key apikey
    LDAP_BIND_PASS license_key Authorization`
  const open = 'PWD OLDPWD PAT path compass bypass TOKEN_FILE password_reset_timeout keyboard assault pattern pass user'
  for (const name of secret.split(/\s+/)) t.ok(hasSecretName(name), name)
  for (const name of open.split(/\s+/)) t.notOk(hasSecretName(name), name)
  t.ok(hasSecretName('PIN', { secret: ['pin'], open: [] }))
  t.notOk(hasSecretName('CSRF_TOKEN', { secret: [], open: ['csrf_token'] }))
  t.end()
})

t.test('in foreign text: files of the host, output of commands', (t) => {
  const secrets = new Secrets()
  secrets.useNames({ secret: ['door_code'], open: ['PUBLIC_TOKEN'] })
  const hidden = [
    'password = former-value',
    'SMTP_PASSWORD="former-value"',
    "  'api_key': 'former-value',",
    '{"clientSecret":"former-value"}',
    'environment=HOME="/x",A_PASSWORD="former-value",B="c"',
    '    SECRET_KEY former-value',
    'export DB_PASSWORD=former-value',
    'ENV GH_PAT former-value',
    'connecting to postgresql://app:former-value@db/site',
    'GET /hook?token=former-value&x=1',
    'mysql --password=former-value site',
    'curl -H "Authorization: Bearer former-value" http://x',
    'Proxy-Authorization: Basic former-value',
    'door_code: former-value',
  ]
  for (const line of hidden) {
    const masked = secrets.maskForeign(line)
    t.notMatch(masked, 'former-value', line)
    t.match(masked, '********')
  }
  t.equal(
    secrets.maskForeign('environment=HOME="/x",A_PASSWORD="former-value",B="c"'),
    'environment=HOME="/x",A_PASSWORD="********",B="c"',
  )
  const shown = [
    'password_file = /etc/app/password',
    `token: $${'{TOKEN}'}`,
    'PUBLIC_TOKEN=abcdef',
    'secret = null',
    'the password must have eight letters',
    'PASSWORD',
    'http://[::1]:8080/x?page=2',
    'bypass = everything',
  ]
  for (const line of shown) t.equal(secrets.maskForeign(line), line)
  t.end()
})

t.test('inside an attribute whose name says nothing', (t) => {
  t.strictSame(secretsInside('https://user:pass-word@host/x?api_key=abc123'), ['pass-word', 'abc123'])
  t.strictSame(secretsInside("curl --token='a b' -H 'Authorization: Bearer abc.def'"), ['a b', 'abc.def'])
  t.strictSame(secretsInside('bin/client1 run x=y'), [])
  t.end()
})

/** Tests that unknown secrets are masked because of their place in a text. */
import t from 'tap'
import { hasSecretName } from '../../../core/model/secret_names.ts'
import { secretsInside } from '../../../core/model/secret_text.ts'
import { Secrets } from '../../../core/model/secrets.ts'

t.test('distinguishes secret names from others', (t) => {
  const secret = `DB_PASSWORD smtp_password SECRET_KEY_BASE DJANGO_SECRET_KEY PGPASS PGPASSWORD MYSQL_PWD CREDENTIALS
    AWS_CREDENTIALS ENCRYPTION_KEY COOKIE_SALT GH_PAT github_token dbPassword apiToken SENTRY_DSN api_key apikey
    LDAP_BIND_PASS license_key Authorization
    X-Api-Key api-key DB_PASSWORD_2 db_password1 AUTH_TOKEN_OLD passwords API_KEYS HMAC_KEY WP_NONCE_KEY access.token`
  const open =
    'PWD OLDPWD PAT path compass bypass TOKEN_FILE password_reset_timeout keyboard assault pattern pass user MAX_TOKENS NOPASSWD key public_key token_1_count'
  for (const name of secret.split(/\s+/)) t.ok(hasSecretName(name), name)
  for (const name of open.split(/\s+/)) t.notOk(hasSecretName(name), name)
  t.ok(hasSecretName('PIN', { secret: ['pin'], open: [] }))
  t.notOk(hasSecretName('CSRF_TOKEN', { secret: [], open: ['csrf_token'] }))
  t.end()
})

t.test('masks secrets in foreign text: files of the host, output of commands', (t) => {
  const secrets = new Secrets()
  secrets.useNames({ secret: ['door_code'], open: ['PUBLIC_TOKEN'] })
  const hidden = [
    'password = former-value',
    `CALLBACK="https://host/?token=x",COOKIE_SALT=" former-value "`,
    `URL='https://host/?token=x',NEXT_TOKEN=' former-value '`,
    'A_TOKEN="x\\",B="y",C_TOKEN="&amp;former-value"',
    'SMTP_PASSWORD="former-value"',
    'message: A_KEY=1; message: HEADER=Authorization: Bearer x; message: GH_PAT=\\former-value\\n; message: B=2',
    "message: ENCRYPTION_KEY=it's-former-value; message: B=2",
    'said: "message: APP_KEY=x"former-value"x"',
    'message: API_TOKEN=&amp;former-value; message: B=2',
    'message: API_TOKEN=x;former-value; message: B=2',
    'message: API_TOKEN=x,former-value, B=2',
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
    "curl -H 'X-Api-Key: former-value'",
    'tool --password former-value --verbose',
    "tool --db-password 'former-value x'",
    '<password>former-value</password>',
    '<db:password type="text">former-value</db:password>',
    '<add key="db_password" value="former-value"/>',
    '{"name": "DB_PASSWORD", "value": "former-value"}',
    "'password' => 'former-value',",
    "define('DB_PASSWORD', 'former-value');",
    'machine example.com login ann password former-value',
    'requirepass former-value',
    '  db_password former-value;',
    'DB_PASSWORD_2=former-value',
    '"passwords": ["former-value", "former-value"]',
    '"passwords": [\n  "former-value",\n  "former-value"\n]',
    '"{\\"password\\": \\"former-value\\"}"',
    '-----BEGIN PRIVATE KEY-----\nformer-value\nformer-value\n-----END PRIVATE KEY-----',
    '-----BEGIN RSA PRIVATE KEY-----\\nformer-value\\n-----END RSA PRIVATE KEY-----',
    '-----BEGIN OPENSSH PRIVATE KEY-----\nformer-value',
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
  t.equal(
    secrets.maskForeign('Server=h;Pwd=x1;Database=d, token:x2,name:x3, key=x4'),
    'Server=h;Pwd=********;Database=d, token:********,name:x3, key=x4',
  )
  t.equal(
    secrets.maskForeign(`said "A_TOKEN=x1" and 'B_TOKEN=x2'; done`),
    `said "A_TOKEN=********" and 'B_TOKEN=********'; done`,
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
    'converge stack plan --secrets secrets.json',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    '<password/>',
    'usage: tool --password, or --token-file FILE',
    'MAX_TOKENS = 4096',
  ]
  for (const line of shown) t.equal(secrets.maskForeign(line), line)
  t.end()
})

t.test('masks a private key whose lines arrive one by one, or whose beginning is missing', (t) => {
  const key = [
    '-----BEGIN RSA PRIVATE KEY-----',
    '  MIIEpAIBAAKCAQEA',
    'former/value+0123==',
    '-----END RSA PRIVATE KEY-----',
    'done',
  ]
  const masked = ['-----BEGIN RSA PRIVATE KEY-----', '  ********', '********', '-----END RSA PRIVATE KEY-----', 'done']
  const mask = new Secrets().foreignLineMask()
  t.strictSame(key.map(mask), masked)
  t.equal(new Secrets().maskForeign(key.slice(1).join('\n')), masked.slice(1).join('\n'))
  t.end()
})

t.test('finds secrets inside a value with a neutral name', (t) => {
  t.strictSame(secretsInside('https://user:pass-word@host/x?api_key=abc123'), ['pass-word', 'abc123'])
  t.strictSame(secretsInside("curl --token='a b' -H 'Authorization: Bearer abc.def'"), ['a b', 'abc.def'])
  t.strictSame(secretsInside('tool --password pass-word --secrets list.json'), ['pass-word'])
  t.strictSame(secretsInside("env DB_PASSWORD=pass-word A=b tool --password='open-quote"), ['open-quote', 'pass-word'])
  t.strictSame(secretsInside('bin/client1 run x=y'), [])
  t.end()
})

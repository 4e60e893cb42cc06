/** Tests that an unknown secret is masked wherever common files and commands contain one. */
import t from 'tap'
import { hasPluralSecretName, hasSecretName } from '../../../core/model/secret_names.ts'
import { secretsInside } from '../../../core/model/secret_text.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { testMasked } from '../../support/masked_samples.ts'

const secret = 'Zq8vKp3wYt6n'

const samples: Readonly<Record<string, readonly string[]>> = {
  'connection strings': [
    'Server=h;Uid=u;Pwd=§;',
    'Pwd=§',
    'AccountKey=§==;',
    'SharedAccessKey=§',
    'dbname=z password=§ host=h',
  ],
  'options of commands': [
    ...['mysql -uroot -p§ db', 'sshpass -p § ssh h', 'sshpass -p§ ssh', 'curl -u ann:§ http://h/', 'curl -uann:§ h'],
    ...['curl --user ann:§ http://h', 'http -a ann:§ GET h', 'docker login -u ann -p §', 'openssl -passin pass:§'],
    ...[
      'ldapsearch -x -w §',
      'redis-cli -h h -a § get x',
      'htpasswd -b f ann §',
      'wpa_passphrase x §',
      'zip -P § a.zip a',
    ],
    ...[
      'rabbitmqctl add_user u §',
      'java -Djavax.net.ssl.keyStorePassword=§',
      'tool /p:Password=§',
      'wget --http-password=§',
    ],
  ],
  'options of more commands': [
    ...['redis-cli --pass § ping', 'REDISCLI_AUTH=§ redis-cli', 'curl --cookie "session=§" h', 'curl -b session=§ h'],
    ...['npm config set //r/:_authToken §', 'aws configure set aws_secret_access_key §', 'usermod -p § ann'],
    ...[
      'useradd -m -p "§" ann',
      'openssl enc -k § -in f',
      'openssl enc -aes-256-cbc -K § -iv 1',
      'ssh-keygen -N § -f x',
    ],
    ...['unrar x -p§ a.rar', 'rar a -hp§ a.rar', 'smbclient -U ann%§ //h/m', 'smbclient //h/m --user=ann%§'],
    ...['mount -o user=a,pass=§ //h /m', 'mount -o username=a,uid=1,pass=§ //h /m', 'lftp -u ann,§ h', 'vault login §'],
    ...['twine upload -u a -p § x', 'ipmitool -U a -P § h', 'snmpwalk -v2c -c § h', 'mosquitto_pub -u a -P § -t x'],
    ...[
      'ldappasswd -D a -s § b',
      "echo 'ann:§' | chpasswd",
      'echo ann:§ | sudo chpasswd -e',
      'echo "§" | docker login -u a --password-stdin',
    ],
    ...['echo § | sudo -S x', "printf '%s' '§' | gpg --passphrase-fd 0", 'user = a, pass = §', 'login: ann, pass: §'],
  ],
  addresses: [
    ...['redis://§@h/0', 'rediss://:§@h/0', 'amqp://ann:§@mq:5672//', 'postgresql+psycopg2://ann:§@db/x?a=b'],
    ...[
      'https://§§@github.com/x.git',
      ...[
        'https://§@h/x.git',
        'git+https://§@h/x.git',
        'https://a%2B§@h/x',
        'https://§:x-oauth-basic@h/x',
        'http://§:@h',
      ],
      ...['https://x-oauth-§@h/x', 'https://ghp_§@h/x', 'https://glpat-§@h/x'],
      'https://u:a/b§@h/x',
      'https://u:a@b§@h/x',
      'redis://:§@h:6379',
      '?key=§',
      '#access_token=§',
    ],
    ...['/x;jsessionid=§', '?auth=§', '?X-Amz-Signature=§&x=1', '//registry.example.com/:_authToken=§', '//r/:_auth=§'],
    ...['https://hooks.slack.com/services/T012/B345/§', 'https://discord.com/api/webhooks/123/§'],
  ],
  'encoded texts': [
    ...['{&quot;password&quot;: &quot;§&quot;}', '&#34;db_token&#34;:&#34;§&#34;', '%7B%22password%22%3A%22§%22%7D'],
    ...['password%3D§', 'next=%2Fx%3Ftoken%3D§%26a', 'DB_PASSWORD%3A%20§', 'password%253D§'],
    ...['{\\u0022password\\u0022: \\u0022§\\u0022}', '{\\x22password\\x22:\\x22§\\x22}'],
  ],
  headers: [
    ...[
      'map $x $y { "Basic YW5u§=" 1; }',
      'Basic YW5u§==',
      '"auths": {"h": {"auth": "§=="}}',
      'if ($http_x_token != "§") {',
    ],
    ...[
      'authorization: ApiKey §',
      'Authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=§',
      '"Authorization", "Bearer §"',
    ],
    ...[
      'proxy_set_header Authorization "Basic §";',
      'Authorization=Bearer%20§',
      "'HTTP_AUTHORIZATION': 'Bearer §'",
      'Bearer §',
    ],
    ...['Cookie: session=§', 'Set-Cookie: sid=§; Path=/', 'set-cookie: __ac="§"', 'X-Auth-Token: §'],
  ],
  'tokens by their form': [
    'xoxb-123456789012-§',
    'ghp_§§§',
    'glpat-§§',
    'sk_live_§§',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.§',
    'npm_§§',
  ],
  hashes: ['ann:$6$salt$§', 'root:$y$j9T$§:19000:0', 'ann:{SHA}§', 'ann:$apr1$x$§'],
  XML: [
    ...[
      '<Password><![CDATA[§]]></Password>',
      '<entry key="password">§</entry>',
      '<property name="password">§</property>',
    ],
    ...[
      '<New class="x"><Set name="Password">§</Set></New>',
      '<key>password</key><string>§</string>',
      '<user name="a" password="§"/>',
      '<password value="§"/>',
      '<db:password type="text" value=\'§\'/>',
    ],
  ],
  pairs: [
    ...['{"Key":"DB_PASSWORD","Value":"§"}', '{"Value":"§","Key":"DB_PASSWORD"}', '- name: DB_PASSWORD\n  value: §'],
    ...['- value: §\n  name: DB_PASSWORD', '| password | § |'],
  ],
  YAML: [
    '? db_password\n: §\n',
    ...[
      'passwords:\n  - §\n  - §\n',
      'passwords:\n- §\n',
      'password: |\n  §\n  §\nother: 1',
      'password: >-\n  §\n',
      'password:\n  §\n',
    ],
    ...[
      'secret: !vault §',
      'password: &p §',
      "password: 'it''s§'",
      'db_password: a b §',
      'secrets:\n  db: §\n',
      'secrets: {db: §}',
    ],
  ],
  'programming languages': [
    ...[
      'password = """§"""',
      "password = '''a\n§'''",
      'password = r"§"',
      'password = b"§"',
      "'token': u'§'",
      'password -> §',
    ],
    ...[
      "config['password'] = '§'",
      'config["password"]="§"',
      "$config->password = '§';",
      ':password => "§"',
      "'password', '§'",
    ],
    ...[
      '"secrets": {"db": "§", "user": "ann"}',
      '"credentials": {\n  "user": "ann",\n  "key": "§"\n}',
      'password = "a""b§"',
    ],
  ],
  shells: [
    ...['password=\\\n  §\n', 'export DB_PASSWORD=\\\n§', '  --password \\\n    § \\\n  --x'],
    ...[
      "password=$'§'",
      `PASSWORD="$${'{PASSWORD:-§}'}"`,
      `PASSWORD=$${'{PASSWORD:-§}'}`,
      'PASSWORD=a" b"§',
      "PASSWORD='a'\\''§'",
    ],
    ...['password=a\\ b§', 'password = a b §', 'set -gx DB_PASSWORD §', 'token="§', 'PASSWORD ?= §', '+DB_PASSWORD=§'],
  ],
  servers: [
    ...[
      'SetEnv DB_PASSWORD §',
      'fastcgi_param DB_PASSWORD §;',
      'fastcgi_param DB_PASSWORD "§";',
      'env[DB_PASSWORD] = §',
    ],
    ...[
      'php_admin_value[x.password] = §',
      'stats auth admin:§',
      'user admin insecure-password §',
      'masterauth §',
      'rootpw §',
    ],
    ...['db:5432:shop:ann:§', '_auth = §', 'psk="§"', 'Environment="DB_PASSWORD=§"'],
  ],
  'statements of SQL': [
    ...[
      'CREATE USER a IDENTIFIED WITH mysql_native_password BY "§"',
      "IDENTIFIED WITH 'x' AS '§'",
      "IDENTIFIED VIA a USING '§'",
    ],
    ...["SET PASSWORD FOR 'a'@'h' = '§'", "SET PASSWORD FOR a = PASSWORD('§')", "IDENTIFIED BY PASSWORD '§'"],
    ...["INSERT INTO users (name, password) VALUES ('a', '§')", "ALTER USER a IDENTIFIED BY '§' REPLACE 'x'"],
  ],
  SQL: ["IDENTIFIED BY '§'", "ALTER USER a PASSWORD '§'", "CREATE ROLE a LOGIN PASSWORD '§'"],
}

testMasked(t, samples, secret)

t.test('masks secrets in lines that arrive one by one', (t) => {
  const blocks = [
    ...[
      'password: |\n  §\n  §\nother: 1',
      'passwords:\n  - §\n- §',
      '- name: DB_PASSWORD\n  value: §',
      '"secrets": {\n "db": "§"\n}',
    ],
    ...[
      'export DB_PASSWORD=\\\n§',
      'run --password \\\n  § \\\n  --x',
      'password = """\n§\n"""',
      '"passwords": [\n  "§",\n  "§"\n]',
      'key: x\n  db_password:\n    §',
    ],
  ]
  for (const block of blocks) {
    const mask = new Secrets().foreignLineMask()
    const lines = block.replaceAll('§', secret).split('\n').map(mask)
    t.notMatch(lines.join('\n'), secret, block)
  }
  const mask = new Secrets().foreignLineMask()
  const log = ['the password is needed by:', 'step 1', '  step 2', 'all is well']
  t.strictSame(log.map(mask), log)
  t.end()
})

t.test('leaves text without secrets unchanged', (t) => {
  const lines = [
    ...[
      'http://web1.example.com:8080/@scope/x',
      'git@git.example.com:shop/site.git',
      'ssh://git@git.example.com/shop.git',
      ...['https://deploy@git.example.com/x', 'https://x-token-auth@h/x', 'https://deployment-robot@h/x'],
      ...['ssh://robot2024builder@git.example.com/x', 'robot2024builder@git.example.com:x', 'https://web1@h/x'],
    ],
    ...[
      'password_file = /x',
      'TOKEN_URL=https://sso.example.com/token',
      'PASSWORD_MIN_LENGTH=8',
      'SECRET_NAME=shop/db',
    ],
    ...[
      'AUTH_PASSWORD_VALIDATORS = []',
      'def login(password):',
      'import passlib',
      'tokenizer: fast',
      'author: Ann Lee',
    ],
    ...['password = %(db_password)s', 'token: {{ token }}', `password = $${'{secrets:db}'}`, 'PASSWORD=$DB_PASSWORD'],
    ...[
      'monkey: banana',
      'keyboard = de',
      'File "/srv/x/password_validation.py", line 3',
      'password_validation.py:12: warning',
    ],
    ...[
      'cookie SERVERID insert indirect nocache',
      'public_key = abc',
      'primary_key: id',
      'key: value',
      'compass=north',
    ],
    ...[
      'mysql -u root -h db',
      'curl -u ann http://h/',
      'docker run -p 80:80 nginx',
      'basic_auth = false',
      'credentials:\n  user: ann',
    ],
    ...[
      'basic authentication is required',
      'Basic auth1',
      '"auth": "required"',
      'openssl req -new -key x',
      'vault login failed',
    ],
    ...[
      'proxy_pass http://127.0.0.1:8080;',
      'pass: 12, fail: 0',
      'x%3D1%26page%3D2',
      '&quot;name&quot;: &quot;x&quot;',
    ],
    ...[
      'useradd -m -s /bin/sh ann',
      'INSERT INTO pages (id, title) VALUES (1, 2)',
      'npm config set registry http://h/',
    ],
    ...['    server_tokens off;', 'server_tokens build;', 'token on', 'password off;', 'token: build', 'token: prod'],
    ...['tokens: 4096', 'tokens = 4096', '"tokens": 512,', 'tokens 4096', 'TOKENS=128'],
    ...['{"name": "DB_HOST", "value": "db1"}', 'SyntaxError: Unexpected token }', "Unexpected token 'export'"],
  ]
  for (const line of lines) t.equal(new Secrets().maskForeign(line), line)
  t.end()
})

t.test('masks a token of letters in an address', (t) => {
  const tokens = [
    'AbqKhTzwPlMnRtYuXcVb',
    'ghp_AbqKhTzwPlMn',
    'glpat-AbqKhTzwPlMn',
    'github_pat_AbqKhTzw',
    'x-oauth-AbqKhTzw',
  ]
  for (const token of tokens)
    for (const rest of ['@h/x.git', ':@h', ':x-oauth-basic@h'])
      t.notMatch(new Secrets().mask(`https://${token}${rest}`), token.slice(-8), `${token}${rest}`)
  t.end()
})

t.test('recognizes secret names in any spelling', (t) => {
  const secrets = `MYSQLPASSWORD adminpass dbPass db_pw githubPat PASSWORD_PROD API_KEY_STRIPE TOKEN_PROD GITHUB_TOKEN_CI
    SECRET_FOR_APP PRIVATE_KEY_BASE64 connection_string REDIS_AUTH JWT PEPPER APP_KEY SECRET_KEY_FALLBACKS DB_PASSWORD_LEGACY
    PASSWORD_HASH wifi_psk kennwort ERLANG_COOKIE SLACK_WEBHOOK_URL htpasswd GOOGLE_APPLICATION_CREDENTIALS_JSON tokens API_TOKENS deployTokens`
  const open = `PASSWORD_FILE TOKEN_TTL TOKEN_URL SECRET_NAME PASSWORD_RESET_TIMEOUT AUTH_PASSWORD_VALIDATORS AWS_ACCESS_KEY_ID
    tokenizer author monkey primary_key password_validation.py enable_auth passwordless SECRETS_DIR COOKIE_DOMAIN passenger
    MAX_TOKENS max_new_tokens maxOutputTokens stop_tokens special-tokens TOKENS_PER_MINUTE tokens_file
    server_tokens DESIGN_TOKENS design-tokens themeTokens csrf_tokens`
  for (const name of secrets.split(/\s+/)) t.ok(hasSecretName(name), name)
  for (const name of open.split(/\s+/)) t.notOk(hasSecretName(name), name)
  t.ok(hasPluralSecretName('credentials'))
  t.ok(hasPluralSecretName('API_KEYS'))
  t.ok(hasPluralSecretName('deploy_tokens'))
  t.notOk(hasPluralSecretName('max_tokens'))
  t.notOk(hasPluralSecretName('token'))
  t.end()
})

t.test('masks the items of a list of tokens, also numbers', (t) => {
  for (const text of ['tokens: [123456]', 'tokens:\n  - 123456', 'tokens: 12345678', 'token: 123456'])
    t.notMatch(new Secrets().maskForeign(text), '123456', text)
  t.end()
})

t.test('masks the values of secret columns in the rows of a statement, and no other column', (t) => {
  const statements = [
    [
      "INSERT INTO users (author_id, password) VALUES (1, '§')",
      "INSERT INTO users (author_id, password) VALUES (1, '********')",
    ],
    [
      "INSERT INTO u (password, id) VALUES ('§', 7), ('§', 8);",
      "INSERT INTO u (password, id) VALUES ('********', 7), ('********', 8);",
    ],
    [
      "insert into u (id, `password`, token, name)\nvalues\n  (1, '§', \"§\", 'Ann'),\n  (2, '§', NULL, 'Bob');\nSELECT 1;",
      "insert into u (id, `password`, token, name)\nvalues\n  (1, '********', \"********\", 'Ann'),\n  (2, '********', NULL, 'Bob');\nSELECT 1;",
    ],
    [
      "INSERT INTO u (name, password) VALUES ('a; (b), ''c''', 'x;§'), ('d', '§''§')",
      "INSERT INTO u (name, password) VALUES ('a; (b), ''c''', '********'), ('d', '********')",
    ],
    [
      "INSERT INTO u (name, password) VALUES ('a\\'b, c', '§')",
      "INSERT INTO u (name, password) VALUES ('a\\'b, c', '********')",
    ],
    [
      'x = "INSERT INTO u (name, password) VALUES (\\"a\\", \\"§\\")"',
      'x = "INSERT INTO u (name, password) VALUES (\\"a\\", \\"********\\")"',
    ],
    [
      "INSERT INTO u (password, name) VALUES (crypt('§', gen_salt('bf')), lower('Ann'))",
      /^INSERT INTO u \(password, name\) VALUES \(crypt\('\*{8}', gen_salt\('bf'\)\), lower\('Ann'\)\)$/,
    ],
    [
      'INSERT INTO u (id, password) VALUES (?, ?), (%s, %s), (:id, :password), ($1, $2)',
      'INSERT INTO u (id, password) VALUES (?, ?), (%s, %s), (:id, :password), ($1, $2)',
    ],
    [
      "INSERT INTO u (password, name) VALUES (§, 'Ann') -- new",
      "INSERT INTO u (password, name) VALUES (********, 'Ann') -- new",
    ],
    ["INSERT INTO u (id, password) VALUES (1, '§", "INSERT INTO u (id, password) VALUES (1, '********"],
  ] as const
  for (const [statement, masked] of statements) {
    const text = statement.replaceAll('§', secret)
    const result = new Secrets().maskForeign(text)
    t[typeof masked === 'string' ? 'equal' : 'match'](result, masked as string, text)
    const mask = new Secrets().foreignLineMask()
    t.notMatch(text.split('\n').map(mask).join('\n'), secret, `${text}: line by line`)
  }
  t.strictSame(secretsInside("INSERT INTO u (id, password) VALUES (1, digest('correcthorse', 'sha256'))"), [
    'correcthorse',
  ])
  const mask = new Secrets().foreignLineMask()
  const lines = ['INSERT INTO u (id, password) VALUES', `(1, '${secret}'),`, `(2, '${secret}');`, "(3, 'a')"]
  t.strictSame(lines.map(mask), [lines[0], "(1, '********'),", "(2, '********');", "(3, 'a')"])
  t.end()
})

t.test('masks each row of a long statement whose lines arrive one by one', (t) => {
  for (const head of [['INSERT INTO u (id, password) VALUES'], ['INSERT INTO u (id, password)', 'VALUES']]) {
    const mask = new Secrets().foreignLineMask()
    const rows = (value: string) => Array.from({ length: 100 }, (_, id) => `(${id}, '${value}'),`)
    t.strictSame([...head, ...rows(secret)].map(mask), [...head, ...rows('********')])
  }
  t.end()
})

t.test('does not learn the words of a program in an attribute', (t) => {
  const texts = [
    ...["if (token === 'end')", "if (token == 'end')", "token !== 'end of line'", 'password != "none given"'],
    ...[
      "password('field')",
      "form.password( 'field' )",
      '"auth": "scramsha256"',
      '"auth": "ScramSha"',
      '"auth": "required"',
    ],
  ]
  for (const text of texts) t.strictSame(secretsInside(text), [], text)
  t.strictSame(secretsInside(`if (token === '${secret}')`), [secret])
  t.strictSame(secretsInside("SET PASSWORD FOR 'a'@'h' = PASSWORD('correcthorse')"), ['correcthorse'])
  t.strictSame(secretsInside('"auth": "YW5uOmNvcnJlY3Q="'), ['YW5uOmNvcnJlY3Q='])
  t.strictSame(secretsInside('"auth": "YW5uOmNvcnJlY3Q5"'), ['YW5uOmNvcnJlY3Q5'])
  t.end()
})

t.test('masks lines of a megabyte: their time grows with their length', (t) => {
  const size = 1_000_000
  const repeated = (part: string) => part.repeat(Math.ceil(size / part.length))
  const harmlessLines = [
    ...[`chpasswd ${repeated('echo a:b ')}`, `chpasswd echo a:${'x'.repeat(size)}`, `a -x ${repeated('printf %s x ')}`],
    ...[repeated('into x (password) values '), repeated('insert into x (password, ')],
    ...[repeated('INSERT INTO x (id, title) VALUES (1, 2) ')],
  ]
  for (const line of harmlessLines) t.ok(new Secrets().maskForeign(line) === line, line.slice(0, 40))
  const rows = repeated(`(1, '${secret}'), `)
  const masked = new Secrets().maskForeign(`INSERT INTO x (id, password) VALUES ${rows}`)
  t.equal(masked.split("(1, '********'), ").length, rows.split(secret).length)
  t.notMatch(new Secrets().maskForeign(`echo 'ann:${secret}' ${'x'.repeat(200)} | chpasswd`), secret)
  t.end()
})

t.test('leaves a secret of fewer than four characters alone', (t) => {
  const secrets = new Secrets()
  for (const secret of ['q7', 'q7Z', 'q7Zx']) secrets.add(secret)
  t.equal(secrets.mask('q7 q7Z q7Zx'), 'q7 q7Z ********')
  t.end()
})

t.test('masks lines of a secret with several lines', (t) => {
  const secrets = new Secrets()
  secrets.add('-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nab/d=\nxY==\n-----END PRIVATE KEY-----\n')
  secrets.add('{\n  true\n}\nhunter-two\nr2d2\nend\npassword = swordfish\n')
  for (const line of ['MIIEvQIBADANBgkq', 'ab/d=', 'xY==', 'hunter-two', 'r2d2', 'swordfish'])
    t.equal(secrets.mask(`got ${line}!`), 'got ********!', line)
  for (const line of ['true', '}', 'end', '-----END PRIVATE KEY-----']) t.equal(secrets.mask(line), line)
  t.end()
})

/** Tests that unknown secrets are masked in commands, messages of programs and the files of further servers. */
import t from 'tap'
import { Secrets } from '../../../core/model/secrets.ts'
import { testMasked } from '../../support/masked_samples.ts'

const secret = 'Zq8vKp3wYt6n'

const samples: Readonly<Record<string, readonly string[]>> = {
  'accounts of Zope and Plone': [
    '[instance]\nuser = admin:§',
    'user=admin:§',
    '  user = admin:§',
    'zope-user = admin:§',
    'bin/instance adduser admin §',
    'bin/client1 adduser admin §',
    'addzopeuser admin §',
    '--user admin:§',
    '__ac=§; path=/',
    'Cookie: __ac="§"',
  ],
  'options of commands': [
    ...['plink -ssh -pw § ann@h', 'pscp -pw § a h:b', 'psexec \\\\h -u ann -p § cmd', 'rdesktop -u ann -p § h'],
    ...['supervisorctl -u ann -p § status', 'doveadm pw -s SHA512 -p §', 'slappasswd -s §', 'htpasswd -nb ann §'],
    ...[
      'ncftpput -u ann -p § h',
      'xfreerdp /u:ann /p:§ /v:h',
      'schtasks /ru ann /rp §',
      'net use \\\\h\\x § /user:ann',
    ],
    ...[
      'mysqladmin -u root password §',
      'mc alias set x http://h key §',
      'nsupdate -y hmac-sha256:name:§==',
      'dig -y name:§== h',
    ],
    ...['snmpget -v3 -A x -X § h', 'qpdf --encrypt § § 256 -- a b', 'doctl auth init -t §', 'fly secrets set A=§'],
    ...['kubectl create secret generic x --from-literal=a=§', 'rclone config create x s3 secret_access_key §'],
    ...['composer config http-basic.h ann §', 'bundle config gems.example.com ann:§', 'BUNDLE_GEMS__X: "ann:§"'],
    ...[
      'sqlplus scott/§@db',
      'expdp system/§ file=x',
      'jdbc:oracle:thin:scott/§@//h:1521/x',
      'curl --form-string pass=§ h',
    ],
    ...['SSHPASS=§ sshpass -e ssh h', 'pdftk a user_pw § output b'],
  ],
  'standard input of commands': [
    ...[
      'echo § | kinit ann@EXAMPLE.COM',
      'kinit ann <<< §',
      "chpasswd <<< 'root:§'",
      'echo -n § | cryptsetup open x y',
    ],
    ...['rsync --password-file=<(echo §) a b', 'restic -p <(echo §)', "printf '%s' '§' | smbpasswd -s ann"],
    ...['sshfs -o password_stdin h:x y <<< "§"', 'password <<EOF\n§\nEOF'],
  ],
  messages: [
    ...['Your new password is §', 'Generated password for admin: §', 'The initial admin password is "§".'],
    ...[
      'password set to §',
      'temporary password was: §',
      'use the token § to log in',
      'Unseal Key 1: §',
      'pin code = §',
    ],
    ...['A temporary password is generated for root@localhost: §', 'Initial Root Token: §', 'recovery codes: § §'],
    ...['pass = §', 'pass: "§"', 'the secret has been set to §', 'X-Amz-Signature=§'],
  ],
  'key files': [
    'PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 1\nAAAAC3\nPrivate-Lines: 2\n§\n§\nPrivate-MAC: 0§',
    '-----BEGIN OpenVPN Static key V1-----\n§\n-----END OpenVPN Static key V1-----',
    '<tls-auth>\n§\n</tls-auth>',
    '<auth-user-pass>\nann\n§\n</auth-user-pass>',
    'AKIAIOSFODNN7EXAMPLE:§/x',
    'bucket:AKIAIOSFODNN7EXAMPLE:§',
  ],
  'files of servers': [
    ...['AUTH §', 'user default on >§ ~* +@all', 'ACL SETUSER ann on >§', '{rabbit, [{default_pass, <<"§">>}]}'],
    ...['[mail.example.com]:587 ann@example.com:§', 'mail.example.com ann@example.com:§', 'ldap_default_authtok = §'],
    ...[': PSK "§"', 'ann : XAUTH "§"', 'ann * § *', '"ann" * "§" *', 'rocommunity §', 'community § default'],
    ...['createUser ann SHA "§" AES "§"', 'enable secret 5 §', 'username ann password 7 §', 'auth_pass §'],
    ...['authentication { auth_type PASS auth_pass § }', 'acl { tokens { agent = "§" } }', 'encrypt = "§Zq8vKp3w=="'],
    ...[
      'kind: Secret\nstringData:\n  a: §\n  b: §',
      'kind: Secret\ndata:\n  a: §=\n',
      'data:\n  a: §=\nkind: Secret\n',
      'varnish secret §',
    ],
    ...['<property name="db.password"><value>§</value></property>'],
  ],
  tables: [
    ...[
      'name,password\nann,§',
      'user;password\nann;§',
      '"name","password"\n"ann","§"',
      'name\tpassword\nann\t§\nbob\t§',
    ],
    ...[
      ' name | password \n------+----------\n ann  | §\n bob  | §',
      '| user | password |\n+------+------+\n| ann | § |',
    ],
    ...['-[ RECORD 1 ]--\nname     | ann\npassword | §', 'COPY users (id, password) FROM stdin;\n1\t§\n2\t§\n\\.'],
  ],
  protocols: [
    ...[
      'Content-Disposition: form-data; name="password"\r\n\r\n§\r\n--x',
      'AUTH LOGIN\n§Zm8=',
      'a1 LOGIN ann §',
      'PASS §',
    ],
    ...['C: PASS §', '---> PASS §', '1700.1 [0 127.0.0.1:1] "AUTH" "§"', '"auth" "default" "§"'],
    ...['<input type="password" name="x" value="§">', '<meta name="csrf-token" content="§">'],
  ],
  names: [
    ...[
      'DEPLOY_KEY=§',
      'MY_KEY=§',
      'tool --pass=§',
      'tool --auth §',
      'signature_key: §',
      'consumerKey: "§"',
      'sshKey = §',
      'SSH_KEY="§"',
      'pw=§',
      '"pw": "§"',
    ],
    ...[
      'DBPWD=§',
      'TWILIO_AUTH=§',
      'auth = ann:§',
      'proxy_auth=ann:§',
      'users = ann:§',
      'basicauth: ann:§',
      'CF_Key="§"',
    ],
  ],
  'answers to prompts': [
    ...[
      'Password:\n§',
      'Password for ann:\n  §',
      "invalid token '§'",
      'Password ........ §',
      'password → §',
      'Password……: §',
    ],
  ],
  'programming languages': [
    ...[
      'array(1) {\n  ["password"]=>\n  string(10) "§"\n}',
      "'password' => string '§' (length=10)",
      "['mysql', '-p§']",
    ],
    ...['plonectl adduser ann §', 'bin/zeopasswd -p § ann', 'mkwsgiinstance -d . -u admin:§', 'addzope2user ann §'],
    ...['password_hash("§", 1)', "make_password('§')", "user.set_password('§')", "ENV['API_KEY'] ||= '§'"],
    ...['ConvertTo-SecureString "§" -AsPlainText', 'New-Object PSCredential("ann", "§")', 'token := "§"'],
  ],
}

testMasked(t, samples, secret)

t.test('masks keys, documents and tables in lines that arrive one by one', (t) => {
  const blocks = [
    'PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\n§\n§\nPrivate-MAC: x',
    '-----BEGIN OpenVPN Static key V1-----\n§\n§\n-----END OpenVPN Static key V1-----',
    'stringData:\n  a: §\n  b: §',
    '<tls-crypt>\n§\n</tls-crypt>',
    'password <<EOF\n§\nEOF',
    'name,password\nann,§\nbob,§',
    ' name | password \n------+------\n ann | §\n bob | §',
  ]
  for (const block of blocks) {
    const mask = new Secrets().foreignLineMask()
    const lines = block.replaceAll('§', secret).split('\n').map(mask)
    t.notMatch(lines.join('\n'), secret, block)
  }
  const mask = new Secrets().foreignLineMask()
  const log = ['Private-Lines: 1', secret, 'step 1', 'Private-Lines: many', 'step 2']
  t.strictSame(log.map(mask), ['Private-Lines: 1', '********', 'step 1', 'Private-Lines: many', 'step 2'])
  t.end()
})

t.test('masks the values of names that the user adds in lines that arrive one by one', (t) => {
  for (const block of ['geheim: |\n  §\n', 'geheim <<EOF\n§\nEOF', 'name,geheim\nann,§', 'geheim = [\n  "§"\n]']) {
    const secrets = new Secrets()
    secrets.useNames({ secret: ['geheim'], open: [] })
    const lines = block.replaceAll('§', secret).split('\n').map(secrets.foreignLineMask())
    t.notMatch(lines.join('\n'), secret, block)
  }
  t.end()
})

t.test('leaves messages and commands without secrets unchanged', (t) => {
  const lines = [
    ...['The password is incorrect', 'password is required', 'the token is invalid', 'the password is in /etc/x1.conf'],
    ...['password authentication failed for user: ann', 'token expired at: 2026-11-20', 'Token created in 12ms'],
    ...[
      'password is base64',
      'password hash is sha512',
      'the secret was: none',
      'run passwd user1 first',
      'password changed: 3 times',
    ],
    ...[
      'password for user1',
      'tokens: 4096',
      'pass: 547, fail: 3',
      'pass=3 fail=0',
      'passes: 12',
      'the secret key2 is new',
    ],
    ...['user = www-data', 'user: "1000:1000"', 'docker run --user 1000:1000 x', 'user = deploy', 'chown = ann:staff'],
    ...[
      'ssh -p 2222 h',
      'docker run -p 8080:80 nginx',
      'mkdir -p /srv/app1',
      'nginx -s reload',
      'echo done | tee log1',
    ],
    ...[
      'diff <(echo a1) <(echo b2)',
      'cat <<EOF\nvalue1\nEOF',
      'data:\n  a: value1\n',
      'location /token { proxy_pass http://a1; }',
    ],
    ...[
      'Public-Lines: 2\nAAAAC3NzaC1\nAAAAB3',
      'community support',
      'snmpget -v2c h 1.3.6',
      'user ann on the host web1',
    ],
    ...[
      'name,title\nann,a1b2c3d4',
      'import os, token',
      'name, password, and more\nann, b1b2b3, c',
      'cache_key=a1b2c3d4e5',
    ],
    ...[
      'primary_key: a1b2c3d4e5',
      'DEPLOY_KEY: none',
      'ssh_key: secrets/deploy-key',
      '"auth": "scramsha256"',
      'openssl --key a1.pem',
      'PUBLIC_KEY=a1b2c3d4e5',
      'hostKey: a1b2c3d4e5',
      'auth: sha256',
    ],
    ...[
      'user,group\nann,a1b2c3d4',
      'auth: required1',
      'Password:\nstep 1 is done',
      'PASS: 12 tests',
      'login: web1.example.com',
    ],
    ...['AUTH failed', 'auth sufficient pam_unix.so', ': PSK is used', 'mail.example.com ann@example.com', 'a * b *'],
    ...[
      'encrypt = yes',
      'bin/instance adduser',
      'the token is read from /run/token1',
      'password file: /etc/app1/password',
    ],
    ...[
      'use the password of web1.example.com',
      'secret https://example.com/a1b2',
      'net use x: /delete',
      'kinit ann@EXAMPLE.COM',
    ],
    ...[
      'token abc-def-1.2.3 expired',
      'Successfully installed keyring-25.1.0 secretstorage-3.3.3',
      'Private-Lines: many\nvalue1',
    ],
    ...[
      'password (8 to 72 characters): too short',
      'it uses api_key v1beta1 now',
      'set_password(password)',
      'x = password_hash(word, 1)',
      '<password type="text"/>',
      "secrets as { $env: 'NAME' }",
      'a password {words[2]} b',
      '#Match User\n# user ann\n#Match',
    ],
  ]
  for (const line of lines) t.equal(new Secrets().maskForeign(line), line)
  t.end()
})

t.test('masks lines of a megabyte: their time grows with their length', (t) => {
  const repeated = (part: string) => part.repeat(Math.ceil(1_000_000 / part.length))
  const parts = [
    ...[
      'password is ',
      'token a b c ',
      'secret 1 ',
      'echo a ',
      'kinit ',
      'plink -a ',
      'user a ',
      'user = a',
      '<tls-auth>\n',
    ],
    ...[
      'stringData:\n a: b',
      'data:\n  a:b\n',
      'Private-Lines: 2\n',
      'snmpget -A a ',
      'tokens { a = ',
      'password <<X\n',
      'a * b ',
    ],
    ...[
      'kubectl secret ',
      'set_password(',
      'fly secrets set ',
      'composer http-basic.a ',
      'supervisorctl -u ',
      'createUser a b ',
    ],
    ...[
      'a.b c@d:',
      'jdbc:oracle:a:',
      '-----BEGIN OpenVPN Static key V1-----\n',
      'name="password" ',
      'sqlplus a',
      '[a]:1 b:',
    ],
  ]
  for (const part of parts)
    t.equal(new Secrets().maskForeign(repeated(part)).split('\n').length, repeated(part).split('\n').length)
  t.end()
})

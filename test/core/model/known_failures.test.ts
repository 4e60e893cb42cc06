/** Tests every entry of the table of known failures, with the real output of the programs. */
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import type { ConvergeError } from '../../../core/model/errors.ts'
import { knownFailure, knownFailureNames } from '../../../core/model/known_failures.ts'

/** The outputs are shortened copies of real ones. */
const cases: Readonly<Record<string, readonly (readonly [output: string, reason: RegExp, hint: RegExp])[]>> = {
  'recipe against the pin of zc.buildout': [
    [
      "  Initializing section a.\n  Installing recipe zc.recipe.egg.\nError: The requirement ('zc.buildout>=6.0.0') is not allowed by your [versions] constraint (3.1.0)",
      /^zc\.recipe\.egg requires zc\.buildout>=6\.0\.0, and the \[versions\] of the release pin zc\.buildout 3\.1\.0$/,
      /deploy\.<app>\.buildout_version to "3\.1\.0", .*zc\.recipe\.egg = 2\.0\.7/,
    ],
  ],
  'pin of zc.buildout': [
    [
      "pkg_resources.VersionConflict: (zc.buildout 4.1.12 (/env/lib/python3.11/site-packages), Requirement.parse('zc.buildout==3.1.0'))",
      /pin zc\.buildout 3\.1\.0, and another version/,
      /deploy\.<app>\.buildout_version to "3\.1\.0"/,
    ],
    [
      "Error: There is a version conflict.\nWe already have: zc.buildout 2.5.1\nbut plone.recipe.zope2instance 6.12 requires 'zc.buildout==2.13.8'.",
      /pin zc\.buildout 2\.13\.8/,
      /buildout_version to "2\.13\.8"/,
    ],
  ],
  'pin of a package': [
    [
      "Error: The requirement ('setuptools>=77') is not allowed by your [versions] constraint (42.0.2)",
      /^setuptools>=77 is required, and the \[versions\] of the release pin 42\.0\.2$/,
      /change the pin/,
    ],
  ],
  pkg_resources: [
    [
      "    from pkg_resources import PkgResourcesDeprecationWarning\nModuleNotFoundError: No module named 'pkg_resources'",
      /setuptools 82/,
      /\["setuptools", "79\.0\.1"\] in deploy\.<app>\.packages/,
    ],
  ],
  'setuptools.package_index': [
    [
      "    import setuptools.package_index\nModuleNotFoundError: No module named 'setuptools.package_index'",
      /setuptools 80/,
      /79\.0\.1/,
    ],
  ],
  extends: [
    [
      'Error: Error downloading extends for URL http://dist.example.com/6/versions.cfg: <urlopen error [Errno -2] Name or service not known>',
      /^http:\/\/dist\.example\.com\/6\/versions\.cfg, which the buildout extends, cannot be fetched: .*not known/,
      /curl -fsSI http:\/\/dist\.example\.com\/6\/versions\.cfg/,
    ],
  ],
  'missing configuration': [
    [
      "FileNotFoundError: [Errno 2] No such file or directory: '/srv/www/zeoserver/releases/000001-4647d51c/cfg/base.cfg'",
      /^the repository has no cfg\/base\.cfg$/,
      /plone_zeoserver\.base_config/,
    ],
  ],
  'externally managed': [
    [
      'error: externally-managed-environment\n\n× This environment is externally managed',
      /Python of the distribution/,
      /python3 -m venv/,
    ],
  ],
  'unreachable package index': [
    [
      "WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7efc83308690>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/zc-buildout/\nERROR: Could not find a version that satisfies the requirement zc.buildout==6.0.1 (from versions: none)\nERROR: No matching distribution found for zc.buildout==6.0.1",
      /^the package index cannot be reached: a host name cannot be resolved$/,
      /resolv\.conf; a proxy, .* \/etc\/pip\.conf .* https_proxy in deploy\.<app>\.environment$/,
    ],
    [
      "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1029)'))': /simple/zc-buildout/\nERROR: Could not find a version that satisfies the requirement zc.buildout==6.0.1 (from versions: none)\nERROR: No matching distribution found for zc.buildout==6.0.1",
      /^the package index cannot be reached: this host does not know who issued the certificate/,
      /update-ca-certificates; a proxy/,
    ],
    [
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/x/\nERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)\nERROR: No matching distribution found for x==1",
      /^the package index cannot be reached: Connection refused$/,
      /^a proxy, certificate or index/,
    ],
    [
      "root: Download error on https://pypi.org/simple/zc.recipe.egg/: [Errno -3] Temporary failure in name resolution -- Some packages may not be found!\nroot: Couldn't find index page for 'zc.recipe.egg' (maybe misspelled?)\nGetting distribution for 'zc.recipe.egg>=2.0.6'.\nError: Couldn't find a distribution for 'zc.recipe.egg>=2.0.6'.",
      /^the package index cannot be reached: a host name cannot be resolved$/,
      /https_proxy in deploy/,
    ],
  ],
  'error of the package index': [
    [
      "root: Reading http://eggs.example.com/find/\nroot: HTTP error: Not Found\nroot: Reading http://eggs.example.com/simple/six/\nroot: HTTP error: Bad Gateway\nroot: Couldn't find index page for 'six' (maybe misspelled?)\nroot: Scanning index of all packages (this may take a while)\nroot: Reading http://eggs.example.com/simple/\nroot: HTTP error: Bad Gateway\nGetting distribution for 'six==1.17.0'.\nError: Couldn't find a distribution for 'six==1.17.0'.",
      /^the package index answered http:\/\/eggs.example.com\/simple\/six\/ with an error: Bad Gateway$/,
      /^a proxy, certificate or index/,
    ],
    [
      "Reading https://eggs.example.com/simple/six/\nHTTP error: Unauthorized\nCouldn't find index page for 'six' (maybe misspelled?)\nError: Couldn't find a distribution for 'six'.",
      /with an error: Unauthorized$/,
      /^the index refuses the login; a proxy/,
    ],
  ],
  'no matching version': [
    [
      // Only find-links have failed, and the index has answered.
      "root: Reading http://eggs.example.com/find/\nroot: HTTP error: Bad Gateway\nroot: Reading https://pypi.org/simple/six/\nGetting distribution for 'six==9'.\nError: Couldn't find a distribution for 'six==9'.",
      /no six==9 for this Python/,
      /compare/,
    ],
    [
      // One source of several is unreachable, and the index has answered.
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': [Errno 111] Connection refused')': /links/\nERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1, 2)\nERROR: No matching distribution found for x==9",
      /no x==9 for this Python/,
      /compare/,
    ],
    [
      "root: Reading https://pypi.org/simple/zc.nothing/\nroot: HTTP error: Not Found\nroot: Couldn't find index page for 'zc.nothing' (maybe misspelled?)\nroot: Scanning index of all packages (this may take a while)\nroot: Reading https://pypi.org/simple/",
      /no zc\.nothing for this Python/,
      /compare/,
    ],
    [
      'ERROR: No matching distribution found for zc.buildout==99.1',
      /no zc\.buildout==99\.1 for this Python/,
      /compare/,
    ],
    [
      "  Getting distribution for 'zc.buildout==3.0.1'.\nError: Couldn't find a distribution for 'zc.buildout==3.0.1'.",
      /no zc\.buildout==3\.0\.1 for this Python/,
      /compare/,
    ],
  ],
  'missing header': [
    ['src/a.c:1:10: fatal error: Python.h: No such file or directory', /header Python\.h/, /install python3-dev$/],
    ['fatal error: libxml/xmlversion.h: No such file or directory', /libxml/, /install libxml2-dev libxslt1-dev$/],
    ['Modules/common.h:15:10: fatal error: lber.h: No such file or directory', /lber\.h/, /libldap-dev/],
    ['fatal error: odd.h: No such file or directory', /odd\.h is missing/, /apt-file search odd\.h/],
  ],
  libxml2: [
    [
      'Error: Please make sure the libxml2 and libxslt development packages are installed.',
      /libxml2 and libxslt/,
      /libxml2-dev libxslt1-dev/,
    ],
  ],
  Pillow: [
    [
      'The headers or library files could not be found for jpeg,\na required dependency when compiling Pillow from source.',
      /library jpeg/,
      /libjpeg-dev/,
    ],
  ],
  pg_config: [['Error: pg_config executable not found.', /pg_config is missing/, /libpq-dev/]],
  mysql_config: [['Exception: Can not find valid pkg-config name.', /mysql_config/, /default-libmysqlclient-dev/]],
  compiler: [
    [
      "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
      /x86_64-linux-gnu-gcc/,
      /build-essential/,
    ],
    ["unable to execute 'gcc': No such file or directory", /the compiler gcc is missing/, /build-essential/],
  ],
  'npm lock file': [
    [
      'npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync.',
      /do not fit together/,
      /npm install/,
    ],
  ],
  'npm without lock file': [
    [
      'npm error The `npm ci` command can only install with an existing package-lock.json or\nnpm error npm-shrinkwrap.json',
      /no package-lock\.json/,
      /commit package-lock\.json/,
    ],
  ],
  'npm peers': [['npm error code ERESOLVE\nnpm error ERESOLVE could not resolve', /contradict/, /legacy-peer-deps/]],
  'dubious ownership': [
    [
      "fatal: detected dubious ownership in repository at '/srv/site.git'\nTo add an exception",
      /^\/srv\/site\.git belongs to another account/,
      /safe\.directory \/srv\/site\.git/,
    ],
  ],
  'user in use': [
    ['usermod: user deploy is currently used by process 4711', /account deploy .*process 4711/, /ps -u deploy/],
  ],
  'passwd lock': [
    ['useradd: cannot lock /etc/passwd; try again later.', /changing \/etc\/passwd/, /remove \/etc\/passwd\.lock/],
  ],
  'certificate is not valid yet': [
    ['SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid', /clock/, /timedatectl/],
  ],
  'certificate has expired': [
    ['curl: (60) SSL certificate problem: certificate has expired', /expired/, /timedatectl.*renew the certificate/],
  ],
  'unknown issuer': [
    ['certificate verify failed: unable to get local issuer certificate (_ssl.c:992)', /issued/, /ca-certificates/],
    ['fatal: server certificate verification failed. CAfile: none CRLfile: none', /issued/, /update-ca-certificates/],
  ],
  proxy: [
    ['OSError: Tunnel connection failed: 407 Proxy Authentication Required', /HTTP status 407/, /https_proxy/],
    [
      "fatal: unable to access 'https://git.example.com/x/': CONNECT tunnel failed, response 407",
      /HTTP status 407/,
      /https_proxy/,
    ],
    ['fatal: unable to access: Received HTTP code 403 from proxy after CONNECT', /HTTP status 403/, /no_proxy/],
  ],
  'name resolution': [
    [
      "fatal: unable to access 'https://git.example.com/': Could not resolve host: git.example.com",
      /git\.example\.com/,
      /getent hosts git\.example\.com/,
    ],
    [
      'npm error network request failed, reason: getaddrinfo EAI_AGAIN registry.example.com',
      /registry\.example\.com/,
      /resolv/,
    ],
    ['[Errno -3] Temporary failure in name resolution', /a host name cannot be resolved/, /getent hosts NAME/],
  ],
  quota: [['OSError: [Errno 122] Disk quota exceeded', /quota/, /raised/]],
  'full disk': [
    ['OSError: [Errno 28] No space left on device', /full/, /df -i/],
    ['npm error code ENOSPC', /full/, /df -h/],
  ],
  'read-only file system': [['mkdir: cannot create directory: Read-only file system', /read-only/, /dmesg/]],
  'open files': [
    ['OSError: [Errno 24] Too many open files', /limit/, /ulimit -n/],
    ['npm error EMFILE: too many open files', /limit/, /LimitNOFILE/],
  ],
  'busy program': [
    ['cp: cannot create regular file: /opt/tool: Text file busy', /^\/opt\/tool is running/, /fuser -v \/opt\/tool/],
  ],
  memory: [['FATAL ERROR: Reached heap limit - JavaScript heap out of memory', /memory/, /swap/]],
  locale: [['locale.Error: unsupported locale setting', /locale/, /C\.UTF-8/]],
  'address of nginx in use': [
    [
      'nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)',
      /worker of an nginx whose master process was killed, listens on 0\.0\.0\.0:80$/,
      /sport = :80'; end such workers with kill -QUIT PID/,
    ],
    ['bind() to unix:/run/x.sock failed (98: Address already in use)', /unix:\/run\/x\.sock$/, /^find it: ss -ltnp;/],
  ],
  'address in use': [
    ['OSError: [Errno 98] Address already in use', /listens on the same address/, /^find it: ss -ltnp; stop it/],
    ['Error: listen EADDRINUSE: address already in use :::3000', /3000/, /sport = :3000'/],
  ],
}

t.test('finds each known failure in its sample output', async (t) => {
  t.strictSame(Object.keys(cases).sort(), [...knownFailureNames].sort())
  for (const [name, outputs] of Object.entries(cases))
    for (const [output, reason, hint] of outputs) {
      const found = knownFailure({ output: `before\n${output}\nafter` })
      t.match(found?.reason, reason, name)
      t.match(found?.hint, hint, name)
      t.notMatch(`${found?.reason} ${found?.hint}`, /undefined|null/, name)
    }
})

t.test('returns null for unknown output', async (t) => {
  for (const output of [
    '',
    'Error: the data is odd',
    'No such file or directory: /srv/x',
    'pkg_resources is deprecated',
  ])
    t.equal(knownFailure({ output, status: 1 }), null, output)
})

t.test('explains a kill by the kernel', async (t) => {
  t.match(knownFailure({ output: '', signal: 'SIGKILL' }), { reason: /killed.*out of memory/ })
  t.match(knownFailure({ output: 'x', status: 137 }), { hint: /dmesg/ })
  t.equal(knownFailure({ output: '', signal: 'SIGTERM' }), null)
})

t.test('the failure of a command has the reason and the hint', async (t) => {
  const host = new LocalHost('/nowhere')
  const run = async (script: string): Promise<ConvergeError> => {
    try {
      await host.run(['sh', '-c', script])
    } catch (error) {
      return error as ConvergeError
    }
    throw new Error('it did not fail')
  }
  const known = await run('echo "usermod: user deploy is currently used by process 1" >&2; exit 8')
  t.match(known, { message: /exited with status 8: the account deploy cannot be changed/, hint: /ps -u deploy/ })
  t.match(await run('kill -KILL $$'), { message: /was ended by SIGKILL.*: it was killed/, hint: /memory/ })
  const other = await run('echo odd >&2; exit 3')
  t.match(other.message, /exited with status 3$/)
  t.equal(other.hint, undefined)
})

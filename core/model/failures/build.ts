/** Explains failures of what builds an app: buildout, pip, compilers, npm. */
import { systemFailures } from './system.ts'
import type { KnownFailure, Pattern } from './types.ts'

/** Packages of Debian that contain a header, by its name or by its directory. */
const headerPackages: readonly (readonly [header: RegExp, packages: string])[] = [
  [/^Python\.h$/, 'python3-dev'],
  [/^libxml\/|^libxslt\//, 'libxml2-dev libxslt1-dev'],
  [/^jpeglib\.h$/, 'libjpeg-dev'],
  [/^zlib\.h$/, 'zlib1g-dev'],
  [/^ffi\.h$/, 'libffi-dev'],
  [/^openssl\//, 'libssl-dev'],
  [/^libpq-fe\.h$/, 'libpq-dev'],
  [/^mysql\.h$/, 'default-libmysqlclient-dev'],
  [/^libmemcached\//, 'libmemcached-dev'],
  [/^lber\.h$|^ldap\.h$/, 'libldap-dev'],
  [/^sasl\//, 'libsasl2-dev'],
]

const installHint = 'list it in os_packages of the app, or install it'

function needsPackages(what: string, packages: string): KnownFailure {
  return { reason: `${what} is missing`, hint: `${installHint}: apt-get install ${packages}` }
}

/** For either of the two modules that zc.buildout imports. */
const oldSetuptools =
  'pin setuptools 79.0.1 in the environment: ["setuptools", "79.0.1"] in deploy.<app>.packages, or packages: { setuptools: "79.0.1" } of virtualenv()'

const indexSettings =
  'a proxy, certificate or index of your own belongs into /etc/pip.conf of the host, and a proxy for buildout into https_proxy in deploy.<app>.environment'

const commitLockFile = 'run npm install where the code is written, and commit package-lock.json'

/** More specific patterns come first. */
export const buildFailures: readonly Pattern[] = [
  {
    name: 'recipe against the pin of zc.buildout',
    pattern:
      /(?:Installing recipe (\S+?)\.\s+)?Error: The requirement \('(zc\.buildout[^']*)'\) is not allowed by your \[versions\] constraint \(([\w.]+)\)/,
    explain: (recipe, requirement, pin) => ({
      reason: `${recipe ?? 'a package'} requires ${requirement}, and the [versions] of the release pin zc.buildout ${pin}`,
      hint: `set deploy.<app>.buildout_version to "${pin}", and pin a version of ${recipe ?? 'that package'} that fits: deploy.<app>.buildout_additional_config "[versions]\\n${recipe === 'zc.recipe.egg' ? 'zc.recipe.egg = 2.0.7' : `${recipe ?? 'PACKAGE'} = VERSION`}"`,
    }),
  },
  {
    name: 'pin of zc.buildout',
    pattern:
      /VersionConflict: \(zc\.buildout .{0,1000}Requirement\.parse\('zc[.-]buildout==([\w.]+)'\)|but .{0,200} requires 'zc\.buildout==([\w.]+)'/,
    explain: (one, other) => ({
      reason: `the [versions] of the release pin zc.buildout ${one ?? other}, and another version runs the buildout`,
      hint: `set deploy.<app>.buildout_version to "${one ?? other}", or deploy_buildout.buildout_version for all apps`,
    }),
  },
  {
    name: 'pin of a package',
    pattern: /The requirement \('([^']+)'\) is not allowed by your \[versions\] constraint \(([^)]+)\)/,
    explain: (requirement, pin) => ({
      reason: `${requirement} is required, and the [versions] of the release pin ${pin}`,
      hint: 'change the pin in the [versions] of the repository, or the version of what requires it',
    }),
  },
  {
    name: 'pkg_resources',
    pattern: /No module named '?pkg_resources/,
    explain: () => ({
      reason: 'pkg_resources is missing: setuptools 82 and later do not have it',
      hint: `${oldSetuptools}; zc.buildout 6 does without it`,
    }),
  },
  {
    name: 'setuptools.package_index',
    pattern: /No module named '?setuptools\.package_index/,
    explain: () => ({
      reason: 'setuptools.package_index is missing: setuptools 80 and later do not have it',
      hint: oldSetuptools,
    }),
  },
  {
    name: 'extends',
    pattern: /Error downloading extends for URL (\S+): (.*)/,
    explain: (url, why) => ({
      reason: `${url}, which the buildout extends, cannot be fetched: ${why}`,
      hint: `check the address, and fetch it from this host: curl -fsSI ${url}; a copy in the repository needs no network`,
    }),
  },
  {
    name: 'missing configuration',
    pattern: /No such file or directory: '([^']{0,1000}\/releases\/[^/']{1,100}\/)?([^']{0,1000}\.cfg)'/,
    explain: (_release, file) => ({
      reason: `the repository has no ${file}`,
      hint: 'name the file of the repository that deploy.cfg extends: plone_instances.base_config, plone_zeoserver.base_config or plone_solr.base_config',
    }),
  },
  {
    name: 'externally managed',
    pattern: /externally-managed-environment/,
    explain: () => ({
      reason: 'pip installs nothing into the Python of the distribution',
      hint: 'make a virtualenv first, and call its own pip: python3 -m venv env && env/bin/pip install ...',
    }),
  },
  {
    // pip and buildout continue without the index, and then report that it lacks the package.
    name: 'unreachable package index',
    pattern:
      /(?:connection broken by '|Could not fetch URL |Download error on |Can't download |Not found or error downloading )(.{0,1000})[\s\S]{0,8192}?(?:\(from versions: none\)|Couldn't find a distribution)/,
    explain(trouble = '') {
      const known = systemFailures.find(({ pattern }) => pattern.test(trouble))
      const cause = known?.explain(...(known.pattern.exec(trouble) ?? []).slice(1))
      const errno = /\[Errno -?\d+\] ([\w ]+)|timed out/.exec(trouble)
      const reason = cause?.reason ?? errno?.[1] ?? errno?.[0]
      return {
        reason: `the package index cannot be reached${reason === undefined ? '' : `: ${reason}`}`,
        hint: `${cause === undefined ? '' : `${cause.hint}; `}${indexSettings}`,
      }
    },
  },
  {
    // setuptools continues after such an answer, and then reports that the index lacks the package.
    name: 'error of the package index',
    pattern:
      /Reading (\S{1,1000})\n(?:root: )?HTTP error: (?!Not Found)([^\n]{1,100})\n(?:root: )?Couldn't find index page for [\s\S]{0,8192}?Couldn't find a distribution/,
    explain: (address, answer = '') => ({
      reason: `the package index answered ${address} with an error: ${answer}`,
      hint: `${/^(Unauthorized|Forbidden)/.test(answer) ? 'the index refuses the login; ' : ''}${indexSettings}`,
    }),
  },
  {
    name: 'no matching version',
    // converge ends a buildout that begins to read the whole index of packages.
    pattern:
      /No matching distribution found for (\S+)|Couldn't find a distribution for '([^']+)'|HTTP error: Not Found\n(?:root: )?Couldn't find index page for '([^']+)'/,
    explain: (one, other, unknown) => ({
      reason: `the package index has no ${one ?? other ?? unknown} for this Python`,
      hint: 'compare name and version with the package index, and the Python that this version requires',
    }),
  },
  {
    name: 'missing header',
    pattern: /fatal error: (\S+\.h): No such file or directory/,
    explain(header) {
      const found = headerPackages.find(([name]) => name.test(header ?? ''))?.[1]
      if (found !== undefined) return needsPackages(`the header ${header}`, found)
      return { reason: `the header ${header} is missing`, hint: `find its package with: apt-file search ${header}` }
    },
  },
  {
    name: 'libxml2',
    pattern: /make sure the libxml2 and libxslt development packages are installed/,
    explain: () => needsPackages('the development files of libxml2 and libxslt', 'libxml2-dev libxslt1-dev'),
  },
  {
    name: 'Pillow',
    pattern: /headers or library files could not be found for (\w+)/,
    explain: (library) =>
      needsPackages(`the library ${library}`, library === 'zlib' ? 'zlib1g-dev' : `lib${library}-dev`),
  },
  {
    name: 'pg_config',
    pattern: /pg_config executable not found|pg_config is required to build/,
    explain: () => needsPackages('pg_config', 'libpq-dev'),
  },
  {
    name: 'mysql_config',
    pattern: /mysql_config: not found|Can not find valid pkg-config name/,
    explain: () => needsPackages('mysql_config', 'default-libmysqlclient-dev pkg-config'),
  },
  {
    name: 'compiler',
    pattern:
      /(?:unable to execute|command) '?(\S{0,1000}?(?:gcc|g\+\+|cc|clang))'?(?: failed)?: No such file or directory/,
    explain: (compiler) => needsPackages(`the compiler ${compiler}`, 'build-essential'),
  },
  {
    name: 'npm lock file',
    pattern: /npm (?:ERR!|error) .{0,200}can only install packages when your package\.json and package-lock\.json/,
    explain: () => ({
      reason: 'package.json and package-lock.json do not fit together',
      hint: commitLockFile,
    }),
  },
  {
    name: 'npm without lock file',
    pattern: /npm (?:ERR!|error) .{0,200}can only install with an existing package-lock\.json/,
    explain: () => ({ reason: 'the release has no package-lock.json', hint: commitLockFile }),
  },
  {
    name: 'npm peers',
    pattern: /npm (?:ERR!|error) (?:code )?ERESOLVE/,
    explain: () => ({
      reason: 'the dependencies of the package contradict each other',
      hint: 'settle the versions in package.json, or add --legacy-peer-deps to the npm command of the build',
    }),
  },
]

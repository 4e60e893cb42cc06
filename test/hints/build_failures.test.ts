/** Proves the hints for failures of build tools: real programs fail, and succeed after the hint was followed. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { knownFailure } from '../../core/model/known_failures.ts'
import { needs } from '../support/machine.ts'
import { proveShell, type ShellProof } from '../support/shell_proofs.ts'
import { wheelMaker } from '../support/wheels.ts'

const source = 'core/model/failures/build.ts'

const wheel = `cat >wheel.py <<'end'${wheelMaker}end
/usr/bin/python3 wheel.py hinted 1.0`

t.test('the hints about pip work', async (t) => {
  const pip = (python: string) => `${python} -m pip install --disable-pip-version-check --no-index --find-links .`
  proveShell(t, [
    {
      source,
      hint: 'make a virtualenv first, and call its own pip: python3 -m venv env && env/bin/pip install ...',
      needs: ['python3 venv'],
      given: `${wheel}; /usr/bin/python3 -m venv own`,
      // The distribution's pip may not be installed.
      fails: 'own/bin/python -m pip --python /usr/bin/python3 install --no-index --find-links . hinted',
      repair: '/usr/bin/python3 -m venv env',
      succeeds: `${pip('env/bin/python')} hinted`,
    },
    {
      source,
      hint: 'compare name and version with the package index, and the Python that this version requires',
      needs: ['python3 venv'],
      given: `${wheel}; /usr/bin/python3 -m venv env; wanted=hinted==2.0`,
      fails: `${pip('env/bin/python')} $wanted`,
      repair: 'wanted=hinted==1.0',
    },
  ])
})

t.test('the hints about the compiler work', async (t) => {
  /** Simulates the package: provides a header of the same name in a directory of the test. */
  const missingHeader = (header: string): Omit<ShellProof, 'source' | 'hint'> => ({
    needs: ['gcc'],
    given: `echo '#include <${header}>' >a.c; echo 'int main(void) { return 0; }' >>a.c; mkdir -p usr/include/$(dirname ${header})`,
    fails: 'gcc -nostdinc -isystem usr/include -c a.c',
    repair: `echo '/* */' >usr/include/${header}`,
  })
  proveShell(t, [
    { source, hint: 'find its package with: apt-file search odd/name.h', ...missingHeader('odd/name.h') },
    {
      source,
      hint: 'list it in os_packages of the app, or install it: apt-get install libpq-dev',
      ...missingHeader('libpq-fe.h'),
    },
  ])
})

/** Output of compilers and setup scripts if a package of the distribution is missing. */
const lacking = [
  ...['Python.h', 'libxml/tree.h', 'jpeglib.h', 'zlib.h', 'ffi.h', 'openssl/ssl.h', 'libpq-fe.h', 'mysql.h'],
  ...['libmemcached/memcached.h', 'lber.h', 'sasl/sasl.h'],
].map((header) => `fatal error: ${header}: No such file or directory`)
const lackingMore = [
  'Please make sure the libxml2 and libxslt development packages are installed.',
  'The headers or library files could not be found for jpeg',
  'The headers or library files could not be found for zlib',
  'Error: pg_config executable not found.',
  'Exception: Can not find valid pkg-config name.',
  "unable to execute 'gcc': No such file or directory",
]

t.test('the distribution has the packages that hints name', async (t) => {
  if (!needs(t, ['apt'])) return
  for (const output of [...lacking, ...lackingMore]) {
    const [, command = ''] = /: apt-get install (.+)$/.exec(knownFailure({ output })?.hint ?? '') ?? []
    t.not(command, '', output)
    const packages = command.split(' ')
    const { status, stderr } = spawnSync('apt-get', ['install', '--simulate', ...packages], { encoding: 'utf8' })
    t.equal(status, 0, command, { stderr })
  }
})

t.test('the hints about npm work', async (t) => {
  const npm = 'export npm_config_offline=true npm_config_update_notifier=false npm_config_cache=$PWD/cache'
  const manifest = (name: string, more = '') => `{"name": "${name}", "version": "1.0.0"${more}}`
  const packages = `${npm}; mkdir app a b
echo '${manifest('a')}' >a/package.json
echo '${manifest('b', ', "peerDependencies": {"a": "^2.0.0"}')}' >b/package.json
npm pack ./a ./b`
  proveShell(t, [
    {
      source,
      hint: 'run npm install where the code is written, and commit package-lock.json',
      given: `${packages}; cd app; echo '${manifest('app')}' >package.json; npm install
echo '${manifest('app', ', "dependencies": {"a": "file:../a-1.0.0.tgz"}')}' >package.json; cd ..`,
      fails: 'cd app; npm ci',
      repair: '(cd app; npm install)',
    },
    {
      source,
      hint: 'run npm install where the code is written, and commit package-lock.json',
      given: `${packages}; echo '${manifest('app', ', "dependencies": {"a": "file:../a-1.0.0.tgz"}')}' >app/package.json`,
      fails: 'cd app; npm ci',
      repair: '(cd app; npm install)',
    },
    {
      source,
      hint: 'settle the versions in package.json, or add --legacy-peer-deps to the npm command of the build',
      given: `${packages}
echo '${manifest('app', ', "dependencies": {"a": "file:../a-1.0.0.tgz", "b": "file:../b-1.0.0.tgz"}')}' >app/package.json`,
      fails: 'cd app; npm install $more',
      repair: 'more=--legacy-peer-deps',
    },
  ])
})

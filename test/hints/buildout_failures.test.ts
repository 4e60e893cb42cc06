/** Proves the hints for failures of zc.buildout: the real one fails, and succeeds after the hint was followed. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { needs, scratch } from '../support/machine.ts'
import { proveShell, type ShellProof } from '../support/shell_proofs.ts'
import { wheelMaker } from '../support/wheels.ts'

const source = 'core/model/failures/build.ts'

/** Makes a virtualenv with zc.buildout, and wheels of recipes in `links`. */
function environment(directory: string): void {
  const pip = 'env/bin/pip install --quiet --disable-pip-version-check'
  const result = spawnSync(
    'bash',
    [
      '-e',
      '-c',
      `cd "$0"
/usr/bin/python3 -m venv env
${pip} zc.buildout==3.1.0 setuptools==79.0.1
mkdir links; cd links
wheel() { ../env/bin/python -c "$1" "\${@:2}"; }
wheel "$1" hinted 1.0
wheel "$1" hinted 2.0 'zc.buildout>=6.0.0'
wheel "$1" needy 1.0 'hinted>=2.0'
wheel "$1" needy 2.0 'hinted>=1.0'`,
      directory,
      wheelMaker,
    ],
    { encoding: 'utf8' },
  )
  if (result.status !== 0) throw new Error(result.stderr)
}

t.test('the hints about zc.buildout work', async (t) => {
  if (!needs(t, ['python3 venv', 'pip registry', 'bash'])) return
  const shared = scratch(t)
  environment(shared)
  const pip = `${shared}/env/bin/pip install --quiet --disable-pip-version-check`
  const buildout = `${shared}/env/bin/buildout -c deploy.cfg`
  /** A proof with a buildout of one part, whose recipe and [versions] are in variables. */
  const part = (recipe: string, versions: string, right: string): Omit<ShellProof, 'source' | 'hint'> => ({
    given: `versions='${versions}'`,
    fails: `echo "[buildout]
parts = part
index = file://${shared}/links
find-links = ${shared}/links
[versions]
$versions
[part]
recipe = ${recipe}" >deploy.cfg; ${buildout}`,
    repair: `versions='${right}'`,
  })
  proveShell(t, [
    {
      source,
      hint: 'set deploy.<app>.buildout_version to "3.1.0", and pin a version of hinted that fits: deploy.<app>.buildout_additional_config "[versions]\\nhinted = VERSION"',
      ...part('hinted', 'zc.buildout = 3.1.0', 'zc.buildout = 3.1.0\nhinted = 1.0'),
    },
    {
      source,
      hint: 'change the pin in the [versions] of the repository, or the version of what requires it',
      ...part(
        'needy',
        'zc.buildout = 3.1.0\nhinted = 1.0\nneedy = 1.0',
        'zc.buildout = 3.1.0\nhinted = 1.0\nneedy = 2.0',
      ),
    },
    {
      source,
      hint: 'compare name and version with the package index, and the Python that this version requires',
      ...part('hinted', 'zc.buildout = 3.1.0\nhinted = 9.0', 'zc.buildout = 3.1.0\nhinted = 1.0'),
    },
    {
      source,
      hint: 'name the file of the repository that deploy.cfg extends: plone_instances.base_config, plone_zeoserver.base_config or plone_solr.base_config',
      given: 'mkdir -p releases/1; touch releases/1/buildout.cfg; base=base.cfg',
      fails: `printf '[buildout]\\nextends = %s\\nparts =\\n' $base >releases/1/deploy.cfg; ${shared}/env/bin/buildout -c releases/1/deploy.cfg`,
      repair: 'base=buildout.cfg',
    },
    {
      source,
      hint: 'check the address, and fetch it from this host: curl -fsSI http://127.0.0.1:9/versions.cfg; a copy in the repository needs no network',
      given: 'base=http://127.0.0.1:9/versions.cfg',
      fails: `printf '[buildout]\\nextends = %s\\nparts =\\n' $base >deploy.cfg; ${buildout}`,
      repair: 'echo "[versions]" >versions.cfg; base=versions.cfg',
    },
    {
      source,
      hint: 'pin setuptools 79.0.1 in the environment: ["setuptools", "79.0.1"] in deploy.<app>.packages, or packages: { setuptools: "79.0.1" } of virtualenv(); zc.buildout 6 does without it',
      given: `${pip} setuptools==82.0.1; printf '[buildout]\\nparts =\\n' >deploy.cfg`,
      fails: buildout,
      repair: `${pip} setuptools==79.0.1`,
    },
    {
      source,
      hint: 'pin setuptools 79.0.1 in the environment: ["setuptools", "79.0.1"] in deploy.<app>.packages, or packages: { setuptools: "79.0.1" } of virtualenv()',
      given: `${pip} setuptools==80.9.0; printf '[buildout]\\nparts =\\n' >deploy.cfg`,
      fails: buildout,
      repair: `${pip} setuptools==79.0.1`,
    },
    {
      source,
      hint: 'set deploy.<app>.buildout_version to "3.0.1", or deploy_buildout.buildout_version for all apps',
      fails: `${shared}/env/bin/python -c "import pkg_resources; pkg_resources.require('zc.buildout==3.0.1')"`,
      repair: `${pip} zc.buildout==3.0.1`,
    },
    {
      source,
      hint: 'pin setuptools 79.0.1 in the environment: ["setuptools", "79.0.1"] in deploy.<app>.packages, or packages: { setuptools: "79.0.1" } of virtualenv(); zc.buildout 6 does without it',
      given: `${pip} setuptools==82.0.1; printf '[buildout]\\nparts =\\n' >deploy.cfg`,
      fails: buildout,
      repair: `${pip} zc.buildout==6.0.1`,
    },
  ])
})

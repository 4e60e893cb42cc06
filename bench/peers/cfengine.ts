/** Prepares cf-agent without its lock intervals: one files promise for each resource, contents by mustache. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { templateText } from '../state.ts'
import { type Peer, put, versionOf } from './types.ts'

const bodies = `
body perms mode_only(mode)
{
  mode => "$(mode)";
  rxdirs => "false";
}
body link_from to(target)
{
  link_type => "symlink";
  source => "$(target)";
  when_no_source => "force";
}
`

export const cfengine: Peer = {
  name: 'cfengine3',
  package: 'cfengine3',
  version: () => versionOf('cf-agent', '--version'),
  largest: Number.POSITIVE_INFINITY,
  prepare(scratch, { root, directories, files, links }) {
    put(
      `${scratch}/file.mustache`,
      templateText((name) => `{{&${name}}}`),
    )
    const edited = `edit_template => "${scratch}/file.mustache", template_method => "mustache"`
    const policy = [
      'bundle agent main\n{\nfiles:',
      `"${root}/." create => "true", perms => mode_only("0755");`,
      ...directories.map((path) => `"${path}/." create => "true", perms => mode_only("0750");`),
      ...files.map(
        ({ path, ...data }) =>
          `"${path}" create => "true", perms => mode_only("0640"), ${edited}, template_data => parsejson('${JSON.stringify(data)}');`,
      ),
      ...links.map(({ path, target }) => `"${path}" link_from => to("${target}"), move_obstructions => "true";`),
      `}\n${bodies}`,
    ]
    put(`${scratch}/policy.cf`, policy.join('\n'))
    // -K: check every promise, also those kept a minute ago. -I: report changes, as converge does.
    const environment = { CFENGINE_TEST_OVERRIDE_WORKDIR: workDirectory(scratch) }
    return { argv: ['cf-agent', '-K', '-I', '-f', `${scratch}/policy.cf`], environment }
  },
}

/** Returns a directory for its keys and databases, so that those of the system stay unchanged. */
function workDirectory(scratch: string): string {
  const path = `${scratch}/work`
  if (existsSync(path)) return path
  for (const directory of [path, `${path}/inputs`, `${path}/ppkeys`, `${path}/state`]) {
    mkdirSync(directory)
    chmodSync(directory, 0o700)
  }
  symlinkSync('/usr/bin', `${path}/bin`)
  spawnSync('cf-key', [], { env: { ...process.env, CFENGINE_TEST_OVERRIDE_WORKDIR: path } })
  return path
}

/** Prepares `puppet apply`: one file resource for each resource, contents by epp(). */
import { templateText } from '../state.ts'
import { type Peer, put, versionOf } from './types.ts'

export const puppet: Peer = {
  name: 'puppet',
  package: 'puppet-agent',
  version: () => versionOf('puppet', '--version'),
  largest: 1000,
  prepare(scratch, { root, directories, files, links }) {
    const header = '<%- | String $svc, Integer $port, Integer $workers | -%>\n'
    put(`${scratch}/file.epp`, header + templateText((name) => `<%= $${name} %>`))
    const values = (file: (typeof files)[number]) =>
      `{ 'svc' => '${file.svc}', 'port' => ${file.port}, 'workers' => ${file.workers} }`
    const manifest = [
      `file { '${root}': ensure => directory, mode => '0755' }`,
      ...directories.map((path) => `file { '${path}': ensure => directory, mode => '0750' }`),
      ...files.map(
        (file) =>
          `file { '${file.path}': ensure => file, mode => '0640', content => epp('${scratch}/file.epp', ${values(file)}) }`,
      ),
      ...links.map(({ path, target }) => `file { '${path}': ensure => link, target => '${target}' }`),
    ]
    put(`${scratch}/site.pp`, `${manifest.join('\n')}\n`)
    return {
      argv: ['puppet', 'apply', '--confdir', `${scratch}/conf`, '--vardir', `${scratch}/var`, `${scratch}/site.pp`],
    }
  },
}

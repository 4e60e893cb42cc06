/** Prepares ansible-core on the local connection: one play, with a loop for each kind of resource. */
import { templateText } from '../state.ts'
import { type Peer, put, versionOf } from './types.ts'

export const ansible: Peer = {
  name: 'ansible-core',
  package: 'ansible-core',
  version: () => versionOf('ansible-playbook', '--version'),
  largest: 100,
  prepare(scratch, { root, directories, files, links }) {
    put(
      `${scratch}/file.j2`,
      templateText((name) => `{{ item.${name} }}`),
    )
    put(`${scratch}/hosts`, 'localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n')
    put(`${scratch}/ansible.cfg`, `[defaults]\ninventory = ${scratch}/hosts\nretry_files_enabled = False\n`)
    put(`${scratch}/state.json`, JSON.stringify({ directories, files, links }))
    const file = 'ansible.builtin.file'
    const play = {
      hosts: 'all',
      gather_facts: false,
      vars_files: [`${scratch}/state.json`],
      tasks: [
        { name: 'root', [file]: { path: root, state: 'directory', mode: '0755' } },
        {
          name: 'directories',
          [file]: { path: '{{ item }}', state: 'directory', mode: '0750' },
          loop: '{{ directories }}',
        },
        {
          name: 'files',
          'ansible.builtin.template': { src: `${scratch}/file.j2`, dest: '{{ item.path }}', mode: '0640' },
          loop: '{{ files }}',
          loop_control: { label: '{{ item.path }}' },
        },
        {
          name: 'links',
          [file]: { path: '{{ item.path }}', src: '{{ item.target }}', state: 'link' },
          loop: '{{ links }}',
          loop_control: { label: '{{ item.path }}' },
        },
      ],
    }
    // JSON is valid YAML.
    put(`${scratch}/play.yml`, JSON.stringify([play]))
    return {
      argv: ['ansible-playbook', `${scratch}/play.yml`],
      environment: { ANSIBLE_CONFIG: `${scratch}/ansible.cfg` },
    }
  },
}

/** Prepares Capistrano for deploys over ssh to this host. */
import type { Command } from './measure.ts'
import { put } from './peers/types.ts'
import type { Sshd } from './sshd.ts'

export interface Deployment {
  readonly repository: string
  readonly target: string
}

export function capistrano(directory: string, { repository, target }: Deployment, sshd: Sshd): Command {
  const user = process.getuid?.() === 0 ? 'root' : (process.env.USER ?? '')
  const lines: Record<string, readonly string[]> = {
    Capfile: [
      'require "capistrano/setup"',
      'require "capistrano/deploy"',
      'require "capistrano/scm/git"',
      'install_plugin Capistrano::SCM::Git',
    ],
    'config/deploy.rb': [
      'set :application, "bench"',
      `set :repo_url, "${repository}"`,
      'set :branch, "main"',
      `set :deploy_to, "${target}"`,
      'set :keep_releases, 5',
      'set :format_options, log_file: nil',
    ],
    'config/deploy/bench.rb': [
      `server "127.0.0.1", user: "${user}", port: ${sshd.port}, roles: %w[app]`,
      `set :ssh_options, keys: ["${sshd.key}"], keys_only: true, user_known_hosts_file: "${sshd.knownHosts}",`,
      '  forward_agent: false, auth_methods: %w[publickey]',
    ],
  }
  for (const [name, text] of Object.entries(lines)) put(`${directory}/${name}`, `${text.join('\n')}\n`)
  return { argv: ['cap', 'bench', 'deploy'], cwd: directory }
}

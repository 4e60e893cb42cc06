/** Proves the hints about deploys from git: triggers each by a real deploy from a real repository, then follows it. */
import * as fs from 'node:fs'
import t from 'tap'
import { proveDeploys as prove } from '../support/deploy_proofs.ts'
import type { GitSite } from '../support/git_site.ts'

t.test('the hints about revisions work', async (t) => {
  const source = 'resources/git/resolve_revision.ts'
  prove(t, [
    {
      source,
      hint: 'push a commit first',
      given: (site) => site.init(`${site.root}/empty`),
      broken: (site) => ({ repository: `${site.root}/empty` }),
      repair: (site) => site.commit({ 'a.txt': '1' }, 'first', `${site.root}/empty`),
    },
    {
      source,
      hint: 'name one: main',
      given: (site) => site.git(site.repository, 'symbolic-ref', 'HEAD', 'refs/heads/gone'),
      broken: { revision: 'HEAD' },
      repaired: { revision: 'main' },
    },
    { source, hint: 'it has: main', broken: { revision: 'qqqqqq' }, repaired: { revision: 'main' } },
    {
      source: 'resources/git/mirror.ts',
      hint: 'push the commit to this repository; give a branch or a tag by its whole name',
      broken: { revision: 'abcdef0123' },
      repaired: (site) => ({ revision: site.git(site.repository, 'rev-parse', 'HEAD').slice(0, 10) }),
    },
  ])
})

t.test('the hints about files on the host work', async (t) => {
  prove(t, [
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv … ….old',
      given(site) {
        fs.mkdirSync(`${site.shared}/repo.git`)
        fs.writeFileSync(`${site.shared}/repo.git/notes.txt`, 'of somebody else')
      },
      repair: (site) => fs.renameSync(`${site.shared}/repo.git`, `${site.shared}/repo.git.old`),
    },
    {
      source: 'resources/git/source.ts',
      hint: 'run a deploy first',
      broken: { pin: 'current' },
      repair: (site) => site.deploy(),
    },
    {
      source: 'resources/git/source.ts',
      hint: 'deploy to a directory outside',
      broken: (site) => ({ scmType: 'directory', repository: site.root }),
      repaired: (site) => ({ scmType: 'directory', repository: site.repository }),
    },
    {
      source: 'resources/git/source.ts',
      hint: 'declare it with directory() before the release',
      given: (site) => fs.rmdirSync(site.into),
      repair: (site) => fs.mkdirSync(site.into),
    },
    {
      source: 'resources/git/directory_source.ts',
      hint: 'give a directory of this host as repository, or leave out scmType',
      broken: (site) => ({ scmType: 'directory', repository: `${site.root}/none` }),
      repaired: (site) => ({ scmType: 'directory', repository: site.repository }),
    },
    {
      source: 'resources/git/build_release.ts',
      hint: 'run a deploy: it may ask the remote',
      given: async (site) => {
        await site.deploy()
        fs.rmSync(`${site.shared}/repo.git`, { recursive: true })
      },
      broken: { pin: 'current', inputs: { config: 'new' } },
      repaired: { inputs: { config: 'new' } },
    },
    {
      source: 'resources/git/build_release.ts',
      hint: 'run a deploy: it copies the current files',
      given: async (site) => {
        await site.deploy({ scmType: 'directory' })
        fs.writeFileSync(`${site.repository}/a.txt`, '2')
      },
      broken: { scmType: 'directory', pin: 'current', inputs: { config: 'new' } },
      repaired: { scmType: 'directory', inputs: { config: 'new' } },
    },
  ])
})

t.test('the hints about files in the repository work', async (t) => {
  const log = { log: 'log' }
  prove(t, [
    {
      source: 'resources/git/build_release.ts',
      hint: 'if it is not needed, list it in purge_before_symlink of the app: ["log"] (purge of git_release)',
      given: (site) => site.commit({ 'log/a': 'x' }),
      broken: { links: log },
      repaired: { links: log, purge: ['log'] },
    },
    {
      source: 'resources/git/contained_paths.ts',
      hint: 'list it in purge_before_symlink of the app (purge of git_release) if it is not needed, or choose another place for the link',
      given: (site) => site.commit({ var: 'x' }),
      broken: { links: { log: 'var/log' } },
      repaired: { links: { log: 'var/log' }, purge: ['var'] },
    },
    {
      source: 'resources/git/build_release.ts',
      hint: 'rename it in the repository: records of the release have that name',
      given: (site) => site.commit({ '.converge/a': 'x' }),
      repair: (site) => {
        site.git(site.repository, 'mv', '.converge', 'converge-notes')
        site.commit({})
      },
    },
  ])
})

t.test('the hints about submodules work', async (t) => {
  const source = 'resources/git/checkout.ts'
  const withSubmodule = (site: GitSite) => {
    site.init(`${site.root}/lib`)
    site.commit({ 'i.txt': '1' }, 'i', `${site.root}/lib`)
    site.git(site.repository, 'submodule', 'add', '-q', '../lib', 'lib')
    site.commit({})
  }
  prove(t, [
    {
      source,
      hint: 'push that commit of the submodule, or commit another one in the main repository',
      given: (site) => {
        withSubmodule(site)
        site.git(`${site.repository}/lib`, 'commit', '-q', '--allow-empty', '-m', 'local')
        site.commit({})
      },
      repair: (site) => site.git(`${site.repository}/lib`, 'push', '-q', 'origin', 'HEAD:refs/heads/next'),
    },
    {
      source,
      hint: 'run a deploy: it may ask the remote',
      given: async (site) => {
        withSubmodule(site)
        await site.deploy()
        fs.rmSync(`${site.shared}/repo.git/modules`, { recursive: true })
      },
      broken: { pin: 'current', inputs: { config: 'new' } },
      repaired: { inputs: { config: 'new' } },
    },
  ])
})

/**
 * Installs an ssh that trusts only the server in `knownHosts` and logs in only with a key; it runs the command locally.
 */
function withSsh(site: GitSite, script: string): void {
  const parse = 'key= hosts=; for word; do case $word in -i) key=yes;; UserKnownHostsFile=*) hosts=yes;; esac; done'
  fs.writeFileSync(
    `${site.root}/bin/ssh`,
    `#!/bin/sh\n${parse}\n${script}\nfor last; do :; done\nexec sh -c "$last"\n`,
    {
      mode: 0o755,
    },
  )
}

t.test('the hints about remotes over ssh work', async (t) => {
  const source = 'resources/git/remote.ts'
  const repository = (site: GitSite) => ({ repository: `git@git.example.com:${site.repository}` })
  const fails = (when: string, text: string) => (site: GitSite) =>
    withSsh(site, `if ${when}; then echo '${text}' >&2; exit 255; fi`)
  const works = (site: GitSite) => withSsh(site, '')
  prove(t, [
    {
      source,
      hint: 'the network: check name, port and route from this host, then run again; nothing was changed',
      given: fails('true', 'ssh: Could not resolve hostname git.example.com: Name or service not known'),
      broken: repository,
      repair: works,
    },
    {
      source,
      hint: 'the key: give the private key (sshKey) whose public half the server knows, with read access to this repository',
      given: fails('[ -z "$key" ]', 'git@git.example.com: Permission denied (publickey).'),
      broken: repository,
      repaired: (site) => ({ ...repository(site), sshKey: 'KEY' }),
    },
    {
      source,
      hint: 'the key: its text is damaged; it must be the whole private key, with its first and last line, without passphrase',
      given: (site) =>
        withSsh(
          site,
          'if ! grep -q END /proc/$PPID/fd/9 2>/dev/null; then echo "Load key "x": error in libcrypto" >&2; exit 255; fi',
        ),
      broken: (site) => ({ ...repository(site), sshKey: 'BEGIN' }),
      repaired: (site) => ({ ...repository(site), sshKey: 'BEGIN KEY END' }),
    },
    {
      source,
      hint: "known hosts: the server's host key is not known here; put it into knownHosts, or into ~/.ssh/known_hosts of the account that runs git (ssh-keyscan HOST shows it: compare it with what the server's owner publishes)",
      given: fails('[ -z "$hosts" ]', 'Host key verification failed.'),
      broken: repository,
      repaired: (site) => ({ ...repository(site), knownHosts: 'git.example.com ssh-ed25519 AAAA' }),
    },
    {
      source,
      hint: "known hosts: the server's host key is not the one known here: either it was changed, or another server intercepts the connection; ask the server's owner before replacing it in knownHosts",
      given: fails('[ -z "$hosts" ]', '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @'),
      broken: repository,
      repaired: (site) => ({ ...repository(site), knownHosts: 'git.example.com ssh-ed25519 BBBB' }),
    },
  ])
})

t.test('the hints about git itself work', async (t) => {
  prove(t, [
    {
      source: 'resources/git/remote.ts',
      hint: 'apt-get install git',
      given: (site) => {
        fs.renameSync(`${site.root}/bin`, `${site.root}/none`)
        process.env.PATH = `${site.root}/bin`
      },
      repair: (site) => {
        fs.renameSync(`${site.root}/none`, `${site.root}/bin`)
        process.env.PATH = `${site.root}/bin:/usr/bin:/bin`
      },
    },
  ])
})

/** Installs a git with its own system configuration, which fails to run git-lfs while `no-lfs` exists. */
function withSystemConfig(site: GitSite): void {
  const program = `${site.root}/bin/git`
  const missing = `case " $* " in *" lfs version "*) if [ -e ${site.root}/no-lfs ]; then echo "git: 'lfs' is not a git command." >&2; exit 1; fi;; esac`
  const script = `#!/bin/sh\nexport GIT_CONFIG_NOSYSTEM= GIT_CONFIG_SYSTEM=${site.root}/gitconfig\n${missing}\n`
  fs.writeFileSync(program, site.read(program).replace('#!/bin/sh\n', script))
  fs.writeFileSync(`${site.root}/gitconfig`, '')
}

t.test('the hints about filters work', async (t) => {
  const source = 'resources/git/filters.ts'
  const filtered = (name: string) => (site: GitSite) => {
    withSystemConfig(site)
    site.commit({ '.gitattributes': `*.bin filter=${name}\n`, 'a.bin': 'x' })
  }
  const setSmudge = (command: string) => (site: GitSite) => {
    fs.writeFileSync(`${site.root}/gitconfig`, `[filter "crypt"]\n\tsmudge = ${command}\n`)
  }
  prove(t, [
    {
      source,
      hint: 'install its program and run: git config --system filter.crypt.smudge COMMAND; "cat" as the command deploys these files as they are in the repository',
      given: filtered('crypt'),
      repair: setSmudge('cat'),
    },
    {
      source,
      hint: 'check that the program of filter.crypt is installed (git config --system --get-regexp filter)',
      given: (site) => {
        filtered('crypt')(site)
        setSmudge('no-such-program')(site)
      },
      repair: setSmudge('cat'),
    },
    {
      source,
      hint: 'install it: apt-get install git-lfs, or list git-lfs in os_packages of the app',
      given: (site) => {
        filtered('lfs')(site)
        fs.writeFileSync(`${site.root}/no-lfs`, '')
      },
      repair: (site) => fs.rmSync(`${site.root}/no-lfs`),
    },
  ])
})

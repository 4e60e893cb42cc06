/** Deploys without a build: checks out a release, marks it complete, switches to it, and removes old ones. */
import { directory, git_release, release_cleanup, release_complete, role, symlink } from 'converge-engine'

interface BenchNode {
  readonly bench: { readonly target: string; readonly repository: string }
}

export default role<BenchNode>('bench-deploy', {
  deploy(r, node) {
    const { target, repository } = node.bench
    const [into, shared, current] = [`${target}/releases`, `${target}/shared`, `${target}/current`]
    for (const path of [target, into, shared]) directory(r, { path })
    const release = git_release(r, { into, shared, current, repository, revision: 'main' })
    release_complete(r, { release: release.path })
    symlink(r, { path: current, target: release.path })
    release_cleanup(r, { into, current, keep: 5 })
  },
})

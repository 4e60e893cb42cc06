/** Proves hints about deploys from git by real deploys from real repositories. */
import type { Test } from 'tap'
import type { LocalHost } from '../../core/host/local.ts'
import { type GitReleaseProps, GitSite } from './git_site.ts'
import { hintPattern, type Proof } from './proofs.ts'

type Props = Partial<GitReleaseProps>

export interface DeployProof extends Proof {
  readonly given?: (site: GitSite) => unknown
  readonly broken?: Props | ((site: GitSite) => Props)
  /** Follows the hint, in the repository or on the host. */
  readonly repair?: (site: GitSite) => unknown
  readonly repaired?: Props | ((site: GitSite) => Props)
  /** The host that the deploys run on; default: the real one. */
  readonly local?: (site: GitSite, isRepaired: boolean) => LocalHost
}

/** Tests each proof: the broken deploy fails with the hint, and the repaired one succeeds. */
export function proveDeploys(t: Test, proofs: readonly DeployProof[]): void {
  for (const proof of proofs)
    t.test(`${proof.source}: ${proof.hint}`, async (t) => {
      const site = new GitSite(t)
      site.commit({ 'a.txt': '1' })
      await proof.given?.(site)
      const failureOf = async (given: DeployProof['broken'], isRepaired = false) => {
        const options = proof.local === undefined ? {} : { local: proof.local(site, isRepaired) }
        const { report } = await site.deploy(typeof given === 'function' ? given(site) : given, options)
        return report.resources.find(({ outcome }) => outcome === 'failed')?.failure
      }
      const before = await failureOf(proof.broken)
      t.match(before?.hint, hintPattern(proof.hint), 'the hint is given', { before })
      await proof.repair?.(site)
      t.equal(await failureOf(proof.repaired ?? proof.broken, true), undefined, 'the deploy succeeds')
    })
}

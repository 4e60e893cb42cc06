/** Tests release_trial: a release that failed its smoke test is not tried again. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { markFailed } from '../../../resources/releases/failure_mark.ts'
import { release_trial } from '../../../resources/releases/release_trial.ts'
import { trialDigest } from '../../../resources/releases/smoke_test.ts'
import { contract } from '../../support/contract.ts'

const release = '/srv/site/releases/000002-1a2b3c4d'
const props = { app: 'site', release, current: '/srv/site/current', commands: ['bin/smoke'] }
const digest = (commands: string[], deadline = 60) =>
  trialDigest({ commands, requests: [], deadline: seconds(deadline) })

const marked = (test: string) => (host: VirtualHost) => {
  host.given(`${release}/.converge/release.json`, '{}')
  markFailed(host, release, { test, reason: 'it answered with HTTP status 500' }, {})
  return host
}
const mark = `${release}/.converge/smoke-test-failed.json`

contract(t, release_trial, [
  { name: 'accepts a release that was never tried', props, changes: [] },
  {
    name: 'fails if the release failed this test',
    props,
    given: marked(digest(['bin/smoke'])),
    fails: /000002-1a2b3c4d failed .* status 500 .*--retry-failed/,
  },
  {
    name: 'accepts a release that failed another test',
    props,
    given: marked(digest(['bin/smoke --quick'])),
    changes: [],
  },
  {
    name: 'accepts a release that failed with less time',
    props,
    given: marked(digest(['bin/smoke'], 30)),
    changes: [],
  },
  {
    name: 'accepts the current release',
    props,
    given: (host) => marked(digest(['bin/smoke']))(host).given('/srv/site/current', { link: release }),
    changes: [],
  },
  {
    name: 'accepts a release whose record a crash has damaged',
    props,
    given: (host) => host.given(mark, '{"test": '),
    changes: [],
  },
])

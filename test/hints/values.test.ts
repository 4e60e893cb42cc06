/** Proves the hints about values of attributes: triggers each by the code that reads the value, then follows it. */
import t from 'tap'
import { hostAddress } from '../../recipes/site/hosts.ts'
import { proveCalls } from '../support/proofs.ts'

t.test('the hints about addresses work', async (t) => {
  proveCalls(t, [
    {
      source: 'recipes/site/hosts.ts',
      hint: 'give it a private_dns_name or a private_ip where the JSON describes it',
      broken: () => hostAddress({} as never, 'web1'),
      repaired: () => hostAddress({ private_ip: '10.0.0.1' } as never, 'web1'),
    },
  ])
})

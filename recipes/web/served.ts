/** Checks for `status` whether nginx serves the site of an app to visitors. */
import type { ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { askPastCaches, cachedProblem } from '../../core/model/cached_answer.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { testHeader, testHeaderValue } from '../../core/model/test_request.ts'
import { seconds } from '../../core/model/units.ts'
import { hostHeader, withoutHost } from '../app/health_request.ts'
import { domainsOf, enabledPath, type Site } from './site.ts'

/** The statuses of another site, no site, or an app that nginx cannot reach. Others may be intended, e.g. 401. */
const notServed: readonly number[] = [404, 502, 503, 504]
const limit = seconds(10)

interface Health {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly status: { readonly min: number; readonly max: number }
}

/** Returns the service, as not ready if it is up but nginx does not serve the page that the app itself answers. */
export async function viewServed(
  host: HostReader,
  view: ServiceView,
  site: Site,
  health: Health,
): Promise<ServiceView> {
  if (!view.up || host.stat(site.nginx.config) === null) return view
  const { problem, cached } = await testSite(host, site, health)
  // Visitors get a cached page, which does not show whether nginx reaches the app.
  if (cached !== null) return { ...view, detail: `${view.detail}; nginx: ${cachedProblem(cached)}` }
  if (problem === null) return view
  return { ...view, up: false, readiness: 'not ready', detail: `nginx does not show it: ${problem}` }
}

interface SiteTest {
  readonly problem: string | null
  /** Header that shows that the page came from a cache. */
  readonly cached: string | null
}

async function testSite(
  host: HostReader,
  site: Site,
  { path, headers: given, status: { min, max } }: Health,
): Promise<SiteTest> {
  const not = (problem: string | null): SiteTest => ({ problem, cached: null })
  // Another site may answer for every name.
  if (host.stat(enabledPath(site)) === null) return not('its site is not enabled')
  const port = site.settings.http_port
  // nginx must find the site by its own name. The test header bypasses the maintenance page.
  const names = hostHeader({ host: null, headers: withoutHost(given) }, domainsOf(site))
  const headers = { ...names, [testHeader]: testHeaderValue }
  try {
    const { answer, cached } = await askPastCaches(path, (one) =>
      host.request({ port, path: one, headers, timeout: limit }),
    )
    const { status } = answer
    const isExpected = status >= min && status <= max
    const isWrong = notServed.includes(status) && !isExpected
    return isWrong ? not(`HTTP status ${status} at port ${port}`) : { problem: null, cached }
  } catch (error) {
    return not(asConvergeError(error).message)
  }
}

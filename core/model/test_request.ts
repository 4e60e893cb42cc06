/** How a test by HTTP and a web server that is closed for maintenance tell each other apart. */
import type { Response } from '../host/types.ts'

/** A request with it, from the host itself, reaches the app while visitors get the maintenance page. */
export const testHeader = 'X-Converge-Test'
export const testHeaderValue = 'smoke-test'

/** A header of the maintenance page. */
export const maintenanceHeader = 'X-Converge-Maintenance'

export function isMaintenancePage({ status, headers }: Pick<Response, 'status' | 'headers'>): boolean {
  return status === 503 && headers[maintenanceHeader.toLowerCase()] !== undefined
}

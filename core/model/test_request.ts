/** Marks HTTP tests of a release, so that a web server under maintenance lets them pass. */
import type { Response } from '../host/types.ts'

/** Header of requests from the host itself that reach the app while visitors get the maintenance page. */
export const testHeader = 'X-Converge-Test'
export const testHeaderValue = 'smoke-test'

/** A header of the maintenance page. */
export const maintenanceHeader = 'X-Converge-Maintenance'

export function isMaintenancePage({ status, headers }: Pick<Response, 'status' | 'headers'>): boolean {
  return status === 503 && headers[maintenanceHeader.toLowerCase()] !== undefined
}

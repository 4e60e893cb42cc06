/** Decides which instance of a layer is the host that converge runs on. */

/** The properties in the stack that identify a host. */
interface Identity {
  readonly hostname?: string | null | undefined
  readonly public_dns_name?: string | null | undefined
}

/**
 * Decides whether an instance of a layer is this host: both have the same host name, or the same public DNS name. Unset
 * names never match.
 * @param name key of the instance in `opsworks.layers.<layer>.instances`
 * @param self `opsworks.instance`
 */
export function isThisHost(name: string, instance: Identity, self: Identity): boolean {
  return (
    (Boolean(self.hostname) && [name, instance.hostname].includes(self.hostname)) ||
    (Boolean(self.public_dns_name) && instance.public_dns_name === self.public_dns_name)
  )
}

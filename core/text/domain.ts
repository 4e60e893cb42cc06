/** Finds a domain name of an app that a request can ask for. */

/** A name that stands for many, such as `*.example.com`, has no address to request. */
const oneName = /^[\w-][\w.-]*$/

export function firstName(domains: readonly string[]): string | undefined {
  return domains.find((name) => oneName.test(name))
}

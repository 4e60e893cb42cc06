/** Recognizes addresses of private networks. */

/** Decides whether an IP address is of this host or a private network: RFC 1918, RFC 6598 and RFC 4193. */
export function isPrivateAddress(address: string): boolean {
  return /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[789]\d|1[01]\d|12[0-7])\.|::1$|f[cd][0-9a-f]{2}:)/i.test(
    address,
  )
}

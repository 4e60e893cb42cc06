/** Remembers the page of the reader while the browser is at the provider of a login. */

const key = 'page before the login'

/** A second attempt after a failed login begins at the first page, and keeps what the first attempt has remembered. */
export function rememberPage(): void {
  if (location.hash.length > '#/'.length) sessionStorage.setItem(key, location.hash)
}

/** Returns to the remembered page, once; it is always a page of the console. */
export function returnToPage(): void {
  const hash = sessionStorage.getItem(key)
  sessionStorage.removeItem(key)
  if (hash?.startsWith('#/') && !hash.startsWith('#/invitation/')) location.hash = hash
}

/** A URL for messages: without query, fragment and user info, any of which may hold a secret. */
export function printableUrl(url: URL): string {
  return `${url.origin}${url.pathname}`
}

/** Whether a host name, as `URL.hostname` spells it, is this machine. */
export function isLoopbackHost(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127(?:\.\d{1,3}){3}$/.test(hostname)
  )
}

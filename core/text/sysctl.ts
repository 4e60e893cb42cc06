/** Names and values of kernel settings, as sysctl.d(5) has them. */

export const kernelSettingName = /^[a-z][\w-]*([./][\w@:-]+)+$/
/** On one line, without what would begin a comment. */
export const kernelSettingText = /^[^\s#;"][^\n\r\0"]*$/

/** Returns the path of a setting below /proc/sys. The first separator of a name decides what separates its parts. */
export function kernelPath(name: string): string {
  if (/^[^./]*\//.test(name)) return name
  return name.replace(/[./]/g, (sign) => (sign === '.' ? '/' : '.'))
}

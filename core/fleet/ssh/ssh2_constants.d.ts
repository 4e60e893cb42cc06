/** Declares a file of ssh2 that @types/ssh2 leaves out: the library exports its lists of algorithms nowhere else. */
declare module 'ssh2/lib/protocol/constants.js' {
  const constants: Readonly<
    Record<
      | `DEFAULT_${'KEX' | 'SERVER_HOST_KEY' | 'CIPHER' | 'MAC' | 'COMPRESSION'}`
      | `SUPPORTED_${'KEX' | 'SERVER_HOST_KEY' | 'CIPHER' | 'MAC' | 'COMPRESSION'}`,
      readonly string[]
    >
  >
  export default constants
}

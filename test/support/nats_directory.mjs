/** Names the directory into which test/prepare.mjs installs nats-server; it survives `npm ci`. */
import { homedir } from 'node:os'

export const natsDirectory = `${process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`}/converge-tests/nats-server-2.15.1`

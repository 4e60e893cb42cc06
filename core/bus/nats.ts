/** Exports the parts of the NATS libraries that converge uses. They have a bundle of their own, which SSH never loads. */
export { AckPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
export { createUser, fromPublic, fromSeed } from '@nats-io/nkeys'
export { connect, nkeyAuthenticator } from '@nats-io/transport-node'

/** Exports the parts of the NATS libraries that converge uses. They have a bundle of their own, which SSH never loads. */
import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js'

export { AckPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
export { createUser, fromPublic, fromSeed } from '@nats-io/nkeys'
export { connect, nkeyAuthenticator } from '@nats-io/transport-node'

// When the server closes a connection, version 3.4.0 may still write to the socket that it has ended, and has removed the
// listener for the error: the process would end. A message that is dropped here is lost with the connection, and repeated.
const { _send: send } = NodeTransport.prototype
NodeTransport.prototype._send = function (frame) {
  return this.socket?.writable === true ? send.call(this, frame) : Promise.resolve()
}

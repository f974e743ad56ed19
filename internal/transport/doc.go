// Package transport answers: how do processes of one job talk to each other, and who may?
//
// A Conn carries frames, length-prefixed and typed, over a unix socket, TCP or TLS. Before the first frame both sides prove
// that they know the job's token, without sending it, and agree on protocol version and role. A Listener accepts such
// connections. What the frames mean is the executor package's business; CBOR limits for control messages are here.
//
// It does not reconnect, and it keeps no queue but the kernel's.
package transport

// Package kafkatx writes one batch of records to a Kafka topic in one short transaction, together with a marker: the
// metadata of an offset committed in the same transaction to a group without members (P9).
//
// It speaks the transaction protocol itself (franz-go carries the requests) for two reasons. The marker's group is not one that the
// client consumes with, which no client library offers; and a whole batch as a few requests of encoded record batches costs a
// fraction of a producer that handles records one by one. Requests are pinned to the versions before KIP-890, which brokers from
// 2.5 to 4.x understand alike.
package kafkatx

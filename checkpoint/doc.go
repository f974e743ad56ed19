// Package checkpoint answers: what must survive?
//
// A checkpoint is a directory that one driver owns at a time and any number of tools may read meanwhile:
//
//	epochs/e000000000007       one slot a takeover: the highest owns the checkpoint (P4)
//	log/000000000012.seg       batch log: plans and commits in checksummed frames, one fdatasync a batch (P3)
//	state/000000000431-….state state deltas and dumps, one file an executor and batch (P15)
//	journal/…                  rows of sources whose history can change (P18)
//	values/…                   shared values by hash (P21)
//	index.db                   bbolt: what the log says, for tools; written behind, rebuilt on every opening
//
// Store is the driver's side: Open takes the checkpoint over, Append makes plans and commits durable, Sync and Prune run
// behind. StateDir is the executors' side: state files and journals. Inspect is for tools: it reads the log without taking
// anything over.
//
// Who owns the log. Opening creates the next epoch slot, then reads the log, then starts a new segment whose header says how
// many bytes of the segment before it count. A driver acknowledges an append only if, after its fdatasync, the next epoch's
// slot still did not exist: then whoever takes over afterwards reads that frame. What an old driver writes later lies behind
// the accepted length and is void, and its append returns ErrFenced (I9).
//
//	old driver   write ─ fdatasync ─ no epoch e+1? ─ acknowledge
//	new driver                                      └ create e+1 ─ read log ─ new segment {accepted: n bytes}
//
// The package keeps data, never code. It does not decide what to restore or to replay: the driver does.
package checkpoint

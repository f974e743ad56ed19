package executor

import (
	"fmt"

	"github.com/millrace/millrace/internal/transport"
)

// Frame types of a control connection: messages to the executor from 1, messages to the driver from 32.
const (
	kindShare  byte = 10  // a piece of a Share, see pieces
	kindPing   byte = 100 // nothing; keeps the lease
	kindBlocks byte = 101 // on block connections
)

// toExecutor makes an empty message for each type number.
var toExecutor = map[byte]func() ToExecutor{
	1: func() ToExecutor { return new(Welcome) },
	2: func() ToExecutor { return new(Assign) },
	3: func() ToExecutor { return new(Launch) },
	4: func() ToExecutor { return new(Retry) },
	5: func() ToExecutor { return new(Publish) },
	6: func() ToExecutor { return new(Committed) },
	7: func() ToExecutor { return new(Flush) },
	8: func() ToExecutor { return new(Stop) },
	9: func() ToExecutor { return new(Answer) },
	// 10 is kindShare
	11: func() ToExecutor { return new(Forget) },
}

var toDriver = map[byte]func() ToDriver{
	32: func() ToDriver { return new(Join) },
	33: func() ToDriver { return new(Assigned) },
	34: func() ToDriver { return new(Held) },
	35: func() ToDriver { return new(TaskDone) },
	36: func() ToDriver { return new(Staged) },
	37: func() ToDriver { return new(Published) },
	38: func() ToDriver { return new(TaskFailed) },
	39: func() ToDriver { return new(Flushed) },
	40: func() ToDriver { return new(Heartbeat) },
	41: func() ToDriver { return new(Deposit) },
	42: func() ToDriver { return new(Fetch) },
	43: func() ToDriver { return new(Built) },
}

// kindOf is the type number of a message, 0 for one that is never sent.
func kindOf(m any) byte {
	switch m.(type) {
	case *Welcome:
		return 1
	case *Assign:
		return 2
	case *Launch:
		return 3
	case *Retry:
		return 4
	case *Publish:
		return 5
	case *Committed:
		return 6
	case *Flush:
		return 7
	case *Stop:
		return 8
	case *Answer:
		return 9
	case *Forget:
		return 11
	case *Join:
		return 32
	case *Assigned:
		return 33
	case *Held:
		return 34
	case *TaskDone:
		return 35
	case *Staged:
		return 36
	case *Published:
		return 37
	case *TaskFailed:
		return 38
	case *Flushed:
		return 39
	case *Heartbeat:
		return 40
	case *Deposit:
		return 41
	case *Fetch:
		return 42
	case *Built:
		return 43
	}
	return 0
}

// encodeMessage is a message as a frame.
func encodeMessage(m any) (kind byte, payload []byte, err error) {
	kind = kindOf(m)
	if kind == 0 {
		return 0, nil, fmt.Errorf("%T is never sent", m)
	}
	payload, err = transport.Encode(m)
	return kind, payload, err
}

// decodeMessage reads a frame, with table toExecutor or toDriver.
func decodeMessage[M any](table map[byte]func() M, kind byte, payload []byte) (M, error) {
	make, ok := table[kind]
	if !ok {
		var none M
		return none, fmt.Errorf("frame of type %d is not a message for this side", kind)
	}
	m := make()
	return m, transport.Decode(payload, m)
}

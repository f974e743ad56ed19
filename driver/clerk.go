package driver

import (
	"sync"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
)

// askQueue is how many pieces of files may wait for the disk: more than an executor sends before it has an answer. One that sends more is cut off.
const askQueue = 32

// clerk keeps files for an executor that does not see the checkpoint's directory (P23), beside the goroutine that receives, so that a slow disk
// does not make the executor look silent.
type clerk struct {
	conn executor.Conn
	asks chan executor.ToDriver // nil: the executor keeps its own
	work sync.WaitGroup
}

// clerk starts one for an executor that has joined. It works until stop.
func (e *engine) clerk(j joined, conn executor.Conn) (*clerk, error) {
	c := &clerk{conn: conn}
	if !j.far {
		return c, nil
	}
	dir, err := checkpoint.OpenState(e.dir)
	if err != nil {
		return nil, err
	}
	keeper := executor.NewKeeper(dir, j.name, e.rec.Epoch)
	c.asks = make(chan executor.ToDriver, askQueue)
	c.work.Go(func() {
		defer keeper.Close()
		for m := range c.asks {
			_ = conn.Send(keeper.Handle(m)) // a connection that does not take it has ended
		}
	})
	return c, nil
}

// takes tells whether m was for the clerk, and has it worked on.
func (c *clerk) takes(m executor.ToDriver) bool {
	switch m.(type) {
	case *executor.Deposit, *executor.Fetch:
	default:
		return false
	}
	select {
	case c.asks <- m:
	default:
		_ = c.conn.Close()
	}
	return true
}

func (c *clerk) stop() {
	if c.asks != nil {
		close(c.asks)
	}
	c.work.Wait()
}

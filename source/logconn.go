package source

import (
	"context"
	"errors"
)

// openLog reads a topic of the embedded log.
func openLog(topic string, start Start) func(context.Context, Env) (Connector, error) {
	return func(context.Context, Env) (Connector, error) {
		return nil, errors.New("the embedded log is not connected yet")
	}
}

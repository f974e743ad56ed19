package dstream

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
)

// Func is an operator of kind scalar that is compiled into the program, which config configures, as a function for expressions: it is called with the rows of a chunk that count,
// 2,048 of them or fewer. Arguments are as those of other functions: expressions, or constants. An error fails the task, which is tried again (expr.Columnar).
func Func(op plugins.Operator, config ...[]byte) func(args ...any) expr.Expr {
	return function(func() (offer, error) { return compiledIn(op, config) })
}

// FuncVia is Func for an operator of a plugin that runs in processes of its own. They are started when the function is used first, and again when they have died.
//
// A call crosses to the process and back for each chunk: an operator of kind map, which Frame.Via calls with up to 8,192 rows, costs less.
func FuncVia(ref plugins.Ref) func(args ...any) expr.Expr {
	return function(func() (offer, error) { return inProcess(ref) })
}

// function is an operator of kind scalar in expressions. It may be declared outside of all jobs, and is found when it is used.
func function(find func() (offer, error)) func(args ...any) expr.Expr {
	made := sync.OnceValue(func() func(args ...any) expr.Expr {
		o, err := find()
		if err == nil {
			if err = o.of("scalar"); err != nil {
				err = o.failed(err, "")
			}
		}
		s := &scalar{offer: o, err: err, calls: map[string]*instances[plugins.Scalar]{}}
		return expr.Columnar(o.facts(), s.declare, s.eval)
	})
	return func(args ...any) expr.Expr { return made()(args...) }
}

// scalar is an operator of that kind, with instances for arguments of different types.
type scalar struct {
	offer
	err   error // why there is none
	mu    sync.Mutex
	calls map[string]*instances[plugins.Scalar] // by types of arguments
}

func (s *scalar) declare(args []arrow.Field) (arrow.Field, error) {
	if s.err != nil {
		return arrow.Field{}, s.err
	}
	v, out, err := s.declared(args)
	if err != nil {
		return out, s.failed(err, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := row.FieldsText(args)
	if s.calls[key] != nil {
		return out, s.calls[key].give(v, true)
	}
	s.calls[key] = &instances[plugins.Scalar]{idle: []plugins.Scalar{v}, make: func() (plugins.Scalar, error) {
		v, again, err := s.declared(args)
		if err == nil && !again.Equal(out) {
			err = fmt.Errorf("it declares %s, and declared %s when the job was built; a declaration depends on its arguments alone", typeOf(again), typeOf(out))
		}
		return v, err
	}}
	return out, nil
}

// declared is an instance for arguments.
func (s *scalar) declared(args []arrow.Field) (plugins.Scalar, arrow.Field, error) {
	v, err := s.op.Scalar(s.config)
	if err != nil {
		return nil, arrow.Field{}, err
	}
	out, err := v.Declare(args)
	return v, out, err
}

func (s *scalar) eval(args arrow.Record) (out arrow.Array, err error) {
	s.mu.Lock()
	calls := s.calls[row.FieldsText(args.Schema().Fields())]
	s.mu.Unlock()
	err = calls.with(func(v plugins.Scalar) error {
		out, err = v.Eval(context.Background(), args)
		return err
	})
	if err != nil {
		return nil, s.failed(err, "")
	}
	return out, nil
}

package run

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/examples/workloads"
)

// grep is the CPU of grep -cF over the lines of W2 in a file, in seconds for a million lines; the second of two runs, when the file is in memory as the log is.
func (o *Options) grep(ctx context.Context) (float64, error) {
	path := o.path(fmt.Sprintf("lines-%d.txt", o.Records))
	if _, err := os.Stat(path); err != nil {
		if err := writeLines(path, o.Records); err != nil {
			return 0, err
		}
	}
	cpu := 0.0
	for range 2 {
		cmd := exec.CommandContext(ctx, "grep", "-cF", workloads.Wanted, path)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.Output(); err != nil && len(bytes.TrimSpace(out)) == 0 { // 1: no line has it
			return 0, fmt.Errorf("grep: %w", err)
		}
		cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	return cpu / float64(o.Records) * 1e6, nil
}

func writeLines(path string, n int) error {
	mk, err := gen.New("lines", gen.Seed)
	if err != nil {
		return err
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for i := range n {
		_, line := mk(i, 0)
		w.Write(append(line, '\n')) // errors stay in w until Flush
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

package run

import (
	"fmt"
	"os"

	"github.com/millrace/millrace/bench/stage"
)

// takeStages adds how the job's CPU divides, if that is wanted.
func (j *job) takeStages(r *Result) error {
	if !j.o.Stages {
		return nil
	}
	data, err := os.ReadFile(j.o.profile())
	if err != nil {
		return fmt.Errorf("the job's profile: %w", err)
	}
	p, err := stage.Parse(data)
	if err != nil {
		return fmt.Errorf("the job's profile %s: %w", j.o.profile(), err)
	}
	r.Stages = stage.Shares(p)
	return nil
}

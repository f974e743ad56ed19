package driver

import (
	"fmt"
	"path/filepath"
	"sync"
)

// claims are the checkpoints that jobs of this process use. A second driver on a checkpoint fences the first, which is right behind a crash of another process
// and within one process always a mistake.
var claims struct {
	mu   sync.Mutex        // guards jobs
	jobs map[string]string // job by directory
}

// claim reserves a checkpoint's directory for a job of this process until release.
func claim(dir, job string) (release func(), err error) {
	dir = realPath(dir)
	claims.mu.Lock()
	defer claims.mu.Unlock()
	if other, taken := claims.jobs[dir]; taken {
		return nil, fmt.Errorf("checkpoint %s: job %q of this process is using it: stop that one and await its end first, or give this one a checkpoint of its own", dir, other)
	}
	if claims.jobs == nil {
		claims.jobs = map[string]string{}
	}
	claims.jobs[dir] = job
	return func() {
		claims.mu.Lock()
		defer claims.mu.Unlock()
		delete(claims.jobs, dir)
	}, nil
}

// realPath is one name for a directory that links may lead to and that need not exist yet.
func realPath(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	if parent := filepath.Dir(dir); parent != dir {
		return filepath.Join(realPath(parent), filepath.Base(dir))
	}
	return dir
}

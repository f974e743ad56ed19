package slot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCreateOnce goes red with MILLRACE_FAULT=P10-double-slot.
func TestCreateOnce(t *testing.T) {
	dir := t.TempDir()
	if err := Create(dir, "a", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := Create(dir, "a", []byte("second")); !errors.Is(err, ErrTaken) {
		t.Fatalf("second create: got %v, want ErrTaken", err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "a"))
	if err != nil || string(got) != "first" {
		t.Fatalf("slot holds %q, %v", got, err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Fatalf("temporary files are left: %v", entries)
	}
}

func TestOneWinner(t *testing.T) {
	dir := t.TempDir()
	for n := range int64(20) {
		var wins atomic.Int32
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				err := Create(dir, Name("m-", n, ".json"), []byte(fmt.Sprint(w)))
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, ErrTaken) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Fatalf("slot %d has %d winners", n, wins.Load())
		}
	}
	list, err := List(dir, "m-", ".json")
	if err != nil || len(list) != 20 || list[19] != 19 {
		t.Fatalf("list: %v, %v", list, err)
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"m-000000000007.x", "m-1000000000000.x", "m-7.x", "m--00000000007.x", "m-0000000000007.x", "n-000000000001.x", ".tmp-m-000000000002.x-123"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := List(dir, "m-", ".x")
	if diff := cmp.Diff([]int64{7, 1_000_000_000_000}, list); diff != "" || err != nil {
		t.Fatalf("list: %v %s", err, diff)
	}
	if err := Sweep(dir, "m-"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".tmp-m-000000000002.x-123")); err == nil {
		t.Fatal("temporary file survived the sweep")
	}
	if list, err := List(filepath.Join(dir, "none"), "", ""); err != nil || list != nil {
		t.Fatalf("missing directory: %v, %v", list, err)
	}
}

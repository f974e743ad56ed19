package driver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// TestResolvedArguments: what resolved writes is what a flag of the same type reads.
func TestResolvedArguments(t *testing.T) {
	type values struct {
		Text, Empty string
		N           int
		On          bool
		List, Array []string
		Map         map[string]string
	}
	flagsOf := func() (*pflag.FlagSet, *values) {
		s, v := pflag.NewFlagSet("x", pflag.ContinueOnError), &values{}
		s.StringVar(&v.Text, "text", "d", "")
		s.StringVar(&v.Empty, "empty", "d", "")
		s.IntVar(&v.N, "n", 1, "")
		s.BoolVar(&v.On, "on", true, "")
		s.StringSliceVar(&v.List, "list", []string{"d"}, "")
		s.StringArrayVar(&v.Array, "array", nil, "")
		s.StringToStringVar(&v.Map, "map", nil, "")
		return s, v
	}
	given, want := flagsOf()
	args := []string{"--text=a b,\"c", "--empty=", "--n=-7", "--on=false", "--list=a,\"b,c\"", "--list=d", "--array=x,y", "--array=z", "--map=a=b,c=d"}
	if err := given.Parse(args); err != nil {
		t.Fatal(err)
	}
	again, got := flagsOf()
	if err := again.Parse(resolved(given)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	none, _ := flagsOf()
	if args := resolved(none); len(args) > 0 {
		t.Errorf("settings that nobody gave: %q", args)
	}
}

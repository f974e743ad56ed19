package exampletest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	noClose = "Close has no Example: write func ExampleClose() with // Output:, or say in the exceptions why it needs none"
	noSum   = "Till.Sum has no Example: write func ExampleTill_Sum() with // Output:, or say in the exceptions why it needs none"
	noSwap  = "Pair.Swap has no Example: write func ExamplePair_Swap() with // Output:, or say in the exceptions why it needs none"
	notRun  = "ExampleTill_Sum has no output, so it is not run: end it in a comment // Output:"
)

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		except map[string]string
		want   []string
	}{
		{nil, []string{noClose, notRun, noSwap, noSum}},
		{map[string]string{"Close": "why", "Till.Sum": "why", "Pair": "why"}, []string{notRun}},
		{map[string]string{"Close": "why", "Till": "why", "Pair.Swap": "why"}, []string{notRun}},
		{map[string]string{"Close": "", "Till": "why", "Pair": "why"}, []string{noClose, notRun}},
		{map[string]string{"Close": "why", "Till": "why", "Pair": "why", "Till.Count": "why", "Open": "why", "Shut": "why"}, []string{
			notRun, "Open has an Example, and an exception that is not needed", "Till.Count has an Example, and an exception that is not needed",
			"the exception Shut is no exported function, method or type with methods",
		}},
	} {
		got, err := problems("testdata/shop", c.except)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: %s", c.except, diff)
		}
	}
	if _, err := problems("testdata", nil); err == nil {
		t.Error("a directory without Go files is no error")
	}
}

func TestNames(t *testing.T) {
	if diff := cmp.Diff([]string{"Open", "Close", "Till.Count", "Till.Sum", "Pair.Swap"}, Names(t, "testdata/shop")); diff != "" {
		t.Error(diff)
	}
}

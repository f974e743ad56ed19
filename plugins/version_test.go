package plugins_test

import (
	"runtime/debug"
	"testing"

	"github.com/millrace/millrace/plugins"
)

// Two builds that no commit tells apart have other versions.
func TestVersionOf(t *testing.T) {
	set := func(kv ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{Main: debug.Module{Version: kv[0]}}
		for i := 1; i < len(kv); i += 2 {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return b
	}
	one, two := []byte("abcdefgh"), []byte("abcdezgh")
	for _, c := range []struct {
		info      *debug.BuildInfo
		want, and string // for the binaries one and two
	}{
		{nil, "devel-616263646566", "devel-61626364657a"},
		{set("(devel)"), "devel-616263646566", "devel-61626364657a"},
		{set("v1.2.0"), "v1.2.0", "v1.2.0"},
		{set("v0.0.0-20260101000000-123456789abc+dirty", "vcs.revision", "1234", "vcs.modified", "true"), "v0.0.0-20260101000000-123456789abc+dirty-616263646566", "v0.0.0-20260101000000-123456789abc+dirty-61626364657a"},
		{set("(devel)", "vcs.revision", "1234", "vcs.modified", "false"), "1234", "1234"},
		{set("", "vcs.revision", "1234", "vcs.modified", "true"), "1234-616263646566", "1234-61626364657a"},
	} {
		if a, b := plugins.VersionOf(c.info, one), plugins.VersionOf(c.info, two); a != c.want || b != c.and {
			t.Errorf("%+v: versions %q and %q, want %q and %q", c.info, a, b, c.want, c.and)
		}
	}
	if v := plugins.VersionOf(nil, nil); v != "devel" {
		t.Errorf("without a hash: %q", v)
	}
}
